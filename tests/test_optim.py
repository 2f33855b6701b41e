"""Optimiser, schedules and initialisation against numpy versions of the release's formulas and against torch's own."""

import io
import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import nn

from datamodules.task import Refused, Task
from lightning_modules.bert import Bert
from lightning_modules.networks.transformer import initialise, truncated_normal
from lightning_modules.optim import SCHEDULES, AdamW, OptimizerSpec, build, decays

LRS = (0.0, 1e-3, 3e-3, 2e-3, 5e-4, 1e-3, 0.0, 2e-3)  # a warm-up from 0, and a zero on the way
TINY = {
    "vocab_size": 300,
    "hidden_size": 48,
    "num_layers": 2,
    "num_heads": 4,
    "intermediate_size": 96,
    "max_length": 40,
}


def bert(**changes: object) -> Bert:
    return Bert(optimizer={"lr": 1e-4}, finetuning={"lr": 5e-5}, **{**TINY, **changes})  # pyright: ignore


class AdamWeightDecay:
    """BERT's optimiser (optimization.py of its release) for one array, in numpy."""

    def __init__(self, start: np.ndarray, decay: float, betas: tuple[float, float], eps: float) -> None:
        self.value, self.decay, self.betas, self.eps = start.copy(), decay, betas, eps
        self.m, self.v = np.zeros_like(start), np.zeros_like(start)

    def step(self, gradient: np.ndarray, lr: float) -> None:
        one, two = self.betas
        self.m = one * self.m + (1 - one) * gradient
        self.v = two * self.v + (1 - two) * gradient**2
        update = self.m / (np.sqrt(self.v) + self.eps)
        self.value = self.value - lr * (update + self.decay * self.value)


Make = Callable[[Sequence[dict], tuple[float, float], float], torch.optim.Optimizer]


def uncorrected(groups: Sequence[dict], betas: tuple[float, float], eps: float) -> AdamW:
    return AdamW([dict(group) for group in groups], False, lr=1.0, betas=betas, eps=eps)


def corrected(groups: Sequence[dict], betas: tuple[float, float], eps: float) -> AdamW:
    return AdamW([dict(group) for group in groups], True, lr=1.0, betas=betas, eps=eps)


