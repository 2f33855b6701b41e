"""The metrics by which tasks are judged: one row each, all torchmetrics, all exact under DDP."""

from collections.abc import Callable

import torch
import torchmetrics.classification as tmc
from torch import Tensor, nn
from torchmetrics import Metric, MetricCollection, PearsonCorrCoef, SpearmanCorrCoef

from datamodules.task import Task
from lightning_modules.chunks import tag_metrics
from lightning_modules.span_scores import SpanScores


class Matthews(tmc.MulticlassConfusionMatrix):
    """Matthews correlation, 0 where it is 0 / 0: a model that gives one label has learned nothing (as in scikit-learn).

    torchmetrics' own puts a small number there instead, 0.026 for CoLA's majority label.
    """

    def compute(self) -> Tensor:
        counts = super().compute().cpu().double()  # (true label, predicted label)
        total, right = counts.sum(), counts.trace()
        truths, answers = counts.sum(1), counts.sum(0)
        above = right * total - truths @ answers
        below = (total**2 - answers @ answers) * (total**2 - truths @ truths)
        return torch.where(below > 0, above / below.clamp(min=1).sqrt(), torch.zeros_like(below)).float()


METRICS: dict[str, Callable[[Task], Metric]] = {
    "accuracy": lambda task: tmc.MulticlassAccuracy(task.num_labels, average="micro"),
    "f1": lambda task: tmc.BinaryF1Score(),  # of label 1
    "matthews": lambda task: Matthews(task.num_labels),
    "pearson": lambda task: PearsonCorrCoef(),
    "spearman": lambda task: SpearmanCorrCoef(),
}


def task_metrics(task: Task, prefix: str) -> MetricCollection:
    """The task's metrics; `update(predictions, labels)` takes two (B,) tensors: label numbers, or scores.

    Of spans see `SpanScores`, which has all of them; of tagged words `chunks.ChunkScores.update`.
    """
    made: dict[str, Metric | MetricCollection] = {}
    if task.kind == "span":
        made["span"] = SpanScores(task.may_lack)
    else:
        made |= tag_metrics(task) if task.kind == "tags" else {name: METRICS[name](task) for name in task.metrics}
    return MetricCollection(made, prefix=prefix, compute_groups=False)


class Mean(Metric):
    """A sum over a count, each summed over ranks. A nan shows, where torchmetrics' own mean leaves it out."""

    total: Tensor
    count: Tensor

    def __init__(self, sync_on_compute: bool = True) -> None:
        super().__init__(sync_on_compute=sync_on_compute)
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0.0), dist_reduce_fx="sum")

    def update(self, total: Tensor, count: float) -> None:
        self.total += total
        self.count += count

    def compute(self) -> Tensor:
        return self.total / self.count


class Averages(nn.Module):
    """Running means of losses and shares, by stage and name; summed over ranks when read."""

    def __init__(self) -> None:
        super().__init__()
        self.means = nn.ModuleDict()  # "<stage>/<name>" -> Mean

    def add(self, stage: str, name: str, total: Tensor, count: float) -> None:
        """Add a sum over `count` things."""
        key = f"{stage}/{name}"
        if key not in self.means:
            self.means[key] = Mean().to(total.device)
        mean = self.means[key]
        assert isinstance(mean, Mean)
        mean.update(total.detach().float(), count)

    def read(self, stage: str) -> dict[str, Tensor]:
        """ "<stage>/<name>" -> mean since the last reading."""
        values = {}
        for key, metric in self.means.items():
            if isinstance(metric, Mean) and key.startswith(f"{stage}/"):
                values[key] = metric.compute()
                metric.reset()
        return values
