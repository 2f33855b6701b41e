"""The table of GLUE's tasks, from the record of one finished job each: for a terminal, as Markdown, as plain values.

Three averages over GLUE are in the literature. They differ by points for one and the same model (BERT-large: 82.1 as in
its own paper, 81.6 with MNLI counted once), so all three are computed and each is named by who averages so.
"""

import os
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from datamodules.glue_tasks import TASKS, GlueTask
from sweeps.showing.ladders import ladders

HEADER = ("task", "result", "start", "selection", "seconds")
Column = tuple[tuple[str, str, str], ...]  # (task, test set, metric): a column's numbers, averaged first


def column(task: str, metrics: Iterable[str]) -> Column:
    """All test sets of a task, by these metrics."""
    return tuple((task, name, metric) for name in TASKS[task].test_sets for metric in metrics)


WITHOUT_WNLI = [name for name in TASKS if name != "wnli"]
BERT = {name: TASKS[name].metrics[:1] for name in WITHOUT_WNLI}  # F1 of two, of STS-B Spearman
GPT = BERT | {"stsb": ("pearson",)}
AVERAGES: dict[str, tuple[Column, ...]] = {
    # Wang et al. 2019, table 4: nine tasks, a task's two metrics and MNLI's two test sets averaged first
    "GLUE": tuple(column(name, task.metrics) for name, task in TASKS.items()),
    # Devlin et al. 2019, table 1: nine columns, two of them MNLI's
    "BERT, Table 1": tuple((cell,) for name, metrics in BERT.items() for cell in column(name, metrics)),
    # Radford et al. 2018, table 5: eight columns, MNLI's test sets averaged first
    "GPT, Table 5": tuple(column(name, metrics) for name, metrics in GPT.items()),
}


@dataclass(frozen=True)
class Row:
    """One task.

    Attributes:
        record: its job's summary.json, as read; None where there is none.
        note: why there is none: "no train split in <source>", "failed: <log>".
    """

    task: GlueTask
    record: dict[str, Any] | None
    note: str = ""

    @property
    def is_partial(self) -> bool:
        """Whether only a part of the test sets was scored: then its numbers are in no average."""
        return bool(self.record) and self.limit("limit_test_batches") is not None

    def limit(self, key: str) -> Any:
        """One of the trainer's limits, None where there is none."""
        return (self.record or {})["config"]["trainer"].get(key)

    @property
    def title(self) -> str:
        """The task as papers write it, which is how the GLUE server calls its file."""
        return self.task.server_sets[0].file.removesuffix(".tsv").removesuffix("-m")


# ---- averages --------------------------------------------------------------------------------------------------------


def averages(rows: Sequence[Row]) -> dict[str, float | None]:
    """The three published averages, in percent; None where one of its tasks has no record."""
    metrics = {row.task.name: row.record["metrics"] for row in rows if row.record and not row.is_partial}
    return {
        name: None
        if lacking(name, rows)
        else mean(mean(100 * metrics[task][f"test_{part}/{metric}"] for task, part, metric in one) for one in columns)
        for name, columns in AVERAGES.items()
    }


def lacking(average: str, rows: Sequence[Row]) -> list[str]:
    """Titles of the tasks that an average needs and that have no record, or one of a part of the test set."""
    needed = dict.fromkeys(task for one in AVERAGES[average] for task, _, _ in one)
    there = {row.task.name for row in rows if row.record and not row.is_partial}
    return [Row(TASKS[task], None).title for task in needed if task not in there]


def named(average: str, rows: Sequence[Row]) -> str:
    """An average's name as it is shown: numbers on generated text are never GLUE's."""
    return f"miniature, averaged as in {average}" if is_miniature(rows) else average


def is_miniature(rows: Sequence[Row]) -> bool:
    """Whether these are results on generated text."""
    return any(row.record["data"].startswith("miniature") for row in rows if row.record)


# ---- for people ------------------------------------------------------------------------------------------------------


def lines(rows: Sequence[Row]) -> list[str]:
    """What a terminal shows: the table, the three averages, and what one must know to read them."""
    shown = grid(rows)
    wide = [max(len(line[i]) for line in shown if any(line[2:])) for i in range(len(shown[0]))]  # a note may be longer
    wide[0] = max(len(line[0]) for line in shown)
    table = ["  ".join(text.ljust(width) for text, width in zip(line, wide, strict=True)).rstrip() for line in shown]
    found = verdicts(rows)
    width = max(map(len, found))
    means = [f"{name.ljust(width)}  {value}" for name, value in found.items()]
    said = remarks(rows)
    return [heading(rows), "", *table, "", "averages", *means, *(["", *said] if said else [])]