def reloaded(optimizer: torch.optim.Optimizer, fresh: torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Another optimiser with the first one's state, by way of a file."""
    file = io.BytesIO()
    torch.save(optimizer.state_dict(), file)
    file.seek(0)
    fresh.load_state_dict(torch.load(file))
    return fresh


@pytest.mark.parametrize("save_after", [None, 1, 4])
@pytest.mark.parametrize(("betas", "eps"), [((0.9, 0.999), 1e-6), ((0.8, 0.95), 1e-3)])
def test_without_bias_correction_it_is_the_releases_optimiser(
    save_after: int | None, betas: tuple[float, float], eps: float
) -> None:
    rng = np.random.default_rng(0)
    starts = [rng.normal(size=(4, 3)), rng.normal(size=5)]
    parameters = [nn.Parameter(torch.from_numpy(start.copy())) for start in starts]
    groups = [{"params": [p], "weight_decay": decay} for p, decay in zip(parameters, (0.1, 0.0), strict=True)]
    optimizer = uncorrected(groups, betas, eps)
    expected = [AdamWeightDecay(start, decay, betas, eps) for start, decay in zip(starts, (0.1, 0.0), strict=True)]
    for number, lr in enumerate(LRS):
        if number == save_after:
            optimizer = reloaded(optimizer, uncorrected(groups, betas, eps))
        for group in optimizer.param_groups:
            group["lr"] = lr
        for parameter, reference in zip(parameters, expected, strict=True):
            gradient = rng.normal(size=parameter.shape) * 10 ** rng.uniform(-5, 1)  # also where eps matters
            parameter.grad = torch.from_numpy(gradient)
            reference.step(gradient, lr)
        optimizer.step()
        for parameter, reference in zip(parameters, expected, strict=True):
            np.testing.assert_allclose(parameter.detach().numpy(), reference.value, rtol=1e-12, atol=1e-14)
        for group, decay in zip(optimizer.param_groups, (0.1, 0.0), strict=True):
            assert (group["lr"], group["eps"], group["weight_decay"]) == (lr, eps, decay)  # as told, for schedules
    assert not np.allclose(expected[0].value, starts[0], atol=1e-3)


def test_single_precision() -> None:
    rng = np.random.default_rng(0)
    start = rng.normal(size=100).astype(np.float32)
    parameter = nn.Parameter(torch.from_numpy(start.copy()))
    optimizer = AdamW([parameter], False, lr=1e-3, weight_decay=0.01, eps=1e-6)
    expected = AdamWeightDecay(start.astype(np.float64), 0.01, (0.9, 0.999), 1e-6)
    for _ in range(50):
        gradient = rng.normal(size=100).astype(np.float32)
        parameter.grad = torch.from_numpy(gradient)
        optimizer.step()
        expected.step(gradient.astype(np.float64), 1e-3)
    np.testing.assert_allclose(parameter.detach().numpy(), expected.value, atol=1e-5)


def test_with_bias_correction_it_is_torchs_own() -> None:
    torch.manual_seed(0)
    ours = [nn.Parameter(torch.randn(4, 3, dtype=torch.float64)), nn.Parameter(torch.randn(5, dtype=torch.float64))]
    theirs = [nn.Parameter(parameter.detach().clone()) for parameter in ours]

    def groups(parameters: list[nn.Parameter]) -> list[dict]:
        return [{"params": [p], "weight_decay": decay} for p, decay in zip(parameters, (0.1, 0.0), strict=True)]

    optimizer: torch.optim.Optimizer = corrected(groups(ours), (0.9, 0.999), 1e-6)
    reference = torch.optim.AdamW(groups(theirs), lr=1.0, eps=1e-6, fused=False, foreach=False)
    for number, lr in enumerate(LRS):
        if number == 3:
            optimizer = reloaded(optimizer, corrected(groups(ours), (0.9, 0.999), 1e-6))
        for group in (*optimizer.param_groups, *reference.param_groups):
            group["lr"] = lr
        for one, other in zip(ours, theirs, strict=True):
            one.grad = torch.randn_like(one)
            other.grad = one.grad.clone()
        optimizer.step()
        reference.step()
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("make", [corrected, uncorrected])
def test_a_closure_is_called_once_and_with_gradients(make: Make) -> None:
    moved = []
    for closed in (False, True):
        parameter = nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
        optimizer = make([{"params": [parameter]}], (0.9, 0.999), 1e-6)
        losses: list[float] = []

        def closure(parameter: nn.Parameter = parameter, losses: list[float] = losses) -> float:
            parameter.grad = None
            loss = parameter.square().sum()
            loss.backward()
            losses.append(loss.item())
            return losses[-1]

        for _ in range(3):
            optimizer.param_groups[0]["lr"] = 0.1
            if closed:
                assert optimizer.step(closure) == losses[-1]
            else:
                closure()
                assert optimizer.step() is None
        assert len(losses) == 3
        moved.append(parameter.detach().clone())
    assert torch.equal(*moved)


def test_first_updates_without_correction_are_larger() -> None:
    """With a constant gradient a corrected update is the learning rate: the factors measured on the release."""
    steps: dict[int, float] = {1: 3.16, 2: 4.25, 10: 6.53, 100: 3.24, 1000: 1.26, 5000: 1.00}
    for make, factors in ((uncorrected, steps), (corrected, {1: 1.0, 2: 1.0, 10: 1.0})):
        parameter = nn.Parameter(torch.zeros((), dtype=torch.float64))
        optimizer = make([{"params": [parameter], "weight_decay": 0.0}], (0.9, 0.999), 1e-12)
        optimizer.param_groups[0]["lr"] = 1.0
        parameter.grad = torch.ones_like(parameter)
        before = 0.0
        for number in range(1, max(factors) + 1):
            optimizer.step()
            if number in factors:
                assert before - parameter.item() == pytest.approx(factors[number], abs=0.006), number
            before = parameter.item()


# ---- schedules -------------------------------------------------------------------------------------------------------


def learning_rates(steps: int, total: int, **settings: object) -> list[float]:
    """The learning rate of each update, as the optimiser has it, for a peak of 2."""
    module = nn.Linear(2, 2)
    spec = OptimizerSpec.of({"lr": 2.0, **settings})
    optimizer, schedule = build(module, spec, total)
    rates = []
    for _ in range(steps):
        rates.append({group["lr"] for group in optimizer.param_groups})
        module.weight.grad, module.bias.grad = torch.zeros(2, 2), torch.zeros(2)
        optimizer.step()
        schedule.step()
    assert all(len(rate) == 1 for rate in rates)
    return [rate.pop() / 2 for rate in rates]


def test_jump_falls_at_the_end_of_the_warm_up() -> None:
    jump = SCHEDULES["jump"]
    assert jump(0, 10_000, 1_000_000) == 0
    assert jump(5_000, 10_000, 1_000_000) == 0.5
    assert jump(9_999, 10_000, 1_000_000) == 0.9999
    assert jump(10_000, 10_000, 1_000_000) == 0.99
    assert jump(500_000, 10_000, 1_000_000) == 0.5
    assert jump(1_000_000, 10_000, 1_000_000) == jump(1_000_001, 10_000, 1_000_000) == 0


def test_mrpcs_learning_rates() -> None:
    """343 steps with a tenth of warm-up: 34 whole steps, as in the release."""
    rates = learning_rates(345, 343, schedule="jump", warmup=0.1)
    assert rates[0] == 0
    assert rates[33] == max(rates) == pytest.approx(0.971, abs=5e-4)
    assert rates[34] == pytest.approx(0.901, abs=5e-4)
    assert rates[342] == pytest.approx(1 / 343)
    assert rates[343] == rates[344] == 0


@pytest.mark.parametrize(("total", "warmup"), [(343, 0.1), (100, 0.25), (50, 7), (50, 0), (7, 0.1), (10, 10), (1, 0.1)])
def test_schedules_over_a_whole_run(total: int, warmup: float) -> None:
    whole = int(warmup * total) if warmup < 1 else int(warmup)
    steps = np.arange(total + 3)
    rising = steps / max(whole, 1)
    falls = {
        "jump": np.maximum(0, 1 - steps / total),
        "linear": np.maximum(0, (total - steps) / max(1, total - whole)),
        "cosine": 0.5 + np.cos(np.pi * np.clip((steps - whole) / max(1, total - whole), 0, 1)) / 2,
        "constant": np.ones(total + 3),
    }
    assert set(falls) == set(SCHEDULES)
    for schedule, falling in falls.items():
        rates = learning_rates(total + 3, total, schedule=schedule, warmup=warmup)
        np.testing.assert_allclose(rates, np.where(steps < whole, rising, falling), atol=1e-12)
        assert (rates[0] == 0) == (whole > 0)


@pytest.mark.parametrize(("total", "warmup"), [(343, 34), (60, 0), (20, 20)])
def test_linear_is_transformers_schedule(total: int, warmup: int) -> None:
    theirs = pytest.importorskip("transformers.optimization", reason="transformers is a test dependency (extra: peers)")
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1.0)
    schedule = theirs.get_linear_schedule_with_warmup(optimizer, warmup, total)
    expected = []
    for _ in range(total + 2):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert learning_rates(total + 2, total, schedule="linear", warmup=warmup) == pytest.approx(expected, abs=1e-12)


