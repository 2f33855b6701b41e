"""Reads and checks `sweeps/published.yaml`: the papers' tables and claims, by the name of the sweep."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from datamodules.task import Refused, one_of, real
from sweeps.evidence.claims import Claim, Published, Row, Value

FILE = Path(__file__).parents[1] / "published.yaml"
KEYS = ("title", "papers", "rows", "reference", "replicate", "differs", "as_published", "values", "claims")
REPLICATES = ("pretrain.seed", "seed")
SAYS = ("greater", "equivalent")
SCALES = ("small", "day", "paper")  # never miniature: a generated world of three hundred thousand words is no paper's
SPLITS = ("dev", "test")
VALUE = ("row", "paper", "task", "split", "metric", "value", "differs")
CLAIM = ("id", "rows", "task", "metric", "says", "margin", "published", "scales", "paper", "stand_in")
ROUNDING = 0.051  # of a difference of two numbers that are printed to a tenth


def published(name: str, file: Path = FILE) -> Published:
    """The table that a sweep is compared with.

    Raises:
        Refused: when there is none of that name, or the file is not as it must be.
    """
    return one_named(name, read(file), file)


def one_named(name: str, tables: Mapping[str, Published], file: Path) -> Published:
    """A table by its sweep's name."""
    if name not in tables:
        raise Refused(f"{file.name} has no sweep {name}: it may be {', '.join(tables)}.")
    return tables[name]


