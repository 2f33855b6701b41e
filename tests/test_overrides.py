"""What a sweep's file and overrides ask for together, and whose runs are found by it."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hydra.errors import HydraException

from datamodules.task import Refused
from sweeps import dashboard
from sweeps.evidence.found import of_points
from sweeps.evidence.wanted import Family, Folder, Wanted, deciding
from sweeps.planning.plan import Told
from sweeps.schema.overrides import value_of, with_overrides
from sweeps.schema.sweep_file import Sweep, read
from tests.conftest import ROOT, compose
from tests.test_sweep_file import sweep_of, written

NSP = read(ROOT / "sweeps/nsp.yaml")
STEPS, OBJECTIVE = (read(ROOT / f"sweeps/{name}.yaml") for name in ("bert_objective_steps", "bert_objective"))


def runs_of(sweep: Sweep, *overrides: str) -> list[Folder]:
    """The folders that a launch would leave."""
    told = with_overrides(sweep, overrides)
    return [
        Folder(Path(f"{overrides}-{n}"), deciding(told.words(point)), "small") for n, point in enumerate(told.points())
    ]


def notes(sweep: Sweep, runs: list[Folder], others: tuple[Sweep, ...] = ()) -> list[str]:
    """What is said of runs that are not shown."""
    return Wanted(sweep, map(Family.of, others)).further(runs)


def test_an_overridden_parameter_leaves_points_of_the_whole_sweep() -> None:
    """To the letter, so that none is run again."""
    every = {NSP.words(point): point for point in NSP.points()}
    some = with_overrides(NSP, ["row=no_nsp", "++pretrain.seed=0"])
    assert len(some.points()) == len({point["data.task"] for point in every.values()})
    for point in some.points():
        assert every[some.words(point)] == point
        assert (point["row"], point["pretrain.seed"]) == ("no_nsp", 0)


@pytest.mark.parametrize("value", ["1e-5", "0.00001", "1.0e-5"])
def test_a_number_is_the_files_however_it_is_written(tmp_path: Path, value: str) -> None:
    every = sweep_of(tmp_path)
    some = with_overrides(every, [f"transfer.optimizer.lr={value}"])
    assert {*map(some.words, some.points())} < {*map(every.words, every.points())}


def test_an_override_of_what_points_share_takes_its_place(tmp_path: Path) -> None:
    told = with_overrides(sweep_of(tmp_path), ["data.task=cola", "trainer.max_steps=3", "trainer.max_steps=4"])
    found = [told.words(point) for point in told.points()]
    assert len(found) == 12
    for words in found:
        asked = [word for word in words if word.startswith(("data.task", "trainer"))]
        assert asked == ["data.task=cola", "trainer.max_steps=4"]
        assert words[:2] == ("data=glue", "data.task=cola")


def test_a_parameter_keeps_its_name_and_a_word_that_would_win_over_it_goes(tmp_path: Path) -> None:
    parameters = {"+model.new": {"values": [1, 2]}, "data.task": {"values": ["rte", "sst2"]}}
    sweep = sweep_of(tmp_path, parameters=parameters)
    for override in ("model.new=3", "+model.new=3"):
        told = with_overrides(sweep, [override, "data.task=cola"])
        (point,) = told.points()
        assert point == {"+model.new": 3, "data.task": "cola"}
        words = told.words(point)
        assert [word for word in words if "model.new" in word] == ["+model.new=3"]
        assert {word for word in words if "data.task" in word} == {"data.task=cola"}


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
@pytest.mark.parametrize("changes", [{}, {"run_cap": 4}, {"run_cap": 4, "method": "random"}])
def test_the_written_file_asks_for_the_same(
    tmp_path: Path, overrides: tuple[str, ...], changes: dict[str, Any]
) -> None:
    (tmp_path / "in.yaml").write_text(yaml.safe_dump({**NSP.raw, **changes}))
    ours = with_overrides(read(tmp_path / "in.yaml"), overrides)
    (tmp_path / "out.yaml").write_text(yaml.safe_dump(ours.raw, sort_keys=False))
    theirs = read(tmp_path / "out.yaml")
    assert ours.points() == theirs.points()
    assert [ours.words(point) for point in ours.points()] == [theirs.words(point) for point in theirs.points()]
    compose(*ours.words(ours.points()[0]))


def test_values_are_what_a_file_would_have() -> None:
    free: dict[str, Any] = {"values": [64, "[input, output]", True]}
    told = {word: value_of(f"x={word}", free) for word in ("3", "5e-5", "true", "nsp", "no", "010", "null", "1:30")}
    assert told == {
        "3": 3,
        "5e-5": 5e-5,
        "true": True,
        "nsp": "nsp",
        "no": "no",
        "010": "010",
        "null": "null",  # None would reach Hydra as a word
        "1:30": "1:30",
    }
    assert value_of("x=[input,output]", free) == "[input, output]"  # as the file has it
    assert value_of("x=[output]", free) == "[output]"
    assert type(value_of("x=1", free)) is int
    with pytest.raises(HydraException):
        value_of("x=[input", free)


def test_runs_with_other_overrides_are_counted_and_told(tmp_path: Path) -> None:
    sweep = read(written(tmp_path))
    runs = runs_of(sweep)[:1]
    for overrides in (("model.optimizer.clip=0",), ("seed=7",), ("seed=7", "model.optimizer.clip=0")):
        runs += runs_of(sweep, *overrides)[:2]
    runs.append(Folder(tmp_path, deciding(["data=glue", "data.task=cola", "seed=7"]), "small"))
    assert notes(sweep, runs) == [
        "6 runs with other overrides (model.optimizer.clip=0, seed=7) are not shown here: repeat those to see them"
    ]
    told = with_overrides(sweep, ["seed=7"])
    assert [result.name for result in of_points(Wanted(told), runs)["small"].results] == [
        run.path.name for run in runs_of(sweep, "seed=7")[:2]
    ]


def test_an_override_of_a_parameter_with_one_value_is_told(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path)
    (note,) = notes(sweep, runs_of(sweep, "data.submission=true"))
    assert "12 runs with other overrides (data.submission=True)" in note


@pytest.mark.parametrize("changes", [{"run_cap": 3}, {"run_cap": 3, "method": "random"}])
def test_points_that_others_draw_have_no_overrides(tmp_path: Path, changes: dict[str, Any]) -> None:
    """A grid's further points, and what W&B's server draws; an override of no parameter is one."""
    whole = sweep_of(tmp_path)
    part = sweep_of(tmp_path, **changes)
    assert notes(part, runs_of(whole)) == []
    assert len(notes(part, runs_of(whole, "model.optimizer.clip=0"))) == 1


@pytest.mark.parametrize("overrides", [(), ("data.task=qnli",), ("pretrain.fraction=0.2",), ("seed=7",)])
def test_a_larger_sweep_runs_nothing_for_a_smaller_one(overrides: tuple[str, ...]) -> None:
    """Its words hold the smaller one's, and are no overrides of that."""
    larger = runs_of(STEPS, *overrides)
    assert notes(OBJECTIVE, larger)  # what would be told without the other
    assert notes(OBJECTIVE, larger, (STEPS,)) == []
    assert list(of_points(Wanted(OBJECTIVE, [Family.of(STEPS)]), larger)) == [None]


