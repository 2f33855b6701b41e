"""A folder of pages: it opens from disk, and everything that it needs is in it."""

from collections.abc import Sequence
from pathlib import Path

from sweeps.files import write_text
from sweeps.pages import html, writing
from sweeps.pages.blocks import Page

NAME = "Side by Side"
BESIDE = ("page.css", "page.js")


def write(pages: Sequence[Page], folder: Path) -> None:
    """Write every page, the data of its tables and figures as CSV, and the scripts that they share."""
    for page in pages:
        data = folder / f"{page.name}-data"
        for block in (*page.tables, *page.figures):
            write_text(data / f"{block.name}.csv", writing.csv_of(block))
        write_text(folder / f"{page.name}.html", html.page(page, NAME))
    if any(page.figures for page in pages):
        write_script(folder / "plotly.min.js")
    for name in BESIDE:
        write_text(folder / name, Path(__file__).with_name(name).read_text(encoding="utf-8"))


def write_script(file: Path) -> None:
    """Plotly's script, once for all pages."""
    from plotly.offline import get_plotlyjs

    script = get_plotlyjs()
    if not file.is_file() or file.stat().st_size != len(script.encode()):
        write_text(file, script)
