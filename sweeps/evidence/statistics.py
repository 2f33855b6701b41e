"""What a difference between two rows of a table may be said to be, from few encoders, few seeds and one test set.

A score has three sources of chance: the encoder, the fine-tunings of it, and the examples of the test set, which all
encoders meet. Fine-tunings are nested in encoders and count by their mean; encoders and examples are crossed. The
variance that each brings is taken from the two-way layout of per-example differences (encoders x examples), and the
interval reaches as far as sqrt(sum t^2 V), each variance V with the t of its own degrees of freedom. That errs in
at most 5 % whatever the variances are to each other (Banerjee 1960), and in 5 % where one of them is all there is.

Chosen by simulation: differences that are truly 0, and how often a 95 % interval leaves 0 out (8,000 to 20,000 draws
each; normal, 40 or 200 examples; encoders from none of the variance to nearly all; least and most of these rates):

    2, 3, 5 encoders                                 2           3           5
    this one, in %                           1.4 - 5.3   2.0 - 5.0   3.4 - 5.1
    Satterthwaite's degrees of freedom       2.5 - 12    0.7 - 7.8   1.2 - 6.0
    t of the encoders' means alone           4.3 - 23    4.7 - 54    4.7 - 73

The last is right only where examples hardly count: encoders that all meet the same examples do not tell chance among
these from what is so. The bootstrap's quantiles (tests/bootstrap.py) leave 0 out in 21 % with three encoders and in
12 % with five, where encoders are most of the variance: it is there to be compared with. Where examples are not known
one by one (F1, Matthews and correlations are no means), the interval is of these examples and no others. Rows that
nothing pairs have a source each: 1 to 5 % with three to five replicates, where Welch's interval errs in up to 6 %.

Scores of two kinds, some runs collapsed to one label (20 points below, each with chance 0.05 to 0.5): where both rows
collapse alike, 1 to 5 % of directions are wrong with three or five encoders. Where one row alone collapses, and is so
much better otherwise that the means are equal, up to 31 % are: so few runs often have no collapse among them, and no
method sees what is not there. So a verdict is about runs that do not collapse, and is harder to get where one did
(`sweeps.evidence.verdicts`): of rows that are alike but for collapses, at most 3 % are then told apart.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

from sweeps.evidence.replicates import Nested, Sample, samples_of, without_encoders

LEVEL = 0.05  # two-sided; of each of the two one-sided tests, too
LEAST = 1e-15  # a smaller p is not told from this one
NONE = 1e-6  # of a point: a smaller spread is how numbers are rounded
NAN = float("nan")


@dataclass(frozen=True)
class Source:
    """Where a difference's variance comes from.

    Attributes:
        kind: encoders | seeds | examples.
        variance: of the difference.
        freedom: degrees of freedom of that estimate.
    """

    kind: str
    variance: float
    freedom: int

    def reach(self, tail: float) -> float:
        """Squared distance to a side that errs with probability `tail`."""
        return self.variance * float(stdtrit(self.freedom, 1 - tail)) ** 2


@dataclass(frozen=True)
class Interval:
    """A difference, and what it may be.

    Attributes:
        difference: the first row's score less the second's, in the metric's unit times 100; nan without runs.
        low, high: of the 95 % interval; nan where nothing was drawn anew, or what was makes no difference at all.
        encoders: in which the rows are compared (the fewer); 0 where neither row has one.
        seeds: fine-tunings of each, or without encoders of each row (the fewest).
        examples: that were scored one by one in both rows; 0: not known, and the interval is of these examples alone.
        replicates: what was drawn anew: the differences of pairs; or where nothing pairs them, both rows' scores.
        sources: of the variance.
        seed_sd: of one fine-tuning's difference about its encoder's; nan: each encoder has one.
    """

    difference: float
    low: float = NAN
    high: float = NAN
    encoders: int = 0
    seeds: int = 0
    examples: int = 0
    replicates: tuple[tuple[float, ...], ...] = ()
    sources: tuple[Source, ...] = ()
    seed_sd: float = NAN

    @property
    def count(self) -> int:
        """Replicates, of the row that has fewer."""
        return min(map(len, self.replicates), default=0)

    @property
    def error(self) -> float:
        """Standard error of the difference."""
        return math.sqrt(sum(source.variance for source in self.sources))

    @property
    def p(self) -> float:
        """Of no difference, two-sided; nan without an interval."""
        return 2 * self.tail(abs(self.difference))

    def half(self, tail: float) -> float:
        """How far the interval reaches to a side that errs with probability `tail` (Banerjee 1960)."""
        return math.sqrt(sum(source.reach(tail) for source in self.sources))

    def tail(self, distance: float) -> float:
        """One-sided p of a difference that is `distance` above what is tested: `half` the other way round."""
        if not self.error > NONE:
            return NAN
        if distance <= 0:
            return 0.5 if distance == 0 else 1 - self.tail(-distance)
        if distance >= self.half(LEAST):
            return LEAST
        found: Any = brentq(lambda x: self.half(math.exp(x)) - distance, math.log(LEAST), math.log(0.5))
        return math.exp(found)


def paired_difference(a: Nested, b: Nested, replicate: str = "pretrain.seed") -> Interval:
    """a - b with its 95 % interval.

    Args:
        replicate: what the claim is about: "pretrain.seed", encoders, or "seed", fine-tunings.
    """
    samples = samples_of(a, b, replicate)
    if not all(sample.units for sample in samples):
        return Interval(NAN)
    columns = np.sum([sample.sign * sample.means.mean(axis=0) for sample in samples], axis=0)
    kind, fewest = kind_of(a, b, replicate), min(len(sample.units) for sample in samples)
    owners = [s for row, s in zip((a, b), samples, strict=False) if len(samples) == 1 or not without_encoders(row)]
    counts = {
        "encoders": len(owners[0].units) if kind == "encoders" else len({*a} & {*b} - {None}),
        "seeds": fewest if kind == "seeds" else min(len(unit) for sample in owners for unit in sample.units),
        "examples": columns.size if columns.size > 1 else 0,
    }
    found = Interval(float(columns.mean()), **counts, replicates=tuple(sample.scores for sample in samples))
    if fewest < 2:
        return found
    sources = tuple(Source(kind, between(sample), len(sample.units) - 1) for sample in samples)
    if columns.size > 1:
        sources += (Source("examples", sampling(samples, columns), columns.size - 1),)
    spread = replace(found, sources=sources, seed_sd=within(samples))
    half = spread.half(LEVEL / 2) if spread.error > NONE else NAN
    return replace(spread, low=spread.difference - half, high=spread.difference + half)


def kind_of(a: Nested, b: Nested, replicate: str) -> str:
    """What a replicate is called: two rows from scratch have nothing but seeds."""
    return "seeds" if replicate == "seed" or (without_encoders(a) and without_encoders(b)) else "encoders"


def between(sample: Sample) -> float:
    """Variance of a sample's mean that comes from its replicates."""
    return float(np.var(sample.scores, ddof=1)) / len(sample.units)


