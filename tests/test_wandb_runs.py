"""The program under W&B's own agents, against the stand-in for its server: sweeps, early stops, runs that go up later.

They assert on the runs: an agent ends with status 0 whatever became of them.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweeps.runs.fetched import NOT_READ, RECORD
from sweeps.schema.sweep_file import read
from tests.commands import QUIET, ROOT, environment, launch, summary
from tests.test_jobs import is_zombie
from tests.wandb_records import Run
from tests.wandb_server import Server, serve

pytestmark = pytest.mark.slow
COMMAND = ["${env}", "${interpreter}", "${program}", "trainer=smoke", *QUIET, "${args_no_hyphens}"]
TRANSFER = {
    "model": {"value": "bert_miniature"},
    "data": {"value": "glue"},
    "data.source": {"value": "miniature"},
    "data.task": {"value": "rte"},
    "data.train_examples": {"value": 200},
    "seed": {"values": [0, 1]},
}
NESTED = {  # a pre-training that both points need
    "pretrain": {"value": "miniature"},
    "pretrain.trainer.max_steps": {"value": 2},
    "pretrain.trainer.max_epochs": {"value": -1},
    "pretrain.trainer.accelerator": {"value": "cpu"},
    "pretrain.data.validation_sequences": {"value": 20},
}
METRIC = {"name": "headline.value", "goal": "maximize"}


def write_sweep(place: Path, name: str, parameters: dict[str, Any], *words: str) -> str:
    """A grid's file in `place`."""
    told = {"program": str(ROOT / "run.py"), "method": "grid", "name": name, "project": "mine", "metric": METRIC}
    command = [*COMMAND[:-1], *words, COMMAND[-1]]
    (place / "sweep.yaml").write_text(yaml.safe_dump({**told, "parameters": parameters, "command": command}))
    return "sweep.yaml"


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running
        assert running.records.unknown == []


def in_sweep(server: Server, name: str) -> list[Run]:
    return [run for run in server.records.runs.values() if run.sweep == name]


def at(told: Any, key: str) -> Any:
    """What stands under a dotted key, as a sweep's metric names it."""
    return told[key] if key in told else told[key.partition(".")[0]][key.partition(".")[2]]


def metrics_of_sweeps() -> set[str]:
    """What the suite's own sweeps look at."""
    files = [file for file in (ROOT / "sweeps").glob("*.yaml") if "method" in yaml.safe_load(file.read_text())]
    return {read(file).metric for file in files} - {""}


def assert_numbers(run: Run, record: dict[str, Any]) -> None:
    """A W&B run holds what the run's own record does."""
    assert run.state == "finished"
    assert run.summary["status"] == "finished"
    assert run.summary["name"] == record["name"]
    told = json.loads(run.summary[RECORD])
    assert "data.task=rte" in told.pop("overrides")
    assert any("data.task=rte" in words for words in told.pop("commands"))
    assert told == {key: value for key, value in record.items() if key not in NOT_READ}
    assert at(run.summary, METRIC["name"]) == pytest.approx(record["headline"]["value"])
    for name in ("val/score", "test_validation/score"):
        assert run.summary[name] == pytest.approx(record["metrics"][name])
        assert any(name in row for row in run.history)
    assert all(isinstance(at(run.summary, name), float) for name in metrics_of_sweeps())


def test_two_agents_run_a_sweep_and_a_second_sweep_is_told_what_there_is(server: Server, tmp_path: Path) -> None:
    """Their points need one encoder: one makes it, in a W&B run of its own, and the other waits."""
    file = write_sweep(tmp_path, "tiny", {**TRANSFER, **NESTED})
    sweep = server.sweep(tmp_path, file)
    agents = [server.begin(tmp_path, "agent", sweep) for _ in range(2)]
    said = [agent.communicate(timeout=400)[0] for agent in agents]
    records = {record["seed"]: record for record in map(summary, (tmp_path / "outputs").iterdir())}
    runs = in_sweep(server, "sweep0")
    assert sorted(run.settings["seed"] for run in runs) == [0, 1], said
    for run in runs:
        assert_numbers(run, records[run.settings["seed"]])
        assert (run.project, run.group, run.job_type) == ("mine", "tiny", "transfer")
        assert run.display_name == f"bert_miniature-glue/rte-s{run.settings['seed']}"
        assert run.tags == ["bert_miniature", "glue", "rte"]
    (pretraining,) = [run for run in server.records.runs.values() if not run.sweep]
    assert (pretraining.project, pretraining.job_type, pretraining.state) == ("mine", "pretrain", "finished")

    again = server.sweep(tmp_path, file)
    assert "finished before" in server.wandb(tmp_path, "agent", again).out
    assert len(server.records.runs) == 5
    for run in in_sweep(server, "sweep1"):
        assert_numbers(run, records[run.settings["seed"]])


