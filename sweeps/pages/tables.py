"""The tables of a comparison."""

from collections.abc import Sequence

from sweeps.comparison import Comparison, Group, Setting
from sweeps.ladders import of_metrics
from sweeps.pages.blocks import NOT_RUN, Cell, Table, count, number, signed
from sweeps.pages.figures import unit
from sweeps.results import FAILED
from sweeps.statistics import Interval

PARTS = ("seen", "unseen")
COUNTS = ("encoders", "runs", "collapsed")
TROUBLES = ("failed", NOT_RUN, "no metric")  # columns where something failed, did not run, or finished without it
OWN_WAY = "◆"
FLOPS = {"GFLOPs": 1e9, "TFLOPs": 1e12, "PFLOPs": 1e15, "EFLOPs": 1e18}


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


def overview(told: Comparison) -> Table:
    """Rows by tasks, as the papers print it: ours, and below it theirs in brackets; then what a run costs."""
    costs = (("seconds", "seconds", 1.0), ("flops", *flops_unit(told)), ("parameters", "million parameters", 1e6))
    columns = ("row", *(setting_name(one, told.settings) for one in told.settings), *(label for _, label, _ in costs))
    rows = tuple(
        (
            row_cell(told, row),
            *(both(told, row, setting) for setting in told.settings),
            *(number(cost_of(told, row, key, unit) or None, 2) for key, _, unit in costs),
        )
        for row in told.rows
    )
    printed = any(told.value(row, one) for row in told.rows for one in told.settings)
    brackets = " In brackets what the papers print." if printed else ""
    caption = (
        f"Ours: the mean and the standard deviation over encoders (over seeds, where there are none).{brackets} Costs "
        f"are of one training on a task, without the pre-training, the mean over all tasks.{legend(told)}"
    )
    every = frozenset(range(1, len(columns)))
    title = "Rows by tasks, with the papers' numbers" if printed else "Rows by tasks"
    return Table("overview", title, columns, rows, caption, every)


def both(told: Comparison, row: str, setting: Setting) -> Cell:
    """Ours and the papers'."""
    group, printed = told.groups[row, setting], told.value(row, setting)
    theirs = f" [{', '.join(f'{one.value:g}' for one in printed)}]" if printed else ""
    note = "; ".join(f"{told.published.papers[one.paper]}, {one.split}" for one in printed if told.published)
    if group.mean is None:
        return Cell(state(group) + theirs, float("-inf"), note=note, kind="quiet")
    spread = "" if group.sd is None else f" ± {group.sd:.1f}"
    return Cell(f"{number(group.mean).text}{spread}{theirs}", group.mean, note=note)


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


def printed_cell(value: float | None) -> Cell:
    """As the paper has it."""
    return number(None) if value is None else Cell(f"{value:g}", value)


def state(group: Group) -> str:
    """Why a place has no score."""
    if group.failed or group.running:
        return FAILED if group.failed else "running"
    return NOT_RUN if group.missing else TROUBLES[2] if group.lacking else "–"


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
    if found is None:
        return number(None)
    return Cell(f"{found.value:g}", found.value, note=f"{found.split}; {found.differs}".strip("; "))


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
