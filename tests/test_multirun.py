"""`-m`: every job is a process, so that DDP, failures and launchers of others do to it what they do to a single run.

Each case here goes wrong, silently or with a crash, when the jobs share a process.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.hydra_config import HydraConfig
from safetensors.torch import load_file

from sweeps.planning.multirun import short_names
from tests.commands import NO_DROPOUT, QUIET, ROOT, TINY, Done, command, environment, launch, summary
from tests.conftest import compose
from tests.test_prepare import write_rte

TUNE = (*TINY, *NO_DROPOUT, "data=glue", "data.source=miniature", "data.task=rte", "trainer.max_epochs=1")
PRETRAIN = (*TINY, *NO_DROPOUT, "trainer.max_steps=6", "trainer.max_epochs=-1", "data.validation_sequences=20")
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")


def test_jobs_are_named_by_what_differs() -> None:
    jobs = [["data=glue", "seed=0", "model=bert"], ["data=glue", "seed=1", "model=bert"]]
    assert short_names(jobs) == ["seed=0", "seed=1"]
    assert short_names([["data=glue", "seed=0"]]) == ["data=glue,seed=0"]
    assert short_names([["a=1"], ["a=1"]]) == ["job", "job"]


def runs(place: Path) -> dict[str, dict]:
    return {file.parent.name: json.loads(file.read_text()) for file in place.glob("outputs/*/summary.json")}


# In the place of the program: leaves its command line and fails if there is no such task.
SCRIPT = """
import json, os, pathlib, sys
(task,) = [word.partition("=")[2] for word in sys.argv if word.startswith("data.task=")]
told = {{"words": sys.argv[1:], "run": os.environ.get("WANDB_RUN_ID")}}
(pathlib.Path({place!r}) / task).write_text(json.dumps(told))
sys.exit("error: woe" if task == "nonsense" else 0)
"""


def test_each_job_is_a_process_with_its_point_and_one_that_fails_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What becomes of real ones is slow."""
    (tmp_path / "program.py").write_text(SCRIPT.format(place=str(tmp_path)))
    monkeypatch.setattr("sweeps.jobs.pool.PROGRAM", tmp_path / "program.py")
    monkeypatch.setenv("WANDB_RUN_ID", "parents")
    shared = (*private(tmp_path), "data=glue", "data.source=miniature", *QUIET)
    done = command(tmp_path, "-m", *shared, "data.task=nonsense,rte")
    assert done.status == 1
    assert "1 of 2 jobs failed" in done.err
    assert "error: woe" in done.err
    assert "[2/2, 1 failed] done: " in done.err
    assert len(list(tmp_path.glob("multirun/*/*/logs/*.log"))) == 2
    for task in ("nonsense", "rte"):
        told = json.loads((tmp_path / task).read_text())
        assert told["run"] is None
        cfg = compose(*told["words"])
        assert HydraConfig.get().runtime.choices["model"] == "mine"
        assert (cfg.model.hidden_size, cfg.data.task) == (32, task)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done, list[str]]:
    """Two jobs, of which one cannot be, in the environment that a W&B agent leaves: their folder, what was said, the
    command. The model is one's own in a folder of one's own.
    """
    place = tmp_path_factory.mktemp("jobs")
    line = ["-m", *private(place), "data=glue", "data.source=miniature", *QUIET, "trainer=smoke"]
    variables = {"WANDB_RUN_ID": "parents", "WANDB_SWEEP_PARAM_PATH": str(place / "x.yaml"), "WANDB_PROJECT": "mine"}
    return place, launch(place, *line, "data.task=nonsense,rte", env=variables), line


def private(place: Path) -> tuple[str, str]:
    """Write a model of one's own; the overrides that choose it."""
    (place / "mine/model").mkdir(parents=True)
    small = "{hidden_size: 32, num_heads: 2, num_layers: 1, intermediate_size: 64}"
    lines = ("# @package _global_", "defaults: [bert_miniature, _self_]", f"model: {small}")
    (place / "mine/model/mine.yaml").write_text("\n".join(lines) + "\n")
    return f"hydra.searchpath=[file://{place}/mine]", "model=mine"


@pytest.mark.slow
def test_private_configurations_reach_the_jobs(jobs: tuple[Path, Done, list[str]]) -> None:
    (record,) = runs(jobs[0]).values()
    assert (record["status"], record["model"]) == ("finished", "mine")
    assert record["config"]["model"]["hidden_size"] == 32


@pytest.mark.slow
def test_private_configurations_reach_the_pre_training_inside_a_job(tmp_path: Path) -> None:
    inner = ("pretrain=miniature", "pretrain.trainer.max_steps=2", "pretrain.trainer.max_epochs=-1")
    cpu = ("pretrain.trainer.accelerator=cpu", "pretrain.data.validation_sequences=20", *QUIET, "trainer=smoke")
    task = (*private(tmp_path), "data=glue", "data.source=miniature", "data.task=rte", "logger=csv")
    done = launch(tmp_path, "-m", *task, *inner, *cpu)
    assert done.status == 0, done.err
    (record,) = runs(tmp_path).values()
    assert record["model"] == "mine"
    assert record["encoder_fingerprint"]


@pytest.mark.slow
def test_a_job_that_fails_before_its_trainer_stops_no_other(jobs: tuple[Path, Done, list[str]]) -> None:
    """No job writes into the run of its parent."""
    place, done, line = jobs
    assert done.status == 1
    assert "1 of 2 jobs failed" in done.err
    assert "data.task='nonsense' is not possible: it may be cola" in done.err
    assert "[2/2, 1 failed] done: " in done.err
    (name,) = runs(place)
    assert "-rte-" in name
    (offline,) = (place / "outputs" / name / "wandb").glob("offline-run-*")
    assert not offline.name.endswith("parents")
    assert len(list(place.glob("multirun/*/*/logs/*.log"))) == 2
    again = command(place, *line, "data.task=rte")
    assert again.status == 0
    assert "finished before" in again.err


