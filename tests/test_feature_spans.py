"""The reader on a frozen encoder: what of a question and its context reaches it, what is trained, what is saved."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from datamodules.formats import Sentences
from datamodules.task import Task
from datamodules.tokenization import Vocabulary, WordPiece, save_tokenizer
from lightning_modules.bert import Bert
from lightning_modules.feature_spans import FeatureSpans
from lightning_modules.gpt import Gpt
from lightning_modules.nnlm import Nnlm
from lightning_modules.word2vec import Word2Vec
from tests.test_features import BARE, MARKED, OPTIMIZER, SHAPE, WORDS, V

SPAN = Task("span", "span", 2, (), ("f1",), "f1", ("test",), 32, ("question", "context"))
LENGTHS = [(3, 9), (5, 4), (1, 12), (5, 9)]  # tokens of questions and contexts
SPANS = [(2, 5), (0, 0), (12, 12), (1, 9)]  # columns: 0 there is no answer, 1 the first token
READER: dict[str, Any] = {"mode": "features", "rnn_size": 6, "words_size": 4, "dropout": 0.0, "layers_dropout": 0.0}


def bert(**transfer: Any) -> Bert:
    torch.manual_seed(3)
    return Bert(OPTIMIZER, OPTIMIZER, V, **SHAPE).attach(SPAN, {**READER, **transfer})


def batch_of(vocabulary: Vocabulary = MARKED, rows: Any = (0, 1, 2, 3)) -> dict:
    rng = np.random.default_rng(0)
    texts = [[rng.integers(3, V, n) for n in lengths] for lengths in LENGTHS]
    batch = Sentences().batch(vocabulary, [texts[row] for row in rows], SPAN)
    columns = torch.tensor([1 + LENGTHS[row][1] for row in rows])
    batch |= {
        "columns": columns,
        "no_answer": torch.zeros_like(columns),
        "span": torch.tensor([SPANS[i] for i in rows]),
    }
    batch["context"] = torch.stack([torch.ones_like(columns), columns], -1)
    return batch


def reader_of(model: Any) -> FeatureSpans:
    assert isinstance(model.head, FeatureSpans)
    return model.head


@torch.no_grad()
@pytest.mark.parametrize(("kind", "vocabulary"), [(Bert, MARKED), (Gpt, BARE)])
def test_a_batch_gives_what_each_window_gives_alone(kind: Any, vocabulary: Vocabulary) -> None:
    model = kind(OPTIMIZER, OPTIMIZER, V, **SHAPE).attach(SPAN, {**READER, "plug": ["input", "output"]}).eval()
    batch = batch_of(vocabulary)
    together = model.read(batch)[1]
    assert together.shape == (4, 13, 2)
    for row, columns in enumerate(batch["columns"].tolist()):
        alone = model.read(batch_of(vocabulary, [row]))[1]
        assert alone.shape == (1, columns, 2)
        torch.testing.assert_close(together[row, :columns], alone[0], atol=1e-6, rtol=1e-5)
        assert (together[row, columns:] == -torch.inf).all()


@torch.no_grad()
def test_where_layers_are_plugged_in() -> None:
    """Beside the words, and beside the states before the question and the context attend to each other."""
    for plug, layers in product(([], ["input"], ["output"], ["input", "output"]), ("mix", "concat4")):
        head, wide = reader_of(bert(plug=plug, layers=layers)), 12 * (4 if layers == "concat4" else 1)
        assert list(head.mixes) == plug
        assert head.network.contextual.input_size == 4 + wide * ("input" in plug)
        attended = 2 * 6 + wide * ("output" in plug)
        assert head.network.attention.similarity.in_features == 3 * attended
        assert head.network.merge.in_features == 4 * attended
        assert head.network.modelling.input_size == 2 * 6


@torch.no_grad()
def test_a_place_has_one_mix_for_question_and_context() -> None:
    model, batch = bert(plug=["input", "output"]), batch_of()
    head, seen = reader_of(model), []
    for weights, mix in zip(([1.0, 2.0, 0.0, -1.0], [0.0, 0.0, 3.0, 0.0]), head.each(), strict=True):
        assert mix.weight is not None
        mix.weight.copy_(torch.tensor(weights))
    head.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    model.read(batch)
    text = batch["text"]
    layers = torch.stack(model.encode(batch, range(4)).layers)[:, text]
    expected = [
        torch.einsum("l,lnd->nd", mix.weight.softmax(0), layers) for mix in head.each() if mix.weight is not None
    ]
    torch.testing.assert_close(seen[0][0][:, 4:], expected[0])
    torch.testing.assert_close(seen[0][1], expected[1])
    assert len(text) == sum(map(sum, LENGTHS))
    assert set(head.figures()) == {
        f"mix/{p}/{n}" for p in ("input", "output") for n in (*map("layer_{}".format, range(4)), "gamma")
    }


@torch.no_grad()
def test_layers_that_a_batch_brings_along_give_the_same() -> None:
    model, batch = bert(plug=["input", "output"]).eval(), batch_of()
    layers = torch.stack([layer[batch["text"]] for layer in model.encode(batch, range(4)).layers])
    computed, brought = (model.read({**batch, **more})[1] for more in ({}, {"layers": layers.half()}))
    torch.testing.assert_close(computed, brought, atol=2e-3, rtol=2e-3)
    assert not torch.equal(computed, brought)


WAYS = [
    {"layers": layers, "plug": plug, "words": words, "gamma": layers != 1, "rnn_layers": 1}
    for layers, plug, words in product(("mix", 1), ([], ["input"], ["output"], ["input", "output"]), ("random", "none"))
    if words == "random" or "input" in plug
]


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_a_gradient_reaches_every_trainable_parameter(way: dict) -> None:
    model = bert(**way)
    losses, logits = model.losses(batch_of())
    assert logits is not None
    assert ("mix_l2" in losses) == (way["layers"] == "mix" and way["plug"] != [])
    torch.stack([value for value, _ in losses.values()]).sum().backward()
    trained = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert [name for name, grad in trained.items() if grad is None or not grad.any()] == []
    assert all(name.startswith("head.") for name in trained)


@pytest.mark.parametrize(("kind", "size"), [(Nnlm, 8), (Word2Vec, 8)])
def test_a_model_of_vectors_trains_them_with_the_reader(kind: Any, size: int) -> None:
    model = kind(OPTIMIZER, OPTIMIZER, vocab_size=V, size=size).attach(SPAN, {"optimizer": OPTIMIZER})
    head = reader_of(model)
    assert head.network.contextual.input_size == head.network.contextual.hidden_size == size
    losses, _ = model.losses(batch_of(BARE))
    losses["task"][0].backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_a_model_directory_reads_as_the_model_does(tmp_path: Path) -> None:
    save_tokenizer(WordPiece(V).train([" ".join(WORDS)] * 9), tmp_path / "tokenizer.json")
    model = bert(plug=["input", "output"], rnn_layers=2).eval()
    model.text = {"format": {"_target_": "datamodules.formats.Sentences"}, "tokenizer": {"vocab_size": V}}
    loaded = Bert.load(model.save(tmp_path / "model", tmp_path / "tokenizer.json"))
    with torch.no_grad():
        assert torch.equal(loaded.read(batch_of())[1], model.read(batch_of())[1])
