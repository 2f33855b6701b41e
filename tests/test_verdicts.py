"""Each verdict is reached by a result made for it, and not by its neighbours; and how often each one errs."""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from datamodules.task import Refused
from sweeps.evidence.flips import flip_p
from sweeps.evidence.published import Claim
from sweeps.evidence.replicates import Nested
from sweeps.evidence.statistics import LEVEL, paired_difference
from sweeps.evidence.verdicts import Case, Judgement, Verdict, judge, judge_all

GREATER = Claim("g", ("new", "old"), "rte", "accuracy", "greater", ("small", "paper"), "bert", published=3.0)
ALIKE = replace(GREATER, id="e", says="equivalent", margin=2.0, published=0.5)
DIRECTIONS = {Verdict.SAME_DIRECTION, Verdict.REPRODUCED, Verdict.OPPOSITE, Verdict.CONTRADICTED}
WAVE = (-0.5, 0.3, 0.4, -0.4, 0.2)


def rows(difference: float, spread: float = 1.0, n: int = 3, seeds: int = 2) -> tuple[Nested, Nested]:
    """Two rows whose encoders differ by `difference` on the mean, a little more or less by each."""
    wave = np.array(WAVE[:n]) - np.mean(WAVE[:n])
    old = {e: {s: 60.0 + e + s / 10 for s in range(seeds)} for e in range(n)}
    return {e: {s: x + difference + spread * wave[e] for s, x in old[e].items()} for e in old}, old


def told(claim: Claim, difference: float, spread: float = 1.0, **how: Any) -> Judgement:
    kept = {"n": how.pop("n", 3), "seeds": how.pop("seeds", 2)}
    return judge(claim, *rows(difference, spread, **kept), **{"scale": "paper", "same_setup": True, **how})


@pytest.mark.parametrize(
    ("claim", "difference", "how", "verdict"),
    [
        (GREATER, 3.2, {}, Verdict.REPRODUCED),
        (GREATER, 3.2, {"same_setup": False}, Verdict.SAME_DIRECTION),
        (GREATER, 9.0, {}, Verdict.SAME_DIRECTION),
        (replace(GREATER, published=None), 3.2, {}, Verdict.SAME_DIRECTION),
        (GREATER, 0.4, {}, Verdict.NOT_DISTINGUISHABLE),
        (GREATER, 3.2, {"spread": 9.0}, Verdict.NOT_DISTINGUISHABLE),
        (GREATER, -3.2, {}, Verdict.CONTRADICTED),
        (GREATER, -3.2, {"same_setup": False}, Verdict.OPPOSITE),
        (GREATER, -0.4, {}, Verdict.NOT_DISTINGUISHABLE),
        (ALIKE, 0.4, {}, Verdict.EQUIVALENT),
        (ALIKE, -0.4, {"same_setup": False}, Verdict.EQUIVALENT),
        (ALIKE, 1.6, {}, Verdict.NOT_DISTINGUISHABLE),
        (ALIKE, 2.4, {}, Verdict.NOT_DISTINGUISHABLE),
        (ALIKE, 0.0, {"spread": 9.0}, Verdict.NOT_DISTINGUISHABLE),
        (ALIKE, 6.0, {}, Verdict.CONTRADICTED),
        (ALIKE, -6.0, {"same_setup": False}, Verdict.OPPOSITE),
        (GREATER, 3.2, {"scale": "day"}, Verdict.NOT_TESTABLE),
        (GREATER, 3.2, {"scale": None}, Verdict.NOT_TESTABLE),
        (GREATER, 3.2, {"stand_in": "generated text"}, Verdict.NOT_TESTABLE),
        (replace(GREATER, stand_in="MNLI, where the paper has SNLI"), 3.2, {}, Verdict.NOT_TESTABLE),
        (GREATER, 3.2, {"scale": "miniature"}, Verdict.NONE),
        (ALIKE, 0.1, {"scale": "miniature", "n": 1}, Verdict.NONE),
        (GREATER, 3.2, {"n": 1, "seeds": 5}, Verdict.ONE_ENCODER),
        (GREATER, 3.2, {"n": 2, "spread": 0.05}, Verdict.NOT_DISTINGUISHABLE),
        (GREATER, 3.2, {"spread": 0.0}, Verdict.NOT_DISTINGUISHABLE),
        (GREATER, 3.2, {"collapsed": (1, 0)}, Verdict.NOT_DISTINGUISHABLE),
        (GREATER, 3.2, {"collapsed": (0, 6)}, Verdict.REPRODUCED),
        (GREATER, 3.2, {"seeds": 1, "collapsed": (0, 3)}, Verdict.NOT_DISTINGUISHABLE),
        (ALIKE, 0.4, {"collapsed": (1, 1)}, Verdict.NOT_DISTINGUISHABLE),
        (ALIKE, 0.4, {"collapsed": (1, 1), "n": 5}, Verdict.EQUIVALENT),
    ],
)
def test_each_verdict_and_its_neighbours(claim: Claim, difference: float, how: dict, verdict: Verdict) -> None:
    found = told(claim, difference, **dict(how))
    assert found.verdict is verdict
    assert found.sentence.endswith(".")
    assert f"{found.interval.difference:+.1f}".replace("-", "\N{MINUS SIGN}") in found.sentence
    assert (found.adjusted == found.adjusted) == (verdict in DIRECTIONS | {Verdict.EQUIVALENT}) or (
        verdict is Verdict.NOT_DISTINGUISHABLE
    )


