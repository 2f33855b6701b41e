"""What the stand-in for W&B's server keeps: runs, sweeps and what their agents do next."""

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

ENTITY = "somebody"
Answer = dict[str, Any]
WRITTEN_IN_FILES = {"wandb-history.jsonl": "history_lines", "output.log": "output_lines"}


@dataclass
class Run:
    """A run as the server has it.

    Attributes:
        name: its id; `display_name` is what people read.
        sweep: the id of the sweep that it said it belongs to.
        state: running, then finished or failed, as its exit code says.
        files: what was uploaded.
    """

    name: str
    project: str
    display_name: str = ""
    group: str = ""
    job_type: str = ""
    sweep: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history_lines: dict[int, str] = field(default_factory=dict)
    output_lines: dict[int, str] = field(default_factory=dict)
    state: str = "running"
    exit_code: int | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    artifacts: list[str] = field(default_factory=list)

    @property
    def history(self) -> list[dict[str, Any]]:
        """The rows in their order."""
        return [json.loads(self.history_lines[number]) for number in sorted(self.history_lines)]

    @property
    def settings(self) -> dict[str, Any]:
        """The configuration without W&B's own."""
        return {key: told["value"] for key, told in self.config.items() if key != "_wandb"}

    def takes(self, sent: Mapping[str, Any]) -> None:
        """A part of its file stream: lines from an offset, the newest summary, perhaps the end."""
        for name, part in sent.get("files", {}).items():
            if name == "wandb-summary.json":
                self.summary = json.loads(part["content"][-1])
            elif name in WRITTEN_IN_FILES:
                getattr(self, WRITTEN_IN_FILES[name]).update(enumerate(part["content"], part["offset"]))
        if sent.get("complete"):
            self.exit_code = sent["exitcode"]
            self.state = "failed" if self.exit_code else "finished"

    def node(self) -> Answer:
        """As the public interface shows it."""
        return {
            "__typename": "Run",
            "id": self.name,
            "projectId": "1",
            "name": self.name,
            "displayName": self.display_name,
            "sweepName": self.sweep or None,
            "group": self.group,
            "jobType": self.job_type,
            "tags": self.tags,
            "state": self.state,
            "config": json.dumps(self.config),
            "summaryMetrics": json.dumps(self.summary),
            "systemMetrics": "{}",
            "historyLineCount": len(self.history_lines),
            "historyKeys": {"lastStep": max((row["_step"] for row in self.history), default=-1), "keys": {}},
            "commit": None,
            "readOnly": False,
            "createdAt": "2026-01-01T00:00:00",
            "heartbeatAt": "2026-01-01T00:00:00",
            "description": None,
            "notes": None,
            "user": {"name": ENTITY, "username": ENTITY},
            "project": {"id": "1", "name": self.project, "entity": {"id": "1", "name": ENTITY}},
        }


@dataclass
class Sweep:
    """A sweep.

    Attributes:
        told: its file, as the client sent it.
        waiting: points that no agent has got yet.
        given: run ids -> the points that agents got.
    """

    name: str
    project: str
    told: str
    waiting: Iterator[dict[str, Any]]
    given: dict[str, dict[str, Any]] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, project: str, told: str) -> "Sweep":
        """A grid: every combination, names sorted, the last one fastest."""
        content = yaml.safe_load(told)
        assert content["method"] == "grid", "the stand-in knows no other"
        names = sorted(content["parameters"])
        values = [content["parameters"][one].get("values", [content["parameters"][one].get("value")]) for one in names]
        points = (dict(zip(names, point, strict=True)) for point in itertools.product(*values))
        return cls(name, project, told, itertools.islice(points, content.get("run_cap")))

    def node(self) -> Answer:
        content = yaml.safe_load(self.told)
        return {
            "__typename": "Sweep",
            "id": self.name,
            "name": self.name,
            "displayName": content.get("name"),
            "method": content["method"],
            "state": "RUNNING",
            "description": None,
            "bestLoss": None,
            "config": self.told,
            "createdAt": "2026-01-01T00:00:00",
            "updatedAt": None,
            "runCount": len(self.given),
            "runCountExpected": None,
            "runs": {"edges": []},
            "controller": None,
            "scheduler": None,
        }


class Records:
    """Everything that the clients sent.

    Attributes:
        unknown: operations, filters and addresses that there is no answer to.
        stops: whether a running run of a sweep is to be stopped early.
        views: saved reports and workspaces.
        url: of the server, for addresses to upload to.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.runs: dict[str, Run] = {}
        self.sweeps: dict[str, Sweep] = {}
        self.agents: dict[str, Sweep] = {}
        self.projects: set[str] = set()
        self.views: list[dict[str, Any]] = []
        self.unknown: list[str] = []
        self.asked: list[str] = []
        self.stops: Callable[[Run], bool] = lambda run: False

    def next_command(self, sweep: Sweep) -> Answer:
        if (point := next(sweep.waiting, None)) is None:
            return {"type": "exit"}
        name = f"{sweep.name}run{len(sweep.given)}"
        sweep.given[name] = point
        args = {key: {"value": value} for key, value in point.items()}
        return {"type": "run", "run_id": name, "program": yaml.safe_load(sweep.told)["program"], "args": args}

    def fits(self, run: Run, wanted: Mapping[str, Any]) -> bool:
        """Filters in the form {field: value} and {"$and": [...]}."""
        fields = {"sweep": run.sweep, "group": run.group, "jobType": run.job_type, "state": run.state}
        for key, value in wanted.items():
            if key == "$and":
                if not all(self.fits(run, one) for one in value):
                    return False
            elif key not in fields:
                self.unknown.append(f"Runs, filter {key}")
            elif fields[key] != value:
                return False
        return True
