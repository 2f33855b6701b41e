"""A run that was cut off and continued is the run that was not: its rows, weights, tokens, and W&B's number.

In the fast tests an error stands for the cut, inside this process and at any step; the slow ones kill real processes.
Without dropout nothing is drawn from the global generator, whose state no checkpoint holds.
"""

import re
import signal
import subprocess
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.strategies.launchers.subprocess_script import _ChildProcessObserver
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from safetensors.torch import load_file

from datamodules import miniature
from lightning_modules import callbacks, cost, training
from sweeps.jobs.files import read_history
from tests.commands import NO_DROPOUT, TINY, command, history, launch, start, summary, table, the_run

SHARED = (*TINY, *NO_DROPOUT, "trainer.log_every_n_steps=1")
PRETRAIN = (
    *SHARED,
    "data=corpus",
    "data.files=[mine.txt]",
    "data.max_length=64",
    "data.global_batch_size=32",
    "trainer.max_epochs=-1",
    "trainer.max_steps=12",
)
TUNE = (
    *SHARED,
    "data=glue",
    "data.source=miniature",
    "data.task=rte",
    "data.global_batch_size=200",
    "trainer.max_epochs=3",
)
LOSS = "train/masked_lm"
Cut = Callable[[int | None, int], None]


def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two places with the same small corpus: five steps an epoch."""
    text = "\n\n".join(islice(miniature.documents("train", seed=0), 60, 98))
    places = tmp_path / "whole", tmp_path / "parts"
    for place in places:
        place.mkdir()
        (place / "mine.txt").write_text(text)
    return places


@pytest.fixture
def cut(monkeypatch: pytest.MonkeyPatch) -> Cut:
    """Cut the runs of this process off after a step, or none, and let a pre-training leave checkpoints more often."""
    checkpoints, batch_end = training.checkpoints, cost.Cost.on_train_batch_end

    def after(step: int | None, every: int = 0) -> None:
        def often(*arguments: Any) -> list[Any]:
            made: list[Any] = checkpoints(*arguments)
            if every:
                made[-1]._every_n_train_steps = every
            return made

        def end(self: Any, trainer: Any, *arguments: Any) -> None:
            batch_end(self, trainer, *arguments)
            if trainer.global_step == step:
                raise RuntimeError("power cut")

        monkeypatch.setattr(training, "checkpoints", often)
        monkeypatch.setattr(cost.Cost, "on_train_batch_end", end)

    return after


def continued(places: tuple[Path, Path], cut: Cut, overrides: tuple[str, ...], step: int, every: int) -> list[Path]:
    """Run once as a whole, and once in two parts; the runs' folders. The rows of the first part must be kept."""
    cut(None, every)
    assert command(places[0], *overrides, "logger=csv").status == 0
    cut(step, every)
    broken = command(places[1], *overrides, "logger=csv")
    assert (broken.status, "power cut" in broken.err) == (1, True)
    run = the_run(places[1])
    assert not (run / "summary.json").exists()
    rows = (run / "metrics.csv").read_text()
    cut(None, every)
    assert "resume=true" in command(places[1], *overrides, "logger=csv").refusal
    assert (run / "metrics.csv").read_text() == rows
    again = command(places[1], *overrides, "logger=csv", "resume=true")
    assert again.status == 0, again.err
    assert "continues from" in again.out
    assert (run / "metrics.csv").read_text().startswith(rows)
    assert the_run(places[1]) == run
    assert not (run / "checkpoints").exists()
    return [the_run(place) for place in places]


