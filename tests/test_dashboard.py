"""The dashboard's pages from records of known content: what their tables hold, and that nothing else can get in."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean, stdev
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml
from hydra.errors import HydraException

import sweeps.dashboard as dashboard
from datamodules.task import Refused
from sweeps import published
from sweeps.commands import COMMANDS, note_command
from sweeps.pages import sweep, tables
from sweeps.pages.curves import losses
from sweeps.pages.figures import short
from sweeps.pages.html import in_script
from sweeps.published import Claim, Published, Row, Value
from sweeps.results import read
from sweeps.sweep_file import read as read_sweep
from tests import synthetic

PAPER = Published(
    name="nsp",
    title="Is next-sentence prediction needed?",
    papers={"bert": "Devlin et al. 2019, Table 5"},
    rows={"nsp": Row("nsp", {"model.nsp": True}), "no_nsp": Row("no_nsp", {"model.nsp": False})},
    reference="nsp",
    replicate="pretrain.seed",
    values=(Value("nsp", "bert", "rte", "dev", "accuracy", 88.4, "another size"),),
    claims=(Claim("helps", ("nsp", "no_nsp"), "rte", "accuracy", "greater", ("small",), "bert", published=3.5),),
)


class Reader(HTMLParser):
    """What a browser takes a page for: tables as lists of (data-v, text), figures' JSON, scripts, elements."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tables: dict[str, list[list[tuple[str, str]]]] = {}
        self.figures: dict[str, Any] = {}
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._section = self._cell = ""
        self._script: dict[str, str | None] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.elements.append((tag, told))
        if tag in ("section", "figure"):
            self._section = told.get("id") or ""
        elif tag == "table":
            self.tables[self._section] = []
        elif tag == "tr" and self._section in self.tables:
            self.tables[self._section].append([])
        elif tag == "td":
            self.tables[self._section][-1].append((told["data-v"] or "", ""))
            self._cell = "td"
        elif tag == "script":
            self._script = told

    def handle_endtag(self, tag: str) -> None:
        self._cell = "" if tag == "td" else self._cell
        self._script = None if tag == "script" else self._script

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            if self._script.get("type") == "application/json":
                self.figures[self._section] = json.loads(data)
            return
        if self._cell:
            value, text = self.tables[self._section][-1][-1]
            self.tables[self._section][-1][-1] = (value, text + data)
        self.words.append(data)

    def rows(self, name: str) -> list[list[str]]:
        return [[text for _, text in row] for row in self.tables[name] if row]


@pytest.fixture
def _paper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "read", lambda: {"nsp": PAPER})


def built(root: Path, *words: str, page: str = "nsp-miniature") -> Reader:
    """The page that the command writes."""
    dashboard.main([*words, "--runs", str(root / "outputs")])
    return Reader((root / "outputs/dashboard" / f"{page}.html").read_text(encoding="utf-8"))


@pytest.mark.usefixtures("_paper")
def test_a_page_has_ours_beside_the_papers(tmp_path: Path) -> None:
    file = synthetic.sweep(tmp_path, lacking=2)
    found = built(tmp_path, str(file))
    records = [json.loads(one.read_text()) for one in (tmp_path / "outputs").glob("*/summary.json")]
    name = next(name for name in found.tables if name.startswith("rte") and name.endswith("table"))
    table = {row[0][1]: row for row in found.tables[name] if row}
    for row, has_nsp in (("nsp", True), ("no_nsp", False)):
        scores: dict[int, list[float]] = {}
        for told in records:
            if told["data"].endswith("rte") and told["config"]["model"]["nsp"] is has_nsp:
                scores.setdefault(told["config"]["pretrain"]["seed"], []).append(told["headline"]["value"])
        means = [fmean(own) for own in scores.values()]
        assert float(table[row][2][0]) == pytest.approx(fmean(means))
        assert float(table[row][3][0]) == pytest.approx(stdev(means))
        assert [text for _, text in table[row][4:6]] == [str(len(scores)), str(sum(map(len, scores.values())))]
    assert "budget" not in found.tables, "no run says what its encoder read"
    assert table["nsp"][1] == ("88.4", "88.4")
    assert table["nsp"][7][1] == "2"  # not run
    assert any("22 of 24" in words for words in found.words)
    assert re.search(r"small generated world", " ".join(found.words))


