"""Lightning's Trainer as the suite uses it, and the two callbacks that every run has."""

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from hydra.utils import get_class
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import Logger
from torch.utils.flop_counter import FlopCounterMode

from datamodules.task import Refused, Task, one_of
from lightning_modules import encoder_io
from lightning_modules.base import LanguageModel

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true", "32", 32)


class Agreement(Callback):
    """Every rank must have composed the same configuration, and be in a process group of the size that it believes in."""

    def __init__(self, configuration: str) -> None:
        self.configuration = configuration  # its digest

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if trainer.world_size == 1:
            return
        if not dist.is_initialized() or dist.get_world_size() != trainer.world_size:
            raise RuntimeError(f"the trainer counts {trainer.world_size} processes, the process group does not.")
        seen: list[str] = [""] * trainer.world_size
        dist.all_gather_object(seen, self.configuration)
        if len(set(seen)) > 1:
            raise RuntimeError(f"ranks run different configurations: {', '.join(seen)}.")


class Cost(Callback):
    """What training cost: seconds, tokens, FLOPs, peak memory. Survives a resume."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.tokens = 0  # of this rank
        self.flops_per_token = 0.0
        self.since = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.since = time.perf_counter()

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int) -> None:
        """Count the first batch's forward pass once; a backward pass is twice as much."""
        if self.flops_per_token == 0 and isinstance(pl_module, LanguageModel):
            counter = FlopCounterMode(display=False)
            with torch.random.fork_rng(), torch.no_grad(), trainer.precision_plugin.forward_context(), counter:
                pl_module.losses(batch)
            self.flops_per_token = 3 * counter.get_total_flops() / len(batch["tokens"])
            self.since = time.perf_counter()

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.tokens += len(batch["tokens"])

    def pause(self) -> None:
        """Evaluation is not training: the clock stops before it and starts after."""
        self.seconds += time.perf_counter() - self.since

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.state.fn == "fit":
            self.pause()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.since = time.perf_counter()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.pause()

    def state_dict(self) -> dict[str, float]:
        running = time.perf_counter() - self.since if self.since else 0.0
        return {"seconds": self.seconds + running, "tokens": self.tokens, "flops_per_token": self.flops_per_token}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds, self.tokens = state_dict["seconds"], state_dict["tokens"]
        self.flops_per_token = state_dict["flops_per_token"]

    def figures(self, trainer: L.Trainer, model: L.LightningModule) -> dict[str, float]:
        """For the record. Peak memory is of one process: the device's, or the process's own on a CPU."""
        tokens = self.tokens * trainer.world_size
        on_gpu = trainer.strategy.root_device.type == "cuda"
        peak = torch.cuda.max_memory_allocated() if on_gpu else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            "seconds": self.seconds,
            "steps": trainer.global_step,
            "tokens": tokens,
            "tokens_per_second": tokens / self.seconds if self.seconds else 0.0,
            "flops": self.flops_per_token * tokens,
            "peak_memory_bytes": peak,
            "parameters": sum(p.numel() for p in model.parameters()),
            "devices": trainer.world_size,
            "device": torch.cuda.get_device_name() if on_gpu else "cpu",
            "precision": str(trainer.precision),
        }


def checkpoints(directory: Path, task: Task) -> list[Callback]:
    """last.ckpt for resuming; of a task also best.ckpt, the epoch with the best score on the selection set."""
    shared: dict[str, Any] = {"dirpath": directory, "enable_version_counter": False}
    if task.kind == "pretraining":
        return [ModelCheckpoint(filename="last", every_n_train_steps=500, save_on_train_epoch_end=False, **shared)]
    best = ModelCheckpoint(filename="best", monitor="val/score", mode="max", save_weights_only=True, **shared)
    return [best, ModelCheckpoint(filename="last", every_n_epochs=1, **shared)]


