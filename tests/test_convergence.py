"""How soon a task is learnt: the first look at which its score is 95 % of the last one's."""

from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from lightning_modules.callbacks import Convergence
from sweeps.runs.closing import soon

MODULE = cast("Any", None)


def looked_at(*scores: tuple[int, float], fn: str = "fit") -> Convergence:
    """A run that was looked at after so many steps."""
    curve = Convergence()
    for step, score in scores:
        metrics = {"val/score": torch.tensor(score)}
        trainer: Any = SimpleNamespace(global_step=step, state=SimpleNamespace(fn=fn), callback_metrics=metrics)
        curve.on_validation_end(trainer, MODULE)
    return curve


@pytest.mark.parametrize(
    ("scores", "steps"),
    [
        ([(10, 50.0), (20, 80.0), (30, 79.0), (40, 82.0)], 20),
        ([(10, 77.8), (20, 82.0)], 20),  # 95 % of 82 is 77.9
        ([(10, 78.0), (20, 82.0)], 10),
        ([(10, 90.0), (20, 10.0)], 10),
        ([(10, 0.0), (20, 0.0)], None),  # a share of nothing is nothing
        ([(10, -3.0), (20, -1.0)], None),
        ([(10, 60.0)], 10),
    ],
)
def test_the_first_look_that_is_near_the_last(scores: list[tuple[int, float]], steps: int | None) -> None:
    found = looked_at(*scores).figures()
    assert found["steps_to_95_percent"] == steps
    assert found["final"] == pytest.approx(scores[-1][1])
    assert [step for step, _ in found["scores"]] == [step for step, _ in scores]


def test_only_looks_during_training_count() -> None:
    assert looked_at((10, 50.0), fn="validate").scores == []
    curve = Convergence()
    pretraining: Any = SimpleNamespace(global_step=3, state=SimpleNamespace(fn="fit"), callback_metrics={})
    curve.on_validation_end(pretraining, MODULE)
    assert curve.scores == []


def test_it_survives_a_stop() -> None:
    before, after = looked_at((10, 50.0)), Convergence()
    after.load_state_dict(before.state_dict())
    assert after.figures() == before.figures()


def test_it_is_told_where_there_is_a_curve() -> None:
    assert soon(looked_at((10, 50.0), (20, 80.0)).figures()) == ["95 % of its last selection score, 80.0, by step 20"]
    assert soon(looked_at((10, 50.0)).figures()) == soon(looked_at((1, 0.0), (2, 0.0)).figures()) == soon({}) == []


@pytest.mark.parametrize(
    ("scores", "step", "best", "wanted"),
    [
        ([], 20, False, False),
        ([(10, 5.0), (20, 7.0)], 20, True, True),
        ([(10, 7.0), (20, 7.0)], 20, True, False),  # of equals the first is kept
        ([(10, 8.0), (20, 7.0)], 20, True, False),
        ([(10, 8.0), (20, 7.0)], 20, False, True),
        ([(10, 5.0), (20, 7.0)], 25, False, False),  # trained since
        ([(10, 5.0), (20, 7.0)], 25, True, False),
    ],
)
def test_what_the_last_look_has_seen(scores: list[tuple[int, float]], step: int, best: bool, wanted: bool) -> None:
    assert looked_at(*scores).has_just_seen(step, best) == wanted
