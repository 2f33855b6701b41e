"""Results as a table of rows and tasks: what a page, a terminal and a report then only have to write down.

Two settings (a task, a metric, a text) are never one column, and two scales never one comparison.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from statistics import fmean, stdev
from typing import Any

import numpy as np

from sweeps.evidence.found import Found
from sweeps.evidence.published import Claim, Published, Value
from sweeps.evidence.replicates import Nested
from sweeps.evidence.results import Result, whole
from sweeps.evidence.statistics import Interval, paired_difference
from sweeps.evidence.verdicts import Case, Judgement, judge_all

SEEDS = ("seed", "pretrain.seed")


@dataclass(frozen=True)
class Setting:
    """What makes scores comparable.

    Attributes:
        data: the public name, "miniature/rte".
        version: stands for the text.
        metric: the headline, one of its parts or another metric.
    """

    task: str
    metric: str
    data: str
    version: str


@dataclass(frozen=True)
class Group:
    """A row in one setting.

    Attributes:
        results: finished runs that have the metric.
        failed, running, missing: points without a score; a half-written record is one of a run that failed.
        lacking: finished runs without the metric.
    """

    row: str
    setting: Setting
    results: Sequence[Result]
    failed: int = 0
    running: int = 0
    missing: int = 0
    lacking: int = 0

    @property
    def scores(self) -> Nested:
        """Encoder -> seed -> score."""
        return nested(self.results, lambda result: result.value(self.setting.metric))

    @property
    def examples(self) -> Nested:
        """The same with each example's score, where the metric is their mean; less runs whose answers are not whole."""
        known = whole([result for result in self.results if result.metric == self.setting.metric])
        return nested(known, lambda result: result.examples) if known else self.scores

    @cached_property
    def replicates(self) -> list[float]:
        """The encoders' means over their seeds; without encoders the seeds' scores."""
        if set(self.scores) == {None}:
            return [float(score) for score in self.scores[None].values()]
        return [fmean(map(float, seeds.values())) for seeds in self.scores.values()]

    @property
    def mean(self) -> float | None:
        return fmean(self.replicates) if self.replicates else None

    @property
    def sd(self) -> float | None:
        return stdev(self.replicates) if len(self.replicates) > 1 else None

    @property
    def encoders(self) -> int:
        return len(set(self.scores) - {None})

    @property
    def seeds(self) -> int:
        """Fine-tunings of each encoder, the fewest."""
        return min(map(len, self.scores.values()), default=0)

    @property
    def collapsed(self) -> int:
        return sum(result.collapsed for result in self.results)

    def cost(self, key: str) -> float | None:
        """The runs' mean of one figure of their cost."""
        found = [float(result.record["cost"][key]) for result in self.results if key in result.record["cost"]]
        return fmean(found) if found else None


@dataclass(frozen=True)
class Comparison:
    """All that a page is about.

    Attributes:
        name: the sweep's.
        scale: of all its runs.
        published: the papers' tables, where there are some.
        reference: the row that the others are compared with.
        groups: by row and setting; each row is in every setting, if only as "not run".
        others: runs that belong to no row of the table.
        overrides: of all its runs, beside the sweep's own words.
    """

    name: str
    title: str
    scale: str | None
    rows: tuple[str, ...]
    reference: str
    settings: tuple[Setting, ...]
    groups: Mapping[tuple[str, Setting], Group] = field(repr=False)
    found: Found = field(repr=False)
    published: Published | None = None
    others: Sequence[Result] = ()
    overrides: tuple[str, ...] = ()

    @property
    def worlds(self) -> list[str]:
        """The generated worlds that are in it."""
        return sorted({result.world for result in self.finished if result.world})

    @property
    def finished(self) -> list[Result]:
        return [result for result in self.found.results if result.finished]

    @property
    def replicate(self) -> str:
        return self.published.replicate if self.published else SEEDS[1] if self.has_encoders else SEEDS[0]

    @property
    def has_encoders(self) -> bool:
        return any(result.encoder is not None for result in self.finished)

    def shown(self, setting: Setting) -> list[Group]:
        """A setting's rows: the table's; of runs that were put together by hand only those that have some there."""
        groups = [self.groups[row, setting] for row in self.rows]
        return [
            one
            for one in groups
            if self.published or one.results or one.failed or one.running or one.missing or one.lacking
        ]

    def value(self, row: str, setting: Setting) -> list[Value]:
        """What the papers print there."""
        told = self.published.values if self.published else ()
        return [one for one in told if (one.row, one.task, one.metric) == (row, setting.task, setting.metric)]

    @cached_property
    def differences(self) -> dict[tuple[str, Setting], Interval]:
        """Each row less the reference, where both have scores."""
        found = {}
        for (row, setting), group in self.groups.items():
            other = self.groups[self.reference, setting]
            if row != self.reference and group.results and other.results:
                found[row, setting] = paired_difference(group.examples, other.examples, self.replicate)
        return found

    @cached_property
    def judgements(self) -> list[Judgement]:
        """What follows for each claim of the papers."""
        return judge_all([self.case(claim) for claim in self.published.claims]) if self.published else []

    def case(self, claim: Claim) -> Case:
        """A claim with the scores that it is about: of several texts those on which its rows have most runs."""
        there = [s for s in self.settings if (s.task, s.metric) == (claim.task, claim.metric)]
        setting = max(there, key=lambda s: sum(len(self.groups[row, s].results) for row in claim.rows), default=None)
        sides = [self.groups[row, setting] for row in claim.rows] if setting else []
        results = [result for side in sides for result in side.results]
        world = next((result.world for result in results if result.world), None)
        a, b = [side.examples for side in sides] if sides else ({}, {})
        return Case(
            claim=claim,
            a=a,
            b=b,
            scale=self.scale,
            replicate=self.replicate,
            same_setup=self.scale == "paper" and world is None and not self.differs(claim),
            stand_in=claim.stand_in or (f"generated text ({world})" if world else ""),
            collapsed=(sides[0].collapsed, sides[1].collapsed) if sides else (0, 0),
            text=f"{setting.data}, text {setting.version}" if setting and len(there) > 1 else "",
        )

    def differs(self, claim: Claim) -> bool:
        """Whether the paper's numbers behind a claim, printed or not, are of another set-up."""
        if self.published is None:
            return False
        behind = (one for one in self.published.values if one.paper == claim.paper and one.row in claim.rows)
        return claim.paper in self.published.differs or any(one.differs for one in behind)


def nested(results: Sequence[Result], value: Any) -> dict[Any, dict[int, Any]]:
    """Encoder -> seed -> value; runs with one encoder and one seed count by their mean, as do controls with several
    vocabularies."""
    found: dict[Any, dict[int, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for result in results:
        found[result.encoder][result.seed].append(value(result))
    return {one: {seed: np.mean(same, axis=0) for seed, same in seeds.items()} for one, seeds in found.items()}
