"""What stands on an encoder for a task: one head per kind of task.

A head reads an `Encoding` and a batch, groups the sequences by the example that they belong to, and answers one row
per example. Shapes: S sequences, B examples, D width, C labels.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.task import Task
from lightning_modules.networks.transformer import initialise


class SummaryHead(nn.Module):
    """pooler -> dropout -> linear on a sequence's summary position (BERT: [CLS]); an example's sequences are summed."""

    def __init__(self, task: Task, width: int, pooler: nn.Module, dropout: float, init: str) -> None:
        super().__init__()
        self.pooler = pooler
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, task.num_labels)
        initialise(self.linear, init)

    def forward(self, layers: tuple[Tensor, ...], summary: Tensor, batch: dict) -> Tensor:
        """(N, D) top layer, (S,) positions -> (B, C)."""
        pooled = self.dropout(self.pooler(layers[-1][summary]))  # (S, D)
        grouped = pooled.new_zeros(batch["num_examples"], pooled.shape[-1])
        return self.linear(grouped.index_add(0, batch["example"], pooled)).float()


class Classification(SummaryHead):
    """Cross-entropy over the task's labels; the prediction is the likeliest label's number."""

    def loss(self, logits: Tensor, batch: dict) -> tuple[Tensor, int]:
        """(B, C) -> sum of nats over examples, and their number."""
        return F.cross_entropy(logits, batch["labels"], reduction="sum"), len(logits)

    def predict(self, logits: Tensor) -> Tensor:
        """(B, C) -> (B,) label numbers."""
        return logits.argmax(-1)


class Regression(SummaryHead):
    """Mean squared error of a single score (STS-B)."""

    def loss(self, logits: Tensor, batch: dict) -> tuple[Tensor, int]:
        """(B, 1) -> sum of squared errors over examples, and their number."""
        return F.mse_loss(logits.squeeze(-1), batch["labels"].to(logits.dtype), reduction="sum"), len(logits)

    def predict(self, logits: Tensor) -> Tensor:
        """(B, 1) -> (B,) scores."""
        return logits.squeeze(-1)


Head = Classification | Regression
HEADS: dict[str, type[Head]] = {"classification": Classification, "regression": Regression}


def answers(head: Head | None, logits: Tensor) -> tuple[Tensor, Tensor]:
    """(B, C) -> the answers (B,), and (B, C) the probabilities of labels or of a probe's candidates, or a raw score."""
    if isinstance(head, Regression):
        return head.predict(logits), logits.detach().to(torch.float32)
    return logits.argmax(-1) if head is None else head.predict(logits), logits.softmax(-1)
