"""What all drawings share: colours, axes, names."""

from collections.abc import Sequence
from typing import Any

from sweeps.evidence.comparison import Comparison, Group, Setting
from sweeps.evidence.picture import COLOURS

DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
MARKS = ("circle", "square", "diamond", "triangle-up", "x", "star")
Groups = Sequence[tuple[int, Group]]  # rows with scores, and their places among all rows
SHORT, HEAD = 28, 9  # characters of a row's name on an axis; of them before what is left out


def colour(number: int) -> str:
    return COLOURS[number % len(COLOURS)]


def look(number: int) -> tuple[str, str, str]:
    """Colour, dash and mark of a row: where colours repeat, the others tell rows apart."""
    again = number // len(COLOURS)
    return colour(number), DASHES[again % len(DASHES)], MARKS[again % len(MARKS)]


def clear(red_green_blue: str, share: float) -> str:
    """A colour that lets through what is under it."""
    r, g, b = (int(red_green_blue[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({r},{g},{b},{share})"


def layout(x: str, y: str, **more: Any) -> dict[str, Any]:
    """Axes with names; the page's script gives all of it its colours."""
    axes = {
        "xaxis": {"title": {"text": plain(x)}, "automargin": True, **more.pop("xaxis", {})},
        "yaxis": {"title": {"text": plain(y), "standoff": 8}, "automargin": True, **more.pop("yaxis", {})},
    }
    legend = {"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0}
    return {**axes, "margin": {"l": 10, "r": 10, "t": 10, "b": 10}, "legend": legend, "hovermode": "closest", **more}


def plain(words: str) -> str:
    """Plotly reads a few tags in what it writes: a run's words have none for it."""
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def short(words: str) -> str:
    """A name of few characters; what tells long ones apart stands at their ends."""
    return plain(words if len(words) <= SHORT else f"{words[:HEAD]}…{words[HEAD + 1 - SHORT :]}")


def unit(setting: Setting) -> str:
    """An axis name: "accuracy (x 100)"; a loss is as it is."""
    return f"{setting.metric} (nats)" if setting.metric.endswith("_loss") else f"{setting.metric} (× 100)"


def named(setting: Setting) -> str:
    return f"{setting.task}, {setting.metric}"


def scored(told: Comparison, setting: Setting) -> list[tuple[int, Group]]:
    """Rows with scores, and their places among all rows, which give their colours."""
    groups = [told.groups[row, setting] for row in told.rows]
    return [(i, group) for i, group in enumerate(groups) if group.results]
