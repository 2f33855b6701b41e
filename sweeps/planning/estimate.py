"""What a sweep will take, before any of it was run, and better once some of it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeps.jobs.files import read_record
from sweeps.jobs.job import ENCODER, POINT, Job, kind_of

MB = 1e6


@dataclass(frozen=True)
class Cost:
    """Seconds of one job at a time, and bytes that stay on the disk."""

    seconds: float
    size: float

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.seconds + other.seconds, self.size + other.size)

    def __mul__(self, times: int) -> "Cost":
        return Cost(self.seconds * times, self.size * times)

    def __str__(self) -> str:
        seconds, gigabytes = self.seconds, self.size / 1e9
        long = f"{seconds / 3600:,.1f} hours" if seconds > 5400 else f"{seconds / 60:,.0f} minutes"
        return f"some {long} of one job at a time, {gigabytes:,.1f} GB on the disk"


# Of an encoder and of a point. miniature: what BERT's took, two at a time on two cores. small: what
# conf/scale/small.yaml allows. day and paper: BERT-base by arithmetic (conf/scale/paper.yaml), day on eight H100.
GUESSES = {
    "miniature": (Cost(20, 4 * MB), Cost(15, 4 * MB)),
    "small": (Cost(240, 100 * MB), Cost(45, 100 * MB)),
    "day": (Cost(2200, 450 * MB), Cost(1200, 450 * MB)),
    "paper": (Cost(32 * 3600, 450 * MB), Cost(3600, 450 * MB)),
}


LIKE = {"miniature": "BERT", "day": "BERT-base", "paper": "BERT-base"}  # small allows every model as long


def taken(directory: Path) -> Cost:
    """By a finished run; its seconds are those of training, without start and evaluation."""
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    return Cost(float(read_record(directory)["cost"]["seconds"]), size)


def mean(costs: Sequence[Cost]) -> Cost:
    """Of one or more."""
    return Cost(sum(one.seconds for one in costs) / len(costs), sum(one.size for one in costs) / len(costs))


def costs(points: Sequence[Job], scale: str | None) -> tuple[Cost | None, Cost | None]:
    """Of an encoder and of a point: by the points that are done and what they say of their pre-trainings, else a guess.

    None: not known.
    """
    encoder, point = GUESSES.get(scale or "", (None, None))
    done = [job.directory for job in points if job.finished]
    if not done:
        return encoder, point
    took = [record["pretraining"]["seconds"] for record in map(read_record, done) if "pretraining" in record]
    if took:
        encoder = Cost(sum(took) / len(took), encoder.size if encoder else 0.0)
    return encoder, mean([*map(taken, done)])


def expected_seconds(points: Sequence[Job], scale: str | None) -> dict[str, float]:
    """Of the kinds of jobs at a scale of which something is known."""
    known = zip((ENCODER, POINT), costs(points, scale), strict=True)
    return {kind_of(what, scale): cost.seconds for what, cost in known if cost is not None}


def estimate(points: Sequence[Job], encoders: int, scale: str | None, tried: tuple[int, int] = (0, 0)) -> str:
    """A line on what is left of a sweep; empty if nothing is, or nothing is known.

    Args:
        encoders: pre-trainings that are still to be made.
        scale: of all these points.
        tried: encoders and runs of the trials by which the points choose; a guess counts a trial as a point.
    """
    left = sum(not job.finished for job in points)
    encoder, point = costs(points, scale)
    if not left or point is None:
        return ""
    if left < len(points):
        told = point * left + encoder * encoders if encoder else point * left
        return f"left, by those that are done: {told}; starts and evaluations come on top"
    assert encoder is not None
    told = encoder * (encoders + tried[0]) + point * (left + tried[1])
    like = f", as if each were {LIKE[scale]}" if scale in LIKE else ""
    return f"a guess at scale={scale}{like}: {told}" + (f"; {tried[1]} of the runs are trials" if tried[1] else "")
