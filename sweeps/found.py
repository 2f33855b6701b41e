"""Which run folders belong to a sweep, and which of its points have none.

A point finds its runs by the words of the commands that asked for them, which are kept beside a run (by Hydra those of
the last command, overrides.yaml; of all of them: commands.jsonl): whoever started it, and also where it failed. No
configuration is composed for that.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from datamodules.task import Refused, fingerprint
from sweeps.asked import Asked, key_of
from sweeps.commands import COMMANDS, commands_of
from sweeps.files import HISTORY
from sweeps.results import BROKEN, Point, Result, read
from sweeps.rows import but_for_places
from sweeps.runs import DEVICES, ELSEWHERE, WORKPLACE

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
class Found:
    """What there is of a sweep at one scale.

    Attributes:
        results: a folder each.
        missing: points without a folder.
        notes: sentences on what a reader must know: doubles, broken records, several commits.
    """

    results: Sequence[Result]
    missing: Sequence[Point] = ()
    notes: Sequence[str] = ()


class Wanted:
    """A sweep's points, and which other runs are its own but for overrides.

    Args:
        asked: the points.
        elsewhere: deciding words of other sweeps' points: where they hold this sweep's and more, runs are theirs.
    """

    def __init__(self, asked: Sequence[Asked], elsewhere: Iterable[frozenset[str]] = ()) -> None:
        self.points = [(one.point, deciding(one.words)) for one in asked]
        self.words = {words for _, words in self.points}
        self.shared = frozenset.intersection(*self.words)
        self.keys = {key_of(word) for words in self.words for word in words}
        self.elsewhere = [words for words in elsewhere if len(words) > len(self.keys)]

    def is_further(self, words: frozenset[str]) -> bool:
        """Whether these are the words of a point with other overrides, and so of another experiment."""
        return (
            self.shared <= words
            and words not in self.words
            and self.keys <= {key_of(word) for word in words}
            and not any(theirs <= words for theirs in self.elsewhere)
        )

    def further(self, folders: Iterable[Folder]) -> list[str]:
        """A sentence on such runs."""
        paths = {one.path for one in folders if one.words in self.words}
        others = [one for one in folders if one.path not in paths and self.is_further(one.words)]
        if not others:
            return []
        told = sorted({word for one in others for word in one.words}.difference(*self.words))
        count = len({one.path for one in others})
        are = "runs have" if count > 1 else "run has"
        repeat = f"other overrides ({', '.join(told[:MOST_TOLD])}) and {'are' if count > 1 else 'is'} not shown"
        return [f"{count} {are} {repeat}: repeat these to see {'them' if count > 1 else 'it'}"]


def of_points(wanted: Wanted, folders: Sequence[Folder]) -> dict[str | None, Found]:
    """The runs of a sweep's points, by scale; without any run, nothing but missing points at an unknown scale.

    Args:
        folders: all the runs that there are.
    """
    scales = dict.fromkeys(one.scale for one in folders if one.words in wanted.words)
    if not scales:  # there may be runs of other experiments, of which a reader is told
        scales = dict.fromkeys(one.scale for one in folders if wanted.is_further(one.words)) or {None: None}
    return {
        scale: at_scale(wanted, [one for one in folders if one.scale == scale]) for scale in sorted(scales, key=str)
    }


def at_scale(wanted: Wanted, folders: Sequence[Folder]) -> Found:
    """As `of_points`, of folders that all have one scale."""
    by_words: dict[frozenset[str], list[Path]] = defaultdict(list)
    for one in folders:
        by_words[one.words].append(one.path)
    results, missing, notes = [], [], []
    for point, words in wanted.points:
        one, note = chosen([read(folder, point) for folder in by_words[words]])
        results += [one] if one else []
        missing += [] if one else [point]
        notes += note
    return Found(results, missing, [*notes, *wanted.further(folders), *remarks(results)])


def chosen(ours: Sequence[Result]) -> tuple[Result | None, list[str]]:
    """Of several runs of one point the first that finished, and a sentence that names the others."""
    if not ours:
        return None, []
    one = next((result for result in ours if result.finished), ours[0])
    others = ", ".join(result.name for result in ours if result is not one)
    return one, [f"run more than once: {one.name} counts, {others} is left out"] if others else []


def of_folders(folders: Iterable[Path]) -> dict[str | None, Found]:
    """Any runs, by scale; two of one experiment are named.

    Raises:
        Refused: for what is no folder, or if none of them is a run's.
    """
    results: dict[str | None, list[Result]] = defaultdict(list)
    notes: dict[str | None, list[str]] = defaultdict(list)
    seen: dict[str, str] = {}
    for folder in {folder.resolve(): folder for folder in folders}.values():
        if not folder.is_dir():
            raise Refused(f"{folder} is no folder of a run: it may be a sweep's file, all, or folders as outputs/*.")
        if not (folder / ".hydra").is_dir() and not (folder / "summary.json").is_file():
            continue  # outputs/* has pages and sweeps' logs, too
        result = read(folder)
        scale = result.scale if result.finished else scale_in(folder / ".hydra/config.yaml")
        mark = fingerprint({"config": plain_of(result), "data": result.version}) if result.finished else str(folder)
        if mark in seen:
            notes[scale].append(f"run more than once: {seen[mark]} counts, {result.name} is left out")
            continue
        seen[mark] = result.name
        results[scale].append(result)
    if not results:
        raise Refused("None of these folders is a run's: a run's has .hydra/ or summary.json in it, as outputs/* have.")
    return {scale: Found(own, (), [*notes[scale], *remarks(own)]) for scale, own in results.items()}


def plain_of(result: Result) -> dict[str, Any]:
    """What makes a run's experiment, without where and on what it was computed: a rerun has the same."""
    kept = but_for_places({key: value for key, value in result.config.items() if key not in ELSEWHERE})
    return kept | {"pretrain": but_for_places(kept.get("pretrain", {}))}


def remarks(results: Sequence[Result]) -> list[str]:
    """What a reader must know of these runs as a whole."""
    lines = [f"{one.name} is skipped: {one.why}" for one in results if one.status == BROKEN]
    finished = [one for one in results if one.finished]
    lines += [f"{one.name}: {file} is torn, or empty" for one in finished for file in one.torn]
    without = [one.name for one in finished if not (one.folder / HISTORY).is_file()]
    if 0 < len(without) < len(finished):  # of W&B's runs none has one
        named = ", ".join(without[:MOST_TOLD]) + (f" and {len(without) - MOST_TOLD} more" * (len(without) > MOST_TOLD))
        lines.append(f"without {HISTORY}, and so in no learning curve: {named}")
    commits = sorted({one.commit for one in finished})
    if len(commits) > 1:
        lines.append(f"made by several versions of the code: {', '.join(commits)}")
    return lines
