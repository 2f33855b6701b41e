"""One parameter of a sweep's file: its values, or the range that a random sweep draws from, and what is refused."""

import math
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from datamodules.task import Refused

RANGES = ("uniform", "int_uniform", "log_uniform_values")
DISTRIBUTIONS = {"value": "constant", "values": "categorical"}  # W&B's words, which change nothing
PARAMETER = ("value", "values", "distribution", "min", "max")
SPECIAL = set(",={}()[]:'\"\\ ")  # in a word of text these mean something to Hydra


def choices(parameter: Mapping[str, Any]) -> list[Any]:
    """The values, of one that is no range."""
    return parameter["values"] if "values" in parameter else [parameter["value"]]


def distribution(parameter: Mapping[str, Any]) -> str:
    """Of a range, as W&B's server has it where the file does not say."""
    return parameter.get("distribution", "int_uniform" if type(parameter["min"]) is int else "uniform")


def drawn(random: Random, parameter: Mapping[str, Any]) -> Any:
    """One value of a random sweep."""
    if "min" not in parameter:
        return random.choice(choices(parameter))
    low, high = parameter["min"], parameter["max"]
    match distribution(parameter):
        case "int_uniform":
            return random.randint(low, high)
        case "log_uniform_values":
            return math.exp(random.uniform(math.log(low), math.log(high)))
        case _:
            return random.uniform(low, high)


def how_many(parameter: Mapping[str, Any]) -> float:
    """How many different values there are to draw."""
    if "min" not in parameter:
        return len({repr(one) for one in choices(parameter)})
    return parameter["max"] - parameter["min"] + 1 if distribution(parameter) == "int_uniform" else math.inf


class ParameterCheck:
    """Checks parameters before anything is started.

    Args:
        refused: makes the sentence, with file and line, for something under a key.
    """

    def __init__(self, method: str, refused: Callable[[tuple[str, ...], str], Refused]) -> None:
        self.method, self._refused = method, refused

    def refused(self, name: object, reason: str) -> Refused:
        return self._refused(("parameters", str(name)), reason)

    def check(self, name: Any, told: Any) -> None:
        """One key and its values.

        Raises:
            Refused: for what the server would find wrong too late, and what Hydra would read as something else.
        """
        if not isinstance(name, str) or not name:
            raise self.refused(name, f"{name!r} is no key: it may be a name of Hydra's, as seed or trainer.max_steps.")
        if not isinstance(told, dict) or "parameters" in told:
            raise self.refused(
                name, f"{name} is nested or has no values: it may be a flat name, {name}.<key>: {{values: [...]}}."
            )
        for word in told:
            if word not in PARAMETER:
                raise self.refused(name, f"{name} has {word}: it may have {', '.join(PARAMETER)}.")
        if "min" in told or "max" in told:
            self.check_range(name, told)
            return
        if ("value" in told) == ("values" in told) or ("values" in told and not isinstance(told["values"], list)):
            raise self.refused(name, f"{name} needs a value, or a list of values.")
        if not choices(told):
            raise self.refused(name, f"{name} has no values: there may be one or more.")
        usual = DISTRIBUTIONS["values" if "values" in told else "value"]
        if told.get("distribution", usual) != usual:
            raise self.refused(name, f"{name}: distribution may be {usual} here; {', '.join(RANGES)} have min and max.")
        for value in choices(told):
            self.check_value(name, value)

    def check_range(self, name: str, told: Mapping[str, Any]) -> None:
        """Numbers from min to max."""
        low, high = told.get("min"), told.get("max")
        if self.method == "grid":
            raise self.refused(name, f"{name} is a range, which a grid has none of: it may have values.")
        if "value" in told or "values" in told:
            raise self.refused(name, f"{name} has values and a range: it may have one of them.")
        if {type(low), type(high)} not in ({int}, {float}) or not (low or 0) < (high or 0):
            raise self.refused(
                name, f"{name}: min and max are {low}, {high}: they may be two numbers of one kind, min the smaller."
            )
        if (kind := distribution(told)) not in RANGES:
            raise self.refused(name, f"{name}: distribution may be {', '.join(RANGES)}.")
        if kind == "int_uniform" and type(low) is not int:
            raise self.refused(
                name, f"{name}: min and max are {low}, {high}: of int_uniform they may be whole numbers."
            )
        if kind == "log_uniform_values" and (low or 0) <= 0:
            raise self.refused(name, f"{name}: min is {low}: of log_uniform_values it may be above 0.")

    def check_value(self, name: str, value: Any) -> None:
        """What Hydra would not read as it is meant."""
        if value is None or value == "None":
            raise self.refused(name, f'{name}: {value or "null"} reaches Hydra as a word: it may be "null", in quotes.')
        if isinstance(value, dict):
            raise self.refused(name, f"{name}: {value} cannot be told to Hydra: it may be flat names, {name}.<key>.")
        if isinstance(value, list):
            for one in value:
                self.check_value(name, one)
            return
        if isinstance(value, str) and SPECIAL & set(value) and not is_list(value):
            raise self.refused(
                name,
                f"{name}: {value!r} means something else to Hydra: it may have none of {' '.join(sorted(SPECIAL))}.",
            )


def is_list(text: str) -> bool:
    """Whether a text is one of Hydra's lists of plain words, "[input,output]"."""
    return text[:1] == "[" and text[-1:] == "]" and not (SPECIAL - set(", ")) & set(text[1:-1])