def test_what_goes_with_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="nowhere"):
        dashboard.main([str(tmp_path / "nowhere")])
    with pytest.raises(Refused, match="overrides"):
        dashboard.main([str(tmp_path), "seed=3"])


EVIL = "</script><img src=x onerror=alert(1)>\"'&"


@pytest.mark.usefixtures("_paper")
def test_nothing_that_a_run_says_is_markup(tmp_path: Path) -> None:
    root, words = tmp_path, ["model=bert_miniature", "data=glue", "data.task=rte"]
    file = synthetic.sweep(root, lacking=24)
    for number, row in enumerate(("True", "False")):
        mix = {EVIL[:30]: {"weights": [0.4, 0.6]}}
        told = synthetic.record(60.0 + number, encoder=0, model=EVIL, start=EVIL, mix=mix, config={EVIL: row})
        told["git"]["commit"] = told["data"] = "<b>rte"
        words_ = [*words, f"model.nsp={row}", "pretrain.seed=0", "seed=0"]
        synthetic.run(root / "outputs" / f"a<img src=x>{number}", told, words_)
    folders = [str(one) for one in (root / "outputs").iterdir()]
    pages = [built(root, str(file)), built(root, *folders), built(root, *folders, page="two-runs-miniature")]
    plain = synthetic.sweep(tmp_path / "plain")
    known = {tag for tag, _ in built(tmp_path / "plain", str(plain)).elements} | {"details", "summary", "ul", "li"}
    for page in pages:
        assert {tag for tag, _ in page.elements} <= known
        assert not [name for _, told in page.elements for name in told if name.startswith("on")]
        assert any("<img src=x>" in words for words in page.words)
        for name, figure in page.figures.items():
            assert re.fullmatch(r"[\w-]+", name)  # it is a file's name
            assert "<img" not in json.dumps([figure["data"], figure["layout"]])  # Plotly reads tags, too


def test_json_ends_no_script() -> None:
    text = in_script({"x": [EVIL, "<!--"]})
    assert not set(text) & set("<>&")
    assert json.loads(text) == {"x": [EVIL, "<!--"]}


@pytest.mark.usefixtures("_paper")
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
    assert {row[0]: row[7] for row in rte} == {"nsp": "1", "no_nsp": "1"}  # failed


@pytest.mark.usefixtures("_paper")
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
            assert ("matthews" in figure["layout"]["yaxis"]["title"]["text"]) == name.startswith("cola")


@pytest.mark.usefixtures("_paper")
def test_figures_have_axes_captions_and_data(tmp_path: Path) -> None:
    go = pytest.importorskip("plotly.graph_objects")
    file = synthetic.sweep(tmp_path, mix={"input": {"weights": [0.2, 0.5, 0.3], "gamma": 1.0}})
    found = built(tmp_path, str(file))
    assert sorted(name.partition("-")[2] for name in found.figures if name.startswith("rte")) == [
        "1-costs",
        "1-curves",
        "1-layers-input",
        "1-scores",
    ]
    traces = {name.partition("-")[2]: len(figure["data"]) for name, figure in found.figures.items()}
    assert traces["1-scores"] == 2  # bars, runs
    assert traces["1-curves"] == 4  # two rows, each a band and a line
    assert traces["1-costs"] == 2
    for name, figure in found.figures.items():
        go.Figure(figure)  # refuses what Plotly does not know
        assert figure["layout"]["xaxis"]["title"]["text"]
        assert figure["layout"]["yaxis"]["title"]["text"]
        assert (tmp_path / f"outputs/dashboard/nsp-miniature-data/{name}.csv").read_text().count("\n") > 1