@cache
def read(file: Path = FILE) -> dict[str, Published]:
    """All tables, by the sweeps' names.

    Raises:
        Refused: naming the sweep, the key and what it may be.
    """
    try:
        raw = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise Refused(f"{file} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict) or not raw:
        raise Refused(f"{file.name} has no sweeps: it may be <sweep>: {{{', '.join(KEYS)}}}.")
    return {str(name): Reader(f"{file.name}, {name}", node).table(str(name)) for name, node in raw.items()}


@dataclass(frozen=True)
class Reader:
    """Checks what stands under a sweep's name.

    Attributes:
        place: the beginning of a refusal: the file and the sweep.
    """

    place: str
    node: Mapping[str, Any] = field(default_factory=dict)

    def table(self, name: str) -> Published:
        """All of it."""
        known(self.place, self.node, KEYS, needed=KEYS[:5])
        rows, papers = (
            mapping(f"{self.place}.rows", self.node["rows"]),
            mapping(f"{self.place}.papers", self.node["papers"]),
        )
        for paper in self.differs:
            one_of(f"a key of {self.place}.differs", paper, papers)
        values = tuple(self.value(i, told, rows, papers) for i, told in enumerate(self.node.get("values") or ()))
        claims = tuple(
            self.claim(i, told, rows, papers, values) for i, told in enumerate(self.node.get("claims") or ())
        )
        for row in (marked := tuple(self.node.get("as_published") or ())):
            one_of(f"{self.place}.as_published", row, rows)
        alike = {claim.id for claim in claims}
        if len(alike) < len(claims):
            raise Refused(f"{self.place}.claims: two have one id; there are {', '.join(sorted(alike))}.")
        return Published(
            name=name,
            title=str(self.node["title"]),
            papers={key: str(told) for key, told in papers.items()},
            rows={key: Row(key, mapping(f"{self.place}.rows.{key}", point)) for key, point in rows.items()},
            reference=one_of(f"{self.place}.reference", self.node["reference"], rows),
            replicate=one_of(f"{self.place}.replicate", self.node["replicate"], REPLICATES),
            values=values,
            claims=claims,
            differs=self.differs,
            as_published=marked,
        )

    @property
    def differs(self) -> Mapping[str, str]:
        """By paper, what of its set-up ours does not have."""
        return mapping(f"{self.place}.differs", self.node["differs"]) if "differs" in self.node else {}

    def value(self, i: int, told: Any, rows: Mapping[str, Any], papers: Mapping[str, Any]) -> Value:
        """One printed number."""
        place = f"{self.place}.values[{i}]"
        known(place, told, VALUE, needed=VALUE[:6])
        one_of(f"{place}.row", told["row"], rows)
        one_of(f"{place}.paper", told["paper"], papers)
        one_of(f"{place}.split", told["split"], SPLITS)
        real(f"{place}.value", told["value"], "a number", lambda number: True)
        return Value(**{"differs": self.differs.get(told["paper"], ""), **told})

    def claim(
        self, i: int, told: Any, rows: Mapping[str, Any], papers: Mapping[str, Any], values: Sequence[Value]
    ) -> Claim:
        """One claim."""
        needed = ("id", "rows", "task", "metric", "says", "scales", "paper")
        known(f"{self.place}.claims[{i}]", told, CLAIM, needed)
        place = f"{self.place}, claim {told['id']}"
        one_of(f"{place}: says", told["says"], SAYS)
        one_of(f"{place}: paper", told["paper"], papers)
        pair = told["rows"]
        if not isinstance(pair, list) or len(pair) != 2 or pair[0] == pair[1]:
            raise Refused(f"{place}: rows={pair!r} is not possible: it may be two of {', '.join(rows)}.")
        for row in pair:
            one_of(f"{place}: rows", row, rows)
        if not isinstance(told["scales"], list) or not told["scales"]:
            raise Refused(
                f"{place}: scales={told['scales']!r} is not possible: it may be a list of {', '.join(SCALES)}."
            )
        for scale in told["scales"]:
            one_of(f"{place}: scales", scale, SCALES)
        self.check_margin(place, told)
        claim = Claim(**{**told, "rows": (pair[0], pair[1]), "scales": tuple(told["scales"])})
        check_difference(place, claim, values)
        return claim

    def check_margin(self, place: str, told: Mapping[str, Any]) -> None:
        """Equivalence is within a margin; a direction has none."""
        if told["says"] == "equivalent":
            real(f"{place}: margin", told.get("margin"), "a number above 0", lambda margin: margin > 0)
        elif "margin" in told:
            raise Refused(f"{place}: margin={told['margin']} is not possible with says: greater, which has none.")


def check_difference(place: str, claim: Claim, values: Sequence[Value]) -> None:
    """A published difference is that of the published values, and has the claim's direction."""
    cells = {
        one.row: one.value
        for one in values
        if (one.paper, one.task, one.metric) == (claim.paper, claim.task, claim.metric)
    }
    if all(row in cells for row in claim.rows):
        difference = cells[claim.rows[0]] - cells[claim.rows[1]]
        if claim.published is None or abs(claim.published - difference) > ROUNDING:
            raise Refused(
                f"{place}: published={claim.published} is not possible: the rows' values differ by {difference:.1f}."
            )
    if claim.published is None:
        return
    real(f"{place}: published", claim.published, "a number", lambda number: True)
    if claim.says == "greater" and claim.published <= 0:
        raise Refused(f"{place}: published={claim.published} is not possible with says: greater: it may be above 0.")
    if claim.margin is not None and abs(claim.published) >= claim.margin:
        raise Refused(
            f"{place}: published={claim.published} is not possible: it may be within the margin, {claim.margin}."
        )


def known(place: str, node: Any, keys: Sequence[str], needed: Sequence[str]) -> None:
    """Raises Refused for a key that is not among `keys`, and for a missing one of `needed`."""
    for key in mapping(place, node):
        one_of(f"a key of {place}", key, keys)
    for key in needed:
        if key not in node:
            raise Refused(f"{place} has no {key}: it needs {', '.join(needed)}.")


def mapping(place: str, node: Any) -> dict[str, Any]:
    """A node that must be a mapping with something in it."""
    if not isinstance(node, dict) or not node:
        raise Refused(f"{place} is not possible: it may be a mapping, <name>: <value>.")
    return node
