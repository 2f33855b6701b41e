"""Sampling: what is drawn is what the model gives, no more of a text is read than fits, nothing else is disturbed."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor, nn

from datamodules import formats
from datamodules.causal import next_tokens
from lightning_modules.gpt import Gpt
from lightning_modules.sampling import Continues, continuations, dense, evaluating
from tests.test_gpt import SIZES, gpt, texts

VOCABULARY = torch.arange(10)
SURE = 60.0  # a logit above all others by so much leaves no doubt


def counting(batch: dict) -> Tensor:
    """After a number comes the next one, after 9 comes 0."""
    last = batch["tokens"][batch["summary"]]
    return SURE * torch.nn.functional.one_hot((last + 1) % 10, 10).float()


def even(batch: dict) -> Tensor:
    return torch.zeros(len(batch["summary"]), 10)


def test_a_sure_model_is_followed() -> None:
    drawn = continuations(counting, torch.tensor([[1, 2, 3], [9, 8, 7]]), 5, VOCABULARY, 16)
    assert drawn.tolist() == [[4, 5, 6, 7, 8], [8, 9, 0, 1, 2]]


def test_what_is_no_text_is_never_drawn() -> None:
    """The unknown token is likeliest by far, and a row that no token of the vocabulary has comes next."""
    logits = torch.tensor([2 * SURE, 0, SURE / 2, 0, SURE])
    drawn = continuations(lambda batch: logits.expand(3, 5), torch.ones(3, 2).long(), 20, torch.arange(1, 4), 16)
    assert drawn.unique().tolist() == [2]


@pytest.mark.parametrize("temperature", [1.0, 0.5, 3.0])
def test_tokens_are_drawn_as_often_as_their_chances_say(temperature: float) -> None:
    logits, count = np.array([0.5, -1.0, 2.0, 0.0]), 20_000
    chances = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
    rows = torch.from_numpy(logits).expand(count, 4)
    drawn = continuations(lambda batch: rows, torch.zeros(count, 1).long(), 1, torch.arange(4), 4, temperature)
    found = np.bincount(drawn.flatten().numpy(), minlength=4)
    assert chisquare(found, chances * count).pvalue > 1e-3
    if temperature != 1:
        plain = np.exp(logits) / np.exp(logits).sum()
        assert chisquare(found, plain * count).pvalue < 1e-9


def test_the_same_seed_draws_the_same_and_nobody_elses_numbers() -> None:
    prompts, before = torch.zeros(3, 2).long(), torch.get_rng_state()
    one, again, other = (continuations(even, prompts, 12, VOCABULARY, 8, seed=seed) for seed in (4, 4, 5))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    assert not torch.equal(one[0], one[1])  # each text has draws of its own
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("room", "length"), [(8, 2), (8, 12), (3, 6)])
def test_no_more_is_read_than_fits(room: int, length: int) -> None:
    """Always the end of the text, laid out from the first position on."""
    seen: list[list[int]] = []

    def next_token(batch: dict) -> Tensor:
        seen.append(batch["tokens"].tolist())
        assert batch["positions"].tolist() == list(range(len(seen[-1])))
        return counting(batch)

    text = [5, 6, 7, 8]
    for token in continuations(next_token, torch.tensor([text]), length, VOCABULARY, room)[0].tolist():
        assert seen.pop(0) == text[-room:]
        text.append(token)
    assert not seen


def test_a_dense_batch_is_the_ragged_one() -> None:
    tokens = texts(7, 7, 7)
    expected = formats.ragged([formats.plain(text, i) for i, text in enumerate(tokens)], 3).batch
    found = dense(torch.from_numpy(np.stack(tokens)))
    for name, value in found.items():
        if isinstance(value, Tensor):
            assert torch.equal(value, expected[name]), name
            assert value.dtype == expected[name].dtype, name
        else:
            assert value == expected[name], name


@torch.no_grad()
def test_gpt_continues_by_what_its_loss_measures() -> None:
    model, (text,) = gpt(), texts(9)
    assert isinstance(model, Continues)
    nats = 0.0
    for place in range(1, 9):
        logits = model.next_token(dense(torch.from_numpy(text[None, :place])))
        assert logits.shape == (1, SIZES["vocab_size"])
        nats -= float(logits.log_softmax(-1)[0, text[place]])
    assert float(model.pretraining_losses(next_tokens([text]))["causal_lm"][0]) == pytest.approx(nats, rel=1e-5)


@torch.no_grad()
def test_a_position_is_no_next_token() -> None:
    model = gpt(softmax="everything")
    assert model.next_token(dense(torch.tensor([[1, 2]]))).shape == (1, SIZES["vocab_size"])


def test_a_favoured_token_follows_every_text() -> None:
    """Its row of the embeddings is what the top layer always gives: the whole way through the network."""
    model = gpt()
    top = model.encoder.layers[-1].norm
    assert isinstance(top, nn.LayerNorm)
    with torch.no_grad():
        top.weight.zero_()
        top.bias.copy_(torch.ones(SIZES["hidden_size"]))
        model.encoder.embeddings.token.weight[17] += SURE
    with evaluating(model):
        drawn = continuations(model.next_token, torch.from_numpy(np.stack(texts(30, 30))), 6, torch.arange(61), 32)
    assert drawn.unique().tolist() == [17]


def test_evaluating_leaves_every_part_as_it_was() -> None:
    model: Gpt = gpt(dropout=0.5).train()
    model.encoder.layers[0].eval()
    before = {name: part.training for name, part in model.named_modules()}
    assert set(before.values()) == {True, False}
    with evaluating(model):
        assert not any(part.training for part in model.modules())
        assert not torch.is_grad_enabled()
    assert {name: part.training for name, part in model.named_modules()} == before
    assert torch.is_grad_enabled()
