"""GPT's layout of tasks and its auxiliary loss: against sequences written by hand and a second implementation."""

import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models

from datamodules.task import Refused, Task
from datamodules.tokenization import Vocabulary
from datamodules.traversal import Traversal
from lightning_modules.bert import Bert
from lightning_modules.gpt import Gpt
from lightning_modules.transfer import Transfer

VOCABULARY = Vocabulary.of(Tokenizer(models.BPE({"<unk>": 0, "a": 1}, [], unk_token="<unk>")))
V = 50
START, DELIMITER, EXTRACT = V, V + 1, V + 2
SIZES: dict[str, Any] = {
    "vocab_size": V, "hidden_size": 24, "num_layers": 3, "num_heads": 3, "intermediate_size": 40, "max_length": 32
}  # fmt: skip
OPTIMIZER = {"lr": 1e-3}
ONE = Task("one", "classification", 2, ("no", "yes"), ("accuracy",), "accuracy", max_length=32)
SYMMETRIC = Task("two", "regression", 1, (), ("pearson",), "pearson", max_length=32, symmetric=True)
ENTAILED = Task("two", "classification", 3, ("a", "b", "c"), ("accuracy",), "accuracy", max_length=32)
CHOICE = Task("ends", "choice", 3, ("0", "1", "2"), ("accuracy",), "accuracy", max_length=32)


def gpt(task: Task | None = None, transfer: dict | None = None, **changes: Any) -> Gpt:
    """Weights large enough that attention is far from even."""
    torch.manual_seed(0)
    model = Gpt(OPTIMIZER, OPTIMIZER, **{**SIZES, "dropout": 0.0, "attention_dropout": 0.0, **changes})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.attach(task, transfer) if task else model


def batch_of(task: Task, *examples: list[list[int]]) -> dict:
    return Traversal(V).batch(VOCABULARY, [[np.array(text) for text in fields] for fields in examples], task)


def sequences(batch: dict) -> list[tuple[int, int, list[int]]]:
    """(example, choice, tokens) in the batch's order."""
    ends = batch["offsets"].tolist()
    tokens = [batch["tokens"][first:stop].tolist() for first, stop in pairwise(ends)]
    return list(zip(batch["example"].tolist(), batch["choice"].tolist(), tokens, strict=True))


# ---- layout ----------------------------------------------------------------------------------------------------------


def test_the_formats_of_figure_1() -> None:
    assert sequences(batch_of(ONE, [[5, 6, 7]])) == [(0, 0, [START, 5, 6, 7, EXTRACT])]
    assert sequences(batch_of(ENTAILED, [[5, 6], [7]])) == [(0, 0, [START, 5, 6, DELIMITER, 7, EXTRACT])]
    assert sequences(batch_of(SYMMETRIC, [[5, 6], [7]])) == [
        (0, 0, [START, 5, 6, DELIMITER, 7, EXTRACT]),
        (0, 0, [START, 7, DELIMITER, 5, 6, EXTRACT]),
    ]
    assert sequences(batch_of(CHOICE, [[5, 6], [7], [8, 9], [10], [11, 12, 13]])) == [
        (0, 1, [START, 5, 6, 7, DELIMITER, 10, EXTRACT]),
        (0, 0, [START, 5, 6, 7, DELIMITER, 8, 9, EXTRACT]),
        (0, 2, [START, 5, 6, 7, DELIMITER, 11, 12, 13, EXTRACT]),
    ]


def test_what_is_read_last_stands_for_a_sequence() -> None:
    batch = batch_of(SYMMETRIC, [[5, 6], [7]], [[8] * 40, [9] * 40])
    assert batch["tokens"][batch["summary"]].tolist() == [EXTRACT] * 4
    assert max(len(tokens) for _, _, tokens in sequences(batch)) == 32


