"""ELMo's LSTMs: a second implementation, torch's own, and what neither direction may see."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.flop_counter import FlopCounterMode

from lightning_modules.networks.attention import Runs
from lightning_modules.networks.bilm import BiLm, ProjectedLstm, State, both_ways, together

D, U = 4, 6
RUNS: Runs = [(2, 1), (1, 3), (3, 5)]  # sentences of a batch
LENGTHS = [length for count, length in RUNS for _ in range(count)]
STARTS = np.cumsum([0, *LENGTHS]).tolist()
SIZES = [6, 4, 4, 3, 3]  # how many have each step
N = sum(SIZES)


def spread(model: Any, scale: float = 0.5) -> Any:
    """Weights large enough that gates are far from half open."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * scale)
    return model


def lstm(cell_clip: float | None = None, projection_clip: float | None = None) -> ProjectedLstm:
    return spread(ProjectedLstm(D, U, cell_clip, projection_clip))


def bilm(num_layers: int = 2, clip: float | None = 0.8) -> BiLm:
    return spread(BiLm(D, U, num_layers, clip, clip, 0.0))


def inputs(seed: int = 2) -> Tensor:
    return torch.randn(2, N, D, generator=torch.Generator().manual_seed(seed))


def text(seed: int = 2) -> Tensor:
    return inputs(seed)[0].clone()


def top(model: BiLm, x: Tensor, runs: Runs) -> Tensor:
    """(N, D) -> (N, 2 D) of the top layer."""
    turned, order, sizes = both_ways(x, runs)
    return together(model(turned, sizes)[0][-1], order)


def rows(tokens: Tensor, number: int) -> Tensor:
    """Of tensors in step order one sequence's, the longest being number 0."""
    starts = np.cumsum([0, *SIZES[:-1]])
    return torch.stack([tokens[start + number] for start, size in zip(starts, SIZES, strict=True) if number < size])


