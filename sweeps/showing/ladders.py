"""The ladder beside a score: how far one gets in a task of the miniature with less than the whole of it."""

from collections.abc import Mapping
from typing import Any

from datamodules.task import GENERATED

WORDS = ("seen", "unseen")


def ceilings(record: Mapping[str, Any]) -> Mapping[str, Mapping[str, float]]:
    """The ladders of a record's data, by the metric that they are of; real data has none."""
    return record.get("card", {}).get("ceilings", {})


def of_metrics(record: Mapping[str, Any]) -> Mapping[str, Mapping[str, float]]:
    """The same by the headline's name, and by the name of a part that has a ladder of its own (where a cue stands)."""
    found: dict[str, Mapping[str, float]] = {}
    for metric, rungs in ceilings(record).items():
        found.setdefault(metric.rpartition("/")[2], rungs)  # the first test set's
    return found


def result(headline: Mapping[str, Any]) -> str:
    """A record's headline: "accuracy: 71.2, seen 80.4, unseen 62.0"; the last two are of generated text only."""
    parts = {part: value for part, value in headline.get("parts", {}).items() if part in WORDS}
    return f"{headline['name']}: {headline['value']:.1f}" + "".join(f", {part} {v:.1f}" for part, v in parts.items())


def ladder(rungs: Mapping[str, float]) -> str:
    """ "majority 50.0 | bag of words 60.6 | ... | exact 100.0"."""
    return " | ".join(f"{name} {value:.1f}" for name, value in rungs.items())


def ladder_of(record: Mapping[str, Any]) -> str:
    """What a record's ladder is called: those of the larger sizes are the small one's, learnt on fewer rows."""
    is_larger = record["data"].partition("/")[0] in GENERATED.keys() - {"miniature"}
    return "ladder of the smaller miniature" if is_larger else "ladder"


def ladders(record: Mapping[str, Any]) -> list[str]:
    """A line for every ladder that a record's data has, after the score that it is to be read with."""
    return [
        f"{metric.removeprefix('test_')} {percent(record, metric)}, {ladder_of(record)}: {ladder(rungs)}"
        for metric, rungs in ceilings(record).items()
    ]


def probe_table(record: Mapping[str, Any]) -> list[str]:
    """Rows of the places of a cue: all probes, those with seen and with unseen words, and the rungs."""
    found = ceilings(record)
    rungs = list(dict.fromkeys(name for ladder in found.values() for name in ladder))
    grid = [["cue", "all", *WORDS, *rungs]]
    for metric, own in {**found, "test_probes/accuracy": {}}.items():
        scores = [percent(record, name) for name in (metric, *(f"{metric}/{word}" for word in WORDS))]
        known = [f"{own[name]:.1f}" if name in own else "-" for name in rungs]
        grid.append([metric.partition("accuracy/")[2] or "all", *scores, *known])
    wide = [max(map(len, column)) for column in zip(*grid, strict=True)]
    return [
        "   ".join([row[0].ljust(wide[0]), *(text.rjust(width) for text, width in zip(row[1:], wide[1:], strict=True))])
        for row in grid
    ]


def percent(record: Mapping[str, Any], metric: str) -> str:
    """A metric; nan where the evaluation was cut short before it."""
    return f"{100 * record['metrics'].get(metric, float('nan')):.1f}"
