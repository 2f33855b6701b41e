"""The recurrent ablations: an LSTM in GPT's framework (its Table 5), a BiLSTM under the head (BERT's Table 5)."""

from itertools import accumulate, chain, pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, flop_registry

from datamodules import formats
from datamodules.causal import next_tokens
from datamodules.formats import SequencePair
from datamodules.task import Refused, Task
from datamodules.tokenization import Vocabulary, WordPiece, save_tokenizer
from datamodules.traversal import Traversal
from lightning_modules.answering import load_model
from lightning_modules.bert import Bert
from lightning_modules.gpt import Gpt
from lightning_modules.heads import SummaryHead
from lightning_modules.networks.recurrent import read, step_order
from lightning_modules.networks.transformer import Stack
from lightning_modules.optim import decays

V = 61
OPTIMIZER = {"lr": 1e-3}
SHAPE: dict[str, Any] = {"hidden_size": 24, "num_heads": 3, "intermediate_size": 40, "max_length": 32}
NO_DROPOUT: dict[str, Any] = {"dropout": 0.0, "attention_dropout": 0.0}
PAIR = Task("pair", "classification", 3, ("a", "b", "c"), ("accuracy",), "accuracy", ("test",), 32, ("one", "two"))
WORDS = ["a", "small", "vocabulary", "of", "words", "every", "text", "is", "made", "and", "no", "other"]


def spread(model: nn.Module) -> None:
    """Weights large enough that gates are far from half open."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)


def lstm_gpt(**changes: Any) -> Gpt:
    model = Gpt(OPTIMIZER, OPTIMIZER, V, **{**SHAPE, "num_layers": 1, "lstm_size": 20, **changes})
    spread(model)
    return model.eval()


def texts(*lengths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, V, n) for n in lengths]


def numbers(model: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}


# ---- a second implementation -----------------------------------------------------------------------------------------


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def second_lstm(w: dict[str, np.ndarray], prefix: str, x: np.ndarray, direction: str = "") -> np.ndarray:
    """One sequence (n, D) -> (n, H), a token at a time: input, forget, cell, output (Gers et al. 2000)."""
    own = {
        f"{part}_{to}": w[f"{prefix}.{part}_{to}_l0{direction}"] for part in ("weight", "bias") for to in ("ih", "hh")
    }
    units = own["weight_hh"].shape[1]
    hidden, cell, outputs = np.zeros(units), np.zeros(units), []
    for token in x[::-1] if direction else x:
        gates = own["weight_ih"] @ token + own["bias_ih"] + own["weight_hh"] @ hidden + own["bias_hh"]
        enters, stays, new, leaves = gates.reshape(4, units)
        cell = sigmoid(stays) * cell + sigmoid(enters) * np.tanh(new)
        hidden = sigmoid(leaves) * np.tanh(cell)
        outputs.append(hidden)
    return np.array(outputs[::-1] if direction else outputs)


def second_loss(w: dict[str, np.ndarray], text: np.ndarray, num_layers: int) -> float:
    """Nats of a text's tokens but the first."""
    words = w["encoder.embeddings.token.weight"]
    x = words[text[:-1]]
    for number in range(num_layers):
        layer = f"encoder.layers.{number}"
        x = second_lstm(w, f"{layer}.lstm", x) @ w[f"{layer}.out.weight"].T + w[f"{layer}.out.bias"]
    logits = x @ words.T
    return float(sum(np.log(np.exp(row).sum()) - row[label] for row, label in zip(logits, text[1:], strict=True)))


# ---- GPT's LSTM ------------------------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("num_layers", [1, 2])
def test_the_loss_is_a_second_implementations(num_layers: int) -> None:
    """Each text alone there, all together here, of equal and of other lengths."""
    model, read_texts = lstm_gpt(num_layers=num_layers), texts(12, 5, 12, 30, 2)
    found, count = model.pretraining_losses(next_tokens(read_texts))["causal_lm"]
    expected = sum(second_loss(numbers(model), text, num_layers) for text in read_texts)
    assert count == sum(len(text) - 1 for text in read_texts)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@torch.no_grad()
def test_no_token_sees_a_later_one_and_each_sees_all_before() -> None:
    model, (text,) = lstm_gpt(), texts(20)

    def top(text: np.ndarray) -> torch.Tensor:
        return model.encode(formats.ragged([formats.plain(text)], 1).batch).layers[-1]

    before = top(text)
    for place in (0, 10, 19):
        after = top(np.concatenate([text[:place], (text[place : place + 1] + 7) % V, text[place + 1 :]]))
        torch.testing.assert_close(before[:place], after[:place], atol=1e-6, rtol=0)
        assert (before[place:] != after[place:]).any(1).all()