# `wandb sweep <file>` of each file, in one process.
REGISTER = """
import sys
from wandb.cli.cli import cli
for file in sys.argv[1:]:
    cli(["sweep", file], standalone_mode=False)
"""


def test_wandb_sweep_takes_every_file_as_it_is_and_deals_out_the_points_that_are_run_here(
    server: Server, tmp_path: Path
) -> None:
    files = [path for path in sorted((ROOT / "sweeps").glob("*.yaml")) if path.stem != "published"]
    done = subprocess.run(
        [sys.executable, "-c", REGISTER, *map(str, files)],
        cwd=tmp_path,
        env=environment(tmp_path, server.environment(tmp_path / "home")),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(server.records.sweeps) == len(files)
    for file, made in zip(files, server.records.sweeps.values(), strict=True):
        ours = read(file)
        assert made.project == "side-by-side"
        assert yaml.safe_load(made.told)["name"] == ours.name == file.stem
        assert yaml.safe_load(made.told)["command"] == ours.raw["command"]
        assert list(made.waiting) == ours.points()


LONG = {
    "model": {"value": "bert_miniature"},
    "data.global_batch_size": {"value": 4},
    "data.validation_sequences": {"value": 20},
    "trainer.max_steps": {"value": 5000},
    "trainer.log_every_n_steps": {"value": 5},
    "trainer.limit_train_batches": {"value": "null"},
}


@pytest.mark.parametrize("devices", [1, 2])
def test_an_early_stop_ends_a_run_with_its_record(devices: int, server: Server, tmp_path: Path) -> None:
    """The signal reaches the first process alone."""
    server.records.stops = lambda run: sum("train/masked_lm" in row for row in run.history) >= 2
    file = write_sweep(tmp_path, "long", LONG, f"trainer.devices={devices}")
    done = server.wandb(tmp_path, "agent", server.sweep(tmp_path, file))
    folders = list(tmp_path.glob("outputs/*"))
    assert len(folders) == 1, done.out
    record = summary(folders[0])
    assert record["status"] == "stopped", done.out
    assert 0 < record["steps"] < 5000
    (run,) = in_sweep(server, "sweep0")
    assert (run.state, run.exit_code, run.summary["status"]) == ("failed", 143, "stopped")
    assert run.summary["train/masked_lm"] == pytest.approx(record["metrics"]["train/masked_lm"])
    assert "stopped; the same command with resume=true goes on" in done.out
    assert "Detected" not in done.out.replace("Detected KeyboardInterrupt", "")  # an agent counts no failure
    assert not [pid for pid in Path("/proc").iterdir() if pid.name.isdigit() and works_in(pid, tmp_path)]


def works_in(process: Path, place: Path) -> bool:
    """Whether a process of the program is left there."""
    try:
        here = (process / "cwd").resolve() == place and b"run.py" in (process / "cmdline").read_bytes()
        return here and not is_zombie(int(process.name))
    except OSError:
        return False


def test_runs_of_the_launcher_go_up_later_grouped_as_a_sweep(server: Server, tmp_path: Path) -> None:
    file = write_sweep(tmp_path, "offline", TRANSFER)
    line = [sys.executable, "-m", "sweeps.launch", file]
    variables = environment(tmp_path, {"PYTHONPATH": str(ROOT)})
    done = subprocess.run(line, cwd=tmp_path, env=variables, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "pages: python -m sweeps.dashboard sweep.yaml" in done.stdout
    outcome = (tmp_path / "outputs/sweeps/offline/outcome.md").read_text()
    assert outcome in done.stdout
    assert "| all | " in outcome  # two seeds of one row
    assert server.records.runs == {}
    for folder in (tmp_path / "outputs").glob("*/wandb/offline-run-*"):
        sent = server.wandb(tmp_path, "sync", str(folder))
        assert sent.status == 0, sent.out
    runs = list(server.records.runs.values())
    records = {record["seed"]: record for record in map(summary, (tmp_path / "outputs").glob("bert*"))}
    assert len(runs) == len(records) == 2
    for run in runs:
        assert_numbers(run, records[run.settings["seed"]])
        assert (run.project, run.group, run.job_type, run.sweep) == ("mine", "offline", "transfer", "")


def test_online_without_an_account_is_refused_in_a_sentence(tmp_path: Path) -> None:
    done = launch(tmp_path, "logger=wandb", "trainer=smoke", *QUIET, env={"HOME": str(tmp_path)})
    assert "logger=offline needs neither" in done.refusal
    assert list((tmp_path / "outputs").iterdir()) == []
