"""How far a job is, told to the process that started it."""

import os
import time
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback

from sweeps.jobs.board import PROGRESS, tell


class Progress(Callback):
    """Tells the share of all steps that are done, at most twice a second."""

    def __init__(self) -> None:
        self.last = 0.0

    def tell(self, trainer: L.Trainer, doing: str) -> None:
        if trainer.is_global_zero and time.monotonic() - self.last > 0.5:
            self.last = time.monotonic()
            total = trainer.estimated_stepping_batches
            tell(min(1.0, trainer.global_step / total) if 0 < total < float("inf") else 0.0, doing)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:
        self.tell(trainer, f"step {trainer.global_step}")

    def on_validation_batch_end(self, trainer: L.Trainer, *_: Any, **__: Any) -> None:
        if trainer.state.fn == "fit":
            self.tell(trainer, "evaluation")


def asked_for() -> list[Callback]:
    """The callback, where somebody listens."""
    return [Progress()] if PROGRESS in os.environ else []
