"""What a sweep will take, before any of it was run, and better once some of it was."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeps.files import read_record
from sweeps.job import Job

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


# Of an encoder and of a point. miniature: what BERT's took, two at a time on two slow cores. small: what
# conf/scale/small.yaml allows. day and paper: BERT-base, by arithmetic (conf/scale/paper.yaml), the former with eight
# H100.
GUESSES = {
    "miniature": (Cost(35, 4 * MB), Cost(20, 4 * MB)),
    "small": (Cost(240, 100 * MB), Cost(45, 100 * MB)),
    "day": (Cost(2200, 450 * MB), Cost(1200, 450 * MB)),
    "paper": (Cost(32 * 3600, 450 * MB), Cost(3600, 450 * MB)),
}


def taken(directory: Path) -> Cost:
    """By a finished run; its seconds are those of training, without start and evaluation."""
    size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
    return Cost(float(read_record(directory)["cost"]["seconds"]), size)


def estimate(points: Sequence[Job], encoders: int, scale: str | None, tried: tuple[int, int] = (0, 0)) -> str:
    """A line on what is left of a sweep; empty if nothing is, or nothing is known.

    Args:
        encoders: different pre-trainings of all points.
        scale: of the points.
        tried: encoders and runs of the trials by which the points choose; a guess counts a trial as a point.
    """
    done = [taken(job.directory) for job in points if job.finished]
    left = len(points) - len(done)
    if not left:
        return ""
    if done:
        mean = Cost(sum(one.seconds for one in done) / len(done), sum(one.size for one in done) / len(done))
        return f"left, by those that are done: {mean * left}; starts and evaluations come on top"
    if scale not in GUESSES:
        return ""
    encoder, point = GUESSES[scale]
    told = encoder * (encoders + tried[0]) + point * (left + tried[1])
    return f"a guess at scale={scale}: {told}" + (f"; {tried[1]} of the runs are trials" if tried[1] else "")
