"""Choosing a span and scoring it: beside loops over every pair, whatever the logits; two processes count as one."""

import math
import multiprocessing
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from datamodules.task import Task
from lightning_modules.span_decoding import Found, best_spans
from lightning_modules.span_scores import SpanScores, answers, best_threshold, by_part
from lightning_modules.spans import Span, SpanHead

INF = float("inf")
TASK = Task("any", "span", 2, may_lack=False)
MAY_LACK = Task("any", "span", 2, may_lack=True)


class Told:
    """A passage of one character a token, of which a table says the scores."""

    def __init__(self, scores: dict[tuple[int, int], tuple[float, float]], lacks: bool = False) -> None:
        self.scores, self.lacks = scores, lacks

    def characters(self, first: int, last: int) -> tuple[int, int]:
        return 10 * first, 10 * last + 9

    def score(self, start: int, stop: int) -> tuple[float, float]:
        return self.scores.get(
            (start, stop), (float(self.lacks and start == stop), float(self.lacks and start == stop))
        )


def head() -> SpanHead:
    torch.manual_seed(0)
    return Span(TASK, 8, nn.Identity(), 0.5, "normal")


def windows(seed: int, count: int = 12, longest: int = 30) -> dict[str, Any]:
    """Logits of windows of all sizes, columns that they do not have at -inf."""
    rng = random.Random(seed)
    columns = [rng.randint(5, longest) for _ in range(count)]
    context = [(begin := rng.randint(1, c - 2), rng.randint(begin + 1, c)) for c in columns]
    central = [(start := rng.randint(a, b), rng.randint(start, b)) for a, b in context]
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(count, longest, 2, generator=generator)
    for row, width in enumerate(columns):
        logits[row, width:] = -INF
    return {
        "logits": logits, "columns": torch.tensor(columns), "context": torch.tensor(context),
        "central": torch.tensor(central), "no_answer": torch.zeros(count, dtype=torch.int64),
        "asked": torch.arange(count) // 2, "index": torch.arange(count),
    }  # fmt: skip


@pytest.mark.parametrize("n_best", [1, 3, 20, 100])
@pytest.mark.parametrize("longest", [1, 4, 30])
def test_the_best_spans_beside_every_pair(n_best: int, longest: int) -> None:
    made = windows(n_best + longest)
    scores, first, last = best_spans(made["logits"], made["context"], made["central"], n_best, longest)
    assert scores.shape == first.shape == last.shape
    for row, logits in enumerate(made["logits"].double().tolist()):
        begin, end = made["context"][row].tolist()
        start, stop = made["central"][row].tolist()
        begins = sorted(range(start, stop), key=lambda at: -logits[at][0])[:n_best]
        ends = sorted(range(begin, end), key=lambda at: -logits[at][1])[:n_best]
        every = [(logits[a][0] + logits[b][1], a, b) for a in begins for b in ends if a <= b < a + longest]
        expected = sorted(every, reverse=True)[:n_best]
        found = list(zip(scores[row].tolist(), first[row].tolist(), last[row].tolist(), strict=True))
        assert [one for one in found if one[0] > -INF] == expected


def test_garbage_is_scored_too() -> None:
    made = windows(3)
    for bad in (float("nan"), -INF, INF, 1e38):
        logits = torch.full_like(made["logits"], bad)
        batch = {**made, "decoding": (20, 30), "passages": [Told({})] * 12}
        rows = head().found(logits, batch)
        for row in rows:
            assert not math.isnan(row.null)
            assert all(score > -INF and a < b for score, a, b in row.candidates)
        told = answers(sorted(rows), MAY_LACK, 0.0)
        assert [one.asked for one in told] == list(range(6))
        best_threshold(told)
        metric = SpanScores(may_lack=True)
        metric.update(head().judged(logits, batch).told[0], torch.zeros(()))
        assert float(metric.compute()["f1"]) == pytest.approx(np.mean([one.f1 for one in told]))


