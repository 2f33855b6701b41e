"""Answering with a span of the text (SQuAD): what all heads of that kind share, and the one of fine-tuning.

A window is a question and a stretch of its context. Logits are (W, T, 2): of each of a window's columns the score of
the answer beginning there and ending there, -inf where there is no column. One column stands for "no answer here".
As in BERT's release (run_squad.py) a window is trained on its own, and a question's answer is the best of its windows.

A batch has, besides the keys of any batch (base.py):

    columns (W,)  no_answer (W,)        how many columns a window has; the one that stands for no answer
    context (W, 2)  central (W, 2)      [from, to): columns of context; those that have their maximum context here
    span (W, 2)                         columns of the gold answer's first and last token, or twice no_answer
    asked (W,)                          the number of the question, which other windows may share
    decoding (n_best, longest)          on the host: candidates of a window, tokens of an answer
    passages [Passage]                  on the host: what each window is cut from

Shapes: W windows, T columns of the longest, N tokens of all sequences, D width, K = n_best.
"""

from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.task import Task
from lightning_modules.head import Head, Judged
from lightning_modules.networks.recurrent import BiLstm, read
from lightning_modules.networks.transformer import initialise


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


class SpanHead(Head):
    """How a span is learnt and chosen, whatever made the logits.

    Attributes:
        threshold: a question has no answer if the score of none is above the best one's by more than this; only where
            a task's questions may lack one.
    """

    threshold: Tensor

    def __init__(self, *settings: Any) -> None:
        super().__init__(*settings)
        self.register_buffer("threshold", torch.zeros(()))

    def loss(self, logits: Tensor, batch: dict) -> tuple[Tensor, int]:
        """(W, T, 2) -> the mean of begin's and end's cross-entropy over a window's columns, as a sum over windows."""
        begin, end = logits.unbind(-1)
        nats = [
            F.cross_entropy(scores, batch["span"][:, side], reduction="sum") for side, scores in ((0, begin), (1, end))
        ]
        return (nats[0] + nats[1]) / 2, len(logits)

    def predict(self, logits: Tensor) -> Tensor:
        """(W, T, 2) -> (W, 2) the likeliest columns, each by itself; `judged` chooses spans."""
        return logits.argmax(1)

    def answered(self, logits: Tensor, batch: dict) -> list[tuple[Any, ...]]:
        """See `Head.answered`; a row is a `Found`."""
        return [*self.found(logits, batch)]

    def judged(self, logits: Tensor, batch: dict) -> Judged:
        """See `Head.judged`; the metric is told a line of numbers for each window, and the threshold."""
        rows = self.found(logits, batch)
        lines = [
            (row.asked, row.window, row.null, best_score(row), row.exact_match, row.f1, float(row.lacks))
            for row in rows
        ]
        exact = torch.float32 if logits.device.type == "mps" else torch.float64  # the most that each has
        told = torch.tensor(lines, dtype=exact, device=logits.device)
        return Judged((told, self.threshold), [*rows])

    def found(self, logits: Tensor, batch: dict) -> list[Found]:
        """The best spans of each window, in characters; found on the host, which has to read them anyway."""
        logits = logits.cpu()
        batch = {key: value.cpu() if isinstance(value, Tensor) else value for key, value in batch.items()}
        scores, first, last = best_spans(logits, batch["context"], batch["central"], *batch["decoding"])
        first, last = (place - batch["context"][:, :1] for place in (first, last))
        null = logits.gather(1, batch["no_answer"][:, None, None].expand(-1, 1, 2)).sum((1, 2)).double().nan_to_num()
        columns = (batch["asked"], batch["index"], null, scores, first, last)
        rows = zip(*(column.tolist() for column in columns), batch["passages"], strict=True)
        return [in_characters(*row) for row in rows]


def in_characters(
    asked: int, window: int, null: float, scores: list[float], first: list[int], last: list[int], passage: Passage
) -> Found:
    """A window's candidates, without those that are none."""
    spans = [
        (score, *passage.characters(a, b)) for score, a, b in zip(scores, first, last, strict=True) if score > NONE
    ]
    return Found(asked, window, null, tuple(spans), *passage.score(*(spans[0][1:] if spans else (0, 0))), passage.lacks)


NONE = float("-inf")  # the score of what is no candidate
LARGEST = 1e30  # the score of what has an infinite one


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


class Span(SpanHead):
    """linear on every position of the top layer (run_squad.py, without dropout as there)."""

    def __init__(self, task: Task, width: int, pooler: nn.Module, dropout: float, init: str) -> None:
        super().__init__()
        self.bilstm: BiLstm | None = None  # see `transfer.Transfer`
        self.linear = nn.Linear(width, task.num_labels, bias=False)  # the same for all columns: nothing to learn
        initialise(self.linear, init)

    def forward(self, layers: tuple[Tensor, ...], summary: Tensor, batch: dict) -> Tensor:
        """(N, D) top layer -> (W, T, 2): a window is one sequence, a column a position."""
        top = layers[-1] if self.bilstm is None else read(self.bilstm.lstm, layers[-1], batch["runs"])
        scores = self.linear(top).float()  # (N, 2)
        lengths = batch["offsets"].diff()
        owner = batch["example"].repeat_interleave(lengths, output_size=len(scores))
        windows, longest = batch["num_examples"], batch["max_length"]
        flat = scores.new_full((windows * longest, 2), NONE)
        return flat.index_copy(0, owner * longest + batch["positions"], scores).unflatten(0, (windows, longest))
