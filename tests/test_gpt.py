"""GPT and its objective: it sees to the left only, its loss is the paper's, each token of a text is asked for once."""

from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models

from datamodules import formats
from datamodules.causal import CausalLM, next_tokens
from datamodules.shards import TokenizedCorpus
from datamodules.task import Refused
from datamodules.tokenization import Vocabulary
from lightning_modules.gpt import Gpt

OPTIMIZER = {"lr": 1e-3}
SIZES: dict[str, Any] = {
    "vocab_size": 61, "hidden_size": 24, "num_layers": 2, "num_heads": 3, "intermediate_size": 40, "max_length": 32
}  # fmt: skip
VOCABULARY = Vocabulary.of(Tokenizer(models.BPE({"<unk>": 0, "a": 1}, [], unk_token="<unk>")))


def gpt(**changes: Any) -> Gpt:
    """Weights large enough that attention is far from even."""
    torch.manual_seed(0)
    model = Gpt(OPTIMIZER, OPTIMIZER, **{**SIZES, **changes})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


def texts(*lengths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 61, n) for n in lengths]


def numbers(model: Gpt) -> dict[str, np.ndarray]:
    return {name: tensor.double().numpy() for name, tensor in model.state_dict().items()}


# ---- the network -----------------------------------------------------------------------------------------------------


def norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * weight + bias


def block(x: np.ndarray, w: dict[str, np.ndarray], layer: str, heads: int) -> np.ndarray:
    """One layer on one sequence (n, D), a token and a head at a time."""

    def linear(x: np.ndarray, name: str) -> np.ndarray:
        return x @ w[f"{layer}.{name}.weight"].T + w[f"{layer}.{name}.bias"]

    q, k, v = np.split(linear(x, "attention.qkv"), 3, axis=1)
    width = x.shape[1] // heads
    mixed = np.zeros_like(x)
    for head in range(heads):
        mine = slice(head * width, (head + 1) * width)
        for at in range(len(x)):
            scores = k[: at + 1, mine] @ q[at, mine] / np.sqrt(width)
            chances = np.exp(scores - scores.max())
            mixed[at, mine] = chances / chances.sum() @ v[: at + 1, mine]
    x = norm(x + linear(mixed, "attention.out"), w[f"{layer}.attention_norm.weight"], w[f"{layer}.attention_norm.bias"])
    inner = linear(x, "inner")
    inner = inner * (1 + np.tanh(np.sqrt(2 / np.pi) * (inner + 0.044715 * inner**3))) / 2
    return norm(x + linear(inner, "outer"), w[f"{layer}.norm.weight"], w[f"{layer}.norm.bias"])


def second_loss(w: dict[str, np.ndarray], text: np.ndarray, everything: bool) -> float:
    """Nats of a text's tokens but the first."""
    token, position = w["encoder.embeddings.token.weight"], w["encoder.embeddings.position.weight"]
    x = token[text[:-1]] + position[: len(text) - 1]
    for number in range(SIZES["num_layers"]):
        x = block(x, w, f"encoder.layers.{number}", SIZES["num_heads"])
    logits = x @ (np.concatenate([token, position]) if everything else token).T
    return float(sum(np.log(np.exp(row).sum()) - row[label] for row, label in zip(logits, text[1:], strict=True)))


@torch.no_grad()
@pytest.mark.parametrize("softmax", ["tokens", "everything"])
def test_the_loss_is_a_second_implementations(softmax: str) -> None:
    model, read = gpt(softmax=softmax), texts(12, 5, 12, 2)
    found, count = model.pretraining_losses(next_tokens(read))["causal_lm"]
    expected = sum(second_loss(numbers(model), text, softmax == "everything") for text in read)
    assert count == sum(len(text) - 1 for text in read)
    assert float(found) == pytest.approx(expected, rel=1e-5)


@torch.no_grad()
def test_no_token_sees_a_later_one() -> None:
    """Every later token is changed; what was computed of the earlier ones stays as it was, in every layer."""
    model, (text,) = gpt(), texts(20)
    before = model.encode(formats.ragged([formats.plain(text)], 1).batch, range(3)).layers
    for place in (1, 10, 19):
        other = np.concatenate([text[:place], (text[place:] + 7) % 61])
        after = model.encode(formats.ragged([formats.plain(other)], 1).batch, range(3)).layers
        for one, two in zip(before, after, strict=True):
            torch.testing.assert_close(one[:place], two[:place], atol=1e-6, rtol=0)
            assert not torch.isclose(one[place:], two[place:], atol=1e-2).all(1).any()


