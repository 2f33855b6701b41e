"""Which results are one row of a comparison, and what they are scored on."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from datamodules.task import fingerprint
from sweeps.evidence.comparison import SEEDS, Comparison, Group, Setting
from sweeps.evidence.conclusions import counted
from sweeps.evidence.found import Found
from sweeps.evidence.published import Published
from sweeps.evidence.results import RUNNING, Point, Result
from sweeps.evidence.rows import particulars, recipe_of, settings_of
from sweeps.runs.places import ELSEWHERE
from sweeps.runs.settings import leaves
from sweeps.showing.ladders import WORDS, of_metrics

RUNS = "runs"  # the name of a comparison that is no sweep's
TASKS = ("data.task", "data")  # parameters that say what is evaluated


def of_sweep(
    name: str,
    title: str,
    scale: str | None,
    found: Found,
    published: Published | None,
    overrides: tuple[str, ...] = (),
) -> Comparison:
    """A sweep's runs in the rows of its table; without one, in rows of what its points do not share but for seeds."""
    points = [*(result.point for result in found.results), *found.missing]
    keys = axes(points)
    names = [row_name(point, keys, published) for point in points]
    rows = tuple(published.rows) if published else tuple(dict.fromkeys(name for name in names if name is not None))
    reference = published.reference if published else rows[0]
    return replace(compared(name, title, scale, found, names, rows, reference, published), overrides=overrides)


def of_runs(scale: str | None, found: Found) -> Comparison:
    """Any runs; those that differ in nothing but seeds and the task are one row."""
    named = names_of([result for result in found.results if result.finished])
    names = [named.get(id(result)) for result in found.results]
    rows = tuple(dict.fromkeys(name for name in names if name))
    title = counted(len(found.results), "run")
    return compared(RUNS, title, scale, found, names, rows, rows[0] if rows else "", None)


def names_of(results: Sequence[Result]) -> dict[int, str]:
    """In words what tells a run from others of its model, start and data; runs of one row have one name."""
    configs = {id(result): comparable(result) for result in results}
    marks = {key: fingerprint(config, 4) for key, config in configs.items()}
    alike: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    for result in results:
        alike[start(result), result.data][marks[id(result)]] = leaves(configs[id(result)])
    names = {}
    for result in results:
        kinds, mark = alike[start(result), result.data], marks[id(result)]
        told = {one: ", ".join([start(result), *particulars(own, list(kinds.values()))]) for one, own in kinds.items()}
        is_alone = list(told.values()).count(told[mark]) == 1
        names[id(result)] = told[mark] if is_alone else f"{told[mark]} [{mark}]"
    return names


def comparable(result: Result) -> dict[str, Any]:
    """A run's settings without seeds, places and the task."""
    config = settings_of({key: value for key, value in result.config.items() if key not in ELSEWHERE})
    config["data"] = {key: value for key, value in config["data"].items() if key != "task"}
    if result.config.get("pretrain", {}).get("recipe"):
        config["pretrain"] = settings_of(config["pretrain"])
    return config | {"init_from": None}


def start(result: Result) -> str:
    """Model and start, in words."""
    return f"{result.record['model']} from {recipe_of(result.config) or result.record.get('start', 'scratch')}"


def axes(points: Sequence[Point]) -> list[str]:
    """The parameters that tell rows apart: neither seeds nor tasks, and not the same in all points."""
    values: dict[str, set[str]] = defaultdict(set)
    for point in points:
        for key, value in point.items():
            values[key].add(str(value))
    return [key for key, own in values.items() if len(own) > 1 and key not in (*SEEDS, *TASKS)]


def row_name(point: Point, keys: Sequence[str], published: Published | None) -> str | None:
    """The row that a point belongs to: of the published table, or in words of its own."""
    if published:
        row = published.row_of(point)
        return row.name if row else None
    return ", ".join(f"{key}={point.get(key)}" for key in keys) or "all"


def compared(
    name: str,
    title: str,
    scale: str | None,
    found: Found,
    names: Sequence[str | None],
    rows: tuple[str, ...],
    reference: str,
    published: Published | None,
) -> Comparison:
    """Sort results into rows and settings."""
    belongs = {id(result): row for result, row in zip(found.results, names, strict=False)}
    absent = list(zip(found.missing, names[len(found.results) :], strict=True))
    mine = [result for result in found.results if result.finished and belongs[id(result)] in rows]
    settings = settings_in(mine, published, absent)
    groups = {}
    for row in rows:
        own = [result for result in found.results if belongs[id(result)] == row]
        gone = [point for point, its in absent if its == row]
        for setting in settings:
            groups[row, setting] = grouped(row, setting, own, gone)
    others = [result for result in found.results if belongs[id(result)] not in rows]
    return Comparison(name, title, scale, rows, reference, settings, groups, found, published, others)


def grouped(row: str, setting: Setting, own: Sequence[Result], gone: Sequence[Point]) -> Group:
    """A row's runs in one setting."""

    def concerns(point: Point) -> bool:
        return task_of(point) in ("", setting.task)

    done = [result for result in own if result.finished and place(result) == (setting.data, setting.version)]
    asked = [result for result in done if result.task == setting.task]
    there = [result for result in asked if result.value(setting.metric) is not None]
    stopped = [result.status for result in own if not result.finished and concerns(result.point)]
    absent = sum(map(concerns, gone))
    lacking = len(asked) - len(there)
    running = stopped.count(RUNNING)
    return Group(row, setting, there, len(stopped) - running, running, absent, lacking)


def task_of(point: Point) -> str:
    """The task that a point names; empty if all points have one."""
    return next((str(point[key]) for key in TASKS if key in point), "")


def place(result: Result) -> tuple[str, str]:
    return result.data, result.version


def own_ladders(result: Result) -> list[str]:
    """The parts of a headline that have a ladder of their own: where the deciding word stands, of the probes."""
    parts = result.record["headline"].get("parts", {})
    return [name for name in of_metrics(result.record) if name in parts and name not in WORDS]


def settings_in(
    results: Sequence[Result], published: Published | None, absent: Sequence[tuple[Point, str | None]]
) -> tuple[Setting, ...]:
    """What the runs were scored on, by task: the headlines, and what the papers report beside them."""
    asked = [(one.task, one.metric) for one in (*published.values, *published.claims)] if published else []
    found: dict[Setting, None] = {}
    for result in results:
        metrics = [result.metric, *own_ladders(result), *(metric for task, metric in asked if task == result.task)]
        for metric in dict.fromkeys(metrics):
            if result.value(metric) is not None:
                found[Setting(result.task, metric, *place(result))] = None
    known = {setting.task for setting in found}
    for point, _ in absent:
        if (task := task_of(point)) and task not in known:
            metric = next((metric for other, metric in asked if other == task), "")
            found[Setting(task, metric, task, "")] = None
    if not found:  # nothing has run: the papers' own columns
        found = {Setting(task, metric, task, ""): None for task, metric in asked}
    return tuple(sorted(found, key=lambda setting: (setting.task, setting.data, setting.version)))