def test_what_has_not_run_is_not_testable() -> None:
    found = judge(GREATER, {}, rows(0)[1], scale="paper", same_setup=True)
    assert found.verdict is Verdict.NOT_TESTABLE
    assert "has not been run" in found.sentence
    assert judge(GREATER, {}, {}, scale="miniature", same_setup=True).verdict is Verdict.NONE


def test_a_claim_about_fine_tuning_is_judged_on_one_encoder() -> None:
    a, b = rows(3.2)
    seeds = {"published": {e: runs[0] for e, runs in a.items()}}, {"published": {e: runs[0] for e, runs in b.items()}}
    kept = {"scale": "paper", "same_setup": True}
    assert judge(GREATER, *seeds, replicate="seed", **kept).verdict is Verdict.REPRODUCED
    assert judge(GREATER, *seeds, replicate="pretrain.seed", **kept).verdict is Verdict.ONE_ENCODER
    few = {"published": dict(list(seeds[0]["published"].items())[:2])}
    assert judge(GREATER, few, seeds[1], replicate="seed", **kept).verdict is Verdict.NOT_DISTINGUISHABLE


def test_against_scratch_encoders_count_and_one_is_none() -> None:
    scratch = {None: {s: 50.0 + s for s in range(5)}}
    assert judge(GREATER, rows(3)[0], scratch, scale="small", same_setup=False).verdict is Verdict.SAME_DIRECTION
    one = judge(GREATER, {0: {s: 60.0 + s for s in range(5)}}, scratch, scale="small", same_setup=False)
    assert one.verdict is Verdict.ONE_ENCODER


def test_the_sentence_says_what_would_settle_it() -> None:
    wide = told(GREATER, 3.2, 9.0).sentence
    assert "To show a difference of 3.0 four times in five, it takes" in wide
    assert "encoders (3 now)" in wide
    assert "seeds alone would not do" not in wide  # each encoder's seeds differ by the same: nothing is known of them
    random = np.random.default_rng(0)
    noisy: list[Nested] = [{e: {0: 100.0 * (random.random(50) < 0.6)} for e in range(3)} for _ in range(2)]
    noisy[0] = {e: {0: noisy[0][0][0]} for e in range(3)}  # the same mistakes in each encoder
    found = judge(replace(GREATER, published=1.0), *noisy, scale="small", same_setup=False).sentence
    assert "examples" in found
    hopeless = told(replace(GREATER, published=0.01), 0.2, 9.0).sentence
    assert "no number of encoders alone would do" in hopeless
    enough = told(GREATER, 0.1, 0.5).sentence
    assert "would show a difference of 3.0 four times in five, and do not" in enough
    assert "differ by less than 2 " in told(ALIKE, 0.0, 9.0).sentence


def test_a_collapse_is_said_as_it_is() -> None:
    """Also where all of so few runs collapsed; and how many pairs there would have to be."""
    every = told(GREATER, 3.2, seeds=1, collapsed=(0, 3)).sentence
    assert "at least six pairs for a direction (3 now)" in every
    assert "did not" not in every
    assert "at least five pairs for equivalence (3 now)" in told(ALIKE, 0.4, collapsed=(1, 1)).sentence


def test_scales_are_not_mixed() -> None:
    cases = [Case(GREATER, *rows(1), scale=scale) for scale in ("small", "day")]
    with pytest.raises(Refused, match="scale=day, small"):
        judge_all(cases)


def test_claims_of_one_table_share_the_error() -> None:
    """A claim that passes by itself does not among nine others; those that are not judged are not counted."""
    alone = told(GREATER, 3.2, 1.9)
    assert alone.verdict is Verdict.REPRODUCED
    others = [Case(GREATER, *rows(0.1), scale="paper") for _ in range(9)]
    case = Case(GREATER, *rows(3.2, 1.9), scale="paper", same_setup=True)
    among = judge_all([case, *others])[0]
    assert among.verdict is Verdict.NOT_DISTINGUISHABLE
    assert among.adjusted == pytest.approx(10 * alone.adjusted)
    assert "(Holm)" in among.sentence
    alike = Case(ALIKE, *rows(0.3, 1.9), scale="paper", same_setup=True)
    assert judge_all([alike])[0].verdict is Verdict.EQUIVALENT
    among = judge_all([alike, *others])[0]
    assert among.verdict is Verdict.NOT_DISTINGUISHABLE
    assert "By itself the difference is within 2;" in among.sentence
    uncounted = [replace(other, stand_in="something else") for other in others]
    assert judge_all([case, *uncounted])[0].adjusted == alone.adjusted


