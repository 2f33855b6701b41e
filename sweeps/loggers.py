"""Where a run's numbers go while it runs: its own metrics.csv, always, and a W&B run, offline unless told otherwise."""

import csv
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from lightning.fabric.utilities import rank_zero_only
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig

from sweeps.runs import Run
from sweeps.tuning_space import TRIAL


class History(Logger):
    """metrics.csv: one row per value, `step, epoch, name, value`; append-only, so that a resumed run keeps its past."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self.path = directory / "metrics.csv"

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
        (run.directory / "metrics.csv").unlink(missing_ok=True)
    loggers: list[Logger] = [History(run.directory)]
    if cfg.logger.get("_target_"):
        from hydra.utils import instantiate

        os.environ.setdefault("WANDB_SILENT", "true")
        pretraining = "objective" in cfg.data
        facts = {
            "name": run.name,
            "id": wandb_id(run) if is_first() else None,
            "save_dir": str(run.directory),
            "group": os.environ.get("WANDB_RUN_GROUP"),
            "job_type": "pretrain" if pretraining else TRIAL if cfg.tuning == TRIAL else "transfer",
            "tags": tags(cfg),
        }
        logger = instantiate(cfg.logger, **facts)
        getattr(logger, "_wandb_init", {}).pop("anonymous", None)  # Lightning always sets it; W&B warns of it each time
        loggers.append(logger)
    return loggers
