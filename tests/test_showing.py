"""What a pre-training leaves to look at: attention as it is computed, pictures that open, samples, and both in W&B."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from matplotlib.image import imread
from torch import Tensor, nn

from datamodules import excerpts
from datamodules.shards import TokenizedCorpus
from lightning_modules.evaluation import Results
from lightning_modules.networks.transformer import SelfAttention
from sweeps.runs.closing import closing_words
from sweeps.showing import pretrained as showing
from sweeps.showing.attention import draw, few
from tests.commands import TINY, cache_of, command, summary, the_run
from tests.conftest import CPU, compose

# ---- the weights -----------------------------------------------------------------------------------------------------


def by_hand(layer: SelfAttention, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(H, n, n) weights and (n, D) output of one sequence, a token and a head at a time."""
    w, b = (tensor.detach().double().numpy() for tensor in (layer.qkv.weight, layer.qkv.bias))
    q, k, v = np.split(x @ w.T + b, 3, axis=1)
    n, width, heads = len(x), x.shape[1] // layer.num_heads, layer.num_heads
    weights, mixed = np.zeros((heads, n, n)), np.zeros_like(x)
    for head in range(heads):
        mine = slice(head * width, (head + 1) * width)
        for at in range(n):
            seen = at + 1 if layer.causal else n
            chances = np.exp(k[:seen, mine] @ q[at, mine] / np.sqrt(width))
            weights[head, at, :seen] = chances / chances.sum()
        mixed[:, mine] = weights[head] @ v[:, mine]
    out = mixed @ layer.out.weight.detach().double().numpy().T + layer.out.bias.detach().double().numpy()
    return weights, out


@torch.no_grad()
@pytest.mark.parametrize("causal", [True, False])
def test_weights_are_those_that_attention_mixes_values_with(causal: bool) -> None:
    torch.manual_seed(0)
    layer, x = SelfAttention(24, 3, 0.0, causal), 2 * torch.randn(9, 24)
    found = layer.attention_weights(x).numpy()
    expected, out = by_hand(layer, x.double().numpy())
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
    assert np.all(np.triu(found, 1) == 0) == causal
    offsets = torch.tensor([0, 9], dtype=torch.int32)
    np.testing.assert_allclose(layer(x, [(1, 9)], offsets).numpy(), out, atol=1e-5)


def attended(layer: SelfAttention, weights: np.ndarray, x: Tensor) -> np.ndarray:
    """What a layer's attention gives, if `weights` are the right ones."""
    v = layer.qkv(x)[:, -x.shape[1] :].unflatten(-1, (layer.num_heads, -1))
    return layer.out(torch.einsum("hij,jhk->ihk", torch.from_numpy(weights), v).flatten(1)).numpy()


@torch.no_grad()
@pytest.mark.parametrize(("model", "ends"), [("bert_miniature", ("[CLS]", "[SEP]")), ("gpt_miniature", None)])
def test_what_is_drawn_is_what_the_model_does(
    model: str, ends: tuple[str, str] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In every layer: weights, applied to the layer's values, are the output of the usual way through the network."""
    torch.manual_seed(0)
    data, lm = prepared(model, tmp_path)
    passed: list[tuple[SelfAttention, Tensor, Tensor]] = []
    monkeypatch.setattr(showing, "samples", lambda *_: [])  # only what is drawn passes through
    for layer in lm.encoder.layers:
        layer.attention.qkv.weight.mul_(20)  # far from even
        layer.attention.register_forward_hook(lambda part, read, made: passed.append((part, read[0], made)))
    drawn: list[tuple[Any, ...]] = []
    monkeypatch.setattr(showing, "draw", lambda *what: drawn.append(what))
    shown = showing.show(tmp_path, lm.train(), data, Results({}, {}, {}))
    assert shown["attention"] == [f"attention/{number}.png" for number in (1, 2, 3)]
    assert [file for *_, file in drawn] == [tmp_path / name for name in shown["attention"]]
    assert lm.training
    for weights, tokens, sentence, _ in drawn:
        assert weights.shape == (2, 2, len(tokens), len(tokens))
        for found in weights:
            layer, read, made = passed.pop(0)
            np.testing.assert_allclose(attended(layer, found, read), made.numpy(), atol=1e-5)
            assert weights.std() > 0.05
        written = "".join(tokens[1:-1] if ends else tokens).replace("##", "")
        assert written == sentence.replace(" ", "")
        if ends:
            assert (tokens[0], tokens[-1]) == ends
    assert not passed
    assert ("samples" in shown) == (model == "gpt_miniature")


def prepared(model: str, place: Path) -> tuple[Any, Any]:
    """The embedded miniature, in the cache that all commands of a session share, and a model with random weights."""
    cfg = compose(f"model={model}", f"cache_dir={cache_of(place)}", *CPU)
    data = instantiate(cfg.data, _convert_="all")
    data.prepare_data()
    data.setup("validate")
    return data, instantiate(cfg.model, _convert_="all").attach(data.task)


def test_of_a_model_that_cannot_there_is_nothing(tmp_path: Path) -> None:
    data, _ = prepared("bert_miniature", tmp_path)
    model: Any = nn.Linear(1, 1)
    assert showing.show(tmp_path, model, data, Results({}, {}, {})) == {}
    assert not list(tmp_path.iterdir())


# ---- where -----------------------------------------------------------------------------------------------------------


def corpus(*documents: tuple[int, ...]) -> TokenizedCorpus:
    """Documents of sentences of these lengths; every token is another number."""
    sentences = np.cumsum([0, *(length for document in documents for length in document)])
    return TokenizedCorpus(
        np.arange(sentences[-1]), sentences, np.cumsum([0, *(len(document) for document in documents)])
    )


def test_beginnings_are_of_documents_that_are_long_enough() -> None:
    text = corpus((3, 4), (2,), (9,), (5, 5), (6,))  # documents begin at 0, 7, 9, 18, 28
    assert excerpts.beginnings(text, 9, 6).tolist() == [list(range(at, at + 6)) for at in (0, 9, 18, 28)]
    assert excerpts.beginnings(text, 2, 6)[:, 0].tolist() == [0, 28]
    assert excerpts.beginnings(text, 4, 16).tolist() == [list(range(18, 28))]


def test_sentences_are_whole_and_of_a_length_to_look_at() -> None:
    text = corpus((3, 8), (30, 12), (9, 24), (25,))
    found = [(int(one[0]), len(one)) for one in excerpts.sentences(text, 9, 8, 24)]
    assert found == [(3, 8), (41, 12), (53, 9), (62, 24)]
    assert [len(one) for one in excerpts.sentences(text, 2, 8, 24)] == [8, 24]
    assert [len(one) for one in excerpts.sentences(text, 9, 5, 7)] == [3, 7, 7, 7, 7, 7, 7]


# ---- the picture -----------------------------------------------------------------------------------------------------


def test_a_few_of_many() -> None:
    assert [few(count) for count in (1, 2, 4, 12, 24)] == [[0], [0, 1], [0, 1, 2, 3], [0, 4, 7, 11], [0, 8, 15, 23]]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("layers", "heads", "n"), [(1, 1, 3), (2, 2, 10), (12, 12, 24)])