def test_flips_are_all_of_them() -> None:
    found = paired_difference(*rows(1.0, 3.0, n=5))
    signs = np.array(np.meshgrid(*[[-1, 1]] * 5)).reshape(5, -1).T
    means = (signs * np.array(found.replicates[0])).mean(axis=1)
    assert flip_p(found, "greater") == pytest.approx((means >= found.difference - 1e-9).mean())
    assert flip_p(found, "two-sided") == pytest.approx(2 * (means >= found.difference - 1e-9).mean())


# How often it errs, where the truth is known.

TIMES = 250
ALLOWED = LEVEL + 3 * (LEVEL * (1 - LEVEL) / TIMES) ** 0.5


def collapsing(random: np.random.Generator, n: int, chance: float, level: float) -> tuple[Nested, int]:
    """A row of n encoders with three fine-tunings, each of which ends at 50 by chance."""
    scores = level + random.normal(size=(n, 1)) + random.normal(size=(n, 3))
    down = random.random((n, 3)) < chance
    return {e: dict(enumerate(np.where(down, 50.0, scores)[e].tolist())) for e in range(n)}, int(down.sum())


def verdicts(made: Callable[[np.random.Generator], list[Case]], times: int = TIMES) -> defaultdict[Verdict, float]:
    """How often each verdict is given to any of the cases."""
    random, found = np.random.default_rng(0), Counter()
    for _ in range(times):
        found.update({judgement.verdict for judgement in judge_all(made(random))})
    return defaultdict(float, {verdict: count / times for verdict, count in found.items()})


def case(claim: Claim, a: tuple[Nested, int], b: tuple[Nested, int], same_setup: bool = False) -> Case:
    return Case(claim, a[0], b[0], "small", same_setup=same_setup, collapsed=(a[1], b[1]))


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("chances", [(0.2, 0.2), (0.0, 0.2)])
def test_a_direction_is_found_in_at_most_5_percent_of_equal_rows(n: int, chances: tuple[float, float]) -> None:
    """Also where runs collapse, of both rows alike or of one: what is equal then is what the others reach."""

    def made(random: np.random.Generator) -> list[Case]:
        a, b = (collapsing(random, n, chance, 70.0) for chance in chances)
        return [case(GREATER, a, b, same_setup=True)]

    assert sum(verdicts(made)[verdict] for verdict in DIRECTIONS) <= ALLOWED


@pytest.mark.parametrize("n", [3, 5])
@pytest.mark.parametrize("chance", [0.0, 0.1])
def test_at_the_margin_neither_outcome_is_found_in_more_than_5_percent(n: int, chance: float) -> None:
    def made(random: np.random.Generator) -> list[Case]:
        a, b = (collapsing(random, n, chance, level) for level in (72.0, 70.0))
        return [case(ALIKE, a, b, same_setup=True)]

    found = verdicts(made)
    assert found[Verdict.EQUIVALENT] <= ALLOWED
    assert found[Verdict.CONTRADICTED] <= ALLOWED


def test_the_rates_are_not_zero_because_nothing_is_ever_found() -> None:
    def apart(random: np.random.Generator) -> list[Case]:
        return [case(GREATER, collapsing(random, 5, 0.0, 75.0), collapsing(random, 5, 0.0, 70.0))]

    def alike(random: np.random.Generator) -> list[Case]:
        return [case(replace(ALIKE, margin=5.0), collapsing(random, 5, 0.0, 70.0), collapsing(random, 5, 0.0, 70.0))]

    assert verdicts(apart, 100)[Verdict.SAME_DIRECTION] > 0.9
    assert verdicts(alike, 100)[Verdict.EQUIVALENT] > 0.9


@pytest.mark.parametrize("n", [3, 5])
def test_a_table_of_equal_rows_errs_in_5_percent_altogether(n: int) -> None:
    def made(random: np.random.Generator) -> list[Case]:
        reference = collapsing(random, n, 0.0, 70.0)
        return [case(GREATER, collapsing(random, n, 0.0, 70.0), reference) for _ in range(3)]

    found = verdicts(made, 200)
    assert found[Verdict.SAME_DIRECTION] + found[Verdict.OPPOSITE] <= LEVEL + 3 * (LEVEL / 200) ** 0.5
