"""A folder of pages: it opens from disk, and everything that it needs is in it."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sweeps.jobs.files import write_text
from sweeps.pages import html, writing
from sweeps.pages.blocks import Heading, Page, Words

NAME = "Side by Side"
INDEX, DATE = "index", "%Y-%m-%d %H:%M"
BESIDE = ("page.css", "page.js")


def write(pages: Sequence[Page], folder: Path) -> None:
    """Write every page, the data of its tables and figures as CSV, and the scripts that they share."""
    now = time.strftime(DATE)
    for page in (
        with_others(page, folder, {one.name for one in pages}) if page.name == INDEX else page for page in pages
    ):
        data = folder / f"{page.name}-data"
        for block in (*page.tables, *page.figures):
            write_text(data / f"{block.name}.csv", writing.csv_of(block))
        write_text(folder / f"{page.name}.html", html.page(page, NAME, now))
    if any(page.figures for page in pages):
        write_script(folder / "plotly.min.js")
    for name in BESIDE:
        write_text(folder / name, Path(__file__).with_name(name).read_text(encoding="utf-8"))


def with_others(index: Page, folder: Path, names: set[str]) -> Page:
    """The first page with links to those that an earlier command has left, so that none is lost from sight."""
    others = sorted(file for file in folder.glob("*.html") if file.stem not in names and is_ours(file))
    if not others:
        return index
    links = [
        Words(f"{one.stem}, of {time.strftime(DATE, time.localtime(one.stat().st_mtime))}", link=one.name)
        for one in others
    ]
    return replace(index, blocks=[*index.blocks, Heading("Written before, and not now", "before"), *links])


def is_ours(file: Path) -> bool:
    """Whether a page was written here, and not by somebody else into the same folder."""
    with file.open(encoding="utf-8", errors="replace") as text:
        return html.safe(html.POLICY) in text.read(1000)


def write_script(file: Path) -> None:
    """Plotly's script, once for all pages."""
    from plotly.offline import get_plotlyjs

    script = get_plotlyjs()
    if not file.is_file() or file.stat().st_size != len(script.encode()):
        write_text(file, script)
