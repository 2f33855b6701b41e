"""The ladder beside a score: how far one gets in a task of the miniature with less than the whole of it."""

from collections.abc import Mapping
from typing import Any


def result(headline: Mapping[str, Any]) -> str:
    """A record's headline: "accuracy: 71.2, seen 80.4, unseen 62.0"; the last two are of generated text only."""
    parts = "".join(f", {part} {value:.1f}" for part, value in headline.get("parts", {}).items())
    return f"{headline['name']}: {headline['value']:.1f}{parts}"


def ladder(rungs: Mapping[str, float]) -> str:
    """ "majority 50.0 | bag of words 60.6 | ... | exact 100.0"."""
    return " | ".join(f"{name} {value:.1f}" for name, value in rungs.items())


def ladders(record: Mapping[str, Any]) -> list[str]:
    """A line for every ladder that a record's data has, after the score that it is to be read with."""
    word = "ladder" if record["data"].partition("/")[0] == "miniature" else "ladder of data.source=miniature"
    found = []
    for metric, rungs in record.get("card", {}).get("ceilings", {}).items():
        value = record["metrics"].get(metric, float("nan"))
        found.append(f"{metric.removeprefix('test_')} {100 * value:.1f}, {word}: {ladder(rungs)}")
    return found
