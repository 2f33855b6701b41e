"""Run folders find the points of a sweep that they are."""

from pathlib import Path

import pytest

from sweeps.evidence import published
from sweeps.evidence.found import of_points
from sweeps.evidence.wanted import Folder, Wanted, deciding
from sweeps.schema.sweep_file import read

SWEEPS = [path for path in sorted(published.FILE.parent.glob("*.yaml")) if path != published.FILE]
PLACES = ["logger=offline", "resume=true", "trainer.devices=2", "data.num_workers=0", "scale=small", "cache_dir=here"]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_run_is_the_point_whose_words_it_was_started_with(path: Path) -> None:
    """Of every sweep: wherever a run was computed, and in whatever order folders are read."""
    sweep = read(path)
    points = sweep.points()
    folders = [
        Folder(Path(f"nowhere/{number}"), deciding([*PLACES, *sweep.words(point)]), "small")
        for number, point in enumerate(points)
    ]
    (found,) = of_points(Wanted(sweep), folders[::-1]).values()
    assert [(int(result.folder.name), result.point) for result in found.results] == [
        (number, point) for number, point in enumerate(points)
    ]
    assert not found.missing
    assert not found.notes
