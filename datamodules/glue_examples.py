"""A prepared split of a GLUE task, as token ids."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from datamodules.glue_tasks import GlueTask
from datamodules.layer_cache import KeptLayers, LayerCache, text_sizes

AT_ONCE = 1000  # rows that are measured together


class GlueExamples:
    """Some rows of a split, or all.

    Attributes:
        kept: what a frozen encoder makes of the split's rows, which batches then bring along.
    """

    kept: KeptLayers | None = None

    def __init__(
        self,
        directory: Path,
        task: GlueTask,
        lay_out: Callable[[list[list[np.ndarray]]], dict],
        rows: np.ndarray | None,
    ) -> None:
        self.task, self.lay_out = task, lay_out
        self.fields = [np.load(directory / f"{c}.npy", mmap_mode="r") for c in task.columns]
        self.offsets = [np.load(directory / f"{c}-offsets.npy") for c in task.columns]
        self.labels = np.load(directory / "labels.npy")
        self.rows = np.arange(len(self.labels)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def begin(self, epoch: int) -> None:
        """Nothing is drawn."""

    def texts(self, row: int) -> list[np.ndarray]:
        """Token ids of each column of a row of the split."""
        return [ids[at[row] : at[row + 1]] for ids, at in zip(self.fields, self.offsets, strict=True)]

    def keep(self, cache: LayerCache, name: str) -> None:
        """Bring along the layers that are in the cache under the split's name."""
        rows = np.array_split(np.arange(len(self.labels)), -(-len(self.labels) // AT_ONCE))
        self.kept = cache.open(name, lambda: np.concatenate([text_sizes(self.laid_out(some)) for some in rows]))

    def laid_out(self, numbers: np.ndarray) -> dict:
        """Rows of the split as a batch, without what is known of them."""
        batch = self.lay_out([self.texts(row) for row in numbers])
        batch["index"] = torch.from_numpy(numbers)
        return batch

    def batch(self, rows: np.ndarray, epoch: int) -> dict:
        numbers = self.rows[rows]
        batch = self.laid_out(numbers)
        if self.kept is not None:
            batch["layers"] = self.kept.read(batch)
        dtype = torch.float32 if self.task.kind == "regression" else torch.int64
        batch["labels"] = torch.from_numpy(self.labels[numbers]).to(dtype)
        return batch

    def label_counts(self) -> dict[str, int] | None:
        """Rows of each label."""
        if not self.task.labels:
            return None
        counts = np.bincount(self.labels[self.rows], minlength=self.task.num_labels)
        return dict(zip(self.task.labels, counts.tolist(), strict=True))

    def num_tokens(self) -> int:
        """Tokens of these rows, before truncation and without special ones."""
        return int(sum(np.diff(at)[self.rows].sum() for at in self.offsets))
