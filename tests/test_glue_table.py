"""The suite's table: three averages against the papers' printed ones, what is said of each run, the server's zip."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from datamodules.glue_tasks import TASKS
from sweeps.evidence import glue_table
from sweeps.evidence.glue_table import Row, averages, lacking, lines, markdown, submission, summary
from tests.commands import ROOT, TINY, command, the_run
from tests.commands import summary as record_of

NOT_COUNTED = 3.0  # a metric or a task that an average must leave alone
SETS = {"mnli": ("validation_matched", "validation_mismatched")}
METRICS = {"cola": "matthews", "mrpc": "f1 accuracy", "qqp": "f1 accuracy", "stsb": "spearman pearson"}


def record(task: str, data: str = "glue", **values: Any) -> dict[str, Any]:
    """As a job leaves it. `values`: a metric in percent, MNLI's in pairs; other words replace what the record says."""
    names, parts = METRICS.get(task, "accuracy").split(), SETS.get(task, ("validation",))
    metrics: dict[str, float] = {"train/task": 0.7, "val/score": 99.0, "selection/score": 99.0}
    for name in names:
        value = values.pop(name, NOT_COUNTED)
        pair = value if isinstance(value, tuple) else (value,)
        metrics |= {f"test_{part}/{name}": one / 100 for part, one in zip(parts, pair, strict=True)}
    first = parts[0]
    metrics[f"test_{first}/score"] = 100 * metrics[f"test_{first}/{names[0]}"]
    return {
        "status": "finished",
        "name": f"bert_mini-glue-{task}-s0-0a1b2c3d",
        "model": "bert_mini",
        "data": f"{data}/{task}",
        "start": "scratch",
        "headline": {"name": names[0], "value": metrics[f"test_{first}/score"]},
        "selection": "selected on a tenth of train",
        "checkpoint": "best",
        "collapsed": False,
        "metrics": metrics,
        "cost": {"seconds": 1234.4},
        "config": {"data": {"task": task, "train_examples": None}, "trainer": {"limit_test_batches": None}},
        **values,
    }


def table(scores: Mapping[str, Mapping[str, Any]], data: str = "glue") -> list[Row]:
    """All tasks; the ones without scores have a note."""
    return [
        Row(task, record(name, data, **scores[name]), "") if name in scores else Row(task, None, f"no {name} here")
        for name, task in TASKS.items()
    ]


def columns(names: str, row: str) -> dict[str, tuple[float, ...]]:
    """A printed row: a number, or two with a stroke between them, for each name."""
    numbers = [tuple(map(float, text.split("/"))) for text in row.split()]
    return dict(zip(names.split(), numbers, strict=True))


# ---- the averages are the papers' ------------------------------------------------------------------------------------

# Devlin et al. 2019, table 1
BERT = {
    "74.0": "80.6/80.1 66.1 82.3 93.2 35.0 81.0 86.0 61.7",
    "75.13": "82.1/81.4 70.3 87.4 91.3 45.4 80.0 82.3 56.0",
    "79.6": "84.6/83.4 71.2 90.5 93.5 52.1 85.8 88.9 66.4",
    "82.08": "86.7/85.9 72.1 92.7 94.9 60.5 86.5 89.3 70.1",
}
# Radford et al. 2018, table 5; MNLI's two numbers of the first row are table 2's
GPT = {
    "74.65": "45.4 91.3 82.3 82.0 70.3 82.1/81.4 88.1 56.0",
    "59.93": "18.9 84.0 79.4 30.9 65.5 75.7/75.7 71.2 53.8",
    "75.03": "47.9 92.0 84.9 83.2 69.8 81.1/81.1 86.9 54.4",
    "69.16": "30.3 90.5 83.2 71.8 68.1 73.7/73.7 81.1 54.6",
}
# Wang et al. 2019, table 4: MRPC and QQP accuracy/F1, STS-B Pearson/Spearman, MNLI matched/mismatched; WNLI 65.1
WANG = {
    "66.4": "35.0 90.2 69.0/80.8 85.7/65.6 64.0/60.2 72.9/73.4 71.7 50.1",
    "66.5": "35.0 90.2 68.8/80.2 86.5/66.1 55.5/52.5 76.9/76.7 76.7 50.4",
    "70.0": "33.6 90.4 78.0/84.4 84.3/63.1 74.2/72.3 74.1/74.5 79.8 58.9",
    "58.9": "0.0 80.0 73.4/81.5 79.1/51.4 61.2/58.7 56.0/56.4 72.1 54.1",
    "66.2": "7.7 83.1 76.6/83.0 82.9/59.8 79.3/79.2 71.4/71.3 78.6 59.2",
}


