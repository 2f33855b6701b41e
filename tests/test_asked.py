"""What a sweep's file and overrides ask for together."""

from pathlib import Path

import pytest

from datamodules.task import Refused
from sweeps.asked import asked, rewritten, value_of
from sweeps.dashboard import words_of_others
from sweeps.found import Folder, Wanted, deciding, of_points
from sweeps.sweep_file import read
from tests.conftest import ROOT, compose
from tests.test_sweep_file import sweep_of, written

NSP = read(ROOT / "sweeps/nsp.yaml")
STEPS, OBJECTIVE = ROOT / "sweeps/bert_objective_steps.yaml", ROOT / "sweeps/bert_objective.yaml"


def test_an_overridden_parameter_leaves_points_of_the_whole_sweep() -> None:
    """To the letter, so that none is run again."""
    every = {one.words: one.point for one in asked(NSP, ())}
    some = asked(NSP, ["row=no_nsp", "++pretrain.seed=0"])
    assert len(some) == len({point["data.task"] for point in every.values()})
    for one in some:
        assert every[one.words] == one.point
        assert one.point["row"] == "no_nsp"
        assert one.point["pretrain.seed"] == 0


def test_an_override_of_what_points_share_takes_its_place(tmp_path: Path) -> None:
    found = asked(sweep_of(tmp_path), ["data.task=cola", "trainer.max_steps=3", "trainer.max_steps=4"])
    assert len(found) == 12
    for one in found:
        assert [word for word in one.words if word.startswith(("data.task", "trainer"))] == [
            "data.task=cola",
            "trainer.max_steps=4",
        ]
        assert one.words[:2] == ("data=glue", "data.task=cola")


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("seed=7",),
        ("row=no_nsp", "data.task=mnli", "model.optimizer.clip=0"),
        ("data.train_examples=null", "++model.optimizer.betas=[0.8,0.9]"),
        ("experiment=bert_nsp", "scale=none"),
    ],
)
def test_the_rewritten_file_asks_for_the_same(tmp_path: Path, overrides: tuple[str, ...]) -> None:
    ours = asked(NSP, overrides)
    (tmp_path / "out.yaml").write_text(rewritten(NSP, overrides))
    theirs = asked(read(tmp_path / "out.yaml"), ())
    assert [deciding(one.words) for one in theirs] == [deciding(one.words) for one in ours]
    assert [dict(one.point) for one in theirs] == [dict(one.point) for one in ours]
    assert compose(*ours[0].words) == compose(*theirs[0].words)


def test_values_are_what_a_file_would_have() -> None:
    assert value_of("transfer.plug=[input,output]") == "[input,output]"
    assert [value_of(f"x={word}") for word in ("3", "0.5", "true", "nsp")] == [3, 0.5, True, "nsp"]
    assert value_of("x=null") == "null"  # None would reach Hydra as a word
    with pytest.raises(Refused, match=r"transfer.plug=\[input is no override"):
        value_of("transfer.plug=[input")


def test_runs_with_other_overrides_are_counted_and_told(tmp_path: Path) -> None:
    sweep = read(written(tmp_path))
    points = asked(sweep, ())
    folders = [Folder(tmp_path / "own", deciding(points[0].words), None)]
    for number, overrides in enumerate((["model.optimizer.clip=0"], ["seed=7"], ["seed=7", "model.optimizer.clip=0"])):
        words = deciding(asked(sweep, overrides)[0].words)
        folders += [Folder(tmp_path / f"{number}-{again}", words, None) for again in (0, 1)]
    folders.append(Folder(tmp_path / "another", deciding(["data=glue", "data.task=cola", "seed=7"]), None))
    (found,) = of_points(Wanted(points), folders).values()
    assert found.notes == [
        "6 runs have other overrides (model.optimizer.clip=0, seed=7) and are not shown: repeat these to see them"
    ]
    (with_seven,) = of_points(Wanted(asked(sweep, ["seed=7"])), folders).values()
    assert [result.name for result in with_seven.results] == ["1-0"]


def test_a_larger_sweep_runs_nothing_for_a_smaller_one() -> None:
    """Its words hold the smaller one's, and are no overrides of that."""
    larger = [Folder(Path(f"{n}"), deciding(one.words), "small") for n, one in enumerate(asked(read(STEPS), ()))]
    smaller = asked(read(OBJECTIVE), ())
    assert any(Wanted(smaller).is_further(one.words) for one in larger)  # what would be told without the others
    found = of_points(Wanted(smaller, words_of_others(OBJECTIVE)), larger)
    assert list(found) == [None]
    assert found[None].notes == []
