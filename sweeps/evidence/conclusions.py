"""The sentences of a verdict: what was measured, why no more follows from it, and what would settle it."""

import math

from sweeps.evidence.claims import Claim
from sweeps.evidence.power import POWER, needed, power
from sweeps.evidence.statistics import LEVEL, NONE, Interval, equivalence


def signed(value: float) -> str:
    """To a tenth, with a minus sign."""
    return f"{value:+.1f}".replace("-", "\N{MINUS SIGN}")


def measured(claim: Claim, interval: Interval, text: str = "") -> str:
    """The difference, its interval, and what they rest on."""
    first, second = claim.rows
    about = f"{first} minus {second} on {claim.task} ({claim.metric}{', ' * bool(text)}{text})"
    if not interval.count:
        return f"{about}: nothing to compare."
    ends = f", 95 % from {signed(interval.low)} to {signed(interval.high)}" if not math.isnan(interval.low) else ""
    return f"{about}: {signed(interval.difference)}{ends}, of {rests_on(interval)}."


def rests_on(interval: Interval) -> str:
    """How many encoders, seeds and examples."""
    seeds = counted(interval.seeds, "seed")
    told = f"{counted(interval.encoders, 'encoder')} with {seeds}" if interval.encoders else seeds
    each = " each" if interval.encoders > 1 else ""
    scored = f", on {counted(interval.examples, 'example')}" if interval.examples else ", on this test set"
    return f"{told}{each}{scored}"


def counted(number: int, noun: str) -> str:
    """ "1 seed", "1,043 examples"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def same_direction(claim: Claim, interval: Interval, same_setup: bool) -> str:
    """Why it is no more than that."""
    if claim.published is None:
        return "The interval excludes 0 on the paper's side; the paper prints no number to hold it against."
    if not same_setup:
        return (
            f"The interval excludes 0 on the side of the published {signed(claim.published)}; the set-up is not the "
            "paper's, so that the sizes cannot be compared."
        )
    than = "smaller" if interval.high < claim.published else "larger"
    return (
        f"The interval excludes 0 on the paper's side, and the published {signed(claim.published)}: here it is {than}."
    )


def against(claim: Claim, same_setup: bool) -> str:
    """What is found instead of the claim."""
    found = (
        "The interval excludes 0 on the other side"
        if claim.margin is None
        else f"The rows differ by more than {claim.margin:g}, where the paper has them alike"
    )
    where = "in the paper's set-up" if same_setup else "at this scale, which is not the paper's set-up"
    return f"{found}, {where}."


def open_question(claim: Claim, interval: Interval, mixed: bool) -> str:
    """Why a test did not decide, and what would."""
    if mixed:
        least = "six pairs for a direction" if claim.margin is None else "five pairs for equivalence"
        return (
            "Runs of a row collapsed to one label, so that its scores may be of two kinds: a test by sign flips has to "
            f"agree, and takes at least {least} ({interval.count} now)."
        )
    alone = "among all the claims of this table that is no surprise (Holm)."
    if claim.margin is None and interval.p <= LEVEL:
        return f"By itself the interval excludes 0; {alone}"
    if claim.margin is not None and equivalence(interval, claim.margin) <= LEVEL:
        return f"By itself the difference is within {claim.margin:g}; {alone}"
    size = claim.published or interval.difference
    asked = (
        f"a difference of {abs(size):.1f}"
        if claim.margin is None
        else f"that they differ by less than {claim.margin:g}"
    )
    return settling(interval, asked, size, claim.margin)


def settling(interval: Interval, asked: str, size: float, margin: float | None) -> str:
    """How many encoders, seeds or examples would show what is asked."""
    if power(interval, size, margin) >= POWER:
        return f"These runs would show {asked} four times in five, and do not."
    kinds = {source.kind for source in interval.sources} | ({"seeds"} if interval.seed_sd > NONE else set())
    kinds = [kind for kind in ("encoders", "seeds", "examples") if kind in kinds]
    numbers = needed(interval, size, margin)
    enough = {kind: number for kind in kinds if (number := getattr(numbers, kind)) is not None}
    if not enough:
        return f"To show {asked}, no number of {' or of '.join(kinds)} alone would do."
    told = " or ".join(f"{number:,} {kind} ({getattr(interval, kind):,} now)" for kind, number in enough.items())
    rest = [kind for kind in kinds if kind not in enough]
    useless = f"; more {' or '.join(rest)} alone would not do" if rest else ""
    return f"To show {asked} four times in five, it takes {told}{useless}."
