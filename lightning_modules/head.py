"""What a head is: it stands on an encoder for a task, answers, and says what of its answers is judged and kept.

Shapes: S sequences, B examples, C labels.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

from torch import Tensor, nn


class Judged(NamedTuple):
    """What an evaluation keeps of a batch.

    Attributes:
        told: what the task's metrics are updated with.
        rows: of each example its number, the answer, the truth, and what the answer was chosen from.
    """

    told: tuple[Any, ...]
    rows: list[tuple[Any, ...]]


class Head(nn.Module, ABC):
    """What is learnt for a task.

    Attributes:
        linear: its last layer.
    """

    linear: nn.Linear

    @abstractmethod
    def forward(self, layers: Any, summary: Tensor, batch: dict) -> Tensor:
        """The encoder's layers, (S,) positions -> logits (B, C)."""

    @abstractmethod
    def loss(self, logits: Tensor, batch: dict) -> tuple[Tensor, int]:
        """(B, C) -> a sum over examples, and their number."""

    @abstractmethod
    def predict(self, logits: Tensor) -> Tensor:
        """(B, C) -> the answers (B,)."""

    def chances(self, logits: Tensor) -> Tensor:
        """(B, C) -> what the answers are chosen from, (B, C)."""
        return logits.softmax(-1)

    def answered(self, logits: Tensor, batch: dict) -> list[tuple[Any, ...]]:
        """Of each example its number, the answer, and what it was chosen from."""
        return in_rows(batch["index"], self.predict(logits), self.chances(logits))

    def judged(self, logits: Tensor, batch: dict) -> Judged:
        """The answers beside the truth."""
        return beside_the_truth(self.predict(logits), self.chances(logits), batch)

    def penalty(self) -> Tensor | None:
        """What its parameters cost, added to an example's loss; None where they are free."""
        return None

    def figures(self) -> dict[str, float]:
        """What it has learnt in a few numbers, for the log."""
        return {}


def in_rows(*columns: Tensor) -> list[tuple[Any, ...]]:
    """Columns (B, ...) -> B rows of plain values."""
    return list(zip(*(column.tolist() for column in columns), strict=True))


def beside_the_truth(answers: Tensor, chances: Tensor, batch: dict) -> Judged:
    """(B,) answers, (B, C) what they were chosen from -> what is kept of them."""
    return Judged((answers, batch["labels"]), in_rows(batch["index"], answers, batch["labels"], chances))
