"""ELMo's words from their characters: a second implementation, and what the release fixes."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lightning_modules.networks.char_cnn import BestWindow, CharCnn, Highway

FILTERS = ((1, 3), (2, 4), (4, 5))
PAD = 260


def small(**changes: int) -> CharCnn:
    """Weights large enough that relus and gates are far from what they start as."""
    torch.manual_seed(0)
    cnn = CharCnn(**{"width": 6, "char_size": 5, "filters": FILTERS, **changes})  # pyright: ignore
    with torch.no_grad():
        for parameter in cnn.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return cnn


def spelled(columns: int, count: int = 9, longest: int = 8) -> torch.Tensor:
    """(count, columns) random words with their marks, padded."""
    rng = np.random.default_rng(1)
    words = np.full((count, columns), PAD)
    for row in words:
        length = rng.integers(3, longest + 1)
        row[:length] = [258, *rng.integers(0, 256, length - 2), 259]
    words[0, :longest] = [258, *rng.integers(0, 256, longest - 2), 259]
    return torch.from_numpy(words)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def second(cnn: CharCnn, word: list[int]) -> np.ndarray:
    """One word, a window and a filter at a time."""
    w = {name: tensor.double().numpy() for name, tensor in cnn.state_dict().items()}
    embedded = [w["embedding.weight"][character] for character in word]
    values = []
    for kind in range(len(cnn.filters)):
        size, _, count = w[f"filters.{kind}"].shape
        for number in range(count):
            ours = w[f"filters.{kind}"][:, :, number]
            windows = [embedded[first : first + size] for first in range(len(word) - size + 1)]
            values.append(max(sum(a @ b for a, b in zip(ours, window, strict=True)) for window in windows))
    x = np.maximum(np.array(values) + w["bias"], 0)
    for number in range(len(cnn.highways)):
        both = w[f"highways.{number}.both.weight"] @ x + w[f"highways.{number}.both.bias"]
        gate, transformed = sigmoid(both[: len(x)]), np.maximum(both[len(x) :], 0)
        x = gate * transformed + (1 - gate) * x
    return w["projection.weight"] @ x + w["projection.bias"]


@pytest.mark.parametrize("gradient", [False, True])
def test_a_word_is_what_a_second_implementation_makes_of_it(gradient: bool) -> None:
    cnn, characters = small(), spelled(12)
    with torch.set_grad_enabled(gradient):
        found = cnn(characters)
    expected = np.stack([second(cnn, word) for word in characters.tolist()])
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-5)


def test_gradients_are_those_of_convolutions() -> None:
    """torch's own convolution in the place of the tables, in double precision."""
    cnn, characters = small().double(), spelled(12)
    table = (cnn.embedding.weight @ cnn.filters[2]).detach().requires_grad_()
    assert torch.autograd.gradcheck(lambda table: BestWindow.apply(table, characters[:4]), table, fast_mode=True)
    mine = torch.autograd.grad(cnn(characters).square().sum(), list(cnn.parameters()))
    x = cnn.embedding(characters).transpose(1, 2)
    best = torch.cat([F.conv1d(x, kind.permute(2, 1, 0)).amax(2) for kind in cnn.filters], dim=1)
    out = cnn.projection(cnn.highways((best + cnn.bias).relu()))
    theirs = torch.autograd.grad(out.square().sum(), list(cnn.parameters()))
    for a, b in zip(mine, theirs, strict=True):
        torch.testing.assert_close(a, b)
    assert all(gradient.any() for gradient in mine)
    names = [name for name, _ in cnn.named_parameters()]
    assert mine[names.index("embedding.weight")][PAD].any()  # padding has a row of its own, and learns


def test_columns_of_padding_may_be_left_out() -> None:
    """Where the longest word keeps as many as the widest filter has; with fewer, a window of padding is missing."""
    cnn, longest = small(), 8
    assert cnn.widest == 4
    whole = spelled(50)
    kept = longest + cnn.widest
    found, gradients = [], []
    for characters in (whole, whole[:, :kept]):
        out = cnn(characters)
        found.append(out)
        gradients.append(torch.autograd.grad(out.square().sum(), list(cnn.parameters())))
    assert torch.equal(*found)
    for a, b in zip(*gradients, strict=True):
        torch.testing.assert_close(a, b)
    with torch.no_grad():
        assert torch.equal(cnn(whole[:, :kept]), found[0])
        assert not torch.equal(cnn(whole[:, :longest]), found[0])


def test_numbers_and_first_values_are_the_releases() -> None:
    torch.manual_seed(0)
    cnn = CharCnn(512)
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in cnn.named_children()}
    assert count["embedding"] + count["filters"] + cnn.bias.numel() == 203_344
    assert count["highways"] == 16_785_408
    assert count["projection"] == 1_049_088
    assert [tuple(kind.shape) for kind in cnn.filters] == [
        (k, 16, n) for k, n in zip(range(1, 8), (32, 32, 64, 128, 256, 512, 1024), strict=True)
    ]
    for tensor, bound in ((cnn.embedding.weight, 1.0), (cnn.filters[6], 0.05)):
        low, high = float(tensor.detach().min()), float(tensor.detach().max())
        assert -bound <= low < -0.99 * bound
        assert 0.99 * bound < high <= bound
    highways = [highway.both for highway in cnn.highways if isinstance(highway, Highway)]
    for linear in (cnn.projection, *highways):
        assert float(linear.weight.detach().std()) == pytest.approx(1 / math.sqrt(2048), rel=0.01)
    assert [highway.bias.tolist() for highway in highways] == [[-2.0] * 2048 + [0.0] * 2048] * 2
    assert not cnn.bias.any()
    assert not cnn.projection.bias.any()


def test_it_runs_in_bfloat16() -> None:
    cnn, characters = small(), spelled(12)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = cnn(characters)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), cnn(characters), atol=0.05, rtol=0.05)
    found.float().sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in cnn.parameters())
