"""What a head is: it stands on an encoder for a task, answers, and says what of its answers is judged and kept.

How answers are judged and told is a class of its own, `Judge`, which also serves where nothing is trained and there is
no head: an answer is then the likeliest candidate.

Shapes: S sequences, B examples, C labels.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from datamodules.task import Task
from lightning_modules.metrics import task_metrics


class Judged(NamedTuple):
    """What an evaluation keeps of a batch.

    Attributes:
        told: what the task's metrics are updated with.
        rows: of each example its number, the answer, the truth, and what the answer was chosen from.
    """

    told: tuple[Any, ...]
    rows: list[tuple[Any, ...]]


class Judge:
    """From logits to answers, and what is told of these. As it stands it is of labels and choices.

    Its rows are those of `answered` or `judged`, of all ranks and in order.
    """

    def predict(self, logits: Tensor) -> Tensor:
        """(B, C) -> the answers (B,)."""
        return logits.argmax(-1)

    def chances(self, logits: Tensor) -> Tensor:
        """(B, C) -> what the answers are chosen from, (B, C)."""
        return logits.softmax(-1)

    def answered(self, logits: Tensor, batch: dict) -> list[tuple[Any, ...]]:
        """Of each example its number, the answer, and what it was chosen from."""
        return in_rows(batch["index"], self.predict(logits), self.chances(logits))

    def judged(self, logits: Tensor, batch: dict) -> Judged:
        """The answers beside the truth."""
        answers, labels = self.predict(logits), batch["labels"]
        return Judged((answers, labels), in_rows(batch["index"], answers, labels, self.chances(logits)))

    def of_examples(self, rows: list[Any], task: Task) -> list[Any]:
        """Rows, one an example."""
        return rows

    def told(self, answers: Sequence[Any], truths: Sequence[Any]) -> Sequence[Tensor]:
        """Columns of rows -> what the task's metrics are updated with."""
        return torch.tensor(answers), torch.tensor(truths)

    def by_part(
        self, task: Task, name: str, rows: Sequence[Any], parts: Mapping[str, Sequence[int]]
    ) -> dict[str, float]:
        """The task's metrics on parts of a test set; of no row of a part, none.

        Args:
            rows: see `of_examples`.
            parts: row numbers of each part.
        """
        found = {}
        for part, numbers in parts.items():
            wanted = set(numbers)
            if chosen := [(prediction, label) for number, prediction, label, _ in rows if number in wanted]:
                values = task_metrics(task, "")(*self.told(*zip(*chosen, strict=True)))  # every rank has all rows
                found |= {f"{name}/{metric}/{part}": float(values[metric]) for metric in task.metrics}
        return found

    def settle(self, task: Task, rows: list[Any]) -> dict[str, float]:
        """Choose what is not learnt but chosen, on the rows of the selection set; "selection/score" and what it is."""
        return {}

    def in_words(self, task: Task, rows: list[Any], texts: Sequence[tuple[str, ...]]) -> list[str | float]:
        """The answers to texts: labels' names, or scores."""
        return [task.labels[int(answer)] if task.labels else float(answer) for _, answer, _ in rows]

    def is_collapsed(self, task: Task, rows: Sequence[Any]) -> bool:
        """Whether every example has the same label: nothing has been learned (MRPC: accuracy 0.684)."""
        return bool(task.labels) and len(rows) > 1 and len({row[1] for row in rows}) == 1


class Head(Judge, nn.Module, ABC):
    """What is learnt for a task.

    Attributes:
        linear: its last layer.
    """

    linear: nn.Linear

    @abstractmethod
    def forward(self, layers: Any, summary: Tensor, batch: dict) -> Tensor:
        """The encoder's layers, (S,) positions -> logits (B, C)."""

    @abstractmethod
    def loss(self, logits: Tensor, batch: dict) -> tuple[Tensor, int]:
        """(B, C) -> a sum over examples, and their number."""

    def penalty(self) -> Tensor | None:
        """What its parameters cost, added to an example's loss; None where they are free."""
        return None

    def figures(self) -> dict[str, float]:
        """What it has learnt in a few numbers, for the log."""
        return {}


def judge_of(head: Head | None) -> Judge:
    """What makes answers of logits; where there is no head, the likeliest candidate is one."""
    return Judge() if head is None else head


def in_rows(*columns: Tensor) -> list[tuple[Any, ...]]:
    """Columns (B, ...) -> B rows of plain values."""
    return list(zip(*(column.tolist() for column in columns), strict=True))
