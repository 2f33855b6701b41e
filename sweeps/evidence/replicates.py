"""From a row's runs to what was drawn anew: encoders, or fine-tunings, and every example's difference in each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

Encoder = int | str | None  # its pretrain.seed, or the name of published weights; None: the row starts from no encoder
Scores = float | np.ndarray  # of a run, times 100; by example, (N,), only where the score is their mean
Nested = Mapping[Any, Mapping[int, Scores]]  # by encoder and fine-tuning seed; Any: keys of a Mapping do not widen


@dataclass(frozen=True)
class Sample:
    """Replicates of a difference, or of one row.

    Attributes:
        units: of each replicate its fine-tunings' scores, (seeds, N); N = 1 where examples are not known.
        sign: 1, or -1 of the row that is taken away.
    """

    units: tuple[np.ndarray, ...]
    sign: int = 1

    @cached_property
    def means(self) -> np.ndarray:
        """(replicates, N): over the fine-tunings of each."""
        return np.stack([unit.mean(axis=0) for unit in self.units])

    @cached_property
    def scores(self) -> tuple[float, ...]:
        """One number for each replicate."""
        return tuple(float(score) for score in self.means.mean(axis=1))


def samples_of(a: Nested, b: Nested, replicate: str) -> tuple[Sample, ...]:
    """The differences of paired replicates, one sample; or the two rows', where nothing pairs them.

    Encoders are paired by their seed, and their fine-tunings by theirs; what one row alone has is left out. A row from
    scratch has no encoder that would pair with another's: there are two samples. Of a claim about fine-tuning a
    replicate is a seed, and counts by its mean over encoders, those that both rows have. There may be no replicates.
    """
    size = examples_of(a, b)
    shared = [encoder for encoder in sorted(a, key=str) if encoder in b]
    if replicate == "seed" or shared == [None]:
        ours, theirs = by_seed(a, shared or list(a), size), by_seed(b, shared or list(b), size)
        return (Sample(tuple((ours[seed] - theirs[seed])[None] for seed in sorted(ours) if seed in theirs)),)
    if without_encoders(a) or without_encoders(b):
        return Sample(independent(a, size)), Sample(independent(b, size), -1)
    return (Sample(tuple(paired(a[one], b[one], size) for one in shared if set(a[one]) & set(b[one]))),)


def without_encoders(row: Nested) -> bool:
    """Whether a row's runs start from scratch."""
    return set(row) == {None}


def examples_of(a: Nested, b: Nested) -> int:
    """N, where every run of both rows was scored on the same number of examples one by one; else 1."""
    sizes = {np.size(scores) for row in (a, b) for by_seed in row.values() for scores in by_seed.values()}
    return sizes.pop() if len(sizes) == 1 else 1


def vector(scores: Scores, size: int) -> np.ndarray:
    """(N,), or the mean alone, (1,)."""
    if size > 1:
        return np.asarray(scores, dtype=float)
    return np.array([scores.mean() if isinstance(scores, np.ndarray) else scores], dtype=float)


def paired(a: Mapping[int, Scores], b: Mapping[int, Scores], size: int) -> np.ndarray:
    """(seeds, N) differences of the fine-tunings that both have."""
    return np.stack([vector(a[seed], size) - vector(b[seed], size) for seed in sorted(a) if seed in b])


def by_seed(row: Nested, encoders: Sequence[Encoder], size: int) -> dict[int, np.ndarray]:
    """(N,) means over some encoders, of the seeds that all of them have."""
    seeds = set.intersection(*(set(row[encoder]) for encoder in encoders)) if encoders else ()
    return {seed: np.mean([vector(row[one][seed], size) for one in encoders], axis=0) for seed in seeds}


def independent(row: Nested, size: int) -> tuple[np.ndarray, ...]:
    """A row's own replicates: its encoders, or without them its runs."""
    if without_encoders(row):
        return tuple(vector(scores, size)[None] for _, scores in sorted(row[None].items()))
    each = (row[encoder] for encoder in sorted(row, key=str))
    return tuple(np.stack([vector(scores, size) for scores in fine.values()]) for fine in each if fine)
