"""Rows, spreads and intervals of runs side by side, against scipy's own."""

import json
import math
from pathlib import Path
from statistics import mean

import pytest
from scipy import stats

from datamodules.task import Refused
from sweeps.compare import halfwidth, read_records, table, verdict, welch

A, B = [60.0, 62.5, 61.0, 59.0, 63.0], [64.0, 66.0, 61.5, 67.0, 65.5]


def record(start: str, seed: int, value: float, **changes: object) -> dict:
    return {
        "model": "bert_mini",
        "data": "glue/rte",
        "start": start,
        "encoder_fingerprint": None if start == "scratch" else "abc",
        "selection": "selected on a tenth of train",
        "collapsed": False,
        "headline": {"name": "accuracy", "value": value},
        "config": {"seed": seed, "init_from": start, "data": {"seed": seed, "task": "rte"}},
        **changes,
    }


def test_intervals_are_scipys() -> None:
    low, high = stats.t.interval(0.95, len(A) - 1, loc=mean(A), scale=stats.sem(A))
    assert halfwidth(A) == pytest.approx((high - low) / 2)
    interval = stats.ttest_ind(B, A, equal_var=False).confidence_interval(0.95)
    difference, half = welch(A, B)
    assert (difference - half, difference + half) == pytest.approx((interval.low, interval.high))
    assert math.isnan(welch([1.0], B)[1])


def test_a_verdict_says_whether_zero_is_inside() -> None:
    assert "holds zero" in verdict(1.0, 1.5)
    assert "excludes" in verdict(-2.0, 1.5)
    assert "too few" in verdict(1.0, float("nan"))


def test_seeds_are_one_row_and_scratch_is_said(tmp_path: Path) -> None:
    for i, (start, values) in enumerate((("scratch", A), ("encoder x", B))):
        for seed, value in enumerate(values):
            folder = tmp_path / f"{i}-{seed}"
            folder.mkdir()
            (folder / "summary.json").write_text(json.dumps(record(start, seed, value, collapsed=seed == 0)))
    (tmp_path / "unfinished").mkdir()
    lines = table(read_records(str(folder) for folder in tmp_path.iterdir()))
    rows = [line for line in lines if line.startswith("| glue/rte")]
    assert len(rows) == 2
    assert any("from scratch" in row and "| 5 | 61.1 |" in row and row.endswith("| 1 |") for row in rows)
    assert "excludes zero" in lines[-1]
    assert f"{abs(mean(B) - mean(A)):.1f}" in lines[-1]


def test_nothing_to_compare_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"summary\.json"):
        read_records([str(tmp_path)])
