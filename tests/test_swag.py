"""SWAG as a row of the table: one score for each ending wherever it stands; on a folder and on generated text."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from torch import nn

from datamodules import ceilings, formats, miniature, sources
from datamodules.formats import SequencePair
from datamodules.glue import Glue
from datamodules.glue_tasks import ALL_TASKS, TASKS
from datamodules.miniature.tasks import made_rows
from datamodules.selection import holdout_mask
from datamodules.task import Refused, Task
from datamodules.tokenization import Vocabulary, WordPiece
from datamodules.traversal import Traversal
from lightning_modules.bert import Bert
from lightning_modules.gpt import Gpt
from lightning_modules.heads import Choice
from sweeps.evidence.glue_table import AVERAGES
from sweeps.planning.suite import is_suite
from sweeps.runs.record import identify
from tests.commands import TINY, command, summary, table, the_run
from tests.conftest import compose
from tests.hub_server import write_dataset

SWAG = ALL_TASKS["swag"]
ENDINGS = [f"ending{number}" for number in range(4)]
TASK = Task("any", "choice", 3, ("a", "b", "c"), columns=("sent1", "sent2", *"abc"), max_length=32)
SIZES: dict[str, Any] = {
    "vocab_size": 61, "hidden_size": 24, "num_layers": 2, "num_heads": 3, "intermediate_size": 40, "max_length": 32
}  # fmt: skip
SPECIALS = {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}
VOCABULARY = Vocabulary(SPECIALS, size=61, continues=np.zeros(61, dtype=bool))


# ---- the head --------------------------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("orders", [1, 2])
def test_the_head_against_a_loop(orders: int) -> None:
    """Of each example, of each choice: the vector times what its sequences' summaries become."""
    torch.manual_seed(0)
    head = Choice(TASK, 8, nn.Sequential(nn.Linear(8, 8), nn.Tanh()), 0.5, "normal").eval()
    owners = [(example, choice) for example in range(4) for choice in range(3) for _ in range(orders)]
    order = torch.randperm(len(owners)).tolist()
    layer, summary = torch.randn(40, 8), torch.randperm(40)[: len(owners)]
    examples, choices = (torch.tensor([owners[place][part] for place in order]) for part in (0, 1))
    labels = torch.tensor([2, 0, 1, 1])
    batch = {"example": examples, "choice": choices, "num_examples": 4, "labels": labels}
    logits = head((layer,), summary, batch)
    nats = 0.0
    for example in range(4):
        scores = []
        for choice in range(3):
            own = [row for row, place in enumerate(order) if owners[place] == (example, choice)]
            scores.append(sum(float(head.linear.weight[0] @ head.pooler(layer[summary[row]])) for row in own))
        assert logits[example].tolist() == pytest.approx(scores, abs=1e-5)
        nats -= scores[int(labels[example])] - float(np.log(np.exp(scores).sum()))
    assert float(head.loss(logits, batch)[0]) == pytest.approx(nats, rel=1e-5)
    assert head.loss(logits, batch)[1] == 4
    assert head.predict(logits).tolist() == logits.argmax(1).tolist()


@torch.no_grad()
def test_dropout_is_the_same_for_all_choices_and_another_for_each_example() -> None:
    torch.manual_seed(0)
    head = Choice(TASK, 64, nn.Identity(), 0.5, "normal").train()
    example, choice = torch.arange(6) // 3, torch.arange(6) % 3
    logits = head((torch.ones(6, 64),), torch.arange(6), {"example": example, "choice": choice, "num_examples": 2})
    assert torch.allclose(logits, logits[:, :1], atol=1e-6)
    assert not torch.isclose(logits[0, 0], logits[1, 0], atol=1e-3)


