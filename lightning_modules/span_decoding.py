"""Which spans of a window are the likeliest, and what is kept of them.

Shapes: W windows, T columns of the longest, K = n_best; the keys of a batch: spans.py.
"""

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

NONE = float("-inf")  # the score of what is no candidate
LARGEST = 1e30  # the score of what has an infinite one


class Passage(Protocol):
    """What a window is cut from, and what is right there; made by the data.

    Attributes:
        lacks: whether its question has no answer.
    """

    lacks: bool

    def characters(self, first: int, last: int) -> tuple[int, int]:
        """[from, to) of the context's characters that the stretch's tokens `first` to `last` stand for."""
        ...

    def score(self, start: int, stop: int) -> tuple[float, float]:
        """Exact match and F1 of the context's characters [start, stop) as an answer; of none, of the empty answer."""
        ...


class Found(NamedTuple):
    """What is kept of a window.

    Attributes:
        asked: its question's number.
        window: its own.
        null: the score of no answer.
        candidates: (score, start, stop) in characters of the context, the best first; none where none is possible.
        exact_match, f1: of the best.
        lacks: whether the question has no answer.
    """

    asked: int
    window: int
    null: float
    candidates: tuple[tuple[float, int, int], ...]
    exact_match: float
    f1: float
    lacks: bool


def in_characters(
    asked: int, window: int, null: float, scores: list[float], first: list[int], last: list[int], passage: Passage
) -> Found:
    """A window's candidates, without those that are none."""
    spans = [
        (score, *passage.characters(a, b)) for score, a, b in zip(scores, first, last, strict=True) if score > NONE
    ]
    return Found(asked, window, null, tuple(spans), *passage.score(*(spans[0][1:] if spans else (0, 0))), passage.lacks)


def best_score(row: Found) -> float:
    return row.candidates[0][0] if row.candidates else NONE


def best_spans(
    logits: Tensor, context: Tensor, central: Tensor, n_best: int, longest: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The best spans of each window: from the `n_best` best begins within `central` and ends within `context`.

    The release takes the best columns first and leaves out those that are not allowed; here none is lost to them.

    Args:
        logits: (W, T, 2).
        context, central: (W, 2), [from, to).
        longest: tokens that a span may have.

    Returns:
        Scores, first and last columns, each (W, at most n_best); what is no span has the score -inf.
    """
    column = torch.arange(logits.shape[1], device=logits.device)
    allowed = [(column >= part[:, :1]) & (column < part[:, 1:]) for part in (central, context)]
    scores = [
        logits[..., side].double().nan_to_num(NONE, LARGEST, NONE).masked_fill(~allowed[side], NONE) for side in (0, 1)
    ]
    kept = min(n_best, logits.shape[1])
    (begin, first), (end, last) = (part.topk(kept) for part in scores)
    is_span = (last[:, None] >= first[..., None]) & (last[:, None] - first[..., None] < longest)  # (W, K, K)
    both = (begin[..., None] + end[:, None]).masked_fill(~is_span, NONE).flatten(1)
    best, place = both.topk(min(n_best, both.shape[1]))
    return best, first.gather(1, place // kept), last.gather(1, place % kept)
