"""Chunks of tagged words (entities, arguments), found and counted as the official conlleval script does.

B-X begins a chunk of type X. I-X goes on with one; where there is none of that type to go on with (after O, after
another type, at a sentence's beginning) it begins one, so that IOB1 and ill-formed sequences have chunks, too. A chunk
is right if its words and its type are.

Shapes: W words of some sentences, one sentence after the other; T types.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from datamodules.task import Task

SCORES = ("f1", "precision", "recall")


class Found(NamedTuple):
    """The chunks that tags spell.

    Attributes:
        begins: (W,) whether a chunk begins with the word.
        kind: (W,) number of the type of the chunk that the word is in; -1: it is in none.
        stop: (W,) where the next word stands that goes on with no chunk.
    """

    begins: Tensor
    kind: Tensor
    stop: Tensor


class Chunks:
    """How to read chunks from tags.

    Args:
        labels: names of the tags in the order of their numbers; -1, no tag at all, is in no chunk.

    Attributes:
        types: T names, in alphabetical order.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        inside = [label[2:] if label[:2] in ("B-", "I-") else None for label in labels]
        self.types = sorted({name for name in inside if name is not None})
        self.kinds = torch.tensor([-1 if name is None else self.types.index(name) for name in [*inside, None]])
        self.begin = torch.tensor([label.startswith("B-") for label in [*labels, ""]])

    def find(self, tags: Tensor, owner: Tensor) -> Found:
        """(W,) tags, (W,) the sentence of each -> the chunks."""
        kind = self.kinds.to(tags.device)[tags]
        first = torch.ones_like(tags, dtype=torch.bool)  # of its sentence
        first[1:] = owner[1:] != owner[:-1]
        before = kind.roll(1).masked_fill(first, -1)
        begins = (kind >= 0) & (self.begin.to(tags.device)[tags] | (before != kind))
        places = torch.arange(len(tags) + 1, device=tags.device)
        goes_on = (kind >= 0) & ~begins
        breaks = places[:-1].masked_fill(goes_on, len(tags))
        behind = torch.cat([breaks[1:], places[-1:]])  # (W,): of what follows each word
        return Found(begins, kind, behind.flip(0).cummin(0).values.flip(0))

    def compare(self, predicted: Tensor, gold: Tensor, owner: Tensor) -> tuple[Tensor, Found, Found]:
        """(W,) each -> (W,) whether a right chunk begins with the word; the predicted and the true chunks."""
        ours, true = self.find(predicted, owner), self.find(gold, owner)
        alike = (ours.kind == true.kind) & (ours.stop == true.stop)
        return ours.begins & true.begins & alike, ours, true


class ChunkScores(Metric):
    """Precision, recall and F1 over all chunks, and the F1 of each type; sums of counts, exact over ranks."""

    right: Tensor
    found: Tensor
    there: Tensor

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.chunks, self.names = Chunks(task.labels), [name for name in SCORES if name in task.metrics]
        for state in ("right", "found", "there"):
            self.add_state(state, torch.zeros(len(self.chunks.types), dtype=torch.long), dist_reduce_fx="sum")

    def update(self, predicted: Tensor, gold: Tensor, owner: Tensor) -> None:
        """(W,) tags, -1 where none is predicted; (W,) the truth; (W,) whose words they are."""
        right, ours, true = self.chunks.compare(predicted, gold, owner)
        types = len(self.chunks.types)
        self.right += true.kind[right].bincount(minlength=types)
        self.found += ours.kind[ours.begins].bincount(minlength=types)
        self.there += true.kind[true.begins].bincount(minlength=types)

    def compute(self) -> dict[str, Tensor]:
        each = scores(self.right, self.found, self.there)
        total = scores(self.right.sum(), self.found.sum(), self.there.sum())
        named = dict(zip((f"f1/{name}" for name in self.chunks.types), each["f1"], strict=True))
        return {name: total[name] for name in self.names} | named


def scores(right: Tensor, found: Tensor, there: Tensor) -> dict[str, Tensor]:
    """Counts -> what conlleval prints, as shares; 0 where it is 0 / 0."""
    return {
        "precision": right / found.clamp(min=1),
        "recall": right / there.clamp(min=1),
        "f1": 2 * right / (found + there).clamp(min=1),
    }


class WordAccuracy(Metric):
    """Share of the words whose tag is right; a word without a prediction, -1, is wrong."""

    right: Tensor
    words: Tensor

    def __init__(self) -> None:
        super().__init__()
        for state in ("right", "words"):
            self.add_state(state, torch.tensor(0), dist_reduce_fx="sum")

    def update(self, predicted: Tensor, gold: Tensor, owner: Tensor) -> None:
        """See `ChunkScores.update`."""
        self.right += (predicted == gold).sum()
        self.words += len(gold)

    def compute(self) -> Tensor:
        return self.right / self.words.clamp(min=1)


def tag_metrics(task: Task) -> dict[str, Metric]:
    """What of the task's metrics are counts over chunks, and what over words."""
    chunks: dict[str, Metric] = {"chunks": ChunkScores(task)} if set(SCORES) & set(task.metrics) else {}
    return chunks | ({"accuracy": WordAccuracy()} if "accuracy" in task.metrics else {})