def test_every_real_token_but_the_first_is_asked_for() -> None:
    rng = random.Random(0)
    fields = [[[rng.randrange(V) for _ in range(rng.randrange(1, 20))] for _ in range(2)] for _ in range(7)]
    batch = batch_of(SYMMETRIC, *fields)
    expected = [token for _, _, tokens in sequences(batch) for token in tokens[1:]]
    assert batch["next_labels"].tolist() == expected
    assert batch["tokens"][batch["next_positions"] + 1].tolist() == expected
    assert batch["counts"] == {"task": 7, "auxiliary_lm": 14}
    assert float(batch["next_weights"].sum()) == pytest.approx(14)


# ---- the model -------------------------------------------------------------------------------------------------------


def test_three_rows_are_new_and_nothing_else() -> None:
    before = gpt()
    old = {name: tensor.clone() for name, tensor in before.state_dict().items() if name.startswith("encoder.")}
    after = before.attach(ONE)
    new = after.state_dict()
    grown = new["encoder.embeddings.token.weight"]
    assert grown.shape == (V + 3, 24)
    assert torch.equal(grown[:V], old["encoder.embeddings.token.weight"])
    assert 0.01 < float(grown[V:].std()) < 0.03
    assert all(torch.equal(new[name], tensor) for name, tensor in old.items() if "token" not in name)
    assert after.encoder.embeddings.token.weight.requires_grad


def test_the_released_model_has_its_published_size_with_the_three_rows() -> None:
    with torch.device("meta"):
        model = Gpt(OPTIMIZER, OPTIMIZER).attach(ONE)
    assert sum(p.numel() for p in model.encoder.parameters()) == 116_537_088


@torch.no_grad()
@pytest.mark.parametrize("softmax", ["tokens", "everything"])
def test_the_auxiliary_loss_is_a_mean_of_each_sequences_mean(softmax: str) -> None:
    model = gpt(SYMMETRIC, softmax=softmax).train()
    batch = batch_of(SYMMETRIC, [[5, 6], [7]], [[8, 9, 10, 11], [12]], [[3], [4]])
    batch["labels"] = torch.zeros(3)
    losses, _ = model.losses(batch)
    table = model.get_parameter("encoder.embeddings.token.weight")
    if softmax == "everything":
        table = torch.cat([table, model.get_parameter("encoder.embeddings.position.weight")])
    expected = 0.0
    for _, _, tokens in sequences(batch):
        alone = {
            "tokens": torch.tensor(tokens), "positions": torch.arange(len(tokens)), "runs": [(1, len(tokens))],
            "offsets": torch.tensor([0, len(tokens)]), "summary": torch.tensor([0]),
        }  # fmt: skip
        chances = (model.encode(alone).layers[-1] @ table.T).double().softmax(-1)
        told = [-float(chances[at, token].log()) for at, token in enumerate(tokens[1:])]
        expected += sum(told) / len(told)
    value, count = losses["auxiliary_lm"]
    assert count == 6
    assert float(value) == pytest.approx(expected, rel=1e-5)


def test_the_loss_that_is_minimised_weighs_it() -> None:
    """task + lambda * auxiliary, each a mean: the gradient is the weighted sum of both gradients."""
    batch = {**batch_of(ONE, [[5, 6]], [[7, 8, 9]]), "labels": torch.tensor([0, 1])}
    gradients = {}
    for weight in (0.0, 0.5, 2.0):
        model = gpt(ONE, {"optimizer": OPTIMIZER, "auxiliary_lm": weight}).train()
        losses, _ = model.losses(batch)
        assert ("auxiliary_lm" in losses) == (weight > 0)
        parts = [model.transfer.weight(name) * value / count for name, (value, count) in losses.items()]
        torch.stack(parts).sum().backward()
        gradients[weight] = model.get_parameter("encoder.embeddings.position.weight").grad
    none, half, double = (gradients[weight] for weight in (0.0, 0.5, 2.0))
    assert none is not None
    assert half is not None
    assert double is not None
    torch.testing.assert_close((half - none) * 4, double - none, rtol=1e-3, atol=1e-6)
    assert float((half - none).abs().max()) > 1e-4


