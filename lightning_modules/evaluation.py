"""Evaluating what was trained: metrics, per-example answers, predictions for unlabelled text."""

from dataclasses import dataclass
from typing import Any

import lightning as L
import torch.distributed as dist
from lightning.pytorch.callbacks import ModelCheckpoint

from lightning_modules.base import LanguageModel


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
        unlabelled: set without public labels -> rows of (row number, prediction, probabilities).
        checkpoint: the epoch that was evaluated, best | last; last also where no epoch was ever selected.
    """

    metrics: dict[str, float]
    answers: dict[str, list]
    unlabelled: dict[str, list]
    checkpoint: str = "last"


def evaluate(trainer: L.Trainer, model: LanguageModel, data: Any) -> Results:
    """Evaluate what was trained: a task's best (or last) epoch on its test sets, a pre-training on held-out text.

    Args:
        data: a datamodules.base.TextDataModule.
    """
    metrics = read_metrics(trainer)
    if model.head is None:
        trainer.validate(model, datamodule=data, verbose=False)
        return Results({**metrics, **read_metrics(trainer)}, {}, {})
    keeper = trainer.checkpoint_callback
    assert isinstance(keeper, ModelCheckpoint)
    best = keeper.best_model_path if data.checkpoint == "best" else ""
    if best and keeper.best_model_score is not None:
        metrics["selection/score"] = float(keeper.best_model_score)
    trainer.test(model, datamodule=data, ckpt_path=best or None, weights_only=True, verbose=False)
    metrics |= read_metrics(trainer)
    answers = {name: gather(rows) for name, rows in model.answers.items()}
    unlabelled = {}
    if data.unlabelled:
        outputs: Any = trainer.predict(model, datamodule=data)
        outputs = outputs if len(data.unlabelled) > 1 else [outputs]
        for name, batches in zip(data.unlabelled, outputs, strict=True):
            unlabelled[name] = gather([row for batch in batches for row in batch])
    return Results(metrics, answers, unlabelled, "best" if best else "last")


def read_metrics(trainer: L.Trainer) -> dict[str, float]:
    """The last evaluation's values as numbers."""
    return {name: float(value) for name, value in trainer.callback_metrics.items()}