def encoders() -> list[tuple[Any, SequencePair]]:
    torch.manual_seed(0)
    made = [(Bert({"lr": 1e-3}, {"lr": 1e-3}, **SIZES), SequencePair()), (Gpt({"lr": 1e-3}, {"lr": 1e-3}, **SIZES), 61)]
    return [(model.attach(TASK).eval(), Traversal(61) if layout == 61 else layout) for model, layout in made]  # type: ignore


@torch.no_grad()
@pytest.mark.parametrize("which", [0, 1], ids=["bert", "gpt"])
def test_a_batch_keeps_each_choices_score_in_its_place(which: int) -> None:
    """Endings of all lengths, too long ones too: in a sorted batch each has the score that it has alone."""
    model, layout = encoders()[which]
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    rng = np.random.default_rng(0)
    examples = [[rng.integers(5, 61, rng.integers(1, 18)) for _ in range(5)] for _ in range(6)]
    examples[3][1] = examples[3][1][:0]  # no beginning
    batch = layout.batch(VOCABULARY, examples, TASK)
    assert batch["counts"]["task"] == batch["num_examples"] == 6
    assert np.diff(batch["offsets"].numpy()).tolist() == sorted(np.diff(batch["offsets"].numpy()))
    encoding = model.encode(batch)
    logits = model.head(encoding.layers, encoding.summary, batch)
    assert logits.shape == (6, 3)
    for row, (first, beginning, *ends) in enumerate(examples):
        for choice, end in enumerate(ends):
            pair = [first, np.concatenate([beginning, end])]
            if which == 1:  # GPT's delimiter stands before the end
                pair = [np.concatenate([first, beginning]), end]
            alone = formats.ragged(layout.sequences(VOCABULARY, pair, TASK), 1).batch
            one = model.encode(alone)
            score = model.head.linear(model.head.pooler(one.layers[-1][one.summary]))
            assert float(logits[row, choice]) == pytest.approx(float(score), abs=1e-4)


# ---- the row ---------------------------------------------------------------------------------------------------------


def test_swag_is_none_of_glues_nine() -> None:
    assert list(ALL_TASKS) == [*TASKS, "swag", "sick"]
    assert len(TASKS) == 9
    assert (SWAG.kind, SWAG.num_labels, list(SWAG.labels)) == ("choice", 4, ENDINGS)
    assert list(SWAG.columns) == ["sent1", "sent2", *ENDINGS]
    assert (SWAG.repository, SWAG.configuration) == ("allenai/swag", "regular")
    assert {(task.repository, task.configuration) for task in TASKS.values()} == {
        (sources.GLUE, name) for name in TASKS
    }
    assert not any(cell[0] == "swag" for columns in AVERAGES.values() for column in columns for cell in column)
    assert not is_suite(compose("data=swag"))
    assert is_suite(compose("data=glue"))


def test_the_yaml_has_the_papers_batch() -> None:
    paper, own = compose("experiment=bert_paper_swag"), compose("data=swag")
    assert own.data.global_batch_size == paper.data.global_batch_size == 16
    assert (paper.model.finetuning.lr, paper.trainer.max_epochs) == (2e-5, 3)


# ---- generated text --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_on_the_miniature_it_is_its_task_choice(split: str) -> None:
    for source, size in (("miniature", "demo"), ("miniature-sweep", "sweep")):
        assert split in sources.available_splits(source, sources.SWAG, "regular")
        if size == "demo":
            rows = sources.load_rows(source, sources.SWAG, "regular", split).to_list()
            assert rows == miniature.glue("choice", split, 0, size)


def test_its_ladder_and_its_parts_are_those_of_choice() -> None:
    (found,) = ceilings.ceilings("miniature", SWAG, ["validation"]).values()
    rungs = found["test_validation/accuracy"]
    assert (rungs["majority"], rungs["exact"]) == (25, 100)
    assert all(abs(value - 25) < 5 for name, value in rungs.items() if name != "exact")  # four standard errors
    words = [row.tags["words"] for row in made_rows("choice", "validation")]
    parts = ceilings.parts("miniature", "swag", "validation")
    assert {name: [words[number] for number in rows] for name, rows in parts.items()} == {
        "seen": ["seen"] * 500,
        "unseen": ["unseen"] * 500,
    }
    assert ceilings.ceilings("hub", SWAG, ["validation"]) == ceilings.parts("hub", "swag", "validation") == {}


