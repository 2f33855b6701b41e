"""Files of a run that are whole or not there, and the history, which grows line by line."""

import csv
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

HISTORY = "metrics.csv"


def write_text(path: Path, text: str) -> None:
    """Through a neighbour that is renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, path)


def write_json(path: Path, content: Any) -> None:
    """Plain values; others as their words."""
    write_text(path, json.dumps(content, indent=1, default=str) + "\n")


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Each line ended."""
    write_text(path, "".join(f"{line}\n" for line in lines))


def read_record(run: Path) -> dict[str, Any]:
    """What a run left."""
    return json.loads((run / "summary.json").read_text())


def has_finished(run: Path) -> bool:
    """Whether there is a result: a run that was stopped has a record too, and so has a table of which tasks failed."""
    return (run / "summary.json").is_file() and read_record(run).get("status") == "finished"


def read_history(run: Path) -> list[tuple[int, float, str, float]]:
    """Step, epoch (0: not said), name and value of each row of a run's history; none without it.

    A row that a kill has torn is passed over.
    """
    file, found = run / HISTORY, []
    for row in csv.DictReader(file.read_text(encoding="utf-8").split("\n")[:-1] if file.is_file() else ()):
        with suppress(TypeError, ValueError):
            found.append((int(row["step"]), float(row["epoch"] or 0), row["name"], float(row["value"])))
    return found


def ends_early(file: Path) -> bool:
    """Whether a file's last line has no end; not of one that is not there."""
    if not file.is_file():
        return False
    with file.open("rb") as content:
        content.seek(0, 2)
        content.seek(max(0, content.tell() - 1))
        return content.read(1) != b"\n"
