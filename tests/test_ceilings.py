"""The ladder beside a score: the kept rungs are those that are computed, and only generated text has any."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from datamodules import ceilings
from datamodules.glue_tasks import TASKS
from datamodules.miniature import WORLD, ladder, tasks
from lightning_modules.head import Judge
from sweeps.evidence import glue_table
from sweeps.showing.ladders import ladders, result

KEPT = json.loads(ceilings.FILE.read_text())


def test_the_kept_ladders_are_of_this_world_and_of_every_task() -> None:
    assert KEPT["world"] == WORLD
    for name, task in TASKS.items():
        assert tuple(KEPT["ladders"][name]) == task.test_sets


def test_a_kept_ladder_is_the_computed_one() -> None:
    assert KEPT["ladders"]["wnli"]["validation"] == pytest.approx(ladder.rungs("wnli", "validation"), abs=0.11)


@pytest.mark.slow
def test_all_kept_ladders_are_the_computed_ones() -> None:
    for task, split, rungs in ceilings.computed():
        assert KEPT["ladders"][task][split] == pytest.approx(rungs, abs=0.31), (
            task,
            split,
        )  # rounding on other machines


@pytest.mark.parametrize("source", ["hub", "some/folder"])
def test_real_data_has_no_ladder_and_no_parts(source: str) -> None:
    assert ceilings.ceilings(source, TASKS["rte"], ["validation"]) == {}
    assert ceilings.parts(source, "rte", "validation") == {}


def test_unseen_rows_are_those_with_words_of_no_training_text() -> None:
    known = {word for row in tasks.made_rows("sst2", "train") for word in ladder.tokens(row.texts[0])}
    rows, found = tasks.made_rows("sst2", "validation"), ceilings.parts("miniature", "sst2", "validation")
    assert sorted(found["seen"] + found["unseen"]) == list(range(1000))
    new = {name: np.mean([bool(set(ladder.tokens(rows[n].texts[0])) - known) for n in found[name]]) for name in found}
    assert new["unseen"] == 1
    assert new["seen"] < 0.1  # typos, and words that training happens not to have


def test_a_part_is_scored_as_sklearn_does() -> None:
    rng = np.random.default_rng(0)
    rows = [(int(n), int(p), int(y), [0.5, 0.5]) for n, (p, y) in enumerate(rng.integers(0, 2, (60, 2)))]
    found = Judge().by_part(TASKS["mrpc"], "test_validation", rows, {"odd": range(1, 60, 2), "none": range(60, 70)})
    _, answers, truth, _ = zip(*rows[1::2], strict=True)
    assert found == {
        "test_validation/f1/odd": pytest.approx(f1_score(truth, answers)),
        "test_validation/accuracy/odd": pytest.approx(accuracy_score(truth, answers)),
    }


RECORD = {
    "data": "miniature/cola",
    "metrics": {"test_validation/accuracy": 0.512},
    "headline": {"name": "matthews", "value": 3.21, "parts": {"seen": 5.0, "unseen": 1.0}},
    "card": {"ceilings": {"test_validation/accuracy": {"majority": 50.0, "exact": 99.5}}},
}


def test_a_ladder_stands_beside_the_score_that_it_is_of() -> None:
    assert result(RECORD["headline"]) == "matthews: 3.2, seen 5.0, unseen 1.0"
    assert ladders(RECORD) == ["validation/accuracy 51.2, ladder: majority 50.0 | exact 99.5"]
    assert "ladder of the smaller miniature: majority" in ladders({**RECORD, "data": "miniature-sweep/cola"})[0]
    assert ladders({**RECORD, "card": {"train": 3}}) == []
    rest = {**dict.fromkeys(("start", "model", "selection")), "collapsed": False, "config": {"trainer": {}}}
    assert glue_table.remarks([glue_table.Row(TASKS["cola"], {**RECORD, **rest})]) == [f"CoLA: {ladders(RECORD)[0]}"]


def test_the_file_is_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings, "FILE", tmp_path / "ceilings.json")
    monkeypatch.setattr(ceilings, "computed", lambda: [("rte", "validation", {"majority": 50.04})])
    ceilings.main()
    assert json.loads(ceilings.FILE.read_text()) == {**KEPT, "ladders": {"rte": {"validation": {"majority": 50.0}}}}
