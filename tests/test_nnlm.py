"""The 2003 neural language model against equation 1 in numpy, and the sentences that it reads against themselves."""

import math
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from torch import Tensor

from datamodules.corpus_examples import CorpusExamples
from datamodules.loading import BatchLoader, Share
from datamodules.next_word import NextWord, asked
from datamodules.shards import TokenizedCorpus
from datamodules.task import Refused, Task
from datamodules.tokenization import Vocabulary
from datamodules.words import Words
from lightning_modules.nnlm import Nnlm
from tests.conftest import CPU, compose

OPTIMIZER = {"lr": 1e-2}
TEXTS = ("the cat saw a naïve zebra .", "a dog", "", "the dog saw the cat and the cat saw the dog .", "a cat saw .")
CONTEXT, KNOWN = 3, 9  # words before one that is asked for; entries of the vocabulary, naïve and zebra not among them


@pytest.fixture(scope="module")
def text() -> tuple[TokenizedCorpus, Vocabulary]:
    """Each of TEXTS is a sentence."""
    tokenizer = Words(vocab_size=KNOWN).train(TEXTS)
    ids = [np.array(tokenizer.encode(one, add_special_tokens=False).ids, dtype=np.int64) for one in TEXTS]
    begins = np.concatenate([[0], np.cumsum([len(one) for one in ids])])
    return TokenizedCorpus(np.concatenate(ids), begins, np.array([0, len(TEXTS)])), Vocabulary.of(tokenizer)


def all_of(text: tuple[TokenizedCorpus, Vocabulary]) -> dict:
    """The sentences as a batch of validation."""
    rows = NextWord().plan(text[0], 8, 0, 0)
    return NextWord().batch(*text, rows, [])


def nnlm(**changes: Any) -> Nnlm:
    """More rows than there are words, as in a run on a small text; weights so large that the units are curved."""
    torch.manual_seed(0)
    sizes: dict[str, Any] = {"vocab_size": 12, "size": 5, "context": CONTEXT, "hidden_size": 7}
    model = Nnlm(OPTIMIZER, OPTIMIZER, **{**sizes, **changes})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def words_of(vocabulary: Vocabulary, sentence: str) -> list[int]:
    """By the word, without the tokenizer's pieces."""
    numbers = {text: number for number, text in enumerate(vocabulary.lexicon.texts[:KNOWN])}
    return [numbers.get(word.encode(), vocabulary.unk) for word in sentence.split()]


def nats(model: Nnlm, vocabulary: Vocabulary, words: list[int]) -> list[float]:
    """y = b + W x + U tanh(d + H x), word by word in double precision, of a sentence and its end."""
    weights = {name: value.double().numpy() for name, value in model.state_dict().items()}
    vectors, both = weights["vectors.weight"], weights["output.weight"]
    units = model.hparams["hidden_size"]
    found = []
    for place, word in enumerate([*words, vocabulary.eos]):
        before = [*[vocabulary.bos] * CONTEXT, *words[:place]][-CONTEXT:]
        x = np.concatenate([vectors[one] for one in reversed(before)])
        y = weights["output.bias"] + both[:, :units] @ np.tanh(weights["hidden.bias"] + weights["hidden.weight"] @ x)
        if model.direct:
            y += both[:, units:] @ x
        found.append(float(np.log(np.exp(y[:KNOWN]).sum()) - y[word]))
    return found


# ---- the model -------------------------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("direct", [False, True])
def test_the_loss_is_equation_1(text: tuple[TokenizedCorpus, Vocabulary], direct: bool) -> None:
    """Of sentences shorter and longer than the context, of none, and of unknown words."""
    model, vocabulary = nnlm(direct_connections=direct), text[1]
    found, count = model.pretraining_losses(all_of(text))["causal_lm"]
    expected = [nat for sentence in TEXTS for nat in nats(model, vocabulary, words_of(vocabulary, sentence))]
    assert any(vocabulary.unk in words_of(vocabulary, sentence) for sentence in TEXTS)
    assert count == len(expected) == sum(len(sentence.split()) + 1 for sentence in TEXTS)
    assert float(found) == pytest.approx(sum(expected), rel=1e-5)


