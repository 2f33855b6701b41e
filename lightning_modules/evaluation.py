"""Evaluating what was trained: metrics, per-example answers, predictions for unlabelled text."""

import math
from dataclasses import dataclass
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import ModelCheckpoint

from datamodules.task import WORD_VECTORS, Task
from lightning_modules.base import LanguageModel
from lightning_modules.callbacks import Convergence, kept
from lightning_modules.head import judge_of
from lightning_modules.metrics import task_metrics
from lightning_modules.word_vectors import judge

SELECTION = "selection/score"  # of the epoch that is evaluated, in percent


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
        metrics: "<evaluation set>/<metric>" -> value, on a part of the set "<set>/<metric>/<part>"; "<set>/score" is
            the headline in percent.
        answers: evaluation set -> rows of (row number, prediction, label, probabilities); of spans
            `span_scores.Answer`s.
        unlabelled: set without public labels -> rows of (row number, prediction, probabilities).
        checkpoint: the epoch that was evaluated, best | last; last also where no epoch was ever selected, none where
            nothing is trained.
        vectors: (W, D) of words, where these were evaluated.
        collapsed: whether every example of the first test set got the same answer.
    """

    metrics: dict[str, float]
    answers: dict[str, list]
    unlabelled: dict[str, list]
    checkpoint: str = "last"
    vectors: torch.Tensor | None = None
    collapsed: bool = False


def evaluate(trainer: L.Trainer, model: LanguageModel, data: Any, tests: bool = True) -> Results:
    """A task's best (or last) epoch on its test sets, a pre-training on held-out text; or what is asked of it.

    Args:
        data: a datamodules.base.TextDataModule.
        tests: False: a task's selection set alone is looked at.
    """
    metrics = read_metrics(trainer)
    if model.task.kind == "pretraining":
        trainer.validate(model, datamodule=data, verbose=False)
        return Results({**metrics, **read_metrics(trainer)}, {}, {})
    if model.task.kind == WORD_VECTORS:
        return of_words(trainer, model, data)
    keeper = trainer.checkpoint_callback
    assert isinstance(keeper, ModelCheckpoint)
    best = keeper.best_model_path if data.checkpoint == "best" else ""
    if best and keeper.best_model_score is not None:
        metrics[SELECTION] = float(keeper.best_model_score)
    if model.task.kind == "threshold":
        trainer.validate(model, datamodule=data, verbose=False)
        model.threshold, found = best_threshold(model.task, gather(model.answers["val"]), model.threshold)
        metrics |= {SELECTION: found, "selection/threshold": model.threshold}
    settled = model.task.may_lack  # the threshold: on that epoch, which has been loaded for it
    metrics |= settle(trainer, model, data, best) if settled else {}
    if not tests:
        return Results({SELECTION: metrics.get("val/score", math.nan), **metrics}, {}, {}, "best" if best else "last")
    path = None if settled else best or None
    trainer.test(model, datamodule=data, ckpt_path=path, weights_only=True, verbose=False)
    metrics |= read_metrics(trainer)
    judging = judge_of(model.head)
    answers = {name: judging.of_examples(gather(rows), model.task) for name, rows in model.answers.items()}
    for name, rows in answers.items():
        metrics |= judging.by_part(model.task, name, rows, data.parts(name.removeprefix("test_")))
    unlabelled = {}
    if data.unlabelled:
        outputs: Any = trainer.predict(model, datamodule=data)
        outputs = outputs if len(data.unlabelled) > 1 else [outputs]
        for name, batches in zip(data.unlabelled, outputs, strict=True):
            unlabelled[name] = gather([row for batch in batches for row in batch])
    first = answers.get(f"test_{model.task.test_sets[0]}", [])
    evaluated = "best" if best else "last" if model.task.trains else "none"
    return Results(metrics, answers, unlabelled, evaluated, collapsed=judging.is_collapsed(model.task, first))


def settle(trainer: L.Trainer, model: LanguageModel, data: Any, best: str) -> dict[str, float]:
    """Let the head of the epoch that is evaluated choose what it does not learn, on the selection set."""
    curve = kept(trainer, Convergence)
    if "val" not in model.answers or not curve.has_just_seen(trainer.global_step, bool(best)):
        trainer.validate(model, datamodule=data, ckpt_path=best or None, weights_only=True, verbose=False)
    return judge_of(model.head).settle(model.task, gather(model.answers["val"]))


def of_words(trainer: L.Trainer, model: LanguageModel, data: Any) -> Results:
    """Vectors of words by themselves. It takes seconds, so that each process does all of it, and no others start."""
    data.setup("test")
    found = judge(model.to(trainer.strategy.root_device), data.bench)
    for logger in trainer.loggers:
        logger.log_metrics(found.metrics, 0)
    return Results(found.metrics, found.answers, {}, "none", vectors=found.vectors)


def best_threshold(task: Task, rows: list, used: float) -> tuple[float, float]:
    """The threshold between two neighbouring scores that gives the best headline, and that, in percent.

    Args:
        rows: see `Results.answers`; their probabilities are of scores against the threshold `used`.
    """
    chances = torch.tensor([row[3] for row in rows], dtype=torch.float64)
    scores, labels = (chances[:, 1] / chances[:, 0]).log() + used, torch.tensor([row[2] for row in rows])
    ordered = scores.sort().values
    metric = task_metrics(task, "")
    found = [
        (float(metric((scores > place).long(), labels)[task.headline]), float(place))
        for place in (ordered[1:] + ordered[:-1]) / 2
    ]
    best, place = max(found, default=(0.0, used))
    return place, 100 * best


def read_metrics(trainer: L.Trainer) -> dict[str, float]:
    """The last evaluation's values as numbers."""
    return {name: float(value) for name, value in trainer.callback_metrics.items()}
