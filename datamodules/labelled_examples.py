"""Rows of a prepared set of labelled examples, as the loaders and what keeps a frozen encoder's layers read them."""

from abc import ABC, abstractmethod

import numpy as np
import torch

from datamodules.layer_cache import KeptLayers, LayerCache, text_sizes

AT_ONCE = 1000  # rows that are measured together


class LabelledExamples(ABC):
    """Some rows of a set.

    Args:
        size: how many rows the whole set has.
        rows: the numbers of these.

    Attributes:
        kept: what a frozen encoder makes of the set's rows, which batches then bring along.
    """

    kept: KeptLayers | None = None

    def __init__(self, size: int, rows: np.ndarray) -> None:
        self.size, self.rows = size, rows

    @abstractmethod
    def lay_out(self, numbers: np.ndarray) -> dict:
        """Rows of the set as a batch (lightning_modules/base.py), with nothing that is known of them."""

    @abstractmethod
    def truth(self, numbers: np.ndarray, batch: dict) -> dict:
        """What is known of these rows, as further keys of their batch."""

    def __len__(self) -> int:
        return len(self.rows)

    def begin(self, epoch: int) -> None:  # noqa: B027
        """Nothing is drawn, if a subclass does not say otherwise."""

    def laid_out(self, numbers: np.ndarray) -> dict:
        """Rows of the set as a batch that knows their numbers, and no truth."""
        return {**self.lay_out(numbers), "index": torch.from_numpy(numbers)}

    def batch(self, rows: np.ndarray, epoch: int) -> dict:
        """See `loading.Examples`."""
        numbers = self.rows[rows]
        batch = self.laid_out(numbers)
        if self.kept is not None:
            batch["layers"] = self.kept.read(batch)
        return {**batch, **self.truth(numbers, batch)}

    def keep(self, cache: LayerCache, name: str) -> None:
        """Bring along the layers that are in the cache under the set's name."""
        parts = np.array_split(np.arange(self.size), -(-self.size // AT_ONCE))
        self.kept = cache.open(name, lambda: np.concatenate([text_sizes(self.laid_out(some)) for some in parts]))
