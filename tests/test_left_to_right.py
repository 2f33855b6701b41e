"""BERT's left-to-right ablation (its Table 5): the same sequences and parameters, each token from those before it."""

from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from datamodules import formats
from datamodules.objectives import MaskedLanguageModel
from datamodules.task import OBJECTIVES, Refused, Task
from datamodules.tokenization import Vocabulary
from lightning_modules.bert import Bert
from lightning_modules.interop import transformers as interop
from sweeps.runs.checks import FOLLOWERS, check_followers
from sweeps.runs.settings import leaves
from tests.conftest import compose
from tests.test_objectives import SPECIALS, corpus_of, shaped, vocabulary_of

OPTIMIZER = {"lr": 1e-3}
SIZES: dict[str, Any] = {
    "vocab_size": 99, "hidden_size": 24, "num_layers": 2, "num_heads": 3, "intermediate_size": 40, "max_length": 40
}  # fmt: skip
LTR: dict[str, Any] = {"objective": "ltr", "nsp": False}
PAIRS = ("segment_pair", "full_sentences", "doc_sentences")
TASK = Task("pair", "classification", 2, ("no", "yes"), ("accuracy",), "accuracy", max_length=32)
VOCABULARY = Vocabulary({"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}, 99, np.zeros(99, dtype=bool))


def bert(**changes: Any) -> Bert:
    """Weights large enough that attention is far from even."""
    torch.manual_seed(0)
    model = Bert(OPTIMIZER, OPTIMIZER, **{**SIZES, **LTR, **changes})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


def read(*texts: np.ndarray) -> dict:
    """Texts between [CLS] and [SEP] as a batch."""
    sequences = [formats.pack_pair(VOCABULARY, text[:3], text[3:], i) for i, text in enumerate(texts)]
    return formats.ragged(sequences, len(sequences)).batch


def texts(*lengths: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(5, 99, n) for n in lengths]


def asked(batch: dict) -> list[tuple[list[int], list[int]]]:
    """Of each sequence its tokens, and the (place, label) that is asked for, by a loop over all."""
    found = []
    for first, stop in pairwise(batch["offsets"].tolist()):
        both = zip(batch["next_positions"].tolist(), batch["next_labels"].tolist(), strict=True)
        found.append((batch["tokens"][first:stop].tolist(), [(p - first, t) for p, t in both if first <= p < stop]))
    return found


# ---- the matched pair ------------------------------------------------------------------------------------------------


def test_the_pair_differs_in_the_objective_alone() -> None:
    """Composed as a user does: the same configuration, and the same parameters, but for three words of one owner."""
    pair = [compose("model=bert_miniature", "model.nsp=false", f"model.objective={one}") for one in OBJECTIVES]
    first, second = (leaves(OmegaConf.to_container(cfg, resolve=True)) for cfg in pair)
    different = {key: (first.get(key), second.get(key)) for key in first | second if first.get(key) != second.get(key)}
    places = ["model.objective", "text.objective.objective", "text.format.objective"]
    places += ["data.objective.objective", "transfer.format.objective"]  # which are text's own nodes
    assert different == dict.fromkeys(places, OBJECTIVES)
    assert {place for place in places if place.startswith("text.")} <= set(FOLLOWERS)

    models = [Bert(OPTIMIZER, OPTIMIZER, **SIZES, nsp=False, objective=objective) for objective in OBJECTIVES]
    for task in (None, TASK):
        for model in models:
            torch.manual_seed(0)
            model.attach(task or model.task)
        shapes = [[(name, tuple(p.shape)) for name, p in model.named_parameters()] for model in models]
        assert shapes[0] == shapes[1]
    assert sum(p.numel() for p in models[0].parameters()) == sum(p.numel() for p in models[1].parameters())


@pytest.mark.parametrize("key", [key for key, owner in FOLLOWERS.items() if owner == "model.objective"])
def test_what_follows_the_objective_is_not_set_alone(key: str) -> None:
    cfg = compose("model=bert_miniature", f"{key}=ltr")
    with pytest.raises(Refused, match=r"set model\.objective alone"):
        check_followers(cfg)


def test_it_has_no_next_sentences() -> None:
    with pytest.raises(Refused, match=r"model\.objective='ltr' .* model\.nsp may be false"):
        bert(nsp=True)


@pytest.mark.parametrize("make", [bert, partial(MaskedLanguageModel, False), formats.SequencePair])
def test_another_objective_is_refused(make: Any) -> None:
    with pytest.raises(Refused, match=r"objective='rtl' is not possible: it may be masked_lm, ltr"):
        make(objective="rtl")


# ---- the model -------------------------------------------------------------------------------------------------------


@torch.no_grad()
def test_the_loss_is_transformers_decoders() -> None:
    """BertLMHeadModel as a decoder is causal, and its loss the mean over each token but the first."""
    transformers = pytest.importorskip("transformers", reason="transformers is a test dependency (extra: peers)")
    ours = bert()
    config = transformers.BertConfig(
        **{interop.SIZES[name]: value for name, value in SIZES.items()}, hidden_act="gelu_new", is_decoder=True
    )
    theirs = transformers.BertLMHeadModel(config).eval()
    state = interop.to_theirs(ours.state_dict(), SIZES["num_layers"])
    missing, _ = theirs.load_state_dict(state, strict=False)
    assert set(missing) <= {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}  # tied there
    theirs.tie_weights()
    batch = read(*texts(12, 5, 12, 30))
    total = 0.0
    for first, stop in pairwise(batch["offsets"].tolist()):
        tokens, segments = (batch[key][first:stop][None] for key in ("tokens", "segments"))
        found = theirs(input_ids=tokens, token_type_ids=segments, labels=tokens)
        total += float(found.loss) * (stop - first - 1)
    loss, count = ours.pretraining_losses(with_targets(batch))["causal_lm"]
    assert count == sum(stop - first - 1 for first, stop in pairwise(batch["offsets"].tolist()))
    assert float(loss) == pytest.approx(total, rel=1e-5)


def with_targets(batch: dict) -> dict:
    """Every token but a sequence's first, by a loop."""
    places = [p for first, stop in pairwise(batch["offsets"].tolist()) for p in range(first, stop - 1)]
    return {**batch, "next_positions": torch.tensor(places), "next_labels": batch["tokens"][[p + 1 for p in places]]}


@torch.no_grad()
@pytest.mark.parametrize("task", [None, TASK], ids=["pre-training", "fine-tuning"])
def test_no_token_sees_a_later_one(task: Task | None) -> None:
    """In every layer, and when a task is attached as well; masked LM does see them."""
    models = [bert(), bert(objective="masked_lm")]
    if task is not None:
        models = [model.attach(task) for model in models]
    (text,) = texts(20)
    for model, is_causal in zip(models, (True, False), strict=True):
        before = model.encode(read(text), range(3)).layers
        for place in (1, 10, 19):
            other = np.concatenate([text[:place], 5 + (text[place:] + 7) % 94])
            seen = place + 1 + (place > 3)  # [CLS], and the [SEP] after three tokens
            for number, (one, two) in enumerate(zip(before, model.encode(read(other), range(3)).layers, strict=True)):
                same = torch.isclose(one[:seen], two[:seen], atol=1e-6, rtol=0).all()
                assert bool(same) == (is_causal or number == 0)


@torch.no_grad()
def test_a_batch_changes_nothing() -> None:
    model, many = bert(), texts(12, 5, 12, 30, 4)
    together = float(model.pretraining_losses(with_targets(read(*many)))["causal_lm"][0])
    alone = sum(float(model.pretraining_losses(with_targets(read(text)))["causal_lm"][0]) for text in many)
    assert together == pytest.approx(alone, rel=1e-5)


@torch.no_grad()
def test_a_task_is_read_at_the_last_token() -> None:
    """There, and not at [CLS], which has seen nothing: another second text makes another answer."""
    layouts = {objective: formats.SequencePair(objective) for objective in OBJECTIVES}
    examples = [[texts(4)[0], text] for text in texts(6, 9)]
    batches = {name: layout.batch(VOCABULARY, examples, TASK) for name, layout in layouts.items()}
    assert batches["ltr"]["summary"].tolist() == [stop - 1 for stop in batches["ltr"]["offsets"].tolist()[1:]]
    assert batches["masked_lm"]["summary"].tolist() == batches["masked_lm"]["offsets"].tolist()[:-1]
    for key in ("tokens", "segments", "positions", "offsets"):
        assert torch.equal(batches["ltr"][key], batches["masked_lm"][key])
    model = bert().attach(TASK).eval()
    logits = {name: model.read(batch)[1] for name, batch in batches.items()}
    assert torch.allclose(logits["masked_lm"][0], logits["masked_lm"][1])
    assert not torch.allclose(logits["ltr"][0], logits["ltr"][1])


# ---- the data --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pairs", PAIRS)
def test_the_sequences_are_masked_lms_and_each_token_is_asked_for_once(pairs: str) -> None:
    """Against masked LM that chooses tokens and leaves them what they are."""
    corpus = corpus_of(shaped(20, 8, 12, 2))
    vocabulary = vocabulary_of(len(corpus.tokens) + SPECIALS)
    ltr = MaskedLanguageModel(False, pairs, objective="ltr")
    same = MaskedLanguageModel(False, pairs, masking="0/100/0")
    rows = ltr.plan(corpus, 32, 3, 1)
    assert np.array_equal(rows, same.plan(corpus, 32, 3, 1))
    keys = [(3, 1, number) for number in range(len(rows))]
    batch, expected = ltr.batch(corpus, vocabulary, rows, keys), same.batch(corpus, vocabulary, rows, keys)
    for key in ("tokens", "segments", "positions", "offsets", "example", "runs"):
        assert np.array_equal(batch[key], expected[key]), key
    for tokens, (*questions,) in asked(batch):
        assert questions == list(enumerate(tokens[1:]))
    assert batch["counts"] == {"causal_lm": len(batch["tokens"]) - len(rows)}
    assert not {key for key in batch if key.startswith("masked") or key == "next_sentence"}


def test_the_yardstick_keeps_the_objective() -> None:
    """Validation asks as training does, whatever is said of masking."""
    corpus = corpus_of(shaped(9, 8, 12, 2))
    vocabulary = vocabulary_of(len(corpus.tokens) + SPECIALS)
    for pairs in ("segment_pair", "full_sentences", "doc_sentences"):
        yardstick = MaskedLanguageModel(False, pairs, masking="0/0/100", objective="ltr").yardstick()
        rows = yardstick.plan(corpus, 128, 0, 0)  # no sentence is longer
        batch = yardstick.batch(corpus, vocabulary, rows, [(0, 0, 0)] * len(rows))
        assert set(batch["counts"]) == {"causal_lm"}
        asked = [token for token in batch["next_labels"].tolist() if token >= SPECIALS]
        assert sorted(asked) == sorted(corpus.tokens[:].tolist())  # of the text every token, once
    assert set(MaskedLanguageModel(False).yardstick().batch(corpus, vocabulary, rows[:1], [(0, 0, 0)])["counts"]) == {
        "masked_lm"
    }


def test_figures_tell_of_what_is_asked() -> None:
    corpus = corpus_of([[13]] * 4)
    vocabulary = vocabulary_of(len(corpus.tokens) + SPECIALS)
    for pairs, names in (("doc_sentences", set()), ("segment_pair", {"not_next_share"})):
        objective = MaskedLanguageModel(False, pairs, objective="ltr", short_probability=0.0)
        rows = objective.plan(corpus, 15, 0, 0)
        batch = objective.batch(corpus, vocabulary, rows, [(0, 0, 0)] * len(rows))
        figures = objective.figures(rows, batch, vocabulary)
        assert set(figures) == {"half_context_share", *names}
        # 15 tokens, of which 14 are asked for: the second to the eighth have fewer than half of them to the left
        assert figures["half_context_share"] == pytest.approx(1 / 2)


@pytest.mark.parametrize(("first", "stop"), [(0, 2), (2, 4), (4, 5)])
def test_a_gap_is_filled_from_the_left(first: int, stop: int) -> None:
    """Also one that opens a text: [CLS] stands before it."""
    tokens = np.array([15, 16, 17, 18, 19])
    batch = MaskedLanguageModel(False, objective="ltr").gap(VOCABULARY, tokens, first, stop)
    ((seen, questions),) = asked(batch)
    assert seen == [VOCABULARY.cls, *tokens[: stop - 1]]
    assert questions == [(at, tokens[at]) for at in range(first, stop)]
    assert batch["counts"] == {"causal_lm": stop - first}
