"""Rows, spreads and intervals of runs side by side, against scipy's own."""

import json
import math
from pathlib import Path
from statistics import mean

import pytest
from scipy import stats

from datamodules.task import Refused
from sweeps.compare import main, report, table
from sweeps.evidence.intervals import halfwidth, verdict, welch
from sweeps.evidence.rows import particulars, read_records, rows_of

A, B = [60.0, 62.5, 61.0, 59.0, 63.0], [64.0, 66.0, 61.5, 67.0, 65.5]


def record(start: str, seed: int, value: float, **changes: object) -> dict:
    return {
        "model": "bert_mini",
        "data": "glue/rte",
        "start": start,
        "encoder_fingerprint": None if start == "scratch" else "abc",
        "status": "finished",
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


def test_seeds_are_one_row_and_scratch_is_said(tmp_path: Path) -> None:
    for i, (start, values) in enumerate((("scratch", A), ("encoder x", B))):
        for seed, value in enumerate(values):
            folder = tmp_path / f"{i}-{seed}"
            folder.mkdir()
            (folder / "summary.json").write_text(json.dumps(record(start, seed, value, collapsed=seed == 0)))
    (tmp_path / "unfinished").mkdir()
    lines = table(rows_of(read_records(str(folder) for folder in tmp_path.iterdir())))
    rows = [line for line in lines if line.startswith("| glue/rte")]
    assert len(rows) == 2
    assert any("from scratch" in row and "| 5 | 61.1 |" in row and row.endswith("| 1 |") for row in rows)
    assert "excludes zero" in lines[-1]
    assert f"{abs(mean(B) - mean(A)):.1f}" in lines[-1]


def leave(place: Path, records: list[dict]) -> list[str]:
    """Finished runs' folders."""
    for number, one in enumerate(records):
        (place / str(number)).mkdir()
        (place / str(number) / "summary.json").write_text(json.dumps(one))
    return [str(place / str(number)) for number in range(len(records))]


def pretrained(encoder: int, seed: int, value: float, unseen: float, masking: str = "80/10/10") -> dict:
    """A run with a pre-training inside: the same settings, other seeds, an encoder of its own."""
    made = {"recipe": "miniature", "seed": encoder, "data": {"seed": encoder}, "trainer": {"max_epochs": 8}}
    text = {"tokenizer": {"file": f"encoders/{encoder}"}, "objective": {"masking": masking}}
    config = {"seed": seed, "init_from": f"encoders/{encoder}", "data": {"seed": seed}, "pretrain": made, "text": text}
    headline = {"name": "accuracy", "value": value, "parts": {"seen": 2 * value - unseen, "unseen": unseen}}
    mark = f"{encoder}{masking}"
    return record(f"encoder {encoder}", seed, 0.0, config=config, headline=headline, encoder_fingerprint=mark)


def test_an_encoder_is_one_replicate_with_all_its_fine_tunings(tmp_path: Path) -> None:
    runs = [pretrained(encoder, seed, 60 + encoder + 10 * seed, 50) for encoder in range(3) for seed in range(2)]
    whole, unseen = rows_of(read_records(leave(tmp_path, runs)))
    assert (whole.encoders, whole.runs, whole.scores) == (3, 6, (65.0, 66.0, 67.0))
    assert (unseen.metric, unseen.scores) == ("accuracy/unseen", (50.0,) * 3)
    low, high = stats.t.interval(0.95, 2, loc=66, scale=stats.sem([65, 66, 67]))
    assert f"| 3 | 6 | 66.0 | 1.0 | ±{(high - low) / 2:.1f} |" in table([whole])[2]


def test_a_place_of_a_cue_is_a_row_and_its_ladder_stands_once(tmp_path: Path) -> None:
    ceilings = {"test_probes/accuracy/left": {"majority": 50.0, "exact": 98.0}}
    runs = [
        record("scratch", seed, 50.0, card={"ceilings": ceilings}, metrics={})
        | {"headline": {"name": "accuracy", "value": 50.0, "parts": {"left": value, "seen": 1.0}}}
        for seed, value in enumerate(A)
    ]
    rows = rows_of(read_records(leave(tmp_path, runs)))
    assert {row.metric: row.scores for row in rows} == {"accuracy": (50.0,) * 5, "accuracy/left": tuple(A)}
    assert table(rows)[-1] == "glue/rte, probes/accuracy/left, ladder: majority 50.0 | exact 98.0"


def test_rows_of_one_name_say_what_tells_them_apart(tmp_path: Path) -> None:
    runs = [pretrained(encoder, 0, 60, 50, masking) for encoder in range(2) for masking in ("80/10/10", "100/0/0")]
    names = {row.name for row in rows_of(read_records(leave(tmp_path, runs)))}
    start = "bert_mini from pretrain=miniature, selected on a tenth of train, text.objective.masking="
    assert names == {start + "80/10/10", start + "100/0/0"}


def test_the_keys_that_tell_most_settings_apart_are_told_first() -> None:
    """Six keys differ, and of four rows two differ in the last one alone."""
    budgets = [{f"a{number}": row > 1 for number in range(5)} for row in range(4)]
    odd = [{f"b{number}": number == row for number in range(4)} for row in range(4)]
    settings = [{**budget, **marks, "z": row % 2} for row, (budget, marks) in enumerate(zip(budgets, odd, strict=True))]
    told = [tuple(particulars(own, settings)) for own in settings]
    assert len(set(told)) == 4
    assert all("z=" in " ".join(one) for one in told)


def test_of_settings_that_follow_each_other_one_is_told_and_a_recipe_not_used_does_not_count(tmp_path: Path) -> None:
    runs = []
    for seed, lr in ((0, 1e-4), (1, 1e-4), (0, 3e-4)):
        config = {"seed": seed, "data": {}, "pretrain": {"recipe": None, "seed": seed}, "model": {"lr": lr}}
        runs.append(record("scratch", seed, 60.0, config=config | {"transfer": {"lr": lr}}))
    rows = rows_of(read_records(leave(tmp_path, runs)))
    start = "bert_mini from scratch, selected on a tenth of train, model.lr="
    assert {row.name: row.runs for row in rows} == {f"{start}0.0001": 2, f"{start}0.0003": 1}


def from_scratch(
    seed: int, value: float, init_from: str | None = None, file: str | None = None, lowercase: bool = True
) -> dict:
    text = {"tokenizer": {"file": file, "lowercase": lowercase}}
    return record("scratch", seed, value, config={"seed": seed, "init_from": init_from, "data": {}, "text": text})


def test_the_same_start_is_one_row_and_another_tokenizer_is_another(tmp_path: Path) -> None:
    runs = [from_scratch(0, 50.0), from_scratch(1, 52.0, "scratch")]
    runs += [from_scratch(0, 60.0, file="encoders/a"), from_scratch(0, 70.0, lowercase=False)]
    rows = rows_of(read_records(leave(tmp_path, runs)))
    assert sorted(row.scores for row in rows) == [(50.0, 52.0), (60.0,), (70.0,)]


def test_a_run_done_once_more_is_no_further_replicate(tmp_path: Path) -> None:
    runs = [from_scratch(0, 50.0), from_scratch(0, 52.0), from_scratch(1, 60.0)]
    (row,) = rows_of(read_records(leave(tmp_path, runs)))
    assert (row.runs, row.scores) == (3, (51.0, 60.0))


def test_one_encoder_asked_again_by_probes_is_one_replicate(tmp_path: Path) -> None:
    runs = [record("encoder x", seed, 60.0, checkpoint="none", encoder_fingerprint="x") for seed in range(3)]
    (row,) = rows_of(read_records(leave(tmp_path, runs)))
    assert (row.encoders, row.scores) == (1, (60.0,))


def test_records_with_and_without_parts_are_one_row(tmp_path: Path) -> None:
    new = from_scratch(1, 0.0) | {"headline": {"name": "accuracy", "value": 60.0, "parts": {"unseen": 55.0}}}
    for number, runs in enumerate(([from_scratch(0, 50.0), new], [new, from_scratch(0, 50.0)])):
        (tmp_path / f"{number}").mkdir(exist_ok=True)
        whole, unseen = rows_of(read_records(leave(tmp_path / f"{number}", runs)))
        assert sorted(whole.scores) == [50.0, 60.0]
        assert unseen.scores == (55.0,)


def test_a_difference_with_one_encoder_says_so(tmp_path: Path) -> None:
    runs = [record(start, seed, 60.0 + seed) for start in ("scratch", "encoder x") for seed in range(3)]
    lines = table(rows_of(read_records(leave(tmp_path, runs))))
    assert lines[-1].endswith(", of one encoder")


def test_one_run_a_row_has_no_interval(tmp_path: Path) -> None:
    lines = table(rows_of(read_records(leave(tmp_path, [record("scratch", 0, 60.0), record("encoder x", 0, 61.0)]))))
    assert "nan" not in " ".join(lines)
    assert not any("95 %:" in line for line in lines)


def test_a_report_is_a_table_and_a_picture_of_every_row(tmp_path: Path) -> None:
    runs = [pretrained(encoder, 0, 60 + encoder, 50) for encoder in range(3)] + [record("scratch", 0, 55.0)]
    lines = report(leave(tmp_path, runs), tmp_path / "comparison")
    assert (tmp_path / "comparison.md").read_text().splitlines() == lines[:-1]
    first = (tmp_path / "comparison.svg").read_bytes()
    report(leave_again(tmp_path), tmp_path / "comparison")
    assert (tmp_path / "comparison.svg").read_bytes() == first
    assert report([str(tmp_path / "nothing")], tmp_path / "none") == []
    assert not (tmp_path / "none.md").exists()


def leave_again(place: Path) -> list[str]:
    """The same folders in another order."""
    return [str(file.parent) for file in sorted(place.glob("*/summary.json"), reverse=True)]


def test_a_picture_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"\.svg, \.png, \.pdf"):
        main([*leave(tmp_path, [record("scratch", 0, 60.0)]), "--picture", str(tmp_path / "a.gif")])


def test_nothing_to_compare_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"summary\.json"):
        read_records([str(tmp_path)])


def test_a_torn_record_is_named_and_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = leave(tmp_path, [record("scratch", seed, 60.0 + seed) for seed in range(2)])
    (tmp_path / "table.md").touch()
    for broken in ('{"sta', "3", "null", '"words"'):
        (Path(one) / "summary.json").write_text(broken)
        assert len(read_records([one, str(tmp_path / "table.md"), other])) == 1
        told = capsys.readouterr().err
        assert f"{one} is skipped: summary.json" in told
        assert "table.md is skipped: it is no folder" in told
    (Path(one) / "summary.json").write_text(json.dumps(record("scratch", 0, float("nan"))))
    assert len(read_records([one, other])) == 1
    assert f"{one} is skipped: its accuracy is nan" in capsys.readouterr().err
    with pytest.raises(Refused, match="nowhere is not there"):
        read_records([str(tmp_path / "nowhere"), other])