def test_the_order_of_steps() -> None:
    """Step by step, and in a step from the longest sequence to the shortest."""
    runs = [(2, 1), (1, 3), (3, 4)]
    lengths = [length for count, length in runs for _ in range(count)]
    starts = [0, *accumulate(lengths)]
    expected = [[starts[s] + t for s in reversed(range(len(lengths))) if lengths[s] > t] for t in range(4)]
    order, sizes = step_order(runs)
    assert order.tolist() == list(chain(*expected))
    assert sizes.tolist() == [len(step) for step in expected] == [6, 4, 4, 3]


def test_it_has_no_positions_and_all_that_it_has_is_trained() -> None:
    model = lstm_gpt(embedding_dropout="matrix", dropout=0.1).train()
    layer = "encoder.layers.0"
    lstm = {f"{layer}.lstm.{part}_{to}_l0" for part in ("weight", "bias") for to in ("ih", "hh")}
    names = {"encoder.embeddings.token.weight", *lstm, f"{layer}.out.weight", f"{layer}.out.bias"}
    assert {name for name, _ in model.named_parameters()} == names
    assert not isinstance(model.encoder.embeddings.position, nn.Module)
    model.pretraining_losses(next_tokens(texts(9, 4)))["causal_lm"][0].backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_biases_do_not_decay() -> None:
    model = lstm_gpt()
    decayed, kept = decays(model)
    assert {p.dim() for p in decayed} == {2}
    assert len(kept) == 3
    assert {p.dim() for p in kept} == {1}


@pytest.mark.parametrize("kept", [0, 1])
def test_layers_that_are_not_transferred_begin_anew(kept: int) -> None:
    model = lstm_gpt(num_layers=2)
    before = {name: p.detach().clone() for name, p in model.encoder.named_parameters()}
    model.attach(PAIR, {"transferred_layers": kept})
    same = {name for name, p in model.encoder.named_parameters() if torch.equal(p[: len(before[name])], before[name])}
    assert same == {name for name in before if name.startswith(("embeddings.", *[f"layers.{n}." for n in range(kept)]))}
    lstm = model.encoder.layers[1].lstm
    assert isinstance(lstm, nn.LSTM)
    assert max(float(p.detach().abs().max()) for p in lstm.parameters()) <= 20**-0.5  # as torch draws it


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"lstm_size": 0}, r"model\.lstm_size=0"),
        ({"lstm_size": "big"}, r"lstm_size='big'"),
        ({"softmax": "everything"}, r"model\.softmax='everything' .* may be tokens"),
    ],
)
def test_a_wrong_setting_is_refused(changes: dict, word: str) -> None:
    with pytest.raises(Refused, match=word):
        lstm_gpt(**changes)


def test_its_flops_are_counted() -> None:
    """On the CPU by torch's counter, of cuDNN's kernel by our formula: 2 for each weight of a matrix and token."""
    lstm, x = nn.LSTM(6, 10, bidirectional=True), torch.randn(11, 6)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        read(lstm, x, [(1, 2), (3, 3)])
    expected = 2 * 2 * 11 * 4 * 10 * (6 + 10)
    assert counter.get_total_flops() == expected
    formula = flop_registry[torch.ops.aten._cudnn_rnn]
    assert formula(x, list(lstm.parameters()), 4, None, out_val=None) == expected


# ---- the BiLSTM under a head -----------------------------------------------------------------------------------------


def encoders() -> list[tuple[str, Any, dict]]:
    """A model with each layout, and how that is written in a yaml."""
    pair, traversal = "datamodules.formats.SequencePair", "datamodules.traversal.Traversal"
    sizes: dict[str, Any] = {**SHAPE, **NO_DROPOUT, "vocab_size": V, "num_layers": 1}
    ltr: dict[str, Any] = {"objective": "ltr", "nsp": False}
    return [
        ("bert", Bert(OPTIMIZER, OPTIMIZER, **sizes), {"_target_": pair}),
        ("ltr", Bert(OPTIMIZER, OPTIMIZER, **ltr, **sizes), {"_target_": pair, "objective": "ltr"}),
        ("gpt", Gpt(OPTIMIZER, OPTIMIZER, **sizes), {"_target_": traversal, "first_special": V}),
        ("lstm", Gpt(OPTIMIZER, OPTIMIZER, **{**sizes, "lstm_size": 20}), {"_target_": traversal, "first_special": V}),
    ]


