"""Finished runs as the rows of a comparison: which runs belong together, and what is drawn anew in each."""

import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from statistics import mean
from typing import Any

from datamodules.task import Refused, fingerprint
from sweeps.jobs.files import read_record
from sweeps.runs.places import DEVICES, ELSEWHERE, WORKPLACE, but_for_whole
from sweeps.runs.settings import leaves, without
from sweeps.showing.ladders import ceilings, ladder, ladder_of

MOST_TOLD = 4  # settings in which rows of one name differ


@dataclass(frozen=True)
class Row:
    """One line of a comparison.

    Attributes:
        data: what was evaluated, by its public name.
        metric: the headline's name, or "<name>/<part>" for a part of the test set.
        name: model and start, in words.
        digits: stand for everything but the seeds.
        scores: one for each replicate: the means over an encoder's runs where encoders differ, else the runs'.
        encoders: different ones; 0 from scratch.
        runs: finished runs.
        collapsed: runs that give every example the same label.
        ladders: known ceilings of generated data, a line each.
    """

    data: str
    metric: str
    name: str
    digits: str
    scores: tuple[float, ...]
    encoders: int
    runs: int
    collapsed: int
    ladders: tuple[str, ...]


def read_records(folders: Iterable[str]) -> list[dict]:
    """The records of finished transfer runs; other folders are passed over, files and torn records are named.

    Raises:
        Refused: when there is none, or for a folder that is not there.
    """
    records = []
    for folder in map(Path, folders):
        if not folder.exists():
            raise Refused(f"{folder} is not there: it may be a run's folder, as outputs/* are.")
        if not folder.is_dir():
            print(f"{folder} is skipped: it is no folder", file=sys.stderr)
        if (folder / "summary.json").is_file():
            try:
                record = {**read_record(folder)}
            except (ValueError, TypeError) as error:
                print(f"{folder} is skipped: summary.json is no record ({error})", file=sys.stderr)
                continue
            if "selection" not in record:  # of a pre-training, a table, or a run that was stopped
                continue
            headline = record["headline"]
            if isfinite(headline["value"]):
                records.append(record)
            else:
                print(f"{folder} is skipped: its {headline['name']} is {headline['value']}", file=sys.stderr)
    if not records:
        raise Refused("none of these folders holds the summary.json of a finished transfer run.")
    return records


def rows_of(records: Sequence[dict]) -> list[Row]:
    """The rows of a comparison, by data, metric and name."""
    groups: dict[tuple[str, str, str], list[dict]] = defaultdict(list)
    settings: dict[tuple[str, str, str], dict[str, Any]] = {}
    for record in records:
        data, start, config = row_key(record)
        key = (data, start, fingerprint(config))
        groups[key].append(record)
        settings[key] = leaves(config)
    found = []
    for key, group in groups.items():
        namesakes = [settings[other] for other in groups if other[:2] == key[:2]]
        name = ", ".join([key[1], *particulars(settings[key], namesakes)])
        metrics = dict.fromkeys(metric for record in group for metric, _ in values(record))
        found += [summed_up(name, key[2][:4], group, metric) for metric in metrics]
    return sorted(found, key=lambda row: (row.data, row.metric, row.name))


def row_key(record: dict) -> tuple[str, str, dict[str, Any]]:
    """What makes runs one row: the data, the start in words, and all settings but seeds and places."""
    config = {key: value for key, value in record["config"].items() if key not in ("seed", *ELSEWHERE)}
    if origin := recipe_of(config):  # the encoder is what the recipe makes, with whatever seed
        config = settings_of(config) | {"pretrain": settings_of(config["pretrain"])}
    else:
        config = settings_of(config) | {"pretrain": None}
        origin = record["start"] if record["start"] == "scratch" else record["encoder_fingerprint"] or record["start"]
    chosen = record["config"].get("text", {}).get("tokenizer", {}).get("file")  # from scratch; else it is the origin's
    config |= {"init_from": None, "text.tokenizer given": origin == "scratch" and chosen is not None}
    return record["data"], f"{record['model']} from {origin}, {record['selection']}", config


def recipe_of(config: Mapping[str, Any]) -> str:
    """The start of a run that has a pre-training of its own, in words; empty for any other."""
    recipe = config.get("pretrain", {}).get("recipe")
    if not recipe:
        return ""
    is_control = config.get("init_from") == "scratch"
    return f"scratch, with the vocabulary of pretrain={recipe}" if is_control else f"pretrain={recipe}"


