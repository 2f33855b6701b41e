"""Intervals of differences: against scipy's tests, against loops, and how often they err where the truth is known."""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from scipy import stats

from sweeps.evidence.power import needed, power, scaled
from sweeps.evidence.replicates import Nested, samples_of
from sweeps.evidence.statistics import LEVEL, Interval, Source, equivalence, holm, paired_difference
from tests.bootstrap import bootstrap, drawn, weights

TIMES = 600
ALLOWED = LEVEL + 3 * (LEVEL * (1 - LEVEL) / TIMES) ** 0.5  # what chance makes of 5 %
# Standard deviations of encoders, fine-tunings, examples, and what is left of one example in one fine-tuning.
SPREADS = {
    "encoders": (1.0, 0.3, 0.5, 1.0),
    "seeds": (0.0, 1.0, 0.5, 1.0),
    "both": (0.3, 0.3, 2.0, 2.0),
    "examples": (0.0, 0.05, 3.0, 1.0),
}


def pair(random: np.random.Generator, n: int, m: int, size: int, spread: tuple[float, ...]) -> tuple[Nested, Nested]:
    """Two rows whose true difference is 0, over encoders, fine-tunings and examples."""
    encoder, seed, example, rest = spread
    units = encoder * random.normal(size=(n, 1, 1)) + seed * random.normal(size=(n, m, 1))
    a = 60 + units + example * random.normal(size=size) + rest * random.normal(size=(n, m, size))
    b = 60 + np.zeros_like(a)
    return nested(a), nested(b)


def nested(scores: np.ndarray) -> Nested:
    """(encoders, seeds, ...) -> by encoder and seed."""
    return {e: {s: scores[e, s] for s in range(scores.shape[1])} for e in range(len(scores))}


def student(*words: Any, **how: Any) -> Any:
    """scipy's t test of a mean; its result has no types."""
    return stats.ttest_1samp(*words, **how)


def rate(errs: Callable[[np.random.Generator], bool], times: int = TIMES) -> float:
    random = np.random.default_rng(0)
    return sum(errs(random) for _ in range(times)) / times


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("kind", SPREADS)
def test_an_interval_of_95_percent_misses_the_truth_at_most_in_5(kind: str, n: int) -> None:
    def misses(random: np.random.Generator) -> bool:
        found = paired_difference(*pair(random, n, 2, 40, SPREADS[kind]))
        return not found.low <= 0 <= found.high

    found = rate(misses)
    assert found <= ALLOWED
    assert found >= (0.03 if kind != "both" else 0.01)  # and is no wider than it must be


def test_what_is_not_used_errs() -> None:
    """Encoders alone, where all meet the same examples; and the bootstrap's quantiles, with three encoders."""

    def by_encoders(random: np.random.Generator) -> bool:
        found = paired_difference(*pair(random, 3, 2, 40, SPREADS["examples"]))
        return student(found.replicates[0], 0).pvalue < LEVEL

    def by_quantiles(random: np.random.Generator) -> bool:
        low, high = bootstrap(*pair(random, 3, 2, 40, SPREADS["encoders"]), draws=200)
        return not low <= 0 <= high

    assert rate(by_encoders, 200) > 0.4
    assert rate(by_quantiles, 150) > 0.15


@pytest.mark.parametrize(("n", "m"), [(3, 3), (3, 5)])
@pytest.mark.parametrize("ratio", [0.3, 1.0, 3.0])
def test_rows_that_nothing_pairs(n: int, m: int, ratio: float) -> None:
    def misses(random: np.random.Generator) -> bool:
        scratch = {None: dict(enumerate(60 + random.normal(size=n)))}
        found = paired_difference(scratch, nested(60 + ratio * random.normal(size=(m, 1))))
        return not found.low <= 0 <= found.high

    assert rate(misses) <= ALLOWED


@pytest.mark.parametrize("accuracy", [0.6, 0.95])
def test_right_and_wrong_answers(accuracy: float) -> None:
    """Scores of 0 and 100 are far from normal; a few hundred of them do."""

    def misses(random: np.random.Generator) -> bool:
        hard = random.normal(size=200)
        chances = stats.norm.cdf(stats.norm.ppf(accuracy) * 2**0.5 + hard + 0.1 * random.normal(size=(2, 3, 1, 1)))
        a, b = (100.0 * (random.random((3, 1, 200)) < chance) for chance in chances)
        found = paired_difference(nested(a), nested(b))
        return not found.low <= 0 <= found.high

    assert rate(misses) <= ALLOWED


def test_without_examples_it_is_students_t() -> None:
    random = np.random.default_rng(1)
    a, b = random.normal(61, 1, (5, 3)), random.normal(60, 1, (5, 3))
    found, truth = paired_difference(nested(a), nested(b)), student((a - b).mean(axis=1), 0)
    low, high = truth.confidence_interval(0.95)
    assert (found.low, found.high, found.p) == pytest.approx((low, high, truth.pvalue))
    assert (found.encoders, found.seeds, found.examples, found.count) == (5, 3, 0, 5)
    within = math.sqrt((a - b).var(axis=1, ddof=1).mean())
    assert found.seed_sd == pytest.approx(within)


