"""What a difference between two rows of a table may be said to be, from few encoders, few seeds and one test set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

Encoder = int | str | None
Scores = float | np.ndarray
Nested = Mapping[Encoder, Mapping[int, Scores]]


@dataclass(frozen=True)
class Interval:
    """A difference, and what it may be.

    Attributes:
        difference: the first row's score less the second's, in the metric's unit times 100.
        low, high: of the 95 % interval; nan where there is one replicate.
        encoders: in which both rows are compared; 0 without encoders.
        seeds: fine-tunings of each encoder, or without encoders of each row (the fewest).
        examples: that were scored one by one in both rows; 0: not known.
        p: of no difference, two-sided.
        error: standard error of the difference.
        encoder_sd, seed_sd, example_sd: of one encoder's, fine-tuning's and example's difference; nan: not known.
    """

    difference: float
    low: float
    high: float
    encoders: int
    seeds: int
    examples: int
    p: float = float("nan")
    error: float = float("nan")
    encoder_sd: float = float("nan")
    seed_sd: float = float("nan")
    example_sd: float = float("nan")


def paired_difference(a: Nested, b: Nested, replicate: str = "pretrain.seed") -> Interval:
    """a - b."""
    raise NotImplementedError


def bootstrap(a: Nested, b: Nested, draws: int = 1000, seed: int = 0) -> tuple[float, float]:
    """The 95 % percentile interval of a - b, encoders, seeds and examples drawn anew."""
    raise NotImplementedError


def equivalence(interval: Interval, margin: float) -> float:
    """p of two one-sided tests: at most 0.05, and the difference is within the margin on both sides."""
    raise NotImplementedError


def holm(ps: Sequence[float]) -> list[float]:
    """p-values of one table, adjusted (Holm 1979)."""
    raise NotImplementedError
