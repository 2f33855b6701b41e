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
from sweeps.schema.hydra_words import check_one
from sweeps.schema.parameters import ParameterCheck, choices, drawn, how_many

KEYS = ("program", "method", "name", "description", "project", "entity", "metric", "parameters", "command", "run_cap")
KEYS += ("early_terminate",)
METHODS = ("grid", "random", "bayes")
HYPERBAND = ("type", "min_iter", "max_iter", "s", "eta", "strict")
OVERRIDES = "${args_no_hyphens}"  # stands for a point's "key=value" words
PROGRAM, ITSELF = "${program}", ("${env}", "${interpreter}")
Point = dict[str, Any]
Lines = Mapping[tuple[str, ...], int]


@dataclass(frozen=True)
class Sweep:
    """A sweep.

    Attributes:
        parameters: flat names, as Hydra has them -> {value} or {values}, or a range {distribution, min, max}.
        command: the words behind run.py; one of them is OVERRIDES.
        run_cap: points at most; None: all.
        goal: `minimize` or `maximize`, of `metric`.
        lines: where in the file each key stands; of lists, their numbers.
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
    lines: Lines = field(default_factory=dict)

    def points(self, seed: int = 0) -> list[Point]:
        """What is run, in the server's order: names sorted, the last one fastest.

        Args:
            seed: of a random sweep, which has each point once.

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
        random, found = Random(seed), dict[str, Point]()
        while len(found) < min(self.run_cap, math.prod(map(how_many, self.parameters.values()))):
            point = {name: drawn(random, self.parameters[name]) for name in names}
            found.setdefault(repr(point), point)
        return list(found.values())

    def words(self, point: Point) -> tuple[str, ...]:
        """What stands behind run.py for a point, to the letter what `wandb agent` would write."""
        told = [f"{name}={value}" for name, value in point.items()]
        return tuple(itertools.chain.from_iterable(told if word == OVERRIDES else [word] for word in self.command))


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
    lines: dict[tuple[str, ...], int] = {}
    for name, line in places(root) if root is not None else ():
        if name in lines:
            raise Refused(f"{path}, line {line}: {name[-1]} stands in line {lines[name]} already: it may stand once.")
        lines[name] = line
    return Reader(path, lines).sweep(raw)


def places(node: yaml.Node, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], int]]:
    """Keys of nested mappings, and numbers in lists -> the line in which each stands."""
    inner: list[tuple[str, yaml.Node, yaml.Node]] = []
    if isinstance(node, yaml.MappingNode):
        inner = [(str(key.value), key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        inner = [(str(number), one, one) for number, one in enumerate(node.value)]
    for name, place, value in inner:
        yield (*before, name), place.start_mark.line + 1
        yield from places(value, (*before, name))


def is_metric(told: Any) -> bool:
    """A name and a goal."""
    return isinstance(told, dict) and set(told) == {"name", "goal"} and told["goal"] in ("minimize", "maximize")


class Reader:
    """Checks a file's content.

    Args:
        lines: where each key stands.
    """

    def __init__(self, path: Path, lines: Lines) -> None:
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
        method, metric, cap = raw.get("method"), raw.get("metric") or {}, raw.get("run_cap")
        if method not in METHODS:
            raise self.refused(("method",), f"method: {method} is not possible: it may be {', '.join(METHODS)}.")
        if cap is not None and (type(cap) is not int or cap < 1):
            raise self.refused(("run_cap",), f"run_cap: {cap} is not possible: it may be a whole number from 1 up.")
        if metric and not is_metric(metric):
            raise self.refused(("metric",), "metric needs a name, and a goal, which may be minimize or maximize.")
        name = str(raw.get("name") or self.path.stem)
        if name in (".", "..") or {"/", "\\"} & {*name}:
            raise self.refused(("name",), f"name: {name} is a path: it may be a word, of which a folder is called.")
        self.check_early_end(raw.get("early_terminate"))
        parameters = raw.get("parameters")
        if not isinstance(parameters, dict) or not parameters:
            raise self.refused(
                ("parameters",), "parameters names what differs: it may be <Hydra's key>: {values: [...]}."
            )
        check = ParameterCheck(method, self.refused)
        for key, told in parameters.items():
            check.check(key, told)
        return Sweep(
            path=self.path,
            name=name,
            method=method,
            parameters=parameters,
            command=self.command(raw),
            run_cap=cap,
            metric=metric.get("name", ""),
            goal=metric.get("goal", ""),
            raw=raw,
            lines=self.lines,
        )

    def check_early_end(self, told: Any) -> None:
        """early_terminate, which W&B's server heeds and nobody here."""
        if told is None:
            return
        if not isinstance(told, dict) or told.get("type") != "hyperband" or not {*told} <= {*HYPERBAND}:
            raise self.refused(
                ("early_terminate",),
                f"early_terminate: {told} is not possible: its type may be hyperband, its keys {', '.join(HYPERBAND)}.",
            )
        if ("min_iter" in told) == ("max_iter" in told):
            raise self.refused(("early_terminate",), "early_terminate needs either min_iter, or max_iter with s.")
        for name in ("min_iter", "max_iter", "s", "eta"):
            if name in told and (type(told[name]) is not int or told[name] < 1):
                raise self.refused(
                    ("early_terminate", name),
                    f"early_terminate.{name}: {told[name]} is not possible: it may be a whole number from 1 up.",
                )

    def command(self, raw: Mapping[str, Any]) -> tuple[str, ...]:
        """The words behind run.py."""
        told, program = raw.get("command") or [], str(raw.get("program"))
        if not isinstance(told, list):
            raise self.refused(("command",), f"command: {told!r} is not possible: it may be a list of words.")
        words = [str(word) for word in told]
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
        for number, word in enumerate(words[at + 1 :], at + 1):
            self.check_word(word, ("command", str(number)))
        return tuple(words[at + 1 :])

    def check_word(self, word: str, key: tuple[str, ...]) -> None:
        """A word of the command."""
        if word == OVERRIDES:
            return
        if "=" not in word:
            raise self.refused(key, f"command has the word {word!r}: it may be <key>=<value>.")
        try:
            check_one(word)
        except Refused as refusal:
            raise self.refused(key, str(refusal)) from refusal
