"""A run that is told to stop leaves a record that says so: no result, but how far it was."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from sweeps.jobs.files import read_history, write_json
from sweeps.jobs.sentences import Terminated, interrupted, terminated
from sweeps.runs.code import git_state, versions
from sweeps.runs.places import Run

STOPPED = "stopped"  # a record's status


@contextmanager
def heeding() -> Iterator[None]:
    """SIGTERM ends this block as Ctrl-C does: what it has begun it can end."""
    previous = signal.signal(signal.SIGTERM, terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


@contextmanager
def recording_stops(cfg: DictConfig, run: Run) -> Iterator[None]:
    """Around a run's work: a stop (Ctrl-C, an early stop by a sweep, a scheduler's SIGTERM) is in its record, with the
    last of everything that it has logged, and its W&B run is closed, as failed. The record of an earlier stop goes.
    """
    if run.finished:  # there is nothing to stop, and nothing as large as Lightning to import
        yield
        return
    from sweeps.runs.loggers import is_first

    if is_first():
        (run.directory / "summary.json").unlink(missing_ok=True)
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        stop = interrupted(error)
        if stop is not None and is_first() and not run.finished:
            with undisturbed():
                write_json(run.directory / "summary.json", stopped_record(cfg, run))
                close_wandb(128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT))
        raise


@contextmanager
def undisturbed() -> Iterator[None]:
    """A second signal does not end what the first began; SIGKILL still does."""
    previous = {one: signal.signal(one, signal.SIG_IGN) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for one, handler in previous.items():
            signal.signal(one, handler)


def stopped_record(cfg: DictConfig, run: Run) -> dict[str, Any]:
    """What is known without the trainer, whose other ranks may be gone."""
    logged = read_history(run.directory)
    return {
        "status": STOPPED,
        "name": run.name,
        "steps": max((step for step, *_ in logged), default=0),
        "metrics": {name: value for _, _, name, value in logged},
        "seed": cfg.seed,
        "versions": versions(),
        "git": git_state(Path(__file__).parent),
        "config": OmegaConf.to_container(cfg, resolve=True),
    }


def close_wandb(status: int) -> None:
    """End this process's W&B run, if there is one."""
    wandb = sys.modules.get("wandb")
    if wandb is not None and wandb.run is not None:
        wandb.run.summary["status"] = STOPPED
        wandb.finish(exit_code=status)