@torch.no_grad()
def test_a_batch_changes_nothing() -> None:
    """Sequences of equal and of other lengths beside it make no difference to a sequence."""
    model, read = gpt(), texts(12, 5, 12, 30, 2)
    together = float(model.pretraining_losses(next_tokens(read))["causal_lm"][0])
    alone = sum(float(model.pretraining_losses(next_tokens([text]))["causal_lm"][0]) for text in read)
    assert together == pytest.approx(alone, rel=1e-5)


@torch.no_grad()
def test_the_releases_dropout_is_of_the_matrix() -> None:
    """One draw a step: a token that occurs twice loses the same numbers, and the softmax's rows lose them, too."""
    model = gpt(embedding_dropout="matrix", dropout=0.5).train()
    token, position = model.encoder.embeddings.matrix()
    kept = token / model.encoder.embeddings.token.weight
    assert set(kept.unique().round(decimals=4).tolist()) == {0.0, 2.0}
    x = model.encoder.embeddings((token, position), torch.tensor([5, 9, 5]), torch.tensor([0, 1, 2]))
    torch.testing.assert_close(x, token[[5, 9, 5]] + position[:3])
    torch.manual_seed(1)
    found = float(model.pretraining_losses(next_tokens(texts(9)))["causal_lm"][0])
    torch.manual_seed(1)
    dropped = [rows.detach().clone() for rows in model.encoder.embeddings.matrix()]
    model.encoder.embeddings.token.weight.copy_(dropped[0])
    model.get_parameter("encoder.embeddings.position.weight").copy_(dropped[1])
    model.encoder.embeddings.dropout.p = 0.0
    assert float(model.pretraining_losses(next_tokens(texts(9)))["causal_lm"][0]) == pytest.approx(found, rel=1e-6)


@pytest.mark.parametrize(("key", "value"), [("embedding_dropout", "rows"), ("softmax", "all"), ("num_heads", 5)])
def test_a_wrong_setting_is_refused(key: str, value: Any) -> None:
    with pytest.raises(Refused, match=rf"model\.{key}={value!r}"):
        Gpt(OPTIMIZER, OPTIMIZER, **{**SIZES, key: value})


# ---- the objective ---------------------------------------------------------------------------------------------------


def corpus(tokens: int) -> TokenizedCorpus:
    """Every token is another number."""
    places = np.array([0, tokens // 3, tokens])
    return TokenizedCorpus(np.arange(tokens), places, np.array([0, 1, 2]))


@pytest.mark.parametrize("tokens", [2, 7, 8, 9, 100, 1000])
def test_each_token_but_the_first_is_asked_for_once(tokens: int) -> None:
    """In every epoch, by the token before it, in blocks of max_length that lie elsewhere in another epoch."""
    objective, text, begun = CausalLM(), corpus(tokens), set()
    for epoch in range(20):
        rows = objective.plan(text, 8, 3, epoch)
        batch = objective.batch(text, VOCABULARY, rows, [])
        asked = batch["tokens"][batch["next_positions"]]
        assert sorted(batch["next_labels"].tolist()) == list(range(1, tokens))
        assert torch.equal(asked + 1, batch["next_labels"])
        lengths = (rows[:, 1] - rows[:, 0]).tolist()
        assert set(lengths[1:-1]) <= {8}
        assert max(lengths) <= 8
        assert batch["counts"] == {"causal_lm": tokens - 1}
        assert np.array_equal(rows, objective.plan(text, 8, 3, epoch))
        begun.add(lengths[0])
    assert begun == set(range(1, min(8, tokens - 1) + 1)) or (tokens > 9 and len(begun) > 4)


def test_figures_say_how_much_is_seen() -> None:
    text, objective = corpus(1000), CausalLM()
    rows = objective.plan(text, 10, 0, 0)[1:-1]
    batch = objective.batch(text, VOCABULARY, rows, [])
    assert objective.figures(rows, batch, VOCABULARY) == {"half_context_share": pytest.approx(0.6)}


def test_a_gap_is_filled_from_the_left() -> None:
    tokens = np.array([5, 6, 7, 8, 9])
    batch = CausalLM().gap(VOCABULARY, tokens, 2, 4)
    assert batch["tokens"].tolist() == [5, 6, 7]
    assert (batch["next_positions"].tolist(), batch["next_labels"].tolist()) == ([1, 2], [7, 8])
    assert batch["counts"] == {"causal_lm": 2}
    with pytest.raises(Refused, match="nothing to its left"):
        CausalLM().gap(VOCABULARY, tokens, 0, 2)
