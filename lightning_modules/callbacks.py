"""The callbacks of every run: its ranks agree, it can be stopped, has a place in its data, and a cost."""

import resource
import signal
import time
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules.base import LanguageModel


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

    def state_dict(self) -> dict[str, Any]:
        return {"scores": self.scores}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.scores = [(int(step), float(score)) for step, score in state_dict["scores"]]

    def figures(self) -> dict[str, Any]:
        """For the record: the first step at which it has SHARE of its last score; None where that is not above 0."""
        final = self.scores[-1][1]
        reached = [step for step, score in self.scores if score >= self.SHARE * final > 0]
        return {"steps_to_95_percent": reached[0] if reached else None, "final": final, "scores": self.scores}


def over_ranks(count: int) -> int:
    """The sum over all processes, which must all ask for it."""
    if not (dist.is_available() and dist.is_initialized()):
        return count
    counts = [0] * dist.get_world_size()
    dist.all_gather_object(counts, count)
    return sum(counts)


class Cost(Callback):
    """What training cost: seconds, tokens, FLOPs, peak memory. Survives a resume."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.tokens = 0  # of this rank, since it started
        self.tokens_before = 0  # of all ranks, before a resume
        self.flops_per_token = 0.0
        self.since = 0.0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.since = time.perf_counter()

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Count the first batch's forward pass once; the backward pass of what is trained is twice as much."""
        if self.flops_per_token == 0 and isinstance(pl_module, LanguageModel):
            counter = FlopCounterMode(display=False)
            with torch.random.fork_rng(), torch.no_grad(), trainer.precision_plugin.forward_context(), counter:
                pl_module.losses(batch)
            forward = trained = counter.get_total_flops()
            if pl_module.transfer.frozen:
                trained = sum(counter.get_flop_counts()[type(pl_module.head).__name__].values())
            self.flops_per_token = (forward + 2 * trained) / len(batch["tokens"])
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
        """Lightning asks every rank, also where only the first one writes."""
        running = time.perf_counter() - self.since if self.since else 0.0
        tokens = self.tokens_before + over_ranks(self.tokens)
        return {"seconds": self.seconds + running, "tokens": tokens, "flops_per_token": self.flops_per_token}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds, self.tokens_before = state_dict["seconds"], state_dict["tokens"]
        self.flops_per_token = state_dict["flops_per_token"]

    def figures(self, trainer: L.Trainer, model: L.LightningModule) -> dict[str, Any]:
        """For the record. Peak memory is of one process: the device's, or the process's own on a CPU."""
        tokens = self.tokens_before + over_ranks(self.tokens)
        on_gpu = trainer.strategy.root_device.type == "cuda"
        peak = (
            torch.cuda.max_memory_allocated() if on_gpu else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        )
        return {
            "seconds": self.seconds,
            "steps": trainer.global_step,
            "tokens": tokens,
            "tokens_per_second": tokens / self.seconds if self.seconds else 0.0,
            "flops": self.flops_per_token * tokens,
            "peak_memory_bytes": peak,
            "parameters": sum(p.numel() for p in model.parameters()),
            "devices": dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1,
            "device": torch.cuda.get_device_name() if on_gpu else "cpu",
            "precision": str(trainer.precision),
        }