def test_two_runs_show_what_changed(tmp_path: Path) -> None:
    folders = []
    for seed, score in ((0, 60.0), (1, 62.0)):
        told = synthetic.record(score, seed=seed, config={"text": {"objective": {"masking": f"{seed}"}}})
        folders.append(synthetic.run(tmp_path / "outputs" / f"run-{seed}", told, examples=1000))
    found = built(tmp_path, *map(str, folders), page="two-runs-miniature")
    assert ["text.objective.masking", "0", "1"] in found.rows("pair-settings")
    assert len(found.rows("pair-examples")) == 20  # the first 600 are right in both, 20 more in the second
    assert {row[-1] for row in found.rows("pair-examples")} == {"second"}
    lead = next(words for words in found.words if "paired" in words)
    half = 1.96 * (100**2 * 0.02 * 0.98 / 1000) ** 0.5
    assert f"{2 - half:+.1f} to {2 + half:+.1f}" in lead


@pytest.mark.usefixtures("_paper")
def test_text_csv_and_latex_print_the_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = synthetic.sweep(tmp_path)
    for way, told in (("--text", "│ no_nsp"), ("--csv", "\nno_nsp,"), ("--latex", "no\\_nsp & ")):
        dashboard.main([str(file), way, "--runs", str(tmp_path / "outputs")])
        out = capsys.readouterr().out
        assert told in out
        assert "84.9" not in out
        assert "88.4" in out
    assert not (tmp_path / "outputs/dashboard").exists()


@pytest.mark.usefixtures("_paper")
def test_a_launcher_ends_with_what_the_page_says(tmp_path: Path) -> None:
    """In Markdown, of the runs that it names and no others."""
    file = synthetic.sweep(tmp_path)
    folders = sorted((tmp_path / "outputs").iterdir())
    (told,) = dashboard.of_file(file, [], dashboard.found.begun(folders))
    page = dashboard.sweep.page(told, dashboard.links_from(tmp_path, tmp_path / "outputs"))
    lines = dashboard.came_to(file, [], folders)
    assert lines[:2] == [page.title, page.lead]
    text = "\n".join(lines)
    for row in next(table for table in page.tables if table.name == "overview").rows:
        assert f"| {row[0].text} | {row[1].text} |" in text
    assert "Nothing has finished yet" not in lines[1]
    assert "Nothing has finished yet" in dashboard.came_to(file, [], [])[1]


def test_flops_have_the_unit_of_the_dearest_row(monkeypatch: pytest.MonkeyPatch) -> None:
    told = SimpleNamespace(rows=("cheap", "dear"))
    for flops, unit in ((3e6, "GFLOPs"), (9.9e11, "GFLOPs"), (1e12, "TFLOPs"), (2e17, "PFLOPs"), (4e21, "EFLOPs")):
        monkeypatch.setattr(tables, "cost_of", lambda told, row, key, size, f=flops: f if row == "dear" else None)
        assert tables.flops_unit(cast(Any, told)) == (unit, tables.FLOPS[unit])


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "find_spec", lambda name: None)
    with pytest.raises(Refused, match=r"plotly is not installed: .*\[dashboard\]"):
        dashboard.main(["all"])