def test_the_loss_beside_a_loop() -> None:
    made = windows(5)
    rng = random.Random(5)
    span = torch.tensor([sorted(rng.choices(range(int(c)), k=2)) for c in made["columns"]])
    value, count = head().loss(made["logits"], {**made, "span": span})
    assert count == 12
    nats = 0.0
    for row, columns in enumerate(made["columns"].tolist()):
        for side in (0, 1):
            real = made["logits"][row, :columns, side].double().numpy()
            nats += (np.log(np.exp(real).sum()) - real[span[row, side]]) / 2
    assert float(value) == pytest.approx(nats, rel=1e-6)


@torch.no_grad()
def test_the_head_puts_each_position_into_its_column() -> None:
    """Sequences of a batch lie by length; a window's row has its own positions in order, and -inf behind them."""
    made = head()
    lengths, example = [2, 3, 3, 5], [2, 0, 3, 1]
    top = torch.randn(13, 8)
    offsets = torch.tensor([0, 2, 5, 8, 13], dtype=torch.int32)
    positions = torch.cat([torch.arange(n) for n in lengths])
    batch = {
        "offsets": offsets,
        "example": torch.tensor(example),
        "positions": positions,
        "num_examples": 4,
        "max_length": 5,
    }
    logits = made((top,), offsets[:-1], batch)
    assert logits.shape == (4, 5, 2)
    for place, (window, length) in enumerate(zip(example, lengths, strict=True)):
        own = top[offsets[place] : offsets[place + 1]] @ made.linear.weight.T
        assert torch.allclose(logits[window, :length], own, atol=1e-6)
        assert (logits[window, length:] == -INF).all()


# ---- from windows to questions ---------------------------------------------------------------------------------------


def found(seed: int, questions: int = 40) -> list[Found]:
    """Windows as they are kept, a few a question, in no order."""
    rng = random.Random(seed)
    rows: list[Found] = []
    for asked in range(questions):
        lacks = rng.random() < 0.4
        for _ in range(rng.randint(1, 4)):
            f1 = 0.0 if lacks else rng.choice([0, 0.25, 0.5, 1])
            candidates = tuple(
                (score, 3, 7) for score in sorted((rng.gauss(0, 2) for _ in range(rng.randint(0, 3))), reverse=True)
            )
            f1 = f1 if candidates else float(lacks)
            null = rng.gauss(1 if lacks else -1, 2)
            rows.append(Found(asked, len(rows), null, candidates, float(f1 == 1), f1, lacks))
    rng.shuffle(rows)
    return rows


def lines(rows: list[Found]) -> Tensor:
    best = [row.candidates[0][0] if row.candidates else -INF for row in rows]
    told = [
        (r.asked, r.window, r.null, b, r.exact_match, r.f1, float(r.lacks)) for r, b in zip(rows, best, strict=True)
    ]
    return torch.tensor(told, dtype=torch.float64)


def by_hand(rows: list[Found], threshold: float) -> dict[str, float]:
    """Questions one after the other."""
    scores: dict[str, list[float]] = {}
    for asked in sorted({row.asked for row in rows}):
        own = sorted((row for row in rows if row.asked == asked), key=lambda row: row.window)
        best = own[0]
        for row in own:
            if row.candidates and (not best.candidates or row.candidates[0][0] > best.candidates[0][0]):
                best = row
        margin = min(row.null for row in own) - (best.candidates[0][0] if best.candidates else -INF)
        exact, f1 = (best.lacks, best.lacks) if margin > threshold else (best.exact_match, best.f1)
        for name, value in (("exact_match", exact), ("f1", f1)):
            for part in ("", "/no_answer" if best.lacks else "/has_answer"):
                scores.setdefault(name + part, []).append(float(value))
    return {name: sum(values) / len(values) for name, values in scores.items()}


