"""Two runs: what differs in their settings, how far apart they are, and on which examples they disagree."""

from collections.abc import Iterator, Mapping

from sweeps.evidence.comparison import Comparison
from sweeps.evidence.conclusions import counted
from sweeps.evidence.replicates import Nested
from sweeps.evidence.results import Result
from sweeps.evidence.rows import settings_of
from sweeps.evidence.statistics import paired_difference
from sweeps.pages.blocks import Block, Cell, Heading, Page, Table, Words, file_name, number, signed
from sweeps.pages.links import Links
from sweeps.runs.places import ELSEWHERE
from sweeps.runs.settings import leaves, without

NOTHING = "–"
MOST, UNFOLDED = 1000, 50  # examples of a table, and of one that is seen at once
LOSS_DIGITS = 3  # two pre-trainings differ in little more
KEYS, ANSWERS = ("index", "id"), ("prediction", "answer")


def pair(told: Comparison, links: Links) -> Page:
    """Both in the order in which they were given; differences are the second run less the first."""
    a, b = told.finished
    title = f"{a.name} beside {b.name}"
    name = f"two-runs-{file_name(told.scale)}" if told.scale else "two-runs"
    return Page(name, title, lead(a, b), [*blocks(a, b, links)])


def is_comparable(a: Result, b: Result) -> bool:
    """Whether both were scored by one metric on one text."""
    return (a.data, a.version, a.metric) == (b.data, b.version, b.metric)


def lead(a: Result, b: Result) -> str:
    """What came out."""
    if not is_comparable(a, b):
        return (
            f"The scores of these runs do not compare: {a.name} has {a.metric} on {a.data} (text {a.version}), "
            f"{b.name} has {b.metric} on {b.data} (text {b.version})."
        )
    digits = LOSS_DIGITS if a.metric.endswith("_loss") else 1
    difference = signed(b.score - a.score, digits).text
    scores = [f"{one.name} {has}{number(one.score, digits).text}" for one, has in ((a, "has "), (b, ""))]
    collapsed = [one.name for one in (a, b) if one.collapsed]
    told = f" Collapsed, to one label for all examples: {', '.join(collapsed)}." if collapsed else ""
    first = f"{', '.join(scores)}: {difference} ({a.metric}, {a.data}).{told}"
    if any(one.answers_file.name in one.torn for one in (a, b)):
        return f"{first} Answers of one of them are torn: there is no interval."
    if a.examples is None or b.examples is None or len(a.examples) != len(b.examples):
        return f"{first} This metric is no mean over examples: one run each gives no interval."
    if (a.examples == b.examples).all():
        return f"{first} Both are right, and wrong, on the same of these {len(a.examples):,} examples."
    low, high = over_examples(a, b)
    sure = "excludes" if low > 0 or high < 0 else "holds"
    bounds = f"{signed(low).text} to {signed(high).text}"
    return (
        f"{first} Over these {len(a.examples):,} examples, paired, the 95 % interval is {bounds} and {sure} 0; it says "
        "nothing of another seed."
    )


def over_examples(a: Result, b: Result) -> tuple[float, float]:
    """The 95 % interval of b - a of these two models: the examples are what is drawn anew."""
    first, second = (one_by_one(one) for one in (a, b))
    found = paired_difference(second, first, "seed")
    return found.low, found.high


def one_by_one(run: Result) -> Nested:
    """A run's examples in the place of replicates."""
    return {None: dict(enumerate([] if run.examples is None else run.examples.tolist()))}


def blocks(a: Result, b: Result, links: Links) -> Iterator[Block]:
    """Measures, settings, costs, and the examples, of which there may be many, at the end."""
    yield Words(f"Record of {a.name}", link=links.record(a))
    yield Words(f"Record of {b.name}", link=links.record(b))
    yield Heading("Scores", "scores")
    if is_comparable(a, b):
        yield measures(a, b)
    yield Heading("Settings and costs", "settings")
    yield differing("pair-settings", "What differs in their configurations", settings(a), settings(b), (a, b))
    yield differing("pair-costs", "What they cost", a.record["cost"], b.record["cost"], (a, b))
    if is_comparable(a, b):
        yield Heading("Examples", "examples")
        yield from changed(a, b)


