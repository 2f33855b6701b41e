"""A sweep's file with overrides for all points: what is started here, what a page looks for, what W&B is given."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeps.schema.hydra_words import key_of, meaning
from sweeps.schema.parameters import choices
from sweeps.schema.sweep_file import Sweep


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

    def said_anew(place: tuple[str, ...]) -> bool:
        """Whether what stands in this place of the file is not from there any more."""
        if len(place) < 2 or place[0] not in ("parameters", "command"):
            return False
        return key_of(place[1] if place[0] == "parameters" else str(sweep.raw["command"][int(place[1])])) in said

    raw = {**sweep.raw, "parameters": parameters, "command": told(sweep.raw["command"])}
    own = {place: line for place, line in sweep.lines.items() if not said_anew(place)}
    return replace(sweep, parameters=parameters, command=tuple(told(sweep.command)), raw=raw, lines=own)


def value_of(override: str, parameter: Mapping[str, Any]) -> Any:
    """As a sweep's file has it: one of the parameter's values as it stands there, a number, or words as they are."""
    value = meaning(override)
    known = choices(parameter) if "min" not in parameter else ()
    same = [one for one in known if (other := meaning(f"x={one}")) == value and type(other) is type(value)]
    return same[0] if same else value if isinstance(value, bool | int | float) else override.partition("=")[2]
