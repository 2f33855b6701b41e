"""The callbacks of every run: its ranks agree, it can be stopped, and has a place in its data."""

import signal
from typing import Any, TypeVar

import lightning as L
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher

C = TypeVar("C", bound=Callback)


def kept(trainer: L.Trainer, kind: type[C]) -> C:
    """The trainer's callback of a kind."""
    return next(callback for callback in trainer.callbacks if isinstance(callback, kind))  # pyright: ignore


class Agreement(Callback):
    """Ranks must have composed the same configuration, and be in a process group of the size that they believe in."""

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


class Stop(Callback):
    """SIGTERM does what it did when the trainer was made. Lightning's own handler waits for all ranks, which may be
    waiting for each other, and ends with status 0."""

    def __init__(self) -> None:
        self.handler = signal.getsignal(signal.SIGTERM)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        signal.signal(signal.SIGTERM, self.handler)

    on_validation_start = on_test_start = on_predict_start = on_train_start

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        """End the other ranks before Lightning does: its observer kills this process some seconds after one of them has
        failed, and would cut off what a stop has still to write (the record, the end of a W&B run)."""
        launcher = trainer.strategy.launcher
        if isinstance(exception, KeyboardInterrupt) and isinstance(launcher, _SubprocessScriptLauncher):
            ranks = launcher.procs.copy()
            launcher.procs.clear()  # the observer's list too
            for rank in ranks:
                rank.kill()


class Place(Callback):
    """Where training is in its data: Lightning saves it too, but after an epoch's end does not give it back."""

    def __init__(self) -> None:
        self.place: dict[str, Any] | None = None

    def on_save_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["place"] = trainer.train_dataloader.state_dict()  # pyright: ignore[reportOptionalMemberAccess]

    def on_load_checkpoint(self, trainer: L.Trainer, pl_module: L.LightningModule, checkpoint: dict[str, Any]) -> None:
        self.place = checkpoint.get("place")

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The loader's iterator exists by now; it reads its place with the first batch."""
        if self.place is not None:
            trainer.train_dataloader.load_state_dict(self.place)  # pyright: ignore[reportOptionalMemberAccess]


class Convergence(Callback):
    """How soon a task is learnt: its score on the selection set, each time that it is looked at."""

    SHARE = 0.95  # of the last score

    def __init__(self) -> None:
        self.scores: list[tuple[int, float]] = []  # (step, per cent)

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.state.fn == "fit" and "val/score" in trainer.callback_metrics:
            look = (trainer.global_step, float(trainer.callback_metrics["val/score"]))
            self.scores = [score for score in self.scores if score[0] != look[0]] + [look]  # a resume may look again

    def has_just_seen(self, step: int, best: bool) -> bool:
        """Whether the last look was at the model as `step` left it, and, where the `best` is asked for, better than all
        before it."""
        if not self.scores or self.scores[-1][0] != step:
            return False
        return not best or all(score < self.scores[-1][1] for _, score in self.scores[:-1])

    def state_dict(self) -> dict[str, Any]:
        return {"scores": self.scores}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.scores = [(int(step), float(score)) for step, score in state_dict["scores"]]

    def figures(self) -> dict[str, Any]:
        """For the record: the first step at which it has SHARE of its last score; None where that is not above 0."""
        final = self.scores[-1][1]
        reached = [step for step, score in self.scores if score >= self.SHARE * final > 0]
        return {"steps_to_95_percent": reached[0] if reached else None, "final": final, "scores": self.scores}
