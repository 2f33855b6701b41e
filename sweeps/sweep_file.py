"""A sweep's file, in W&B's schema: which runs it asks for, and the command of each.

`wandb sweep` takes the same file. What its server would find wrong too late, and what it hands over in a way that Hydra
reads as something else, is refused here with the line.
"""

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import yaml

from datamodules.task import Refused

KEYS = ("program", "method", "name", "description", "project", "entity", "metric", "parameters", "command", "run_cap")
KEYS += ("early_terminate",)
METHODS = ("grid", "random", "bayes")
OVERRIDES = "${args_no_hyphens}"  # stands for a point's "key=value" words
PROGRAM, ITSELF = "${program}", ("${env}", "${interpreter}")
RANGES = ("uniform", "int_uniform", "log_uniform_values")
PARAMETER = ("value", "values", "distribution", "min", "max")
SPECIAL = set(",={}()[]:'\"\\ ")  # in a word of text these mean something to Hydra
Point = dict[str, Any]


@dataclass(frozen=True)
class Sweep:
    """A sweep.

    Attributes:
        parameters: flat names, as Hydra has them -> {value} or {values}, or a range {distribution, min, max}.
        command: the words behind run.py; one of them is OVERRIDES.
        run_cap: points at most; None: all.
        goal: `minimize` or `maximize`, of `metric`.
    """

    path: Path
    name: str
    method: str
    parameters: Mapping[str, Mapping[str, Any]]
    command: tuple[str, ...]
    run_cap: int | None = None
    metric: str = ""
    goal: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)

    def points(self, seed: int = 0) -> list[Point]:
        """What is run, in the server's order: names sorted, the last one fastest.

        Args:
            seed: of a random sweep.

        Raises:
            Refused: of `bayes`, which needs W&B's server, and of a random sweep without an end.
        """
        if self.method == "bayes":
            raise Refused(f"{self.path}: method: bayes needs W&B's server (wandb sweep); here it may be grid, random.")
        names = sorted(self.parameters)
        if self.method == "grid":
            every = itertools.product(*(choices(self.parameters[name]) for name in names))
            return [dict(zip(names, values, strict=True)) for values in itertools.islice(every, self.run_cap)]
        if self.run_cap is None:
            raise Refused(
                f"{self.path}: method: random has no end without run_cap: it may be a whole number from 1 up."
            )
        random = Random(seed)
        return [{name: drawn(random, self.parameters[name]) for name in names} for _ in range(self.run_cap)]

    def words(self, point: Point) -> tuple[str, ...]:
        """What stands behind run.py for a point, to the letter what `wandb agent` would write."""
        told = [f"{name}={value}" for name, value in point.items()]
        return tuple(itertools.chain.from_iterable(told if word == OVERRIDES else [word] for word in self.command))


def choices(parameter: Mapping[str, Any]) -> list[Any]:
    return parameter["values"] if "values" in parameter else [parameter["value"]]


def drawn(random: Random, parameter: Mapping[str, Any]) -> Any:
    """One value of a random sweep."""
    if "min" not in parameter:
        return random.choice(choices(parameter))
    low, high = parameter["min"], parameter["max"]
    match parameter["distribution"]:
        case "int_uniform":
            return random.randint(low, high)
        case "log_uniform_values":
            return math.exp(random.uniform(math.log(low), math.log(high)))
        case _:
            return random.uniform(low, high)


def read(path: str | Path) -> Sweep:
    """Read a sweep's file.

    Raises:
        Refused: naming the file and the line, and what may stand there.
    """
    path = Path(path)
    if not path.is_file():
        raise Refused(f"{path} is no file: it may be a sweep in W&B's schema, as those of sweeps/ are.")
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"))
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Refused(f"{path} is not yaml: {' '.join(str(error).split())}") from error
    return Reader(path, dict(places(root)) if root is not None else {}).sweep(raw)