# ---- a folder in the hub's layout ------------------------------------------------------------------------------------


def swag(count: int, word: str, labelled: bool = True) -> datasets.Dataset:
    """Rows in the hub's columns; which ending is right can be told from its only odd word."""
    rows = [
        {
            "video-id": f"{word}-{number}",
            "fold-ind": str(number),
            "startphrase": f"A {word} number {number} walks. It",
            "sent1": f"A {word} number {number} walks.",
            "sent2": "It",
            "gold-source": "gold",
            **{name: f"{'stops' if at == number % 4 else 'flies away then'}." for at, name in enumerate(ENDINGS)},
            "label": number % 4 if labelled else -1,
        }
        for number in range(count)
    ]
    return datasets.Dataset.from_list(rows).cast_column("label", datasets.ClassLabel(names=["0", "1", "2", "3"]))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    splits = {"train": swag(60, "man"), "validation": swag(9, "dog"), "test": swag(7, "cat", labelled=False)}
    write_dataset(tmp_path / "hub/allenai/swag", {"regular": splits})
    return tmp_path / "hub"


def prepared(folder: Path, place: Path, **settings: Any) -> Glue:
    sizes = {"max_length": 32, "global_batch_size": 4, "eval_batch_size": 4, "seed": 0, "cache_dir": str(place)}
    data = Glue(
        "swag", source=str(folder), tokenizer=WordPiece(vocab_size=200), format=SequencePair(), **sizes, **settings
    )
    data.prepare_data()
    data.setup("fit")
    return data


def test_a_folder_is_read_and_laid_out(folder: Path, tmp_path: Path) -> None:
    data = prepared(folder, tmp_path / "cache")
    texts = ["\x1f".join(str(row[name]) for name in SWAG.columns) for row in swag(60, "man").to_list()]
    held = holdout_mask(texts)
    assert np.array_equal(data.held_out(), held)
    assert 0 < held.sum() < 20
    assert (len(data.train), len(data.val), len(data.tests[0])) == (60 - held.sum(), held.sum(), 9)
    assert {name: len(examples) for name, examples in data.unlabelled.items()} == {"test": 7}
    assert list(data.card["train_labels"]) == ENDINGS
    words = data.vocabulary()
    batch = data.tests[0].batch(np.array([5, 2]), 0)
    assert batch["labels"].tolist() == [1, 2]
    assert batch["index"].tolist() == [5, 2]
    for place in range(8):
        row: dict[str, str] = swag(9, "dog").to_list()[(5, 2)[int(batch["example"][place])]]
        ids = batch["tokens"][batch["offsets"][place] : batch["offsets"][place + 1]].tolist()
        second = f"{row['sent2']} {row[ENDINGS[int(batch['choice'][place])]]}"
        assert ids == [words.cls, *words.ids(row["sent1"]), words.sep, *words.ids(second), words.sep]


def refusal(folder: Path, place: Path, train: datasets.Dataset) -> str:
    write_dataset(folder / "allenai/swag", {"regular": {"train": train, "validation": train}})
    with pytest.raises(Refused) as caught:
        prepared(folder, place)
    return str(caught.value)


@pytest.mark.parametrize("column", ["sent2", "ending3", "label"])
def test_a_missing_column_is_refused(column: str, folder: Path, tmp_path: Path) -> None:
    said = refusal(folder, tmp_path / "cache", swag(9, "dog").remove_columns(column))
    assert f"allenai/swag/regular/train-00000-of-00001.parquet: swag needs a column '{column}', and there are" in said