def sampling(samples: Sequence[Sample], columns: np.ndarray) -> float:
    """Variance of the difference that comes from its examples, (N,): what replicates have in common there.

    The two-way layout without repetition (replicates x examples): the columns' mean square less the residual's.
    """
    size = columns.size
    return max(0.0, float(columns.var(ddof=1)) / size - sum(residual(sample.means) for sample in samples))


def residual(means: np.ndarray) -> float:
    """Variance of the mean of (replicates, N) that neither its rows nor its columns explain."""
    rest = means - means.mean(axis=0) - means.mean(axis=1, keepdims=True) + means.mean()
    count, size = means.shape
    return float((rest**2).sum()) / ((count - 1) * (size - 1) * count * size)


def within(samples: Sequence[Sample]) -> float:
    """Standard deviation of a fine-tuning's score about its encoder's; where unpaired of the rows' difference."""
    variances = []
    for sample in samples:
        scores = [unit.mean(axis=1) for unit in sample.units if len(unit) > 1]
        freedom = sum(len(each) - 1 for each in scores)
        variances.append(sum(each.var() * len(each) for each in scores) / freedom if freedom else NAN)
    return math.sqrt(sum(variances))


def equivalence(interval: Interval, margin: float) -> float:
    """p of two one-sided tests (Schuirmann 1987): 0.05 or less, and the difference is within the margin on both sides.

    nan without an interval.
    """
    return max(interval.tail(margin - interval.difference), interval.tail(margin + interval.difference))


def holm(ps: Sequence[float]) -> list[float]:
    """p-values of one table, adjusted so that all its claims together err at 5 % (Holm 1979); nan stays, uncounted."""
    order = sorted((p, i) for i, p in enumerate(ps) if p == p)
    adjusted, worst = [NAN] * len(ps), 0.0
    for rank, (p, i) in enumerate(order):
        worst = max(worst, min(1.0, (len(order) - rank) * p))
        adjusted[i] = worst
    return adjusted
