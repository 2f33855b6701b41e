"""Self-attention as a picture: what each token of a sentence attends to, a panel for each of a few layers and heads."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np

MOST = 4  # layers, and heads of each: 16 panels can be read, BERT's 144 cannot
TOKEN, LETTER, GAP = 0.15, 0.065, 0.15  # inches: of a token's row, of a letter beside it, between panels
NAMES, HEADS, LINE, BAR = 0.35, 0.35, 0.2, 0.85  # inches: of the layers' names, the heads', a title's line, the scale
DPI = 110
COLOURS, UNSEEN, BOLD = "Blues", "#e8e8e8", {"fontsize": 10, "fontweight": "bold"}


def few(count: int) -> list[int]:
    """All of them, or MOST with the first and the last among them, evenly spread."""
    return np.linspace(0, count - 1, min(count, MOST)).round().astype(int).tolist()


def frame(rows: int, columns: int, tokens: Sequence[str], sentence: str) -> tuple[Any, Any, Any]:
    """A figure, its panels (rows, columns) with the tokens at the left and below, and the place of the scale.

    Everything has a size in inches: a layout that measures its texts takes as long as all the rest.
    """
    from matplotlib.figure import Figure  # without pyplot, which takes a second and the process's one backend

    side, label = max(len(tokens) * TOKEN, 1.2), 0.1 + LETTER * max(map(len, tokens))
    left, across, up = NAMES + label, columns * (side + GAP), LINE + rows * (side + GAP)
    title = wrap(sentence, max(20, int((left + across) / 0.09)))
    width, height = left + across + BAR, label + up + HEADS + LINE * len(title)
    figure = Figure(figsize=(width, height), dpi=DPI)
    edges = {"left": left / width, "right": (left + across - GAP) / width}
    edges |= {"bottom": (LINE + label) / height, "top": (label + up - GAP) / height}
    spaces = {"wspace": GAP / side, "hspace": GAP / side}
    panels = figure.subplots(rows, columns, squeeze=False, gridspec_kw={**edges, **spaces})
    for panel in panels.flat:
        panel.tick_params(length=0, labelsize=7)
        panel.set(xticks=[], yticks=[])
    for panel in panels[:, 0]:
        panel.set_yticks(range(len(tokens)), tokens, parse_math=False)
    for panel in panels[-1]:
        panel.set_xticks(range(len(tokens)), tokens, parse_math=False, rotation=90)
    figure.text(0.1 / width, 1 - 0.08 / height, "\n".join(title), va="top", fontsize=11, parse_math=False)
    figure.text(0.1 / width, 0.08 / height, "Rows attend to columns.", fontsize=8, color="#555555")
    bar = figure.add_axes((1 - BAR / width, edges["bottom"], 0.14 / width, edges["top"] - edges["bottom"]))
    return figure, panels, bar


def draw(weights: np.ndarray, tokens: Sequence[str], sentence: str, file: Path) -> None:
    """Layers from the bottom of the picture to its top, as in the network; heads from left to right.

    The scale is of square roots, for an even share of a sentence is some 0.05. What a causal model cannot see is grey.

    Args:
        weights: (layers, heads, n, n), rows attend to columns.
        tokens: (n,) as they are written at the sides.
    """
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import PowerNorm

    layers, heads = few(weights.shape[0]), few(weights.shape[1])
    figure, panels, bar = frame(len(layers), len(heads), tokens, sentence)
    scale = ScalarMappable(PowerNorm(0.5, 0, 1), colormaps[COLOURS].with_extremes(bad=UNSEEN))
    seen = np.ma.masked_equal(weights, 0)
    for row, layer in zip(panels[::-1], layers, strict=True):
        end = {0: " (bottom)", weights.shape[0] - 1: " (top)"}.get(layer, "")
        middle = row[0].get_position().y0 + row[0].get_position().height / 2
        figure.text(0.1 / figure.get_figwidth(), middle, f"layer {layer + 1}{end}", rotation=90, va="center", **BOLD)
        for panel, head in zip(row, heads, strict=True):
            panel.imshow(seen[layer, head], cmap=scale.cmap, norm=scale.norm, aspect="auto")
    for panel, head in zip(panels[0], heads, strict=True):
        panel.set_title(f"head {head + 1}", pad=4, **BOLD)
    figure.colorbar(scale, cax=bar, label="attention weight", ticks=[0, 0.05, 0.25, 0.5, 1])
    file.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # a box stands for what the font lacks
        figure.savefig(file)