def test_any_shape_and_any_token_is_drawn(layers: int, heads: int, n: int, tmp_path: Path) -> None:
    """A pair of dollars is no formula, and a character that the font lacks is no complaint."""
    weights = np.random.default_rng(0).dirichlet(np.ones(n), (layers, heads, n))
    draw(
        weights, ["$\\frac$", "\U00013000", *["word"] * (n - 2)], "$\\frac$ \U00013000 word " * 8, tmp_path / "a/1.png"
    )
    height, width, _ = imread(tmp_path / "a/1.png").shape
    assert min(height, width) > 110 * 0.15 * n * min(layers, heads, 4)


def test_the_bottom_layer_is_at_the_bottom_and_the_first_head_at_the_left(tmp_path: Path) -> None:
    for number, (layer, head) in enumerate(((0, 0), (1, 1))):
        weights = np.full((2, 2, 9, 9), 1e-4)
        weights[layer, head] = 1
        draw(weights, ["a"] * 9, "a", tmp_path / f"{number}.png")
    first, second = (1 - imread(tmp_path / f"{number}.png")[:, :, 0] for number in (0, 1))
    down, right = np.nonzero(first - second > 0.5)
    up, left = np.nonzero(second - first > 0.5)
    assert len(down) > 1000
    assert min(down) > max(up)  # pixels are counted from the top
    assert max(right) < min(left)


# ---- a run -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def gpts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A small pre-training of GPT with the offline W&B logger, and what it said."""
    place = tmp_path_factory.mktemp("gpt")
    done = command(place, "model=gpt_miniature", *TINY, "trainer=smoke", "data.validation_sequences=20")
    assert done.status == 0, done.err
    return the_run(place), done.out


@pytest.mark.slow
def test_a_run_leaves_samples(gpts: tuple[Path, str]) -> None:
    run, said = gpts
    record = summary(run)
    assert len(record["samples"]) == len({sample["prompt"] for sample in record["samples"]}) == showing.SAMPLES
    for sample in record["samples"]:
        assert list(sample) == ["prompt", "continuation"]
        assert len(sample["prompt"]) > 30
        assert len(sample["continuation"]) > 60
        assert "<unk>" not in sample["continuation"]
    first = record["samples"][0]
    assert f"{first['prompt']!r} goes on {first['continuation']!r}" in said
    assert f"attention: {run}/attention (3 pictures)" in closing_words(record, run)


@pytest.mark.slow
def test_a_run_leaves_pictures(gpts: tuple[Path, str]) -> None:
    run, _ = gpts
    files = [run / name for name in summary(run)["attention"]]
    assert sorted(path.name for path in (run / "attention").iterdir()) == [path.name for path in files]
    assert len({imread(path).tobytes() for path in files}) == showing.SENTENCES


@pytest.mark.slow
def test_weights_and_biases_has_both(gpts: tuple[Path, str]) -> None:
    run, _ = gpts
    (folder,) = (run / "wandb").glob("offline-run-*")
    (table,) = folder.rglob("samples*.table.json")
    columns = json.loads(table.read_text())
    assert [dict(zip(columns["columns"], row, strict=True)) for row in columns["data"]] == summary(run)["samples"]
    images = {path.name.partition("_")[0]: path.read_bytes() for path in folder.rglob("media/images/attention/*.png")}
    assert images == {Path(name).stem: (run / name).read_bytes() for name in summary(run)["attention"]}
