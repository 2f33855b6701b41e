"""Which runs a sweep's file asks for, given overrides for all: what is started here, and what a page looks for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from datamodules.task import Refused
from sweeps.sweep_file import Point, Sweep


@dataclass(frozen=True)
class Asked:
    """One run.

    Attributes:
        point: the sweep's parameters, as overrides have left them.
        words: of its command, behind run.py.
    """

    point: Point
    words: tuple[str, ...]


def asked(sweep: Sweep, overrides: Sequence[str]) -> list[Asked]:
    """The sweep's points; those that differed only in a parameter that has been overridden are one.

    Args:
        overrides: "key=value" words. One of a parameter, or of a word that all points share, takes its place: with
            row=nsp there are this row's points, to the letter those of the whole sweep.
    """
    said = {key_of(word): word for word in overrides}
    shared = [key_of(word) for word in sweep.command]
    more = [word for key, word in said.items() if key not in (*sweep.parameters, *shared)]
    found: dict[tuple[str, ...], Asked] = {}
    for point in sweep.points():
        own = {key: value_of(said[key]) if key in said else value for key, value in point.items()}
        words = [word if (key := key_of(word)) in own else said.get(key, word) for word in sweep.words(own)]
        found.setdefault((*words, *more), Asked(own, (*words, *more)))
    return list(found.values())


def rewritten(sweep: Sweep, overrides: Sequence[str]) -> str:
    """The file with overrides for all points, as `wandb sweep` takes it: it asks for the same."""
    said = {key_of(word): word for word in overrides}
    kept = {key: {"value": value_of(said[key])} if key in said else told for key, told in sweep.parameters.items()}
    command = [str(word) for word in sweep.raw["command"]]
    shared = {key_of(word) for word in command}
    words = [said.get(key_of(word), word) for word in command]
    words += [word for key, word in said.items() if key not in (*kept, *shared)]
    return yaml.safe_dump({**sweep.raw, "parameters": kept, "command": words}, sort_keys=False)


def key_of(word: str) -> str:
    """What an override is about, whether it is said to be new ("+key=value") or not."""
    return word.partition("=")[0].lstrip("+")


def value_of(override: str) -> Any:
    """As a sweep's file would have it: null and lists are words there, for a command takes them as they are.

    Raises:
        Refused: for what is no value.
    """
    text = override.partition("=")[2]
    try:
        told = yaml.safe_load(text)
    except yaml.YAMLError:
        raise Refused(f"{override} is no override: {text} cannot be read as a value.") from None
    return text if isinstance(told, list | dict | None) else told