def plain(one: dict[str, tuple[float, ...]]) -> dict[str, dict[str, Any]]:
    """Scores of the tasks that have one metric, of a printed row."""
    single = {name: {"accuracy": one[name][0]} for name in ("sst2", "qnli", "rte")}
    return single | {"cola": {"matthews": one["cola"][0]}, "mnli": {"accuracy": one["mnli"]}}


@pytest.mark.parametrize("average", BERT)
def test_berts_average_is_its_table_1(average: str) -> None:
    one = columns("mnli qqp qnli sst2 cola stsb mrpc rte", BERT[average])
    scores = plain(one) | {"stsb": {"spearman": one["stsb"][0]}}
    scores |= {name: {"f1": one[name][0]} for name in ("qqp", "mrpc")}
    without = averages(table(scores))
    assert without["BERT, Table 1"] == pytest.approx(float(average), abs=0.006)
    assert averages(table(scores | {"wnli": {}})) == without | {"GLUE": pytest.approx(50, abs=30)}
    assert without["GLUE"] is None


@pytest.mark.parametrize("average", GPT)
def test_gpts_average_is_its_table_5(average: str) -> None:
    one = columns("cola sst2 mrpc stsb qqp mnli qnli rte", GPT[average])
    scores = plain(one) | {"stsb": {"pearson": one["stsb"][0]}}
    scores |= {name: {"f1": one[name][0]} for name in ("qqp", "mrpc")}
    assert averages(table(scores))["GPT, Table 5"] == pytest.approx(float(average), abs=0.007)


@pytest.mark.parametrize("average", WANG)
def test_the_glue_papers_average_is_its_table_4(average: str) -> None:
    one = columns("cola sst2 mrpc qqp stsb mnli qnli rte", WANG[average])
    scores = plain(one) | {"wnli": {"accuracy": 65.1}}
    scores |= {name: dict(zip(("accuracy", "f1"), one[name], strict=True)) for name in ("mrpc", "qqp")}
    scores["stsb"] = dict(zip(("pearson", "spearman"), one["stsb"], strict=True))
    assert averages(table(scores))["GLUE"] == pytest.approx(float(average), abs=0.085)  # as the table's cells allow


LARGE = {
    **plain(columns("mnli qqp qnli sst2 cola stsb mrpc rte", BERT["82.08"])),
    "qqp": {"f1": 72.1, "accuracy": 89.3},
    "mrpc": {"f1": 89.3, "accuracy": 85.4},
    "stsb": {"spearman": 86.5, "pearson": 87.6},
    "wnli": {"accuracy": 65.1, "collapsed": True},
}


def test_an_average_needs_all_of_its_tasks_and_says_which() -> None:
    assert None not in averages(table(LARGE)).values()
    some = table({name: scores for name, scores in LARGE.items() if name not in ("mrpc", "stsb", "wnli")})
    assert averages(some) == dict.fromkeys(("GLUE", "BERT, Table 1", "GPT, Table 5"))
    shown = "\n".join(lines(some))
    assert "BERT, Table 1  needs MRPC, STS-B\n" in shown
    assert "GLUE           needs MRPC, STS-B, WNLI\n" in shown
    assert set(averages(some[:2]).values()) == set(averages([]).values()) == {None}


# ---- what is shown ---------------------------------------------------------------------------------------------------


def line_of(rows: list[Row], title: str) -> str:
    (line,) = [line for line in lines(rows) if line.startswith(f"{title} ") and "  " in line]
    return line


def test_a_row_has_every_metric_the_start_and_the_cost() -> None:
    rows = table(LARGE)
    mrpc, mnli = line_of(rows, "MRPC"), line_of(rows, "MNLI")
    assert "f1 89.3, accuracy 85.4" in mrpc
    assert mrpc.endswith("  selected on a tenth of train, best epoch  1,234")
    assert "accuracy 86.7 matched / 85.9 mismatched" in mnli
    assert "COLLAPSED" in line_of(rows, "WNLI")
    assert sum("COLLAPSED" in line for line in lines(rows)) == 1
    assert lines(rows)[-1] == "Collapsed, every example got the same label: WNLI."
    assert "start: scratch" in lines(rows)[0]
    assert sum("scratch" in line for line in lines(rows)) == 1  # of all rows, so it is said once
    assert markdown(rows).count("scratch") == 1
    assert any(line.split() == ["BERT,", "Table", "1", "82.1"] for line in lines(rows))


