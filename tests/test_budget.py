"""What a pre-training has read, in words of raw text: the same for every model that passes over it as often."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from datamodules.corpora import divided
from datamodules.loading import BatchLoader, Share
from datamodules.passes import Passes
from lightning_modules.cost import parameters_of
from tests.commands import QUIET, command, launch, summary, the_run

MODELS = ("word2vec_miniature", "nnlm_miniature", "elmo_tiny", "gpt_tiny", "bert_tiny")
SIZES = {
    "word2vec_miniature": ("size=8",),
    "nnlm_miniature": ("size=8", "hidden_size=8"),
    "elmo_tiny": ("projection_size=8", "lstm_size=16", "filters=[[1,8],[2,8]]"),
    "gpt_tiny": ("hidden_size=16", "num_heads=2", "num_layers=1", "intermediate_size=32"),
    "bert_tiny": ("hidden_size=16", "num_heads=2", "num_layers=1", "intermediate_size=32"),
}
SYLLABLES = ("ba", "Ki", "lo", "mé", "nu", "ra", "so", "Té", "vi", "zu")


def documents() -> list[str]:
    """Of sentences of words that tokenizers cut differently, some unknown to whole words."""
    random = np.random.default_rng(3)
    word = lambda: "".join(random.choice(SYLLABLES, random.integers(1, 4)))  # noqa: E731
    sentence = lambda: " ".join(word() for _ in range(random.integers(3, 12))) + " ."  # noqa: E731
    return ["\n".join(sentence() for _ in range(random.integers(3, 9))) for _ in range(24)]


def pre_train(place: Path, model: str, *more: str) -> tuple[str, ...]:
    """The words of a command that passes twice over the documents."""
    (place / "text.txt").write_text("\n\n".join(documents()), encoding="utf-8")
    size = [f"model.{word}" for word in ("vocab_size=600", *SIZES[model])]
    size += ["text.objective.negatives=64"] if model == "elmo_tiny" else []
    text = ("data=corpus", f"data.files=[{place}/text.txt]", "data.documents=blank_line", "data.sentences=lines")
    budget = ("data.max_length=32", "data.global_batch_size=4", "trainer.max_epochs=2", "logger=csv")
    return (f"model={model}", *size, *text, *budget, *QUIET, *more)


@cache
def words() -> int:
    """Of the documents that are trained on, as blanks and ends of lines separate them."""
    return sum(len(text.split()) for split, text in divided(documents()) if split == "train")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Each model's record, its encoder's description, and the run's folder."""
    found = {}
    for model in MODELS:
        place = tmp_path_factory.mktemp(model)
        done = command(place, *pre_train(place, model))
        assert done.status == 0, done.err
        run = the_run(place)
        found[model] = summary(run), yaml.safe_load((run / "encoder/encoder.yaml").read_text()), run
    return found


def test_the_same_passes_over_the_same_text_are_the_same_words(records: dict[str, Any]) -> None:
    """But for BERT's random segments, which are read besides."""
    costs = {model: record["cost"] for model, (record, *_) in records.items()}
    times = {model: record["card"]["readings"] for model, (record, *_) in records.items()}
    assert times.pop("bert_tiny") > 1.1
    assert set(times.values()) == {1}
    for model, (record, *_) in records.items():
        assert costs[model]["passes"] == 2
        assert costs[model]["words"] == round(2 * record["card"]["readings"] * words())
    assert len({cost["tokens"] for cost in costs.values()}) > 2  # of which no table could say who has read more


@pytest.mark.parametrize("model", MODELS)
def test_the_record_and_the_encoder_say_what_was_read(model: str, records: dict[str, Any]) -> None:
    record, described, _ = records[model]
    cost = record["cost"]
    assert described["cost"] == cost
    assert cost["device_seconds"] == cost["seconds"] > 0
    assert cost["flops"] > 0
    assert 0 < cost["parameters_without_embeddings"] < cost["parameters"] or model == "word2vec_miniature"
    assert cost["head_parameters"] == 0
    expected = {
        "word2vec_miniature": {"skip_gram"},
        "nnlm_miniature": {"causal_lm"},
        "elmo_tiny": {"forward_lm", "backward_lm"},
        "gpt_tiny": {"causal_lm"},
        "bert_tiny": {"masked_lm", "next_sentence"},
    }
    assert set(cost["targets"]) == expected[model]


