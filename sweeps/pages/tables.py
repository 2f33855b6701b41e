"""The tables of a comparison."""

from collections.abc import Sequence

from sweeps.evidence.comparison import Comparison, Group, Setting
from sweeps.evidence.results import FAILED
from sweeps.evidence.statistics import Interval
from sweeps.pages.blocks import NOT_RUN, Cell, Table, count, number, signed
from sweeps.pages.figures import unit
from sweeps.showing.ladders import of_metrics

PARTS = ("seen", "unseen")
COUNTS = ("encoders", "runs", "collapsed")
TROUBLES = ("failed", NOT_RUN, "no metric")  # columns where something failed, did not run, or finished without it
OWN_WAY = "◆"


def setting_name(setting: Setting, every: Sequence[Setting]) -> str:
    """A setting in as few words as tell it from the others."""
    words = [setting.task]
    alike = [other for other in every if other.task == setting.task]
    if len({other.metric for other in alike}) > 1:
        words.append(setting.metric)
    if len({other.data for other in alike}) > 1:
        words.append(setting.data)
    if len({(other.data, other.version) for other in alike}) > len({other.data for other in alike}):
        words.append(f"text {setting.version}")
    return ", ".join(words)


def row_cell(told: Comparison, row: str) -> Cell:
    """A row's name, marked where it goes its own paper's way."""
    is_marked = told.published is not None and row in told.published.as_published
    return Cell(f"{row} {OWN_WAY}" if is_marked else row, row)


def legend(told: Comparison) -> str:
    """What that mark says; nothing where no row has one."""
    return f" {OWN_WAY}: the model as its own paper used it." if told.published and told.published.as_published else ""


def state(group: Group) -> str:
    """Why a place has no score."""
    if group.failed or group.running:
        return FAILED if group.failed else "running"
    return NOT_RUN if group.missing else TROUBLES[2] if group.lacking else "–"


def detail(told: Comparison, setting: Setting, anchor: str) -> Table:
    """One setting: each row with its spread, its runs, what the papers print, and its difference to the reference."""
    groups = told.shown(setting)
    papers = list(dict.fromkeys(one.paper for row in told.rows for one in told.value(row, setting)))
    parts = [part for part in PARTS if any(part_of(group, part) is not None for group in groups)]
    differences = (f"− {told.reference}", "95 % from", "to")
    troubles = [name for name in TROUBLES if any(troubled(group)[name] for group in groups)]
    head = ("row", *(f"{paper} (paper)" for paper in papers), "ours", "sd", *parts, *COUNTS, *troubles, *differences)
    rows = tuple(detail_cells(told, group, papers, parts, troubles) for group in groups)
    is_lacking = any(group.lacking for group in groups)
    is_whole = not told.found.missing and all(one.finished for one in told.found.results) and not is_lacking
    whole = "No run failed or is missing. " if is_whole else ""
    caption = (
        f"{unit(setting)} on {setting.data}. {whole}Collapsed runs give every example one label; they count "
        f"in the mean. The last columns: the row less {told.reference}, and its 95 % interval, paired by "
        f"{told.replicate} (against a row from scratch by nothing), over examples too where each one's score is known."
        + legend(told)
    )
    title = "Ours beside the papers'" if papers else "All rows"
    return Table(
        f"{anchor}-table",
        f"{title}: {setting_name(setting, told.settings)}",
        head,
        rows,
        caption,
        frozenset(range(1, len(head))),
    )


def troubled(group: Group) -> dict[str, int]:
    """Points of a row without a score."""
    return dict(zip(TROUBLES, (group.failed, group.missing + group.running, group.lacking), strict=True))


def detail_cells(
    told: Comparison, group: Group, papers: Sequence[str], parts: Sequence[str], troubles: Sequence[str]
) -> tuple[Cell, ...]:
    """A row of that table."""
    lost = troubled(group)
    return (
        row_cell(told, group.row),
        *(paper_cell(told, group.row, group.setting, paper) for paper in papers),
        number(group.mean) if group.results else Cell(state(group), float("-inf"), kind="quiet"),
        number(group.sd),
        *(number(part_of(group, part)) for part in parts),
        count(group.encoders),
        count(len(group.results)),
        count(group.collapsed, "bad" if group.collapsed else ""),
        *(count(lost[name], "bad" if name == TROUBLES[0] and lost[name] else "") for name in troubles),
        *interval_cells(told.differences.get((group.row, group.setting))),
    )


def paper_cell(told: Comparison, row: str, setting: Setting, paper: str) -> Cell:
    """A printed number, and what differs in its set-up."""
    found = next((one for one in told.value(row, setting) if one.paper == paper), None)
    return printed_cell(found.value, f"{found.split}; {found.differs}".strip("; ")) if found else number(None)


def printed_cell(value: float | None, note: str = "") -> Cell:
    """As the paper has it: 84.0 is no 84."""
    return number(None) if value is None else Cell(f"{value}", value, note=note)


def part_of(group: Group, part: str) -> float | None:
    """The mean of a part of the test set, of a headline."""
    found = [result.value(part) for result in group.results if result.metric == group.setting.metric]
    there = [value for value in found if value is not None]
    return sum(there) / len(there) if there else None


def interval_cells(interval: Interval | None) -> tuple[Cell, Cell, Cell]:
    """Difference, from, to."""
    if interval is None:
        return number(None), number(None), number(None)
    return signed(interval.difference), signed(interval.low), signed(interval.high)


def ladder_table(told: Comparison, setting: Setting, anchor: str) -> Table | None:
    """How far one gets in generated data with less than all of it."""
    results = [result for row in told.rows for result in told.groups[row, setting].results]
    known = of_metrics(results[0].record) if results else {}
    rungs = known.get(setting.metric)
    if rungs is None:
        return None
    rows = tuple((Cell(name), number(value)) for name, value in rungs.items())
    caption = (
        "What is reachable on this generated text by someone who uses only what a line names; “exact” reads all of it. "
        "A score at or below a rung shows no more than that rung."
    )
    return Table(
        f"{anchor}-ladder",
        f"Known ceilings: {setting_name(setting, told.settings)}",
        ("with", f"{setting.metric} × 100"),
        rows,
        caption,
        frozenset({1}),
    )


def claims(told: Comparison) -> Table | None:
    """A line for each claim of the papers."""
    if not told.judgements or told.published is None:
        return None
    rows = []
    for judgement in told.judgements:
        claim = judgement.claim
        what = f"{claim.rows[0]} {'above' if claim.says == 'greater' else 'as good as'} {claim.rows[1]}"
        rows.append(
            (
                Cell(f"{what} on {claim.task} ({claim.metric})", note=claim.id),
                Cell(told.published.papers[claim.paper], note=told.published.differs.get(claim.paper, "")),
                signed(claim.published),
                *interval_cells(judgement.interval),
                Cell(str(judgement.verdict), kind=mood(str(judgement.verdict))),
                Cell(judgement.sentence),
            )
        )
    columns = ("claim", "paper", "published", "ours", "95 % from", "to", "verdict", "why")
    caption = (
        "A verdict is about the difference between two rows, never about a level; p-values are adjusted within this "
        "table (Holm). Each claim was written down before the runs were made."
    )
    return Table("claims", "What may be concluded", columns, tuple(rows), caption, frozenset({2, 3, 4, 5}))


def mood(verdict: str) -> str:
    """How a verdict looks."""
    good = ("reproduced", "same direction", "equivalent")
    bad = ("opposite", "contradicted")
    return "good" if verdict.startswith(good) else "bad" if verdict.startswith(bad) else ""