def settings(one: Result) -> dict[str, object]:
    """Flat, without what says where a run is computed."""
    config = settings_of(without(dict(one.config), *ELSEWHERE)) | {"seed": one.seed}
    told = leaves(config) | {"model": one.record["model"], "code": one.commit}
    return told | {f"versions.{key}": value for key, value in one.record.get("versions", {}).items()}


def differing(
    name: str, title: str, first: Mapping[str, object], second: Mapping[str, object], runs: tuple[Result, Result]
) -> Table:
    """The keys whose values are not the same."""
    keys = [key for key in sorted({*first, *second}) if first.get(key, NOTHING) != second.get(key, NOTHING)]
    rows = tuple((Cell(key), value(first.get(key, NOTHING)), value(second.get(key, NOTHING))) for key in keys)
    caption = "All other values are the same." if keys else "Nothing differs."
    return Table(name, title, ("key", *(one.name for one in runs)), rows, caption)


def value(told: object) -> Cell:
    if isinstance(told, float):
        return Cell(f"{told:.6g}", told)
    return Cell(str(told))


def measures(a: Result, b: Result) -> Table:
    """Everything that was measured on test sets; of pre-trainings on their held-out text."""
    begin = "val/" if a.is_pretraining else "test_"
    names = [name for name in a.record["metrics"] if name.startswith(begin) and name in b.record["metrics"]]
    pairs = [(name, float(a.record["metrics"][name]), float(b.record["metrics"][name])) for name in names]
    rows = tuple((Cell(name), number(x, 4), number(y, 4), signed(y - x, 4)) for name, x, y in pairs)
    columns = ("metric", a.name, b.name, "difference")
    return Table(
        "pair-metrics", "What was measured", columns, rows, "As in the records, not times 100.", frozenset({1, 2, 3})
    )


def changed(a: Result, b: Result) -> Iterator[Block]:
    """The examples that got another answer."""
    first, second = a.answers, b.answers
    key = next((name for name in KEYS if first and name in first[0]), None)
    said = next((name for name in ANSWERS if first and name in first[0]), None)
    if key is None or said is None or not second or key not in second[0]:
        yield Words("The predictions of these runs are no tables of one answer an example.", "quiet")
        return
    theirs = {row[key]: row for row in second}
    both = [(row, theirs[row[key]]) for row in first if row[key] in theirs]
    others = [(x, y) for x, y in both if x[said] != y[said]]
    truth = [name for name in ("label", "f1", "right") if name in first[0]]
    columns = (key, *(["label"] if "label" in truth else []), a.name, b.name, "which is right")
    rows = tuple(
        (
            Cell(x[key], float(x[key]) if x[key].isdigit() else None),
            *([label(x, "label")] if "label" in truth else []),
            label(x, said),
            label(y, said),
            Cell(better(x, y, said)),
        )
        for x, y in others[:MOST]
    )
    told = f"{len(others):,} of {counted(len(both), 'example')} got another answer"
    if not others:
        yield Words(f"{told}.", "quiet")
        return
    gained = sum(better(x, y, said) == "second" for x, y in others)
    lost = sum(better(x, y, said) == "first" for x, y in others)
    shown = f" The first {MOST:,} are shown." if len(others) > MOST else ""
    yield Table(
        "pair-examples",
        "Examples that changed",
        columns,
        rows,
        f"{told}: {gained:,} for the better, {lost:,} for the worse.{shown}",
        folded=len(others) > UNFOLDED,
    )


def label(row: Mapping[str, str], key: str) -> Cell:
    """An answer by its name, if the columns of probabilities say it; of a regression there is one, and no name."""
    names = [column[2:-1] for column in row if column.startswith("p(")]
    is_known = len(names) > 1 and row[key].isdigit() and int(row[key]) < len(names)
    return Cell(names[int(row[key])] if is_known else row[key])


def better(x: Mapping[str, str], y: Mapping[str, str], said: str) -> str:
    """Which of two answers is right, or nearer."""
    if "label" in x:
        first, second = float(x[said] == x["label"]), float(y[said] == y["label"])
    else:
        first, second = (float(row.get("f1") or row.get("right") or 0) for row in (x, y))
    return "neither" if first == second else "first" if first > second else "second"
