"""The reader: attention both ways and the whole network derived a second time in numpy, each window by itself."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lightning_modules.networks.padding import Padding
from lightning_modules.networks.reader import BothWays, Reader, Windows

X, BESIDE, H = 5, 3, 4
QUESTIONS, CONTEXTS = [2, 5, 1], [7, 3, 6]  # tokens of each window's; a question may be longer than its context
Array = np.ndarray


def layout() -> tuple[Any, list[tuple[int, int]]]:
    """The windows of a batch, shortest text first, and of each text its part and its window."""
    texts = sorted(
        (length, part, w) for part, all_ in enumerate((QUESTIONS, CONTEXTS)) for w, length in enumerate(all_)
    )
    part, window = (torch.tensor([text[column] for text in texts]) for column in (1, 2))
    halves = [[(1, length) for length, of, _ in texts if of == half] for half in (0, 1)]
    windows = Windows([(1, length) for length, *_ in texts], (halves[0], halves[1]), part, window)
    return windows, [(of, w) for _, of, w in texts]


def inputs(width: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    torch.manual_seed(width)
    return torch.randn(sum(QUESTIONS + CONTEXTS), width, dtype=dtype)


def texts_of(x: torch.Tensor) -> dict[tuple[int, int], Array]:
    """(part, window) -> its rows."""
    _, order = layout()
    lengths = [(QUESTIONS, CONTEXTS)[part][window] for part, window in order]
    return dict(zip(order, np.split(x.numpy(), np.cumsum(lengths)[:-1]), strict=True))


# ---- the same in numpy -----------------------------------------------------------------------------------------------


def softmax(x: Array) -> Array:
    weights = np.exp(x - x.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def parameters(module: nn.Module) -> dict[str, Array]:
    return {name: p.detach().numpy() for name, p in module.named_parameters()}


def bilstm(lstm: nn.LSTM, x: Array) -> Array:
    """Step by step, by the equations of Hochreiter & Schmidhuber with a forget gate."""
    p = parameters(lstm)
    for layer in range(lstm.num_layers):
        found = []
        for end, step in (("", 1), ("_reverse", -1)):
            names = (f"{name}_l{layer}{end}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
            w, u, b, c = (p[name] for name in names)
            hidden = cell = np.zeros(lstm.hidden_size)
            states = []
            for row in x[::step]:
                i, f, new, o = np.split(w @ row + u @ hidden + b + c, 4)
                cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(new)
                hidden = sigmoid(o) * np.tanh(cell)
                states.append(hidden)
            found.append(np.stack(states[::step]))
        x = np.concatenate(found, -1)
    return x


def linear(module: nn.Linear, x: Array) -> Array:
    p = parameters(module)
    return x @ p["weight"].T + p.get("bias", 0)


def both_ways(module: nn.Linear, context: Array, question: Array) -> Array:
    pairs = [[np.concatenate([x, y, x * y]) for y in question] for x in context]
    scores = linear(module, np.array(pairs))[..., 0]  # (T, J)
    u = np.array([sum(weight * y for weight, y in zip(softmax(row), question, strict=True)) for row in scores])
    v = softmax(scores.max(1)) @ context
    return np.array([np.concatenate([x, seen, x * seen, x * v]) for x, seen in zip(context, u, strict=True)])


def read_alone(reader: Reader, question: list[Array], context: list[Array]) -> Array:
    """One window -> (1 + T, 2); of each text x, and what is plugged in beside h."""
    h = [np.concatenate([bilstm(reader.contextual, x), *beside], -1) for x, *beside in (question, context)]
    g = np.maximum(linear(reader.merge, both_ways(reader.attention.similarity, h[1], h[0])), 0)
    m = bilstm(reader.modelling, g)
    start = linear(reader.start, np.concatenate([g, m], -1))[:, 0]
    begun = softmax(start) @ m
    e = bilstm(reader.ending, np.array([np.concatenate([a, b, begun, b * begun]) for a, b in zip(g, m, strict=True)]))
    end = linear(reader.end, np.concatenate([g, e], -1))[:, 0]
    hidden = linear(reader.weighing, np.concatenate([begun, softmax(end) @ e]))
    return np.concatenate([linear(reader.no_answer, np.maximum(hidden, 0))[None], np.stack([start, end], -1)])


# ---- tests -----------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_attention_is_as_by_the_definition() -> None:
    """Both directions; what is padding has no weight, whatever stands there."""
    torch.manual_seed(0)
    module, contexts = BothWays(X).double(), Padding([(1, 3), (2, 6)], torch.device("cpu"))
    question, context = torch.randn(3, 5, X).double(), torch.randn(3, 6, X).double()
    is_question = torch.arange(5) < torch.tensor([2, 5, 1])[:, None]
    found = module(context, question, contexts, is_question)
    assert found.shape == (3, 6, 4 * X)
    for w, (tokens, asked) in enumerate(zip((3, 6, 6), (2, 5, 1), strict=True)):
        expected = both_ways(module.similarity, context[w, :tokens].numpy(), question[w, :asked].numpy())
        np.testing.assert_allclose(found[w, :tokens].numpy(), expected, rtol=1e-5, atol=1e-7)


@torch.no_grad()
@pytest.mark.parametrize("beside", [0, BESIDE])
@pytest.mark.parametrize("layers", [1, 2])
def test_the_reader_is_as_by_its_equations(beside: int, layers: int) -> None:
    torch.manual_seed(1)
    reader = Reader(X, beside, H, layers, dropout=0.5).double().eval()
    windows, _ = layout()
    read = [inputs(X), *([inputs(beside)] if beside else [])]
    found = reader(read[0], read[1] if beside else None, windows)
    assert found.shape == (3, 1 + max(CONTEXTS), 2)
    texts = [texts_of(x) for x in read]
    for w, tokens in enumerate(CONTEXTS):
        expected = read_alone(reader, [text[0, w] for text in texts], [text[1, w] for text in texts])
        np.testing.assert_allclose(found[w, : 1 + tokens].numpy(), expected, rtol=1e-5, atol=1e-7)
        assert (found[w, 1 + tokens :] == -torch.inf).all()


@torch.no_grad()
def test_the_end_depends_on_the_start() -> None:
    """Starts that are scored otherwise give other ends, and no other starts' layer reads them."""
    torch.manual_seed(2)
    reader, (windows, _) = Reader(X, 0, H, 1, dropout=0.0).eval(), layout()
    x = inputs(X, torch.float32)
    before = reader(x, None, windows)
    reader.start.weight.mul_(-20)
    after = reader(x, None, windows)
    there = before[..., 1].isfinite()
    assert (before[..., 1] - after[..., 1])[there].abs().min() > 1e-6


