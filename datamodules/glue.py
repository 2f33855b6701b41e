"""GLUE (Wang et al. 2019), SWAG and SICK: eleven tasks, one data module; a task is a row of `glue_tasks.ALL_TASKS`.

The published validation sets are our test sets. What has to be chosen (the epoch, a learning rate) is chosen on a
tenth of the training set, fixed by a hash of the text: `selection: holdout`. `selection: paper` chooses on the
published validation set, as the papers did, and is labelled so wherever it is shown.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from datamodules import ceilings, sources
from datamodules.base import ON_TEST, TextDataModule, once
from datamodules.formats import SequencePair
from datamodules.glue_examples import GlueExamples
from datamodules.glue_tasks import GlueTask, ServerSet, check_rows, holdout_mask, task_of
from datamodules.layer_cache import LayerCache
from datamodules.loading import BatchLoader, EvaluationLoader, Examples
from datamodules.masking import generator
from datamodules.task import GENERATED, Refused, one_of, real, whole
from datamodules.tokenization import Subwords, encode_all

SUBSET = 1  # the last part of a random key, apart from the loader's (seed, epoch, 0)
COUNTED = "a whole number from {}, or null for all"
SELECTIONS = {"holdout": "selected on a tenth of train", "paper": ON_TEST}


def some_of(rows: np.ndarray, wanted: int | None, seed: int, name: str) -> np.ndarray:
    """`data.train_examples` of the rows to train on, in their order; of one seed, fewer are a part of more.

    Raises:
        Refused: when there are not so many.
    """
    if wanted is None:
        return rows
    if wanted > len(rows):
        raise Refused(
            f"data.train_examples={wanted} is not possible: {name} has {len(rows)} rows to train on; it may be "
            f"{COUNTED.format(f'1 to {len(rows)}')}."
        )
    return np.sort(rows[generator(seed, 0, SUBSET).permutation(len(rows))[:wanted]])


class Glue(TextDataModule):
    """One task of GLUE, SWAG or SICK.

    Args:
        task: a key of ALL_TASKS.
        format: lays an example out as sequences; the model's yaml chooses it.
        max_length: tokens of a sequence, special ones included; longer texts are cut.
        selection: `holdout` | `paper`, see above.
        checkpoint: which epoch is evaluated, the `best` one of the selection set or the `last`.
        submission: predict the test sets, whose labels only the GLUE server has.
        train_examples: train on so many; None: on all. Of one seed, fewer are a part of more, and another seed draws
            others. The selection set and a tokenizer that is trained here do not depend on it.
    """

    def __init__(
        self,
        task: str,
        source: str,
        tokenizer: Subwords,
        format: SequencePair,
        max_length: int,
        global_batch_size: int,
        eval_batch_size: int,
        seed: int,
        cache_dir: str,
        selection: str = "holdout",
        checkpoint: str = "best",
        submission: bool = True,
        train_examples: int | None = None,
        num_workers: int | None = None,
    ) -> None:
        super().__init__(source, tokenizer, global_batch_size, eval_batch_size, seed, cache_dir, num_workers)
        self.row: GlueTask = task_of(task)
        self.layout, self.max_length = format, whole("data.max_length", max_length, 8)
        further = (ceilings.measure(self.row),) if self.source in GENERATED else ()  # the metric of its ladder
        metrics = tuple(dict.fromkeys((*self.row.metrics, *further)))
        self.task = format.asked(replace(self.row, max_length=max_length, metrics=metrics))
        self.selection = SELECTIONS[one_of("data.selection", selection, SELECTIONS)]
        self.checkpoint = one_of("data.checkpoint", checkpoint, ("best", "last"))
        if not self.task.trains:
            self.checkpoint = "none"
            self.selection = f"threshold {self.selection}" if self.task.kind == "threshold" else "nothing is trained"
        self.hand_in = one_of("data.submission", submission, (True, False))
        self.layers: LayerCache | None = None  # of a frozen encoder (sweeps/layers.py)
        self.train_examples = train_examples
        if train_examples is not None:
            real("data.train_examples", train_examples, COUNTED.format("1 up"), lambda n: isinstance(n, int) and n > 0)

    # ---- text --------------------------------------------------------------------------------------------------------

    @cached_property
    def server_sets(self) -> list[ServerSet]:
        """The sets to predict for the server: those that the source has."""
        return [one for one in self.row.server_sets if self.hand_in and self.has(one)]

    def has(self, one: ServerSet) -> bool:
        """Whether the source has a set. A task has to be there; a further configuration may be missing."""
        try:
            config = one.config or self.row.configuration
            return one.split in sources.available_splits(self.source, self.row.repository, config)
        except Refused:
            if not one.config:
                raise
            return False

    @property
    def sets(self) -> dict[str, tuple[str, str]]:
        """Everything to read: name -> configuration and split. The training set, the test sets, the server's."""
        own = self.row.configuration
        labelled = {name: (own, name) for name in (self.row.train, *self.row.test_sets)}
        return labelled | {one.name: (one.config or own, one.split) for one in self.server_sets}

    def identity(self) -> dict:
        repository, own = self.row.repository, self.row.configuration
        splits = [split for config, split in self.sets.values() if config == own]
        further = {
            one.config: sources.identity(self.source, repository, one.config, [one.split])
            for one in self.server_sets
            if one.config
        }
        return {**sources.identity(self.source, repository, own, splits), **further}

    def read(self, name: str) -> Any:
        """Checked rows of a set."""
        where = (self.source, self.row.repository, *self.sets[name])
        rows = sources.load_rows(*where)
        labelled = name not in {one.name for one in self.server_sets}
        check_rows(rows, self.row, sources.place(*where), labelled)
        return rows

    def training_texts(self) -> Iterable[str]:
        rows = self.read(self.row.train)
        for column in self.row.columns:
            yield from rows[column]

    # ---- tokens ------------------------------------------------------------------------------------------------------

    def prepare_tokens(self, tokenizer: Tokenizer) -> None:
        for name in self.sets:
            once(self.tokens_dir / name, lambda path, name=name: self.tokenize(tokenizer, name, path))
        self.training_rows()  # here too, so that a wrong number is refused before training begins

    def tokenize(self, tokenizer: Tokenizer, name: str, directory: Path) -> None:
        """<column>.npy with all ids, <column>-offsets.npy, labels.npy; of the training set also holdout.npy."""
        rows = self.read(name)
        for column in self.row.columns:
            ids = list(encode_all(tokenizer, rows[column]))
            np.save(directory / f"{column}.npy", np.concatenate(ids))
            np.save(directory / f"{column}-offsets.npy", np.cumsum([0, *map(len, ids)]))
        np.save(directory / "labels.npy", np.array(rows["label"]))
        if name == self.row.train:
            joined = ["\x1f".join(texts) for texts in zip(*(rows[c] for c in self.row.columns), strict=True)]
            np.save(directory / "holdout.npy", holdout_mask(joined))

    def held_out(self) -> np.ndarray:
        """Which rows of the training set are held out for choices, when `selection` is `holdout`."""
        return np.load(self.tokens_dir / self.row.train / "holdout.npy")

    def training_rows(self) -> np.ndarray:
        """The rows to train on, in the set's order.

        Raises:
            Refused: when `train_examples` is more than there are.
        """
        held = self.held_out()
        rows = np.arange(len(held)) if self.chooses_on_test else np.flatnonzero(~held)
        return some_of(rows, self.train_examples, self.seed, self.row.name)

    # ---- batches -----------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        vocabulary = self.vocabulary()

        def examples(name: str, rows: np.ndarray | None = None) -> GlueExamples:
            batch = partial(self.layout.batch, vocabulary, task=self.task)
            made = GlueExamples(self.tokens_dir / name, self.row, batch, rows)
            if self.layers is not None:
                made.keep(self.layers, name)
            return made

        self.tests = [examples(name) for name in self.row.test_sets]
        self.train = examples(self.row.train, self.training_rows())
        published = next(i for i, name in enumerate(self.row.test_sets) if name.startswith("validation"))
        self.val = (
            self.tests[published] if self.chooses_on_test else examples(self.row.train, np.flatnonzero(self.held_out()))
        )
        self.unlabelled = {one.name: examples(one.name) for one in self.server_sets}
        self.card = {
            "train": len(self.train),
            "selection": len(self.val),
            **{name: len(test) for name, test in zip(self.row.test_sets, self.tests, strict=True)},
            "train_labels": self.train.label_counts(),
            "train_tokens": self.train.num_tokens(),
            **ceilings.ceilings(self.source, self.task, self.row.test_sets),
        }

    @property
    def sets_of_examples(self) -> list[Examples]:
        """All that a run reads, once set up."""
        return [self.train, self.val, *self.tests, *self.unlabelled.values()]

    def parts(self, test_set: str) -> dict[str, list[int]]:
        return ceilings.parts(self.source, self.row.name, test_set)

    def train_dataloader(self) -> BatchLoader:
        return self.train_loader(self.train)

    def val_dataloader(self) -> EvaluationLoader:
        return self.eval_loader(self.val)

    def test_dataloader(self) -> list[EvaluationLoader]:
        return [self.eval_loader(test) for test in self.tests]

    def predict_dataloader(self) -> list[EvaluationLoader]:
        return [self.eval_loader(examples) for examples in self.unlabelled.values()]

    def submission(self, name: str, answers: list) -> tuple[str, list[str]]:
        """A file for the server: a header, then row number and label (or score, within 0 and 5)."""
        (file,) = [one.file for one in self.row.server_sets if one.name == name]
        if self.row.kind == "choice":  # as the authors' own csv_predict.py writes it
            return file, [",pred", *(f"{i},{int(answer)}" for i, answer in enumerate(answers))]
        if not self.task.labels:
            words = [f"{min(max(float(answer), 0.0), 5.0):.3f}" for answer in answers]
        elif self.task.name in ("cola", "sst2", "mrpc", "qqp", "wnli"):  # the original files have numbers there
            words = [str(int(answer)) for answer in answers]
        else:
            words = [self.task.labels[int(answer)] for answer in answers]
        return file, ["index\tprediction", *(f"{i}\t{word}" for i, word in enumerate(words))]
