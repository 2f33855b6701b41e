"""Pages as HTML that opens from disk and asks no network for anything.

Every word that comes from a run is text here, whatever stands in it: it is escaped in HTML, and in the JSON of a figure
no character is left that could end its element.
"""

import json
from collections.abc import Mapping
from typing import Any

from sweeps.pages.blocks import Block, Cell, Figure, Heading, Page, Points, Table, Words
from sweeps.showing.mistakes import safe

POLICY = (
    "default-src 'none'; script-src 'self' file:; style-src 'self' file: 'unsafe-inline'; img-src 'self' data: blob:"
)
PLOTLY = '<script defer src="plotly.min.js"></script>\n'
LONG = 6  # lines of a list that are shown unfolded
LONG_CELL = 60  # characters of a place in a table that needs room to be read


def page(content: Page, site: str, written: str) -> str:
    """The whole file; `site` is what all pages belong to, `written` when."""
    parts = [block for block in content.blocks if isinstance(block, Heading)]
    jumps = "".join(f'<a href="#{safe(part.anchor)}">{safe(part.text)}</a>' for part in parts)
    home = "" if content.name == "index" else f'<a class="home" href="index.html">{safe(site)}</a>'
    body = "\n".join(html(block, f"{content.name}-data") for block in content.blocks)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{safe(POLICY)}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f'<title>{safe(content.title)}</title>\n<link rel="icon" href="data:,">\n'
        f'<link rel="stylesheet" href="page.css">\n{PLOTLY if content.figures else ""}'
        '<script defer src="page.js"></script>\n</head>\n<body>\n'
        f"<header>{home}<h1>{safe(content.title)}</h1>\n"
        f'<p class="lead">{safe(content.lead)}</p>{f"<nav>{jumps}</nav>" if len(parts) > 1 else ""}</header>\n'
        f"<main>\n{body}\n</main>\n<footer>Written {safe(written)}.</footer>\n</body>\n</html>\n"
    )


def html(block: Block, folder: str) -> str:
    """One block; its CSV is in `folder`."""
    match block:
        case Heading():
            return f'<h2 id="{safe(block.anchor)}">{safe(block.text)}</h2>'
        case Words():
            inner = f'<a href="{safe(block.link)}">{safe(block.text)}</a>' if block.link else safe(block.text)
            return f'<p class="{safe(block.kind)}">{inner}</p>'
        case Points():
            return points(block)
        case Table():
            return table(block, folder)
        case Figure():
            return figure(block, folder)


def points(block: Points) -> str:
    """A list; a long one is folded."""
    lines = "".join(f"<li>{safe(line)}</li>" for line in block.lines)
    is_open = "" if len(block.lines) > LONG else " open"
    return f'<details class="points"{is_open}><summary>{safe(block.title)}</summary><ul>{lines}</ul></details>'


def table(block: Table, folder: str) -> str:
    """Columns sort by a click on their names; one that is folded opens by a click on their number."""
    head = "".join(
        f'<th scope="col"{" class=number" * (i in block.numeric)}><button type="button">{safe(name)}</button></th>'
        for i, name in enumerate(block.columns)
    )
    rows = "\n".join(
        "<tr>" + "".join(cell(one, i in block.numeric) for i, one in enumerate(row)) + "</tr>" for row in block.rows
    )
    whole = f'<div class="scroll"><table><thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>'
    if block.folded:
        whole = f"<details><summary>{len(block.rows):,} rows</summary>\n{whole}</details>"
    return (
        f'<section class="table" id="{safe(block.name)}"><h3>{safe(block.title)}</h3>\n{whole}\n'
        f"{caption(block, folder, 'p')}</section>"
    )


def cell(one: Cell, is_number: bool) -> str:
    """One place; `data-v` is what it sorts by."""
    kinds = " ".join(kind for kind in ("number" * is_number, "long" * (len(one.text) > LONG_CELL), one.kind) if kind)
    about = f' class="{safe(kinds)}"' if kinds else ""
    about += f' title="{safe(one.note)}"' if one.note else ""
    text = f'<a href="{safe(one.link)}">{safe(one.text)}</a>' if one.link else safe(one.text)
    return f'<td data-v="{safe(str(one.key))}"{about}>{text}</td>'


def figure(block: Figure, folder: str) -> str:
    """Its place, and its data as JSON; page.js draws it when it comes into sight."""
    described = {"data": list(block.traces), "layout": dict(block.layout)}
    tall = f' style="height: {int(block.layout["height"])}px"' if "height" in block.layout else ""
    return (
        f'<figure id="{safe(block.name)}"><h3>{safe(block.title)}</h3>\n'
        f'<div class="plot"{tall} role="img" aria-label="{safe(block.title)}. {safe(block.caption)}"></div>\n'
        f'<script type="application/json">{in_script(described)}</script>\n'
        f"{caption(block, folder, 'figcaption')}</figure>"
    )


def caption(block: Table | Figure, folder: str, element: str) -> str:
    """What is seen, and where its data are."""
    data = f'<a href="{safe(folder)}/{safe(block.name)}.csv">CSV</a>'
    return f'<{element} class="caption">{safe(block.caption)} {data}</{element}>'


def in_script(content: Mapping[str, Any]) -> str:
    """JSON that no browser can take for the end of its element."""
    text = json.dumps(content, separators=(",", ":"), allow_nan=False)
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")
