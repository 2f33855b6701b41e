"""A prepared split of a GLUE task, as token ids."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from datamodules.glue_tasks import GlueTask
from datamodules.labelled_examples import LabelledExamples


class GlueExamples(LabelledExamples):
    """Some rows of a split.

    Args:
        collate: makes a batch of examples' texts.
    """

    def __init__(
        self, folder: Path, task: GlueTask, collate: Callable[[list[list[np.ndarray]]], dict], rows: np.ndarray
    ) -> None:
        self.task, self.collate = task, collate
        self.fields = [np.load(folder / f"{c}.npy", mmap_mode="r") for c in task.columns]
        self.offsets = [np.load(folder / f"{c}-offsets.npy") for c in task.columns]
        self.labels = np.load(folder / "labels.npy")
        super().__init__(len(self.labels), rows)

    def texts(self, row: int) -> list[np.ndarray]:
        """Token ids of each column of a row of the split."""
        return [ids[at[row] : at[row + 1]] for ids, at in zip(self.fields, self.offsets, strict=True)]

    def lay_out(self, numbers: np.ndarray) -> dict:
        return self.collate([self.texts(row) for row in numbers])

    def truth(self, numbers: np.ndarray, batch: dict) -> dict:
        dtype = torch.float32 if self.task.kind == "regression" else torch.int64
        return {"labels": torch.from_numpy(self.labels[numbers]).to(dtype)}

    def label_counts(self) -> dict[str, int] | None:
        """Rows of each label."""
        if not self.task.labels:
            return None
        counts = np.bincount(self.labels[self.rows], minlength=self.task.num_labels)
        return dict(zip(self.task.labels, counts.tolist(), strict=True))

    def num_tokens(self) -> int:
        """Tokens of these rows, before truncation and without special ones."""
        return int(sum(np.diff(at)[self.rows].sum() for at in self.offsets))
