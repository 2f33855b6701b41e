"""What may be concluded about a paper's claim, in one of a few fixed words and a sentence for readers.

A verdict needs three replicates, and 95 % for all claims of its table together (Holm). It is about runs that do not
collapse: where some of a row's runs give every example one label, its scores are of two kinds, and the claim must pass
a test by sign flips besides, which nothing but symmetry is asked of; of directions it lets none pass below six pairs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from datamodules.task import Refused
from sweeps.evidence import conclusions
from sweeps.evidence.claims import Claim
from sweeps.evidence.flips import flip_p
from sweeps.evidence.replicates import Nested
from sweeps.evidence.statistics import LEVEL, NONE, Interval, equivalence, holm, paired_difference

MINIATURE = "miniature"
FEWEST = 3  # replicates
ONE_KIND = 6  # runs: where so many have all collapsed, a row of two kinds would have shown the other


class Verdict(StrEnum):
    """The words of a table's last column."""

    REPRODUCED = "reproduced"
    SAME_DIRECTION = "same direction"
    EQUIVALENT = "equivalent within the margin"
    NOT_DISTINGUISHABLE = "not distinguishable"
    OPPOSITE = "opposite direction at this scale"
    CONTRADICTED = "contradicted"
    NOT_TESTABLE = "not testable here"
    ONE_ENCODER = "one encoder: not judged"
    NONE = "no verdict"  # at scale=miniature


@dataclass(frozen=True)
class Case:
    """A claim and the scores of its two rows.

    Attributes:
        a, b: of the first and the second row; empty where nothing has run.
        scale: of the runs.
        replicate: of the claim's sweep.
        same_setup: whether model, text and data are the paper's: only then can it be reproduced or contradicted.
        stand_in: what was scored where that is not the claim's task (generated text ...): it is shown, never judged.
        collapsed: of each row, how many of these runs give every example one label.
        text: on which the rows were scored, where the task was run on several.
    """

    claim: Claim
    a: Nested
    b: Nested
    scale: str | None
    replicate: str = "pretrain.seed"
    same_setup: bool = False
    stand_in: str = ""
    collapsed: tuple[int, int] = (0, 0)
    text: str = ""

    @property
    def mixed(self) -> bool:
        """Whether a row has runs of both kinds, or so few that the other kind need not have shown."""
        runs = [sum(map(len, row.values())) for row in (self.a, self.b)]
        return any(one > 0 and not one == of >= ONE_KIND for one, of in zip(self.collapsed, runs, strict=True))


@dataclass(frozen=True)
class Judgement:
    """A claim, what was measured, and what follows.

    Attributes:
        interval: of the first row's score less the second's; its difference is nan where nothing can be compared.
        sentence: for readers.
        adjusted: p of the claim after Holm's adjustment within its table; nan where it is not judged.
    """

    claim: Claim
    verdict: Verdict
    interval: Interval
    sentence: str
    adjusted: float = float("nan")


def judge(
    claim: Claim,
    a: Nested,
    b: Nested,
    *,
    scale: str | None,
    same_setup: bool,
    replicate: str = "pretrain.seed",
    stand_in: str = "",
    collapsed: tuple[int, int] = (0, 0),
) -> Judgement:
    """One claim by itself; see `Case`."""
    return judge_all([Case(claim, a, b, scale, replicate, same_setup, stand_in, collapsed)])[0]


def judge_all(cases: Sequence[Case]) -> list[Judgement]:
    """The claims of one table at one scale.

    Raises:
        Refused: when scales are mixed.
    """
    scales = {str(case.scale) for case in cases}
    if len(scales) > 1:
        raise Refused(f"one table has runs of scale={', '.join(sorted(scales))}: it may have one scale.")
    intervals = [paired_difference(case.a, case.b, case.replicate) for case in cases]
    obstacles = [obstacle(case, interval) for case, interval in zip(cases, intervals, strict=True)]
    tried = list(zip(cases, intervals, obstacles, strict=True))
    ps = [float("nan") if stop else p_of(case, interval) for case, interval, stop in tried]
    found = []
    for (case, interval, stop), adjusted in zip(tried, holm(ps), strict=True):
        verdict, reason = stop or concluded(case, interval, adjusted)
        sentence = f"{conclusions.measured(case.claim, interval, case.text)} {reason}"
        found.append(Judgement(case.claim, verdict, interval, sentence, adjusted))
    return found


def obstacle(case: Case, interval: Interval) -> tuple[Verdict, str] | None:
    """Why a claim is not put to the test, if it is not."""
    claim, stand_in = case.claim, case.stand_in or case.claim.stand_in
    if case.scale == MINIATURE:
        where = f"Scored on {claim.stand_in}. " if claim.stand_in else ""
        return Verdict.NONE, f"{where}The miniature is a small generated world: it says nothing about a paper."
    if stand_in:
        return Verdict.NOT_TESTABLE, f"Scored on {stand_in}: the claim is not judged by that."
    if case.scale not in claim.scales:
        return Verdict.NOT_TESTABLE, f"The claim may be judged at scale={' or '.join(claim.scales)}."
    if not interval.count:
        return Verdict.NOT_TESTABLE, "One of the rows has not been run."
    if interval.encoders == 1 and case.replicate == "pretrain.seed":
        return Verdict.ONE_ENCODER, "Another pre-training may differ from this one by more than these rows do."
    if interval.count < FEWEST:
        return Verdict.NOT_DISTINGUISHABLE, f"That is too few to judge by: it takes {FEWEST}."
    if not interval.error > NONE:
        return Verdict.NOT_DISTINGUISHABLE, "All replicates differ by the same amount: there is no spread to judge by."
    return None


def p_of(case: Case, interval: Interval) -> float:
    """p of the claim: of the one of its two outcomes that is nearer."""
    margin = case.claim.margin
    if margin is None:
        return max(interval.p, flip_p(interval, "two-sided") if case.mixed else 0.0)
    within, beyond = equivalence(interval, margin), 2 * interval.tail(abs(interval.difference) - margin)
    if not case.mixed:
        return min(within, beyond)
    return max(within, flip_p(interval, "less", margin), flip_p(interval, "greater", -margin))


def concluded(case: Case, interval: Interval, adjusted: float) -> tuple[Verdict, str]:
    """The verdict on a claim that was put to the test."""
    claim, margin = case.claim, case.claim.margin
    if adjusted > LEVEL:
        return Verdict.NOT_DISTINGUISHABLE, conclusions.open_question(claim, interval, case.mixed)
    if interval.difference <= 0 if margin is None else abs(interval.difference) >= margin:
        verdict = Verdict.CONTRADICTED if case.same_setup else Verdict.OPPOSITE
        return verdict, conclusions.against(claim, case.same_setup)
    if margin is not None:
        return Verdict.EQUIVALENT, f"The rows differ by less than {margin:g}, as the paper says."
    if case.same_setup and claim.published is not None and interval.low <= claim.published <= interval.high:
        return (
            Verdict.REPRODUCED,
            f"The interval excludes 0 and holds the published {conclusions.signed(claim.published)}.",
        )
    return Verdict.SAME_DIRECTION, conclusions.same_direction(claim, interval, case.same_setup)
