"""What a page is made of, before anybody decides whether it is HTML, a terminal, CSV, LaTeX or a W&B report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NOT_RUN = "not run"
MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Cell:
    """One place in a table.

    Attributes:
        text: as it is read.
        value: what it sorts by, and what CSV has; the text itself if nothing is given.
        link: a relative address.
        note: more, for who asks.
        kind: how it looks: "" | "quiet" | "good" | "bad".
    """

    text: str
    value: float | str | None = None
    link: str = ""
    note: str = ""
    kind: str = ""

    @property
    def key(self) -> float | str:
        return self.text if self.value is None else self.value


@dataclass(frozen=True)
class Table:
    """Rows under named columns.

    Attributes:
        name: of its file of CSV.
        numeric: columns that stand to the right.
        folded: whether its rows are seen only when asked for.
        head, data: of its CSV, where a place shows several numbers; else its columns and what its places sort by.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    caption: str = ""
    numeric: frozenset[int] = frozenset()
    folded: bool = False
    head: tuple[str, ...] = ()
    data: Sequence[Sequence[Any]] = ()


@dataclass(frozen=True)
class Figure:
    """A drawing.

    Attributes:
        name: of its file of CSV.
        caption: what is seen, in plain words, and what is not (an axis that does not begin at 0).
        traces: Plotly's.
        layout: Plotly's; axes have titles with units.
        head, rows: the data.
    """

    name: str
    title: str
    caption: str
    traces: Sequence[Mapping[str, Any]]
    layout: Mapping[str, Any]
    head: tuple[str, ...]
    rows: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Words:
    """A paragraph: "" | "lead" | "banner" | "quiet"."""

    text: str
    kind: str = ""
    link: str = ""


@dataclass(frozen=True)
class Points:
    """A list of sentences under a summary; long ones are folded."""

    title: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Heading:
    """The beginning of a part of the page."""

    text: str
    anchor: str


Block = Table | Figure | Words | Points | Heading


@dataclass(frozen=True)
class Page:
    """A page.

    Attributes:
        name: of its file, without an ending.
        lead: one sentence that says what came out.
    """

    name: str
    title: str
    lead: str
    blocks: Sequence[Block] = field(default_factory=tuple)

    @property
    def tables(self) -> list[Table]:
        return [block for block in self.blocks if isinstance(block, Table)]

    @property
    def figures(self) -> list[Figure]:
        return [block for block in self.blocks if isinstance(block, Figure)]


def file_name(words: str) -> str:
    """Words as part of a file's name and of an address."""
    return "".join(c if c.isalnum() or c == "_" else "-" for c in words).strip("-")


def number(value: float | None, digits: int = 1) -> Cell:
    """A score; a place without one says so, and what rounds to zero is no less than zero."""
    if value is None or value != value:
        return Cell("–", float("-inf"), kind="quiet")
    return Cell(f"{value:z.{digits}f}".replace("-", MINUS), value)


def signed(value: float | None, digits: int = 1) -> Cell:
    """A difference."""
    if value is None or value != value:
        return Cell("–", float("-inf"), kind="quiet")
    return Cell(f"{value:+.{digits}f}".replace("-", MINUS), value)


def count(value: int, kind: str = "") -> Cell:
    """Of something."""
    return Cell(f"{value:,}", value, kind=kind)


def have(many: int) -> str:
    """Behind a number of things."""
    return "has" if many == 1 else "have"