def settings_of(config: dict[str, Any]) -> dict[str, Any]:
    """A run, or the pre-training inside it, without seeds, devices, places and the tokenizer's file."""
    kept = but_for_places(but_for_whole({key: value for key, value in config.items() if key != "seed"}))
    if "data" in kept:
        kept["data"] = without(kept["data"], "seed", "tokenizer")
    if "tokenizer" in kept.get("text", {}):
        kept["text"] = kept["text"] | {"tokenizer": without(kept["text"]["tokenizer"], "file")}
    return kept


def but_for_places(config: Mapping[str, Any]) -> dict[str, Any]:
    """A run, or the pre-training inside it, without where and on what it was computed."""
    dropped = {"data": WORKPLACE, "trainer": DEVICES}
    return {**config, **{node: without(config[node], *keys) for node, keys in dropped.items() if node in config}}


def values(record: dict) -> Iterator[tuple[str, float]]:
    """The headline, and its parts where there are some: unseen words, or where the deciding cue stands; or, with a
    slash in their names, what was measured beside it."""
    headline = record["headline"]
    yield headline["name"], headline["value"]
    for part, value in headline.get("parts", {}).items():
        if part != "seen":
            yield part if "/" in part else f"{headline['name']}/{part}", value


def particulars(ours: dict[str, Any], all_of_them: Sequence[dict[str, Any]]) -> list[str]:
    """What tells settings from others of the same name: "key=value" for a few keys, those that tell most of them."""
    keys = sorted({key for settings in all_of_them for key in settings}, reverse=True)
    patterns = {tuple(str(settings.get(key)) for settings in all_of_them): key for key in keys}  # one key of those that
    differing = {key: pattern for pattern, key in patterns.items() if len(set(pattern)) > 1}  # follow each other
    told = [f"{key}={ours.get(key)}" for key in sorted(most_telling(differing, len(all_of_them)))]
    return told + ([f"and {len(differing) - MOST_TOLD} more"] if len(differing) > MOST_TOLD else [])


def most_telling(patterns: Mapping[str, tuple[str, ...]], number: int) -> list[str]:
    """At most MOST_TOLD keys: in turn the one that tells most of those apart that the ones before it leave together.

    Args:
        patterns: of each key its values in so many settings.
    """
    marks: list[tuple[str, ...]] = [()] * number
    left, order = dict(sorted(patterns.items())), []
    while left and len(order) < MOST_TOLD:
        best = max(left, key=lambda key: len({(*mark, value) for mark, value in zip(marks, left[key], strict=True)}))
        marks = [(*mark, value) for mark, value in zip(marks, left.pop(best), strict=True)]
        order.append(best)
    return order


def summed_up(name: str, digits: str, group: Sequence[dict], metric: str) -> Row:
    """A row's runs in one of their values; a run that was repeated, or asked again what trains nothing, counts once."""
    encoders = {record["encoder_fingerprint"] for record in group} - {None}
    drawn: dict[Any, list[float]] = defaultdict(list)
    for record in group:
        found = dict(values(record))
        by_encoder = len(encoders) > 1 or (encoders and record.get("checkpoint") == "none")
        if metric in found:
            drawn[record["encoder_fingerprint"] if by_encoder else record["config"]["seed"]].append(found[metric])
    return Row(
        data=group[0]["data"],
        metric=metric,
        name=name,
        digits=digits,
        scores=tuple(mean(each) for each in drawn.values()),
        encoders=len(encoders),
        runs=len(group),
        collapsed=sum(bool(record["collapsed"]) for record in group),
        ladders=partly(group, digits)
        + tuple(
            f"{group[0]['data']}, {measured.removeprefix('test_')}, {ladder_of(group[0])}: {ladder(rungs)}"
            for measured, rungs in ceilings(group[0]).items()
        ),
    )


def partly(group: Sequence[dict], digits: str) -> tuple[str, ...]:
    """A sentence on runs that did not read all of a test set."""
    limited = any(record["config"].get("trainer", {}).get("limit_test_batches") is not None for record in group)
    return (f"[{digits}] is scored on a part of the test set only (trainer.limit_test_batches).",) * limited
