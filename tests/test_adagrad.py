"""ELMo's optimiser: the release's Adagrad on its own loss is conf/model/elmo.yaml's on ours."""

import numpy as np
import pytest
import torch
from torch import nn

from datamodules.task import Refused
from lightning_modules.optim import OptimizerSpec, build
from sweeps.runs.places import plain
from tests.conftest import compose

UNROLL = 20


def spec() -> OptimizerSpec:
    return OptimizerSpec.of(plain(compose("model=elmo").model.optimizer))


class Two(nn.Module):
    def __init__(self, first: np.ndarray, second: np.ndarray) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(torch.from_numpy(first)), nn.Parameter(torch.from_numpy(second))


def test_steps_are_the_releases() -> None:
    """It multiplies half the sum of both losses by the steps of unroll; accumulators begin at 1, clip 10."""
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=(4, 3)), rng.normal(size=5)]
    module = Two(*(start.copy() for start in starts))
    optimizer, schedule = build(module, spec(), 100)
    values, sums = [start.copy() for start in starts], [np.ones_like(start) for start in starts]
    clipped = 0
    for scale in (1e-3, 0.03, 0.5, 2.0, 0.1):
        gradients = [rng.normal(size=start.shape) * scale for start in starts]  # of the sum of both mean losses
        for parameter, gradient in zip(module.parameters(), gradients, strict=True):
            parameter.grad = torch.from_numpy(gradient.copy())
        torch.nn.utils.clip_grad_norm_(module.parameters(), spec().clip)
        optimizer.step()
        schedule.step()
        theirs = [gradient * UNROLL / 2 for gradient in gradients]
        norm = np.sqrt(sum((gradient**2).sum() for gradient in theirs))
        clipped += norm > 10
        for value, total, gradient in zip(values, sums, theirs, strict=True):
            gradient = gradient * min(1.0, 10 / norm)
            total += gradient**2
            value -= 0.2 * gradient / np.sqrt(total)
    assert 0 < clipped < 5
    for parameter, value in zip(module.parameters(), values, strict=True):
        np.testing.assert_allclose(parameter.detach().numpy(), value, rtol=1e-5)


def test_what_adagrad_has_not_is_refused() -> None:
    with pytest.raises(Refused, match=r"optimizer.weight_decay of adagrad"):
        OptimizerSpec.of({"lr": 1.0, "kind": "adagrad", "weight_decay": 0.1})
    with pytest.raises(Refused, match=r"optimizer.kind='sgd' .* adamw, adagrad"):
        OptimizerSpec.of({"lr": 1.0, "kind": "sgd"})
