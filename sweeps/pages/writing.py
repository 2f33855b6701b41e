"""Tables in a terminal, as CSV and as LaTeX; figures' data as CSV."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sweeps.pages.blocks import Figure, Page, Points, Table, Words

LATEX = {
    "\\": r"\textbackslash{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\N{MINUS SIGN}": "$-$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "–": "--",
    "◆": r"$\diamond$",
}
WIDEST = 120  # characters of a line at least: a narrower terminal breaks it, and no column becomes unreadable
WIDE_CELL = 40  # characters of a place that LaTeX does not break
FORMULA = "=+-@\t\r"  # a spreadsheet would compute what begins so


def csv_of(block: Table | Figure) -> str:
    """The values behind a table or a figure."""
    if isinstance(block, Table):
        shown = [[one.key for one in row] for row in block.rows]
        return csv_lines(block.head or block.columns, block.data or shown)
    return csv_lines(block.head, block.rows)


def csv_lines(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Text that begins as a formula gets an apostrophe, as spreadsheets have it."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(map(harmless, head))
    writer.writerows(map(harmless, row) for row in rows)
    return written.getvalue()


def harmless(value: Any) -> Any:
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return ""  # a place without a number
    return f"'{value}" if isinstance(value, str) and value[:1] in tuple(FORMULA) else value


def latex(table: Table) -> str:
    """A table for booktabs."""
    table = narrowed(table)
    columns = "".join(latex_column(table, i) for i in range(len(table.columns)))
    head = " & ".join(map(escaped, table.columns))
    rows = "\n".join(" & ".join(escaped(one.text) for one in row) + r" \\" for row in table.rows)
    caption = f"{escaped(table.title)}. {escaped(table.caption)}"
    return (
        f"\\begin{{table}}\n\\centering\n\\begin{{tabular}}{{{columns}}}\n\\toprule\n{head} \\\\\n\\midrule\n{rows}\n"
        f"\\bottomrule\n\\end{{tabular}}\n\\caption{{{caption}}}\n"
        f"\\label{{tab:{table.name}}}\n\\end{{table}}\n"
    )


def latex_column(table: Table, i: int) -> str:
    """How a column stands; a paragraph where somebody has to be able to read it."""
    widest = max((len(row[i].text) for row in table.rows), default=0)
    return "r" if i in table.numeric else "l" if widest <= WIDE_CELL else r"p{0.3\linewidth}"


def markdown(table: Table) -> str:
    """A table as W&B's reports and others read it."""
    align = ["--:" if i in table.numeric else "---" for i in range(len(table.columns))]
    rows = [[one.text for one in row] for row in table.rows]
    return "\n".join(f"| {' | '.join(map(in_markdown, row))} |" for row in (table.columns, align, *rows))


def in_markdown(words: str) -> str:
    """Text that ends no cell and is no element."""
    return words.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def escaped(words: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(LATEX.get(sign, sign) for sign in words)


def show(pages: Sequence[Page]) -> None:
    """Leads, sentences and tables in the terminal."""
    from rich.console import Console
    from rich.table import Table as Rich
    from rich.text import Text

    console = Console(width=max(WIDEST, Console().width))
    for page in pages:
        console.print(Text(page.title, style="bold"))
        console.print(Text(page.lead))
        for block in page.blocks:
            if isinstance(block, Words) and not block.link:
                console.print(Text(block.text, style="yellow" if block.kind == "banner" else "dim"))
            elif isinstance(block, Points):
                console.print(Text("\n".join([block.title, *(f"  {line}" for line in block.lines)])))
            elif isinstance(block, Table) and block.name != "runs":
                console.print(drawn(block, Rich, Text))


def plain(page: Page) -> list[str]:
    """The same in Markdown, for where there is no rich."""
    lines = [page.title, page.lead]
    for block in page.blocks:
        if isinstance(block, Words) and not block.link:
            lines += ["", block.text]
        elif isinstance(block, Points):
            lines += ["", block.title, *(f"- {line}" for line in block.lines)]
        elif isinstance(block, Table) and block.name != "runs":
            lines += ["", f"{block.title}:", "", markdown(narrowed(block))]
    return lines


def narrowed(table: Table) -> Table:
    """A table less the columns that say nothing."""
    told = [i for i in range(len(table.columns)) if {row[i].text for row in table.rows} - {"–", "0"} or not table.rows]
    return replace(
        table,
        columns=tuple(table.columns[i] for i in told),
        rows=tuple(tuple(row[i] for i in told) for row in table.rows),
        numeric=frozenset(place for place, i in enumerate(told) if i in table.numeric),
    )


def drawn(table: Table, rich: Any, text: Any) -> Any:
    """A table as rich has it: no cell is read as its markup, and none is cut, for its end may tell it from others."""
    one, table = rich(title=text(table.title), title_justify="left"), narrowed(table)
    for i, column in enumerate(table.columns):
        one.add_column(text(column), justify="right" if i in table.numeric else "left", overflow="fold")
    for row in table.rows:
        one.add_row(*(text(cell.text) for cell in row))
    return one