def test_a_wrong_key_is_refused_before_any_job(tmp_path: Path) -> None:
    done = command(tmp_path, "-m", *TUNE, "seed=0,1", "trainer.device=2")
    assert "did you mean trainer.devices?" in done.refusal
    assert not (tmp_path / "outputs").exists()


@pytest.mark.slow
@pytest.mark.parametrize("order", ["1,2", "2,1"])
def test_numbers_of_devices_in_any_order(tmp_path: Path, order: str) -> None:
    done = launch(tmp_path, "-m", *PRETRAIN, f"trainer.devices={order}", "rerun=true", "logger=csv")
    assert done.status == 0, done.err
    found = runs(tmp_path)
    first, second = sorted(found, key=len)
    assert [found[name]["cost"]["devices"] for name in (first, second)] == [int(n) for n in order.split(",")]
    assert second == f"{first}-2"
    weights = [load_file(tmp_path / "outputs" / name / "encoder/weights.safetensors") for name in (first, second)]
    assert all(float((weights[0][key] - weights[1][key]).abs().max()) < 1e-4 for key in weights[0])


@pytest.mark.slow
def test_a_failed_job_with_two_processes_leaves_the_next_one_two(tmp_path: Path) -> None:
    """Sharing a process, the ranks of the second job would be those of the first."""
    done = launch(tmp_path, "-m", *PRETRAIN, "data.global_batch_size=1,8", "trainer.devices=2", "logger=csv")
    assert done.status == 1
    (record,) = runs(tmp_path).values()
    assert (record["cost"]["devices"], record["cost"]["steps"]) == (2, 6)


@pytest.mark.slow
def test_under_torchrun_every_job_runs_once(tmp_path: Path) -> None:
    done = launch(tmp_path, "-m", *PRETRAIN, "seed=0,1,2", "trainer.devices=1", "logger=csv", program=TORCHRUN)
    assert done.status == 0, done.err
    found = runs(tmp_path)
    assert sorted(record["seed"] for record in found.values()) == [0, 1, 2]
    assert all(record["cost"]["devices"] == 1 for record in found.values())
    assert done.out.count("done  outputs/") == 3
    assert len(list(tmp_path.glob("multirun/*/*/logs/*.log"))) == 3


@pytest.mark.slow
def test_a_different_number_of_jobs_per_rank(tmp_path: Path) -> None:
    """What each rank would compose for itself: only the first one's jobs are run, and each of them whole."""
    script = tmp_path / "ranks.py"
    script.write_text(
        f"import os, runpy, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "sys.argv = ['run.py', *sys.argv[1:], 'seed=0,1' if os.environ['RANK'] == '0' else 'seed=0,1,2']\n"
        f"runpy.run_path({str(ROOT / 'run.py')!r}, run_name='__main__')\n"
    )
    line = [sys.executable, *TORCHRUN, str(script), "-m", *PRETRAIN, "trainer.devices=1", "logger=csv"]
    done = subprocess.run(line, cwd=tmp_path, env=environment(tmp_path), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert sorted(record["seed"] for record in runs(tmp_path).values()) == [0, 1]


@pytest.mark.slow
def test_all_of_glue_in_one_command(tmp_path: Path) -> None:
    """The tasks that the source has are jobs, the others are rows that say why; a second start has nothing to do."""
    write_rte(tmp_path / "hub")
    kept = [word for word in TUNE if not word.startswith(("data.task", "data.source"))]
    suite = [*kept, f"data.source={tmp_path}/hub", "init_from=scratch", "jobs=2", "trainer=smoke", "logger=csv"]
    done = launch(tmp_path, *suite)
    assert done.status == 0, done.err
    (own,) = {path.name for path in (tmp_path / "outputs").glob("bert_miniature-glue-s0-*")}
    assert summary(tmp_path / "outputs" / own)["status"] == "finished"
    table = (tmp_path / "outputs" / own / "table.md").read_text()
    assert "| RTE | accuracy " in table
    assert "| MRPC | nyu-mll/glue, config mrpc cannot be read with data.source=" in table
    assert "Scored on a part of the test set only" in table
    assert "| GLUE | needs CoLA, SST-2, MRPC" in table
    assert not (tmp_path / "outputs" / own / "submission.zip").exists()
    again = launch(tmp_path, *suite)
    assert again.status == 0
    assert "started" not in again.err
    both = launch(tmp_path, "-m", *suite, "seed=0,1")
    assert both.status == 0, both.err  # each a queue of its own
    assert len(list((tmp_path / "outputs").glob("*-rte-s*"))) == 2
    assert "explain=true" in command(tmp_path, *suite, "explain=true").refusal


@pytest.mark.slow
def test_a_suite_with_a_failed_task_is_not_finished(tmp_path: Path) -> None:
    (write_rte(tmp_path / "hub") / "rte/validation-00000-of-00001.parquet").write_bytes(b"torn")
    kept = [word for word in TUNE if not word.startswith(("data.task", "data.source"))]
    suite = [*kept, f"data.source={tmp_path}/hub", "init_from=scratch", "trainer=smoke", "logger=csv"]
    for _ in range(2):
        done = launch(tmp_path, *suite)
        assert done.status == 1
        assert "1 of 1 jobs failed" in done.err
        (own,) = (tmp_path / "outputs").glob("bert_miniature-glue-s0-*/summary.json")
        assert json.loads(own.read_text())["status"] == "incomplete"
        assert "failed: " in (own.parent / "table.md").read_text()