# ---- which parameters decay ------------------------------------------------------------------------------------------


def names_of(module: nn.Module, parameters: Sequence[nn.Parameter]) -> set[str]:
    names = {id(parameter): name for name, parameter in module.named_parameters()}
    assert len({id(parameter) for parameter in parameters}) == len(parameters)
    return {names[id(parameter)] for parameter in parameters}


@pytest.mark.parametrize("task", [None, "classification", "regression"])
@pytest.mark.parametrize("nsp", [True, False])
def test_biases_and_layer_norms_do_not_decay_in_bert(task: str | None, nsp: bool) -> None:
    model = bert(nsp=nsp)
    if task:
        model.attach(Task("x", task, num_labels=2, metrics=("accuracy",), headline="accuracy"))
    decayed, kept = (names_of(model, group) for group in decays(model))
    everything = {name for name, _ in model.named_parameters()}
    assert decayed | kept == everything
    assert not decayed & kept
    # the release looks for LayerNorm, layer_norm and bias in a variable's name
    assert kept == {name for name in everything if "bias" in name or "norm" in name}
    norms = sum(isinstance(part, nn.LayerNorm) for part in model.modules())
    assert norms == 1 + 2 * TINY["num_layers"] + (task is None)
    assert sum("norm" in name for name in kept) == 2 * norms
    assert {f"encoder.embeddings.{table}.weight" for table in ("token", "position", "segment")} <= decayed
    shapes = {tuple(parameter.shape) for parameter in decays(model)[1]}
    assert all(len(shape) == 1 for shape in shapes)
    assert all(parameter.ndim == 2 for parameter in decays(model)[0])
    optimizer, _ = build(model, OptimizerSpec(lr=1.0, weight_decay=0.03), 10)
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.03, 0.0]
    assert [names_of(model, group["params"]) for group in optimizer.param_groups] == [decayed, kept]
    assert isinstance(optimizer, AdamW)
    assert optimizer.bias_correction


