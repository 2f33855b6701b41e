"""A run that is told to stop: its record says so, no comparison takes it for a result, and it goes on where it was."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from datamodules.task import Refused
from lightning_modules import cost
from sweeps.evidence.rows import read_records
from sweeps.jobs.files import has_finished, read_history
from sweeps.jobs.job import Job
from tests.commands import NO_DROPOUT, TINY, command, history, summary, the_run

SHORT = (*TINY, *NO_DROPOUT, "trainer.max_epochs=-1", "trainer.max_steps=6", "trainer.log_every_n_steps=1")
SHORT = (*SHORT, "data.validation_sequences=20", "logger=csv")
Stopped = Callable[[Path, int, signal.Signals], int]


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> Stopped:
    """Run SHORT in a folder until a signal comes after a step; the exit status, which is not this process's end."""

    def die() -> NoReturn:
        raise SystemExit(143)

    def run(place: Path, step: int, cause: signal.Signals) -> int:
        batch_end = cost.Cost.on_train_batch_end

        def end(self: Any, trainer: Any, *arguments: Any) -> None:
            batch_end(self, trainer, *arguments)
            if trainer.global_step == step:
                signal.raise_signal(cause)

        with monkeypatch.context() as patch:
            patch.setattr("sweeps.jobs.sentences.die", die)
            patch.setattr(cost.Cost, "on_train_batch_end", end)
            return command(place, *SHORT).status

    return run


@pytest.mark.parametrize(("cause", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_run_has_a_record_and_is_not_finished(
    cause: signal.Signals, status: int, tmp_path: Path, stopped: Stopped
) -> None:
    handlers = [signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)]
    assert stopped(tmp_path, 3, cause) == status
    run = the_run(tmp_path)
    record = summary(run)
    assert (record["status"], record["name"], record["seed"]) == ("stopped", run.name, 0)
    assert record["config"]["trainer"]["max_steps"] == 6
    losses = history(run, "train/masked_lm")
    assert record["metrics"]["train/masked_lm"] == losses[-1][1]
    assert record["steps"] == 2  # whose learning rate was logged, and not yet its loss
    assert not has_finished(run)
    assert not Job("a", (), run).finished
    with pytest.raises(Refused, match="finished transfer run"):
        read_records([str(run)])
    for one in (signal.SIGTERM, signal.SIGINT):  # Lightning leaves Ctrl-C ignored
        signal.signal(one, handlers.pop(0))


@pytest.mark.slow
def test_a_stopped_run_is_started_again(tmp_path: Path, stopped: Stopped) -> None:
    stopped(tmp_path, 3, signal.SIGTERM)
    done = command(tmp_path, *SHORT)
    assert done.status == 0, done.err
    assert "finished before" not in done.out
    assert summary(the_run(tmp_path))["status"] == "finished"
    assert len(history(the_run(tmp_path), "train/masked_lm")) == 6
    assert "finished before" in command(tmp_path, *SHORT).out


def test_under_an_agent_an_unfinished_run_goes_on(
    tmp_path: Path, stopped: Stopped, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody can tell a sweep's command resume=true for one of its points."""
    stopped(tmp_path, 3, signal.SIGTERM)
    checkpoints = the_run(tmp_path) / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / "last.ckpt").write_text("no checkpoint")
    assert "resume=true continues it" in command(tmp_path, *SHORT).refusal
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep0")
    done = command(tmp_path, *SHORT)
    assert done.status == 1
    assert f"continues from {checkpoints.relative_to(tmp_path)}/last.ckpt" in done.out.replace(f"{tmp_path}/", "")


def test_a_table_of_which_tasks_failed_has_not_finished(tmp_path: Path) -> None:
    assert not has_finished(tmp_path)
    for status, finished in (("incomplete", False), ("finished", True)):
        (tmp_path / "summary.json").write_text(json.dumps({"status": status}))
        assert has_finished(tmp_path) == finished


def test_a_torn_row_of_a_history_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "metrics.csv"
    assert read_history(tmp_path) == []
    file.write_bytes(b"step,epoch,name,value\r\n0,,lr,0.5\r\n3,1,val/score,50.0\r\n4,1,tor\n5,1,val/score,5")
    assert read_history(tmp_path) == [(0, 0.0, "lr", 0.5), (3, 1.0, "val/score", 50.0)]
