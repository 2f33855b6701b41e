"""SQuAD v1.1 (Rajpurkar et al. 2016) and v2.0 (Rajpurkar et al. 2018): which span of a text answers a question, if any.

The published validation set is our test set. What has to be chosen (the epoch; of v2.0 the threshold for "no answer")
is chosen on a tenth of the training set, fixed by a hash of the context: `selection: holdout`, or `paper`.

`python -m datamodules.squad score DATA PREDICTIONS.json` scores a file of answers as the publishers' scripts do.
"""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from datamodules import sources, squad_files, squad_golds
from datamodules.base import TextDataModule, once
from datamodules.formats import SequencePair
from datamodules.glue import COUNTED, SELECTIONS, some_of
from datamodules.glue_tasks import holdout_mask
from datamodules.layer_cache import LayerCache
from datamodules.loading import BatchLoader, EvaluationLoader, Examples
from datamodules.squad_golds import NO_ANSWER, NOT_FOUND
from datamodules.squad_score import V1, V2
from datamodules.squad_text import Rows, checked
from datamodules.squad_windows import SpanExamples, Split
from datamodules.task import GENERATED, Reading, Task, one_of, real, whole
from datamodules.tokenization import Subwords

REPOSITORIES = {V1: ("rajpurkar/squad", "plain_text"), V2: ("rajpurkar/squad_v2", "squad_v2")}
NAMES = {V1: "squad", V2: "squad_v2"}
TRAIN, VALIDATION = "train", "validation"


def task_of(version: str, max_length: int, reading: Reading) -> Task:
    """What a model learns of it."""
    return Task(
        name=NAMES[one_of("data.version", version, NAMES)],
        kind="span",
        num_labels=2,
        metrics=("f1", "exact_match"),
        headline="f1",
        test_sets=(VALIDATION,),
        max_length=whole("data.max_length", max_length, 8),
        columns=("question", "context"),
        may_lack=version == V2,
        reading=reading,
    )


