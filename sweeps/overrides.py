"""A sweep's file with overrides for all points: what is started here, what a page looks for, what W&B is given."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from datamodules.task import Refused
from sweeps.sweep_file import Sweep, choices


def with_overrides(sweep: Sweep, overrides: Sequence[str]) -> Sweep:
    """The sweep as if its file said so.

    An override of a parameter takes the place of its values: with row=nsp there are this row's points, to the letter
    those of the whole sweep. One of a word of the command takes that word's place; others stand at the end.

    Args:
        overrides: "key=value" words; of one key the last counts.

    Raises:
        HydraException: for a word that Hydra cannot read.
    """
    said = {key_of(word): word for word in overrides}
    parameters = {
        name: {"value": value_of(said[key], told)} if (key := key_of(name)) in said else told
        for name, told in sweep.parameters.items()
    }
    there = {key_of(word) for word in (*sweep.command, *parameters)}
    more = [word for key, word in said.items() if key not in there]

    def told(words: Sequence[Any]) -> list[str]:
        return [*(said.get(key_of(str(word)), str(word)) for word in words), *more]

    raw = {**sweep.raw, "parameters": parameters, "command": told(sweep.raw["command"])}
    return replace(sweep, parameters=parameters, command=tuple(told(sweep.command)), raw=raw)


def key_of(word: str) -> str:
    """What an override is about, whether it is said to be new ("+key=value") or not."""
    return word.partition("=")[0].lstrip("+")


def check_one(override: str) -> None:
    """Raises Refused for several values: an override holds for all points, and which there are is said in the file."""
    try:
        is_several = OverridesParser.create().parse_override(override).is_sweep_override()
    except HydraException as error:
        raise Refused(f"{override!r} cannot be read: it may be <key>=<value> ({error}).") from error
    if is_several:
        key = override.partition("=")[0]
        raise Refused(f"{override} is not possible: it may be one value; without {key}= there are all of the file's.")


def value_of(override: str, parameter: Mapping[str, Any]) -> Any:
    """As a sweep's file has it: one of the parameter's values as it stands there, a number, or words as they are."""
    value = read(override)
    known = choices(parameter) if "min" not in parameter else ()
    same = [one for one in known if (other := read(f"x={one}")) == value and type(other) is type(value)]
    return same[0] if same else value if isinstance(value, bool | int | float) else override.partition("=")[2]


def read(override: str) -> Any:
    """What Hydra takes it for; the words themselves if it is several."""
    found = OverridesParser.create().parse_override(override)
    return override.partition("=")[2] if found.is_sweep_override() else found.value()