@pytest.mark.parametrize("direct", [False, True])
def test_parameters_are_as_many_as_the_paper_counts(direct: bool) -> None:
    """|V| (1 + n m + h) + h (1 + (n - 1) m) with direct connections (section 2)."""
    v, n, m, h = 12, CONTEXT + 1, 5, 7
    total = v * (1 + n * m + h) + h * (1 + (n - 1) * m) - (0 if direct else v * (n - 1) * m)
    assert sum(p.numel() for p in nnlm(direct_connections=direct).parameters()) == total


@torch.no_grad()
@pytest.mark.parametrize("direct", [False, True])
def test_a_word_is_seen_by_the_next_few_alone(text: tuple[TokenizedCorpus, Vocabulary], direct: bool) -> None:
    """Another word at a place changes its own chance and those of CONTEXT words after it: none before nor beyond."""
    model, vocabulary = nnlm(direct_connections=direct), text[1]
    words = words_of(vocabulary, TEXTS[3])

    def surprises(read: list[int]) -> Tensor:
        batch = asked(vocabulary, [np.array(read)])
        return model.surprise(model.predictors(batch), batch["next_labels"], batch)

    one = surprises(words)
    for place, word in enumerate(words):
        other = surprises([*words[:place], 3 + (word - 2) % (KNOWN - 3), *words[place + 1 :]])
        changed = (one != other).nonzero().flatten().tolist()
        assert changed == list(range(place, min(place + CONTEXT, len(words)) + 1))


@torch.no_grad()
def test_sentences_together_are_as_each_alone(text: tuple[TokenizedCorpus, Vocabulary]) -> None:
    model, vocabulary = nnlm(), text[1]
    sentences = [np.array(words_of(vocabulary, one), dtype=np.int64) for one in TEXTS]
    alone = sum(float(model.pretraining_losses(asked(vocabulary, [one]))["causal_lm"][0]) for one in sentences)
    together = float(model.pretraining_losses(asked(vocabulary, sentences))["causal_lm"][0])
    assert together == pytest.approx(alone, rel=1e-5)


def gradient(model: Nnlm, batch: dict) -> Tensor:
    model.zero_grad(set_to_none=True)
    model.pretraining_losses(batch)["causal_lm"][0].backward()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(one is not None and one.isfinite().all() and one.any() for one in gradients)
    return torch.cat([one.flatten() for one in gradients if one is not None])


@pytest.mark.parametrize("direct", [False, True])
def test_the_more_words_are_drawn_the_closer_the_gradient_is_to_that_of_all(
    text: tuple[TokenizedCorpus, Vocabulary], direct: bool
) -> None:
    """Every parameter has one in either way; its direction is the mean's of many draws."""
    (corpus, vocabulary), model = text, nnlm(direct_connections=direct)
    sentences = NextWord().plan(corpus, 8, 0, 0)
    rows = np.column_stack([sentences, np.zeros(len(sentences), dtype=np.int64)])
    whole, likeness = gradient(model, NextWord().in_streams(5, vocabulary).batch(corpus, vocabulary, rows, KEYS)), []
    assert torch.equal(whole, gradient(model, {**all_of(text)}))
    for number in (1, 3, KNOWN - 1):
        objective = NextWord(number).in_streams(5, vocabulary)
        batches = (objective.batch(corpus, vocabulary, rows, [(seed, 0, 0)]) for seed in range(40))
        mean = torch.stack([gradient(model, batch) for batch in batches]).mean(0)
        likeness.append(float(torch.cosine_similarity(mean, whole, dim=0)))
    assert likeness == sorted(likeness)
    assert likeness[0] < 0.95 < 0.99 < likeness[-1]


@torch.no_grad()
def test_what_a_task_reads_are_the_vectors(text: tuple[TokenizedCorpus, Vocabulary]) -> None:
    model, batch = nnlm(), all_of(text)
    (layer,) = model.encode(batch, (0, -1)).layers
    assert torch.equal(layer, model.vectors.weight[batch["tokens"]])
    assert model.layer_shape == (1, 5)
    task = Task("any", "classification", 2, ("no", "yes"), columns=("one",))
    tuned = nnlm().attach(task, {"mode": "finetune"})
    assert {name.split(".")[0] for name, _ in tuned.named_parameters()} == {"vectors", "head"}
    assert all(parameter.requires_grad for parameter in tuned.parameters())


