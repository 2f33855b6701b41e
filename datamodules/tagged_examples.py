"""A prepared split of tagged words.

ids.npy        tokens of all words, one after the other
words.npy      (W + 1,) where each word begins among them
sentences.npy  (R + 1,) where each row begins among the words
documents.npy  (R, 2) the rows of each row's document: the first, and the one behind the last
<task>.npy     (W,) tags; -1 of a word that has none
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from datamodules.labelled_examples import LabelledExamples
from datamodules.tagged import Words, places_of, read_places
from datamodules.task import Task
from datamodules.tokenization import Vocabulary

FILES = ("ids", "words", "sentences", "documents")


class TaggedExamples(LabelledExamples):
    """Some rows of a split.

    Args:
        collate: makes a batch of texts.
        room: tokens of a text, as the model reads them, that a sequence has room for.
        context: whether a sentence is read with its document around it, as far as there is room.
    """

    def __init__(
        self,
        folder: Path,
        task: Task,
        vocabulary: Vocabulary,
        collate: Callable[[list[Words]], dict],
        rows: np.ndarray,
        room: int,
        context: bool,
    ) -> None:
        self.ids, self.words, self.sentences, self.documents = (np.load(folder / f"{f}.npy") for f in FILES)
        self.tags = np.load(folder / f"{task.name}.npy")
        super().__init__(len(self.documents), rows)
        self.task, self.vocabulary, self.collate, self.room, self.context = task, vocabulary, collate, room, context
        places = read_places(vocabulary, self.ids)
        self.ends = np.append(places[self.words[:-1]], places[-1] + 1)  # (W + 1,) what is read before each word

    def window(self, row: int) -> tuple[int, int]:
        """The words that a row is read with, first and stop: whole words on both sides of its own, as many on the one
        as on the other, or more where the other has no more."""
        first, stop = self.sentences[row], self.sentences[row + 1]
        if not self.context:
            return int(first), int(stop)
        begin, end = self.sentences[self.documents[row]]
        free = max(self.room - (self.ends[stop] - self.ends[first]), 0)
        there = self.ends[first] - self.ends[begin], self.ends[end] - self.ends[stop]
        left = min(there[0], max(free // 2, free - there[1]))
        right = min(there[1], free - left)
        first = np.searchsorted(self.ends, self.ends[first] - left, "left")
        return int(first), int(np.searchsorted(self.ends, self.ends[stop] + right, "right")) - 1

    def asked(self, row: int) -> np.ndarray:
        """Numbers of the words of a row that have a tag."""
        own = np.arange(self.sentences[row], self.sentences[row + 1])
        return own[self.tags[own] >= 0]

    def text(self, row: int) -> Words:
        """A row as it is read."""
        first, stop = self.window(row)
        begins = self.words[first : stop + 1]
        return Words(self.ids[begins[0] : begins[-1]].astype(np.int64), begins - begins[0], self.asked(row) - first)

    def lay_out(self, numbers: np.ndarray) -> dict:
        return self.collate([self.text(row) for row in numbers])

    def truth(self, numbers: np.ndarray, batch: dict) -> dict:
        return {"tags": torch.from_numpy(self.tags[np.concatenate([self.asked(row) for row in numbers])])}

    def label_counts(self) -> dict[str, int]:
        """Words of each tag."""
        counts = np.bincount(self.tags[self.all_asked()], minlength=self.task.num_labels)
        return dict(zip(self.task.labels, counts.tolist(), strict=True))

    def all_asked(self) -> np.ndarray:
        return np.concatenate([self.asked(row) for row in self.rows])

    def cut_off(self) -> int:
        """How many of the words that are asked for are cut off: an evaluation counts them as wrong."""
        asked = self.all_asked()
        row = np.searchsorted(self.sentences, asked, "right") - 1
        places = places_of(self.vocabulary, self.ids, self.words, self.task)[asked]
        return int((places - self.ends[self.sentences[row]] >= self.room).sum())

    def num_tokens(self) -> int:
        """Tokens of these rows, before truncation, without special ones and without context."""
        return int((self.words[self.sentences[self.rows + 1]] - self.words[self.sentences[self.rows]]).sum())


def documents_of(begins: Sequence[bool]) -> np.ndarray:
    """Whether a document begins with each row, which then is no sentence -> (R, 2) the rows of each one's document.

    A row that is no sentence is a document by itself; rows before the first such one are one document.
    """
    number = len(begins)
    marks = np.flatnonzero(begins)
    edges = np.unique(np.concatenate([[0], marks, marks + 1, [number]]))
    where = np.searchsorted(edges, np.arange(number), "right")
    return np.stack([edges[where - 1], edges[where]], axis=1)