def test_a_gradient_reaches_every_parameter() -> None:
    torch.manual_seed(3)
    reader, (windows, _) = Reader(X, BESIDE, H, 2, dropout=0.2).train(), layout()
    x, beside = (inputs(width, torch.float32).requires_grad_() for width in (X, BESIDE))
    logits = reader(x, beside, windows)
    spans = torch.tensor([[1, 7], [0, 0], [3, 4]])
    nn.functional.cross_entropy(logits, spans).backward()
    lacking = [name for name, p in reader.named_parameters() if p.grad is None or not p.grad.isfinite().all()]
    assert lacking == []
    assert [name for name, p in reader.named_parameters() if p.grad is not None and not p.grad.any()] == []
    assert x.grad is not None
    assert beside.grad is not None
    assert (x.grad.abs().sum(1) > 0).all()
    assert (beside.grad.abs().sum(1) > 0).all()


def test_padding_and_back() -> None:
    padding = Padding([(1, 2), (2, 3)], torch.device("cpu"))
    x = torch.randn(8, 2)
    padded = padding.padded(x)
    assert padded.shape == (3, 3, 2)
    assert (padded[~padding.is_token] == 0).all()
    assert torch.equal(padded[1], x[2:5])
    assert torch.equal(padding.ragged(padded), x)
    assert padding.spread(torch.tensor([[1], [2], [3]])).flatten().tolist() == [1, 1, 2, 2, 2, 3, 3, 3]
    weights = padding.softmax(torch.zeros(3, 3))
    torch.testing.assert_close(weights[0], torch.tensor([0.5, 0.5, 0.0]))
