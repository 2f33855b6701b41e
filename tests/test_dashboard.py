"""The dashboard's pages from records of known content: what their tables hold, and that nothing else can get in."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

import sweeps.dashboard as dashboard
from datamodules.task import Refused
from sweeps import published
from sweeps.published import Claim, Published, Row, Value
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
    assert table["nsp"][1] == ("88.4", "88.4")
    assert table["nsp"][7][1] == "2"  # not run
    assert any("22 of 24" in words for words in found.words)
    assert re.search(r"small generated world", " ".join(found.words))


def test_what_goes_with_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="nowhere"):
        dashboard.main([str(tmp_path / "nowhere")])
    with pytest.raises(Refused, match="overrides"):
        dashboard.main([str(tmp_path), "seed=3"])