@torch.no_grad()
@pytest.mark.parametrize("task", [PAIR, Task("two", "choice", 2, ("0", "1"), ("accuracy",), "accuracy", max_length=32)])
def test_the_head_reads_what_each_direction_makes_of_a_sequence(task: Task) -> None:
    model = Gpt(OPTIMIZER, OPTIMIZER, V, num_layers=1, **SHAPE).attach(task, {"bilstm": True}).eval()
    spread(model)
    fields = [texts(4, 3, 5, 2), texts(6, 6, 1, 1)]
    examples = fields if task.kind == "choice" else [example[:2] for example in fields]
    batch = Traversal(V).batch(VOCABULARY, examples, task)
    assert model.head is not None
    encoding, found = model.read(batch)
    assert encoding is not None
    w, top, ends = numbers(model.head), encoding.layers[-1].double().numpy(), batch["offsets"].tolist()
    for number, (first, stop) in enumerate(pairwise(ends)):
        x = top[first:stop]
        last, start = second_lstm(w, "bilstm.lstm", x)[-1], second_lstm(w, "bilstm.lstm", x, "_reverse")[0]
        logits = w["linear.weight"] @ np.concatenate([last, start]) + w.get("linear.bias", 0.0)
        example, choice = batch["example"][number], batch["choice"][number]
        mine = found[example, choice : choice + 1] if task.kind == "choice" else found[example]
        np.testing.assert_allclose(mine.numpy(), logits, atol=1e-5)


VOCABULARY = Vocabulary({"unk": 0}, size=V, continues=np.zeros(V, dtype=bool))


@pytest.mark.parametrize(("model", "layout"), [case[1:] for case in encoders()], ids=[case[0] for case in encoders()])
def test_it_is_saved_and_loaded(model: Any, layout: dict, tmp_path: Path) -> None:
    """A model's directory answers as the model does, and the BiLSTM has its part in that."""
    save_tokenizer(WordPiece(V).train([" ".join(WORDS)] * 9), tmp_path / "tokenizer.json")
    tokenizer = {"_target_": "datamodules.tokenization.WordPiece", "vocab_size": V, "file": str(tmp_path)}
    model.text = {"format": layout, "tokenizer": tokenizer}
    model.attach(PAIR, {"bilstm": True}).eval()
    spread(model)
    rng = np.random.default_rng(2)
    asked = [tuple(" ".join(rng.choice(WORDS, rng.integers(1, 9))) for _ in range(2)) for _ in range(20)]
    answers = model.predict(asked)
    loaded = load_model(model.save(tmp_path / "model", tmp_path / "tokenizer.json"))
    assert loaded.head.bilstm is not None
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in model.state_dict().items())
    assert loaded.predict(asked) == answers
    loaded.head.bilstm = None
    assert loaded.predict(asked) != answers


def test_it_is_trained_and_leaves_the_head_as_it_is() -> None:
    sizes: dict[str, Any] = {**SHAPE, **NO_DROPOUT, "num_layers": 1}
    plain = Bert(OPTIMIZER, OPTIMIZER, V, **sizes).attach(PAIR)
    both = Bert(OPTIMIZER, OPTIMIZER, V, **sizes).attach(PAIR, {"bilstm": True}).train()
    shapes = {name: tuple(p.shape) for name, p in both.named_parameters() if not name.startswith("head.bilstm.")}
    assert shapes == {name: tuple(p.shape) for name, p in plain.named_parameters()}
    assert isinstance(both.head, SummaryHead)
    assert both.head.bilstm is not None
    lstm = both.head.bilstm.lstm
    parts = product(("weight", "bias"), ("ih", "hh"), ("", "_reverse"))
    expected = {f"{part}_{to}_l0{way}" for part, to, way in parts}
    assert {name for name, _ in lstm.named_parameters()} == expected
    assert (lstm.input_size, lstm.hidden_size) == (24, 12)
    vocabulary = Vocabulary({"cls": 1, "sep": 2}, size=V, continues=np.zeros(V, dtype=bool))
    batch = SequencePair().batch(vocabulary, [texts(5, 7), texts(3, 4)], PAIR)
    losses, _ = both.losses({**batch, "labels": torch.tensor([0, 2])})
    losses["task"][0].backward()
    assert [name for name, p in both.named_parameters() if p.grad is None or not p.grad.any()] == []


@pytest.mark.parametrize("value", ["yes", 2, None])
def test_bilstm_is_true_or_false(value: Any) -> None:
    with pytest.raises(Refused, match=r"transfer\.bilstm="):
        lstm_gpt().attach(PAIR, {"bilstm": value})


def test_an_odd_width_has_no_half() -> None:
    model = Gpt(OPTIMIZER, OPTIMIZER, V, 15, 1, 3, 20, 32)
    assert isinstance(model.encoder, Stack)
    with pytest.raises(Refused, match=r"transfer\.bilstm=true .* 15"):
        model.attach(PAIR, {"bilstm": True})
