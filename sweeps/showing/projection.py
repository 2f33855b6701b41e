"""Words as points in the plane, those of a group in one colour; every point has its word beside it."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

SIZE, DPI = (10.0, 7.5), 120  # inches
LETTER, HEIGHT, GAP = 0.068, 0.15, 0.07  # inches: of a label's letter, its line, between it and its point
# Told apart by all, in print too (Okabe and Ito), and by their marks.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8b6914")
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1))  # where a label may stand, best first


def draw(places: np.ndarray, shares: Sequence[float], words: Sequence[str], groups: Sequence[str], file: Path) -> None:
    """A picture of words.

    Args:
        places: (n, 2).
        shares: of all variance, along either axis.
        words, groups: (n,) of each point.
    """
    from matplotlib.figure import Figure  # without pyplot, which takes a second and the process's one backend

    figure = Figure(figsize=SIZE, dpi=DPI)
    axis: Any = figure.add_axes((0.07, 0.08, 0.76, 0.86))
    names = list(dict.fromkeys(groups))
    for number, name in enumerate(names):
        own = places[[group == name for group in groups]]
        look = {"color": COLOURS[number % len(COLOURS)], "marker": MARKS[number % len(MARKS)]}
        axis.scatter(own[:, 0], own[:, 1], s=26, label=name, linewidths=0, **look)
    axis.margins(0.1, 0.06)
    inches = axis.transData.transform(places) / DPI
    for at, ((x, y), word) in enumerate(zip(beside(inches, words), words, strict=True)):
        colour = COLOURS[names.index(groups[at]) % len(COLOURS)]
        points = tuple(72 * (place - mine) for place, mine in zip((x, y), inches[at], strict=True))
        style = {"fontsize": 8, "color": colour, "ha": "center", "va": "center", "parse_math": False}
        axis.annotate(word, places[at], points, textcoords="offset points", **style)
    axis.set_xlabel(f"first direction, {100 * shares[0]:.0f} % of the variance")
    axis.set_ylabel(f"second direction, {100 * shares[1]:.0f} %")
    axis.set_title("Vectors of words, in the two directions in which these vary most", loc="left", fontsize=11)
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.25)
    axis.legend(loc="upper left", bbox_to_anchor=(1.01, 1), frameon=False, fontsize=9)
    file.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a box stands for what the font lacks
        figure.savefig(file)


def beside(points: np.ndarray, words: Sequence[str]) -> list[tuple[float, float]]:
    """The middle of each label, in inches: on the side of its point where it covers least of labels and points."""
    taken = [(x, y, 0.1, 0.1) for x, y in points]  # middle, width, height of what is there
    found = []
    for (x, y), word in zip(points, words, strict=True):
        width = LETTER * len(word)
        tries = [(x + dx * (GAP + width / 2), y + dy * (GAP + HEIGHT / 2), width, HEIGHT) for dx, dy in SIDES]
        best = min(tries, key=lambda one: sum(overlap(one, other) for other in taken))
        taken.append(best)
        found.append(best[:2])
    return found


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """The area that two boxes share."""
    sides = [max(0.0, (one[i + 2] + other[i + 2]) / 2 - abs(one[i] - other[i])) for i in (0, 1)]
    return sides[0] * sides[1]