@pytest.mark.parametrize("margin", [0.5, 1.0, 2.0])
def test_two_one_sided_tests_are_scipys(margin: float) -> None:
    random = np.random.default_rng(2)
    a, b = random.normal(60.3, 0.5, (5, 1)), random.normal(60, 0.5, (5, 1))
    differences = (a - b)[:, 0]
    below = student(differences, margin, alternative="less").pvalue
    above = student(differences, -margin, alternative="greater").pvalue
    assert equivalence(paired_difference(nested(a), nested(b)), margin) == pytest.approx(max(below, above))


def test_examples_variance_is_the_two_way_layouts() -> None:
    random = np.random.default_rng(3)
    scores = random.normal(size=(4, 1)) + 2 * random.normal(size=30) + random.normal(size=(4, 30))
    found = paired_difference(nested(scores[:, None]), nested(np.zeros((4, 1, 30))))
    n, size, grand = 4, 30, scores.mean()
    by_example = sum((scores[:, x].mean() - grand) ** 2 for x in range(size)) * n / (size - 1)
    rest = sum(
        (scores[k, x] - scores[k].mean() - scores[:, x].mean() + grand) ** 2 for k in range(n) for x in range(size)
    ) / ((n - 1) * (size - 1))
    by_encoder = sum((scores[k].mean() - grand) ** 2 for k in range(n)) * size / (n - 1)
    encoders, examples = found.sources
    assert examples.variance == pytest.approx((by_example - rest) / (n * size))
    assert encoders.variance == pytest.approx(by_encoder / (n * size))
    assert (encoders.freedom, examples.freedom) == (3, 29)
    quantiles = stats.t.ppf(0.975, [3, 29])
    half = math.sqrt(quantiles[0] ** 2 * encoders.variance + quantiles[1] ** 2 * examples.variance)
    assert found.high - found.difference == pytest.approx(half)
    assert found.half(found.p / 2) == pytest.approx(abs(found.difference))


def test_what_pairs() -> None:
    a = {0: {0: 70.0, 1: 72.0}, 1: {0: 71.0, 1: 75.0, 2: 99.0}, 2: {0: 80.0}}
    b = {0: {0: 69.0, 1: 70.0}, 1: {0: 70.0, 1: 70.0}, 7: {0: 10.0}}
    found = paired_difference(a, b)
    assert found.replicates == ((1.5, 3.0),)  # encoder 2, 7 and seed 2 are one row's alone
    assert (found.encoders, found.seeds, found.difference) == (2, 2, 2.25)
    by_seed = paired_difference(a, b, "seed")
    assert by_seed.replicates == ((1.0, 3.5),)
    assert (by_seed.encoders, by_seed.seeds, by_seed.sources[0].kind) == (2, 2, "seeds")


def test_rows_from_scratch() -> None:
    scratch, other = {None: {0: 50.0, 1: 52.0, 2: 57.0}}, {None: {0: 51.0, 1: 54.0, 2: 55.0}}
    both = paired_difference(scratch, other)
    assert both.replicates == ((-1.0, -2.0, 2.0),)
    assert (both.encoders, both.seeds) == (0, 3)
    against = paired_difference(scratch, {0: {0: 60.0, 1: 62.0}, 1: {0: 64.0, 1: 66.0}, 2: {0: 63.0, 1: 61.0}})
    assert against.replicates == ((50.0, 52.0, 57.0), (61.0, 65.0, 62.0))
    assert (against.encoders, against.seeds) == (3, 2)
    assert against.difference == pytest.approx(53 - 188 / 3)
    fine = paired_difference({"published": {0: 60.0, 1: 62.0}}, {None: {0: 50.0, 1: 51.0}}, "seed")
    assert fine.replicates == ((10.0, 11.0),)


def test_examples_count_only_where_all_runs_have_them() -> None:
    a = {0: {0: np.array([0.0, 100.0])}, 1: {0: np.array([100.0, 100.0])}}
    b = {0: {0: 50.0}, 1: {0: np.array([0.0, 0.0])}}
    found = paired_difference(a, b)
    assert found.replicates == ((0.0, 100.0),)
    assert found.examples == 0


@pytest.mark.parametrize("row", [{}, {0: {}}, {3: {0: 1.0}}])
def test_nothing_to_compare(row: Nested) -> None:
    found = paired_difference(row, {0: {0: 1.0}})
    assert found.count == 0
    assert math.isnan(found.difference)


def test_one_encoder_and_no_spread_have_no_interval() -> None:
    one = paired_difference({0: {0: 3.0, 1: 4.0}}, {0: {0: 1.0, 1: 1.0}})
    assert (one.difference, one.encoders, one.count) == (2.5, 1, 1)
    same = paired_difference({0: {0: 3.0}, 1: {0: 4.0}}, {0: {0: 1.0}, 1: {0: 2.0}})
    for found in (one, same):
        assert math.isnan(found.low)
        assert math.isnan(found.p)


