"""What a page's parts are written as: nothing that a reader needs is lost on the way."""

import csv
import re
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import pytest

import sweeps.dashboard as dashboard
from sweeps.evidence import published
from sweeps.evidence.published import Value
from sweeps.evidence.wanted import begun
from sweeps.pages import sweep, writing
from sweeps.pages.blocks import Cell, Page, Table, number
from sweeps.pages.overview import overview
from tests import synthetic
from tests.pages import PAPER, built, paper

__all__ = ["paper"]  # a fixture


def test_no_name_is_cut_in_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Rows may differ in the last of their letters."""
    pytest.importorskip("rich")
    names = [f"masked_lm_of_long_name_{share}" for share in (0.05, 0.1)]
    columns = ("row", *(f"pre-training device-seconds-{number}" for number in range(11)))
    rows = tuple((Cell(name), *[Cell("12345.6")] * 11) for name in names)
    writing.show([Page("page", "A page", "", [Table("wide", "Wide", columns, rows)])])
    out = capsys.readouterr().out
    assert "…" not in out
    first = "".join(re.findall(r"^[│┃] *([^ │┃]*) *[│┃]", out, re.MULTILINE))
    assert first == f"row{''.join(names)}"


def test_two_papers_numbers_are_told_apart_and_stand_in_the_csv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    papers = {**PAPER.papers, "roberta": "Liu et al. 2019, Table 2"}
    two = replace(PAPER, papers=papers, values=(*PAPER.values, Value("nsp", "roberta", "rte", "dev", "accuracy", 84.0)))
    monkeypatch.setattr(published, "read", lambda: {"nsp": two})
    file = synthetic.sweep(tmp_path)
    found = built(tmp_path, str(file))
    (row,) = [row for row in found.rows("overview") if row[0] == "nsp"]
    assert row[2].endswith(" [88.4 Devlin 2019, 84.0 Liu 2019]")
    (told,) = dashboard.of_file(file, [], begun((tmp_path / "outputs").iterdir()))
    (rte,) = [setting for setting in told.settings if setting.task == "rte"]
    means = told.groups["nsp", rte].replicates
    for text in (
        (tmp_path / "outputs/dashboard/nsp-miniature-data/overview.csv").read_text(),
        writing.csv_of(overview(told)),
    ):
        first, second = csv.DictReader(text.splitlines())
        assert (float(first["rte"]), float(first["rte sd"])) == pytest.approx((fmean(means), stdev(means)))
        assert (first["rte (bert, dev)"], first["rte (roberta, dev)"]) == ("88.4", "84.0")
        assert (second["row"], second["rte (bert, dev)"]) == ("no_nsp", "")


def test_one_run_is_no_runs(tmp_path: Path) -> None:
    one = synthetic.run(tmp_path / "outputs/one", synthetic.record(60.0, collapsed=True))
    found, first = (built(tmp_path, str(one), page=page) for page in ("runs-miniature", "index"))
    words = " ".join([*found.words, *first.words])
    assert "1 run (scale=miniature)" in found.words
    assert "The one finished run collapsed: it gives every example one label, and tells no row apart." in words
    assert "1 of 1 comparison has results; 1 run has finished." in first.words
    assert not re.search(r"\b1 (?:\w+ )?(?:runs|comparisons)\b", words)


@pytest.mark.usefixtures("paper")
def test_a_run_outside_the_table_is_counted_as_one(tmp_path: Path) -> None:
    file = synthetic.sweep(tmp_path, effect=0.0)
    (told,) = dashboard.of_file(file, [], begun((tmp_path / "outputs").iterdir()))
    opened = {many: sweep.opening(replace(told, others=told.finished[:many])) for many in (1, 2)}
    texts = {many: " ".join(getattr(block, "text", "") for block in blocks) for many, blocks in opened.items()}
    assert "1 run belongs to no row of this table; it stands in the list of all runs." in texts[1]
    assert "2 runs belong to no row of this table; they stand in the list of all runs." in texts[2]
    assert "the one whose interval is nearest to excluding zero is no_nsp on " in sweep.lead(told)


def test_what_rounds_to_zero_is_no_less() -> None:
    assert [number(value).text for value in (-0.04, -0.0, 0.04, -0.06)] == ["0.0", "0.0", "0.0", "−0.1"]


@pytest.mark.parametrize(("rows", "colours"), [(7, 7), (16, 1)])
def test_every_bar_has_a_name_and_no_two_share_one_of_the_curves_colours(
    tmp_path: Path, rows: int, colours: int
) -> None:
    """Bars lie, and the figure is as high as they need: a name under a bar has no room, and Plotly leaves some out."""
    for way in range(rows):
        told = synthetic.record(60.0, config={"text": {"objective": {"masking": f"way {way}"}}})
        synthetic.run(tmp_path / f"outputs/run-{way}", told)
    found = built(tmp_path, *map(str, (tmp_path / "outputs").iterdir()), page="runs-miniature")
    (figure,) = [figure for name, figure in found.figures.items() if name.endswith("-scores")]
    bars, axis = figure["data"][0], figure["layout"]["yaxis"]
    assert bars["orientation"] == "h"
    assert len(set(axis["ticktext"])) == len(axis["tickvals"]) == rows
    assert set(axis["tickvals"]) == set(bars["y"])
    assert len(set(bars["marker"]["color"])) == colours
    height = figure["layout"]["height"]
    assert height / rows > 20
    assert ("div", f"height: {height}px") in [(tag, told.get("style")) for tag, told in found.elements]


def test_two_runs_keep_their_order_and_their_many_examples_are_folded(tmp_path: Path) -> None:
    """Labels by their names, and what differs in the settings before a thousand lines."""
    folders = [
        synthetic.run(tmp_path / f"outputs/{name}", synthetic.record(score, seed=seed), examples=1000)
        for seed, (name, score) in enumerate((("later", 60.0), ("earlier", 80.0)))
    ]
    found = built(tmp_path, *map(str, folders), page="two-runs-miniature")
    assert "later beside earlier" in found.words
    assert any(words.startswith("later has 60.0, earlier 80.0: +20.0 (accuracy") for words in found.words)
    assert list(found.tables)[-1] == "pair-examples"
    rows = found.rows("pair-examples")
    assert len(rows) == 200
    assert {tuple(row[1:]) for row in rows} == {("a", "b", "a", "second"), ("b", "a", "b", "second")}
    assert "200 rows" in found.words
    assert [told for tag, told in found.elements if tag == "details"] == [{}]  # not open
