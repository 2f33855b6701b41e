"""What a language model does when it is frozen, so that a task's network may learn on what it makes of each text.

Shapes: N tokens of all sequences, n of them text, D width.
"""

from typing import Any, Self

import lightning as L
import torch
from torch import Tensor

from datamodules.task import Refused

LEARNING = ("head", "metrics", "averages")  # parts of a frozen model that are not the encoder's


class Featured(L.LightningModule):
    """What a language model does when it is frozen; `head`, `transfer` and `encode` are `base.LanguageModel`'s."""

    head: Any
    transfer: Any

    @property
    def layer_shape(self) -> tuple[int, int]:
        """How many layers `encode` can return, the token layer among them, and how wide they are.

        Raises:
            Refused: of a model that does not say so.
        """
        if "num_layers" in self.hparams and "hidden_size" in self.hparams:
            return self.hparams["num_layers"] + 1, self.hparams["hidden_size"]
        raise Refused(f"transfer=features is not possible: {type(self).__name__} does not tell its `layer_shape`.")

    def train(self, mode: bool = True) -> Self:
        """All of it; but a frozen encoder stays in evaluation mode."""
        super().train(mode)
        for name, part in self.named_children():
            if self.transfer.frozen and name not in LEARNING:
                part.eval()
        return self

    @torch.no_grad()
    def frozen(self, batch: dict) -> tuple[Tensor, ...]:
        """The layers that the head reads: the batch's own, each (n, D), or what the encoder makes of it, (N, D)."""
        if "layers" in batch:
            return batch["layers"].unbind()
        return self.encode(batch, self.head.layers).layers if self.head.layers else ()  # pyright: ignore


def of_text(layers: tuple[Tensor, ...], batch: dict) -> tuple[Tensor, ...]:
    """Layers of a batch, each (N, D) -> of its text alone, (n, D); those that a batch brings along are that already."""
    return layers if "layers" in batch else tuple(layer[batch["text"]] for layer in layers)
