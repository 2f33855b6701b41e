"""The promise to whoever extends the suite: a sixth model or a fourth data set is one Python file and one yaml.

Both are written here, outside of the checkout, and nothing in it names them. The model is a bag of embeddings that
guesses each word of a sentence from their mean; the data set asks whether a sentence is about the sea or the hills.
"""

import json
import math
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file

import run
from datamodules.miniature import glue
from lightning_modules.answering import load_model
from sweeps.runs import record
from sweeps.runs.places import Run
from tests.conftest import CPU, compose, options

FILES = {
    "bow.py": '''
"""A bag of embeddings: a word is guessed from the mean of its sentence."""

from dataclasses import replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from datamodules import formats
from datamodules.masking import generator
from lightning_modules.base import Encoding, LanguageModel
from lightning_modules.heads import HEADS


class Bow(LanguageModel):
    PRETRAINING_ONLY = ("output",)

    def __init__(self, optimizer, finetuning, vocab_size, width, loss_normalization="global"):
        super().__init__(optimizer, finetuning, loss_normalization)
        self.save_hyperparameters(logger=False)
        self.embedding = nn.Embedding(vocab_size, width)
        self.output = nn.Linear(width, vocab_size)

    def encode(self, batch, layers=(-1,)):
        words = self.embedding(batch["tokens"])
        lengths = batch["offsets"].diff()
        owner = torch.arange(len(lengths), device=words.device).repeat_interleave(lengths)
        sums = words.new_zeros(len(lengths), words.shape[1]).index_add(0, owner, words)
        return Encoding(((sums / lengths[:, None])[owner],), batch["summary"])

    def pretraining_losses(self, batch):
        logits = self.output(self.encode(batch).layers[-1][batch["guessed"]])
        return {"word": (F.cross_entropy(logits, batch["words"], reduction="sum"), len(batch["words"]))}

    def make_head(self, task):
        return HEADS[task.kind](task, self.embedding.embedding_dim, nn.Identity(), 0.1, "normal")


class OneWord:
    """Whole sentences, of each of which one word is hidden and guessed."""

    def plan(self, corpus, max_length, seed, epoch):
        starts, stops = corpus.sentences[:-1], corpus.sentences[1:]
        return np.stack([starts, np.minimum(stops, starts + max_length - 2)], axis=1)

    def batch(self, corpus, vocabulary, rows, keys):
        sequences, words, hidden = [], [], []
        for number, ((first, stop), key) in enumerate(zip(rows, keys)):
            sequence = replace(formats.pack_pair(vocabulary, np.array(corpus.tokens[first:stop]), None), example=number)
            hidden.append(1 + int(generator(*key).integers(stop - first)))
            words.append(int(sequence.tokens[hidden[-1]]))
            sequence.tokens[hidden[-1]] = vocabulary.mask
            sequences.append(sequence)
        ragged = formats.ragged(sequences, len(sequences))
        return {
            **ragged.batch,
            "guessed": torch.tensor([ragged.starts[i] + hidden[i] for i in ragged.order]),
            "words": torch.tensor([words[i] for i in ragged.order]),
            "counts": {"word": len(rows)},
        }

    def yardstick(self):
        return self

    def figures(self, rows, batch, vocabulary):
        return {"hidden_share": len(batch["words"]) / len(batch["tokens"])}
''',
    "conf/model/bow.yaml": """
# @package _global_
defaults:
  - /transfer@transfer: finetune
  - _self_
model:
  _target_: bow.Bow
  vocab_size: 500
  width: 16
  optimizer: {lr: 1.0e-2}
  finetuning: {lr: 1.0e-2}
text:
  tokenizer: {_target_: datamodules.tokenization.WordPiece, vocab_size: "${model.vocab_size}", file: null}
  format: {_target_: datamodules.formats.SequencePair}
  objective: {_target_: bow.OneWord}
""",
    "toy.py": '''
"""Is a sentence about the sea or about the hills?"""

import numpy as np
import torch

from datamodules.labelled import LabelledData
from datamodules.labelled_examples import LabelledExamples
from datamodules.task import Task

SUBJECTS = ("a boat", "a wave", "a sailor", "the harbour", "a peak", "a climber", "a cave", "the pass")
ENDS = {"train": ("is near", "is far", "was painted"), "held_out": ("was seen today",), "more": ("is old",)}
ROWS = {name: [(f"{a} {end}", i // 4) for end in ends for i, a in enumerate(SUBJECTS)] for name, ends in ENDS.items()}


class Toy(LabelledData):
    def __init__(self, **settings):
        super().__init__(**settings)
        self.take(Task("toy", "classification", 2, ("sea", "hills"), ("accuracy",), "accuracy", ("held_out",)))

    sets = tuple(ROWS)  # the last one has no labels to score: it is predicted

    def identity(self):
        return {"toy": 1}

    def training_texts(self):
        return [text for text, _ in ROWS["train"]]

    def tokenize(self, tokenizer, name, folder):
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text, _ in ROWS[name]]
        np.savez(folder / "rows.npz", *map(np.array, ids))

    def rows_of(self, name):
        return np.arange(len(ROWS[name]))

    def held_out(self):
        return np.arange(len(ROWS["train"])) % 4 == 0

    def examples(self, name, rows):
        texts = list(np.load(self.tokens_dir / name / "rows.npz").values())
        labels = torch.tensor([label for _, label in ROWS[name]])
        return Sentences(texts, labels, rows, lambda some: self.layout.batch(self.vocabulary(), some, self.task))


class Sentences(LabelledExamples):
    def __init__(self, texts, labels, rows, collate):
        super().__init__(len(texts), rows)
        self.texts, self.labels, self.collate = texts, labels, collate

    def lay_out(self, numbers):
        return self.collate([[self.texts[row]] for row in numbers])

    def truth(self, numbers, batch):
        return {"labels": self.labels[numbers]}
''',
    "conf/data/toy.yaml": """
_target_: toy.Toy
source: toy
tokenizer: ${text.tokenizer}
format: ${text.format}
max_length: 32
global_batch_size: 4
eval_batch_size: 4
seed: ${seed}
cache_dir: ${cache_dir}
""",
}
FILES_OF_TOY = {"held_out.tsv": 9, "more.tsv": 8}
STEP = (
    "trainer=smoke",
    "trainer.max_steps=1",
    "trainer.limit_train_batches=1",
    "data.global_batch_size=4",
    "data.eval_batch_size=4",
)


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Writes the four files; the override by which Hydra finds the yaml ones."""
    place = tmp_path_factory.mktemp("extension")
    for name, content in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(content.lstrip())
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(place))
        yield f"hydra.searchpath=[file://{place}/conf]"
    for name in ("bow", "toy"):
        sys.modules.pop(name, None)


@pytest.fixture
def execute(extension: str, cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run an experiment to its record, as run.py does; returns summary.json."""
    monkeypatch.setattr(record, "git_state", lambda folder: {})

    def execute(*overrides: str) -> dict:
        cfg = compose(extension, *STEP, *CPU, cache, *overrides)
        opened = Run.open(Path(tempfile.mkdtemp(dir=tmp_path)), cfg)
        run.execute(cfg, opened)
        return {**json.loads((opened.directory / "summary.json").read_text()), "directory": opened.directory}

    return execute


