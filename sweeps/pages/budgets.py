"""What each row of a comparison read, took and is: equal terms are to be seen, not believed."""

from collections.abc import Callable, Mapping
from statistics import fmean
from typing import Any

from sweeps.evidence.comparison import Comparison
from sweeps.evidence.results import Result
from sweeps.pages.blocks import Cell, Table, number

Figures = Mapping[str, Any]


def targets(told: Figures) -> float | None:
    """What all losses of a pre-training predicted: of a masked LM a seventh of its tokens."""
    return sum(told["targets"].values()) if told.get("targets") else None


def given(key: str) -> Callable[[Figures], float | None]:
    return lambda told: told.get(key)


# Label, unit, and where it stands: in the encoder's figures, or in those of the training on the task.
OF_ENCODERS: tuple[tuple[str, float, Callable[[Figures], float | None]], ...] = (
    ("thousand words read", 1e3, given("words")),
    ("thousand tokens", 1e3, given("tokens")),
    ("thousand targets", 1e3, targets),
    ("pre-training GFLOPs", 1e9, given("flops")),
    ("device-seconds", 1.0, given("device_seconds")),
)
OF_TASKS: tuple[tuple[str, float, Callable[[Figures], float | None]], ...] = (
    ("task GFLOPs", 1e9, given("flops")),
    ("task device-seconds", 1.0, given("device_seconds")),
    ("thousand parameters", 1e3, given("parameters")),
    ("without embeddings", 1e3, given("parameters_without_embeddings")),
    ("of the head", 1e3, given("head_parameters")),
)


def budget(told: Comparison) -> Table | None:
    """A row's means over its runs; None where no run has an encoder whose figures are known."""
    results = {
        row: [one for setting in told.settings for one in told.groups[row, setting].results] for row in told.rows
    }
    if not any(one.pretraining for ours in results.values() for one in ours):
        return None
    columns = ("row", *(label for label, *_ in (*OF_ENCODERS, *OF_TASKS)))
    rows = tuple((Cell(row), *cells(ours)) for row, ours in results.items())
    caption = (
        "Means over a row's runs. Words are those of the raw text, each pass counted: the budget that models share, "
        "however they cut it; without an encoder, or where nothing of it is read, a row has none, and no tokens, "
        "targets and FLOPs of a pre-training."
    )
    return Table("budget", "What each row read, took and is", columns, rows, caption, frozenset(range(1, len(columns))))


def cells(ours: list[Result]) -> list[Cell]:
    """A row's places: of its encoders, then of its trainings on the tasks."""
    encoders = [one.pretraining for one in ours if one.pretraining]
    tasks = [one.record["cost"] for one in ours]
    return [
        number(mean_of([value(told) for told in figures], unit))
        for columns, figures in ((OF_ENCODERS, encoders), (OF_TASKS, tasks))
        for _, unit, value in columns
    ]


def mean_of(values: list[float | None], unit: float) -> float | None:
    """Of those that are known."""
    known = [value for value in values if value is not None]
    return fmean(known) / unit if known else None
