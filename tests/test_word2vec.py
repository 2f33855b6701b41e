"""word2vec against a plain reading of its definition: one pair at a time, in numpy.

Windows, noise and sub-sampling against their own definitions; closed-form updates against automatic differentiation.
"""

import itertools
import math
import random
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest import mock

import lightning as L
import numpy as np
import pytest
import torch
import torch.distributed as dist
from scipy.stats import chi2, chisquare
from torch.utils._python_dispatch import TorchDispatchMode

from datamodules.huffman import huffman
from datamodules.noise import Noise
from datamodules.shards import TokenizedCorpus
from datamodules.task import Refused, Task
from datamodules.tokenization import Vocabulary
from datamodules.windows import BLOCK, SHARED, CountedWindows, Windows
from datamodules.words import Words
from lightning_modules.networks.word_windows import Change
from lightning_modules.replicas import SHARE, Replicas
from lightning_modules.row_descent import RowDescent
from lightning_modules.word2vec import Word2Vec

KINDS = [(a, loss) for a in ("skip_gram", "cbow") for loss in ("negative_sampling", "hierarchical_softmax")]
WINDOW, SIZE = 3, 6


def sentences(number: int = 30) -> list[str]:
    chance = random.Random(0)
    return [" ".join(chance.choices("abcdefghij", range(1, 11), k=chance.randint(1, 25))) for _ in range(number)]


