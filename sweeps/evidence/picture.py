"""A comparison as a picture: every replicate a dot, the mean and its 95 % interval beside them."""

from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from datamodules.task import one_of
from sweeps.evidence.intervals import halfwidth
from sweeps.evidence.rows import Row

ENDS = (".svg", ".png", ".pdf")
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6d31")  # Okabe and Ito; an earth


def draw(rows: Sequence[Row], file: Path) -> None:
    """A panel for each data set and metric, a line in it for each row.

    Raises:
        Refused: when the file's name ends in none of ENDS.
    """
    one_of("the end of --picture", file.suffix, ENDS)
    import matplotlib

    matplotlib.use("agg")
    matplotlib.rcParams |= {"svg.hashsalt": "side by side", "svg.fonttype": "none"}  # the same picture, the same bytes
    from matplotlib import pyplot

    panels = list(dict.fromkeys((row.data, row.metric) for row in rows))
    names = list(dict.fromkeys(row.name for row in rows))
    lines = [[row for row in rows if (row.data, row.metric) == panel] for panel in panels]
    figure, axes = pyplot.subplots(
        len(panels),
        1,
        figsize=(8, sum(0.75 + 0.36 * len(some) for some in lines)),
        height_ratios=[1.5 + len(some) for some in lines],
        squeeze=False,
    )
    for axis, panel, some in zip(axes[:, 0], panels, lines, strict=True):
        for at, row in enumerate(some):
            colour, half = COLOURS[names.index(row.name) % len(COLOURS)], halfwidth(row.scores)
            axis.errorbar(mean(row.scores), at, xerr=0 if half != half else half, fmt="o", color=colour, capsize=3)
            axis.plot(sorted(row.scores), [at - 0.25] * len(row.scores), "|", color=colour, alpha=0.7)
        axis.set_yticks(range(len(some)), [row.name.replace(", ", ",\n", 1) for row in some], fontsize=8)
        axis.set_ylim(len(some) - 0.5, -0.6)
        axis.set_title(", ".join(panel), loc="left", fontsize=9)
        axis.grid(axis="x", alpha=0.3)
    figure.tight_layout()
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None)
    pyplot.close(figure)