# ---- a second implementation -----------------------------------------------------------------------------------------


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def second(layer: Any, x: np.ndarray, way: int, clips: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """One sequence (n, D), a token at a time (TensorFlow's LSTMCell) -> (n, D), and the cells (n, U)."""
    weight, bias, projection = (p.detach().double().numpy()[way] for p in (layer.weight, layer.bias, layer.projection))
    h, c, outputs, cells = np.zeros(D), np.zeros(U), [], []
    for token in x:
        i, j, f, o = np.split(np.concatenate([token, h]) @ weight + bias, 4)
        c = np.clip(sigmoid(f) * c + sigmoid(i) * np.tanh(j), -clips[0], clips[0])
        h = np.clip((sigmoid(o) * np.tanh(c)) @ projection, -clips[1], clips[1])
        outputs.append(h)
        cells.append(c)
    return np.array(outputs), np.array(cells)


def plain(layer: ProjectedLstm, x: Tensor, sizes: list[int], state: State) -> tuple[Tensor, State]:
    """The same steps by autograd: tf.clip_by_value passes a gradient inside its bounds alone, as clamp does."""
    (h, c), outputs = state, []
    for tokens in x.split(sizes, dim=1):
        n = tokens.shape[1]
        gates = torch.cat([tokens, h[:, :n]], dim=2) @ layer.weight + layer.bias[:, None]
        i, j, f, o = gates.chunk(4, dim=-1)
        new = f.sigmoid() * c[:, :n] + i.sigmoid() * j.tanh()
        new = new if layer.clips[0] is None else new.clamp(-layer.clips[0], layer.clips[0])
        out = (o.sigmoid() * new.tanh()) @ layer.projection
        out = out if layer.clips[1] is None else out.clamp(-layer.clips[1], layer.clips[1])
        outputs.append(out)
        h, c = torch.cat([out, h[:, n:]], dim=1), torch.cat([new, c[:, n:]], dim=1)
    return torch.cat(outputs, dim=1), (h, c)


@torch.no_grad()
@pytest.mark.parametrize("clips", [(np.inf, np.inf), (0.5, np.inf), (np.inf, 0.2), (0.5, 0.2)])
def test_a_sequence_is_what_a_second_implementation_makes_of_it(clips: tuple[float, float]) -> None:
    layer, x = lstm(*(None if clip == np.inf else clip for clip in clips)), inputs()
    y, (h, c) = layer(x, SIZES)
    reached = np.zeros(2)
    for way in range(2):
        for number in range(SIZES[0]):
            outputs, cells = second(layer, rows(x[way], number).double().numpy(), way, clips)
            np.testing.assert_allclose(rows(y[way], number).numpy(), outputs, atol=1e-5)
            np.testing.assert_allclose(h[way, number].numpy(), outputs[-1], atol=1e-5)
            np.testing.assert_allclose(c[way, number].numpy(), cells[-1], atol=1e-5)
            reached += [(np.abs(cells) >= clips[0]).any(), (np.abs(outputs) >= clips[1]).any()]
    assert [bool(count) for count in reached] == [clip < np.inf for clip in clips]


def test_it_is_torchs_lstm_where_nothing_is_clipped() -> None:
    """With the same weights; torch has the gates in the order i, f, g = j, o, and two biases."""
    layer, x = lstm(), inputs().requires_grad_()
    for way in range(2):
        other = nn.LSTM(D, U, proj_size=D)

        def theirs(tensor: Tensor) -> Tensor:
            i, j, f, o = tensor.detach().chunk(4, dim=-1)
            return torch.cat([i, f, j, o], dim=-1)

        weight = theirs(layer.weight[way]).T
        values = weight[:, :D], weight[:, D:], theirs(layer.bias[way]), torch.zeros(4 * U), layer.projection[way].T
        with torch.no_grad():
            for parameter, value in zip(other.parameters(), values, strict=True):
                parameter.copy_(value)
        expected, (h, c) = other(PackedSequence(x[way], torch.tensor(SIZES)))
        mine, state = layer(x, SIZES)
        torch.testing.assert_close(mine[way], expected.data)
        torch.testing.assert_close((state[0][way], state[1][way]), (h[0], c[0]))
        names = [layer.weight, layer.projection, x]
        found = torch.autograd.grad(mine[way].square().sum(), names)
        ours = torch.autograd.grad(expected.data.square().sum(), [*other.parameters(), x])
        merged = torch.cat(ours[:2], dim=1).T
        torch.testing.assert_close(theirs(found[0][way]), merged)
        torch.testing.assert_close(found[1][way].T, ours[4])
        torch.testing.assert_close(found[2], ours[5])
        assert not found[2][1 - way].any()  # nothing passes between the directions


@pytest.mark.parametrize("clips", [(None, None), (0.5, 0.2)])
@pytest.mark.parametrize("sizes", [[3, 3, 3], [4, 2, 2, 1]])
def test_gradients(clips: tuple, sizes: list[int]) -> None:
    """Of the input, the weights and the state; through outputs and last states."""
    layer = lstm(*clips).double()
    x = inputs()[:, : sum(sizes)].double().requires_grad_()
    state = [torch.randn(2, sizes[0], n, dtype=torch.double).mul(0.1).requires_grad_() for n in (D, U)]
    everything = [x, *state, *layer.parameters()]

    def outputs(run: Any) -> list[Tensor]:
        y, (h, c) = run(x, sizes, (state[0], state[1]))
        return [y, h, c]

    weights = [torch.randn_like(out) for out in outputs(layer)]
    mine = torch.autograd.grad(outputs(layer), everything, weights)
    expected = torch.autograd.grad(outputs(lambda *arguments: plain(layer, *arguments)), everything, weights)
    torch.testing.assert_close(mine, expected)
    assert torch.autograd.gradcheck(lambda *_: tuple(outputs(layer)), everything, fast_mode=True)


def test_nothing_comes_back_from_what_was_clipped() -> None:
    """Bounds so narrow that all is clipped: the output is a bound, and no weight can change it."""
    for clips in ((1e-6, None), (None, 1e-6)):
        layer, x = lstm(*clips), inputs().requires_grad_()
        y, (h, c) = layer(x, SIZES)
        assert ((c if clips[0] else h).abs() == torch.tensor(1e-6)).all()
        gradients = torch.autograd.grad((y if clips[1] else c).sum(), [x, layer.weight, layer.bias])
        assert not any(gradient.any() for gradient in gradients)


# ---- states ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 3])
def test_a_state_goes_on_where_a_batch_was_cut(cut: int) -> None:
    """Streams of 5 tokens, in two batches: outputs are those of one, and so are gradients through the cut."""
    model, streams = bilm(), 3
    x = torch.randn(2, 5 * streams, D, requires_grad=True)
    whole, expected = model(x, [streams] * 5)
    first, states = model(x[:, : cut * streams], [streams] * cut)
    then, states = model(x[:, cut * streams :], [streams] * (5 - cut), states)
    for layer in range(2):
        torch.testing.assert_close(torch.cat([first[layer], then[layer]], dim=1), whole[layer])
        torch.testing.assert_close(states[layer], expected[layer])
    later = whole[-1][:, cut * streams :]
    mine, theirs = (torch.autograd.grad(out.square().sum(), x)[0] for out in (then[-1], later))
    torch.testing.assert_close(mine, theirs)
    assert not torch.equal(model(x[:, cut * streams :], [streams] * (5 - cut))[0][0], then[0])  # a state is read


# ---- both directions over sentences ----------------------------------------------------------------------------------


def test_each_direction_reads_each_sentence_in_its_order() -> None:
    x = torch.arange(N, dtype=torch.float)[:, None]
    turned, order, sizes = both_ways(x, RUNS)
    assert sizes == SIZES
    assert all(type(size) is int for size in sizes)
    assert torch.equal(turned[..., 0].long(), order)
    sentences = [list(range(first, stop)) for first, stop in pairwise(STARTS)][::-1]
    for number, sentence in enumerate(sentences):
        assert rows(order[0], number).tolist() == sentence
        assert rows(order[1], number).tolist() == sentence[::-1]
    assert torch.equal(together(turned, order), x.expand(N, 2))


@torch.no_grad()
def test_a_sentence_among_others_is_what_it_is_alone() -> None:
    model, x = bilm(), text()
    found = top(model, x, RUNS)
    for first, stop in pairwise(STARTS):
        alone = top(model, x[first:stop], [(1, stop - first)])
        torch.testing.assert_close(found[first:stop], alone)


@torch.no_grad()
def test_neither_direction_sees_what_it_is_asked_for() -> None:
    """Of a long sentence each token is changed: who has not yet read it gives the same bits, who has gives others."""
    model, x = bilm(), text()
    first, stop = STARTS[-2:]
    before = top(model, x, RUNS)
    for place in range(first, stop):
        changed = x.clone()
        changed[place] += 1.0
        after = top(model, changed, RUNS)
        differs = (before != after).view(N, 2, D).any(2)
        numbers = torch.arange(N)
        inside = (numbers >= first) & (numbers < stop)
        assert torch.equal(differs[:, 0], inside & (numbers >= place))
        assert torch.equal(differs[:, 1], inside & (numbers <= place))


# ---- layers ----------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_layers_from_the_second_on_add_what_they_read() -> None:
    model, x = bilm(num_layers=3), inputs()
    outputs, _ = model(x, SIZES)
    assert len(outputs) == 3
    below = None
    for layer, found in zip(model.layers, outputs, strict=True):
        expected = layer(x if below is None else below, SIZES)[0]
        torch.testing.assert_close(found, expected if below is None else expected + below)
        below = found


class Same(nn.Module):
    def forward(self, x: Tensor, sizes: list[int], state: State | None) -> tuple[Tensor, State | None]:
        return x, state


@torch.no_grad()
def test_dropout_is_on_what_a_layer_reads_and_on_what_is_added() -> None:
    """With weights of zero a layer gives zero, and what it reads, dropped, is what is left."""
    model, x = BiLm(D, U, 2, 3.0, 3.0, 0.5).train(), torch.ones(2, N, D)
    model.layers[0] = Same()
    for parameter in model.layers[1].parameters():
        parameter.zero_()
    first, second_one = model(x, SIZES)[0]
    assert set(first.unique().tolist()) == {0.0, 2.0}
    assert set(second_one.unique().tolist()) == {0.0, 4.0}
    assert not second_one[first == 0].any()
    first, second_one = model.eval()(x, SIZES)[0]
    assert torch.equal(first, x)
    assert torch.equal(second_one, x)


def test_numbers_and_first_values_are_the_releases() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in BiLm(512, 4096, 2, 3.0, 3.0, 0.1).parameters()) == 75_563_008
    layer = ProjectedLstm(32, 64, 3.0, 3.0)
    assert layer.bias.tolist() == [[0.0] * 128 + [1.0] * 64 + [0.0] * 64] * 2  # 1 for f
    for matrix, bound in ((layer.weight, (6 / (64 + 256)) ** 0.5), (layer.projection, (6 / (64 + 32)) ** 0.5)):
        for way in matrix.detach():  # glorot's bounds are those of one direction
            assert bound >= float(way.abs().max()) > 0.98 * bound
    assert not torch.equal(layer.weight[0], layer.weight[1])