@torch.no_grad()
def test_it_costs_nothing_in_evaluation() -> None:
    losses, _ = gpt(ONE).eval().losses({**batch_of(ONE, [[5, 6]]), "labels": torch.tensor([0])})
    assert set(losses) == {"task"}


@torch.no_grad()
def test_both_orders_are_summed_and_an_order_does_not_matter() -> None:
    model = gpt(SYMMETRIC).eval()
    assert model.head is not None
    one, two = (batch_of(SYMMETRIC, fields) for fields in ([[5, 6], [7]], [[7], [5, 6]]))
    assert float(model.read(one)[1]) == pytest.approx(float(model.read(two)[1]), rel=1e-5)
    directed = gpt(ENTAILED).eval()
    assert not torch.allclose(
        directed.read(batch_of(ENTAILED, [[5, 6], [7]]))[1], directed.read(batch_of(ENTAILED, [[7], [5, 6]]))[1]
    )


def test_lambda_of_a_model_without_the_loss_is_refused() -> None:
    bert = Bert(OPTIMIZER, OPTIMIZER, **{**SIZES, "num_layers": 1})
    with pytest.raises(Refused, match=r"transfer\.auxiliary_lm=0\.5 .*Bert has no language-modelling.*it may be 0"):
        bert.attach(ONE, {"optimizer": OPTIMIZER, "auxiliary_lm": 0.5})


# ---- layers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0, 1, 3])
def test_the_first_layers_are_kept_and_those_above_begin_anew(kept: int) -> None:
    model = gpt()
    old = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    new = model.attach(ONE, {"optimizer": OPTIMIZER, "transferred_layers": kept}).state_dict()
    for number in range(3):
        names = [name for name in old if name.startswith(f"encoder.layers.{number}.")]
        assert len(names) == 12
        same = [torch.equal(old[name], new[name]) for name in names]
        assert all(same) if number < kept else not any(same)
    for number in range(kept, 3):
        assert float(new[f"encoder.layers.{number}.inner.weight"].std()) == pytest.approx(0.02, rel=0.2)
        assert bool((new[f"encoder.layers.{number}.norm.weight"] == 1).all())
        assert not new[f"encoder.layers.{number}.attention.qkv.bias"].any()
    assert torch.equal(new["encoder.embeddings.token.weight"][:V], old["encoder.embeddings.token.weight"])


@pytest.mark.parametrize(("kept", "is_new"), [(None, False), (3, False), (2, True)])
def test_berts_pooler_goes_with_its_top_layer(kept: int | None, is_new: bool) -> None:
    torch.manual_seed(0)
    bert = Bert(OPTIMIZER, OPTIMIZER, **SIZES)
    old = bert.pooler.dense.weight.detach().clone()
    bert.attach(ONE, {"optimizer": OPTIMIZER, "transferred_layers": kept})
    assert bert.head is not None
    assert torch.equal(bert.get_parameter("head.pooler.dense.weight"), old) != is_new


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("transferred_layers", 4, "Gpt has 3 layers of which some can be transferred; it may be 0 to 3, or null"),
        ("transferred_layers", -1, "a whole number from 0 up"),
        ("transferred_layers", "3/4", "of 3 layers that is no whole number; it may be 0 to 3, or null"),
        ("transferred_layers", "all", "a share of them as 3/4, or null for all"),
        ("auxiliary_lm", -0.5, "a number from 0 up"),
        ("auxiliary_lm", "half", "a number from 0 up"),
        ("mode", "frozen", "it may be finetune, features, zero_shot"),
        ("lambda", 0.5, "a key of transfer='lambda'"),
    ],
)
def test_a_wrong_way_to_transfer_is_refused(key: str, value: Any, words: str) -> None:
    with pytest.raises(Refused, match=words):
        gpt(ONE, {"optimizer": OPTIMIZER, key: value})


def test_a_notebook_gets_the_models_own_lambda() -> None:
    assert gpt(ONE).transfer == Transfer.of({"optimizer": OPTIMIZER, "auxiliary_lm": 0.5})
