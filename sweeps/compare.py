"""Finished runs side by side: mean, spread over seeds, and the interval of each difference.

    python -m sweeps.compare outputs/*          a Markdown table, from the runs' summary.json

Runs that differ in nothing but their seed are one row. A row's interval and a difference's are 95 % t intervals (for a
difference Welch's, which does not assume equal spreads). They cover the seeds that were run and nothing else: rows that
share one encoder say nothing about another pre-training of it.
"""

import json
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from statistics import mean, stdev

from scipy.stats import t as student

from datamodules.task import Refused, fingerprint
from sweeps.runs import DEVICES, ELSEWHERE, WORKPLACE


def read_records(folders: Iterable[str]) -> list[dict]:
    """The records of finished transfer runs; other folders are passed over.

    Raises:
        Refused: when there is none.
    """
    files = [Path(folder) / "summary.json" for folder in folders]
    records = [json.loads(file.read_text()) for file in files if file.is_file()]
    records = [record for record in records if "selection" in record]
    if not records:
        raise Refused("none of these folders holds the summary.json of a finished transfer run.")
    return records


def row_key(record: dict) -> tuple[str, str, str]:
    """What makes runs one row: the data, and everything but the seed, in words and as digits."""
    config = {key: value for key, value in record["config"].items() if key not in ("seed", *ELSEWHERE)}
    for node, without in (("data", ("seed", *WORKPLACE)), ("trainer", DEVICES)):
        config[node] = {key: value for key, value in config.get(node, {}).items() if key not in without}
    origin = record["start"] if record["start"] == "scratch" else record["encoder_fingerprint"] or record["start"]
    return record["data"], f"{record['model']} from {origin}, {record['selection']}", fingerprint(config, 4)


def halfwidth(scores: Sequence[float]) -> float:
    """Of the 95 % t interval of the mean; nan below two scores."""
    if len(scores) < 2:
        return float("nan")
    return float(student.ppf(0.975, len(scores) - 1)) * stdev(scores) / len(scores) ** 0.5


def welch(a: Sequence[float], b: Sequence[float]) -> tuple[float, float]:
    """mean(b) - mean(a), and the half-width of its 95 % interval (Welch 1947); nan below two scores on a side."""
    difference = mean(b) - mean(a)
    if len(a) < 2 or len(b) < 2:
        return difference, float("nan")
    parts = [stdev(scores) ** 2 / len(scores) for scores in (a, b)]
    if sum(parts) == 0:
        return difference, 0.0
    freedom = sum(parts) ** 2 / sum(part**2 / (len(s) - 1) for part, s in zip(parts, (a, b), strict=True))
    return difference, float(student.ppf(0.975, freedom)) * sum(parts) ** 0.5


def verdict(difference: float, half: float) -> str:
    """Whether the interval holds zero."""
    if half != half:  # nan: too few seeds
        return "too few seeds to say"
    return "the interval holds zero: no difference shown" if abs(difference) <= half else "the interval excludes zero"


def table(records: Sequence[dict]) -> list[str]:
    """Markdown: a table of rows, then a line for each difference within a data set."""
    rows: dict[tuple[str, str, str], list[dict]] = defaultdict(list)
    for record in records:
        rows[row_key(record)].append(record)
    lines = ["| data | metric | row | seeds | mean | sd | 95 % | collapsed |", "|---|---|---|--:|--:|--:|--:|--:|"]
    scores = {key: [record["headline"]["value"] for record in group] for key, group in sorted(rows.items())}
    for key, values in scores.items():
        group = rows[key]
        spread = f"{stdev(values):.1f}" if len(values) > 1 else "-"
        collapsed = sum(bool(record["collapsed"]) for record in group)
        lines.append(
            f"| {key[0]} | {group[0]['headline']['name']} | {key[1]} [{key[2]}] | {len(values)} | {mean(values):.1f} "
            f"| {spread} | ±{halfwidth(values):.1f} | {collapsed} |"
        )
    lines.append("")
    for a, b in combinations(scores, 2):
        if a[0] == b[0]:
            difference, half = welch(scores[a], scores[b])
            low, high = difference - half, difference + half
            lines.append(
                f"{a[0]}: [{b[2]}] - [{a[2]}] = {difference:+.1f} (95 %: {low:+.1f} to {high:+.1f}): "
                f"{verdict(difference, half)}"
            )
    return lines


if __name__ == "__main__":
    try:
        print("\n".join(table(read_records(sys.argv[1:]))))
    except Refused as error:
        sys.exit(f"error: {error}")