def test_a_file_that_is_no_sweep_yet_is_no_matter_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "torn.yaml").write_text("method: grid\nparameters:\n")
    bayes = tmp_path / "bayes.yaml"
    bayes.write_text(yaml.safe_dump({**NSP.raw, "method": "bayes"}))
    monkeypatch.setattr(dashboard, "shipped", lambda: [tmp_path / "torn.yaml", bayes, NSP.path])
    dashboard.others_than.cache_clear()
    try:
        assert dashboard.others_than(NSP.path) == [Family.of(read(bayes))]
    finally:
        dashboard.others_than.cache_clear()


def test_a_run_is_one_point(tmp_path: Path) -> None:
    """Also where points differ in what decides no number."""
    sweep = sweep_of(tmp_path, parameters={"scale": {"values": ["miniature", "small"]}})
    found = of_points(Wanted(sweep), runs_of(sweep)[:1])["small"]
    assert (len(found.results), len(found.missing)) == (1, 1)


def test_a_refused_override_names_the_sweep(tmp_path: Path) -> None:
    with pytest.raises(dashboard.Refused, match=r"sweeps/nsp\.yaml: there is no key sed.*seed"):
        dashboard.compared(["sweeps/nsp.yaml", "sed=7"], tmp_path)


@pytest.mark.parametrize(
    ("word", "why"),
    [
        ("pretrain.seed=0,1", "may be one value; without pretrain.seed="),
        ("pretrain.seed=range(0,3)", "may be one value"),
        ("pretrain.seed=[0,1", "cannot be read"),
    ],
)
def test_an_override_is_one_value(word: str, why: str) -> None:
    """Hydra calls several ambiguous, and says not what there may be."""
    with pytest.raises(Refused, match=why):
        Told.of([word])
    assert Told.of(["x=[0,1]", "y='0,1'"]).overrides == ("x=[0,1]", "y='0,1'")
