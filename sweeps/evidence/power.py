"""How many encoders, seeds or examples would settle what few of them leave open."""

from bisect import bisect_left
from dataclasses import dataclass, replace

from scipy.special import nctdtr, stdtr

from sweeps.evidence.statistics import LEVEL, NONE, Interval, Source

POWER = 0.8
SURE = 30.0  # standard errors; a larger difference is no more likely to be seen
MOST = {"encoders": 1000, "seeds": 1000, "examples": 1_000_000}  # more than that is none


@dataclass(frozen=True)
class Needed:
    """Of each kind how many, the others staying as they are; None: no number of it would do, or it is unknown."""

    encoders: int | None = None
    seeds: int | None = None
    examples: int | None = None


def needed(interval: Interval, size: float, margin: float | None = None) -> Needed:
    """What shows a difference of `size` four times in five; with a margin, that a difference of 0 is within it."""
    found = {}
    for kind in MOST:
        now = getattr(interval, kind)
        if now and (
            kind in {source.kind for source in interval.sources} or (kind == "seeds" and interval.seed_sd > NONE)
        ):
            found[kind] = fewest(interval, kind, now, size, margin)
    return Needed(**found)


def fewest(interval: Interval, kind: str, now: int, size: float, margin: float | None) -> int | None:
    """The smallest number of a kind with enough power."""
    numbers = range(now, MOST[kind] + 1)
    at = bisect_left(numbers, POWER, key=lambda number: power(scaled(interval, kind, number / now), size, margin))
    return numbers[at] if at < len(numbers) else None


def scaled(interval: Interval, kind: str, factor: float) -> Interval:
    """The interval that `factor` times as many of a kind would leave, all spreads being what they are."""
    if kind == "seeds" and interval.encoders and interval.seed_sd > NONE:
        return replace(interval, sources=tuple(reseeded(interval, source, factor) for source in interval.sources))
    parts = [
        replace(source, variance=source.variance / factor, freedom=round((source.freedom + 1) * factor) - 1)
        if source.kind == kind
        else source
        for source in interval.sources
    ]
    return replace(interval, sources=tuple(parts))


def reseeded(interval: Interval, source: Source, factor: float) -> Source:
    """More fine-tunings of each encoder take away their own share of an encoder's spread, no more."""
    if source.kind != "encoders":
        return source
    share = interval.seed_sd**2 / interval.seeds / (source.freedom + 1)
    return replace(source, variance=max(source.variance - share, 0.0) + share / factor)


def power(interval: Interval, size: float, margin: float | None) -> float:
    """The chance of a verdict, by the noncentral t; its degrees of freedom are effective ones (Satterthwaite 1946)."""
    error = interval.error
    freedom = error**4 / sum(source.variance**2 / source.freedom for source in interval.sources)
    if margin is None:
        return 1.0 - float(nctdtr(freedom, min(abs(size) / error, SURE), interval.half(LEVEL / 2) / error))
    return max(0.0, 2 * float(stdtr(freedom, (margin - interval.half(LEVEL)) / error)) - 1)
