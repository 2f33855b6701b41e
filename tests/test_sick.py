"""SICK as a row of GLUE's table that is none of its nine; on a folder in the hub's layout, and on generated text."""

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from datamodules import ceilings, sources
from datamodules.formats import SequencePair
from datamodules.glue import Glue
from datamodules.glue_tasks import ALL_TASKS, TASKS
from datamodules.miniature.tasks import made_rows
from datamodules.tokenization import WordPiece
from sweeps.evidence.glue_table import AVERAGES
from sweeps.planning.suite import is_suite
from tests.commands import TINY, command, summary, table, the_run
from tests.conftest import compose
from tests.hub_server import write_dataset

SICK = ALL_TASKS["sick"]
SIZES: dict[str, Any] = {"max_length": 32, "global_batch_size": 4, "eval_batch_size": 4, "seed": 0}


def sick(count: int, animal: str) -> datasets.Dataset:
    rows = [
        {"sentence_A": f"A {animal} runs {n} times", "sentence_B": f"No {animal} runs {n}", "label": n % 3}
        for n in range(count)
    ]
    return datasets.Dataset.from_list(rows).cast_column("label", datasets.ClassLabel(names=list(SICK.labels)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    splits = {"train": sick(60, "dog"), "validation": sick(9, "cat"), "test": sick(12, "cow")}
    write_dataset(tmp_path / "hub/sick", {"default": splits})
    return tmp_path / "hub"


@pytest.mark.parametrize("selection", ["holdout", "paper"])
def test_both_further_sets_are_test_sets(selection: str, folder: Path, tmp_path: Path) -> None:
    place: dict[str, Any] = {"cache_dir": str(tmp_path / "cache"), "selection": selection}
    data = Glue(
        "sick", source=str(folder), tokenizer=WordPiece(vocab_size=200), format=SequencePair(), **SIZES, **place
    )
    data.prepare_data()
    data.setup("fit")
    assert data.task.test_sets == ("test", "validation")
    assert [len(test) for test in data.tests] == [12, 9]
    assert data.unlabelled == {}
    assert (data.val is data.tests[1]) == (selection == "paper")
    assert data.val is not data.tests[0]
    assert (len(data.train) == 60) == (selection == "paper")


def test_it_is_in_no_table_and_no_average_of_glue() -> None:
    assert "sick" not in TASKS
    assert not any("sick" in str(average) for average in AVERAGES.items())
    assert not is_suite(compose("data=sick", "data.source=miniature"))


def test_a_run_is_recorded_under_its_own_name(folder: Path, tmp_path: Path) -> None:
    few = ("data=sick", "init_from=scratch", "trainer.max_epochs=1", "logger=csv", "model.vocab_size=200")
    done = command(tmp_path, *TINY, *few, f"data.source={folder}")
    assert done.status == 0, done.err
    run = the_run(tmp_path)
    assert run.name.startswith("bert_miniature-sick-s0-")
    record = summary(run)
    assert (record["data"], record["headline"]["name"]) == ("sick", "accuracy")
    assert {"test_test/accuracy", "test_validation/accuracy"} <= set(record["metrics"])
    rows = table(run / "predictions/test.tsv")
    assert [row["label"] for row in rows] == [str(number % 3) for number in range(12)]
    right = np.mean([row["label"] == row["prediction"] for row in rows])
    assert record["headline"]["value"] == pytest.approx(100 * right, abs=1e-4)


def test_on_generated_text_it_is_the_world_of_mnli() -> None:
    names = {"train": "train", "test": "validation_matched", "validation": "validation_mismatched"}
    for name, theirs in names.items():
        rows: Any = sources.load_rows("miniature", sources.SICK, "default", name)
        made = made_rows("mnli", theirs)
        assert [(row["sentence_A"], row["sentence_B"]) for row in rows] == [row.texts for row in made]
        wrong = np.mean([ours != row.label for ours, row in zip(rows["label"], made, strict=True)])
        assert (wrong > 0) == (name == "train")  # some labels of training rows are wrong, as everywhere
        assert wrong < 0.05
    parts = ceilings.parts("miniature", "sick", "test")
    assert parts == ceilings.parts("miniature", "mnli", "validation_matched")
    known = ceilings.ceilings("miniature", SICK, SICK.test_sets)["ceilings"]
    assert list(known) == ["test_test/accuracy", "test_validation/accuracy"]
    assert known["test_test/accuracy"]["exact"] == 100