def test_bad_labels_and_blank_texts_are_refused(folder: Path, tmp_path: Path) -> None:
    good = swag(9, "dog")
    for rows, words in (
        (swag(9, "dog", labelled=False), "row 0: -1 is not possible, the label may be 0, 1, 2, 3."),
        (
            good.cast_column("label", datasets.ClassLabel(names=["3", "2", "1", "0"])),
            "its labels are ['3', '2', '1', '0']",
        ),
        (good.remove_columns("ending2").add_column("ending2", [" "] * 9), "column 'ending2', row 0: ' '"),
    ):
        assert words in refusal(folder, tmp_path / "cache", rows)


# ---- whole runs ------------------------------------------------------------------------------------------------------

SMALL = (*TINY, "data=swag", "init_from=scratch", "trainer.max_epochs=1", "logger=csv")


def test_a_run_on_a_folder_is_recorded_and_answers(folder: Path, tmp_path: Path) -> None:
    done = command(tmp_path, *SMALL, "model.vocab_size=200", f"data.source={folder}")
    assert done.status == 0, done.err
    run = the_run(tmp_path)
    assert run.name.startswith("bert_miniature-swag-s0-")
    record = summary(run)
    assert (record["data"], record["headline"]["name"]) == ("swag", "accuracy")
    assert "ceilings" not in record["card"]
    rows = table(run / "predictions/validation.tsv")
    assert [row["label"] for row in rows] == [str(number % 4) for number in range(9)]
    for row in rows:
        chances = [float(row[f"p({name})"]) for name in ENDINGS]
        assert sum(chances) == pytest.approx(1, abs=1e-5)
        assert int(row["prediction"]) == int(np.argmax(chances))
    handed_in = list(csv.reader((run / "predictions/SWAG.csv").read_text().splitlines()))
    assert handed_in[0] == ["", "pred"]
    assert [index for index, _ in handed_in[1:]] == [str(number) for number in range(7)]
    assert {answer for _, answer in handed_in[1:]} <= set("0123")
    mine = "".join("\t".join(row[name] for name in SWAG.columns) + "\n" for row in swag(9, "dog").to_list())
    (tmp_path / "mine.tsv").write_text(mine)
    answered = command(tmp_path, f"predict={run}", "input=mine.tsv")
    assert answered.out.split() == [f"ending{row['prediction']}" for row in rows], answered.err
    (tmp_path / "pair.tsv").write_text("A man walks.\tIt stops.\n")
    refused = command(tmp_path, f"predict={run}", "input=pair.tsv").refusal
    assert "swag expects 6: sent1, sent2, ending0, ending1, ending2, ending3" in refused


@pytest.mark.slow
@pytest.mark.parametrize("model", ["bert_miniature", "gpt_miniature"])
def test_generated_text_is_never_called_swag_alone(model: str, tmp_path: Path) -> None:
    few = ("trainer.limit_train_batches=2", "data.train_examples=32", "data.submission=false")
    done = command(tmp_path, *SMALL, *few, f"model={model}", "data.source=miniature")
    assert done.status == 0, done.err
    record = json.loads((the_run(tmp_path) / "summary.json").read_text())
    assert record["data"] == "miniature/swag"
    assert set(record["headline"]["parts"]) == {"seen", "unseen"}
    assert record["card"]["ceilings"]["test_validation/accuracy"]["exact"] == 100
    assert "ladder: majority 25.0" in done.out
    assert 0 <= record["headline"]["value"] <= 100


@pytest.mark.parametrize("overrides", [("data=swag", "data.task=rte"), ("data=glue", "data.task=swag")])
def test_a_record_is_called_after_the_task_not_after_the_yaml(overrides: tuple[str, str]) -> None:
    cfg = compose(*overrides)
    data, start = SimpleNamespace(task=ALL_TASKS[str(cfg.data.task)]), SimpleNamespace(instead=False)
    assert identify(cfg, data, start)["data"] == {"rte": "glue/rte", "swag": "swag"}[cfg.data.task]  # type: ignore
