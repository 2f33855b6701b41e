"""A paper's table and what is claimed of it: which points of a sweep are a row, the numbers printed there, the claims.

A claim is about the difference of two rows, never about a row's level: on other text, or at another size, levels are
other levels, and the difference may still be there.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Attributes:
        point: parameters of the sweep, by their flat names, and the values that make a point of it this row's.
    """

    name: str
    point: Mapping[str, Any]

    def holds(self, point: Mapping[str, Any]) -> bool:
        """Whether a point of the sweep, or any flat settings that name its parameters, belong to this row."""
        return all(key in point and spelt(point[key]) == spelt(value) for key, value in self.point.items())


@dataclass(frozen=True)
class Value:
    """A number of a paper's table.

    Attributes:
        row: of `Published.rows`.
        paper: of `Published.papers`.
        task, metric: as our runs call them.
        split: dev | test.
        value: as printed; accuracies and F1 in percent.
        differs: what of the paper's set-up ours does not have.
    """

    row: str
    paper: str
    task: str
    split: str
    metric: str
    value: float
    differs: str = ""


@dataclass(frozen=True)
class Claim:
    """What a paper says of two rows.

    Attributes:
        rows: `greater`: the first one's score is above the second's. `equivalent`: neither is by `margin` or more.
        margin: of `equivalent`, in the metric's unit times 100.
        published: the first row's printed value less the second's; None where no number was printed.
        scales: at which the claim may be judged.
        stand_in: what is measured where the paper's own task or data is not at hand: it is shown, and never judged.
    """

    id: str
    rows: tuple[str, str]
    task: str
    metric: str
    says: str
    scales: tuple[str, ...]
    paper: str
    margin: float | None = None
    published: float | None = None
    stand_in: str = ""


@dataclass(frozen=True)
class Published:
    """All that `published.yaml` has under a sweep's name.

    Attributes:
        papers: short name -> paper and table.
        reference: the row that the others are compared with.
        replicate: what is drawn anew, "pretrain.seed" (an encoder) or "seed" (a training on the task).
        differs: by paper, what of its set-up ours does not have.
        as_published: rows whose way is that of their own model's paper, where the others are the suite's.
    """

    name: str
    title: str
    papers: Mapping[str, str]
    rows: Mapping[str, Row]
    reference: str
    replicate: str
    values: tuple[Value, ...] = ()
    claims: tuple[Claim, ...] = ()
    differs: Mapping[str, str] = field(default_factory=dict)
    as_published: tuple[str, ...] = ()

    def row_of(self, point: Mapping[str, Any]) -> Row | None:
        """The row to which a point belongs; None: it is none of the table's."""
        return next((row for row in self.rows.values() if row.holds(point)), None)

    def value(self, row: str, task: str, metric: str, paper: str | None = None) -> Value | None:
        """What a paper prints in a cell; of several papers the first one named."""
        found = (one for one in self.values if (one.row, one.task, one.metric) == (row, task, metric))
        return next((one for one in found if paper in (None, one.paper)), None)


def spelt(value: Any) -> str:
    """A value as it compares: "[input,output]" and [input, output] are one value, as are True, "true" and "True"."""
    if isinstance(value, str):
        value = yaml.safe_load(value) if value else value
    if isinstance(value, list | tuple):
        return f"[{','.join(map(spelt, value))}]"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return repr(float(value))
    return "null" if value is None else str(value).lower()
