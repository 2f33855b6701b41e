"""Windows: a question and a stretch of its context, laid out as the model reads pairs.

A context that is too long for a sequence is read in several stretches, `stride` tokens apart. At prediction an answer
may begin only in that window in which its first token has the most context (run_squad.py). To loaders and to what
keeps layers a window is what an example is elsewhere: a row.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from datamodules.formats import SequencePair
from datamodules.labelled_examples import LabelledExamples
from datamodules.squad_golds import NO_ANSWER
from datamodules.squad_score import V1, V2, score
from datamodules.squad_text import Cut, Rows
from datamodules.task import Task
from datamodules.tokenization import Vocabulary


def stretches(length: int, room: int, stride: int) -> list[tuple[int, int]]:
    """[from, to) of the stretches in which a context of so many tokens is read; of none, one empty stretch."""
    found, start = [], 0
    while not found or found[-1][1] < length:
        stop = min(length, start + room)
        found.append((start, stop))
        start += min(stop - start, stride)
    return found


def most_context(parts: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """[from, to) of the tokens that have their maximum context in each stretch; they follow each other.

    The context of a token is what it has on its poorer side, and a hundredth of the stretch's length; of equals the
    earlier stretch has it.
    """
    best, owners = np.full(parts[-1][1], -1), np.zeros(parts[-1][1], dtype=np.int64)
    for row, (start, stop) in enumerate(parts):
        inside = np.arange(stop - start)
        own = 100 * np.minimum(inside, inside[::-1]) + stop - start
        better = own > best[start:stop]
        best[start:stop][better], owners[start:stop][better] = own[better], row
    ends = np.searchsorted(owners, np.arange(len(parts)), side="right").tolist()
    return list(zip([0, *ends[:-1]], ends, strict=True))


class Passage:
    """What a window is cut from (no dataclass, which Lightning would take apart on the way to a device)."""

    def __init__(self, text: str, characters: np.ndarray, golds: Sequence[str], version: str) -> None:
        self.text, self.stretch, self.golds, self.version = text, characters, golds, version
        self.lacks = not golds

    def characters(self, first: int, last: int) -> tuple[int, int]:
        """[from, to) of the context's characters of the stretch's tokens `first` to `last`."""
        return int(self.stretch[first, 0]), int(self.stretch[last, 1])

    def score(self, start: int, stop: int) -> tuple[float, float]:
        """Exact match and F1 of these characters as an answer."""
        return score(self.text[start:stop], self.golds, self.version)


class Split:
    """A prepared split as windows.

    Attributes:
        asked: (W,) the question of each window.
        parts, central: (W, 2) tokens of the context: those of the window, and those that may begin an answer there.
        spans: (questions, 2), see `squad_golds`.
    """

    def __init__(
        self, rows: Rows, questions: Cut, contexts: Cut, spans: np.ndarray, layout: SequencePair, words: Vocabulary,
        task: Task,
    ) -> None:  # fmt: skip
        assert task.reading is not None
        self.rows, self.questions, self.contexts, self.spans = rows, questions, contexts, spans
        self.layout, self.vocabulary, self.task, self.reading = layout, words, task, task.reading
        self.version = V2 if task.may_lack else V1
        unknown = np.array([words.unk])
        probe = layout.sequences(words, [unknown, unknown], task)  # says what the layout puts around two texts
        self.apart = len(probe) > 1
        self.before = int(np.flatnonzero(probe[0].tokens == words.unk)[-1]) - 1  # marks before the context
        self.room = task.room - sum(len(one.tokens) for one in probe) // len(probe) + (1 if self.apart else 2)
        self.longest = min(self.reading.max_question, self.room if self.apart else self.room // 2)
        self.divide()

    @classmethod
    def read(cls, folder: Path, layout: SequencePair, vocabulary: Vocabulary, task: Task) -> "Split":
        """What `squad_golds.prepare` has left."""
        questions, contexts = Cut.read(folder, "questions"), Cut.read(folder, "contexts")
        return cls(Rows.read(folder), questions, contexts, np.load(folder / "spans.npy"), layout, vocabulary, task)

    def divide(self) -> None:
        """Contexts into windows."""
        asked, parts, central = [], [], []
        lengths, known = self.contexts.counts().tolist(), {}
        for row, text in enumerate(self.rows.of):
            room = self.room - (0 if self.apart else self.question_length(row))
            if (lengths[text], room) not in known:
                own = stretches(lengths[text], room, self.reading.stride)
                known[lengths[text], room] = own, most_context(own)
            own, best = known[lengths[text], room]
            asked += [row] * len(own)
            parts += own
            central += best
        self.asked, self.parts, self.central = (np.array(column) for column in (asked, parts, central))

    def question_length(self, row: int) -> int:
        """Tokens of a question that are read."""
        return min(int(self.questions.offsets[row + 1] - self.questions.offsets[row]), self.longest)

    def holds(self, windows: np.ndarray) -> np.ndarray:
        """Whether each of some windows holds its question's gold answer whole."""
        spans, parts = self.spans[self.asked[windows]], self.parts[windows]
        return (spans[:, 0] >= parts[:, 0]) & (spans[:, 1] < parts[:, 1]) & (spans[:, 0] > NO_ANSWER)

    def texts(self, window: int) -> list[np.ndarray]:
        """Pieces of the question and of the stretch."""
        row = self.asked[window]
        return [
            self.questions.ids(row, 0, self.question_length(row)),
            self.contexts.ids(self.rows.of[row], *self.parts[window]),
        ]

    def passage(self, window: int) -> Passage:
        row = self.asked[window]
        text = self.rows.of[row]
        characters = np.array(self.contexts.stretch(text, *self.parts[window]))
        return Passage(self.rows.contexts[text], characters, self.rows.answers(row), self.version)

    def lay_out(self, windows: np.ndarray) -> dict:
        """Windows as a batch, without what is known of them."""
        return self.layout.batch(self.vocabulary, [self.texts(window) for window in windows], self.task)

    def batch(self, windows: np.ndarray) -> dict:
        """Windows as a batch, with what is known of them."""
        batch = {**self.lay_out(windows), "index": torch.from_numpy(windows)}
        return {**batch, **self.truth(windows, batch)}

    def truth(self, windows: np.ndarray, batch: dict) -> dict:
        """What is known of the windows of a batch: the keys of lightning_modules/spans.py."""
        rows = self.asked[windows]
        lengths = np.diff(self.parts[windows])[:, 0]
        if self.apart:
            begin, columns = np.ones_like(rows), 1 + np.maximum(lengths, 1)  # of no token an unknown one is read
            no_answer = np.zeros_like(rows)
        else:
            begin = self.before + np.array([self.question_length(row) for row in rows])
            example, starts = batch["example"].numpy(), batch["offsets"].numpy()
            columns, no_answer = np.empty_like(rows), np.empty_like(rows)
            columns[example] = np.diff(starts)
            no_answer[example] = batch["summary"].numpy() - starts[:-1]
        shift = (begin - self.parts[windows, 0])[:, None]  # from a context's tokens to columns
        span = np.where(self.holds(windows)[:, None], self.spans[rows] + shift, no_answer[:, None])
        told = {
            "columns": columns,
            "no_answer": no_answer,
            "context": np.stack([begin, begin + lengths], axis=1),
            "central": self.central[windows] + shift,
            "span": span,
            "asked": rows,
        }
        return {
            **{key: torch.from_numpy(value.astype(np.int64)) for key, value in told.items()},
            "decoding": (self.reading.n_best, self.reading.max_answer_length),
            "passages": [self.passage(window) for window in windows],
        }


