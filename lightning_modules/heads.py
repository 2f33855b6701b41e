"""What stands on an encoder for a task: one head per kind of task.

A head reads an `Encoding` and a batch, groups the sequences by the example that they belong to, and answers one row
per example. How it reads and how it answers are two classes: here the summary positions are read, in `features.py` all
tokens. Shapes: S sequences, B examples, D width, C labels.
"""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.task import Task
from lightning_modules.networks.recurrent import BiLstm
from lightning_modules.networks.transformer import initialise


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


class SummaryHead(Head):
    """pooler -> dropout -> linear on a sequence's summary position (BERT: [CLS]); an example's sequences are summed."""

    def __init__(self, task: Task, width: int, pooler: nn.Module, dropout: float, init: str) -> None:
        super().__init__()
        self.bilstm: BiLstm | None = None  # see `transfer.Transfer`
        self.pooler = pooler
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, task.num_labels)
        initialise(self.linear, init)

    def pooled(self, layers: tuple[Tensor, ...], summary: Tensor, batch: dict) -> Tensor:
        """(N, D) top layer, (S,) positions -> (S, D)."""
        top = layers[-1]
        return self.pooler(top[summary] if self.bilstm is None else self.bilstm(top, batch["runs"], batch["offsets"]))

    def forward(self, layers: tuple[Tensor, ...], summary: Tensor, batch: dict) -> Tensor:
        """(N, D) top layer, (S,) positions -> (B, C)."""
        pooled = self.dropout(self.pooled(layers, summary, batch))  # (S, D)
        grouped = pooled.new_zeros(batch["num_examples"], pooled.shape[-1])
        return self.linear(grouped.index_add(0, batch["example"], pooled)).float()


class Classification(Labels, SummaryHead):
    """A label for each example."""


class Regression(Score, SummaryHead):
    """A score for each example."""


class Choice(Labels, SummaryHead):
    """One score for each choice, the product with one vector; cross-entropy over an example's choices.

    Dropout leaves out the same of all choices: they are compared on what is left (GPT's released code).
    """

    def __init__(self, task: Task, width: int, pooler: nn.Module, dropout: float, init: str) -> None:
        super().__init__(replace(task, num_labels=1), width, pooler, dropout, init)
        self.linear.register_parameter("bias", None)  # the same for all choices: a softmax leaves it nothing to learn
        self.choices = task.num_labels

    def forward(self, layers: tuple[Tensor, ...], summary: Tensor, batch: dict) -> Tensor:
        """(N, D) top layer, (S,) positions -> (B, C): a choice's sequences are summed."""
        pooled = self.pooled(layers, summary, batch)  # (S, D)
        kept = self.dropout(pooled.new_ones(batch["num_examples"], pooled.shape[-1]))  # (B, D)
        scores = self.linear(pooled * kept[batch["example"]]).squeeze(-1)  # (S,)
        places = batch["example"] * self.choices + batch["choice"]
        flat = scores.new_zeros(batch["num_examples"] * self.choices)
        return flat.index_add(0, places, scores).unflatten(0, (-1, self.choices)).float()


HEADS: dict[str, type[SummaryHead]] = {"classification": Classification, "regression": Regression, "choice": Choice}


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
