"""A sweep's file: the points and commands that `wandb agent` would run, and what is refused before anything runs."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from wandb.sdk.launch.sweeps.utils import create_sweep_command_args

from datamodules.task import Refused
from sweeps.schema.sweep_file import Sweep, read
from tests.conftest import compose

COMMAND = ["${env}", "${interpreter}", "${program}", "data=glue", "data.task=rte", "${args_no_hyphens}", "logger=csv"]
GOOD: dict[str, Any] = {
    "program": "run.py",
    "method": "grid",
    "name": "some",
    "metric": {"name": "test_validation/score", "goal": "maximize"},
    "parameters": {
        "seed": {"values": [0, 1, 2]},
        "model": {"values": ["bert_tiny", "gpt_tiny"]},
        "transfer.optimizer.lr": {"values": [1.0e-5, 0.001]},
        "data.submission": {"value": False},
        "data.train_examples": {"value": "null"},
    },
    "command": COMMAND,
}


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}, sort_keys=False))
    return path


def sweep_of(folder: Path, **changes: Any) -> Sweep:
    return read(written(folder, **changes))


def test_a_grid_has_every_point_once_in_the_servers_order(tmp_path: Path) -> None:
    points = sweep_of(tmp_path).points()
    names = sorted(GOOD["parameters"])
    assert [list(point) for point in points] == [names] * 12
    told = GOOD["parameters"]
    every = product(*(told[name].get("values", [told[name].get("value")]) for name in names))
    assert [tuple(point.values()) for point in points] == list(every)
    assert len(sweep_of(tmp_path, run_cap=5).points()) == 5


def test_a_command_is_to_the_letter_what_the_agent_starts(tmp_path: Path) -> None:
    sweep = sweep_of(tmp_path)
    for point in sweep.points():
        theirs = create_sweep_command_args({"args": {name: {"value": value} for name, value in point.items()}})
        expected: list[str] = []
        for word in COMMAND[3:]:
            expected += theirs["args_no_hyphens"] if word == "${args_no_hyphens}" else [word]
        assert [*sweep.words(point)] == expected


def test_hydra_reads_the_values_that_the_file_means(tmp_path: Path) -> None:
    values = {
        "model.objective": "ltr",
        "model.nsp": False,
        "text.objective.masking": "80/10/10",
        "model.optimizer.lr": 1.0e-5,
        "model.optimizer.betas": [0.8, 0.9],
        "data.train_examples": "null",
        "model.optimizer.clip": 0,
    }
    sweep = sweep_of(tmp_path, parameters={name: {"value": value} for name, value in values.items()})
    (point,) = sweep.points()
    cfg = compose(*sweep.words(point))
    assert cfg.model.objective == "ltr"
    assert cfg.model.nsp is False
    assert cfg.text.objective.masking == "80/10/10"
    assert cfg.model.optimizer.lr == 1e-5
    assert cfg.model.optimizer.betas == [0.8, 0.9]
    assert cfg.data.train_examples is None
    assert cfg.model.optimizer.clip == 0
    assert cfg.logger._target_ is None


def test_a_random_sweep_draws_the_same_again_and_stays_in_its_ranges(tmp_path: Path) -> None:
    parameters = {
        "model.optimizer.lr": {"distribution": "log_uniform_values", "min": 1.0e-5, "max": 1.0e-2},
        "model.dropout": {"distribution": "uniform", "min": 0.0, "max": 0.5},
        "seed": {"distribution": "int_uniform", "min": 0, "max": 3},
        "model.nsp": {"values": [True, False]},
    }
    sweep = sweep_of(tmp_path, method="random", parameters=parameters, run_cap=400)
    points = sweep.points(seed=1)
    assert points == sweep.points(seed=1) != sweep.points(seed=2)
    rates = sorted(point["model.optimizer.lr"] for point in points)
    assert 1e-5 <= rates[0] < 2e-5
    assert 5e-3 < rates[-1] <= 1e-2
    assert 2e-4 < rates[200] < 5e-4, "the median of a log-uniform range is its geometric mean"
    assert {point["seed"] for point in points} == {0, 1, 2, 3}
    assert all(0 <= point["model.dropout"] <= 0.5 for point in points)
    assert {point["model.nsp"] for point in points} == {True, False}


def test_a_random_sweep_has_each_point_once(tmp_path: Path) -> None:
    """Two draws of one point would be one experiment."""
    few: dict[str, Any] = {"seed": {"min": 0, "max": 3}, "model.nsp": {"values": [True, False]}}
    assert len(sweep_of(tmp_path, method="random", parameters=few, run_cap=6).points()) == 6
    points = sweep_of(tmp_path, method="random", parameters=few, run_cap=100).points()
    assert sorted(map(str, points)) == sorted(str({"model.nsp": n, "seed": s}) for s in range(4) for n in (True, False))
    free = sweep_of(
        tmp_path, method="random", parameters={"model.dropout": {"min": 0.0, "max": 0.5}}, run_cap=9
    ).points()
    assert len({point["model.dropout"] for point in free}) == 9


def test_what_stands_twice_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    text = path.read_text().splitlines()
    for key in ("  seed:", "method:"):
        first = next(number for number, line in enumerate(text) if line.startswith(key))
        again = text[first : first + (5 if key == "  seed:" else 1)]
        path.write_text("\n".join([*text[: first + len(again)], *again, *text[first + len(again) :]]))
        with pytest.raises(Refused, match=f"line {first + len(again) + 1}: .* stands in line {first + 1} already"):
            read(path)


REFUSED: list[tuple[dict[str, Any], Sequence[str]]] = [
    ({"colour": 1}, ["line 2", "colour", "parameters"]),
    ({"method": "grit"}, ["grit", "grid, random, bayes"]),
    ({"run_cap": 0}, ["run_cap: 0", "from 1 up"]),
    ({"metric": {"name": "x"}}, ["goal", "minimize or maximize"]),
    ({"program": "train.py"}, ["train.py", "run.py"]),
    ({"command": COMMAND[:-2]}, ["command", "args_no_hyphens"]),
    ({"command": ["${env}", "bash", *COMMAND[2:]]}, ["command begins with", "bash"]),
    ({"command": [*COMMAND, "--help"]}, ["--help", "<key>=<value>"]),
    ({"parameters": {}}, ["parameters"]),
    ({"parameters": {"model": {"parameters": {"nsp": {"value": True}}}}}, ["model", "flat"]),
    ({"parameters": {"seed": {"value": None}}}, ["seed", '"null"']),
    ({"parameters": {"seed": {"values": []}}}, ["seed", "one or more"]),
    ({"parameters": {"seed": {"value": 1, "values": [1]}}}, ["seed", "a value, or a list"]),
    ({"parameters": {"seed": {"probability": 1}}}, ["probability", "value, values"]),
    ({"parameters": {"seed": {"min": 0, "max": 3}}}, ["seed is a range", "values"]),
    ({"method": "random", "parameters": {"x": {"min": 0, "max": 3.5, "distribution": "uniform"}}}, ["min and max"]),
    ({"method": "random", "parameters": {"x": {"min": 0, "max": 3, "distribution": "beta"}}}, ["int_uniform"]),
    (
        {"method": "random", "parameters": {"x": {"min": 0.0, "max": 3.5, "distribution": "int_uniform"}}},
        ["whole numbers"],
    ),
    (
        {"method": "random", "parameters": {"x": {"min": 0.0, "max": 3.5, "distribution": "log_uniform_values"}}},
        ["above 0"],
    ),
    ({"parameters": {"seed": {"values": ["1,2"]}}}, ["'1,2'", "Hydra"]),
    ({"parameters": {"x": {"values": ["a=b"]}}}, ["'a=b'", "Hydra"]),
    ({"parameters": {"x": {"value": {"lr": 1}}}}, ["flat names, x.<key>"]),
    ({"parameters": {"x": {"values": [1, "None"]}}}, ["x: None", '"null", in quotes']),
    ({"parameters": {3: {"value": 1}}}, ["3 is no key"]),
    ({"parameters": {"x": {"values": [1, 2], "distribution": "beta"}}}, ["may be categorical"]),
    ({"parameters": {"x": {"value": 1, "distribution": "uniform"}}}, ["may be constant"]),
    ({"method": "random", "parameters": {"x": {"min": 0, "max": 3, "values": [1]}}}, ["one of them"]),
    ({"command": [*COMMAND, "seed=1,2"]}, ["seed=1,2", "one value"]),
    ({"command": [*COMMAND, "seed=range(3)"]}, ["seed=range(3)", "one value"]),
    ({"command": [*COMMAND, "data.train_examples=None"]}, ["data.train_examples=null"]),
    ({"metric": ["name", "goal"]}, ["goal", "minimize or maximize"]),
    ({"metric": 5}, ["goal", "minimize or maximize"]),
    ({"command": 5}, ["command: 5", "a list of words"]),
    ({"name": "../../x"}, ["name: ../../x", "a word"]),
    ({"name": ".."}, ["name: .. is a path"]),
    ({"early_terminate": "hyperband"}, ["early_terminate: hyperband", "min_iter"]),
    ({"early_terminate": {"type": "hyperbnd", "min_iter": 1}}, ["hyperbnd"]),
    ({"early_terminate": {"type": "hyperband"}}, ["min_iter, or max_iter"]),
    ({"early_terminate": {"type": "hyperband", "min_iter": "x"}}, ["min_iter: x", "from 1 up"]),
]


@pytest.mark.parametrize(("changes", "said"), REFUSED, ids=lambda one: str(one)[:60])
def test_a_wrong_file_is_refused_with_its_line(changes: dict, said: Sequence[str], tmp_path: Path) -> None:
    content = {**next(iter([changes])), **{key: value for key, value in GOOD.items() if key not in changes}}
    path = tmp_path / "sweep.yaml"
    path.write_text("# a line before it\n" + yaml.safe_dump(content, sort_keys=False))
    with pytest.raises(Refused) as refusal:
        read(path)
    assert f"{path}, line " in str(refusal.value)
    for words in said:
        assert words in str(refusal.value)


def test_the_line_is_that_of_the_parameter(tmp_path: Path) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(GOOD, sort_keys=False).replace("value: 'null'", "value: null"))
    number = 1 + next(n for n, line in enumerate(path.read_text().splitlines()) if "data.train_examples" in line)
    with pytest.raises(Refused, match=f"line {number}: data.train_examples"):
        read(path)


def test_what_cannot_be_run_here_says_where_it_can(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="wandb sweep"):
        sweep_of(tmp_path, method="bayes").points()
    with pytest.raises(Refused, match="run_cap"):
        sweep_of(tmp_path, method="random").points()
    with pytest.raises(Refused, match="no file"):
        read(tmp_path / "nothing.yaml")
    (tmp_path / "broken.yaml").write_text("a: [1")
    with pytest.raises(Refused, match="is not yaml"):
        read(tmp_path / "broken.yaml")