def subsets(count: int, of: int) -> Iterator[tuple[int, ...]]:
    """Those of range(count) that hold `of`."""
    for size in range(1, count + 1):
        yield from (chosen for chosen in itertools.combinations(range(count), size) if of in chosen)


def test_holm_is_the_closed_test_of_bonferroni() -> None:
    random = np.random.default_rng(4)
    for _ in range(20):
        ps = list(random.random(5) ** 3)
        truth = [max(min(1.0, len(s) * min(ps[k] for k in s)) for s in subsets(5, i)) for i in range(5)]
        assert holm(ps) == pytest.approx(truth)
    assert holm([0.01, float("nan"), 0.03])[::2] == pytest.approx([0.02, 0.03])
    assert math.isnan(holm([0.01, float("nan"), 0.03])[1])


def test_the_bootstrap_draws_what_can_be_drawn() -> None:
    """Two encoders, one with two fine-tunings, two examples: all outcomes and their chances, by loops."""
    units = [np.array([[1.0, 5.0], [2.0, 3.0]]), np.array([[7.0, 4.0]])]
    outcomes = []
    for chosen in itertools.product((0, 1), repeat=2):
        for seeds in itertools.product(*(range(2) if e == 0 else (0, 0) for pick in chosen for e in [pick] * 2)):
            for examples in itertools.product((0, 1), repeat=2):
                runs = [units[e][seeds[2 * i + j]] for i, e in enumerate(chosen) for j in (0, 1)]
                halves = [runs[0:2], runs[2:4]]
                outcomes.append(np.mean([[run[x] for run in half for x in examples] for half in halves]))
    a = {0: {0: units[0][0], 1: units[0][1]}, 1: {0: units[1][0]}}
    b = {e: {s: np.zeros(2) for s in seeds} for e, seeds in a.items()}
    found = drawn(samples_of(a, b, "pretrain.seed"), 20000, np.random.default_rng(0))
    assert found.mean() == pytest.approx(np.mean(outcomes), abs=0.05)
    assert found.var() == pytest.approx(np.var(outcomes), rel=0.05)
    assert set(np.round(found, 6)) == set(np.round(outcomes, 6))
    assert bootstrap(a, b) == bootstrap(a, b)
    counts = weights(samples_of(a, b, "pretrain.seed")[0], 50, np.random.default_rng(0))
    assert counts.sum(axis=1) == pytest.approx(np.ones(50))


def an_interval(encoder_sd: float, seed_sd: float, example_sd: float, n: int, m: int, size: int) -> Interval:
    """As its parameters would have it on the mean."""
    between = (encoder_sd**2 + seed_sd**2 / m) / n
    sources = (Source("encoders", between, n - 1), Source("examples", example_sd**2 / size, size - 1))
    return Interval(0.0, -1.0, 1.0, n, m, size, ((0.0,) * n,), sources, seed_sd)


@pytest.mark.parametrize(("kind", "spread"), [("encoders", (1.0, 0.5, 5.0)), ("seeds", (0.2, 2.0, 5.0))])
def test_what_is_needed_is_enough(kind: str, spread: tuple[float, float, float]) -> None:
    """Simulated with so many, a difference of 1.5 shows four times in five; with two thirds of them it does not."""
    number = getattr(needed(an_interval(*spread, 3, 2, 400), 1.5), kind)
    assert number is not None

    def shown(count: int) -> float:
        n, m = (count, 2) if kind == "encoders" else (3, count)

        def shows(random: np.random.Generator) -> bool:
            a, b = pair(random, n, m, 400, (*spread, 0.0))
            found = paired_difference(a, b)
            return found.low + 1.5 > 0

        return rate(shows, 150)

    assert 0.7 < shown(number) < 0.92
    assert shown(max(2, number * 2 // 3)) < 0.78


def test_none_can() -> None:
    few = needed(an_interval(1.0, 0.0, 50.0, 3, 1, 100), 1.0)
    assert (few.encoders, few.seeds, few.examples) == (None, None, None)
    many = needed(an_interval(0.1, 0.0, 50.0, 3, 1, 100), 1.0)
    assert many.encoders is None
    assert many.examples is not None
    assert many.examples > 10_000


def test_power_within_a_margin() -> None:
    interval = an_interval(0.3, 0.2, 3.0, 3, 2, 400)
    more = needed(interval, 0.0, 0.8).encoders
    assert more is not None

    def shows(random: np.random.Generator) -> bool:
        return equivalence(paired_difference(*pair(random, more, 2, 400, (0.3, 0.2, 3.0, 0.0))), 0.8) <= LEVEL

    assert 0.7 < rate(shows, 150) < 0.95
    assert power(interval, 0.0, 0.8) < 0.8
    doubled = scaled(interval, "examples", 2.0).sources[1]
    assert (doubled.variance, doubled.freedom) == (9 / 800, 799)
