"""Run folders find the points of a sweep that they are."""

from pathlib import Path

import pytest

from sweeps import published
from sweeps.asked import asked
from sweeps.found import Folder, Wanted, deciding, of_points
from sweeps.sweep_file import read

SWEEPS = [path for path in sorted(published.FILE.parent.glob("*.yaml")) if path != published.FILE]
PLACES = ["logger=offline", "resume=true", "trainer.devices=2", "data.num_workers=0", "scale=small", "cache_dir=here"]


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_a_run_is_the_point_whose_words_it_was_started_with(path: Path) -> None:
    """Of every sweep: wherever a run was computed, and in whatever order folders are read."""
    points = asked(read(path), ())
    folders = [
        Folder(Path(f"nowhere/{number}"), deciding([*PLACES, *one.words]), "small") for number, one in enumerate(points)
    ]
    (found,) = of_points(Wanted(points), folders[::-1]).values()
    assert [(int(result.folder.name), result.point) for result in found.results] == [
        (number, one.point) for number, one in enumerate(points)
    ]
    assert not found.missing
    assert not found.notes
