"""What there is of a sweep, or of any runs, at each scale; and what a reader must know of it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datamodules.task import Refused, fingerprint
from sweeps.evidence.results import BROKEN, Point, Result, read, whole
from sweeps.evidence.rows import but_for_places
from sweeps.evidence.wanted import Folder, Wanted, scale_in, some
from sweeps.jobs.files import HISTORY
from sweeps.runs.places import ELSEWHERE


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


def of_points(wanted: Wanted, folders: Sequence[Folder]) -> dict[str | None, Found]:
    """The runs of a sweep's points, by scale; without any run, nothing but missing points at an unknown scale.

    Args:
        folders: all the runs that there are.
    """
    scales = dict.fromkeys(one.scale for one in folders if one.words in wanted.words)
    if not scales:  # there may be runs of other experiments, of which a reader is told
        scales = dict.fromkeys(one.scale for one in folders if wanted.overrides_of(one.words)) or {None: None}
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
        one, note = chosen([read(folder, point) for folder in by_words.pop(words, ())])
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


def unsure(results: Sequence[Result]) -> list[Result]:
    """Runs without each example's score, where others of the same test set have them."""
    alike: dict[tuple[str, str, str], list[Result]] = defaultdict(list)
    for one in results:
        alike[one.data, one.version, one.metric].append(one)
    found = []
    for same in alike.values():
        counted = {id(one) for one in whole(same)}
        found += [one for one in same if counted and id(one) not in counted]
    return found


def remarks(results: Sequence[Result]) -> list[str]:
    """What a reader must know of these runs as a whole."""
    lines = [f"{one.name} is skipped: {one.why}" for one in results if one.status == BROKEN]
    finished = [one for one in results if one.finished]
    lines += [f"{one.name}: {file} is torn, or empty" for one in finished for file in one.torn]
    lines += [
        f"{one.name}: {one.answers_file.name} lacks answers: differences are without this run, or without examples"
        for one in unsure(finished)
    ]
    without = [one.name for one in finished if not (one.folder / HISTORY).is_file()]
    if 0 < len(without) < len(finished):  # of W&B's runs none has one
        lines.append(f"without {HISTORY}, and so in no learning curve: {some(without)}")
    commits = sorted({one.commit for one in finished})
    if len(commits) > 1:
        lines.append(f"made by several versions of the code: {', '.join(commits)}")
    return lines
