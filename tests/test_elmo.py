"""ELMo: neither direction sees what it is asked for, states are carried, and its losses are the definition's."""

from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from datamodules.bilm import asked
from datamodules.corpus import Corpus
from datamodules.task import Refused
from lightning_modules.callbacks import Place
from lightning_modules.carried import Carried
from lightning_modules.elmo import Elmo
from tests.test_bilm_objective import STREAMS, corpus, streams

__all__ = ["corpus"]  # a fixture
OPTIMIZER = {"lr": 1e-2, "weight_decay": 0.0, "schedule": "constant", "warmup": 0}
SIZES: dict[str, Any] = {
    "vocab_size": 16, "char_size": 4, "filters": [[1, 6], [2, 6], [3, 4]], "highways": 1, "projection_size": 6,
    "lstm_size": 10, "num_layers": 2, "dropout": 0.0,
}  # fmt: skip


def elmo(**changes: Any) -> Elmo:
    """Weights large enough that clips and gates are at work."""
    torch.manual_seed(0)
    model = Elmo(OPTIMIZER, OPTIMIZER, **{**SIZES, **changes})
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model.eval()


def sentence(data: Corpus, text: str) -> dict:
    return asked(data.vocabulary().lexicon, [data.vocabulary().lexicon.forms(data.vocabulary().ids(text))])


def surprises(model: Elmo, batch: dict) -> dict[str, dict[int, float]]:
    """Direction -> position of the word that is asked for -> nats, by the definition: softmax over all words."""
    weight, bias = model.softmax.weight.double(), model.softmax.bias.double()
    found = {}
    for name, hidden, labels in model.sentences(batch):
        shift = 1 if name == "forward" else -1
        places = batch["next_positions"] + 1 if shift == 1 else batch["previous_positions"] - 1
        logits = hidden.double() @ weight.T + bias
        chances = logits.exp() / logits.exp().sum(-1, keepdim=True)
        nats = -chances[torch.arange(len(labels)), labels].log()
        found[name] = dict(zip(places.tolist(), nats.tolist(), strict=True))
    return found


@torch.no_grad()
def test_neither_direction_sees_what_it_is_asked_for(corpus: Corpus) -> None:
    """Another word at a place leaves alone what stands before it to the forward direction, and what stands after it."""
    model = elmo()
    one, other = (surprises(model, sentence(corpus, f"the cat {word} a dog .")) for word in ("saw", "zebra"))
    place = 3  # of that word, <S> being 0
    for at in one["forward"]:
        assert (one["forward"][at] == other["forward"][at]) == (at < place), at
    for at in one["backward"]:
        assert (one["backward"][at] == other["backward"][at]) == (at > place), at


@torch.no_grad()
def test_losses_are_sums_over_the_words_of_the_full_softmax(corpus: Corpus) -> None:
    model, batch = elmo(), sentence(corpus, "the cat saw a zebra .")
    losses = model.pretraining_losses(batch)
    for name, nats in surprises(model, batch).items():
        assert float(losses[f"{name}_lm"][0]) == pytest.approx(sum(nats.values()), rel=1e-5)
        assert losses[f"{name}_lm"][1] == len(nats) == 7


@torch.no_grad()
def test_layers_are_the_words_twice_and_both_directions(corpus: Corpus) -> None:
    model, batch = elmo(), sentence(corpus, "the cat saw a dog .")
    words, first, top = model.encode(batch, (0, 1, -1)).layers
    assert words.shape == first.shape == top.shape == (8, 12)
    assert torch.equal(words[:, :6], words[:, 6:])
    assert torch.equal(words[:, :6], model.encoder.characters(batch["characters"])[batch["words"]])
    assert torch.equal(model.encode(batch, (2,)).layers[0], top)
    assert not torch.equal(first, top)


@torch.no_grad()
def test_sentences_together_are_as_each_alone(corpus: Corpus) -> None:
    model, lexicon = elmo(), corpus.vocabulary().lexicon
    texts = [lexicon.forms(corpus.vocabulary().ids(text)) for text in ("the cat saw a zebra .", "a dog", "cat cat cat")]
    together = asked(lexicon, texts)
    tops = model.encode(together).layers[0]
    for start, owner in zip(together["offsets"].tolist(), together["example"].tolist(), strict=False):
        alone = model.encode(asked(lexicon, [texts[owner]])).layers[0]
        torch.testing.assert_close(tops[start : start + len(alone)], alone)


# ---- states ----------------------------------------------------------------------------------------------------------


