"""SQuAD v1.1 (Rajpurkar et al. 2016) and v2.0 (Rajpurkar et al. 2018): which span of a text answers a question, if any.

A row is a question. All questions on a context are held out for choices (the epoch; of v2.0 the threshold for "no
answer"), or none.

`python -m datamodules.squad score DATA PREDICTIONS.json` scores a file of answers as the publishers' scripts do.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from tokenizers import Tokenizer

from datamodules import sources, squad_files, squad_golds
from datamodules.labelled import LabelledData, LabelledSettings
from datamodules.selection import holdout_mask
from datamodules.squad_golds import NO_ANSWER, NOT_FOUND
from datamodules.squad_score import V1, V2
from datamodules.squad_text import Rows, checked
from datamodules.squad_windows import SpanExamples, Split
from datamodules.task import GENERATED, TRAIN, Reading, Task, one_of

REPOSITORIES = {V1: ("rajpurkar/squad", "plain_text"), V2: ("rajpurkar/squad_v2", "squad_v2")}
NAMES = {V1: "squad", V2: "squad_v2"}
VALIDATION = "validation"


def task_of(version: str, max_length: int, reading: Reading) -> Task:
    """What a model learns of it."""
    return Task(
        name=NAMES[one_of("data.version", version, NAMES)],
        kind="span",
        num_labels=2,
        metrics=("f1", "exact_match"),
        headline="f1",
        test_sets=(VALIDATION,),
        max_length=max_length,
        columns=("question", "context"),
        may_lack=version == V2,
        reading=reading,
    )


class Squad(LabelledData[SpanExamples]):
    """One version of SQuAD.

    Args:
        version: `v1.1` | `v2.0`, in which a question may have no answer.
        max_question, stride, n_best, max_answer_length: see `task.Reading`.
        windows_without_answer: `keep` | `drop`: what training does with those windows of an answered question that do
            not hold its answer whole; kept (as in the release but for its first days), they have none.
        settings: see `LabelledData`; `train_examples` counts questions, the batch sizes windows.
    """

    def __init__(
        self,
        version: str,
        max_question: int = 64,
        stride: int = 128,
        n_best: int = 20,
        max_answer_length: int = 30,
        windows_without_answer: str = "keep",
        **settings: Unpack[LabelledSettings],
    ) -> None:
        super().__init__(**settings)
        self.reading = Reading(max_question, stride, n_best, max_answer_length)
        self.take(task_of(version, self.max_length, self.reading))
        self.version, self.repository = version, REPOSITORIES[version]
        self.keeps = one_of("data.windows_without_answer", windows_without_answer, ("keep", "drop")) == "keep"
        self.splits: dict[str, Split] = {}  # see `prepared`

    # ---- text --------------------------------------------------------------------------------------------------------

    def identity(self) -> dict:
        return sources.identity(self.source, *self.repository, list(self.sets))

    def read(self, split: str) -> Rows:
        """Checked rows."""
        where = (self.source, *self.repository, split)
        return checked(sources.load_rows(*where), sources.place(*where), self.task.may_lack)

    def training_texts(self) -> Iterable[str]:
        rows = self.read(TRAIN)
        yield from rows.contexts
        yield from rows.questions

    # ---- tokens ------------------------------------------------------------------------------------------------------

    @property
    def token_facts(self) -> dict:
        """What an earlier version has left has no golds.json."""
        return {"golds": 2}

    def tokenize(self, tokenizer: Tokenizer, name: str, folder: Path) -> None:
        squad_golds.prepare(self.read(name), tokenizer, self.version, folder)

    def prepared(self, name: str) -> Split:
        """A split as windows, made once: all that is asked of it is about these."""
        if name not in self.splits:
            self.splits[name] = Split.read(self.tokens_dir / name, self.layout, self.vocabulary(), self.task)
        return self.splits[name]

    def rows_of(self, name: str) -> np.ndarray:
        return np.arange(len(self.prepared(name).rows.ids))

    def held_out(self) -> np.ndarray:
        rows = self.prepared(TRAIN).rows
        return holdout_mask(rows.contexts)[rows.of]

    def usable_rows(self) -> np.ndarray:
        """The questions whose answer is where it is said to be."""
        return np.flatnonzero(self.prepared(TRAIN).spans[:, 0] != NOT_FOUND)

    def examples(self, name: str, rows: np.ndarray) -> SpanExamples:
        """All windows of some questions."""
        split = self.prepared(name)
        return SpanExamples(split, np.flatnonzero(np.isin(split.asked, rows)))

    def training_examples(self, rows: np.ndarray) -> SpanExamples:
        """See `windows_without_answer`."""
        made = super().training_examples(rows)
        if not self.keeps:
            has_none = made.split.spans[made.split.asked[made.rows], 0] == NO_ANSWER
            made.rows = made.rows[made.split.holds(made.rows) | has_none]
        return made

    # ---- what is told ------------------------------------------------------------------------------------------------

    def figures(self) -> dict[str, Any]:
        return {
            "train_windows": len(self.train),
            "validation_windows": len(self.tests[0]),
            "train_tokens": self.train.num_tokens(),
            "train_answers_not_found": int((self.train.split.spans[:, 0] == NOT_FOUND).sum()),
            **self.lost(self.tests[0].split),
        }

    def lost(self, test: Split) -> dict[str, Any]:
        """What of the test set cannot be answered exactly: questions of which no gold answer survives the way to tokens
        and back, single gold answers that do not, and questions all of whose answers are longer than is looked at.
        """
        told = json.loads((self.tokens_dir / VALIDATION / "golds.json").read_text())
        spans: dict[str, list[str]] = {}
        for row, answer in told["spans_lost"]:
            spans.setdefault(test.rows.ids[row], []).append(answer)
        return {
            "validation_lost": len(told["questions_lost"]),
            "validation_lost_ids": [test.rows.ids[row] for row in told["questions_lost"]],
            "validation_answers": sum(len({*golds}) for golds in test.rows.golds),
            "validation_answers_lost": len(told["spans_lost"]),
            "validation_answers_lost_of": spans,
            "validation_too_long_ids": [
                test.rows.ids[row] for row, n in enumerate(told["shortest"]) if n > self.reading.max_answer_length
            ],
        }

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


if __name__ == "__main__":
    from datamodules.squad_command import main

    main()