class Squad(TextDataModule):
    """One version of SQuAD.

    Args:
        version: `v1.1` | `v2.0`, in which a question may have no answer.
        format: lays a question and a stretch of its context out; the model's yaml chooses it.
        max_length: tokens of a sequence, special ones included.
        max_question, stride, n_best, max_answer_length: see `task.Reading`.
        windows_without_answer: `keep` | `drop`: what training does with those windows of an answered question that do
            not hold its answer whole; kept (as in the release but for its first days), they have none.
        selection: `holdout` | `paper`, see above.
        checkpoint: which epoch is evaluated, the `best` one of the selection set or the `last`.
        train_examples: train on so many questions; None: on all. See `Glue`.
    """

    def __init__(
        self,
        version: str,
        source: str,
        tokenizer: Subwords,
        format: SequencePair,
        max_length: int,
        global_batch_size: int,
        eval_batch_size: int,
        seed: int,
        cache_dir: str,
        max_question: int = 64,
        stride: int = 128,
        n_best: int = 20,
        max_answer_length: int = 30,
        windows_without_answer: str = "keep",
        selection: str = "holdout",
        checkpoint: str = "best",
        train_examples: int | None = None,
        num_workers: int | None = None,
    ) -> None:
        super().__init__(source, tokenizer, global_batch_size, eval_batch_size, seed, cache_dir, num_workers)
        reading = Reading(max_question, stride, n_best, max_answer_length)
        self.version, self.layout, self.max_length = version, format, max_length
        self.task = format.asked(task_of(version, max_length, reading))
        self.repository = REPOSITORIES[version]
        self.keeps = one_of("data.windows_without_answer", windows_without_answer, ("keep", "drop")) == "keep"
        self.selection = SELECTIONS[one_of("data.selection", selection, SELECTIONS)]
        self.checkpoint = one_of("data.checkpoint", checkpoint, ("best", "last"))
        self.layers: LayerCache | None = None  # of a frozen encoder (sweeps/layers.py)
        self.train_examples = train_examples
        if train_examples is not None:
            real("data.train_examples", train_examples, COUNTED.format("1 up"), lambda n: isinstance(n, int) and n > 0)

    # ---- text --------------------------------------------------------------------------------------------------------

    def identity(self) -> dict:
        return sources.identity(self.source, *self.repository, [TRAIN, VALIDATION])

    def read(self, split: str) -> Rows:
        """Checked rows."""
        where = (self.source, *self.repository, split)
        return checked(sources.load_rows(*where), sources.place(*where), self.task.may_lack)

    def training_texts(self) -> Iterable[str]:
        rows = self.read(TRAIN)
        yield from rows.contexts
        yield from rows.questions

    # ---- tokens ------------------------------------------------------------------------------------------------------

    def prepare_tokens(self, tokenizer: Tokenizer) -> None:
        for split in (TRAIN, VALIDATION):
            once(
                self.tokens_dir / split,
                lambda path, split=split: squad_golds.prepare(self.read(split), tokenizer, self.version, path),
            )
        self.training_questions(self.prepared(TRAIN))  # here too, so that a wrong number is refused before training

    def prepared(self, split: str) -> Split:
        """A split as windows."""
        return Split.read(self.tokens_dir / split, self.layout, self.vocabulary(), self.task)

    @staticmethod
    def held_out(split: Split) -> np.ndarray:
        """Which questions of the training set are held out for choices: all or none of a context."""
        return holdout_mask(split.rows.contexts)[split.rows.of]

    def training_questions(self, split: Split) -> np.ndarray:
        """The questions to train on, in the set's order: those whose answer is where it is said to be.

        Raises:
            Refused: when `train_examples` is more than there are.
        """
        usable = split.spans[:, 0] != NOT_FOUND
        if not self.chooses_on_test:
            usable &= ~self.held_out(split)
        return some_of(np.flatnonzero(usable), self.train_examples, self.seed, self.task.name)

    # ---- batches -----------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        train, test = self.prepared(TRAIN), self.prepared(VALIDATION)
        questions = self.training_questions(train)
        windows = np.flatnonzero(np.isin(train.asked, questions))
        if not self.keeps:
            has_none = train.spans[train.asked[windows], 0] == NO_ANSWER
            windows = windows[train.holds(windows) | has_none]
        self.train = SpanExamples(train, windows)
        self.tests = [SpanExamples(test, np.arange(len(test.asked)))]
        held = np.flatnonzero(self.held_out(train)[train.asked])
        self.val = self.tests[0] if self.chooses_on_test else SpanExamples(train, held)
        if self.layers is not None:
            for examples, name in ((self.train, TRAIN), (self.val, TRAIN), (self.tests[0], VALIDATION)):
                examples.keep(self.layers, name)
        self.card = {
            "train": len(questions),
            "selection": len(np.unique(self.val.split.asked[self.val.rows])),
            VALIDATION: len(test.rows.ids),
            "train_windows": len(windows),
            "validation_windows": len(test.asked),
            "train_tokens": self.train.num_tokens(),
            "train_answers_not_found": int((train.spans[:, 0] == NOT_FOUND).sum()),
            **self.lost(test),
        }

    def lost(self, test: Split) -> dict[str, Any]:
        """Questions of the test set that no whole tokens answer exactly where their answers are said to be."""
        numbers = json.loads((self.tokens_dir / VALIDATION / "lost.json").read_text())
        return {"validation_lost": len(numbers), "validation_lost_ids": [test.rows.ids[row] for row in numbers]}

    @property
    def sets_of_examples(self) -> list[Examples]:
        """All that a run reads, once set up."""
        return [self.train, self.val, *self.tests]

    def parts(self, test_set: str) -> dict[str, Sequence[int]]:
        """On the miniature, whose questions use verbs of the training set and other ones by turns, these."""
        if self.source not in GENERATED:
            return {}
        count = self.card[VALIDATION]
        return {"seen": range(0, count, 2), "unseen": range(1, count, 2)}

    def prediction_files(self, test_set: str, rows: Sequence[Any]) -> dict[str, list[str]]:
        """What predictions/ has of a test set; see `squad_files`."""
        return squad_files.written(test_set, self.tests[0].split.rows, rows, self.task.may_lack)

    def shown(self, test_set: str, rows: Sequence[Any]) -> list[squad_files.Shown]:
        """Answers beside their questions, contexts and the truth, for people to read."""
        return [squad_files.shown(self.tests[0].split.rows, row) for row in rows]

    def train_dataloader(self) -> BatchLoader:
        return self.train_loader(self.train)

    def val_dataloader(self) -> EvaluationLoader:
        return self.eval_loader(self.val)

    def test_dataloader(self) -> list[EvaluationLoader]:
        return [self.eval_loader(test) for test in self.tests]


if __name__ == "__main__":
    from datamodules.squad_command import main

    main()
