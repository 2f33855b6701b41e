"""The page of a comparison."""

from collections.abc import Iterator

from sweeps.evidence.comparison import Comparison, Setting
from sweeps.evidence.conclusions import counted
from sweeps.pages import tables
from sweeps.pages.all_runs import all_runs
from sweeps.pages.blocks import Block, Heading, Page, Points, Words, file_name, have, number, signed
from sweeps.pages.budgets import budget
from sweeps.pages.charts import bars, costs, layers
from sweeps.pages.curves import encoder_curves, task_curves
from sweeps.pages.links import Links
from sweeps.pages.overview import overview, printed_elsewhere

MOST_TOLD = 3  # rows in a sentence
WORLD = (
    "This is generated text ({worlds}): a small grammar and its lexicon, made so that every mechanism under study is "
    "in it and its ceilings are known. What is shown holds in this world and says nothing of how much it matters in "
    "English: differences and intervals are given, a verdict on a paper never is."
)


def page(told: Comparison, links: Links) -> Page:
    """All of it, the most important first."""
    return Page(name_of(told), title_of(told), lead(told), [*opening(told), *parts(told, links), *closing(told, links)])


def name_of(told: Comparison) -> str:
    """The page's file, without an ending: a scale has a page of its own, and so have runs with further overrides."""
    return "-".join(map(file_name, (told.name, *([told.scale] if told.scale else []), *told.overrides)))


def title_of(told: Comparison) -> str:
    words = [*([f"scale={told.scale}"] if told.scale else []), *told.overrides]
    return f"{told.title} ({', '.join(words)})" if words else told.title


def lead(told: Comparison) -> str:
    """What came out, in a sentence or two."""
    done, every = len(told.finished), len(told.found.results) + len(told.found.missing)
    if not done:
        return f"Nothing has finished yet: of {counted(every, 'run')} none has a record."
    part = "" if done == every else f" ({done} of {every} runs {have(done)} finished)"
    if (collapsed := sum(result.collapsed for result in told.finished)) == done:
        return f"{all_collapsed(done)}{part}."
    if collapsed:
        they_give = "it gives" if collapsed == 1 else "they give"
        part += f"; {collapsed} of the {done} finished runs collapsed: {they_give} every example one label"
    judged = [judgement for judgement in told.judgements if judgement.interval.count and not told.worlds]
    if judged:
        words = {}
        for judgement in judged:
            words[str(judgement.verdict)] = words.get(str(judgement.verdict), 0) + 1
        verdicts = ", ".join(f"{many} {verdict}" for verdict, many in words.items())
        return f"Of {len(told.judgements)} claims: {verdicts}{part}. {judged[0].sentence}"
    return f"{largest(told)}{part}."


def all_collapsed(done: int) -> str:
    """A clause on finished runs of which none says anything."""
    if done == 1:
        return "The one finished run collapsed: it gives every example one label, and tells no row apart"
    return f"All {done} finished runs collapsed: they give every example one label, and tell no row apart"


def largest(told: Comparison) -> str:
    """The difference to the reference that stands out most from its interval, in words."""
    found = [
        (abs(one.difference) / max(one.high - one.low, 1e-9), row, setting, one)
        for (row, setting), one in told.differences.items()
        if one.low == one.low
    ]
    if not found:
        setting = max(told.settings, key=lambda one: sum(bool(group.results) for group in told.shown(one)))
        means = [(group.mean, group.row) for group in told.shown(setting) if group.mean is not None]
        groups = sorted(means, reverse=not setting.metric.endswith("_loss"))
        scores = "; ".join(f"{row} {number(mean).text}" for mean, row in groups[:MOST_TOLD])
        more = f" and {len(groups) - MOST_TOLD} more" if len(groups) > MOST_TOLD else ""
        why = (
            "replicates do not differ"
            if any(one.count > 1 for one in told.differences.values())
            else "there are too few replicates"
        )
        return f"On {setting.task} ({setting.metric}): {scores}{more}. No interval can be told: {why}"
    _, row, setting, one = max(found, key=lambda each: each[0])
    where = f"on {setting.task} ({setting.metric})"
    bounds = f"95 %: {signed(one.low).text} to {signed(one.high).text}"
    clear = [each for each in found if each[3].low > 0 or each[3].high < 0]
    if not clear:
        return (
            f"No row differs from {told.reference} beyond its 95 % interval; the one whose interval is nearest to "
            f"excluding zero is {row} {where}, {signed(one.difference).text} ({bounds})"
        )
    more = f"; {len(clear)} of {len(found)} intervals exclude 0, each by itself" if len(found) > 1 else ""
    side = "above" if one.difference > 0 else "below"
    return f"{row} is {number(abs(one.difference)).text} {side} {told.reference} {where} ({bounds}){more}"


def opening(told: Comparison) -> Iterator[Block]:
    """What holds for the whole page: banner, notes, the table of all tasks, the claims."""
    if told.worlds:
        yield Words(WORLD.format(worlds=", ".join(told.worlds)), "banner")
    if told.found.notes:
        yield Points("To be known of these runs", list(told.found.notes))
    if told.others:
        belong, they_stand = ("belongs", "it stands") if len(told.others) == 1 else ("belong", "they stand")
        runs = counted(len(told.others), "run")
        yield Words(f"{runs} {belong} to no row of this table; {they_stand} in the list of all runs.", "quiet")
    if told.published:
        yield Words("Papers: " + "; ".join(told.published.papers.values()) + ".", "quiet")
    if told.settings:
        yield Heading("All tasks", "all")
        yield overview(told)
    if (spent := budget(told)) is not None:
        yield spent
    if (printed := printed_elsewhere(told)) is not None:
        yield printed
    if (claims := tables.claims(told)) is not None:
        yield claims


def parts(told: Comparison, links: Links) -> Iterator[Block]:
    """A part for each setting."""
    for number_, setting in enumerate(told.settings):
        name = tables.setting_name(setting, told.settings)
        anchor = f"{file_name(setting.task)}-{number_}"
        yield Heading(name, anchor)
        yield tables.detail(told, setting, anchor)
        yield from drawings(told, setting, anchor, links)
        if (ladder := tables.ladder_table(told, setting, anchor)) is not None:
            yield ladder


def drawings(told: Comparison, setting: Setting, anchor: str, links: Links) -> Iterator[Block]:
    """The figures of a setting."""
    found = [bars(told, setting, anchor, links), task_curves(told, setting, anchor)]
    found += [costs(told, setting, anchor, links), *layers(told, setting, anchor)]
    yield from (figure for figure in found if figure is not None)


def closing(told: Comparison, links: Links) -> Iterator[Block]:
    """Pre-trainings and the list of all runs."""
    if curves := encoder_curves(told, links):
        yield Heading("Pre-training", "pretraining")
        yield from curves
    yield Heading("All runs", "every-run")
    yield all_runs(told, links)
