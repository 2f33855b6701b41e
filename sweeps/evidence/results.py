"""Run folders as results: what a comparison asks of each, whether the run has finished or not.

A run's own record (summary.json) is the truth.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from datamodules.task import GENERATED, fingerprint
from sweeps.jobs.files import HISTORY, ends_early
from sweeps.runs.places import LOCK
from sweeps.runs.settings import leaves

FINISHED, RUNNING, FAILED, BROKEN = "finished", "running", "failed", "half-written"
NEEDED = {"headline": dict, "data": str, "model": str, "metrics": dict, "cost": dict, "config": dict}
Point = Mapping[str, Any]


@dataclass(frozen=True)
class Result:
    """A run's folder.

    Attributes:
        status: FINISHED, RUNNING, FAILED (begun, not finished, and nobody runs it now) or BROKEN.
        why: of a record that cannot be read, what is wrong.
        record: the summary.json; empty unless finished.
        point: the parameters of a sweep's point; empty for a run that belongs to none.
    """

    folder: Path
    status: str
    why: str = ""
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)
    point: Point = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def finished(self) -> bool:
        return self.status == FINISHED

    @property
    def config(self) -> Mapping[str, Any]:
        return self.record.get("config", {})

    @property
    def scale(self) -> str | None:
        return None if (told := self.config.get("scale")) is None else str(told)

    @property
    def data(self) -> str:
        """What was evaluated, by its public name: "glue/rte", "miniature/rte"."""
        return self.record["data"]

    @property
    def task(self) -> str:
        """As the papers' tables call it: "rte", "squad"."""
        return str(self.config.get("data", {}).get("task") or self.data.rpartition("/")[2])

    @property
    def world(self) -> str | None:
        """The name of generated text; None for text that people wrote."""
        name = self.data.partition("/")[0]
        return name if name in GENERATED else None

    @property
    def version(self) -> str:
        """Which text, and how much of its test set: two versions are two tasks."""
        limit = self.config.get("trainer", {}).get("limit_test_batches")
        return fingerprint({"text": self.record.get("data_version"), "limit": limit}, 6)

    @property
    def metric(self) -> str:
        return self.record["headline"]["name"]

    @property
    def score(self) -> float:
        return float(self.record["headline"]["value"])

    @property
    def is_pretraining(self) -> bool:
        return "selection" not in self.record

    @property
    def collapsed(self) -> bool:
        return bool(self.record.get("collapsed"))

    @property
    def seed(self) -> int:
        return int(self.config["seed"])

    @property
    def encoder(self) -> int | str | None:
        """What stands for the encoder: its pre-training's seed; of one from elsewhere its fingerprint; None: scratch.

        A control has an encoder's vocabulary alone, whatever the recipe that made it.
        """
        pretrain = self.config.get("pretrain", {})
        if pretrain.get("recipe") and self.config.get("init_from") == "scratch":
            return None
        return int(pretrain["seed"]) if pretrain.get("recipe") else self.record.get("encoder_fingerprint")

    @property
    def reads_encoder(self) -> bool:
        """Not of a row that stands beside others with it and has none of its layers: ELMo's baseline."""
        return self.encoder is not None and self.reads_layers

    @property
    def reads_layers(self) -> bool:
        """Whether what the model makes of a text is used; on features it may be plugged in nowhere."""
        transfer = self.config.get("transfer", {})
        is_nowhere = transfer.get("layers") == "none" or transfer.get("plug") == []
        return not (transfer.get("mode") == "features" and is_nowhere)

    @property
    def pretraining(self) -> Mapping[str, Any]:
        """What the encoder's training read and cost; empty if it is not known or not used."""
        return self.record.get("pretraining", {}) if self.reads_encoder else {}

    @property
    def commit(self) -> str:
        """Of the code; a "+" says that it was changed."""
        git = self.record.get("git") or {}
        return f"{str(git.get('commit') or 'unknown')[:8]}{'+' if git.get('dirty') else ''}"

    @property
    def settings(self) -> dict[str, Any]:
        """The flat configuration, with what Hydra's groups were chosen."""
        return leaves(dict(self.config)) | {"model": self.record["model"]}

    def value(self, metric: str) -> float | None:
        """The headline by its name, or one of its parts, or another metric of the first test set, x 100.

        A pre-training's losses are as they are.
        """
        headline = self.record["headline"]
        if metric == headline["name"]:
            return self.score
        if metric in headline.get("parts", {}):
            return float(headline["parts"][metric])
        test = next((name.partition("/")[0] for name in self.record["metrics"] if name.startswith("test_")), "")
        found = self.record["metrics"].get(f"{test}/{metric}")
        return None if found is None else 100 * float(found)

    @cached_property
    def examples(self) -> np.ndarray | None:
        """Each example's score x 100, (examples,); None where the headline is no mean over examples."""
        wanted = {"accuracy": ("prediction", "label"), "f1": ("f1", ""), "exact_match": ("exact_match", "")}
        if self.metric not in wanted:
            return None
        first, second = wanted[self.metric]
        found = columns(self.answers_file, first, second or first)
        if found is None:
            return None
        scores = np.array([a == b for a, b in found] if second else [float(a) for a, _ in found]) * 100.0
        is_mean = abs(scores.mean() - self.score) < 0.01  # else the headline has rules of its own
        return scores if is_mean else None

    @property
    def torn(self) -> list[str]:
        """Files of a finished run that end in the middle of a line: there is less in them than there was."""
        return [file.name for file in (self.folder / HISTORY, self.answers_file) if ends_early(file)]

    @property
    def answers_file(self) -> Path:
        """predictions/<first test set>.tsv, which not every task has."""
        test = next((name.partition("/")[0] for name in self.record["metrics"] if name.startswith("test_")), "test_")
        return self.folder / "predictions" / f"{test.removeprefix('test_')}.tsv"

    @property
    def answers(self) -> list[dict[str, str]]:
        """The rows of that table; none without it."""
        if not self.answers_file.is_file():
            return []
        with self.answers_file.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def whole(results: Sequence[Result]) -> list[Result]:
    """Of runs on one test set those that have each example's score: a table with fewer rows than another's is torn."""
    most = max((len(one.examples) for one in results if one.examples is not None), default=-1)
    return [one for one in results if one.examples is not None and len(one.examples) == most]


