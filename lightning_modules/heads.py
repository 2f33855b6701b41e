"""What stands on an encoder for a task: one head per kind of task.

A head reads an `Encoding` and a batch, groups the sequences by the example that they belong to, and answers one row
per example. How it reads and how it answers are two classes: here the summary positions are read, in `features.py` all
tokens. Shapes: S sequences, B examples, D width, C labels.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.task import Task
from lightning_modules.head import Head
from lightning_modules.networks.recurrent import BiLstm
from lightning_modules.networks.transformer import initialise
from lightning_modules.spans import Span
from lightning_modules.tags import Tags


class Labels(Head):
    """Cross-entropy over the task's labels, or an example's choices; the prediction is the likeliest one's number."""

    def loss(self, logits: Tensor, batch: dict) -> tuple[Tensor, int]:
        return F.cross_entropy(logits, batch["labels"], reduction="sum"), len(logits)


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


HEADS: dict[str, type[SummaryHead] | type[Span] | type[Tags]] = {
    "classification": Classification,
    "regression": Regression,
    "choice": Choice,
    "span": Span,
    "tags": Tags,
}
