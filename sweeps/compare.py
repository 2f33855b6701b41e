"""Finished runs side by side: mean, spread, and the interval of each difference.

    python -m sweeps.compare outputs/*                       a Markdown table, from the runs' summary.json
    python -m sweeps.compare outputs/* --picture scores.svg  and the same as a picture

Runs that differ in nothing but their seeds are one row. Where a row has several encoders, an encoder is what is drawn
anew, and its fine-tunings count by their mean; else a seed is, and what was run twice counts by its mean. Intervals are
95 % t intervals (of a difference Welch's, which does not assume equal spreads). They cover what was drawn anew and
nothing else: rows that share one encoder say nothing about another pre-training of it.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from statistics import mean, stdev

from datamodules.task import Refused
from sweeps.evidence.intervals import halfwidth, verdict, welch
from sweeps.evidence.picture import draw
from sweeps.evidence.rows import Row, read_records, rows_of
from sweeps.jobs.files import write_lines


def table(rows: Sequence[Row]) -> list[str]:
    """Markdown: a table of rows, then a line for each difference within a data set and metric."""
    lines = ["| data | metric | row | encoders | runs | mean | sd | 95 % | collapsed |"]
    lines.append("|---|---|---|--:|--:|--:|--:|--:|--:|")
    for row in rows:
        spread = f"{stdev(row.scores):.1f}" if len(row.scores) > 1 else "-"
        half = halfwidth(row.scores)
        lines.append(
            f"| {row.data} | {row.metric} | {row.name} [{row.digits}] | {row.encoders or '-'} | {row.runs} "
            f"| {mean(row.scores):.1f} | {spread} | {'-' if half != half else f'±{half:.1f}'} | {row.collapsed} |"
        )
    lines.append("")
    for a, b in combinations(rows, 2):
        if (a.data, a.metric) == (b.data, b.metric) and min(len(a.scores), len(b.scores)) > 1:
            difference, half = welch(a.scores, b.scores)
            bounds = f"(95 %: {difference - half:+.1f} to {difference + half:+.1f})"
            told = f"{a.data}, {a.metric}: [{b.digits}] - [{a.digits}] = {difference:+.1f} {bounds}"
            alone = ", of one encoder" if 1 in (a.encoders, b.encoders) else ""
            lines.append(f"{told}: {verdict(difference, half)}{alone}")
    return [*lines, *dict.fromkeys(line for row in rows for line in row.ladders)]


def report(folders: Sequence[str], file: Path) -> list[str]:
    """Leave the comparison of finished transfers as <file>.md and .svg; returns its lines, none without transfers."""
    try:
        rows = rows_of(read_records(folders))
    except Refused:
        return []
    lines = table(rows)
    write_lines(file.with_suffix(".md"), lines)
    draw(rows, file.with_suffix(".svg"))
    return [*lines, f"comparison: {file.with_suffix('.md')}, {file.with_suffix('.svg')}"]


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m sweeps.compare", description="Finished runs side by side.")
    parser.add_argument("folders", nargs="+", help="folders of runs: outputs/*")
    parser.add_argument("--picture", type=Path, metavar="FILE", help="draw it too: .svg, .png or .pdf")
    told = parser.parse_args(words)
    rows = rows_of(read_records(told.folders))
    print("\n".join(table(rows)))
    if told.picture:
        draw(rows, told.picture)
        print(f"picture: {told.picture}")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except Refused as error:
        sys.exit(f"error: {error}")
