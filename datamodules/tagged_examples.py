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

from datamodules.layer_cache import KeptLayers, LayerCache, text_sizes
from datamodules.tagged import Words, places_of, read_places
from datamodules.tagging_tasks import TagTask
from datamodules.tokenization import Vocabulary

AT_ONCE = 1000  # rows that are measured together
FILES = ("ids", "words", "sentences", "documents")


class TaggedExamples:
    """Some rows of a split.

    Args:
        lay_out: makes a batch of texts.
        room: tokens of a text, as the model reads them, that a sequence has room for.
        context: whether a sentence is read with its document around it, as far as there is room.

    Attributes:
        kept: what a frozen encoder makes of the split's rows, which batches then bring along.
    """

    kept: KeptLayers | None = None

    def __init__(
        self,
        directory: Path,
        task: TagTask,
        vocabulary: Vocabulary,
        lay_out: Callable[[list[Words]], dict],
        rows: np.ndarray,
        room: int,
        context: bool,
    ) -> None:
        self.ids, self.words, self.sentences, self.documents = (np.load(directory / f"{f}.npy") for f in FILES)
        self.tags = np.load(directory / f"{task.name}.npy")
        self.task, self.vocabulary, self.lay_out, self.rows = task, vocabulary, lay_out, rows
        self.room, self.context = room, context
        places = read_places(vocabulary, self.ids)
        self.ends = np.append(places[self.words[:-1]], places[-1] + 1)  # (W + 1,) what is read before each word

    def __len__(self) -> int:
        return len(self.rows)

    def begin(self, epoch: int) -> None:
        """Nothing is drawn."""

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

    def keep(self, cache: LayerCache, name: str) -> None:
        """Bring along the layers that are in the cache under the split's name."""
        number = len(self.documents)
        rows = np.array_split(np.arange(number), -(-number // AT_ONCE))
        self.kept = cache.open(name, lambda: np.concatenate([text_sizes(self.laid_out(some)) for some in rows]))

    def laid_out(self, numbers: np.ndarray) -> dict:
        """Rows of the split as a batch, without what is known of them."""
        batch = self.lay_out([self.text(row) for row in numbers])
        batch["index"] = torch.from_numpy(numbers)
        return batch

    def batch(self, rows: np.ndarray, epoch: int) -> dict:
        numbers = self.rows[rows]
        batch = self.laid_out(numbers)
        if self.kept is not None:
            batch["layers"] = self.kept.read(batch)
        batch["tags"] = torch.from_numpy(self.tags[np.concatenate([self.asked(row) for row in numbers])])
        return batch

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