def joined(one: dict, other: dict) -> dict:
    """Two batches of the same streams as one of twice the length."""
    width = max(one["characters"].shape[1], other["characters"].shape[1])
    characters = [
        torch.nn.functional.pad(b["characters"], (0, width - b["characters"].shape[1]), value=260) for b in (one, other)
    ]
    shift = len(one["characters"])

    def rows(key: str, part: Any, more: int) -> torch.Tensor:
        both = [part(one)[key].view(STREAMS, -1), part(other)[key].view(STREAMS, -1) + more]
        return torch.cat(both, dim=1).reshape(-1)

    def this(batch: dict) -> dict:
        return batch

    def that(batch: dict) -> dict:
        return batch["backward"]

    return {
        **one,
        "characters": torch.cat(characters),
        "words": rows("words", this, shift),
        "next_labels": rows("next_labels", this, 0),
        "backward": {"words": rows("words", that, shift), "next_labels": rows("next_labels", that, 0)},
    }


@torch.no_grad()
def test_a_stream_goes_on_where_it_was_left(corpus: Corpus) -> None:
    """Two batches, one after the other, are one of twice the length; counting FLOPs in between changes nothing."""
    first, second = streams(corpus)[1][:2]
    whole = {name: float(value) for name, (value, _) in elmo().pretraining_losses(joined(first, second)).items()}
    model = elmo()
    parts = []
    for batch in (first, second):
        model.pretraining_losses(batch)  # as `cost.Cost` does
        parts.append({name: float(value) for name, (value, _) in model.pretraining_losses(batch).items()})
        model.keep_states()
    fresh = {name: float(value) for name, (value, _) in elmo().pretraining_losses(second).items()}
    for name, value in whole.items():
        assert parts[0][name] + parts[1][name] == pytest.approx(value, rel=1e-5)
        assert abs(parts[1][name] - fresh[name]) > 1e-3, "the state does not matter"


def fit(model: Elmo, data: Corpus, place: Path, steps: int, resume: Path | None = None) -> L.Trainer:
    trainer = L.Trainer(
        max_steps=steps, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=[Place(), ModelCheckpoint(place, filename="{step}", every_n_train_steps=2, save_top_k=-1)],
        use_distributed_sampler=False, limit_val_batches=0, default_root_dir=place,
    )  # fmt: skip
    trainer.fit(model, datamodule=data, ckpt_path=resume, weights_only=True)
    return trainer


def test_a_resumed_run_is_the_one_that_was_not_stopped(corpus: Corpus, tmp_path: Path) -> None:
    """Bit for bit, from a checkpoint that loads with weights_only; without its states it would not be."""
    whole = elmo()
    fit(whole, corpus, tmp_path, 4)
    kept = torch.load(tmp_path / "step=2.ckpt", weights_only=True)  # written in the middle, as a run's are
    torch.save(kept, tmp_path / "two.ckpt")
    assert kept["carried"].shape == (STREAMS, 2, 2, 16)
    for forgets in (False, True):
        if forgets:
            torch.save({**kept, "carried": None}, tmp_path / "two.ckpt")
        resumed = elmo()
        fit(resumed, corpus, tmp_path / f"{forgets}", 4, tmp_path / "two.ckpt")
        same = all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
        assert same != forgets


def test_states_of_all_processes_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each process knows its own streams; what it has loaded of others' does not count."""
    values = torch.arange(12.0).view(4, 3)
    ranks = []
    for own in ([0, 2], [1, 3]):
        carried = Carried()
        carried.restore(torch.full((4, 3), 7.0))
        assert torch.equal(carried.take(torch.tensor(own), 4, torch.zeros(3)), torch.full((2, 3), 7.0))
        carried.keep(torch.tensor(own), values[own])
        ranks.append(carried)
    alone = [carried.gathered() for carried in ranks]
    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.all_reduce", lambda mine: mine.add_(alone[1]))
    both = ranks[0].gathered()
    assert both is not None
    assert torch.equal(both, values)
    assert Carried().gathered() is None


def test_bad_sizes_are_refused() -> None:
    for changes, words in (
        ({"filters": [[8, 4]]}, "model.filters"),
        ({"filters": []}, "model.filters"),
        ({"lstm_size": 0}, "model.lstm_size"),
        ({"cell_clip": 0}, "model.cell_clip"),
        ({"dropout": 1}, "model.dropout"),
    ):
        with pytest.raises(Refused, match=words):
            elmo(**changes)
    assert elmo(cell_clip=None, projection_clip=None, highways=0)


@torch.no_grad()
def test_rows_of_the_softmax_that_are_no_words_count_for_nothing(corpus: Corpus) -> None:
    """A vocabulary may have room for more words than a text has; sampled training never touches these rows."""
    batch, few, many = sentence(corpus, "the cat saw a dog ."), elmo(), elmo(vocab_size=30)
    many.encoder.load_state_dict(few.encoder.state_dict())
    many.softmax.weight[:16], many.softmax.bias[:16] = few.softmax.weight, few.softmax.bias
    one, other = (model.pretraining_losses(batch) for model in (few, many))
    for name, (value, _) in one.items():
        torch.testing.assert_close(other[name][0], value)


def test_the_data_are_those_of_the_other_tests(corpus: Corpus) -> None:
    assert corpus.vocabulary().lexicon.words == SIZES["vocab_size"]
    assert np.isfinite(corpus.card["unigram_entropy"])
