"""Heuristics that train nothing: what is asked of a model, and that its answers are what its probabilities say."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from datamodules.byte_pair import BytePair
from datamodules.causal import CausalLM
from datamodules.glue import Glue
from datamodules.glue_tasks import TASKS
from datamodules.objectives import MaskedLanguageModel
from datamodules.task import Refused, Task
from datamodules.tokenization import Vocabulary
from datamodules.zero_shot import ZeroShot
from lightning_modules.evaluation import best_threshold
from lightning_modules.gpt import Gpt

OPTIMIZER = {"lr": 1e-3}
TEXTS = ["a very good film .", "a very bad film .", "positive and negative", "the end of it"]
CHOICE = Task("swag", "choice", 2, ("0", "1"), ("accuracy",), "accuracy", max_length=40)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return BytePair(vocab_size=60).train(TEXTS * 3)


def model(size: int) -> Gpt:
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_layers": 2,
        "num_heads": 2,
        "intermediate_size": 24,
        "max_length": 64,
    }
    made = Gpt(OPTIMIZER, OPTIMIZER, vocab_size=size, **sizes)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return made.eval()


def batch_of(tokenizer: Tokenizer, task: Task, *examples: list[str]) -> dict:
    vocabulary = Vocabulary.of(tokenizer)
    layout = ZeroShot(CausalLM())
    fields = [[vocabulary.ids(text) for text in example] for example in examples]
    return layout.batch(vocabulary, fields, layout.asked(task))


@torch.no_grad()
def log_chances(network: Gpt, ids: list[int]) -> np.ndarray:
    """ln P of each token but the first, from those before it: (n - 1,)."""
    batch: dict[str, Any] = {
        "tokens": torch.tensor(ids), "positions": torch.arange(len(ids)), "runs": [(1, len(ids))],
        "offsets": torch.tensor([0, len(ids)]), "summary": torch.tensor([0]),
    }  # fmt: skip
    table = network.encoder.embeddings.token.weight
    chances = (network.encode(batch).layers[-1] @ table.T).double().log_softmax(-1)
    return np.array([float(chances[at, token]) for at, token in enumerate(ids[1:])])


def cut(tokenizer: Tokenizer, *texts: str) -> list[int]:
    return [number for text in texts for number in tokenizer.encode(text, add_special_tokens=False).ids]


def task(name: str) -> Task:
    from dataclasses import replace

    return replace(TASKS[name], max_length=40)


@torch.no_grad()
def test_a_review_is_what_very_goes_on_with(tokenizer: Tokenizer) -> None:
    """Mean log-probability of the pieces of "negative" and of "positive", after ". <review> very"."""
    network = model(tokenizer.get_vocab_size())
    asked = ZeroShot(CausalLM()).asked(task("sst2"))
    network.attach(asked)
    _, logits = network.read(batch_of(tokenizer, task("sst2"), ["a good film"], ["the end"]))
    for review, row in zip(("a good film", "the end"), logits, strict=True):
        before = cut(tokenizer, ".", review, "very")
        for word, found in zip(("negative", "positive"), row.tolist(), strict=True):
            after = cut(tokenizer, word)
            assert found == pytest.approx(log_chances(network, before + after)[-len(after) :].mean(), rel=1e-4)


@torch.no_grad()
def test_a_sentence_is_as_acceptable_as_its_tokens_are_likely(tokenizer: Tokenizer) -> None:
    """The mean over all of its tokens; above the threshold it is label 1."""
    network = model(tokenizer.get_vocab_size()).attach(ZeroShot(CausalLM()).asked(task("cola")))
    sentences = ["a film", "the end of it", "."]
    expected = [float(log_chances(network, cut(tokenizer, ".", text)).mean()) for text in sentences]
    batch = batch_of(tokenizer, task("cola"), *([text] for text in sentences))
    _, logits = network.read(batch)
    assert (logits[:, 1] - logits[:, 0]).tolist() == pytest.approx(expected, rel=1e-4)
    low, middle, high = sorted(expected)
    network.threshold = (low + middle) / 2
    assert network.read(batch)[1].argmax(-1).tolist() == [int(score > network.threshold) for score in expected]
    assert sum(network.read(batch)[1].argmax(-1).tolist()) == 2
    assert high > middle > low


@torch.no_grad()
def test_the_likeliest_ending_is_chosen_by_its_own_tokens(tokenizer: Tokenizer) -> None:
    network = model(tokenizer.get_vocab_size()).attach(ZeroShot(CausalLM()).asked(CHOICE))
    _, logits = network.read(batch_of(tokenizer, CHOICE, ["a film .", "the", "end", "end of it"]))
    before = cut(tokenizer, ".", "a film .", "the")
    for end, found in zip(("end", "end of it"), logits[0].tolist(), strict=True):
        after = cut(tokenizer, end)
        assert found == pytest.approx(log_chances(network, before + after)[-len(after) :].mean(), rel=1e-4)


@pytest.mark.parametrize("gap", [CausalLM(), MaskedLanguageModel(nsp=False)])
def test_long_texts_lose_their_beginning_not_what_is_asked(gap: Any) -> None:
    layout = ZeroShot(gap)
    seen: list[tuple[np.ndarray, int, int]] = []
    layout.gap = cast("Any", SimpleNamespace(gap=lambda _, tokens, first, stop: seen.append((tokens, first, stop))))
    vocabulary = cast("Any", None)
    for before, after in ((50, 3), (1, 50), (10, 3), (30, 30)):
        layout.ask(vocabulary, np.arange(before), np.arange(100, 100 + after), 20)
        tokens, first, stop = seen[-1]
        assert stop == len(tokens) <= 18
        assert tokens[first:].tolist() == list(range(100, 100 + min(after, 17)))
        kept = min(before, 18 - len(tokens[first:]))
        assert tokens[:first].tolist() == list(range(before))[before - kept :]


def test_a_task_without_a_heuristic_and_an_objective_without_a_gap_are_refused() -> None:
    with pytest.raises(Refused, match=r"no heuristic for rte: it may be cola, sst2"):
        ZeroShot(CausalLM()).asked(task("rte"))
    with pytest.raises(Refused, match="has no `gap`"):
        ZeroShot(cast("Any", SimpleNamespace()))


@pytest.mark.parametrize("name", ["cola", "sst2"])
def test_nothing_is_trained_and_it_is_said(name: str, tmp_path: Any) -> None:
    sizes = {"max_length": 32, "global_batch_size": 8, "eval_batch_size": 8, "seed": 0, "cache_dir": str(tmp_path)}
    data = Glue(name, source="miniature", tokenizer=BytePair(vocab_size=100), format=ZeroShot(CausalLM()), **sizes)
    assert not data.task.trains
    assert (data.checkpoint, data.selection) == (
        "none",
        "threshold selected on a tenth of train" if name == "cola" else "nothing is trained",
    )


def test_the_threshold_is_the_best_one() -> None:
    """Against all places between two scores."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60)
    scores = rng.normal(size=60) + labels - 3
    used = -2.5
    chances = 1 / (1 + np.exp(-(scores - used)))
    rows = [
        [i, int(s > used), int(label), [1 - p, p]]
        for i, (s, label, p) in enumerate(zip(scores, labels, chances, strict=True))
    ]
    place, score = best_threshold(task("cola"), rows, used)

    def matthews(at: float) -> float:
        return float(np.corrcoef(scores > at, labels)[0, 1]) if 0 < (scores > at).sum() < 60 else 0.0

    ordered = np.sort(scores)
    best = max(matthews(at) for at in (ordered[1:] + ordered[:-1]) / 2)
    assert score == pytest.approx(100 * best, rel=1e-5)
    assert matthews(place) == pytest.approx(best, rel=1e-5)
    assert best_threshold(task("cola"), rows[:1], used) == (used, 0.0)
