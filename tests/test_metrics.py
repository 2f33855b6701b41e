"""Every metric against scikit-learn and scipy, at once and in uneven pieces, the degenerate cases too."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn import metrics as sk

from datamodules.glue_tasks import TASKS
from datamodules.task import Task
from lightning_modules.metrics import METRICS, Averages, task_metrics

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 2, 301)
THREE = RNG.integers(0, 3, 301)
EXPECTED = {
    "accuracy": lambda answers, truth: sk.accuracy_score(truth, answers),
    "f1": lambda answers, truth: sk.f1_score(truth, answers, zero_division=0),  # pyright: ignore[reportArgumentType]
    "matthews": lambda answers, truth: sk.matthews_corrcoef(truth, answers),
    "pearson": lambda answers, truth: stats.pearsonr(answers, truth)[0],
    "spearman": lambda answers, truth: stats.spearmanr(answers, truth)[0],
}
CASES = {
    "half right": (np.where(RNG.random(301) < 0.5, LABELS, 1 - LABELS), LABELS),
    "mostly right": (np.where(RNG.random(301) < 0.9, LABELS, 1 - LABELS), LABELS),
    "all wrong": (1 - LABELS, LABELS),
    "one answer": (np.ones_like(LABELS), LABELS),
    "the other answer": (np.zeros_like(LABELS), LABELS),
    "one truth": (LABELS, np.ones_like(LABELS)),
}


def computed(name: str, task: Task, answers: np.ndarray, truth: np.ndarray) -> float:
    metric = METRICS[name](task)
    for piece in np.array_split(np.arange(len(truth)), [1, 60, 64, 200]):
        metric.update(torch.from_numpy(answers[piece]), torch.from_numpy(truth[piece]))
    return float(metric.compute())


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["accuracy", "f1", "matthews"])
def test_two_labels(name: str, case: str) -> None:
    answers, truth = CASES[case]
    assert computed(name, TASKS["cola"], answers, truth) == pytest.approx(EXPECTED[name](answers, truth), abs=1e-6)


@pytest.mark.parametrize("name", ["accuracy", "matthews"])
def test_three_labels(name: str) -> None:
    answers = np.where(RNG.random(301) < 0.6, THREE, RNG.integers(0, 3, 301))
    assert computed(name, TASKS["mnli"], answers, THREE) == pytest.approx(EXPECTED[name](answers, THREE), abs=1e-6)


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_scores(name: str) -> None:
    truth = np.round(RNG.random(301) * 5, 1).astype(np.float32)  # with ties
    answers = (truth + RNG.normal(size=301)).astype(np.float32)
    assert computed(name, TASKS["stsb"], answers, truth) == pytest.approx(EXPECTED[name](answers, truth), abs=1e-5)


def test_every_task_has_its_metrics_and_a_headline_among_them() -> None:
    for task in TASKS.values():
        assert set(task_metrics(task, "val/")) == {f"val/{name}" for name in task.metrics}
        assert task.headline in task.metrics


def test_averages_are_sums_over_counts() -> None:
    averages = Averages()
    for total, count in ((3.0, 1), (10.0, 7), (0.0, 0), (2.0, 2)):
        averages.add("val", "loss", torch.tensor(total), count)
    averages.add("train", "loss", torch.tensor(9.0), 1)
    assert {name: float(value) for name, value in averages.read("val").items()} == {"val/loss": pytest.approx(1.5)}
    averages.add("val", "loss", torch.tensor(float("nan")), 1)
    averages.add("val", "loss", torch.tensor(2.0), 1)
    assert averages.read("val")["val/loss"].isnan()  # a diverged run is not averaged away
    averages.add("val", "loss", torch.tensor(4.0), 1)  # reading begins anew
    assert float(averages.read("val")["val/loss"]) == 4.0
