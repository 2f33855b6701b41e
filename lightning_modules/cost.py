"""What a training read and cost."""

import resource
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning as L
import torch
import torch.distributed as dist
from lightning.pytorch.callbacks import Callback
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules.base import LanguageModel
from lightning_modules.callbacks import kept


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

    @property
    def elapsed(self) -> float:
        """Seconds of training until now."""
        return self.seconds + (time.perf_counter() - self.since if self.since else 0.0)

    def pause(self) -> None:
        """Evaluation is not training: the clock stops before it and starts after."""
        self.seconds, self.since = self.elapsed, 0.0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside is no training."""
        self.pause()
        yield
        self.since = time.perf_counter()

    def on_validation_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.state.fn == "fit":
            self.pause()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.state.fn == "fit":
            self.since = time.perf_counter()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.pause()

    def state_dict(self) -> dict[str, Any]:
        """Lightning asks every rank, also where only the first one writes."""
        own = {"seconds": self.elapsed, "passes": self.passes, "flops_per_token": self.flops_per_token}
        return {**own, "read": dict(self.before + over_ranks(self.read))}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.seconds, self.passes = state_dict["seconds"], state_dict["passes"]
        self.before, self.flops_per_token = Counter(state_dict["read"]), state_dict["flops_per_token"]

    def figures(self, trainer: L.Trainer, model: L.LightningModule) -> dict[str, Any]:
        """For the record. Peak memory is of one process: the device's, or the process's own on a CPU.

        `targets` are what each loss of a pre-training has predicted: of a masked LM a seventh of its tokens.
        """
        read, seconds = self.before + over_ranks(self.read), self.elapsed
        tokens = read.pop("tokens", 0)
        is_pretraining = isinstance(model, LanguageModel) and model.task.kind == "pretraining"
        devices = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
        on_gpu = trainer.strategy.root_device.type == "cuda"
        peak = (
            torch.cuda.max_memory_allocated() if on_gpu else 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        )
        return {
            "seconds": seconds,
            "device_seconds": seconds * devices,
            "steps": trainer.global_step,
            "passes": self.passes,
            "tokens": tokens,
            **({"targets": dict(read)} if is_pretraining else {}),
            "tokens_per_second": tokens / seconds if seconds else 0.0,
            "flops": self.flops_per_token * tokens,
            "peak_memory_bytes": peak,
            **parameters_of(model),
            "devices": devices,
            "device": torch.cuda.get_device_name() if on_gpu else "cpu",
            "precision": str(trainer.precision),
        }


def spent(trainer: L.Trainer, model: L.LightningModule, data: Any) -> dict[str, Any]:
    """What training read and cost until now, on all ranks, which all have to ask; in a pre-training also words, those
    that are read again counted again."""
    cost = kept(trainer, Cost).figures(trainer, model)
    if data.task.kind != "pretraining":
        return cost
    return cost | {"words": round(cost["passes"] * data.card["readings"] * data.card["words"])}
