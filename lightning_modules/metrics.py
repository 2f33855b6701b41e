"""The metrics by which tasks are judged: one row each, all torchmetrics, all exact under DDP."""

from collections.abc import Callable

import torchmetrics.classification as tmc
from torchmetrics import Metric, MetricCollection, PearsonCorrCoef, SpearmanCorrCoef

from datamodules.task import Task

METRICS: dict[str, Callable[[Task], Metric]] = {
    "accuracy": lambda task: tmc.MulticlassAccuracy(task.num_labels, average="micro"),
    "f1": lambda task: tmc.BinaryF1Score(),  # of label 1
    "matthews": lambda task: tmc.MulticlassMatthewsCorrCoef(task.num_labels),
    "pearson": lambda task: PearsonCorrCoef(),
    "spearman": lambda task: SpearmanCorrCoef(),
}


def task_metrics(task: Task, prefix: str) -> MetricCollection:
    """The task's metrics; `update(predictions, labels)` takes two (B,) tensors: label numbers, or scores."""
    return MetricCollection({name: METRICS[name](task) for name in task.metrics}, prefix=prefix, compute_groups=False)
