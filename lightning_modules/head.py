"""What a head is: it reads an `Encoding` and a batch and answers one row per example.

How it reads and how it answers are two classes; the ways to answer that several heads share are here. Shapes: S
sequences, B examples, C labels.
"""

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
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


class Labels(Head):
    """Cross-entropy over the task's labels, or an example's choices; the prediction is the likeliest one's number."""

    def loss(self, logits: Tensor, batch: dict) -> tuple[Tensor, int]:
        return F.cross_entropy(logits, batch["labels"], reduction="sum"), len(logits)

    def predict(self, logits: Tensor) -> Tensor:
        return logits.argmax(-1)


class Score(Head):
    """Mean squared error of a single score (STS-B)."""

    def loss(self, logits: Tensor, batch: dict) -> tuple[Tensor, int]:
        return F.mse_loss(logits.squeeze(-1), batch["labels"].to(logits.dtype), reduction="sum"), len(logits)

    def predict(self, logits: Tensor) -> Tensor:
        return logits.squeeze(-1)

    def chances(self, logits: Tensor) -> Tensor:
        """The score itself."""
        return logits.detach().to(torch.float32)


def in_rows(*columns: Tensor) -> list[tuple[Any, ...]]:
    """Columns (B, ...) -> B rows of plain values."""
    return list(zip(*(column.tolist() for column in columns), strict=True))


def beside_the_truth(answers: Tensor, chances: Tensor, batch: dict) -> Judged:
    """(B,) answers, (B, C) what they were chosen from -> what is kept of them."""
    return Judged((answers, batch["labels"]), in_rows(batch["index"], answers, batch["labels"], chances))


def likeliest(logits: Tensor, batch: dict) -> list[tuple[Any, ...]]:
    """Where nothing is trained: see `Head.answered`, of scores (B, C) of candidates."""
    return in_rows(batch["index"], logits.argmax(-1), logits.softmax(-1))


def asked(logits: Tensor, batch: dict) -> Judged:
    """Where nothing is trained: see `Head.judged`, of scores (B, C) of candidates."""
    return beside_the_truth(logits.argmax(-1), logits.softmax(-1), batch)