@pytest.mark.parametrize(
    ("key", "value"),
    [("context", 0), ("context", 2.5), ("size", 0), ("hidden_size", 0), ("direct_connections", "yes"), ("dropout", 1)],
)
def test_a_wrong_setting_is_refused(key: str, value: Any) -> None:
    with pytest.raises(Refused, match=rf"^model\.{key}={value!r} is not possible: it may be [^\n]*\.$"):
        nnlm(**{key: value})


# ---- what is measured ------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_bits_per_byte_are_those_of_the_words_and_of_spelling_what_is_unknown(
    text: tuple[TokenizedCorpus, Vocabulary],
) -> None:
    """Whatever negatives training has; an unknown word costs eight bits for each of its bytes and its blank."""
    model, (corpus, vocabulary) = nnlm(), text
    examples = CorpusExamples([corpus], NextWord(4).yardstick(), vocabulary, 8, 0)
    examples.begin(0)
    model.evaluate(examples.batch(np.arange(len(TEXTS)), 0), "val")
    found = model.averages.read("val")
    told = [nat for sentence in TEXTS for nat in nats(model, vocabulary, words_of(vocabulary, sentence))]
    unknown = [word for one in TEXTS for word in one.split() if words_of(vocabulary, word) == [vocabulary.unk]]
    assert {"zebra", "naïve"} <= set(unknown)
    size = sum(len(word.encode()) + 1 for one in TEXTS for word in one.split())
    bits = sum(told) / math.log(2) + 8 * sum(len(word.encode()) + 1 for word in unknown)
    assert float(found["val/bits_per_byte"]) == pytest.approx(bits / size, rel=1e-5)
    assert float(found["val/causal_lm_loss"]) == pytest.approx(sum(told) / len(told), rel=1e-5)


@pytest.mark.slow
def test_the_miniature_is_learned(cache: str, tmp_path: Path) -> None:
    """In seconds its words in context surprise less than each word by itself, also if it was against drawn ones."""
    for changes in ((), ("text.objective.negatives=512",)):
        cfg = compose("model=nnlm_miniature", "data.validation_sequences=100", *changes, *CPU, cache)
        L.seed_everything(0, verbose=False)
        data = instantiate(cfg.data, _convert_="all")
        model = instantiate(cfg.model, _convert_="all").attach(data.task)
        trainer = L.Trainer(
            max_steps=100, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False, use_distributed_sampler=False, default_root_dir=tmp_path,
            limit_val_batches=0, num_sanity_val_steps=0,
        )  # fmt: skip
        trainer.fit(model, datamodule=data)
        (found,) = L.Trainer(
            accelerator="cpu", logger=False, enable_progress_bar=False, use_distributed_sampler=False,
            default_root_dir=tmp_path,
        ).validate(model, datamodule=data, verbose=False)  # fmt: skip
        assert found["val/causal_lm_loss"] < data.card["unigram_entropy"] - 0.5
        assert found["val/causal_lm_perplexity"] == pytest.approx(math.exp(found["val/causal_lm_loss"]), rel=1e-5)


# ---- the objective ---------------------------------------------------------------------------------------------------

KEYS = [(0, 0, 0)]
STEP = 6


def many(count: int) -> tuple[TokenizedCorpus, Vocabulary]:
    """Sentences of one to nine words."""
    tokenizer = Words(vocab_size=40).train([f"w{number}" for number in range(37)])
    lengths = 1 + np.arange(count) % 9
    tokens = 3 + np.arange(lengths.sum()) % 37
    return TokenizedCorpus(tokens, np.concatenate([[0], lengths.cumsum()]), np.array([0, count])), Vocabulary.of(
        tokenizer
    )


def test_a_pass_has_each_sentence_once_in_an_order_of_its_own() -> None:
    corpus, vocabulary = many(45)
    objective = NextWord().in_streams(STEP, vocabulary)
    passes = [objective.plan(corpus, 8, 3, epoch) for epoch in (0, 1)]
    for rows in passes:
        assert rows[:, 2].tolist() == [step for step in range(7) for _ in range(STEP)]  # three are for another pass
        pairs = {tuple(row) for row in rows[:, :2].tolist()}
        assert len(pairs) == 7 * STEP
        assert pairs <= {tuple(row) for row in NextWord().plan(corpus, 8, 3, 0).tolist()}
    assert not np.array_equal(passes[0], passes[1])
    assert np.array_equal(passes[1], objective.plan(corpus, 8, 3, 1))


