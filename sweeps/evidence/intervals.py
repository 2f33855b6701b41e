"""Means of few runs: their 95 % intervals, and those of differences."""

from collections.abc import Sequence
from statistics import mean, stdev

from scipy.stats import t as student


def halfwidth(scores: Sequence[float]) -> float:
    """Of the 95 % t interval of the mean; nan below two scores."""
    if len(scores) < 2:
        return float("nan")
    return float(student.ppf(0.975, len(scores) - 1)) * stdev(scores) / len(scores) ** 0.5


def welch(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """mean(b) - mean(a), and the half-width of its 95 % interval (Welch 1947); nan below two scores on a side."""
    difference = mean(b) - mean(a)
    if len(a) < 2 or len(b) < 2:
        return difference, float("nan")
    parts = [stdev(scores) ** 2 / len(scores) for scores in (a, b)]
    if sum(parts) == 0:
        return difference, 0.0
    freedom = sum(parts) ** 2 / sum(part**2 / (len(s) - 1) for part, s in zip(parts, (a, b), strict=True))
    return difference, float(student.ppf(0.975, freedom)) * sum(parts) ** 0.5


def verdict(difference: float, half: float) -> str:
    """Whether the interval holds zero."""
    return "the interval holds zero: no difference shown" if abs(difference) <= half else "the interval excludes zero"