def markdown(rows: Sequence[Row]) -> str:
    """The same for table.md."""
    cells = [[text.replace("|", "\\|") for text in line] for line in grid(rows)]
    table = [f"| {' | '.join(line)} |" for line in cells]
    rule = f"{'|---' * (len(cells[0]) - 1)}|--:|"
    shown = [f"| {name} | {value} |" for name, value in verdicts(rows).items()]
    parts = [[f"# {heading(rows)}"], [table[0], rule, *table[1:]], ["| average | |", "|---|--:|", *shown]]
    parts += [[remark] for remark in remarks(rows)]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def heading(rows: Sequence[Row]) -> str:
    """Which data, which model, from where."""
    there = groups(rows, "start")
    if not there:
        return "no task has a result"
    data = "miniature (generated text)" if is_miniature(rows) else "GLUE, published validation sets"
    start = f"start: {next(iter(there))}" if len(there) == 1 else "starts differ"
    return f"{data}: {', '.join(groups(rows, 'model'))}, {start}"


def grid(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The head and a line for each task; without the start, which may be long, where the title says that of all."""
    table = [HEADER, *(texts(row) for row in rows)]
    return table if len(groups(rows, "start")) > 1 else [line[:2] + line[3:] for line in table]


def texts(row: Row) -> tuple[str, ...]:
    """The cells of a row, as HEADER."""
    record = row.record
    if not record:
        return row.title, row.note or "no record", "", "", ""
    selection = f"{record['selection']}, {record['checkpoint']} epoch"
    count = record["config"]["data"].get("train_examples")
    selection += f", {count} training examples" if count is not None else ""
    return row.title, results(row.task, record), record["start"], selection, f"{record['cost']['seconds']:,.0f}"


def results(task: GlueTask, record: Mapping[str, Any]) -> str:
    """A task's metrics in percent; of several test sets each one's."""

    def percent(metric: str) -> str:
        values = {name: f"{100 * record['metrics'][f'test_{name}/{metric}']:.1f}" for name in task.test_sets}
        if len(values) == 1:
            return "".join(values.values())
        return " / ".join(f"{value} {name.removeprefix('validation_')}" for name, value in values.items())

    metrics = [f"{metric} {percent(metric)}" for metric in task.metrics]
    return ", ".join([*metrics, *(["COLLAPSED"] if record["collapsed"] else [])])


def verdicts(rows: Sequence[Row]) -> dict[str, str]:
    """Each average's name, and its value or what it needs."""
    return {
        named(name, rows): f"needs {', '.join(lacking(name, rows))}" if value is None else f"{value:.1f}"
        for name, value in averages(rows).items()
    }


def remarks(rows: Sequence[Row]) -> list[str]:
    """The ladders of generated text; sentences on what is not alike in these rows, or not as it should be."""
    said = [f"{row.title}: {line}" for row in rows if row.record for line in ladders(row.record)]
    for key, words in (("start", "starts"), ("model", "models"), ("selection", "ways to select")):
        there = groups(rows, key)
        if len(there) > 1:
            listed = "; ".join(f"{value} ({', '.join(titles)})" for value, titles in there.items())
            said.append(f"The {words} differ: {listed}.")
    if partial := [row.title for row in rows if row.is_partial]:
        said.append(f"Scored on a part of the test set only (trainer.limit_test_batches): {', '.join(partial)}.")
    if collapsed := [row.title for row in rows if row.record and row.record["collapsed"]]:
        said.append(f"Collapsed, every example got the same label: {', '.join(collapsed)}.")
    return said


def groups(rows: Sequence[Row], key: str) -> dict[str, list[str]]:
    """The records' values of a key, and which tasks have each."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row.record:
            found.setdefault(row.record[key], []).append(row.title)
    return found


# ---- for programs and for the server ---------------------------------------------------------------------------------


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Plain values for the suite's own record."""
    data = {row.record["data"].rpartition("/")[0] for row in rows if row.record}
    return {
        "data": ", ".join(sorted(data)),
        "starts": list(groups(rows, "start")),
        "tasks": {row.task.name: digest(row.record) for row in rows if row.record},
        "averages": {named(name, rows): value for name, value in averages(rows).items()},
        "failed": [{"task": row.task.name, "why": row.note} for row in rows if not row.record],
    }


def digest(record: Mapping[str, Any]) -> dict[str, Any]:
    """What the suite's record repeats of a job's."""
    return {
        **{key: record[key] for key in ("name", "headline", "start", "selection", "checkpoint", "collapsed")},
        "metrics": {name: value for name, value in record["metrics"].items() if name.startswith("test_")},
        "seconds": record["cost"]["seconds"],
    }


def submission(rows: Sequence[Row], folder_of: Mapping[str, Path], target: Path) -> tuple[Path | None, list[str]]:
    """Zip what the runs predicted for the GLUE server (gluebenchmark.com/submit): one flat folder of eleven files.

    Args:
        folder_of: task -> its run's folder.
        target: the zip; it appears whole or not at all.

    Returns:
        The zip, or None where there is nothing to hand in (generated text never is), and the files that it lacks.
    """
    wanted = {one.file: task.name for task in TASKS.values() for one in task.server_sets}
    done = {row.task.name for row in rows if row.record and not row.limit("limit_predict_batches")}
    done = set() if is_miniature(rows) else done
    paths = {file: Path(folder_of[task]) / "predictions" / file for file, task in wanted.items() if task in done}
    there = {file: path for file, path in paths.items() if path.is_file()}
    missing = [file for file in wanted if file not in there]
    if not there:
        return None, missing
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, path in there.items():
                archive.write(path, file)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)
    return target, missing
