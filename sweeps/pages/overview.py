"""The table that a page begins with: rows by tasks, as the papers print it, and theirs beside it."""

from collections.abc import Iterator
from typing import Any

from sweeps.evidence.comparison import Comparison, Setting
from sweeps.pages.blocks import Cell, Table, number
from sweeps.pages.tables import legend, printed_cell, row_cell, setting_name, state

FLOPS = {"GFLOPs": 1e9, "TFLOPs": 1e12, "PFLOPs": 1e15, "EFLOPs": 1e18}


def overview(told: Comparison) -> Table:
    """Ours, and behind it theirs in brackets; then what a run costs."""
    costs = costs_of(told)
    columns = ("row", *(setting_name(one, told.settings) for one in told.settings), *costs)
    rows = tuple(
        (
            row_cell(told, row),
            *(both(told, row, setting) for setting in told.settings),
            *(number(ours[row], 2) for ours in costs.values()),
        )
        for row in told.rows
    )
    printed = papers_of(told)
    brackets = " In brackets what the papers print." if printed else ""
    caption = (
        f"Ours: the mean and the standard deviation over encoders (over seeds, where there are none).{brackets} Costs "
        f"are of one training on a task, without the pre-training, the mean over all tasks.{legend(told)}"
    )
    every = frozenset(range(1, len(columns)))
    title = "Rows by tasks, with the papers' numbers" if printed else "Rows by tasks"
    names, values = zip(*data(told), strict=True)
    return Table("overview", title, columns, rows, caption, every, head=names, data=tuple(zip(*values, strict=True)))


def data(told: Comparison) -> Iterator[tuple[str, list[Any]]]:
    """The same for CSV: what shares a place there has a column each here."""
    yield "row", list(told.rows)
    for setting in told.settings:
        name = setting_name(setting, told.settings)
        groups = [told.groups[row, setting] for row in told.rows]
        yield name, [group.mean for group in groups]
        yield f"{name} sd", [group.sd for group in groups]
        printed = {row: {(one.paper, one.split): one.value for one in told.value(row, setting)} for row in told.rows}
        for paper, split in dict.fromkeys(key for values in printed.values() for key in values):
            yield f"{name} ({paper}, {split})", [values.get((paper, split)) for values in printed.values()]
    for name, ours in costs_of(told).items():
        yield name, [ours[row] for row in told.rows]


def papers_of(told: Comparison) -> set[str]:
    """Those with a number in this table."""
    return {one.paper for row in told.rows for setting in told.settings for one in told.value(row, setting)}


def both(told: Comparison, row: str, setting: Setting) -> Cell:
    """Ours and the papers'; of several papers each number says whose it is."""
    group, printed = told.groups[row, setting], told.value(row, setting)
    papers = told.published.papers if told.published else {}
    several = len(papers_of(told)) > 1
    numbers = [printed_cell(one.value).text + f" {first_author(papers[one.paper])}" * several for one in printed]
    theirs = f" [{', '.join(numbers)}]" if printed else ""
    note = "; ".join(f"{papers[one.paper]}, {one.split}" for one in printed)
    if group.mean is None:
        return Cell(state(group) + theirs, float("-inf"), note=note, kind="quiet")
    spread = "" if group.sd is None else f" ± {group.sd:.1f}"
    return Cell(f"{number(group.mean).text}{spread}{theirs}", group.mean, note=note)


def first_author(paper: str) -> str:
    """ "Devlin et al. 2019, Table 5" as "Devlin 2019"."""
    return paper.partition(",")[0].replace(" et al.", "")


def printed_elsewhere(told: Comparison) -> Table | None:
    """The rows of the papers' tables on tasks that have no run here, so that no printed number is left out."""
    here = {(setting.task, setting.metric) for setting in told.settings}
    told_of = [one for one in (told.published.values if told.published else ()) if (one.task, one.metric) not in here]
    columns = list(dict.fromkeys((one.paper, one.task, one.metric, one.split) for one in told_of))
    if not columns:
        return None
    values = {(one.row, one.paper, one.task, one.metric, one.split): one.value for one in told_of}
    rows = tuple(
        (Cell(row), *(printed_cell(values.get((row, *column))) for column in columns))
        for row in told.rows
        if any((row, *column) in values for column in columns)
    )
    head = ("row", *(f"{task}, {metric} ({paper}, {split})" for paper, task, metric, split in columns))
    caption = "What the papers print of these rows on tasks that were not run here."
    return Table("elsewhere", "Printed, and not run here", head, rows, caption, frozenset(range(1, len(head))))


def costs_of(told: Comparison) -> dict[str, dict[str, float | None]]:
    """Column -> row -> what one training takes; None where nothing is known, or nothing was spent."""
    flops, many = flops_unit(told)
    costs = (("seconds", "seconds", 1.0), (flops, "flops", many), ("million parameters", "parameters", 1e6))
    return {name: {row: cost_of(told, row, key, unit) or None for row in told.rows} for name, key, unit in costs}


def flops_unit(told: Comparison) -> tuple[str, float]:
    """The largest unit in which the dearest row has one at least, and its size."""
    dearest = max((cost_of(told, row, "flops", 1.0) or 0.0 for row in told.rows), default=0.0)
    first, *larger = FLOPS.items()
    return [first, *((name, size) for name, size in larger if size <= dearest)][-1]


def cost_of(told: Comparison, row: str, key: str, unit: float) -> float | None:
    """The mean over a row's tasks, whatever the number of metrics that each is scored by."""
    of = {(one.task, one.data, one.version): told.groups[row, one].cost(key) for one in told.settings}
    there = [value for value in of.values() if value is not None]
    return sum(there) / len(there) / unit if there else None