def corpus_of(texts: list[str], vocab_size: int = 100) -> tuple[TokenizedCorpus, Vocabulary]:
    tokenizer = Words(vocab_size).train(texts)
    ids = [np.array(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]
    begins = np.concatenate([[0], np.cumsum([len(one) for one in ids])])
    return TokenizedCorpus(np.concatenate(ids), begins, np.array([0, len(texts)])), Vocabulary.of(tokenizer)


def counted(corpus: TokenizedCorpus, vocabulary: Vocabulary, **settings: Any) -> CountedWindows:
    words = vocabulary.lexicon.counted(np.asarray(corpus.tokens[:]))
    return Windows(**settings).with_counts(np.bincount(words, minlength=vocabulary.size), vocabulary)


def batch_of(texts: list[str], **settings: Any) -> tuple[dict, CountedWindows, Vocabulary]:
    """All of the texts as one batch."""
    corpus, vocabulary = corpus_of(texts)
    objective = counted(corpus, vocabulary, **{"window": WINDOW, **settings})
    rows = objective.plan(corpus, 40, 0, 0)
    return objective.batch(corpus, vocabulary, rows, [(0, 0, row) for row in range(len(rows))]), objective, vocabulary


def model_of(vocab_size: int, architecture: str, loss: str, **settings: Any) -> Word2Vec:
    torch.manual_seed(0)
    model = Word2Vec({"lr": 0.1}, {"lr": 0.1}, vocab_size, SIZE, architecture, loss, **settings).double()
    torch.nn.init.normal_(model.vectors.weight)
    torch.nn.init.normal_(model.outputs.weight)
    return model


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def predictions(batch: dict) -> list[tuple[int, int, int, list[int]]]:
    """(block, place in it, centre, words beside it) of each centre, read off a batch one by one."""
    around, owners, reach = (batch[key].tolist() for key in ("around", "sentences", "reach"))
    found = []
    for block, far in enumerate(reach):
        for place, distance in enumerate(far):
            here = place + WINDOW
            beside = [
                around[block][other]
                for other in range(here - distance, here + distance + 1)
                if other != here and owners[block][other] == owners[block][here]
            ]
            if distance and beside:
                found.append((block, place, around[block][here], beside))
    return found


def brute_force(model: Word2Vec, batch: dict, whole: bool) -> tuple[float, int, np.ndarray, np.ndarray]:
    """The loss, its count, and minus its gradient by both tables: a pair, a noise word, a branch at a time.

    Args:
        whole: of a mean each word gets all of its gradient.
    """
    vectors, outputs = (t.weight.detach().numpy() for t in (model.vectors, model.outputs))
    total, count, inner, outer = 0.0, 0, np.zeros_like(vectors), np.zeros_like(outputs)
    for block, place, centre, beside in predictions(batch):
        for group in [beside] if model.is_mean else [[word] for word in beside]:
            hidden, count = vectors[group].mean(axis=0), count + 1
            if model.is_sampled:
                asked = [(centre, 1, 1.0)]
                asked += [(w, 0, 5 / SHARED) for w in batch["negatives"][block].tolist() if w != centre]
            else:
                way = int(batch["ways"][block, place])
                told = zip(batch["nodes"][way].tolist(), batch["codes"][way].tolist(), strict=True)
                asked = [(node, 1 - code, 1.0) for node, code in told if node >= 0]
            error = np.zeros(SIZE)
            for row, label, weight in asked:
                chance = sigmoid(hidden @ outputs[row])
                total -= weight * math.log(chance if label else 1 - chance)
                error += weight * (label - chance) * outputs[row]
                outer[row] += weight * (label - chance) * hidden
            for word in group:
                inner[word] += error if whole else error / len(group)
    return total, count, inner, outer


def dense(change: Change, like: torch.Tensor) -> np.ndarray:
    return torch.zeros_like(like).index_add_(0, change.rows, change.values).detach().numpy()


# ---- the loss, its gradient, its closed form ------------------------------------------------------------------------


@pytest.mark.parametrize(("architecture", "loss"), KINDS)
def test_loss_and_changes_are_those_of_each_pair(architecture: str, loss: str) -> None:
    batch, _, vocabulary = batch_of(sentences(), architecture=architecture, loss=loss, sample=0.05)
    for gradient in ("whole", "shared"):
        model = model_of(vocabulary.size, architecture, loss, cbow_gradient=gradient)
        total, count, inner, outer = brute_force(model, batch, gradient == "whole")
        ((value, number),) = model.pretraining_losses(batch).values()
        assert value.item() == pytest.approx(total, rel=1e-10)
        assert number == count == batch["counts"][architecture]
        changes = model.changes(batch)
        np.testing.assert_allclose(dense(changes[0], model.vectors.weight), inner, atol=1e-10)
        np.testing.assert_allclose(dense(changes[1], model.outputs.weight), outer, atol=1e-10)
        if gradient == "shared" or architecture == "skip_gram":  # the derivative
            value.backward()
            for change, table in zip(changes, (model.vectors.weight, model.outputs.weight), strict=True):
                np.testing.assert_allclose(dense(change, table), -table.grad.numpy(), atol=1e-10)  # pyright: ignore


@pytest.mark.parametrize(("architecture", "loss"), KINDS)
def test_a_change_counts_the_predictions_of_its_rows(architecture: str, loss: str) -> None:
    batch, _, vocabulary = batch_of(sentences(), architecture=architecture, loss=loss)
    model = model_of(vocabulary.size, architecture, loss)
    inner, outer = np.zeros((2, vocabulary.size))
    for block, place, centre, beside in predictions(batch):
        times = 1 if model.is_mean else len(beside)
        np.add.at(inner, beside, 1)
        if model.is_sampled:
            outer[centre] += times
            np.add.at(outer, [w for w in batch["negatives"][block].tolist() if w != centre], times * 5 / SHARED)
        else:
            way = batch["nodes"][batch["ways"][block, place]]
            np.add.at(outer, way[way >= 0].numpy(), times)
    for change, expected in zip(model.changes(batch), (inner, outer), strict=True):
        found = np.zeros(vocabulary.size)
        np.add.at(found, change.rows.numpy(), change.pairs.numpy())
        np.testing.assert_allclose(found, expected)


def summed(rows: torch.Tensor, numbers: torch.Tensor | None, vocab_size: int) -> np.ndarray:
    assert numbers is not None
    return torch.zeros(vocab_size, dtype=torch.float64).index_add_(0, rows, numbers.detach()).numpy()


@pytest.mark.parametrize(("architecture", "loss"), KINDS)
def test_curvature_bounds_the_second_derivative(architecture: str, loss: str) -> None:
    """Of sentences without a word twice; and is it where every score is 0."""
    chance = random.Random(0)
    batch, _, vocabulary = batch_of(
        [" ".join(chance.sample("abcdef", 6)) for _ in range(2)], architecture=architecture, loss=loss
    )
    gradients = ("whole", "shared") if architecture == "cbow" else ("whole",)
    for gradient, empty in itertools.product(gradients, (None, "vectors", "outputs")):
        model = model_of(vocabulary.size, architecture, loss, cbow_gradient=gradient)
        if empty:
            torch.nn.init.zeros_(getattr(model, empty).weight)
        for which, change in enumerate(model.changes(batch, curved=True)):
            trace = traces(model, batch, which)
            bound = summed(change.rows, change.curvature, vocabulary.size)
            assert (trace <= bound + 1e-9).all()
            if empty:
                np.testing.assert_allclose(trace, bound, atol=1e-9)
            else:
                assert 0 < trace.sum() < bound.sum()


def traces(model: Word2Vec, batch: dict, which: int) -> np.ndarray:
    """(V,): how a row's change turns against its own moving, summed over its D numbers."""
    module = (model.vectors, model.outputs)[which]
    table = module.weight.detach().clone()

    def turned(rows: torch.Tensor) -> torch.Tensor:
        with mock.patch.object(module, "forward", lambda ids: rows[ids]):
            change = model.changes(batch)[which]
        return -torch.zeros_like(table).index_add(0, change.rows, change.values)

    return torch.einsum("vdvd->v", torch.func.jacfwd(turned)(table)).detach().numpy()


@pytest.mark.parametrize("gradient", ["whole", "shared"])
@pytest.mark.parametrize("loss", ["negative_sampling", "hierarchical_softmax"])
def test_each_place_of_a_word_bends_a_mean_as_far_as_it_moves_it(loss: str, gradient: str) -> None:
    batch, _, vocabulary = batch_of(sentences(), architecture="cbow", loss=loss)
    model = model_of(vocabulary.size, "cbow", loss, cbow_gradient=gradient)
    vectors, outputs = (t.weight.detach().numpy() for t in (model.vectors, model.outputs))
    inner, outer = np.zeros((2, vocabulary.size))
    for block, place, centre, beside in predictions(batch):
        if model.is_sampled:
            negatives = [w for w in batch["negatives"][block].tolist() if w != centre]
            asked = [(centre, 1.0), *((word, 5 / SHARED) for word in negatives)]
        else:
            asked = [(n, 1.0) for n in batch["nodes"][int(batch["ways"][block, place])].tolist() if n >= 0]
        mean = vectors[beside].mean(axis=0)
        for row, weight in asked:
            outer[row] += weight * (mean @ mean) / 4
            for word in beside:
                moved = 1 if gradient == "whole" else 1 / len(beside)
                inner[word] += weight * (outputs[row] @ outputs[row]) / 4 * moved / len(beside)
    for change, expected in zip(model.changes(batch, curved=True), (inner, outer), strict=True):
        np.testing.assert_allclose(summed(change.rows, change.curvature, vocabulary.size), expected)


def test_a_row_changes_by_what_all_its_predictions_say_up_to_the_cap() -> None:
    table = torch.nn.Parameter(torch.zeros(4, 2))
    rows, values = torch.tensor([0, 1, 1, 3]), torch.tensor([[1.0, 2], [3, 4], [5, 6], [8, 8]])
    change = Change(rows, values, torch.tensor([4.0, 6, 10, 0]))
    optimizer = RowDescent([table], 0.5, cap=8)
    optimizer.step(lambda: [[Change(rows, values.clone(), change.pairs)]])
    expected = torch.tensor([[0.5, 1], [8 * 0.5 * 8 / 16, 10 * 0.5 * 8 / 16], [0, 0], [4, 4]])
    torch.testing.assert_close(table.data, expected)
    optimizer.step(lambda: [[Change(rows, values.clone(), change.pairs)] for _ in range(2)])
    torch.testing.assert_close(table.data, 3 * expected)  # nothing is left over of the counting
    assert not optimizer.curvatures[0].any()
    bends = torch.tensor([3.0, 7, 9, 0])
    optimizer.step(lambda: [[Change(rows, values.clone(), change.pairs, bends)] for _ in range(3)])
    torch.testing.assert_close(optimizer.curvatures[0], torch.tensor([3 * 3 * 0.5, 3 * (7 + 9) * 0.5 * 8 / 16, 0, 0]))
    assert optimizer.state_dict()["state"] == {}


def test_an_update_sees_the_one_before_it() -> None:
    """A step of two parts is two steps of one."""
    batch, _, vocabulary = batch_of(sentences(), architecture="skip_gram", sample=0.0)
    once, twice = (model_of(vocabulary.size, "skip_gram", "negative_sampling", update=64) for _ in range(2))
    parts = list(once.parts(batch))
    assert len(parts) > 3
    assert sum(len(part["reach"]) for part in parts) == len(batch["reach"])
    tables = [(model.vectors.weight, model.outputs.weight) for model in (once, twice)]
    RowDescent(tables[0], 0.1, 8).step(lambda: (once.changes(part) for part in once.parts(batch)))
    for part in parts:
        RowDescent(tables[1], 0.1, 8).step(lambda part=part: [twice.changes(part)])
    for one, other in zip(*tables, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


# ---- what is read ----------------------------------------------------------------------------------------------------


def test_blocks_hold_each_word_once_with_its_sentence_around_it() -> None:
    texts = sentences()
    corpus, vocabulary = corpus_of(texts)
    objective = counted(corpus, vocabulary, window=WINDOW, dynamic=False, sample=0.0)
    rows = objective.plan(corpus, 40, 0, 0)
    assert rows[0, 0] == 0
    assert rows[-1, 1] == len(texts)
    assert all(one[1] == other[0] for one, other in pairwise(rows.tolist()))
    batch = objective.batch(corpus, vocabulary, rows, [(0, 0, 0)])
    ids = [vocabulary.ids(text).tolist() for text in texts]
    expected = sorted(
        (word, tuple(text[max(0, at - WINDOW) : at] + text[at + 1 : at + 1 + WINDOW]))
        for text in ids
        for at, word in enumerate(text)
        if len(text) > 1
    )
    assert sorted((centre, tuple(beside)) for _, _, centre, beside in predictions(batch)) == expected
    assert batch["tokens"].tolist() == [word for text in ids for word in text]


def test_words_outside_the_vocabulary_are_left_out_before_windows_are_looked_at() -> None:
    tokenizer = Words(100).train(["a b c d"])
    ids = np.array(tokenizer.encode("a zebra b xyz c d", add_special_tokens=False).ids)
    corpus, vocabulary = TokenizedCorpus(ids, np.array([0, len(ids)]), np.array([0, 1])), Vocabulary.of(tokenizer)
    objective = counted(corpus, vocabulary, window=1, dynamic=False, sample=0.0)
    batch = objective.batch(corpus, vocabulary, objective.plan(corpus, 40, 0, 0), [(0, 0, 0)])
    a, b, c, d = (tokenizer.token_to_id(letter) for letter in "abcd")
    around, reach = batch["around"][0].tolist(), batch["reach"][0].tolist()
    assert around[1:5] == [a, b, c, d]
    assert sum(reach) == 4
    assert batch["counts"] == {"skip_gram": 6}
    assert len(batch["tokens"]) == 6  # all that was read


@pytest.mark.parametrize("subsampling", ["released", "paper"])
def test_subsampling_keeps_words_by_the_formula(subsampling: str) -> None:
    counts = np.array([0, 0, 0, 500000, 30000, 2000, 100, 1])
    t = 0.01
    keep = Windows(sample=t, subsampling=subsampling).keep_chances(counts)
    for count, chance in zip(counts[3:], keep[3:], strict=True):
        f = count / counts.sum()
        formula = math.sqrt(t / f) + (t / f if subsampling == "released" else 0)
        assert chance == pytest.approx(min(1.0, formula))
        n = count / (t * counts.sum())  # the C program's words: (sqrt(c / (t N)) + 1) * (t N) / c
        if subsampling == "released":
            assert chance == pytest.approx(min(1.0, (math.sqrt(n) + 1) / n))
    assert keep[:3].tolist() == [0, 0, 0]


def test_subsampling_and_windows_are_drawn_as_they_should_be() -> None:
    texts = ["a b c d e f g h i j"] * 3000 + ["a a a a a a a a"] * 2000
    corpus, vocabulary = corpus_of(texts)
    objective = counted(corpus, vocabulary, window=4, sample=0.02)
    rows = objective.plan(corpus, 1000, 0, 0)
    batch = objective.batch(corpus, vocabulary, rows, [(0, 0, 0)])
    centres = batch["around"][:, 4 : 4 + BLOCK["negative_sampling"]][batch["reach"] > 0].numpy()
    kept = np.bincount(centres, minlength=len(objective.counts))[3:]
    counts, chances = objective.counts[3:], objective.keep[3:]
    assert (chances < 1).all()
    found, expected = np.stack([kept, counts - kept]), np.stack([counts * chances, counts * (1 - chances)])
    statistic = ((found - expected) ** 2 / expected).sum()
    assert chi2.sf(statistic, len(counts)) > 1e-3  # of each word how many are kept and how many are dropped
    assert chi2.sf(((found[::-1] - expected) ** 2 / expected).sum(), len(counts)) < 1e-9
    drawn = np.bincount(batch["reach"].flatten().numpy(), minlength=5)[1:]
    assert len(drawn) == 4
    assert chisquare(drawn).pvalue > 1e-3


def test_noise_is_drawn_by_frequency_to_the_power() -> None:
    counts = np.array([0, 7000, 0, 900, 80, 80, 5, 1])
    noise = Noise(counts, 0.75)
    drawn = np.bincount(noise.draw((400, 500), np.random.default_rng(0)).ravel(), minlength=len(counts))
    shares = counts**0.75 / (counts**0.75).sum()
    assert drawn[counts == 0].sum() == 0
    assert chisquare(drawn[counts > 0], shares[counts > 0] * drawn.sum()).pvalue > 1e-3
    uniform = np.bincount(Noise(counts, 0.0).draw((60000,), np.random.default_rng(1)), minlength=len(counts))
    assert chisquare(uniform[counts > 0]).pvalue > 1e-3


def test_every_draw_depends_on_seed_epoch_and_sequence_alone() -> None:
    texts = sentences()
    corpus, vocabulary = corpus_of(texts)
    objective = counted(corpus, vocabulary, window=WINDOW)
    rows = objective.plan(corpus, 40, 0, 0)
    one, same, other = (objective.batch(corpus, vocabulary, rows, [key]) for key in ((0, 0, 0), (0, 0, 0), (0, 1, 0)))
    assert all(torch.equal(one[key], same[key]) for key in ("around", "reach", "negatives"))
    assert (
        not torch.equal(one["negatives"], other["negatives"]) if one["around"].shape == other["around"].shape else True
    )


# ---- the tree --------------------------------------------------------------------------------------------------------


def test_the_tree_is_huffmans() -> None:
    """Prefix-free, complete, and as short as the best code: the sum over inner nodes of what is below them."""
    counts = np.random.default_rng(0).zipf(1.5, 200)
    counts[[3, 50]] = 0
    nodes, codes = huffman(counts)
    ways = {}
    for word in np.flatnonzero(counts):
        length = int((nodes[word] >= 0).sum())
        assert (nodes[word, length:] == -1).all()
        ways[word] = tuple(zip(nodes[word, :length].tolist(), codes[word, :length].tolist(), strict=True))
        assert ways[word][0][0] == 0  # the root
    assert (nodes[counts == 0] == -1).all()
    places: dict[int, set[int]] = {}
    for way in ways.values():
        for node, code in way:
            places.setdefault(node, set()).add(code)
    assert sorted(places) == list(range(len(ways) - 1))
    assert all(both == {0, 1} for both in places.values())
    assert len({tuple(code for _, code in way) for way in ways.values()}) == len(ways)
    heap = sorted(counts[counts > 0].tolist())
    cost = 0
    while len(heap) > 1:
        both = heap.pop(0) + heap.pop(0)
        cost += both
        heap = sorted([*heap, both])
    assert sum(int(counts[word]) * len(way) for word, way in ways.items()) == cost


def test_chances_along_the_ways_sum_to_one() -> None:
    batch, objective, vocabulary = batch_of(sentences(), loss="hierarchical_softmax")
    model = model_of(vocabulary.size, "skip_gram", "hierarchical_softmax")
    assert objective.tree is not None
    nodes, codes = objective.tree
    hidden, outputs = model.vectors.weight[5].detach().numpy(), model.outputs.weight.detach().numpy()
    total = 0.0
    for word in np.flatnonzero(objective.counts):
        chance = 1.0
        for node, code in zip(nodes[word], codes[word], strict=True):
            if node >= 0:
                chance *= sigmoid(hidden @ outputs[node] * (1 - 2 * code))
        total += chance
    assert total == pytest.approx(1)
    assert batch["nodes"].shape == batch["codes"].shape


def test_a_vocabulary_of_one_word_has_no_way() -> None:
    nodes, codes = huffman(np.array([0, 0, 4]))
    assert nodes.shape == codes.shape == (3, 0)


def test_a_gap_asks_for_its_word_from_those_around_it() -> None:
    """Of a text with an unknown word in it; the score is that of each pair, and no noise is in it."""
    texts = sentences()
    _, vocabulary = corpus_of(texts)
    tokens = vocabulary.ids("a b zebra c d e f g")
    at = int(np.flatnonzero(tokens == vocabulary.ids("d")[0])[0])
    batch = Windows(window=WINDOW).gap(vocabulary, tokens, at, at + 1)
    model = model_of(vocabulary.size, "skip_gram", "negative_sampling")
    ids = {letter: int(vocabulary.ids(letter)[0]) for letter in "abcdefg"}
    expected = sum(
        -math.log(sigmoid(float(model.vectors.weight[ids[letter]] @ model.outputs.weight[ids["d"]])))
        for letter in "abcefg"
    )
    value, count = model.pretraining_losses(batch)["skip_gram"]
    assert count == batch["counts"]["skip_gram"] == 6
    assert value.item() == pytest.approx(expected)
    with pytest.raises(Refused, match=r"model\.loss=hierarchical_softmax cannot be asked"):
        Windows(loss="hierarchical_softmax").gap(vocabulary, tokens, at, at + 1)


# ---- training --------------------------------------------------------------------------------------------------------


def trained(texts: list[str], epochs: int, **settings: Any) -> tuple[Word2Vec, Vocabulary]:
    """By Lightning's Trainer, on all of the texts at each step."""
    corpus, vocabulary = corpus_of(texts)
    kind = {key: settings[key] for key in ("architecture", "loss") if key in settings}
    objective = counted(corpus, vocabulary, sample=0.0, **kind)
    rows = objective.plan(corpus, 40, 0, 0)
    batches = [objective.batch(corpus, vocabulary, rows, [(0, epoch, 0)]) for epoch in range(epochs)]
    torch.manual_seed(0)
    model = Word2Vec({"lr": 0.1, "warmup": 0}, {"lr": 0.1}, vocabulary.size, 16, update=128, cap=8, **settings)
    model.attach(Task("corpus", "pretraining", test_sets=()))
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = L.Trainer(max_epochs=1, accelerator="cpu", devices=1, enable_model_summary=False, **quiet)
    trainer.fit(model, torch.utils.data.DataLoader(batches, batch_size=None))  # pyright: ignore[reportArgumentType]
    assert trainer.global_step == epochs  # the optimiser goes through Lightning, so that steps are counted
    optimizer: Any = trainer.optimizers[0]
    assert not any(curvature.any() for curvature in optimizer.curvatures)  # which one process need not know
    return model, vocabulary


@pytest.mark.parametrize(("architecture", "loss"), KINDS)
def test_words_of_the_same_places_become_alike(architecture: str, loss: str) -> None:
    chance = random.Random(1)
    texts = [f"{chance.choice('ab')} {chance.choice('pq')} {chance.choice('pq')}" for _ in range(150)]
    texts += [f"{chance.choice('xy')} {chance.choice('rs')} {chance.choice('rs')}" for _ in range(150)]
    model, vocabulary = trained(texts, 30, architecture=architecture, loss=loss)
    unit = torch.nn.functional.normalize(model.vectors.weight.detach(), dim=1)
    a, b, x, y = (unit[int(vocabulary.ids(letter)[0])] for letter in "abxy")
    assert float(a @ b) > 0.8 < float(x @ y)
    assert float(a @ x) < float(a @ b) - 0.3
    assert torch.isfinite(model.vectors.weight).all()


TIMES = ((1, 0), (0, 3), (2, 2), (400, 400), (3000, 5), (0, 0))  # predictions of each row by one and the other process
GOALS = torch.tensor([[3.0, 1], [2, -2], [5, 4], [-1, 6], [7, 1], [9, 9]])


def moved(row: torch.Tensor, goal: torch.Tensor, times: int, lr: float) -> torch.Tensor:
    """One prediction after the other, each drawing the row towards its goal."""
    for _ in range(times):
        row = row + lr * SHARE * (goal - row)
    return row


def half(rank: int, folder: str) -> None:
    """One of two processes: what it trains, and what comes of both."""
    dist.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    tables = [torch.ones(len(TIMES), 2), torch.ones(3, 1)]
    curvatures = [0.025 * torch.tensor([times[rank] for times in TIMES]), torch.tensor([0.0, 0.0, rank])]
    replicas = Replicas(tables, curvatures)
    for row, (goal, times) in enumerate(zip(GOALS, TIMES, strict=True)):
        tables[0][row] = moved(tables[0][row], goal, times[rank], 0.025)
    tables[1][2] += rank  # by the second alone
    replicas.join()
    once = [table.clone() for table in tables]
    replicas.join()
    torch.save([once, tables], Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


class Counted(TorchDispatchMode):
    """How many operations on tensors there are: of a device each is a kernel or less."""

    number = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.number += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(("architecture", "loss"), KINDS)
@pytest.mark.parametrize("curved", [False, True])
def test_an_update_is_as_many_operations_however_many_words_it_has(architecture: str, loss: str, curved: bool) -> None:
    """A device is asked for some of them for two thousand words, not for each pair."""
    batch, _, vocabulary = batch_of(sentences(), architecture=architecture, loss=loss, sample=0.0)
    numbers = []
    for update in (64, 256):
        model = model_of(vocabulary.size, architecture, loss, update=update)
        part, optimizer = next(model.parts(batch)), RowDescent(model.tables, 0.1, 64)
        with Counted() as counted:
            optimizer.step(lambda model=model, part=part: [model.changes(part, curved)])
        numbers.append(counted.number)
    assert numbers[0] == numbers[1] <= (110 if curved else 100)


@pytest.mark.slow
def test_two_replicas_join_where_one_process_would_have_got(tmp_path: Path) -> None:
    """On rows that are drawn to a goal, rare and frequent ones, by both processes or by one."""
    torch.multiprocessing.spawn(half, (str(tmp_path),), nprocs=2)  # pyright: ignore[reportPrivateImportUsage]
    one = torch.stack([moved(torch.ones(2), goal, sum(both), 0.025) for goal, both in zip(GOALS, TIMES, strict=True)])
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    for once, again in found:
        torch.testing.assert_close(once[0], one, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(once[1], torch.tensor([[1.0], [1], [2]]))
        assert all(torch.equal(a, b) for a, b in zip(once, again, strict=True))  # nothing is added twice
    assert all(torch.equal(a, b) for a, b in zip(found[0][0], found[1][0], strict=True))


@pytest.mark.parametrize(("key", "value", "kept"), [("negatives", 15, 5), ("noise_exponent", 1.0, 0.75)])
def test_noise_that_a_tree_does_not_draw_is_refused(key: str, value: Any, kept: Any) -> None:
    with pytest.raises(Refused, match=rf"text\.objective\.{key}={value} .* draws no noise; it may be {kept},"):
        Windows(loss="hierarchical_softmax", **{key: value})
    Windows(loss="negative_sampling", **{key: value})
    Windows(loss="hierarchical_softmax", **{key: kept})


def test_micro_batches_are_refused_in_a_sentence() -> None:
    model = Word2Vec({"lr": 0.1}, {"lr": 0.1}, 20, 4).attach(Task("corpus", "pretraining", test_sets=()))
    model.trainer = L.Trainer(accumulate_grad_batches=2, logger=False, accelerator="cpu")
    with pytest.raises(Refused, match=r"trainer\.accumulate_grad_batches=2 is not possible"):
        model.configure_optimizers()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"architecture": "glove"}, "model.architecture='glove' is not possible: it may be skip_gram, cbow."),
        ({"loss": "softmax"}, "model.loss='softmax'"),
        ({"cap": 0}, "model.cap=0"),
        ({"update": 0}, "model.update=0"),
        ({"optimizer": {"lr": 0.1, "weight_decay": 0.1}}, "a key of model.optimizer='weight_decay'"),
    ],
)
def test_what_a_model_may_not_be(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused) as error:
        Word2Vec(**{"optimizer": {"lr": 0.1}, "finetuning": {"lr": 0.1}, **settings})
    assert words in str(error.value)