class SpanExamples(LabelledExamples):
    """Some windows of a split."""

    def __init__(self, split: Split, rows: np.ndarray) -> None:
        super().__init__(len(split.asked), rows)
        self.split = split

    def lay_out(self, numbers: np.ndarray) -> dict:
        return self.split.lay_out(numbers)

    def truth(self, numbers: np.ndarray, batch: dict) -> dict:
        return self.split.truth(numbers, batch)

    def num_tokens(self) -> int:
        """Tokens of these windows, question and context, as often as they are read."""
        questions = sum(self.split.question_length(row) for row in self.split.asked[self.rows])
        return int(questions + np.diff(self.split.parts[self.rows]).sum())


def batches_of_texts(
    layout: SequencePair, tokenizer: Tokenizer, examples: Sequence[tuple[str, ...]], task: Task, size: int
) -> Iterator[dict[str, Any]]:
    """Questions and contexts -> batches of `size` windows; `asked` numbers the examples from 0."""
    vocabulary = Vocabulary.of(tokenizer)
    questions, contexts = (list(column) for column in zip(*examples, strict=True))
    every = range(len(questions))
    rows = Rows([str(row) for row in every], questions, contexts, [*every], [[] for _ in every])
    asked, read = Cut.of(tokenizer, vocabulary, questions), Cut.of(tokenizer, vocabulary, contexts)
    split = Split(rows, asked, read, np.full((len(questions), 2), NO_ANSWER), layout, vocabulary, task)
    for first in range(0, len(split.asked), size):
        yield split.batch(np.arange(first, min(first + size, len(split.asked))))
