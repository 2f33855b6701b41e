"""Learning curves: a line for a row's mean, and a band from its lowest to its highest run.

Scores of one task share axes; losses only where they are of one objective, one text and one way to cut it into tokens.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from datamodules.task import fingerprint
from sweeps.evidence.comparison import Comparison, Setting
from sweeps.evidence.results import Result
from sweeps.jobs.files import HISTORY
from sweeps.pages.blocks import Figure, file_name
from sweeps.pages.figures import clear, layout, look, scored, short
from sweeps.pages.links import Links

MOST = 500  # points of a curve
SCORE = "val/score"  # on what the epoch is chosen
PER_BYTE = "bits_per_byte"
Curve = tuple[np.ndarray, np.ndarray]  # steps, values


def history(folder: Path, names: Sequence[str]) -> dict[str, Curve]:
    """Some of the values of a run's metrics.csv, each (points,) steps and values; a torn last line is passed over."""
    file = folder / HISTORY
    wanted = {name.encode(): name for name in names}
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for line in file.read_bytes().split(b"\n")[1:-1] if file.is_file() else ():
        step, _, rest = line.partition(b",")
        _, _, rest = rest.partition(b",")
        name, _, value = rest.rstrip(b"\r").rpartition(b",")
        if name in wanted:
            try:
                found[wanted[name]][int(step)] = float(value)
            except ValueError:
                continue
    return {name: arrays(own) for name, own in found.items()}


def arrays(points: dict[int, float]) -> Curve:
    """In order of their steps; what is no number is left out."""
    ordered = sorted((step, value) for step, value in points.items() if np.isfinite(value))
    return np.array([step for step, _ in ordered], dtype=float), np.array([value for _, value in ordered], dtype=float)


def band(curves: Sequence[Curve]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Steps, mean, lowest and highest of several curves, at most MOST of each.

    A curve counts from its first to its last step, and in between on the straight line.
    """
    steps = np.unique(np.concatenate([steps for steps, _ in curves]))
    if len(steps) > MOST:
        steps = steps[np.unique(np.linspace(0, len(steps) - 1, MOST).round().astype(int))]
    values = np.array([np.interp(steps, *curve, left=np.nan, right=np.nan) for curve in curves])
    return steps, np.nanmean(values, 0), np.nanmin(values, 0), np.nanmax(values, 0)


def task_curves(told: Comparison, setting: Setting, anchor: str) -> Figure | None:
    """How a task's score on the held-out tenth grows with training."""
    found = []
    for i, group in scored(told, setting):
        curves = [own[SCORE] for result in group.results if (own := history(result.folder, [SCORE]))]
        found += [(i, group.row, [curve for curve in curves if len(curve[0])])]
    caption = (
        f"The score on those examples of {setting.task} on which the epoch is chosen, while a row's runs train: the "
        "mean, and a band from the lowest to the highest run. The score axis does not begin at 0."
    )
    return drawn(f"{anchor}-curves", f"Learning curves: {setting.task}", caption, "validation score (× 100)", found)


def encoder_curves(told: Comparison, links: Links) -> list[Figure]:
    """The losses of the pre-trainings behind the rows, a figure for each kind that compares."""
    rows: dict[str, dict[str, Result]] = {row: {} for row in told.rows}
    for group in told.groups.values():
        for result in group.results:
            encoder = result if result.is_pretraining else links.encoder_of(result)
            if encoder is not None:
                rows[group.row][encoder.name] = encoder
    kinds: dict[tuple[str, str], dict[int, list[Curve]]] = defaultdict(lambda: defaultdict(list))
    for i, row in enumerate(told.rows):
        for encoder in rows[row].values():
            for kind, curve in losses(encoder):
                kinds[kind][i].append(curve)
    names = [name for name, _ in kinds]
    return [
        loss_figure(told, name, f" [{digits}]" * (names.count(name) > 1), curves)
        for (name, digits), curves in kinds.items()
    ]


def losses(encoder: Result) -> Iterator[tuple[tuple[str, str], Curve]]:
    """The validation losses of a pre-training: (name, digits that stand for what it is measured on), curve.

    word2vec's loss has one name, whether words are told from noise or found in a tree: `model.loss` says which.
    """
    headline, card = encoder.metric, encoder.record.get("card", {})
    text = [encoder.record.get("data_version"), card.get("validation_bytes")]
    tokens = [card.get("validation_tokens"), card.get("vocabulary"), encoder.config.get("model", {}).get("loss")]
    for name, curve in history(encoder.folder, [headline, f"val/{PER_BYTE}"]).items():
        if len(curve[0]):
            yield (name, fingerprint({"on": text + tokens * (not name.endswith(PER_BYTE))}, 4)), curve


def loss_figure(told: Comparison, name: str, mark: str, curves: dict[int, list[Curve]]) -> Figure:
    """One kind of loss."""
    what = name.removeprefix("val/")
    unit = "bits per byte" if what == PER_BYTE else f"{what} (nats per target)"
    together = (
        "Bits per byte compare models that cut text differently."
        if what == PER_BYTE
        else "Only losses that are measured alike, on the same tokens, are drawn together"
        + (f"; {mark.strip()} tells those of one name apart." if mark else ".")
    )
    caption = (
        f"The pre-trainings behind the rows on held-out text ({what}): the mean over encoders, and a band from the "
        f"lowest to the highest. {together} The loss axis does not begin at 0."
    )
    found = [(i, told.rows[i], own) for i, own in curves.items()]
    figure = drawn(f"pretraining-{file_name(what + mark)}", f"Pre-training: {what}{mark}", caption, unit, found)
    assert figure is not None  # there is no kind without a curve
    return figure


def drawn(
    name: str, title: str, caption: str, unit: str, found: Sequence[tuple[int, str, Sequence[Curve]]]
) -> Figure | None:
    """The figure of rows' curves; None without any."""
    traces: list[dict[str, Any]] = []
    rows: list[tuple[Any, ...]] = []
    for i, row, curves in found:
        if not curves:
            continue
        own, dash, mark = look(i)
        steps, mean, low, high = (part.round(5).tolist() for part in band(curves))
        if len(curves) > 1:
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines",
                    "x": [*steps, *reversed(steps)],
                    "y": [*high, *reversed(low)],
                    "fill": "toself",
                    "fillcolor": clear(own, 0.18),
                    "line": {"width": 0},
                    "hoverinfo": "skip",
                    "showlegend": False,
                    "legendgroup": str(i),
                }
            )
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if len(steps) < 15 else "lines",
                "name": short(row),
                "x": steps,
                "y": mean,
                "line": {"color": own, "dash": dash, "width": 2},
                "marker": {"symbol": mark, "size": 5},
                "legendgroup": str(i),
                "hovertemplate": "step %{x}: %{y:.2f}<extra>%{fullData.name}</extra>",
            }
        )
        rows += [(row, len(curves), *point) for point in zip(steps, mean, low, high, strict=True)]
    if not rows:
        return None
    head = ("row", "runs", "step", "mean", "lowest", "highest")
    return Figure(name, title, caption, traces, layout("step, the first one 0", unit), head, rows)
