"""What may be concluded about a paper's claim, in one of a few fixed words and a sentence for readers."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sweeps.published import Claim
from sweeps.statistics import Interval, Nested


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
    NONE = "no verdict"  # on generated text at scale=miniature, where the interval is all that is shown


@dataclass(frozen=True)
class Judgement:
    """A claim, what was measured, and what follows.

    Attributes:
        interval: of the first row's score less the second's; None where a row has no runs.
        sentence: for readers, plain.
        adjusted: p of the claim after Holm's adjustment within its table; nan where it is not judged.
    """

    claim: Claim
    verdict: Verdict
    interval: Interval | None
    sentence: str
    adjusted: float = float("nan")


@dataclass(frozen=True)
class Case:
    """A claim and the scores of its two rows.

    Attributes:
        a, b: of the first and the second row; empty where nothing has run.
        scale: of the runs.
        replicate: of the claim's sweep.
        same_setup: whether model, text and data are the paper's: only then can it be reproduced or contradicted.
        stand_in: what was scored where it is not the claim's task (generated text ...); then it is shown, never judged.
        collapsed: runs among both rows' that give every example one label.
    """

    claim: Claim
    a: Nested
    b: Nested
    scale: str | None
    replicate: str = "pretrain.seed"
    same_setup: bool = False
    stand_in: str = ""
    collapsed: int = 0


def judge(
    claim: Claim,
    a: Nested,
    b: Nested,
    *,
    scale: str | None,
    same_setup: bool,
    replicate: str = "pretrain.seed",
    stand_in: str = "",
    collapsed: int = 0,
) -> Judgement:
    """One claim by itself."""
    return judge_all([Case(claim, a, b, scale, replicate, same_setup, stand_in, collapsed)])[0]


def judge_all(cases: Sequence[Case]) -> list[Judgement]:
    """The claims of one table at one scale.

    Raises:
        Refused: when scales are mixed.
    """
    raise NotImplementedError
