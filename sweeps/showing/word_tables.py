"""The figures of word vectors as lines for people."""

from collections.abc import Mapping, Sequence
from typing import Any

WORDS = "test_words/"
SHOWN = 4  # words whose neighbours are told


def likeness(metrics: Mapping[str, float]) -> dict[str, float]:
    """ "similarity/<set>", "similarity/mean": Spearman's correlations x 100."""
    names = [name for name in metrics if name.startswith(f"{WORDS}similarity/")]
    return {name.removeprefix(WORDS): 100 * metrics[name] for name in names}


def word_table(metrics: Mapping[str, float]) -> list[str]:
    """A line for each set of pairs, half and section of the analogies; - where the model has no words for it."""
    own = {name.removeprefix(WORDS): 100 * value for name, value in metrics.items() if name.startswith(WORDS)}
    pairs = [name.removeprefix("coverage/similarity/") for name in own if name.startswith("coverage/similarity/")]
    parts = [name.removeprefix("coverage/analogies") for name in own if name.startswith("coverage/analogies")]
    grid = [["likeness", "Spearman x 100", "% covered"]] if pairs else []
    grid += [[name, told(own, f"similarity/{name}"), told(own, f"coverage/similarity/{name}")] for name in pairs]
    grid += [["mean", told(own, "similarity/mean"), ""]] if len(pairs) > 1 else []
    lines = laid_out(grid)
    grid = [["analogies", "% right", "unknown as wrong", "% covered"]] if parts else []
    kinds = ("analogies", "analogies_unknown_wrong", "coverage/analogies")
    for part in [*parts[1:], *parts[:1]]:
        name = part.removeprefix("/section").removeprefix("/") or "all"
        grid.append([name, *(told(own, f"{kind}{part}") for kind in kinds)])
    return lines + laid_out(grid)


def told(own: Mapping[str, float], name: str) -> str:
    return f"{own[name]:.1f}" if name in own else "-"


def laid_out(grid: Sequence[Sequence[str]]) -> list[str]:
    """Columns under each other."""
    wide = [max(map(len, column)) for column in zip(*grid, strict=True)]
    rights = [[text.rjust(width) for text, width in zip(row[1:], wide[1:], strict=True)] for row in grid]
    return ["   ".join([row[0].ljust(wide[0]), *right]) for row, right in zip(grid, rights, strict=True)]


def nearest_words(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """ "nearest to dog: cat, horse", of the first few words."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["word"], []).append(row["neighbour"])
    return [f"nearest to {word}: {', '.join(near)}" for word, near in [*found.items()][:SHOWN]]