@pytest.mark.parametrize("micro", [1, 2])
@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("groups", [1, 2])
def test_all_processes_and_micro_batches_of_a_step_draw_the_same(world: int, micro: int, groups: int) -> None:
    """Whatever their number: what one process draws in a step. Another step, pass or group draws other words."""
    corpus, vocabulary = many(45)
    objective: Any = NextWord(12).in_streams(STEP, vocabulary)
    examples = CorpusExamples([corpus] * groups, objective, vocabulary, 8, 3)
    alone = BatchLoader(examples, STEP, 3, Share(), ordered=True)
    drawn = [batch["negatives"].tolist() for _ in range(3) for batch in alone]
    assert len({tuple(words) for words in drawn}) == len(drawn) == 21
    loaders = [BatchLoader(examples, STEP, 3, Share(rank, world, micro), ordered=True) for rank in range(world)]
    ranks = [[batch for _ in range(3) for batch in loader] for loader in loaders]
    for step in range(21):
        parts = [batch for batches in ranks for batch in batches[step * micro : (step + 1) * micro]]
        assert [batch["negatives"].tolist() for batch in parts] == [drawn[step]] * (world * micro)
        assert sum(len(batch["example"]) for batch in parts) == STEP


def test_training_asks_for_what_validation_does(text: tuple[TokenizedCorpus, Vocabulary]) -> None:
    """All words, each once, whatever `max_length` is."""
    corpus, vocabulary = text
    objective = NextWord().in_streams(5, vocabulary)
    rows = objective.plan(corpus, 8, 0, 0)
    order = np.argsort(rows[:, 0], kind="stable")
    training, held = objective.batch(corpus, vocabulary, rows[order], KEYS), all_of(text)
    assert sorted(held["next_labels"].tolist()) == sorted(training["next_labels"].tolist())
    assert set(held) - set(training) == {"measured"}
    assert objective.figures(rows, held, vocabulary) == {"asked_per_sentence": len(held["next_labels"]) / 5}


def test_a_gap_is_filled_from_the_left(text: tuple[TokenizedCorpus, Vocabulary]) -> None:
    """Of a spelled word all pieces count as the word, also where the text begins inside one."""
    _, vocabulary = text
    lexicon, tokens = vocabulary.lexicon, vocabulary.ids("the zebra saw a cat")
    starts = np.flatnonzero(lexicon.starts(tokens)).tolist()
    batch = NextWord().gap(vocabulary, tokens, starts[1], starts[3])
    known = words_of(vocabulary, "the zebra saw")
    assert batch["tokens"].tolist() == [lexicon.bos, *known[:2]]
    assert (batch["next_positions"].tolist(), batch["next_labels"].tolist()) == ([1, 2], known[1:])
    assert batch["counts"] == {"causal_lm": 2}
    opening = NextWord().gap(vocabulary, tokens, 0, 1)
    assert (opening["tokens"].tolist(), opening["next_labels"].tolist()) == ([lexicon.bos], known[:1])
    cut = NextWord().gap(vocabulary, tokens[starts[1] + 1 :], starts[2] - starts[1] - 1, starts[2] - starts[1])
    assert (cut["tokens"].tolist(), cut["next_labels"].tolist()) == ([lexicon.bos, lexicon.unk], known[2:])


def test_too_few_sentences_and_words_are_refused(text: tuple[TokenizedCorpus, Vocabulary]) -> None:
    corpus, vocabulary = text
    with pytest.raises(Refused, match=r"data.global_batch_size=6 .* up to 5"):
        NextWord().in_streams(6, vocabulary).plan(corpus, 8, 0, 0)
    objective = NextWord(KNOWN).in_streams(5, vocabulary)
    with pytest.raises(Refused, match=rf"text.objective.negatives={KNOWN} .* {KNOWN} words"):
        objective.batch(corpus, vocabulary, objective.plan(corpus, 8, 0, 0), KEYS)
    with pytest.raises(Refused, match=r"text.objective.negatives=0"):
        NextWord(0)