def make_trainer(settings: dict, directory: Path, task: Task, configuration: str, loggers: list[Logger]) -> L.Trainer:
    """A Trainer from conf/trainer's node.

    Args:
        directory: the run's own; checkpoints go below it.
        configuration: digest of the resolved configuration, compared over the ranks.
    """
    precision = one_of("trainer.precision", settings["precision"], PRECISIONS)
    if precision == "auto":
        precision = "bf16-mixed" if torch.cuda.is_available() and settings["accelerator"] != "cpu" else "32-true"
    if settings["max_steps"] == -1 and settings["max_epochs"] in (None, -1) and not settings["max_time"]:
        raise Refused("trainer.max_steps=-1 and trainer.max_epochs=-1 would never end: one of them may be from 1 up.")
    callbacks = [Agreement(configuration), Cost(), *checkpoints(directory / "checkpoints", task)]
    if loggers:
        callbacks.append(LearningRateMonitor("step"))
    try:
        return L.Trainer(
            **{**settings, "precision": precision},
            default_root_dir=directory,
            logger=loggers,
            callbacks=callbacks,
            use_distributed_sampler=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
    except (ValueError, TypeError, L.fabric.utilities.exceptions.MisconfigurationException) as error:
        raise Refused(f"trainer: {error}") from error


def gather(rows: list) -> list:
    """Every rank's rows together, in order, on every rank; a row begins with its number."""
    if dist.is_available() and dist.is_initialized():
        parts: list[Any] = [None] * dist.get_world_size()
        dist.all_gather_object(parts, rows)
        rows = [row for part in parts for row in part]
    return sorted(rows)


@dataclass
class Results:
    """What an evaluation found.

    Attributes:
        metrics: "<evaluation set>/<metric>" -> value; "<set>/score" is the headline in percent.
        answers: evaluation set -> rows of (row number, prediction, label, probabilities).
        server: split without public labels -> rows of (row number, prediction, probabilities).
    """

    metrics: dict[str, float]
    answers: dict[str, list]
    server: dict[str, list]


def evaluate(trainer: L.Trainer, model: LanguageModel, data: L.LightningDataModule) -> Results:
    """Evaluate what was trained: a task's best (or last) epoch on its test sets, a pre-training on held-out text."""
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    if model.head is None:
        trainer.validate(model, datamodule=data, verbose=False)
        return Results({**metrics, **read_metrics(trainer)}, {}, {})
    keeper = trainer.checkpoint_callback
    assert isinstance(keeper, ModelCheckpoint)
    best = keeper.best_model_path if getattr(data, "checkpoint", "best") == "best" else ""
    if best and keeper.best_model_score is not None:
        metrics["selection/score"] = float(keeper.best_model_score)
    trainer.test(model, datamodule=data, ckpt_path=best or None, weights_only=True, verbose=False)
    metrics |= read_metrics(trainer)
    answers = {name: gather(rows) for name, rows in model.answers.items()}
    server = {}
    splits = getattr(data, "server", [])
    if splits:
        outputs: Any = trainer.predict(model, datamodule=data)
        outputs = outputs if len(splits) > 1 else [outputs]
        for split, batches in zip(splits, outputs, strict=True):
            server[split.name] = gather([row for batch in batches for row in batch])
    return Results(metrics, answers, server)


def read_metrics(trainer: L.Trainer) -> dict[str, float]:
    """The last evaluation's values as numbers."""
    return {name: float(value) for name, value in trainer.callback_metrics.items()}


def load_model(run: Path) -> LanguageModel:
    """The model that a finished transfer run left.

    Raises:
        Refused: when there is none.
    """
    folder = run / "model" if (run / "model").is_dir() else run
    target = encoder_io.read(folder)["model"]["_target_"]
    return get_class(target).load(folder)


def read_texts(path: str | None) -> list[list[str]]:
    """Lines of a .tsv: one example a line, one text a column.

    Raises:
        Refused: naming the file, and the line where one is not like the others.
    """
    if path is None or not Path(path).is_file():
        raise Refused(f"input={path} is no file: it may be a .tsv, one example a line, one text a column, no header.")
    rows = [line.split("\t") for line in Path(path).read_text(encoding="utf-8").splitlines()]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(rows[0]) or not all(text.strip() for text in row):
            raise Refused(f"{path}, line {number}: {len(rows[0])} texts, none empty, are expected; here are {row}.")
    return rows
