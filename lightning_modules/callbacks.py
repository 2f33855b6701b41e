"""The callbacks of every run: its ranks agree, it can be stopped, has a place in its data, and a cost."""

import resource
import signal
import time
from collections import Counter
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.strategies.launchers.subprocess_script import _SubprocessScriptLauncher
from torch import nn
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


def over_ranks(counts: Counter[str]) -> Counter[str]:
    """The sum over all processes, which must all ask for it."""
    if not (dist.is_available() and dist.is_initialized()):
        return counts
    parts: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(parts, counts)
    return sum(parts, Counter())


def parameters_of(model: L.LightningModule) -> dict[str, int]:
    """All of them; those of no table, which are of no word, position or segment that is read, nor of a word that is
    predicted; and those of a task's head."""
    tables = {part.weight for part in model.modules() if isinstance(part, nn.Embedding)}
    tables |= {p for p in model.parameters() if p.shape[:1] == (model.hparams.get("vocab_size"),)}
    whole = sum(p.numel() for p in model.parameters())
    head = getattr(model, "head", None)
    return {
        "parameters": whole,
        "parameters_without_embeddings": whole - sum(p.numel() for p in tables),
        "head_parameters": sum(p.numel() for p in head.parameters()) if head else 0,
    }


class Cost(Callback):
    """What training read, and cost: tokens, targets, passes, seconds, FLOPs, peak memory. Survives a resume."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.read: Counter[str] = Counter()  # tokens, and what each loss counts: of this rank, since it started
        self.before: Counter[str] = Counter()  # of all ranks, before a resume
        self.passes = 0.0  # over the data; of all ranks together
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
        self.read["tokens"] += len(batch["tokens"])
        if batch_idx % trainer.accumulate_grad_batches == 0:  # the counts are a step's
            self.read.update(batch["counts"])
        self.passes = trainer.train_dataloader.passes  # pyright: ignore[reportOptionalMemberAccess]

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

    def state_dict(self) -> dict[str, Any]:
        """Lightning asks every rank, also where only the first one writes."""
        running = time.perf_counter() - self.since if self.since else 0.0
        own = {"seconds": self.seconds + running, "passes": self.passes, "flops_per_token": self.flops_per_token}
        return {**own, "read": dict(self.before + over_ranks(self.read))}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds, self.passes = state_dict["seconds"], state_dict["passes"]
        self.before, self.flops_per_token = Counter(state_dict["read"]), state_dict["flops_per_token"]

    def figures(self, trainer: L.Trainer, model: L.LightningModule) -> dict[str, Any]:
        """For the record. Peak memory is of one process: the device's, or the process's own on a CPU.

        `targets` are what each loss of a pre-training has predicted: of a masked LM a seventh of its tokens.
        """
        read = self.before + over_ranks(self.read)
        tokens = read.pop("tokens", 0)
        is_pretraining = isinstance(model, LanguageModel) and model.task.kind == "pretraining"
        devices = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
        on_gpu = trainer.strategy.root_device.type == "cuda"
        peak = (
            torch.cuda.max_memory_allocated() if on_gpu else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        )
        return {
            "seconds": self.seconds,
            "device_seconds": self.seconds * devices,
            "steps": trainer.global_step,
            "passes": self.passes,
            "tokens": tokens,
            **({"targets": dict(read)} if is_pretraining else {}),
            "tokens_per_second": tokens / self.seconds if self.seconds else 0.0,
            "flops": self.flops_per_token * tokens,
            "peak_memory_bytes": peak,
            **parameters_of(model),
            "devices": devices,
            "device": torch.cuda.get_device_name() if on_gpu else "cpu",
            "precision": str(trainer.precision),
        }
