"""Which layers a task reads and in which proportion, derived a second time in numpy; its special cases and limits."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from datamodules.task import Refused
from lightning_modules.layer_mix import CHOICES, LayerMix, chosen
from lightning_modules.networks.task_rnn import TaskRnn, attended, maximum
from lightning_modules.optim import OptimizerSpec, decays, make

LAYERS = torch.randn(5, 7, 4, generator=torch.Generator().manual_seed(0))


def mix(choice: str | int = "mix", layers: int = 5, gamma: bool = True, dropout: float = 0.0) -> LayerMix:
    return LayerMix(choice, layers, gamma, dropout)


# ---- which layers ----------------------------------------------------------------------------------------------------


ALL = (0, 1, 2, 3, 4)


@pytest.mark.parametrize(
    ("choice", "layers"),
    [("mix", ALL), ("average", ALL), ("last", (4,)), (0, (0,)), (3, (3,)), ("concat4", ALL[1:]), ("mix4", ALL[1:])],
)
def test_the_layers_that_a_choice_reads(choice: Any, layers: tuple[int, ...]) -> None:
    assert chosen(choice, 5) == layers


@pytest.mark.parametrize(("choice", "total"), [(5, 5), ("concat4", 3)])
def test_layers_that_a_model_has_not_are_refused(choice: Any, total: int) -> None:
    with pytest.raises(
        Refused, match=rf"transfer\.layers={choice!r} .* {total} layers.* from 0 to {total - 1}\."
    ) as told:
        chosen(choice, total)
    assert ("concat4, " in str(told.value).partition(";")[2]) == (total > 3)


# ---- the mix ---------------------------------------------------------------------------------------------------------


def test_the_mix_is_equation_1() -> None:
    module, w, gamma = mix(), np.array([0.3, -1.0, 2.0, 0.0, 0.5]), -1.7
    assert module.weight is not None
    assert module.gamma is not None
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(w))
        module.gamma.fill_(gamma)
    s = np.exp(w) / np.exp(w).sum()
    expected = gamma * sum(s[i] * LAYERS[i].double().numpy() for i in range(5))
    np.testing.assert_allclose(module(LAYERS).detach().numpy(), expected, rtol=1e-5)
    penalty = module.penalty()
    assert penalty is not None
    assert float(penalty.detach()) == pytest.approx((w**2).sum())
    learned = module.learned()
    assert learned["weights"] == pytest.approx(s.tolist())
    assert learned["gamma"] == pytest.approx(gamma)


def test_it_begins_as_the_average_and_the_release_s_shift_changes_nothing() -> None:
    module = mix()
    torch.testing.assert_close(module(LAYERS), LAYERS.mean(0))
    shifted = mix()
    assert shifted.weight is not None
    nn.init.constant_(shifted.weight, 1 / 5)  # the release: softmax(W + 1 / L)
    torch.testing.assert_close(shifted(LAYERS), module(LAYERS))


@pytest.mark.parametrize(
    "choice", [choice for choice in CHOICES if not choice.startswith("mix") and choice != "none"] + [2]
)
def test_other_choices_have_no_weights(choice: Any) -> None:
    layers = LAYERS[list(chosen(choice, 5))]
    module = mix(choice, len(layers))
    expected = {
        "last": LAYERS[4],
        "second_to_last": LAYERS[3],
        "average": LAYERS.mean(0),
        2: LAYERS[2],
        "concat4": torch.cat(LAYERS[1:].unbind(), -1),
    }
    torch.testing.assert_close(module(layers), expected[choice])
    assert [name for name, _ in module.named_parameters()] == ["gamma"]
    assert module.penalty() is None
    assert list(mix(choice, len(layers), gamma=False).parameters()) == []
    nn.init.constant_(next(module.parameters()), 3.0)
    torch.testing.assert_close(module(layers), 3 * expected[choice])


def test_a_mix_of_the_last_four_is_that_of_four_layers() -> None:
    four, others = mix("mix4", 4), mix("mix", 4)
    for module in (four, others):
        assert module.weight is not None
        nn.init.constant_(module.weight[1:2], 2.0)
    torch.testing.assert_close(four(LAYERS[1:]), others(LAYERS[1:]))
    assert four.penalty() == others.penalty()


def test_dropout_is_of_training_alone() -> None:
    module = mix(dropout=0.5)
    assert (module(LAYERS) == 0).any()
    assert not (module.eval()(LAYERS) == 0).any()


def trained(l2: float) -> list[float]:
    """Weights learnt for a target that is the last layer alone."""
    module = mix()
    optimizer = torch.optim.Adam(module.parameters(), lr=0.05)
    for _ in range(200):
        penalty = module.penalty()
        assert penalty is not None
        loss = (module(LAYERS) - LAYERS[4]).square().mean() + l2 * penalty
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = module.learned()["weights"]
    assert isinstance(weights, list)
    return weights


def test_a_large_penalty_makes_it_the_average() -> None:
    assert trained(0.001)[4] > 0.7
    assert trained(100.0) == pytest.approx([0.2] * 5, abs=0.01)


def test_nothing_of_it_decays() -> None:
    model = nn.Sequential(nn.Linear(4, 4), mix())
    decayed, kept = decays(model)
    assert [tuple(p.shape) for p in decayed] == [(4, 4)]
    assert [tuple(p.shape) for p in kept] == [(4,), (5,), ()]
    assert make(model, OptimizerSpec(lr=1.0, weight_decay=0.5)).param_groups[1]["weight_decay"] == 0


# ---- the task network ------------------------------------------------------------------------------------------------

RUNS = [(1, 2), (2, 3), (1, 5)]  # four texts in 13 tokens
TEXTS = [slice(0, 2), slice(2, 5), slice(5, 8), slice(8, 13)]
PAIRS = torch.tensor([[3, 0], [1, 2]])


def test_the_maximum_is_over_a_text_s_own_tokens() -> None:
    h = torch.randn(13, 6) - 5  # a padding of zeros would win
    np.testing.assert_array_equal(maximum(h, RUNS), np.stack([h[text].numpy().max(0) for text in TEXTS]))


def test_attention_is_the_softmax_of_dot_products_with_the_other_text() -> None:
    h = torch.randn(13, 6, dtype=torch.float64)
    found = attended(h, RUNS, PAIRS)
    for one, other in ((3, 0), (0, 3), (1, 2), (2, 1)):
        mine, theirs = h[TEXTS[one]].numpy(), h[TEXTS[other]].numpy()
        weights = np.exp(mine @ theirs.T)
        expected = weights / weights.sum(1, keepdims=True) @ theirs
        np.testing.assert_allclose(found[TEXTS[one]].numpy(), expected, rtol=1e-5, atol=1e-6)


@torch.no_grad()
def test_the_features_of_a_pair() -> None:
    """[u; v; |u - v|; u * v] of each text's BiLSTM states and what is plugged in beside them."""
    network = TaskRnn(4, 2, size=3, layers=2, dropout=0.5, is_pair=True, attention=False).eval()
    x, beside = torch.randn(13, 4), torch.randn(13, 2)
    found = network(x, beside, RUNS, PAIRS.flatten())
    texts = [torch.cat([network.lstm(x[text])[0], beside[text]], -1).numpy().max(0) for text in TEXTS]
    expected = [
        np.concatenate([u := texts[a], v := texts[b], np.abs(u - v), u * v]) for a, b in PAIRS.tolist()
    ]  # fmt: skip
    np.testing.assert_allclose(found.numpy(), np.stack(expected), atol=1e-6)
    assert found.shape == (2, network.width)