def places(node: yaml.Node, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    """Keys of nested mappings -> the line in which each stands."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = (*before, str(key.value))
            yield name, key.start_mark.line + 1
            yield from places(value, name)


class Reader:
    """Checks a file's content.

    Args:
        lines: where each key stands.
    """

    def __init__(self, path: Path, lines: Mapping[tuple[str, ...], int]) -> None:
        self.path, self.lines = path, lines

    def refused(self, key: tuple[str, ...], reason: str) -> Refused:
        """The sentence for something under a key."""
        while key and key not in self.lines:
            key = key[:-1]
        return Refused(f"{self.path}, line {self.lines.get(key, 1)}: {reason}")

    def sweep(self, raw: Any) -> Sweep:
        """The whole file."""
        if not isinstance(raw, dict):
            raise self.refused((), f"a sweep has keys: they may be {', '.join(KEYS)}.")
        for key in raw:
            if key not in KEYS:
                raise self.refused((str(key),), f"{key} is no key of a sweep: it may be {', '.join(KEYS)}.")
        method, metric = raw.get("method"), raw.get("metric") or {}
        if method not in METHODS:
            raise self.refused(("method",), f"method: {method} is not possible: it may be {', '.join(METHODS)}.")
        cap = raw.get("run_cap")
        if cap is not None and (type(cap) is not int or cap < 1):
            raise self.refused(("run_cap",), f"run_cap: {cap} is not possible: it may be a whole number from 1 up.")
        if metric and (set(metric) != {"name", "goal"} or metric["goal"] not in ("minimize", "maximize")):
            raise self.refused(("metric",), "metric needs a name, and a goal, which may be minimize or maximize.")
        parameters = raw.get("parameters")
        if not isinstance(parameters, dict) or not parameters:
            raise self.refused(
                ("parameters",), "parameters names what differs: it may be <Hydra's key>: {values: [...]}."
            )
        for name, told in parameters.items():
            self.check_parameter(str(name), told, method)
        return Sweep(
            path=self.path,
            name=str(raw.get("name") or self.path.stem),
            method=method,
            parameters=parameters,
            command=self.command(raw),
            run_cap=cap,
            metric=metric.get("name", ""),
            goal=metric.get("goal", ""),
            raw=raw,
        )

    def command(self, raw: Mapping[str, Any]) -> tuple[str, ...]:
        """The words behind run.py."""
        words, program = [str(word) for word in raw.get("command") or ()], str(raw.get("program"))
        if Path(program).name != "run.py":
            raise self.refused(("program",), f"program: {program} is not what is run here: it may be run.py.")
        if words.count(PROGRAM) != 1 or words.count(OVERRIDES) != 1 or words.index(PROGRAM) > words.index(OVERRIDES):
            raise self.refused(
                ("command",),
                f"command hands points to Hydra: it may be [${{env}}, ${{interpreter}}, {PROGRAM}, "
                f"<overrides that all points share>, {OVERRIDES}].",
            )
        at = words.index(PROGRAM)
        if tuple(words[:at]) not in (ITSELF, ITSELF[1:], ("python",), ("${env}", "python")):
            raise self.refused(("command",), f"command begins with {words[:at]}: it may be {', '.join(ITSELF)}.")
        for word in words[at + 1 :]:
            if word != OVERRIDES and "=" not in word:
                raise self.refused(("command",), f"command has the word {word!r}: it may be <key>=<value>.")
        return tuple(words[at + 1 :])

    def check_parameter(self, name: str, told: Any, method: str) -> None:
        """One key and its values."""
        key = ("parameters", name)
        if not isinstance(told, dict) or "parameters" in told:
            raise self.refused(
                key, f"{name} is nested or has no values: it may be a flat name, {name}.<key>: {{values: [...]}}."
            )
        for word in told:
            if word not in PARAMETER:
                raise self.refused(key, f"{name} has {word}: it may have {', '.join(PARAMETER)}.")
        if "min" in told or "max" in told:
            self.check_range(name, told, method)
            return
        if ("value" in told) == ("values" in told) or ("values" in told and not isinstance(told["values"], list)):
            raise self.refused(key, f"{name} needs a value, or a list of values.")
        if not choices(told):
            raise self.refused(key, f"{name} has no values: there may be one or more.")
        for value in choices(told):
            self.check_value(name, value)

    def check_range(self, name: str, told: Mapping[str, Any], method: str) -> None:
        """Numbers from min to max."""
        key, low, high = ("parameters", name), told.get("min"), told.get("max")
        if method == "grid":
            raise self.refused(key, f"{name} is a range, which a grid has none of: it may have values.")
        if {type(low), type(high)} not in ({int}, {float}) or not (low or 0) < (high or 0):
            raise self.refused(
                key, f"{name}: min and max are {low}, {high}: they may be two numbers of one kind, min the smaller."
            )
        if (kind := told.get("distribution")) not in RANGES:
            raise self.refused(key, f"{name}: distribution may be {', '.join(RANGES)}.")
        if kind == "int_uniform" and type(low) is not int:
            raise self.refused(key, f"{name}: min and max are {low}, {high}: of int_uniform they may be whole numbers.")
        if kind == "log_uniform_values" and (low or 0) <= 0:
            raise self.refused(key, f"{name}: min is {low}: of log_uniform_values it may be above 0.")

    def check_value(self, name: str, value: Any) -> None:
        """What Hydra would not read as it is meant."""
        key = ("parameters", name)
        if value is None:
            raise self.refused(key, f'{name}: null reaches Hydra as the word None: it may be "null", in quotes.')
        if isinstance(value, dict):
            raise self.refused(key, f"{name}: {value} cannot be told to Hydra: it may be flat names, {name}.<key>.")
        if isinstance(value, list):
            for one in value:
                self.check_value(name, one)
            return
        if isinstance(value, str) and SPECIAL & set(value) and not is_list(value):
            raise self.refused(
                key,
                f"{name}: {value!r} means something else to Hydra: it may have none of {' '.join(sorted(SPECIAL))}.",
            )


def is_list(text: str) -> bool:
    """Whether a text is one of Hydra's lists of plain words, "[input,output]"."""
    return text[:1] == "[" and text[-1:] == "]" and not (SPECIAL - set(", ")) & set(text[1:-1])
