"""Which runs a page is about, how they are sorted, and what is said of those with something wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import sweeps.dashboard as dashboard
from datamodules.task import Refused
from sweeps.evidence import published
from sweeps.evidence.comparison import Setting
from sweeps.evidence.found import of_points
from sweeps.evidence.grouping import of_sweep
from sweeps.evidence.results import read
from sweeps.evidence.statistics import Interval
from sweeps.evidence.wanted import Wanted, begun
from sweeps.runs.commands import COMMANDS, note_command
from sweeps.schema.sweep_file import read as read_sweep
from tests import synthetic
from tests.pages import PAPER, Reader, built, paper

__all__ = ["paper"]  # a fixture


def test_what_goes_with_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="nowhere"):
        dashboard.main([str(tmp_path / "nowhere")])
    with pytest.raises(Refused, match="overrides"):
        dashboard.main([str(tmp_path), "seed=3"])
    file = synthetic.sweep(tmp_path, lacking=23)
    with pytest.raises(Refused, match=r"pretrain\.seed=0,1 is not possible: it may be one value; without pretrain"):
        dashboard.main([str(file), "pretrain.seed=0,1", "--runs", str(tmp_path / "outputs")])
    with pytest.raises(Refused, match="outpts is not there"):
        dashboard.main([str(file), "--runs", str(tmp_path / "outpts")])
    assert not (tmp_path / "outpts").exists()


def test_a_folder_that_is_given_twice_counts_once_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = synthetic.run(tmp_path / "one", synthetic.record(60.0))
    (told,) = dashboard.compared([str(one), f"{one}/../one", str(one)], tmp_path)
    assert len(told.finished) == 1
    assert capsys.readouterr().err == "one is given more than once: it counts once\n"


@pytest.mark.usefixtures("paper")
def test_what_is_wrong_with_a_run_is_said(tmp_path: Path) -> None:
    file = synthetic.sweep(tmp_path, lacking=3)
    outputs = tmp_path / "outputs"
    words = (outputs / "run-010/.hydra/overrides.yaml").read_text().replace("- ", "").split()
    (outputs / "run-003/summary.json").unlink()
    (outputs / "run-004/summary.json").write_text('{"status": "finis')
    stopped = {"status": "stopped", "name": "run-007", "steps": 3, "metrics": {}, "seed": 0, "config": {"seed": 0}}
    (outputs / "run-007/summary.json").write_text(json.dumps(stopped))
    record = json.loads((outputs / "run-005/summary.json").read_text())
    (outputs / "run-005/summary.json").write_text(json.dumps({**record, "collapsed": True}))
    headline = {"name": "accuracy", "value": float("nan")}
    (outputs / "run-006/summary.json").write_text(json.dumps({**record, "headline": headline}))
    synthetic.run(outputs / "twice", json.loads((outputs / "run-010/summary.json").read_text()), words)
    other = json.loads((outputs / "run-011/summary.json").read_text())
    git = {"commit": "fedcba987654", "dirty": True}
    (outputs / "run-011/summary.json").write_text(json.dumps({**other, "git": git}))
    found = built(tmp_path, str(file))
    text = " ".join(found.words)
    runs = {row[0]: row for row in found.rows("runs")}
    assert runs["run-003"][6] == runs["run-007"][6] == "failed"
    assert "run-007 is skipped" not in text
    assert runs["run-004"][6] == runs["run-006"][6] == "half-written"
    assert "run-004 is skipped" in text
    assert "accuracy is nan" in text
    assert runs["run-005"][6] == "collapsed"
    assert [row[6] for row in runs.values()].count("not run") == 3
    assert "run-010 counts, twice is left out" in text
    assert "01234567, fedcba98+" in text
    rte = next(found.rows(name) for name in found.tables if name.startswith("rte") and name.endswith("table"))
    assert {row[0]: row[7] for row in rte} == {"nsp": "2", "no_nsp": "2"}  # failed, half-written ones among them


@pytest.mark.usefixtures("paper")
def test_scales_texts_and_metrics_are_kept_apart(tmp_path: Path) -> None:
    file = synthetic.sweep(tmp_path)
    small = tmp_path / "outputs"
    words = ["model=bert_miniature", "data=glue", "data.task=rte", "model.nsp=True"]
    told = {"task": "rte", "source": "hub", "scale": "small", "encoder": 0}
    for version, seed in (("x", 0), ("y", 1)):
        one = synthetic.record(70.0 + seed, seed=seed, data_version=version, **told)
        synthetic.run(small / f"small-{version}", one, [*words, "pretrain.seed=0", f"seed={seed}"], scale="small")
    page, miniature = built(tmp_path, str(file), page="nsp-small"), built(tmp_path, str(file))
    assert len([row for row in miniature.rows("runs") if row[6] == "finished"]) == 24
    assert [row[0] for row in page.rows("runs") if row[6] == "finished"] == ["small-x", "small-y"]
    bars = [figure for name, figure in page.figures.items() if name.endswith("scores")]
    assert [len(figure["data"][1]["y"]) for figure in bars] == [1, 1]
    for name, figure in miniature.figures.items():
        if name.endswith("scores"):
            assert ("matthews" in figure["layout"]["xaxis"]["title"]["text"]) == name.startswith("cola")


def test_an_override_of_an_axis_is_what_the_points_are_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "read", lambda: {"nsp": PAPER})
    file = synthetic.sweep(tmp_path, lacking=24)
    said = read_sweep(file)
    points = [said.words(point) for point in said.points() if point["data.task"] == "rte"]
    synthetic.run(tmp_path / "outputs/one", synthetic.record(60.0, task="sst2"), [*points[0], "data.task=sst2"])
    (told,) = dashboard.compared([str(file), "data.task=sst2", "budget=9m"], tmp_path / "outputs")
    assert {setting.task for setting in told.settings} == {"sst2"}
    assert {point["data.task"] for point in told.found.missing} == {"sst2"}


def test_runs_that_differ_in_seeds_alone_are_a_row(tmp_path: Path) -> None:
    for number in range(6):
        masking = {"text": {"objective": {"masking": "100/0/0" if number % 2 else "80/10/10"}}}
        told = synthetic.record(60.0 + number, task=("rte", "cola")[number == 5], seed=number, config=masking)
        synthetic.run(tmp_path / "outputs" / f"run-{number}", told)
    found = built(tmp_path, *map(str, (tmp_path / "outputs").iterdir()), page="runs-miniature")
    rte = next(found.rows(name) for name in found.tables if name.startswith("rte") and name.endswith("table"))
    assert {row[0].rpartition("=")[2]: (row[1], row[4]) for row in rte} == {
        "80/10/10": ("62.0", "3"),
        "100/0/0": ("62.0", "2"),
    }
    cola = next(found.rows(name) for name in found.tables if name.startswith("cola") and name.endswith("table"))
    assert len(cola) == 1  # nobody meant to run the other


def test_a_control_and_a_repeat_are_no_further_runs_of_a_row(tmp_path: Path) -> None:
    for number, start in enumerate((None, "scratch", None)):
        again = {"rerun": number == 2, "logger": {"kind": "csv" if number else "offline"}}
        again["pretrain"] = {"recipe": "miniature", "seed": 3, "trainer": {"max_steps": 75, "devices": 1 + number}}
        told = synthetic.record(60.0 + number, encoder=3, config={"init_from": start, **again})
        synthetic.run(tmp_path / "outputs" / f"run-{number}", told)
    (tmp_path / "outputs/sweeps/nsp").mkdir(parents=True)  # logs of a launcher
    found = built(tmp_path, *map(str, sorted((tmp_path / "outputs").iterdir())), page="runs-miniature")
    assert {row[0]: row[1] for row in found.rows("overview")} == {
        "bert_miniature from pretrain=miniature": "60.0",
        "bert_miniature from scratch, with the vocabulary of pretrain=miniature": "61.0",
    }
    assert "run more than once: run-0 counts, run-2 is left out" in found.words
    runs = {row[0]: row[3] for row in found.rows("runs")}
    assert runs == {"run-0": "3", "run-1": "–"}  # the control's weights are nobody's
    assert "sweeps" not in {row[0] for row in found.rows("runs")}


@pytest.mark.usefixtures("paper")
def test_an_experiment_that_two_sweeps_share_is_found_by_both(tmp_path: Path) -> None:
    """Hydra keeps the words of the last command alone."""
    file = synthetic.sweep(tmp_path)
    folders = sorted((tmp_path / "outputs").iterdir())
    (before,) = dashboard.of_file(file, [], begun(folders))
    for folder in folders:
        kept = folder / ".hydra/overrides.yaml"
        note_command(folder, yaml.safe_load(kept.read_text()))
        note_command(folder, yaml.safe_load(kept.read_text()))
        note_command(folder, ["experiment=another", "data.task=rte"])
        kept.write_text("- experiment=another\n- data.task=rte\n")
        assert len((folder / COMMANDS).read_text().splitlines()) == 2
    with (folders[0] / COMMANDS).open("a") as lines:
        lines.write('["torn')
    (after,) = dashboard.of_file(file, [], begun(folders))
    assert [one.folder for one in after.finished] == [one.folder for one in before.finished]
    assert after.found.notes == before.found.notes


@pytest.mark.usefixtures("paper")
def test_encoders_are_where_the_variable_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What they cost is counted wherever they are kept."""
    told = synthetic.record(2.0, metric="val/masked_lm_loss", encoder=0)
    del told["selection"]
    place = synthetic.run(tmp_path / "kept/e0", told)
    (place / "encoder").mkdir()
    (place / "encoder/encoder.yaml").touch()
    file = synthetic.sweep(tmp_path)
    lacking = "Of some encoders the record is not here"
    assert lacking in " ".join(built(tmp_path, str(file)).words)
    monkeypatch.setenv("SIDE_BY_SIDE_ENCODERS", str(tmp_path / "kept"))
    assert 4e12 in built(tmp_path, str(file)).figures["rte-1-costs"]["data"][0]["x"]


