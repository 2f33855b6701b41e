"""The dashboard's pages from records of known content: what their tables hold, and that nothing else can get in."""

import json
import re
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from types import SimpleNamespace
from typing import Any, cast

import pytest

import sweeps.dashboard as dashboard
from datamodules.task import Refused
from sweeps.evidence import published
from sweeps.evidence.published import Value
from sweeps.evidence.results import read
from sweeps.evidence.wanted import begun
from sweeps.pages import overview, sweep
from sweeps.pages.curves import losses
from sweeps.pages.figures import short
from sweeps.pages.html import in_script
from tests import synthetic
from tests.pages import PAPER, built, paper

__all__ = ["paper"]  # a fixture
EVIL = "</script><img src=x onerror=alert(1)>\"'&"


@pytest.mark.usefixtures("paper")
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


@pytest.mark.usefixtures("paper")
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


@pytest.mark.usefixtures("paper")
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


@pytest.mark.usefixtures("paper")
def test_text_csv_and_latex_print_the_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = synthetic.sweep(tmp_path)
    for way, told in (("--text", "│ no_nsp"), ("--csv", "\nno_nsp,"), ("--latex", "no\\_nsp & ")):
        dashboard.main([str(file), way, "--runs", str(tmp_path / "outputs")])
        out = capsys.readouterr().out
        assert told in out
        assert "84.9" not in out
        assert "88.4" in out
    assert not (tmp_path / "outputs/dashboard").exists()


@pytest.mark.usefixtures("paper")
def test_a_launcher_ends_with_what_the_page_says(tmp_path: Path) -> None:
    """In Markdown, of the runs that it names and no others."""
    file = synthetic.sweep(tmp_path)
    folders = sorted((tmp_path / "outputs").iterdir())
    (told,) = dashboard.of_file(file, [], begun(folders))
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
        monkeypatch.setattr(overview, "cost_of", lambda told, row, key, size, f=flops: f if row == "dear" else None)
        assert overview.flops_unit(cast(Any, told)) == (unit, overview.FLOPS[unit])


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboard, "find_spec", lambda name: None)
    with pytest.raises(Refused, match=r"plotly is not installed: .*\[dashboard\]"):
        dashboard.main(["all"])


@pytest.mark.usefixtures("paper")
def test_the_report_of_wandb_has_the_page_and_its_panels(tmp_path: Path) -> None:
    pytest.importorskip("wandb_workspaces")
    from sweeps.pages import online, sweep
    from sweeps.pages.links import Links

    file = synthetic.sweep(tmp_path)
    (told,) = dashboard.of_file(file, [], begun((tmp_path / "outputs").iterdir()))
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
    names = [result.name for result in told.finished]
    assert f"SummaryMetric('name') in {sorted(names)}" in online.chosen(replace(told, overrides=("seed=7",)))
    workspace = json.loads(online.workspace(told, page, "me", "ours")._to_model().model_dump_json(by_alias=True))
    sections = workspace["spec"]["section"]["panelBankConfig"]["sections"]
    assert [section["name"] for section in sections] == ["cola", "rte"]


def test_before_anything_has_run_the_papers_stand_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "read", lambda: {"nsp": PAPER})
    file = synthetic.sweep(tmp_path, lacking=24)
    (tmp_path / "outputs").mkdir()
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


@pytest.mark.parametrize(("differs", "same"), [({}, True), ({"bert": "another text"}, False)])
def test_a_claim_without_printed_numbers_has_its_papers_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, differs: dict[str, str], same: bool
) -> None:
    paper = replace(PAPER, values=(), differs=differs)
    monkeypatch.setattr(published, "read", lambda: {"nsp": paper})
    file = synthetic.sweep(tmp_path, source="hub", scale="paper")
    (told,) = dashboard.of_file(file, [], begun((tmp_path / "outputs").iterdir()))
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


@pytest.mark.usefixtures("paper")
def test_a_claim_says_on_which_of_several_texts_it_was_judged(tmp_path: Path) -> None:
    file = synthetic.sweep(tmp_path)
    (told,) = dashboard.of_file(file, [], begun((tmp_path / "outputs").iterdir()))
    assert ", text " not in told.judgements[0].sentence
    for folder in (tmp_path / "outputs").iterdir():
        record = json.loads((folder / "summary.json").read_text())
        if record["data"].endswith("rte") and record["config"]["pretrain"]["seed"] == 2:
            (folder / "summary.json").write_text(json.dumps({**record, "data_version": "another"}))
    (told,) = dashboard.of_file(file, [], begun((tmp_path / "outputs").iterdir()))
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


def test_where_every_run_collapsed_that_comes_first(tmp_path: Path) -> None:
    file = synthetic.sweep(tmp_path, collapsed=True)
    (told,) = dashboard.of_file(file, [], begun((tmp_path / "outputs").iterdir()))
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
