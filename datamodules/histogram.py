"""How often each id occurs in a file of ids, in bounded memory; of whole words, how often each word does."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

PART = 1 << 18  # ids that are counted at once, for bincount works on 64-bit copies


class Counted(Protocol):
    """Tells words from the pieces that spell them (lexicon.Lexicon)."""

    def starts(self, ids: np.ndarray, /) -> np.ndarray:
        """(n,) bool, whether a word begins."""
        ...

    def counted(self, ids: np.ndarray, /) -> np.ndarray:
        """(words,) the ids to be counted."""
        ...


def histogram_of(path: Path, dtype: str, size: int, counted: Counted | None = None) -> np.ndarray:
    """(size,) int64, of the ids in a file; as `counted` has them, if that is given."""
    total = np.zeros(size, dtype=np.int64)
    with path.open("rb") as file:
        for part in parts_of(file, dtype) if counted is None else words_of(file, dtype, counted):
            total += np.bincount(part, minlength=size)
    return total


def parts_of(file: BinaryIO, dtype: str) -> Iterator[np.ndarray]:
    """A file's ids, PART of them at a time."""
    while len(part := np.fromfile(file, dtype, PART)):
        yield part


def words_of(file: BinaryIO, dtype: str, counted: Counted) -> Iterator[np.ndarray]:
    """The ids to be counted; a part's last word may go on in the next one, so it is counted there."""
    rest = np.zeros(0, dtype)
    for part in parts_of(file, dtype):
        part = np.concatenate([rest, part])
        cut = int(np.flatnonzero(counted.starts(part))[-1])
        yield counted.counted(part[:cut])
        rest = part[cut:]
    if len(rest):
        yield counted.counted(rest)
