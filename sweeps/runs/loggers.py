"""Where a run's numbers go while it runs: its own metrics.csv, always, and a W&B run, offline unless told otherwise.

A W&B run is found by the words of the configuration: its group is the sweep or the experiment, its job type `pretrain`
or `transfer`, its tags model, data, task and scale.
"""

import csv
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from lightning.fabric.utilities import rank_zero_only
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig

from datamodules.task import Refused
from sweeps.jobs.environment import under_agent
from sweeps.jobs.files import HISTORY
from sweeps.jobs.sentences import first_line
from sweeps.runs.places import Run
from sweeps.runs.tuning_space import TRIAL


class History(Logger):
    """metrics.csv: one row per value, `step, epoch, name, value`; append-only, so that a resumed run keeps its past."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.path = directory / HISTORY

    @property
    def name(self) -> str:
        return "history"

    @property
    def version(self) -> str:
        return ""

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """The record has the configuration."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not self.path.exists()
        epoch = metrics.get("epoch", "")
        with self.path.open("a", newline="") as file:
            writer = csv.writer(file)
            if is_new:
                writer.writerow(("step", "epoch", "name", "value"))
            writer.writerows((step, epoch, name, float(v)) for name, v in metrics.items() if name != "epoch")


def is_first() -> bool:
    """Whether this is the first of the processes, also before a trainer says so."""
    return getattr(rank_zero_only, "rank", 0) == 0


def wandb_id(run: Run) -> str | None:
    """The id that a resumed run continues; under an agent, the agent's."""
    if "WANDB_RUN_ID" in os.environ:
        return None
    file = run.directory / "wandb" / "run_id"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(secrets.token_hex(4))
    return file.read_text()


def tags(cfg: DictConfig) -> list[str]:
    """Model, data and task as the configuration's groups name them, and the scale."""
    choices = HydraConfig.get().runtime.choices
    told = (choices["model"], choices["data"], cfg.data.get("task"), cfg.get("scale"))
    return list(dict.fromkeys(str(tag) for tag in told if tag))


def make_loggers(cfg: DictConfig, run: Run) -> list[Logger]:
    """The run's own history, and the logger of conf/logger; a W&B run begins with the first thing that is logged."""
    if run.last is None and is_first():
        (run.directory / HISTORY).unlink(missing_ok=True)
    loggers: list[Logger] = [History(run.directory)]
    if cfg.logger.get("_target_"):
        loggers.append(wandb_logger(cfg, run))
    return loggers


def wandb_logger(cfg: DictConfig, run: Run) -> Logger:
    """The logger of conf/logger, of a W&B run that says what it is."""
    from hydra.utils import instantiate

    os.environ.setdefault("WANDB_SILENT", "true")
    first = {"id": wandb_id(run), "group": group(cfg)} if is_first() else {}
    logger = instantiate(cfg.logger, **about(cfg), **first, save_dir=str(run.directory))
    getattr(logger, "_wandb_init", {}).pop("anonymous", None)  # Lightning always sets it; W&B warns of it each time
    return logger


def about(cfg: DictConfig) -> dict[str, Any]:
    """A W&B run's name, job type and tags; tags of the user's own stay."""
    choices = HydraConfig.get().runtime.choices
    words = [choices["data"], *([cfg.data.task] if cfg.data.get("task") else [])]
    kind = "pretrain" if "objective" in cfg.data else TRIAL if cfg.tuning == TRIAL else "transfer"
    own = [tag for tag in os.environ.get("WANDB_TAGS", "").split(",") if tag]
    return {
        "name": f"{choices['model']}-{'/'.join(words)}-s{cfg.seed}",
        "job_type": kind,
        "tags": [*tags(cfg), *own],
    }


def group(cfg: DictConfig) -> str | None:
    """The sweep's name, which an agent's environment does not hold, or the experiment's."""
    if "WANDB_RUN_GROUP" in os.environ:
        return os.environ["WANDB_RUN_GROUP"]
    if under_agent() and not cfg.logger.offline:
        import wandb

        with reaching():
            return wandb.Api().sweep(os.environ["WANDB_SWEEP_ID"]).name
    return HydraConfig.get().runtime.choices.get("experiment")


def begin_logs(loggers: Sequence[Logger], settings: dict[str, Any]) -> None:
    """Log the configuration, with which a W&B run begins."""
    with reaching():
        for logger in loggers:
            logger.log_hyperparams(settings)


@contextmanager
def reaching() -> Iterator[None]:
    """Refuse what W&B's server is needed for, where there is no account or no way to it."""
    try:
        yield
    except Exception as error:
        if not is_wandbs(error):
            raise
        raise Refused(
            f"logger=wandb needs W&B's server ({first_line(str(error))}): `wandb login` opens an account's runs; "
            f"logger=offline needs neither, and `wandb sync` sends the run later."
        ) from error


def is_wandbs(error: Exception) -> bool:
    """Whether it is W&B's own: its package is imported by whoever has one."""
    return any(kind.__module__.startswith("wandb.") for kind in type(error).__mro__)