# ---- precision, work -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gradient", [False, True])
def test_it_runs_in_bfloat16(gradient: bool) -> None:
    """Products in half the bits, cells in the weights' precision, and a state that the next batch can take."""
    model, x = bilm(clip=3.0), inputs()
    exact, _ = model(x, SIZES)
    with torch.autocast("cpu", dtype=torch.bfloat16), torch.set_grad_enabled(gradient):
        found, states = model(x, SIZES)
        again, _ = model(x, SIZES, states)
    assert found[0].dtype == torch.bfloat16
    assert states[0][1].dtype == torch.float32
    torch.testing.assert_close(found[0].float(), exact[0], atol=0.05, rtol=0.05)
    assert again[-1].isfinite().all()
    if gradient:
        found[-1].float().square().sum().backward()
        mine = [p.grad.clone() for p in model.parameters() if p.grad is not None]
        expected = torch.autograd.grad(exact[-1].square().sum(), list(model.parameters()))
        for a, b in zip(mine, expected, strict=True):
            assert a.dtype == torch.float32
            assert float((a - b).norm() / b.norm()) < 0.05


def test_its_flops_are_counted() -> None:
    """2 for each weight and token that meet; the backward pass has twice the products of the forward one."""
    layer, x = lstm(), inputs().requires_grad_()
    with FlopCounterMode(display=False) as counter:
        y = layer(x, SIZES)[0]
        assert counter.get_total_flops() == 2 * N * (layer.weight.numel() + layer.projection.numel())
        y.sum().backward()
    assert counter.get_total_flops() == 3 * 2 * N * (layer.weight.numel() + layer.projection.numel())
