"""Which runs are a sweep's points, and which are its own but for overrides.

A point finds its runs by the words of the commands that asked for them, which are kept beside a run (by Hydra those of
the last command, overrides.yaml; of all of them: commands.jsonl): whoever started it, and also where it failed. No
configuration is composed for that.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from sweeps.runs.commands import COMMANDS, commands_of
from sweeps.runs.places import DEVICES, ELSEWHERE, WORKPLACE
from sweeps.schema.hydra_words import key_of
from sweeps.schema.sweep_file import OVERRIDES, Sweep

EXPERIMENT = "experiment="
MOST_TOLD = 4  # of many words, or runs
NAMES = ("row", "shape")  # of settings: beside these a name says nothing, but of a command it is all that is said


@dataclass(frozen=True)
class Folder:
    """What is known of a run's folder before its record is read.

    Attributes:
        words: overrides that decide its numbers.
        scale: of its configuration.
    """

    path: Path
    words: frozenset[str]
    scale: str | None


def begun(folders: Iterable[Path]) -> list[Folder]:
    """The runs among these folders, also those that never finished."""
    found = []
    for folder in folders:
        file = folder / ".hydra/overrides.yaml"
        if file.is_file() or (folder / COMMANDS).is_file():
            scale = scale_in(file.with_name("config.yaml"))
            commands = {*map(deciding, commands_of(folder)), *([words_in(file)] if file.is_file() else [])}
            found += [Folder(folder, words, scale) for words in sorted(commands, key=sorted)]
    return found


def words_in(file: Path) -> frozenset[str]:
    """The overrides of a run that decide its numbers; none if the file is no list."""
    try:
        told = yaml.load(file.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except yaml.YAMLError:
        return frozenset()
    return deciding(map(str, told)) if isinstance(told, list) else frozenset()


def scale_in(file: Path) -> str | None:
    """The scale in a composed configuration, which is one of the words at its top."""
    found = re.search(r"^scale: (\w+)$", file.read_text(encoding="utf-8"), re.MULTILINE) if file.is_file() else None
    return None if found is None or found[1] == "null" else found[1]


def deciding(words: Iterable[str]) -> frozenset[str]:
    """Overrides, the last of each key, less the scale, which is told apart, and where and on what a run is computed."""
    places = {
        "scale",
        "budget",
        *ELSEWHERE,
        *(f"trainer.{key}" for key in DEVICES),
        *(f"data.{key}" for key in WORKPLACE),
    }
    places -= {*NAMES}
    said = {key_of(word): word.lstrip("+") for word in words}
    return frozenset(word for key, word in said.items() if not {key, key.partition(".")[0]} & places)


@dataclass(frozen=True)
class Family:
    """A sweep, whatever the values of its parameters are.

    Attributes:
        shared: words of its command.
        keys: its parameters'.
        is_whole: whether its points are all of a grid's; else W&B's server may have drawn others.
    """

    shared: frozenset[str]
    keys: frozenset[str]
    is_whole: bool

    @classmethod
    def of(cls, sweep: Sweep) -> "Family":
        keys = frozenset(map(key_of, sweep.parameters))
        shared = deciding(word for word in sweep.command if word != OVERRIDES)
        is_whole = sweep.method == "grid" and sweep.run_cap is None
        return cls(frozenset(word for word in shared if key_of(word) not in keys), keys, is_whole)

    def has(self, words: frozenset[str]) -> bool:
        """Whether a run with these words is a point of it, with overrides of parameters or of what it does not say."""
        return self.shared <= words and self.names(words)

    def may_have(self, words: frozenset[str]) -> bool:
        """The same with overrides of its command's words, but for the experiment's."""
        return self.names(words) and not any(word.startswith(EXPERIMENT) for word in self.shared - words)

    def names(self, words: frozenset[str]) -> bool:
        """Whether all keys of it are there."""
        return {*map(key_of, self.shared), *self.keys} <= {key_of(word) for word in words}


class Wanted:
    """A sweep's points, and which other runs are its own but for overrides.

    Args:
        others: other sweeps; runs of one that says more than this one are its.
    """

    def __init__(self, sweep: Sweep, others: Iterable[Family] = ()) -> None:
        self.points = [(point, deciding(sweep.words(point))) for point in sweep.points()]
        self.words = {words for _, words in self.points}
        self.family = Family.of(sweep)
        size = len(self.family.shared) + len(self.family.keys)
        self.others = [one for one in others if len(one.shared) + len(one.keys) > size]

    def overrides_of(self, words: frozenset[str]) -> frozenset[str]:
        """What tells a run from this sweep's points, if it is the sweep's; none if it is a point, or no run of it."""
        if words in self.words or not self.family.has(words) or any(one.may_have(words) for one in self.others):
            return frozenset()
        more = words.difference(*self.words)
        return more if self.family.is_whole else frozenset(one for one in more if key_of(one) not in self.family.keys)

    def further(self, folders: Iterable[Folder]) -> list[str]:
        """A sentence on the runs with overrides: they are other experiments."""
        points = {one.path for one in folders if one.words in self.words}
        told = {one.path: more for one in folders if one.path not in points and (more := self.overrides_of(one.words))}
        if not told:
            return []
        words = some(sorted({word for more in told.values() for word in more}))
        runs, are, them = ("runs", "are", "them") if len(told) > 1 else ("run", "is", "it")
        return [f"{len(told)} {runs} with other overrides ({words}) {are} not shown here: repeat those to see {them}"]


def some(names: Sequence[str]) -> str:
    """The first few, and how many more."""
    return ", ".join(names[:MOST_TOLD]) + (f" and {len(names) - MOST_TOLD} more" if len(names) > MOST_TOLD else "")
