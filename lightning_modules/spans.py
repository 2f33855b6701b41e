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

Shapes: W windows, T columns of the longest, N tokens of all sequences, D width.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.task import Task
from lightning_modules import span_scores
from lightning_modules.head import Head, Judged
from lightning_modules.networks.recurrent import BiLstm, read
from lightning_modules.networks.transformer import initialise
from lightning_modules.span_decoding import NONE, Found, best_score, best_spans, in_characters


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

    def of_examples(self, rows: list[Found], task: Task) -> list[span_scores.Answer]:
        """Windows -> the questions' answers."""
        return span_scores.answers(rows, task, float(self.threshold))

    def by_part(
        self, task: Task, name: str, rows: Sequence[Any], parts: Mapping[str, Sequence[int]]
    ) -> dict[str, float]:
        return dict(span_scores.by_part(name, rows, parts))

    def settle(self, task: Task, rows: list[Found]) -> dict[str, float]:
        """Choose the threshold above which a question has no answer, and keep it."""
        threshold, found = span_scores.best_threshold(self.of_examples(rows, task))
        self.threshold.fill_(threshold)
        return {"selection/score": 100 * found, "selection/threshold": threshold}

    def in_words(self, task: Task, rows: list[Found], texts: Sequence[tuple[str, ...]]) -> list[str | float]:
        """The stretch of each context, the second text; empty where there is no answer."""
        return [texts[one.asked][1][one.start : one.stop] for one in self.of_examples(rows, task)]

    def is_collapsed(self, task: Task, rows: Sequence[Any]) -> bool:
        """Whether every question was said to have no answer."""
        return len(rows) > 1 and all(row.start == row.stop for row in rows)


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