@pytest.mark.parametrize("seed", range(5))
def test_the_metric_beside_a_loop(seed: int) -> None:
    rows = found(seed)
    metric = SpanScores(may_lack=True)
    for first in range(0, len(rows), 7):
        metric.update(lines(rows[first : first + 7]), torch.tensor(0.7))
    told = {name: float(value) for name, value in metric.compute().items()}
    at_0 = {f"{name}_at_0": value for name, value in by_hand(rows, 0.0).items() if "/" not in name}
    assert told == pytest.approx({**by_hand(rows, 0.7), **at_0}, rel=1e-12)
    always = SpanScores(may_lack=False)
    always.update(lines(rows), torch.tensor(0.7))
    expected = {name: value for name, value in by_hand(rows, INF).items() if "/" not in name}
    assert {name: float(value) for name, value in always.compute().items()} == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.7])
def test_answers_have_the_metrics_scores(threshold: float) -> None:
    rows = found(9)
    told = answers(sorted(rows), MAY_LACK, threshold)
    expected = by_hand(rows, threshold)
    assert np.mean([one.f1 for one in told]) == pytest.approx(expected["f1"])
    assert np.mean([one.exact_match for one in told]) == pytest.approx(expected["exact_match"])
    assert all((one.start == one.stop) == (one.margin > threshold) or not one.candidates for one in told)
    parts = dict(by_part("test", told, {"odd": range(1, 40, 2), "none": [99]}))
    assert parts["test/f1/odd"] == pytest.approx(np.mean([one.f1 for one in told if one.asked % 2]))
    assert "test/f1/none" not in parts
    assert all(one.start != one.stop for one in answers(sorted(rows), TASK, threshold) if one.candidates)


def test_the_best_spans_are_those_of_all_windows() -> None:
    best = Found(0, 0, 0.0, ((5.0, 1, 2),), 1.0, 1.0, False)
    other = Found(0, 1, 0.0, ((4.0, 3, 4), (3.0, 3, 5), (2.0, 3, 6)), 0.0, 0.0, False)
    (told,) = answers([best, other], TASK, 0.0)
    assert (told.start, told.stop) == (1, 2)
    assert [score for score, *_ in told.candidates] == [5.0, 4.0, 3.0]


@pytest.mark.parametrize("seed", range(8))
def test_the_threshold_is_the_best_there_is(seed: int) -> None:
    told = answers(sorted(found(seed)), MAY_LACK, 0.0)
    threshold, reached = best_threshold(told)

    def f1(place: float) -> float:
        return float(np.mean([one.lacks if one.margin > place else one.best_f1 for one in told]))

    margins = [one.margin for one in told]
    assert reached == pytest.approx(f1(threshold))
    assert reached == pytest.approx(max(f1(place) for place in [-1e10, *margins, 1e10]))
    assert threshold not in margins


# ---- two processes ---------------------------------------------------------------------------------------------------


def on_a_rank(rank: int, file: str, rows: list[Found], results: Any) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=2)
    metric = SpanScores(may_lack=True)
    metric.update(lines(rows[rank::2]), torch.tensor(0.7))
    results[rank] = {name: float(value) for name, value in metric.compute().items()}
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_windows_of_two_processes_count_as_those_of_one(tmp_path: Any) -> None:
    """A question's windows are on both, and of unequal number."""
    rows = found(4, questions=41)
    rows = rows if len(rows) % 2 else rows[:-1]
    assert {row.asked for row in rows[::2]} & {row.asked for row in rows[1::2]}
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        results = manager.dict()
        told = (str(tmp_path / "meet"), rows, results)
        torch.multiprocessing.spawn(on_a_rank, told, nprocs=2)  # pyright: ignore[reportPrivateImportUsage]
        alone = SpanScores(may_lack=True)
        alone.update(lines(rows), torch.tensor(0.7))
        expected = {name: float(value) for name, value in alone.compute().items()}
        assert dict(results) == {0: expected, 1: expected}