@pytest.mark.usefixtures("_paper")
def test_the_report_of_wandb_has_the_page_and_its_panels(tmp_path: Path) -> None:
    pytest.importorskip("wandb_workspaces")
    from sweeps import found, online
    from sweeps.pages import sweep
    from sweeps.pages.links import Links

    file = synthetic.sweep(tmp_path)
    (told,) = dashboard.of_file(file, [], found.begun((tmp_path / "outputs").iterdir()))
    page = sweep.page(told, Links(tmp_path, []))
    report = json.loads(online.report(told, page, "me", "ours")._to_model().model_dump_json(by_alias=True))
    assert report["project"]["entityName"] == "me"
    blocks = report["spec"]["blocks"]
    markdown = [block["content"] for block in blocks if block["type"] == "markdown-block"]
    assert any("| nsp | " in text and "88.4" in text for text in markdown)
    grids = [block["metadata"] for block in blocks if block["type"] == "panel-grid"]
    assert len(grids) == len(told.settings) == 2
    for grid, setting in zip(grids, told.settings, strict=True):
        (runs,) = grid["runSets"]
        filters = {one["key"]["name"]: one["value"] for one in runs["filters"]["filters"]}
        assert filters == {"group": "nsp", "scale": "miniature", "tags": [setting.task]}
        assert [one["name"] for one in runs["grouping"]] == ["model.value.nsp"]
        panels = {one["viewType"]: one["config"] for one in grid["panelBankSectionConfig"]["panels"]}
        bars = panels["Bar Chart"]
        assert (bars["metrics"], bars["groupArea"]) == ([f"test_validation/{setting.metric}"], "stddev")
        assert panels["Run History Line Plot"]["metrics"] == ["val/score"]
    workspace = json.loads(online.workspace(told, page, "me", "ours")._to_model().model_dump_json(by_alias=True))
    sections = workspace["spec"]["section"]["panelBankConfig"]["sections"]
    assert [section["name"] for section in sections] == ["cola", "rte"]


def test_before_anything_has_run_the_papers_stand_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "read", lambda: {"nsp": PAPER})
    file = synthetic.sweep(tmp_path, lacking=24)
    found = built(tmp_path, str(file), page="nsp")
    assert "Nothing has finished yet: of 24 runs none has a record." in found.words
    assert ["nsp", "not run", "not run [88.4]", "–", "–", "–"] in found.rows("overview")
    pages = list((tmp_path / "outputs/dashboard").glob("*.html"))
    assert pages
    assert not [page for page in pages if "plotly" in page.read_text()], "there is no figure, and no script"


def test_a_row_has_what_its_encoders_and_its_tasks_took(tmp_path: Path) -> None:
    spent = {"words": 2000, "tokens": 3000, "targets": {"masked_lm": 400, "next_sentence": 50}, "flops": 5e9}
    for number in range(4):
        told = synthetic.record(60.0, seed=number, encoder=number % 2, config={"init_from": None})
        told["cost"] |= {"device_seconds": 10.0 * number, "head_parameters": 500}
        more = {"pretraining": {**spent, "device_seconds": 7.0 + number}} if number else {}
        synthetic.run(tmp_path / "outputs" / f"run-{number}", {**told, **more})
    found = built(tmp_path, *map(str, (tmp_path / "outputs").iterdir()), page="runs-miniature")
    (row,) = found.rows("budget")
    assert row[1:6] == [
        "2.0",
        "3.0",
        "0.5",
        "5.0",
        "9.0",
    ]  # words, tokens, targets, GFLOPs, seconds: three runs have them
    assert row[6:] == ["2000.0", "15.0", "942.2", "–", "0.5"]


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


@pytest.mark.parametrize(("differs", "same"), [({}, True), ({"bert": "another text"}, False)])
def test_a_claim_without_printed_numbers_has_its_papers_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, differs: dict[str, str], same: bool
) -> None:
    paper = replace(PAPER, values=(), differs=differs)
    monkeypatch.setattr(published, "read", lambda: {"nsp": paper})
    file = synthetic.sweep(tmp_path, source="hub", scale="paper")
    (told,) = dashboard.of_file(file, [], dashboard.found.begun((tmp_path / "outputs").iterdir()))
    assert replace(told, scale="paper").case(paper.claims[0]).same_setup is same


