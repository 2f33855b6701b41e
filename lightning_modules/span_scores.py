"""Windows become questions: the best window's answer, its exact match and F1, and when there is none (SQuAD v2.0).

Exact match and F1 are counted by the data where a window is decoded, so that of a window a few numbers are kept and no
logits. All windows of a question meet here, whichever process has read them, and so it counts once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities.data import dim_zero_cat

from datamodules.task import Task
from lightning_modules.span_decoding import Found, best_score

METRICS = ("exact_match", "f1")


class Answer(NamedTuple):
    """What a question is answered with.

    Attributes:
        asked: its number.
        start, stop: characters of the context; twice the same where it has no answer.
        exact_match, f1: of it.
        margin: how much rather than the best span it has no answer.
        lacks: whether it has none indeed.
        best_exact_match, best_f1: of the best span, whatever the margin.
        candidates: (score, start, stop), the best first.
    """

    asked: int
    start: int
    stop: int
    exact_match: float
    f1: float
    margin: float
    lacks: bool
    best_exact_match: float
    best_f1: float
    candidates: tuple[tuple[float, int, int], ...]


def answers(rows: Sequence[Found], task: Task, threshold: float) -> list[Answer]:
    """Rows of all windows, in the order of their questions -> the questions' answers.

    Args:
        threshold: a margin above it means that there is no answer; only of a task that may lack one.
    """
    limit = threshold if task.may_lack else float("inf")
    return [answer(list(windows), limit) for _, windows in groupby(rows, key=lambda row: row.asked)]


def answer(windows: Sequence[Found], limit: float) -> Answer:
    """Of one question; of equally good windows the first counts."""
    best = max(windows, key=best_score)
    margin = min(window.null for window in windows) - best_score(best)
    together = sorted((one for window in windows for one in window.candidates), key=lambda one: -one[0])
    kept = tuple(together[: max(len(window.candidates) for window in windows)])
    start, stop = best.candidates[0][1:] if best.candidates and not margin > limit else (0, 0)
    exact, f1 = (float(best.lacks),) * 2 if margin > limit else (best.exact_match, best.f1)
    return Answer(best.asked, start, stop, exact, f1, margin, best.lacks, best.exact_match, best.f1, kept)


class SpanScores(Metric):
    """Exact match and F1 over questions; where these may lack an answer also at threshold 0 and of either kind alone.

    Attributes:
        threshold: see `spans.SpanHead`; that of the last update.
    """

    lines: list[Tensor] | Tensor

    def __init__(self, may_lack: bool) -> None:
        super().__init__()
        self.may_lack = may_lack
        self.threshold = torch.zeros(())
        self.add_state("lines", [], dist_reduce_fx="cat")

    def update(self, lines: Tensor, threshold: Tensor) -> None:
        """Take windows.

        Args:
            lines: (W, 7) of each window its question, its number, the scores of no answer and of its best span, that
                one's exact match and F1, and whether the question lacks an answer.
        """
        assert isinstance(self.lines, list)
        self.lines.append(lines)
        self.threshold = threshold

    def compute(self) -> dict[str, Tensor]:
        """Name -> share, 0 to 1."""
        scores, margins, lacks = questions(dim_zero_cat(self.lines))
        if not self.may_lack:
            return dict(zip(METRICS, scores.mean(0), strict=True))
        found = dict(
            zip((f"{name}_at_0" for name in METRICS), thresholded(scores, margins, lacks, 0.0).mean(0), strict=True)
        )
        told = thresholded(scores, margins, lacks, self.threshold)
        found |= dict(zip(METRICS, told.mean(0), strict=True))
        for part, chosen in (("has_answer", ~lacks), ("no_answer", lacks)):
            if chosen.any():
                found |= {f"{name}/{part}": value for name, value in zip(METRICS, told[chosen].mean(0), strict=True)}
        return found


def questions(lines: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(W, 7) of windows in any order -> of Q questions: (Q, 2) scores of the best span, (Q,) margin, (Q,) lacks."""
    lines = lines[lines[:, 1].argsort()]
    lines = lines[lines[:, 3].argsort(descending=True, stable=True)]
    lines = lines[lines[:, 0].argsort(stable=True)]  # by question, the best window first; of equals the earlier one
    numbers, group = lines[:, 0].unique(return_inverse=True)
    null = lines.new_full((len(numbers),), torch.inf).scatter_reduce(0, group, lines[:, 2], "amin")
    first = torch.searchsorted(lines[:, 0].contiguous(), numbers)
    best = lines[first]
    return best[:, 4:6], null - best[:, 3], best[:, 6] > 0


def thresholded(scores: Tensor, margins: Tensor, lacks: Tensor, threshold: Tensor | float) -> Tensor:
    """(Q, 2): a question without an answer is right if it lacks one."""
    return torch.where((margins > threshold)[:, None], lacks.to(scores.dtype)[:, None], scores)


def best_threshold(found: Sequence[Answer]) -> tuple[float, float]:
    """The margin, half-way between two neighbouring ones, up to which answering gives the best F1; and that F1.

    Of a set none or all of whose questions had better be answered it lies one below the lowest margin, or above the
    highest.
    """
    margins = np.array([one.margin for one in found]).clip(-1e9, 1e9)
    gains = np.array([one.best_f1 - one.lacks for one in found])
    order = margins.argsort(kind="stable")
    margins, totals = margins[order], np.append(0.0, gains[order].cumsum()) + sum(one.lacks for one in found)
    allowed = np.append(True, np.append(np.diff(margins) > 0, True))  # equal margins are not told apart
    best = int(np.where(allowed, totals, -1).argmax())
    edges = np.concatenate([[margins[0] - 2], margins, [margins[-1] + 2]])
    return float((edges[best] + edges[best + 1]) / 2), float(totals[best] / len(found))


def by_part(name: str, found: Iterable[Answer], parts: Mapping[str, Sequence[int]]) -> Iterator[tuple[str, float]]:
    """Each metric on parts of a test set, given by question numbers."""
    every = {one.asked: one for one in found}
    for part, numbers in parts.items():
        chosen: list[Any] = [every[number] for number in numbers if number in every]
        for metric in METRICS:
            if chosen:
                yield f"{name}/{metric}/{part}", sum(getattr(one, metric) for one in chosen) / len(chosen)