@torch.no_grad()
def test_with_attention_a_second_bilstm_reads_all_of_it() -> None:
    network = TaskRnn(4, 2, size=3, layers=1, dropout=0.5, is_pair=True, attention=True).eval()
    assert network.modelling is not None
    x, beside = torch.randn(13, 4), torch.randn(13, 2)
    found = network(x, beside, RUNS, PAIRS.flatten())
    h = torch.cat([network.lstm(x[text])[0] for text in TEXTS])
    both = torch.cat([h, attended(h, RUNS, PAIRS), beside], -1)
    u, v = (network.modelling(both[TEXTS[text]])[0].amax(0) for text in (3, 0))
    torch.testing.assert_close(found[0], torch.cat([u, v, (u - v).abs(), u * v]))
    assert found.shape == (2, network.width)


@torch.no_grad()
def test_a_single_text_is_its_maximum() -> None:
    network = TaskRnn(4, 0, size=3, layers=1, dropout=0.5, is_pair=False, attention=True).eval()
    assert network.modelling is None
    x = torch.randn(13, 4)
    found = network(x, None, RUNS, torch.tensor([2, 0, 1, 3]))
    expected = torch.stack([network.lstm(x[TEXTS[text]])[0].amax(0) for text in (2, 0, 1, 3)])
    torch.testing.assert_close(found, expected)