def columns(file: Path, *names: str) -> list[tuple[str, ...]] | None:
    """Two or more columns of a table of answers, row by row; None if it has no such columns, or is torn."""
    if not file.is_file():
        return None
    with file.open(encoding="utf-8", newline="") as lines:
        head, *rows = list(csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)) or [[]]
    if not rows or not {*names} <= {*head} or len(rows[-1]) != len(head):
        return None
    pick = itemgetter(*(head.index(name) for name in names))
    return [pick(row) for row in rows]


def read(folder: Path, point: Point | None = None) -> Result:
    """Look at one folder; nothing that stands in it makes this fail."""
    file = folder / "summary.json"
    if not file.is_file():
        return Result(folder, RUNNING if is_held(folder) else FAILED, point=point or {})
    try:
        record = json.loads(file.read_bytes())
    except (ValueError, OSError) as error:
        return Result(folder, BROKEN, f"summary.json is no JSON ({error})", point=point or {})
    if isinstance(record, dict) and record.get("status", FINISHED) != FINISHED:  # stopped: there is no headline
        return Result(folder, FAILED, f"its status is {record['status']}", point=point or {})
    if why := what_is_wrong(record):
        return Result(folder, BROKEN, why, point=point or {})
    return Result(folder, FINISHED, record=record, point=point or {})


def what_is_wrong(record: Any) -> str:
    """Why a record cannot be used, in words; empty if it can."""
    if not isinstance(record, dict):
        return "summary.json is no mapping"
    for key, kind in NEEDED.items():
        if not isinstance(record.get(key), kind):
            return f"summary.json has no {key}"
    value = record["headline"].get("value")
    if not isinstance(record["headline"].get("name"), str) or not isinstance(value, int | float):
        return "summary.json has no headline.name and headline.value"
    if not isfinite(value):
        return f"its {record['headline']['name']} is {value}"
    return "" if isinstance(record["config"].get("seed"), int) else "summary.json has no config.seed"


def is_held(folder: Path) -> bool:
    """Whether a process has the run's lock now."""
    if not (folder / LOCK).exists():
        return False
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False