def test_decay_groups_of_bert_base_hold_all_its_parameters() -> None:
    with torch.device("meta"):
        model = Bert(optimizer={"lr": 1e-4}, finetuning={"lr": 5e-5})
    decayed, kept = (sum(parameter.numel() for parameter in group) for group in decays(model))
    assert decayed + kept == 110_106_428
    # per layer: biases of the four attention maps and of the feed-forward, two norms; then embeddings' norm, pooler's
    # bias, the masked-LM head's bias, norm and output bias, the next-sentence bias
    width = 768
    assert kept == 12 * (4 * width + 4 * width + width + 4 * width) + 2 * width + width + 3 * width + 30522 + 2


def test_frozen_parameters_are_left_out_and_what_spec_says_arrives() -> None:
    model = bert()
    model.encoder.embeddings.token.weight.requires_grad_(False)
    frozen = "encoder.embeddings.token.weight"
    assert frozen not in set.union(*(names_of(model, group) for group in decays(model)))
    spec = OptimizerSpec.of({"lr": 3e-4, "betas": [0.8, 0.98], "eps": 1e-5, "bias_correction": False, "warmup": 0})
    optimizer, _ = build(model, spec, 10)
    assert isinstance(optimizer, AdamW)
    assert not optimizer.bias_correction
    for group in optimizer.param_groups:
        assert (group["lr"], group["betas"], group["eps"]) == (3e-4, (0.8, 0.98), 1e-5)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, ["optimizer.lr is missing"]),
        ({"lr": 1e-4, "momentum": 0.9}, ["'momentum'", "lr, kind, schedule, warmup, weight_decay"]),
        ({"lr": 1e-4, "schedule": "step"}, ["optimizer.schedule='step'", "jump, linear, cosine, constant"]),
        ({"lr": 1e-4, "bias_correction": "no"}, ["optimizer.bias_correction='no'", "True, False"]),
        ({"lr": "1e-4"}, ["optimizer.lr='1e-4'", "a number from 0 up"]),
        ({"lr": 1e-4, "warmup": -1}, ["optimizer.warmup=-1", "a number from 0 up"]),
        ({"lr": 1e-4, "clip": True}, ["optimizer.clip=True", "a number from 0 up"]),
        ({"lr": float("nan")}, ["optimizer.lr=nan", "a number from 0 up"]),
    ],
)
def test_refusals_name_the_key_and_what_is_allowed(values: dict, words: list[str]) -> None:
    with pytest.raises(Refused) as caught:
        OptimizerSpec.of(values)
    assert all(word in str(caught.value) for word in words), caught.value


# ---- initialisation --------------------------------------------------------------------------------------------------


def cut_std(std: float) -> float:
    """Of a normal variable cut at two standard deviations."""
    density = math.exp(-2) / math.sqrt(2 * math.pi)
    return std * math.sqrt(1 - 2 * 2 * density / math.erf(math.sqrt(2)))


def test_truncated_normal() -> None:
    assert cut_std(0.02) == pytest.approx(0.0176, abs=5e-5)
    torch.manual_seed(0)
    for std in (0.02, 0.5):
        weight = torch.empty(500, 500)
        truncated_normal(weight, std)
        assert weight.abs().max() <= 2 * std
        assert weight.abs().max() > 1.99 * std
        assert weight.std().item() == pytest.approx(cut_std(std), rel=0.01)
        assert weight.mean().item() == pytest.approx(0, abs=0.01 * std)


@pytest.mark.parametrize("how", ["truncated_normal", "normal"])
def test_bert_is_initialised_as_told(how: str) -> None:
    torch.manual_seed(0)
    pretrained, tuned = bert(init=how), bert(init=how, nsp=False)
    tuned.attach(Task("x", "classification", num_labels=2, metrics=("accuracy",), headline="accuracy"))
    std = cut_std(0.02) if how == "truncated_normal" else 0.02
    for model in (pretrained, tuned):
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                assert not parameter.any(), name
            elif "norm" in name:
                assert (parameter == 1).all(), name
            else:
                error = 5 * std / math.sqrt(2 * parameter.numel())
                assert parameter.std().item() == pytest.approx(std, abs=error), name
                assert parameter.abs().max() <= 0.04 or how == "normal", name
        table = model.encoder.embeddings.token.weight
        assert (table.abs().max() > 0.06) == (how == "normal")


def test_initialise_leaves_norms_alone() -> None:
    module = nn.Sequential(nn.Embedding(5, 4), nn.LayerNorm(4), nn.Linear(4, 3, bias=False))
    nn.init.constant_(module[1].weight, 7)  # pyright: ignore[reportArgumentType]
    initialise(module, "truncated_normal")
    assert (module[1].weight == 7).all()  # pyright: ignore
