"""The real W&B client and its agents against the stand-in: what they leave there, and what they can read again.

The program is a few lines here, which need no torch; tests/test_wandb_runs.py has the real one.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
import wandb_workspaces.reports.v2.interface as reports
import wandb_workspaces.workspaces as workspaces
import yaml

from tests.wandb_records import ENTITY, Run
from tests.wandb_server import Server, serve

# Logs the double of what it is told, five times; one that is told to wait does so after it, for a stop.
PROGRAM = """
import sys, time, wandb
told = dict(word.split("=", 1) for word in sys.argv[1:])
with wandb.init(config=told, group="ours", job_type="transfer", tags=["x"]) as run:
    for step in range(5):
        run.log({"score": 2 * int(told["seed"]), "step": step})
    if told["waits"] == "True":
        time.sleep(20)
    run.log({"seen": wandb.Table(columns=["word"], data=[["dog"]])})
"""
SWEEP: dict[str, Any] = {
    "program": "program.py",
    "method": "grid",
    "name": "doubling",
    "project": "mine",
    "metric": {"name": "score", "goal": "maximize"},
    "parameters": {"seed": {"values": [1, 2]}, "waits": {"values": [False, True]}},
    "command": ["${env}", "${interpreter}", "${program}", "${args_no_hyphens}"],
    "run_cap": 3,
}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve() as running:
        yield running
        assert running.records.unknown == []


@pytest.fixture(scope="module")
def said(server: Server, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What two agents at once said of the sweep's points, of which one is stopped early."""
    place = tmp_path_factory.mktemp("agents")
    (place / "program.py").write_text(PROGRAM)
    (place / "sweep.yaml").write_text(yaml.safe_dump(SWEEP))
    server.records.stops = lambda run: run.settings.get("waits") is True and len(run.history) == 5
    sweep = server.sweep(place, "sweep.yaml")
    assert sweep == f"{ENTITY}/mine/sweep0"
    agents = [server.begin(place, "agent", sweep) for _ in range(2)]
    return [agent.communicate(timeout=40)[0] for agent in agents]


def settings(run: Run) -> tuple[int, bool]:
    return run.settings["seed"], run.settings["waits"]


def test_two_agents_divide_the_points(server: Server, said: list[str]) -> None:
    runs = list(server.records.runs.values())
    assert sorted(map(settings, runs)) == [(1, False), (1, True), (2, False)]
    assert {run.name for run in runs} == set(server.records.sweeps["sweep0"].given)
    assert all(words.count("About to run command") >= 1 for words in said)
    for run in runs:
        seed, _ = settings(run)
        assert (run.project, run.sweep) == ("mine", "sweep0")
        assert [row["score"] for row in run.history[:5]] == [2 * seed] * 5
        assert run.summary["score"] == 2 * seed


def test_a_stop_ends_that_run_alone(server: Server, said: list[str]) -> None:
    """A program that does not heed it never says that it ended."""
    ends = {settings(run): (run.state, run.exit_code) for run in server.records.runs.values()}
    assert ends == {(1, False): ("finished", 0), (2, False): ("finished", 0), (1, True): ("running", None)}
    assert {settings(run): run.artifacts != [] for run in server.records.runs.values()}[1, False]


def test_the_public_interface_reads_what_was_written(
    server: Server, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in server.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    api = wandb.Api()
    sweep = api.sweep(f"{ENTITY}/mine/sweep0")
    assert sweep.name == "doubling"
    assert sweep.config["metric"] == SWEEP["metric"]
    assert {run.config["seed"] for run in sweep.runs} == {1, 2}
    runs = api.runs(f"{ENTITY}/mine", filters={"group": "ours", "state": "finished"})
    assert sorted(run.summary["score"] for run in runs) == [2, 4]
    assert all(run.job_type == "transfer" and run.tags == ["x"] for run in runs)
    assert [row["step"] for row in runs[0].scan_history(keys=["_step", "step"])] == list(range(5))
    assert len(list(runs[0].scan_history())) == 6


def test_reports_and_workspaces_are_saved(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    bars = reports.PanelGrid(runsets=[reports.Runset(entity=ENTITY, project="new")], panels=[reports.BarPlot()])
    reports.Report(entity=ENTITY, project="new", title="Ours", blocks=[reports.H1("Hello"), bars]).save()
    section = workspaces.Section(name="Curves", panels=[reports.LinePlot(y=["score"])])
    workspaces.Workspace(entity=ENTITY, project="new", name="Curves", sections=[section]).save()
    report, workspace = server.records.views
    assert (report["displayName"], workspace["displayName"]) == ("Ours", "Curves")
    assert "Hello" in report["spec"]
    assert "new" in server.records.projects