def test_no_printed_number_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a task that was not run."""
    more = Value("no_nsp", "bert", "squad", "dev", "f1", 87.9)
    monkeypatch.setattr(published, "read", lambda: {"nsp": replace(PAPER, values=(*PAPER.values, more))})
    file = synthetic.sweep(tmp_path)
    found = built(tmp_path, str(file))
    assert found.rows("elsewhere") == [["no_nsp", "87.9"]]


def test_a_row_of_its_papers_own_way_is_marked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "read", lambda: {"nsp": replace(PAPER, as_published=("nsp",))})
    found = built(tmp_path, str(synthetic.sweep(tmp_path)))
    first = {(row[0][0], row[0][1]) for row in found.tables["overview"] if row}
    assert {("nsp", "nsp ◆"), ("no_nsp", "no_nsp")} <= first  # it sorts, and is in the CSV, by its name
    assert "◆: the model as its own paper used it" in "".join(found.words)


@pytest.mark.usefixtures("_paper")
def test_an_experiment_that_two_sweeps_share_is_found_by_both(tmp_path: Path) -> None:
    """Hydra keeps the words of the last command alone."""
    file = synthetic.sweep(tmp_path)
    folders = sorted((tmp_path / "outputs").iterdir())
    (before,) = dashboard.of_file(file, [], dashboard.found.begun(folders))
    for folder in folders:
        kept = folder / ".hydra/overrides.yaml"
        note_command(folder, yaml.safe_load(kept.read_text()))
        note_command(folder, yaml.safe_load(kept.read_text()))
        note_command(folder, ["experiment=another", "data.task=rte"])
        kept.write_text("- experiment=another\n- data.task=rte\n")
        assert len((folder / COMMANDS).read_text().splitlines()) == 2
    with (folders[0] / COMMANDS).open("a") as lines:
        lines.write('["torn')
    (after,) = dashboard.of_file(file, [], dashboard.found.begun(folders))
    assert [one.folder for one in after.finished] == [one.folder for one in before.finished]
    assert after.found.notes == before.found.notes


@pytest.mark.usefixtures("_paper")
def test_a_claim_says_on_which_of_several_texts_it_was_judged(tmp_path: Path) -> None:
    file = synthetic.sweep(tmp_path)
    (told,) = dashboard.of_file(file, [], dashboard.found.begun((tmp_path / "outputs").iterdir()))
    assert ", text " not in told.judgements[0].sentence
    for folder in (tmp_path / "outputs").iterdir():
        record = json.loads((folder / "summary.json").read_text())
        if record["data"].endswith("rte") and record["config"]["pretrain"]["seed"] == 2:
            (folder / "summary.json").write_text(json.dumps({**record, "data_version": "another"}))
    (told,) = dashboard.of_file(file, [], dashboard.found.begun((tmp_path / "outputs").iterdir()))
    runs = {one: len(told.groups["nsp", one].results) for one in told.settings if one.task == "rte"}
    kept = max(runs, key=lambda one: runs[one])
    assert sorted(runs.values()) == [2, 4]
    assert f", {kept.data}, text {kept.version})" in told.judgements[0].sentence
    assert "of 2 encoders" in told.judgements[0].sentence


def test_losses_of_two_kinds_are_not_drawn_together(tmp_path: Path) -> None:
    """One name, one text: a tree's loss beside that of noise words; of these the number in training does not matter."""
    kinds = {}
    for row, loss, negatives in (("ns5", "negative_sampling", 5), ("ns15", "negative_sampling", 15), ("hs", "tree", 5)):
        told = synthetic.record(2.0, metric="val/skip_gram_loss", source="miniature", encoder=0)
        del told["selection"]
        told["config"] |= {"model": {"loss": loss}, "text": {"objective": {"negatives": negatives}}}
        folder = synthetic.run(tmp_path / row, told)
        with (folder / "metrics.csv").open("a") as file:
            file.write("20,0,val/skip_gram_loss,2.0\n")
        ((kinds[row], curve),) = losses(read(folder))
        assert [part.tolist() for part in curve] == [[20.0], [2.0]]
    assert kinds["ns5"] == kinds["ns15"] != kinds["hs"]


@pytest.mark.usefixtures("_paper")
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


def test_an_overridden_axis_of_lists_is_as_the_file_has_it(tmp_path: Path) -> None:
    assert dashboard.value_of("transfer.plug=[input,output]") == "[input,output]"
    assert [dashboard.value_of(f"x={word}") for word in ("3", "0.5", "true", "nsp", "null")] == [
        3,
        0.5,
        True,
        "nsp",
        None,
    ]
    with pytest.raises(Refused, match=r"transfer.plug=\[input is no override"):
        dashboard.value_of("transfer.plug=[input")