def check_transfer(summary: dict, files: dict[str, int], texts: list, answers: set[str]) -> None:
    """A score, a line for each answer (and a heading, if any), and a model that can be used."""
    assert 0 <= summary["headline"]["value"] <= 100
    written = {file.name: file.read_text() for file in (summary["directory"] / "predictions").iterdir()}
    assert {name: len(text.splitlines()) for name, text in written.items()} == files
    assert set(load_model(summary["directory"]).predict(texts)) <= answers


def test_the_new_model_pretrains(execute: Any) -> None:
    summary = execute("model=bow", "data=miniature")
    assert summary["status"] == "finished"
    assert (summary["model"], summary["data"]) == ("bow", "miniature")
    assert math.isfinite(summary["metrics"]["val/word_loss"])
    assert summary["headline"] == {"name": "val/word_loss", "value": summary["metrics"]["val/word_loss"]}
    encoder = summary["directory"] / "encoder"
    assert set(load_file(encoder / "weights.safetensors")) == {"embedding.weight", "output.weight", "output.bias"}
    assert yaml.safe_load((encoder / "encoder.yaml").read_text())["model"]["_target_"] == "bow.Bow"


def test_the_new_models_encoder_starts_a_task_of_glue(execute: Any) -> None:
    encoder = execute("model=bow", "data=miniature")
    summary = execute(
        "model=bow", "data=glue", "data.source=miniature", "data.task=sst2", f"init_from={encoder['directory']}"
    )
    assert summary["data"] == "miniature/sst2"
    assert summary["encoder_fingerprint"] == encoder["encoder_fingerprint"]
    texts = [row["sentence"] for row in glue("sst2", "test")[:5]]
    check_transfer(summary, {"validation.tsv": 9, "SST-2.tsv": 9}, texts, {"negative", "positive"})


def test_the_new_model_on_the_new_data(execute: Any) -> None:
    summary = execute("model=bow", "data=toy", "init_from=scratch")
    assert (summary["model"], summary["data"]) == ("bow", "toy")
    assert summary["selection"] == "selected on a tenth of train"
    assert summary["card"] == {"train": 18, "selection": 6, "held_out": 8}
    check_transfer(summary, FILES_OF_TOY, ["a boat", ("a peak",)], {"sea", "hills"})


@pytest.mark.slow
def test_a_frozen_encoders_layers_are_kept_of_the_new_data(execute: Any) -> None:
    encoder = execute("model=elmo_miniature", "data=miniature")["directory"]
    told = ("model=elmo_miniature", "data=toy", f"init_from={encoder}", "trainer.limit_train_batches=null")
    first, second = (execute(*told, "+data.train_examples=7") for _ in range(2))
    assert first["layers"]["computed_tokens"] == first["layers"]["tokens"] > second["layers"]["computed_tokens"] == 0
    assert second["metrics"] == first["metrics"]
    assert second["card"] == {"train": 7, "selection": 6, "held_out": 8}


def miniatures() -> list[Any]:
    """Every model; but for ELMo, which reads words, features and layers as no other does, slowly."""
    names = [name for name in options("model") if name.endswith("_miniature")]
    return [name if name.startswith("elmo") else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.mark.parametrize("model", miniatures())
def test_a_model_of_the_suite_on_the_new_data(execute: Any, model: str) -> None:
    summary = execute(f"model={model}", "data=toy", "init_from=scratch")
    assert (summary["model"], summary["data"]) == (model, "toy")
    check_transfer(summary, FILES_OF_TOY, ["a wave"], {"sea", "hills"})
