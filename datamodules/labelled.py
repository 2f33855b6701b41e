"""What data sets of labelled examples share: a training set, of which some is held out for choices, and test sets.

How these are told apart: selection.py. A data set says what it reads, how its rows become tokens and which of them are
held out; its `LabelledExamples` say how rows become a batch.
"""

from abc import abstractmethod
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, Required, TypeVar, Unpack

import numpy as np
from tokenizers import Tokenizer

from datamodules.base import TextDataModule, TextSettings, once
from datamodules.formats import SequencePair
from datamodules.labelled_examples import LabelledExamples
from datamodules.layer_cache import LayerCache
from datamodules.loading import BatchLoader, EvaluationLoader
from datamodules.selection import PAPER, SELECTIONS, counted, some_of
from datamodules.task import TRAIN, Refused, Task, one_of, whole

E = TypeVar("E", bound=LabelledExamples)


class LabelledSettings(TextSettings, total=False):
    """The arguments of `LabelledData`, for a data set that hands them on."""

    format: Required[SequencePair]
    max_length: Required[int]
    selection: str
    checkpoint: str
    train_examples: int | None


class LabelledData(TextDataModule, Generic[E]):
    """A task's training set and test sets. A subclass calls `take` with the task.

    Args:
        format: lays an example out as sequences; the model's yaml and the transfer choose it.
        max_length: tokens of a sequence, special ones included; longer texts are cut.
        selection: `holdout` | `paper`: see selection.py.
        checkpoint: which epoch is evaluated, the `best` one of the selection set or the `last`.
        train_examples: train on so many; None: on all. Of one seed, fewer are a part of more, and another seed draws
            others. The selection set and a tokenizer that is trained here do not depend on it.
        settings: see `TextDataModule`.

    Attributes:
        train, val, tests: once set up, what is trained on, chosen on and tested on.
        sets_of_examples: these and the unlabelled ones: all that a run reads.
        layers: of a frozen encoder, what is kept of all these (sweeps/runs/layers.py).
    """

    train: E
    val: E
    tests: list[E]
    sets_of_examples: list[E]
    layers: LayerCache | None = None

    def __init__(
        self,
        format: SequencePair,
        max_length: int,
        selection: str = "holdout",
        checkpoint: str = "best",
        train_examples: int | None = None,
        **settings: Unpack[TextSettings],
    ) -> None:
        super().__init__(**settings)
        self.layout, self.max_length = format, whole("data.max_length", max_length, 8)
        self.selection = SELECTIONS[one_of("data.selection", selection, SELECTIONS)]
        self.chooses_on_test = selection == PAPER  # the published validation set
        self.checkpoint = one_of("data.checkpoint", checkpoint, ("best", "last"))
        self.train_examples = counted(train_examples)

    def take(self, task: Task) -> None:
        """Be about a task, as the layout puts it to a model: where that trains nothing, no epoch is chosen."""
        self.task = self.layout.asked(replace(task, max_length=self.max_length))
        if not self.task.trains:
            self.checkpoint, asks_threshold = "none", self.task.kind == "threshold"
            self.selection = f"threshold {self.selection}" if asks_threshold else "nothing is trained"
            self.chooses_on_test &= asks_threshold

    # ---- to be written by a data set ---------------------------------------------------------------------------------

    @abstractmethod
    def tokenize(self, tokenizer: Tokenizer, name: str, folder: Path) -> None:
        """Leave a set as tokens in a folder of its own, `tokens_dir / name` once it is complete."""

    @abstractmethod
    def rows_of(self, name: str) -> np.ndarray:
        """The numbers of a prepared set's examples."""

    @abstractmethod
    def held_out(self) -> np.ndarray:
        """Booleans, which rows of the training set are held out where `selection` is `holdout`."""

    @abstractmethod
    def examples(self, name: str, rows: np.ndarray) -> E:
        """Some of a prepared set's examples."""

    @property
    def sets(self) -> Collection[str]:
        """Everything to read: the training set, the test sets, and in a subclass others, which are predicted."""
        return (TRAIN, *self.task.test_sets)

    def usable_rows(self) -> np.ndarray:
        """The rows of the training set that can be learnt from."""
        return self.rows_of(TRAIN)

    def figures(self) -> dict[str, Any]:
        """For the data card, besides how many examples there are: what is told of the sets that are set up."""
        return {}

    # ---- rows --------------------------------------------------------------------------------------------------------

    def prepare_tokens(self, tokenizer: Tokenizer) -> None:
        for name in self.sets:
            once(self.tokens_dir / name, lambda folder, name=name: self.tokenize(tokenizer, name, folder))
        self.check_rows()

    def check_rows(self) -> None:
        """Before training begins.

        Raises:
            Refused: when there is nothing to train on or to choose on, or `train_examples` is more than there are.
        """
        training, (name, choosing) = self.training_rows(), self.chosen_on
        if not self.task.trains:
            return
        of = f"of the {len(self.rows_of(TRAIN))} examples that {self.task.name} has to train on in {self.source}"
        if not len(training):
            raise Refused(f"{of} none can be learnt from and is not held out: data.source may have more.")
        if not len(choosing):
            raise Refused(f"{of} none is held out to choose on ({name}): data.selection may be {PAPER}.")

    def training_rows(self) -> np.ndarray:
        """The rows to train on, in the set's order.

        Raises:
            Refused: when `train_examples` is more than there are.
        """
        rows = self.usable_rows()
        if not self.chooses_on_test:
            rows = rows[~self.held_out()[rows]]
        return some_of(rows, self.train_examples, self.seed, self.task.name)

    @property
    def chosen_on(self) -> tuple[str, np.ndarray]:
        """The set that choices are made on, and its rows: with `paper` the first test set that is called validation."""
        if self.chooses_on_test:
            names = self.task.test_sets
            name = next((name for name in names if name.startswith("validation")), names[0])
            return name, self.rows_of(name)
        rows = self.rows_of(TRAIN)
        return TRAIN, rows[self.held_out()[rows]]

    # ---- batches -----------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        training, (chosen, choosing), names = self.training_rows(), self.chosen_on, self.task.test_sets
        self.train = self.training_examples(training)
        self.tests = [self.some(name, self.rows_of(name)) for name in names]
        self.val = self.tests[names.index(chosen)] if chosen in names else self.some(chosen, choosing)
        others = [name for name in self.sets if name not in (TRAIN, *names)]
        unlabelled = {name: self.some(name, self.rows_of(name)) for name in others}
        self.unlabelled = unlabelled
        self.sets_of_examples = [self.train, self.val, *self.tests, *unlabelled.values()]
        self.card = {
            "train": len(training),
            "selection": len(choosing),
            **{name: len(self.rows_of(name)) for name in names},
            **self.figures(),
        }

    def some(self, name: str, rows: np.ndarray) -> E:
        """Some of a set's examples, with a frozen encoder's layers where these are kept."""
        made = self.examples(name, rows)
        if self.layers is not None:
            made.keep(self.layers, name)
        return made

    def training_examples(self, rows: np.ndarray) -> E:
        """What is trained on."""
        return self.some(TRAIN, rows)

    def train_dataloader(self) -> BatchLoader:
        return self.train_loader(self.train)

    def val_dataloader(self) -> EvaluationLoader:
        return self.eval_loader(self.val)

    def test_dataloader(self) -> list[EvaluationLoader]:
        return [self.eval_loader(test) for test in self.tests]

    def predict_dataloader(self) -> list[EvaluationLoader]:
        return [self.eval_loader(examples) for examples in self.unlabelled.values()]