def test_folders_without_a_run_are_refused(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    with pytest.raises(Refused, match="None of these folders is a run's"):
        dashboard.compared([str(tmp_path / "sweeps")], tmp_path)


@pytest.mark.usefixtures("_paper")
def test_runs_with_a_further_override_have_a_page_of_their_own_that_says_so(tmp_path: Path) -> None:
    file = synthetic.sweep(tmp_path)
    for folder in (tmp_path / "outputs").iterdir():
        kept = folder / ".hydra/overrides.yaml"
        kept.write_text(kept.read_text() + "- seed=7\n")
    assert "further overrides (seed=7)" in " ".join(built(tmp_path, str(file)).words)
    found = built(tmp_path, str(file), "seed=7", page="nsp-miniature-seed-7")
    assert "(scale=miniature, seed=7)" in " ".join(found.words)
    assert "half-written" not in " ".join(found.words)
    index = Reader((tmp_path / "outputs/dashboard/index.html").read_text())
    links = [told.get("href") for tag, told in index.elements if tag == "a"]
    assert {"nsp-miniature.html", "nsp-miniature-seed-7.html"} <= {*links}  # the one from before is not lost


@pytest.mark.usefixtures("_paper")
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


def test_an_override_that_no_run_could_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HydraException, match="sed"):
        dashboard.compared(["sweeps/nsp.yaml", "sed=7"], tmp_path)


@pytest.mark.usefixtures("_paper")
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
        f"{one.name} has no metrics.csv",
        f"{two.name}: metrics.csv is torn",
        f"{three.name}: validation.tsv is torn",
    ):
        assert told in words
    found = built(tmp_path, str(two), str(three), page="two-runs-miniature")
    assert "Answers of one of them are torn" in " ".join(found.words)
    (one / "summary.json").write_text('{"status')
    assert "No run failed or is missing" not in " ".join(built(tmp_path, str(file)).words)


def test_where_every_run_collapsed_that_comes_first(tmp_path: Path) -> None:
    file = synthetic.sweep(tmp_path, collapsed=True)
    (told,) = dashboard.of_file(file, [], dashboard.found.begun((tmp_path / "outputs").iterdir()))
    assert sweep.lead(told).startswith(f"All {len(told.finished)} finished runs collapsed")


def test_long_names_keep_the_end_that_tells_them_apart() -> None:
    one, other = (f"elmo from pretrain=scale, transfer.layers={layers}" for layers in ("mix/0.1", "last"))
    assert short(one) != short(other)
    assert len(short(one)) == len(short("x" * 90)) == 28
    assert short(one).endswith("layers=mix/0.1")
    assert short("nsp") == "nsp"


def test_where_a_cue_stands_is_a_part_of_the_page_with_its_own_ceilings(tmp_path: Path) -> None:
    places = {"window": 70.0, "left": 51.0, "seen": 60.0, "unseen": 61.0}
    ladder = {f"test_probes/accuracy/{place}": {"frequency": 50.0, "exact": 100.0} for place in ("window", "left")}
    for number in range(2):
        told = synthetic.record(60.5, seed=number, headline={"name": "accuracy", "value": 60.5, "parts": places})
        synthetic.run(tmp_path / "outputs" / f"run-{number}", told | {"card": {"ceilings": ladder}})
    found = built(tmp_path, *map(str, (tmp_path / "outputs").iterdir()), page="runs-miniature")
    (row,) = found.rows("overview")
    assert row[1:4] == ["60.5 ± 0.0", "70.0 ± 0.0", "51.0 ± 0.0"]
    ladders = [name for name in found.tables if name.endswith("-ladder")]
    assert len(ladders) == 2
    tables = [found.rows(name)[0] for name in found.tables if name.endswith("-table")]
    assert [("60.0" in row, "61.0" in row) for row in tables] == [(True, True), (False, False), (False, False)]