def test_folders_without_a_run_are_refused(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    with pytest.raises(Refused, match="None of these folders is a run's"):
        dashboard.compared([str(tmp_path / "sweeps")], tmp_path)


@pytest.mark.usefixtures("paper")
def test_runs_with_a_further_override_have_a_page_of_their_own_that_says_so(tmp_path: Path) -> None:
    file = synthetic.sweep(tmp_path)
    for folder in (tmp_path / "outputs").iterdir():
        kept = folder / ".hydra/overrides.yaml"
        kept.write_text(kept.read_text() + "- seed=7\n")
    assert "with other overrides (seed=7) are not shown" in " ".join(built(tmp_path, str(file)).words)
    found = built(tmp_path, str(file), "seed=7", page="nsp-miniature-seed-7")
    assert "(scale=miniature, seed=7)" in " ".join(found.words)
    assert "half-written" not in " ".join(found.words)
    (tmp_path / "outputs/dashboard/somebodys.html").write_text("<title>no page of ours</title>")
    built(tmp_path, str(file), "seed=7", page="nsp-miniature-seed-7")
    index = Reader((tmp_path / "outputs/dashboard/index.html").read_text())
    links = [told.get("href") for tag, told in index.elements if tag == "a"]
    assert {"nsp-miniature.html", "nsp-miniature-seed-7.html"} <= {*links}  # the one from before is not lost
    assert "somebodys.html" not in links


@pytest.mark.usefixtures("paper")
def test_a_scale_may_be_asked_for(tmp_path: Path) -> None:
    file = synthetic.sweep(tmp_path)
    for scale, done in (("miniature", 24), ("small", 0), ("none", 0)):
        (told,) = dashboard.compared([str(file), f"scale={scale}", "jobs=2", "budget=9m"], tmp_path / "outputs")
        assert (told.scale or "none", len(told.finished), told.overrides) == (scale, done, ())  # these decide no number
    (tmp_path / "plain").mkdir()
    plain = synthetic.sweep(tmp_path / "plain", scale=None)
    for folder in (tmp_path / "plain/outputs").iterdir():
        (folder / ".hydra/config.yaml").write_text("scale: null\n")
    (told,) = dashboard.compared([str(plain), "scale=none"], tmp_path / "plain/outputs")
    assert (told.scale, len(told.finished)) == (None, 24)


@pytest.mark.usefixtures("paper")
def test_files_that_are_torn_or_gone_are_named(tmp_path: Path) -> None:
    file = synthetic.sweep(tmp_path)
    one, two, *_ = sorted((tmp_path / "outputs").iterdir())
    three = sorted((tmp_path / "outputs").glob("*/predictions"))[-1].parent
    (one / "metrics.csv").unlink()
    for torn in (two / "metrics.csv", three / "predictions/validation.tsv"):
        torn.write_bytes(torn.read_bytes()[:-3])
    words = " ".join(built(tmp_path, str(file)).words)
    assert "No run failed or is missing" in words
    for told in (
        f"in no learning curve: {one.name}",
        f"{two.name}: metrics.csv is torn",
        f"{three.name}: validation.tsv is torn",
    ):
        assert told in words
    found = built(tmp_path, str(two), str(three), page="two-runs-miniature")
    assert "Answers of one of them are torn" in " ".join(found.words)
    (one / "summary.json").write_text('{"status')
    assert "No run failed or is missing" not in " ".join(built(tmp_path, str(file)).words)


@pytest.mark.usefixtures("paper")
def test_a_run_that_lacks_an_answer_is_named_and_left_out_of_intervals(tmp_path: Path) -> None:
    """The others' answers count as before: an interval of encoders alone would be another one."""
    file = synthetic.sweep(tmp_path)
    whole = shipped_differences(tmp_path, file)
    answers = sorted((tmp_path / "outputs").glob("*/predictions/*.tsv"))[-1]
    answers.write_text("".join(answers.read_text().splitlines(keepends=True)[:-1]))
    words = " ".join(built(tmp_path, str(file)).words)
    assert f"{answers.parent.parent.name}: {answers.name} lacks answers" in words
    less = shipped_differences(tmp_path, file)
    changed = [key for key in whole if less[key] != whole[key]]
    assert len(changed) == 1
    assert less[changed[0]].examples == whole[changed[0]].examples > 1
    assert (less[changed[0]].encoders, less[changed[0]].seeds) == (3, 1)
    assert (whole[changed[0]].encoders, whole[changed[0]].seeds) == (3, 2)


def shipped_differences(place: Path, file: Path) -> dict[tuple[str, Setting], Interval]:
    (found,) = of_points(Wanted(read_sweep(file)), begun((place / "outputs").iterdir())).values()
    return of_sweep(file.stem, "", "miniature", found, published.read()[file.stem]).differences


@pytest.mark.usefixtures("paper")
def test_a_finished_run_without_the_metric_is_counted(tmp_path: Path) -> None:
    file = synthetic.sweep(tmp_path)
    one = sorted((tmp_path / "outputs").iterdir())[0]
    told = json.loads((one / "summary.json").read_text())
    (one / "summary.json").write_text(json.dumps(told | {"headline": {"name": "f1", "value": 70.0}, "metrics": {}}))
    found = built(tmp_path, str(file))
    head = next(head for head in found.heads if {"no metric", "bert (paper)"} <= {*head})
    first, _ = found.rows("rte-2-table")  # its accuracies
    assert first[head.index("no metric")] == "1"


def test_runs_with_one_encoder_and_one_seed_count_by_their_mean(tmp_path: Path) -> None:
    """Controls with the vocabularies of several pre-trainings, under one seed of the fine-tuning."""
    for number in range(6):
        pretrain = {"recipe": "miniature", "seed": number % 3}
        control = {"init_from": "scratch", "pretrain": pretrain}
        told = synthetic.record(60.0 + number, seed=7 + number // 3, config=control)
        synthetic.run(tmp_path / f"run-{number}", told)
    (found,) = dashboard.compared([str(folder) for folder in tmp_path.iterdir()], tmp_path)
    (group,) = found.groups.values()
    assert (len(group.results), group.encoders) == (6, 0)
    assert sorted(group.replicates) == [61.0, 64.0]


@pytest.mark.parametrize(
    ("transfer", "spent"),
    [
        ({"mode": "features", "layers": "mix", "plug": ["input"]}, 5e12),
        ({"mode": "features", "layers": "none", "plug": ["input"]}, 2e12),
        ({"mode": "features", "layers": "mix", "plug": []}, 2e12),
        ({"mode": "finetune"}, 5e12),
    ],
)
def test_an_encoder_that_a_row_does_not_read_costs_it_nothing(
    tmp_path: Path, transfer: dict[str, Any], spent: float
) -> None:
    told = synthetic.record(60.0, encoder=0, config={"transfer": transfer}, pretraining={"flops": 3e12})
    synthetic.run(tmp_path / "one", told)
    result = read(tmp_path / "one")
    assert dashboard.links_from(tmp_path / "dashboard", tmp_path).flops(result) == (spent, True)
    assert bool(result.pretraining) == (spent == 5e12)
    assert result.encoder == 0, "by which it is paired with the others"
