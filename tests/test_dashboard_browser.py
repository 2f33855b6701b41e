"""The dashboard's pages in a browser, from disk: they are drawn, they sort, they ask no network, they fit."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import sweeps.dashboard as dashboard
from sweeps.evidence import published
from tests import synthetic

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
# What a reader would do and see, told as JSON in an element of its own.
PROBE = """
"use strict";
window.addEventListener("load", () => setTimeout(() => {
  const column = (table, number) => [...table.tBodies[0].rows].map((row) => row.cells[number].dataset.v);
  const table = document.querySelector("#runs table"), sorted = {};
  if (table) for (const name of ["score", "run"]) {
    const button = [...table.querySelectorAll("th button")].find((one) => one.textContent === name);
    button.click();
    sorted[name] = column(table, button.parentElement.cellIndex);
    button.click();
    sorted[name + " down"] = column(table, button.parentElement.cellIndex);
  }
  const told = document.createElement("pre");
  told.id = "told";
  told.textContent = JSON.stringify({
    sorted, places: document.querySelectorAll(".plot").length,
    drawn: [...document.querySelectorAll(".plot")].filter((one) => one.querySelector(".main-svg .trace, .hm")).length,
    asked: performance.getEntriesByType("resource").map((one) => one.name),
    too_wide: document.documentElement.scrollWidth - document.documentElement.clientWidth,
    colour: getComputedStyle(document.body).backgroundColor,
    axis: getComputedStyle(document.querySelector(".xtitle") ?? document.body).fill });
  document.body.append(told);
}, 3000));
"""


def seen(page: Path, width: int = 1280, dark: bool = False) -> dict[str, Any]:
    """What the probe tells of a page; a word on the browser's console is a failure."""
    (page.parent / "probe.js").write_text(PROBE)
    probed = page.with_name("probed.html")
    probed.write_text(page.read_text(encoding="utf-8").replace("</body>", '<script src="probe.js"></script></body>'))
    assert BROWSER
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=20000"]
    flags += [f"--user-data-dir={page.parent / 'profile'}", f"--window-size={width},9000", "--dump-dom"]
    flags += ["--blink-settings=preferredColorScheme=0"] if dark else []
    done = subprocess.run([BROWSER, *flags, probed.as_uri()], capture_output=True, text=True, timeout=120)
    assert "CONSOLE" not in done.stderr, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    text = done.stdout.partition('<pre id="told">')[2].partition("</pre>")[0]
    return json.loads(text.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))


def check(told: dict[str, Any], folder: Path) -> None:
    """Every figure is drawn, nothing comes from elsewhere, nothing sticks out."""
    assert told["drawn"] == told["places"]
    assert all(name.startswith((folder.as_uri(), "data:")) for name in told["asked"])
    assert told["too_wide"] <= 0


def test_a_page_is_drawn_and_sorts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "read", lambda: {})
    file = synthetic.sweep(tmp_path, lacking=2, mix={"input": {"weights": [0.2, 0.5, 0.3], "gamma": 1.0}})
    dashboard.main([str(file), "--runs", str(tmp_path / "outputs")])
    site = tmp_path / "outputs/dashboard"
    told = seen(site / "nsp-miniature.html")
    check(told, site)
    assert told["places"] == 8
    scores = [float(value) for value in told["sorted"]["score"] if value != "–"]
    assert scores == sorted(scores)
    assert len(scores) == 22
    assert told["sorted"]["score"][-2:] == ["–", "–"]  # points without a run
    assert [float(value) for value in told["sorted"]["score down"][2:]] == scores[::-1]
    assert told["sorted"]["run"] == sorted(told["sorted"]["run"])


@pytest.mark.slow
@pytest.mark.parametrize("dark", [False, True])
def test_every_page_fits_in_light_and_dark(tmp_path: Path, dark: bool) -> None:
    synthetic.sweep(tmp_path, name="a " * 40, mix={"input": {"weights": [0.2, 0.5, 0.3], "gamma": 1.0}})
    folders = sorted(str(folder) for folder in (tmp_path / "outputs").iterdir())
    dashboard.main([*folders[::20], "--runs", str(tmp_path / "outputs")])
    site = tmp_path / "outputs/dashboard"
    pages = sorted(site.glob("*.html"))
    assert {page.stem for page in pages} == {"index", "runs-miniature", "two-runs-miniature"}
    for page in pages:
        for width in (500, 1280):
            told = seen(page, width, dark)
            check(told, site)
            red = int(told["colour"].removeprefix("rgb(").partition(",")[0])
            assert (red < 100) is dark
