"""What a frozen encoder makes of a data set's texts, kept on the disk: epochs, seeds and other mixes of layers read it.

    <folder>/<set>/offsets.npy  (rows + 1,)                where each row's tokens begin, its texts one after the other
    <folder>/<set>/layers.f16   (layers, tokens, width)    float16; a sparse file: what is not there takes no room
    <folder>/<set>/filled.npy   (layers, rows)             what is there

An encoder and a text as it is cut and laid out have one folder, which whoever makes it names. Shapes: L layers that are
read, n tokens of a batch's text, S sequences, D width.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from datamodules.base import once

VERSION = 1  # raised by hand when the files or the order of texts in them change
OFFSETS, LAYERS, FILLED = "offsets.npy", "layers.f16", "filled.npy"


def text_lengths(batch: dict) -> np.ndarray:
    """(S,) tokens of text in each sequence."""
    counts, lengths = zip(*batch["text_runs"], strict=True)
    return np.repeat(lengths, counts)


def text_sizes(batch: dict) -> np.ndarray:
    """(B,) tokens of text in each example."""
    return np.bincount(batch["example"].numpy(), text_lengths(batch), batch["num_examples"]).astype(np.int64)


@dataclass
class LayerCache:
    """The layers of all sets of one text.

    Attributes:
        layers: numbers of those to read, from the bottom up; 0 is the token layer.
        total: how many the encoder has.
        width: D.
        figures: what was computed and read, for the record.
    """

    folder: Path
    layers: tuple[int, ...]
    total: int
    width: int
    figures: dict[str, Any] = field(default_factory=dict)

    def open(self, name: str, sizes: Callable[[], np.ndarray]) -> "KeptLayers":
        """A set's, made if it is not there.

        Args:
            sizes: tells how many tokens of text each of its rows has.
        """

        def make(folder: Path) -> None:
            offsets = np.concatenate([[0], np.cumsum(sizes())]).astype(np.int64)
            np.save(folder / OFFSETS, offsets)
            np.save(folder / FILLED, np.zeros((self.total, len(offsets) - 1), dtype=bool))
            np.memmap(folder / LAYERS, np.float16, "w+", shape=(self.total, int(offsets[-1]), self.width))

        return KeptLayers(self, once(self.folder / name, make))

    def bytes(self, tokens: int) -> int:
        """What so many tokens take."""
        return tokens * len(self.layers) * self.width * np.dtype(np.float16).itemsize


class KeptLayers:
    """The layers of one set's rows."""

    def __init__(self, cache: LayerCache, folder: Path) -> None:
        self.cache, self.folder = cache, folder
        self.offsets = np.load(folder / OFFSETS)
        self.values = self.memory("r")

    def memory(self, mode: Literal["r", "r+"]) -> np.memmap:
        """(layers, tokens, D)."""
        shape = (self.cache.total, int(self.offsets[-1]), self.cache.width)
        return np.memmap(self.folder / LAYERS, np.float16, mode, shape=shape)

    def sizes(self, rows: np.ndarray) -> np.ndarray:
        """(rows,) tokens of text in each."""
        return self.offsets[rows + 1] - self.offsets[rows]

    def missing(self, rows: np.ndarray) -> np.ndarray:
        """Those of the rows of which not all layers are there."""
        filled = np.load(self.folder / FILLED)[list(self.cache.layers)]
        return rows[~filled[:, rows].all(axis=0)]

    def places(self, batch: dict) -> np.ndarray:
        """(n,) where the batch's tokens of text stand in the file; `index` has the rows of its examples."""
        example, choice, part = (batch[key].numpy() for key in ("example", "choice", "part"))
        lengths = text_lengths(batch)
        order = np.lexsort((part, choice, example))  # as the texts of an example follow each other in the file
        owner, ends = example[order], np.cumsum(lengths[order])
        before = ends - lengths[order]
        inside = before - before[np.searchsorted(owner, owner)]
        begins = np.empty_like(before)
        begins[order] = self.offsets[batch["index"].numpy()[owner]] + inside
        return np.repeat(begins - (np.cumsum(lengths) - lengths), lengths) + np.arange(ends[-1])

    def read(self, batch: dict) -> Tensor:
        """(L, n, D) float16 of a batch's text."""
        places = self.places(batch)
        return torch.from_numpy(np.stack([self.values[layer][places] for layer in self.cache.layers]))

    def write(self, computed: Iterable[tuple[dict, Sequence[np.ndarray]]]) -> None:
        """Keep batches' layers, each (n, D); they count as there once the disk has all of them."""
        values, rows = self.memory("r+"), []
        for batch, layers in computed:
            places = self.places(batch)
            for number, layer in zip(self.cache.layers, layers, strict=True):
                values[number, places] = layer
            rows.append(batch["index"].numpy())
        values.flush()
        filled = np.load(self.folder / FILLED, mmap_mode="r+")
        for number in self.cache.layers:
            filled[number, np.concatenate(rows)] = True
        filled.flush()
