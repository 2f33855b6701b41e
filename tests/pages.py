"""Pages as a browser takes them, of a paper whose numbers are known."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

import sweeps.dashboard as dashboard
from sweeps.evidence import published
from sweeps.evidence.published import Claim, Published, Row, Value

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
        self.heads: list[list[str]] = []  # of each table
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
            self.heads.append([])
        elif tag == "tr" and self._section in self.tables:
            self.tables[self._section].append([])
        elif tag == "td":
            self.tables[self._section][-1].append((told["data-v"] or "", ""))
            self._cell = "td"
        elif tag == "th":
            self._cell = "th"
        elif tag == "script":
            self._script = told

    def handle_endtag(self, tag: str) -> None:
        self._cell = "" if tag in ("td", "th") else self._cell
        self._script = None if tag == "script" else self._script

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            if self._script.get("type") == "application/json":
                self.figures[self._section] = json.loads(data)
            return
        if self._cell == "th":
            self.heads[-1].append(data)
        elif self._cell:
            value, text = self.tables[self._section][-1][-1]
            self.tables[self._section][-1][-1] = (value, text + data)
        self.words.append(data)

    def rows(self, name: str) -> list[list[str]]:
        return [[text for _, text in row] for row in self.tables[name] if row]


@pytest.fixture
def paper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "read", lambda: {"nsp": PAPER})


def built(root: Path, *words: str, page: str = "nsp-miniature") -> Reader:
    """The page that the command writes."""
    dashboard.main([*words, "--runs", str(root / "outputs")])
    return Reader((root / "outputs/dashboard" / f"{page}.html").read_text(encoding="utf-8"))
