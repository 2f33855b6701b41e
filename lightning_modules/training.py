"""Lightning's Trainer as the suite uses it."""

import inspect
import logging
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import Logger

from datamodules.task import Refused, Task, meant, one_of, real, whole
from lightning_modules.callbacks import Agreement, Convergence, Place, Stop
from lightning_modules.cost import Cost

PRECISIONS = ("auto", "32-true", "bf16-mixed", "bf16-true", "64-true")  # no fp16: the fused optimiser unscales inside
OURS = {"default_root_dir", "logger", "callbacks", "use_distributed_sampler", "enable_model_summary"}
OURS |= {"num_sanity_val_steps"}
ARGUMENTS = inspect.signature(L.Trainer.__init__).parameters.keys() - {"self", *OURS}  # what a user may say
# Warnings of libraries that no user of this suite can do anything about, by how they begin.
NOISE = (
    r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # Lightning's own use of torch
    r"Checkpoint directory .* exists and is not empty",  # it is the run's own, which goes on
    r"It is recommended to use `self\.log\(.* when logging on epoch level in",  # torchmetrics has summed over ranks
    r"Using ModelCheckpoint with manual optimization",  # a step is saved when it is done, as others are
    r"Found \d+ module\(s\) in eval mode at the start of training",  # a frozen encoder (transfer=features)
)


def checkpoints(directory: Path, task: Task) -> list[Callback]:
    """last.ckpt for resuming; of a task also best.ckpt, the epoch with the best score on the selection set."""
    shared: dict[str, Any] = {"dirpath": directory, "enable_version_counter": False}
    if task.kind == "pretraining":
        return [ModelCheckpoint(filename="last", every_n_train_steps=500, save_on_train_epoch_end=False, **shared)]
    best = ModelCheckpoint(filename="best", monitor="val/score", mode="max", save_weights_only=True, **shared)
    return [best, ModelCheckpoint(filename="last", every_n_epochs=1, **shared)]


def pick_precision(told: str, accelerator: str) -> str:
    """`trainer.precision`; auto is bf16-mixed where a GPU computes.

    Raises:
        Refused: when it is none of PRECISIONS.
    """
    if one_of("trainer.precision", told, PRECISIONS) != "auto":
        return told
    return "bf16-mixed" if torch.cuda.is_available() and accelerator != "cpu" else "32-true"


def check_arguments(settings: dict) -> None:
    """Refuse what the Trainer does not take, and budgets that never end or never begin."""
    for key in settings.keys() - ARGUMENTS:
        raise Refused(
            f"trainer.{key} is none of the arguments of Lightning's Trainer{meant(key, ARGUMENTS, 'trainer.')}."
        )
    for key in ("max_steps", "max_epochs"):
        if settings[key] is not None or key == "max_steps":
            real(f"trainer.{key}", settings[key], "-1 or a whole number from 1 up", is_budget)
    whole("trainer.accumulate_grad_batches", settings["accumulate_grad_batches"])
    if settings["max_steps"] == -1 and settings["max_epochs"] in (None, -1):
        raise Refused("trainer.max_steps=-1 and trainer.max_epochs=-1 would never end: one of them may be from 1 up.")


def quieten() -> None:
    """Let libraries say only what a user can act on."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # no lines on hardware that is not there
    for words in NOISE:
        warnings.filterwarnings("ignore", words)


def make_trainer(
    settings: dict,
    directory: Path,
    task: Task,
    configuration: str,
    loggers: list[Logger],
    more: Sequence[Callback] = (),
) -> L.Trainer:
    """A Trainer from conf/trainer's node.

    Args:
        directory: the run's own; checkpoints go below it.
        configuration: digest of the resolved configuration, compared over the ranks.
        more: callbacks besides those of every run.
    """
    check_arguments(settings)
    quieten()
    precision = pick_precision(settings["precision"], settings["accelerator"])
    told = settings["enable_progress_bar"]
    bar = sys.stdout.isatty() if told == "auto" else told  # in a file each update would be a line
    callbacks = [
        Agreement(configuration),
        Stop(),
        Place(),
        Cost(),
        Convergence(),
        *checkpoints(directory / "checkpoints", task),
    ]
    callbacks += more
    if loggers:
        callbacks.append(LearningRateMonitor("step"))
    try:
        return L.Trainer(
            **{**settings, "precision": precision, "enable_progress_bar": bar},
            default_root_dir=directory,
            logger=loggers,
            callbacks=callbacks,
            use_distributed_sampler=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
    except (ValueError, TypeError, MisconfigurationException) as error:
        named = ", ".join(f"trainer.{key}={value}" for key, value in settings.items() if blamed(key, value, str(error)))
        raise Refused(f"{named or 'trainer'}: {error}") from error


def is_budget(number: float) -> bool:
    """-1 for no limit, or a whole number of steps; none would leave an encoder that has learned nothing."""
    return isinstance(number, int) and (number == -1 or number > 0)


def blamed(key: str, value: Any, words: str) -> bool:
    """Whether Lightning's words are about this argument: they name it, or the value that was chosen."""
    return key in words or (isinstance(value, str) and value != "auto" and value in words)
