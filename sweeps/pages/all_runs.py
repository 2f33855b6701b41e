"""The list of all runs that a page is made of."""

from sweeps.evidence.comparison import Comparison
from sweeps.evidence.results import BROKEN, FAILED, FINISHED, Result
from sweeps.pages.blocks import NOT_RUN, Cell, Table, count, number
from sweeps.pages.links import Links


def all_runs(told: Comparison, links: Links) -> Table:
    """Every run, and every point without one."""
    columns = ("run", "row", "task", "encoder", "seed", "score", "status", "seconds", "commit")
    row_of = {id(result): group.row for group in told.groups.values() for result in group.results}
    rows = [run_cells(result, row_of.get(id(result), "–"), links) for result in told.found.results]
    rows += [
        (
            Cell(", ".join(f"{key}={value}" for key, value in point.items())),
            *[Cell("–")] * 5,
            Cell(NOT_RUN, kind="quiet"),
            Cell("–"),
            Cell("–"),
        )
        for point in told.found.missing
    ]
    caption = (
        "A name leads to the run's record. “Failed” is a run that began, has no record, and that nobody runs now. "
        "A + behind a commit: the code was changed since."
    )
    return Table("runs", "All runs", columns, tuple(rows), caption, frozenset({5, 7}))


def run_cells(result: Result, row: str, links: Links) -> tuple[Cell, ...]:
    """One run."""
    name = Cell(result.name, link=links.record(result))
    kind = {FINISHED: "", FAILED: "bad", BROKEN: "bad"}.get(result.status, "quiet")
    status = Cell(result.status, note=result.why, kind=kind)
    if not result.finished:
        return (name, Cell(row), *[Cell("–")] * 4, status, Cell("–"), Cell("–"))
    encoder = Cell("–") if result.encoder is None else Cell(str(result.encoder)[:12], result.encoder)
    if result.collapsed:
        status = Cell("collapsed", kind="bad")
    return (
        name,
        Cell(row),
        Cell(result.task),
        encoder,
        count(result.seed),
        number(result.score),
        status,
        number(result.record["cost"].get("seconds")),
        Cell(result.commit),
    )
