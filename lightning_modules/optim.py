"""Optimisers and learning-rate schedules as plain numbers: `{lr, schedule, warmup, weight_decay, ...}`.

Where BERT's released code and today's practice differ, the difference is a value here:
`bias_correction: false` and `schedule: jump` are the release's, `true` and `linear` today's (both: optimization.py of
the release, section A.2 of the paper). `cosine` is GPT's (Radford et al. 2018, section 4.1). ELMo's release trains its
biLM with `kind: adagrad`.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from datamodules.task import Refused, one_of, real
from lightning_modules.layer_mix import LayerMix

SCHEDULES: dict[str, Callable[[float, float, float], float]] = {
    # (step, warm-up steps, total steps) -> factor of the learning rate. `jump` falls from 1 to 1 - warmup / total.
    "jump": lambda step, warmup, total: step / warmup if step < warmup else max(0.0, 1 - step / total),
    "linear": lambda step, warmup, total: (
        step / warmup if step < warmup else max(0.0, (total - step) / max(total - warmup, 1))
    ),
    "cosine": lambda step, warmup, total: (
        step / warmup
        if step < warmup
        else (1 + math.cos(math.pi * min(1, (step - warmup) / max(total - warmup, 1)))) / 2
    ),
    "constant": lambda step, warmup, total: step / warmup if step < warmup else 1.0,
}


KINDS = ("adamw", "adagrad")


@dataclass(frozen=True)
class OptimizerSpec:
    """What a model yaml may say of an optimiser.

    Attributes:
        kind: adamw | adagrad, of which `betas` and `bias_correction` say nothing.
        lr: peak learning rate.
        warmup: in steps, or in parts of all steps when below 1.
        weight_decay: decoupled; biases and layer norms are excluded.
        clip: largest global norm of the gradient; 0 for none.
        bias_correction: Adam's. Without it the first updates are up to 6.5 times larger.
        initial_accumulator: Adagrad's sum of squared gradients before the first one.
    """

    lr: float
    kind: str = "adamw"
    schedule: str = "linear"
    warmup: float = 0.1
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-6
    clip: float = 1.0
    bias_correction: bool = True
    initial_accumulator: float = 0.0

    @classmethod
    def of(cls, values: dict, key: str = "optimizer") -> "OptimizerSpec":
        """From a yaml's mapping, which stands there as `key`.

        Raises:
            Refused: naming a key that there is not, or a value that it may not have.
        """
        for name in values:
            one_of(f"a key of {key}", name, cls.__dataclass_fields__)
        if "lr" not in values:
            raise Refused(f"{key}.lr is missing: it may be a number from 0 up.")
        spec = cls(**values)
        one_of(f"{key}.kind", spec.kind, KINDS)
        one_of(f"{key}.schedule", spec.schedule, SCHEDULES)
        one_of(f"{key}.bias_correction", spec.bias_correction, (True, False))
        for name in ("lr", "warmup", "weight_decay", "eps", "clip", "initial_accumulator"):
            real(f"{key}.{name}", getattr(spec, name), "a number from 0 up", lambda value: value >= 0)
        if spec.kind == "adagrad":  # torch's has no decay that is decoupled from the gradients
            real(f"{key}.weight_decay of adagrad", spec.weight_decay, "0", lambda value: value == 0)
        if not are_betas(spec.betas):
            raise Refused(f"{key}.betas={spec.betas!r} is not possible: it may be two numbers from 0 to below 1.")
        return replace(spec, betas=tuple(spec.betas))


def are_betas(values: object) -> bool:
    """Whether these are Adam's two."""
    pair = values if isinstance(values, list | tuple) and len(values) == 2 else ("",)
    return all(isinstance(beta, int | float) and 0 <= beta < 1 for beta in pair)


class AdamW(torch.optim.AdamW):
    """AdamW that can leave out the bias correction, as BERT's release does, at the speed of the fused kernel.

    Without correction the update is lr * m / (sqrt(v) + eps). With m = (1 - b1^t) m', v = (1 - b2^t) v' that is the
    corrected update at the learning rate lr * (1 - b1^t) / sqrt(1 - b2^t) and with eps / sqrt(1 - b2^t); the decay,
    which torch multiplies by the learning rate, is divided by the same factor.
    """

    def __init__(self, params: Iterable, bias_correction: bool = True, **settings: object) -> None:
        super().__init__(params, fused=True, **settings)  # pyright: ignore[reportArgumentType]
        self.bias_correction = bias_correction

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """One update; `closure` computes the loss and its gradients."""
        loss = None
        if closure is not None:  # first, so that the step number below is the one of this update
            with torch.enable_grad():
                loss = closure()
        if self.bias_correction:
            super().step()
            return loss
        told = [(group["lr"], group["eps"], group["weight_decay"]) for group in self.param_groups]
        for group in self.param_groups:
            group["updates"] = group.get("updates", 0) + 1
            first, second = (1 - beta ** group["updates"] for beta in group["betas"])
            factor = first / math.sqrt(second)
            group["lr"] *= factor
            group["weight_decay"] /= factor
            group["eps"] /= math.sqrt(second)
        super().step()
        for group, (lr, eps, decay) in zip(self.param_groups, told, strict=True):
            group.update(lr=lr, eps=eps, weight_decay=decay)
        return loss


def decays(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """(decayed, not decayed) trainable parameters: biases, layer norms and mixes of layers are not."""
    kinds = (nn.LayerNorm, LayerMix)
    norms = {id(p) for part in module.modules() if isinstance(part, kinds) for p in part.parameters()}
    decayed, kept = [], []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            exempt = id(parameter) in norms or name.rsplit(".", 1)[-1].startswith("bias")  # bias_ih_l0 ...
            (kept if exempt else decayed).append(parameter)
    return decayed, kept


def make(module: nn.Module, spec: OptimizerSpec) -> torch.optim.Optimizer:
    """The optimiser of all trainable parameters."""
    decayed, kept = decays(module)
    if spec.kind == "adagrad":
        return torch.optim.Adagrad(
            [*decayed, *kept], spec.lr, eps=spec.eps, initial_accumulator_value=spec.initial_accumulator
        )
    groups = [{"params": decayed, "weight_decay": spec.weight_decay}, {"params": kept, "weight_decay": 0.0}]
    return AdamW(groups, spec.bias_correction, lr=spec.lr, betas=spec.betas, eps=spec.eps)


def build(module: nn.Module, spec: OptimizerSpec, total_steps: int) -> tuple[torch.optim.Optimizer, LambdaLR]:
    """The optimiser and its schedule over `total_steps` updates."""
    optimizer = make(module, spec)
    warmup = int(spec.warmup * total_steps) if spec.warmup < 1 else spec.warmup  # whole steps, as in the release
    schedule = SCHEDULES[spec.schedule]
    return optimizer, LambdaLR(optimizer, lambda step: schedule(step, warmup, max(total_steps, 1)))
