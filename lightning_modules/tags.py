"""A tag for each word of a text: how that is learnt, judged and kept, and the head on a fine-tuned encoder.

The label of a word stands at one of its tokens (`Task.tagged_token`). A word that was cut off a long text has no token:
nothing is learnt of it, and in an evaluation it is wrong.

Shapes: N tokens of all sequences, W words that are asked for, K of them that have a token, D width, C tags.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.task import Task, named
from lightning_modules.chunks import Chunks
from lightning_modules.head import Head, Judged
from lightning_modules.networks.recurrent import BiLstm, read
from lightning_modules.networks.transformer import initialise


class TagHead(Head):
    """Cross-entropy over words. Its logits are (K, C)."""

    chunks: Chunks

    def loss(self, logits: Tensor, batch: dict) -> tuple[Tensor, int]:
        return F.cross_entropy(logits, batch["tags"][batch["reached"]], reduction="sum"), len(logits)

    def of_words(self, logits: Tensor, batch: dict) -> Tensor:
        """(K, C) -> (W,) tags, -1 for a word that has no token."""
        return torch.full_like(batch["owner"], -1).index_copy(0, batch["reached"], self.predict(logits))

    def answered(self, logits: Tensor, batch: dict) -> list[tuple[Any, ...]]:
        """Of each text its number, its words' tags, and nothing."""
        tags = by_owner(self.of_words(logits, batch), batch)
        return [(index, own, []) for index, own in zip(batch["index"].tolist(), tags, strict=True)]

    def judged(self, logits: Tensor, batch: dict) -> Judged:
        """Of each text its number, its words' tags, the true ones, and five counts: right words, words, right chunks,
        predicted and true ones."""
        tags, owner = self.of_words(logits, batch), batch["owner"]
        right, ours, true = self.chunks.compare(tags, batch["tags"], owner)
        marks = (tags == batch["tags"], torch.ones_like(right), right, ours.begins, true.begins)
        counts = torch.stack([owner[mark].bincount(minlength=batch["num_examples"]) for mark in marks], dim=1)
        columns = (batch["index"].tolist(), by_owner(tags, batch), by_owner(batch["tags"], batch), counts.tolist())
        return Judged((tags, batch["tags"], owner), list(zip(*columns, strict=True)))

    def told(self, answers: Sequence[list[int]], truths: Sequence[list[int]]) -> Sequence[Tensor]:
        """Words of all texts, one after the other, and whose they are."""
        sizes = torch.tensor([len(words) for words in answers])
        words = [torch.tensor(list(chain.from_iterable(column))) for column in (answers, truths)]
        return *words, torch.arange(len(sizes)).repeat_interleave(sizes)

    def in_words(self, task: Task, rows: list[Any], texts: Sequence[tuple[str, ...]]) -> list[str | float]:
        """The tags of each text's words, with blanks between them."""
        return [" ".join(named(task.labels, tag) for tag in tags) for _, tags, _ in rows]

    def is_collapsed(self, task: Task, rows: Sequence[Any]) -> bool:
        """Whether every word that was not cut off has the same tag."""
        tags = [tag for row in rows for tag in row[1] if tag >= 0]
        return len(tags) > 1 and len(set(tags)) == 1


def by_owner(words: Tensor, batch: dict) -> list[list[int]]:
    """(W,) -> of each text those of its words."""
    sizes = batch["owner"].bincount(minlength=batch["num_examples"])
    return [own.tolist() for own in words.cpu().split(sizes.tolist())]


class Tags(TagHead):
    """dropout -> linear on the top layer at a word's token (Devlin et al. 2019, section 5.3: no CRF)."""

    def __init__(self, task: Task, width: int, pooler: nn.Module, dropout: float, init: str) -> None:
        """`pooler` is of heads that read one position; a word has no use for it."""
        super().__init__()
        self.bilstm: BiLstm | None = None  # see `transfer.Transfer`
        self.chunks = Chunks(task.labels)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(width, task.num_labels)
        initialise(self.linear, init)

    def forward(self, layers: tuple[Tensor, ...], summary: Tensor, batch: dict) -> Tensor:
        """(N, D) top layer -> (K, C)."""
        top = layers[-1] if self.bilstm is None else read(self.bilstm.lstm, layers[-1], batch["runs"])
        return self.linear(self.dropout(top[batch["tagged"]])).float()