def test_a_masked_lm_predicts_a_seventh_of_its_tokens_and_others_all(records: dict[str, Any]) -> None:
    shares = {
        model: record["cost"]["targets"][name] / record["cost"]["tokens"]
        for model, name in (("bert_tiny", "masked_lm"), ("gpt_tiny", "causal_lm"), ("elmo_tiny", "forward_lm"))
        for record, *_ in [records[model]]
    }
    assert 0.09 < shares["bert_tiny"] < 0.16  # special tokens are never asked for
    assert shares["gpt_tiny"] > 0.8
    assert shares["elmo_tiny"] > 0.8


def test_a_transfer_carries_its_encoders_figures(records: dict[str, Any], tmp_path: Path) -> None:
    """So that a table needs one record; what is new is the head."""
    pre_training, _, run = records["bert_tiny"]
    told = ("model=bert_tiny", f"init_from={run}/encoder", "data=glue", "data.source=miniature", "data.task=cola")
    done = command(tmp_path, *told, "trainer=smoke", "data.max_length=32", "logger=csv", *QUIET)
    assert done.status == 0, done.err
    record = summary(the_run(tmp_path))
    assert record["pretraining"] == pre_training["cost"]
    assert record["cost"]["head_parameters"] == 16 * 16 + 16 + 16 * 2 + 2  # the pooler and the classifier
    assert "targets" not in record["cost"]
    assert "words" not in record["cost"]


@pytest.mark.slow
def test_several_processes_count_each_word_once(tmp_path: Path) -> None:
    done = launch(tmp_path, *pre_train(tmp_path, "gpt_tiny", "data.max_length=16", "trainer.devices=2"))
    assert done.status == 0, done.err
    cost = summary(the_run(tmp_path))["cost"]
    assert (cost["words"], cost["devices"]) == (2 * words(), 2)
    assert cost["device_seconds"] == 2 * cost["seconds"]


# ---- by hand ---------------------------------------------------------------------------------------------------------


class Numbers:
    """Examples in groups of these sizes, one an epoch."""

    def __init__(self, *sizes: int) -> None:
        self.sizes, self.size = sizes, sizes[0]

    def __len__(self) -> int:
        return self.size

    def begin(self, epoch: int) -> None:
        self.size = self.sizes[epoch % len(self.sizes)]

    def batch(self, rows: np.ndarray, epoch: int) -> dict:
        return {"rows": torch.from_numpy(rows), "counts": {}}


def test_a_loader_knows_how_far_it_is() -> None:
    loader = BatchLoader(Numbers(10), 3, 0, Share())  # four steps
    seen = [loader.passes]
    for _ in range(2):
        seen += [loader.passes for _ in loader]
    assert seen == [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2]
    again = BatchLoader(Numbers(10), 3, 0, Share())
    again.load_state_dict({"epoch": 1, "position": 2, "micro": 1})
    assert again.passes == 1.5


def test_groups_are_a_pass_together() -> None:
    passes = Passes(BatchLoader(Numbers(6, 6, 6), 3, 0, Share(), unequal=True), 6, 3)
    assert [round(passes.passes, 6) for _ in passes] == [round(n / 6, 6) for n in range(1, 7)]


def test_tables_are_no_other_parameters() -> None:
    """V = 7 words, the output layer tied or not, and positions; what is left is 3 x 5 + 5."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hparams = {"vocab_size": 7}
            self.words, self.places, self.inner = nn.Embedding(9, 3), nn.Embedding(4, 3), nn.Linear(3, 5)
            self.output, self.gamma, self.head = nn.Linear(5, 7), nn.Parameter(torch.tensor(1.0)), nn.Linear(3, 2)

    told = parameters_of(Model())  # pyright: ignore[reportArgumentType]
    whole = 27 + 12 + 20 + 42 + 1 + 8
    assert told == {"parameters": whole, "parameters_without_embeddings": 20 + 1 + 8, "head_parameters": 8}