def assert_the_same(runs: list[Path], folder: str, name: str, steps: range, exact: bool = True) -> None:
    """Weights, each step's last row, the evaluation, and the cost but for seconds."""
    first, second = (load_file(run / folder / "weights.safetensors") for run in runs)
    for tensor in first:
        torch.testing.assert_close(second[tensor], first[tensor], rtol=0, atol=0 if exact else 1e-5)
    curves = [dict(history(run, name)) for run in runs]
    assert list(curves[0]) == list(steps)
    assert curves[1] == pytest.approx(curves[0], abs=1e-6)
    metrics = [summary(run)["metrics"] for run in runs]
    assert metrics[1] == pytest.approx(metrics[0], abs=1e-6)
    costs = [summary(run)["cost"] for run in runs]
    assert (costs[0]["steps"], costs[0]["tokens"]) == (costs[1]["steps"], costs[1]["tokens"])
    assert costs[1]["flops"] == pytest.approx(costs[0]["flops"])


@pytest.mark.parametrize(
    ("every", "step", "micro"),
    [
        (3, 6, 1),  # from inside the first epoch, cut in the second one
        pytest.param(5, 6, 2, marks=pytest.mark.slow),  # from the end of the first epoch, cut in the next step
        pytest.param(5, 8, 1, marks=pytest.mark.slow),  # from there, cut later
        pytest.param(7, 11, 2, marks=pytest.mark.slow),  # from inside the second epoch, cut in the third one
    ],
)
def test_pretraining(tmp_path: Path, cut: Cut, every: int, step: int, micro: int) -> None:
    overrides = (*PRETRAIN, f"trainer.accumulate_grad_batches={micro}")
    runs = continued(folders(tmp_path), cut, overrides, step, every)
    assert_the_same(runs, "encoder", LOSS, range(12))
    rows = [line.split(",") for line in (runs[0] / "metrics.csv").read_text().splitlines()]
    epochs = [int(epoch) for _, epoch, name, _ in rows if name == LOSS]
    assert epochs == [0] * 5 + [1] * 5 + [2] * 2


@pytest.mark.slow
def test_a_task(tmp_path: Path, cut: Cut) -> None:
    """From the end of the second epoch; the best epoch may be an earlier one, and must be known after the cut."""
    runs = continued(folders(tmp_path), cut, TUNE, step=13, every=0)
    assert_the_same(runs, "model", "train/task", range(15))
    rows = [table(run / "predictions" / "validation.tsv") for run in runs]
    assert rows[0] == rows[1]
    scores = [value for _, value in history(runs[0], "val/score")]
    assert len(scores) == 3
    assert summary(runs[1])["metrics"]["selection/score"] == pytest.approx(max(scores))


def test_a_run_cut_off_before_its_first_checkpoint_begins_anew(tmp_path: Path, cut: Cut) -> None:
    place = folders(tmp_path)[0]
    cut(2, 3)
    assert command(place, *PRETRAIN, "logger=csv").status == 1
    cut(None, 3)
    done = command(place, *PRETRAIN, "logger=csv")
    assert done.status == 0, done.err
    assert "continues" not in done.out
    assert [step for step, _ in history(the_run(place), LOSS)] == list(range(12))