def test_what_differs_between_rows_is_said() -> None:
    odd = {"start": "encoder outputs/a/encoder (fingerprint 0123)", "selection": "selected on dev"}
    rows = table(LARGE | {"rte": {"accuracy": 70.1, **odd}})
    said = lines(rows)
    assert "starts differ" in said[0]
    wanted = f"The starts differ: scratch (CoLA, SST-2, MRPC, STS-B, QQP, MNLI, QNLI, WNLI); {odd['start']} (RTE)."
    assert wanted in said
    assert wanted in markdown(rows)
    assert any(line.startswith("The ways to select differ:") and "dev (RTE)." in line for line in said)
    assert odd["start"] in line_of(rows, "RTE")
    assert f"| {odd['start']} |" in markdown(rows)
    assert "selected on dev, best epoch" in line_of(rows, "RTE")
    assert not any("differ" in line for line in lines(table(LARGE)))


def test_a_part_of_the_training_set_is_said() -> None:
    rows = table({"rte": {"accuracy": 60.0, "config": {"data": {"train_examples": 100}, "trainer": {}}}})
    assert "best epoch, 100 training examples" in line_of(rows, "RTE")
    assert "training examples" not in line_of(table(LARGE), "RTE")


def test_a_task_without_a_record_says_why() -> None:
    rows = table({"sst2": {"accuracy": 90.0}})
    assert line_of(rows, "QNLI") == "QNLI   no qnli here"
    assert "| QNLI | no qnli here |" in markdown(rows)
    long = [*rows, Row(TASKS["rte"], None, "x" * 200)]
    assert max(len(line) for line in lines(long) if "x" * 200 not in line) < 120
    nothing = [Row(task, None, "failed") for task in TASKS.values()]
    assert lines(nothing)[0] == "no task has a result"
    assert summary(nothing)["tasks"] == {}


def test_results_on_generated_text_are_never_called_by_the_benchmarks_name() -> None:
    rows = table(LARGE, "miniature")
    said = lines(rows)
    assert said[0].startswith("miniature (generated text)")
    assert not any("GLUE" in line for line in said if "miniature, averaged as in" not in line)
    assert sum(line.startswith("miniature, averaged as in") for line in said) == 3
    assert "# miniature (generated text)" in markdown(rows)
    plain_values = summary(rows)
    assert plain_values["data"] == "miniature"
    assert all(name.startswith("miniature, ") for name in plain_values["averages"])


def test_the_markdown_is_a_table_of_the_same_cells() -> None:
    rows = table(LARGE)
    text = markdown(rows)
    body = [line for line in text.splitlines() if line.startswith("|")]
    first = [line for line in body if line.count("|") == 5]
    assert len(first) == 2 + 9
    for row, line in zip(rows, first[2:], strict=True):
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        name, result, _, *others = glue_table.texts(row)
        assert cells == [name, result, *others]
        assert all(cell in line_of(rows, row.title) for cell in cells)
    assert "| BERT, Table 1 | 82.1 |" in body
    assert text.endswith("WNLI.\n")
    assert "a \\| b" in markdown([Row(TASKS["rte"], None, "a | b")])


def test_the_summary_is_plain_and_whole() -> None:
    rows = table({name: scores for name, scores in LARGE.items() if name != "qqp"})
    found = summary(rows)
    assert json.loads(json.dumps(found)) == found
    assert found["tasks"]["mnli"] == {
        "name": "bert_mini-glue-mnli-s0-0a1b2c3d",
        "headline": {"name": "accuracy", "value": pytest.approx(86.7)},
        "start": "scratch",
        "selection": "selected on a tenth of train",
        "checkpoint": "best",
        "collapsed": False,
        "seconds": 1234.4,
        "metrics": {
            "test_validation_matched/accuracy": pytest.approx(0.867),
            "test_validation_mismatched/accuracy": pytest.approx(0.859),
            "test_validation_matched/score": pytest.approx(86.7),
        },
    }
    assert found["tasks"]["wnli"]["collapsed"] is True
    assert found["averages"] == averages(rows)
    assert (found["data"], found["starts"]) == ("glue", ["scratch"])
    assert found["failed"] == [{"task": "qqp", "why": "no qqp here"}]