@pytest.mark.slow
@pytest.mark.parametrize(("overrides", "folder"), [(PRETRAIN, "encoder"), (TUNE, "model")])
def test_a_run_cut_off_after_its_last_step_is_evaluated(
    overrides: tuple[str, ...], folder: str, tmp_path: Path, cut: Cut, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = folders(tmp_path)
    cut(None, 4)
    assert command(places[0], *overrides, "logger=csv").status == 0
    with monkeypatch.context() as broken:
        broken.setattr("lightning_modules.evaluation.evaluate", None)  # to call it is an error
        assert command(places[1], *overrides, "logger=csv").status == 1
    done = command(places[1], *overrides, "logger=csv", "resume=true")
    assert done.status == 0, done.err
    assert "continues from" in done.out
    runs = [the_run(place) for place in places]
    first, second = (load_file(run / folder / "weights.safetensors") for run in runs)
    for tensor in first:
        torch.testing.assert_close(second[tensor], first[tensor], rtol=0, atol=0)
    records = [summary(run) for run in runs]
    assert records[1]["headline"] == records[0]["headline"]
    assert records[1]["cost"]["tokens"] == records[0]["cost"]["tokens"]
    assert records[1]["metrics"].get("selection/score") == records[0]["metrics"].get("selection/score")


# ---- real processes --------------------------------------------------------------------------------------------------

CHECKPOINT = 500  # steps to the first one of a pre-training
LONG = (*SHARED, "data.global_batch_size=4", "trainer.max_epochs=-1", "trainer.max_steps=1000")
LONG = (*LONG, "data.validation_sequences=50", "trainer.log_every_n_steps=20")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("uninterrupted")
    assert command(place, *LONG, "logger=csv").status == 0
    return the_run(place)


def stopped(place: Path, cause: signal.Signals, *overrides: str) -> tuple[Path, str]:
    """Stop a process after its first checkpoint; the run's folder, unfinished, and its rows so far.

    The row of the checkpoint's own step is written a moment later, and is the one that a cut between them loses.
    """
    with start(place, *LONG, *overrides) as process:
        while process.poll() is None and CHECKPOINT - 1 not in steps_of(place):
            time.sleep(0.02)
        process.send_signal(cause)
        try:
            out, err = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode not in (0, None), (out, err)
    run = the_run(place)
    assert (run / "checkpoints" / "last.ckpt").is_file()
    if cause == signal.SIGKILL:
        assert not (run / "summary.json").exists()
    else:
        assert (summary(run)["status"], summary(run)["steps"]) == ("stopped", history(run, LOSS)[-1][0])
        assert "stopped; the same command with resume=true goes on" in err
    return run, (run / "metrics.csv").read_text()


def steps_of(place: Path) -> set[int]:
    """What the run there has logged."""
    return {step for run in place.glob("outputs/*") for step, _, name, _ in read_history(run) if name == LOSS}


def test_ranks_that_a_stop_ends_do_not_end_the_first_process_with_them() -> None:
    """Lightning's observer of ranks, which kills the process it is told to, here another one."""
    first, *ranks = (subprocess.Popen(["sleep", "60"]) for _ in range(3))
    launcher = _SubprocessScriptLauncher(LightningEnvironment(), 3, 1)
    launcher.procs.extend(ranks)
    observer = _ChildProcessObserver(first.pid, launcher.procs)
    trainer = SimpleNamespace(strategy=SimpleNamespace(launcher=launcher))
    try:
        callbacks.Stop().on_exception(cast(Any, trainer), cast(Any, None), KeyboardInterrupt())
        assert [rank.wait(10) for rank in ranks] == [-signal.SIGKILL] * 2
        assert observer._run()
        assert first.poll() is None
    finally:
        first.kill()
        first.wait()


@pytest.mark.slow
@pytest.mark.parametrize("cause", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_stopped_process(cause: signal.Signals, tmp_path: Path, uninterrupted: Path) -> None:
    run, rows = stopped(tmp_path, cause)
    again = launch(tmp_path, *LONG, "resume=true")
    assert again.status == 0, again.err
    assert (run / "metrics.csv").read_text().startswith(rows)
    assert_the_same([uninterrupted, run], "encoder", LOSS, range(19, 1000, 20), exact=False)
    parts = [path.name for path in (run / "wandb").glob("offline-run-*")]
    assert len(parts) == 2
    assert len({re.sub(r"offline-run-\d+_\d+-", "", part) for part in parts}) == 1  # one W&B run in two parts


@pytest.mark.slow
def test_two_stopped_processes(tmp_path: Path, uninterrupted: Path) -> None:
    """None hangs. The run may be continued by another number of processes."""
    run, rows = stopped(tmp_path, signal.SIGTERM, "trainer.devices=2", "logger=csv")
    again = launch(tmp_path, *LONG, "trainer.devices=1", "logger=csv", "resume=true")
    assert again.status == 0, again.err
    assert (run / "metrics.csv").read_text().startswith(rows)
    costs = [summary(run)["cost"] for run in (uninterrupted, run)]
    assert (costs[0]["steps"], costs[0]["tokens"]) == (costs[1]["steps"], costs[1]["tokens"])
    losses = [summary(run)["headline"]["value"] for run in (uninterrupted, run)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-2)