@pytest.mark.slow
def test_a_real_record_has_what_the_table_reads(tmp_path: Path) -> None:
    small = (*TINY, "trainer=smoke", "logger=csv", "data.submission=false", "data.train_examples=64")
    done = command(tmp_path, *small, "data=glue", "data.source=miniature", "data.task=mnli")
    assert done.status == 0, done.err
    found = record_of(the_run(tmp_path))
    rows = [Row(TASKS["mnli"], found)]
    values = [f"{100 * found['metrics'][f'test_{name}/accuracy']:.1f}" for name in SETS["mnli"]]
    assert f"accuracy {values[0]} matched / {values[1]} mismatched" in line_of(rows, "MNLI")
    assert ("COLLAPSED" in line_of(rows, "MNLI")) == found["collapsed"]
    assert lines(rows)[0] == "miniature (generated text): bert_miniature, start: scratch"
    assert "64 training examples" in markdown(rows)
    for name, value in zip(SETS["mnli"], values, strict=True):  # each beside its ladder
        assert any(line.startswith(f"MNLI: {name}/accuracy {value}, ladder: majority 33.3 | ") for line in lines(rows))
        assert f"  {name}/accuracy {value}, ladder: majority 33.3 | " in done.out
    assert set(found["headline"]["parts"]) == {"seen", "unseen"}
    assert summary(rows)["tasks"]["mnli"]["name"] == the_run(tmp_path).name


# ---- for the server --------------------------------------------------------------------------------------------------

OF_TASK = {"mnli": ("MNLI-m", "MNLI-mm", "AX"), "cola": ("CoLA",), "sst2": ("SST-2",), "stsb": ("STS-B",)}
WHOSE = {file: task for task in TASKS for file in OF_TASK.get(task, (task.upper(),))}
FILES = list(WHOSE)


@pytest.fixture
def places(tmp_path: Path) -> dict[str, Path]:
    """Folders of nine runs, each with its predictions and an answer sheet that the server does not take."""
    for file, task in WHOSE.items():
        folder = tmp_path / task / "predictions"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{file}.tsv").write_text(f"index\tprediction\n0\t{file}\n")
        (folder / "validation.tsv").write_text("index\tprediction\tlabel\n")
    return {task: tmp_path / task for task in TASKS}


def test_the_zip_is_flat_and_has_the_eleven_files(places: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "suite" / "submission.zip"
    assert submission(table(LARGE), places, target) == (target, [])
    with zipfile.ZipFile(target) as archive:
        assert sorted(archive.namelist()) == sorted(f"{file}.tsv" for file in FILES)
        for file in FILES:
            assert archive.read(f"{file}.tsv").decode() == f"index\tprediction\n0\t{file}\n"
    assert [path.name for path in target.parent.iterdir()] == ["submission.zip"]


def test_what_is_missing_is_named(places: dict[str, Path], tmp_path: Path) -> None:
    (places["mnli"] / "predictions" / "AX.tsv").unlink()
    finished = {name: scores for name, scores in LARGE.items() if name != "rte"}  # its file is of a stopped run
    del places["rte"]
    target, missing = submission(table(finished), places, tmp_path / "submission.zip")
    assert missing == ["AX.tsv", "RTE.tsv"]
    assert target is not None
    with zipfile.ZipFile(target) as archive:
        assert sorted(archive.namelist()) == sorted(f"{file}.tsv" for file in FILES if file not in ("AX", "RTE"))


def test_nothing_is_handed_in_of_nothing_or_of_generated_text(places: dict[str, Path], tmp_path: Path) -> None:
    target = tmp_path / "submission.zip"
    for rows in (table({}), table(LARGE, "miniature")):
        assert submission(rows, places, target) == (None, [f"{file}.tsv" for file in FILES])
        assert not target.exists()


def test_a_zip_that_fails_leaves_the_old_one(
    places: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "suite" / "submission.zip"
    target.parent.mkdir()
    target.write_text("old")
    write = zipfile.ZipFile.write

    def full(archive: zipfile.ZipFile, path: Path, name: str) -> None:
        if name == "QNLI.tsv":
            raise OSError("no space left")
        write(archive, path, name)

    monkeypatch.setattr(zipfile.ZipFile, "write", full)
    with pytest.raises(OSError, match="no space left"):
        submission(table(LARGE), places, target)
    assert [(path.name, path.read_text()) for path in target.parent.iterdir()] == [("submission.zip", "old")]


def test_the_table_needs_no_torch() -> None:
    question = (
        "import sys, sweeps.evidence.glue_table; print(sorted({'torch', 'lightning', 'datasets'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", question], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_part_of_a_test_set_is_said_and_in_no_average() -> None:
    """A trial of the machinery must not look like a result."""
    full = table({"rte": {"accuracy": 60.0}})
    limits = {"data": {}, "trainer": {"limit_test_batches": 2, "limit_predict_batches": 2}}
    part = table({"rte": {"accuracy": 60.0, "config": limits}})
    assert "RTE" not in lacking("GLUE", full)
    assert "RTE" in lacking("GLUE", part)
    assert any("a part of the test set only" in line and "RTE" in line for line in lines(part))
    assert not any("a part of the test set only" in line for line in lines(full))
