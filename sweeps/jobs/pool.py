"""A job is a process: `python run.py <overrides>`, started afresh.

Hydra's multirun, all tasks of GLUE and the pre-training inside a transfer run go through `run_jobs`. Inside a job, DDP
is ordinary. In one process, several runs with DDP go silently wrong: the first leaves its rank variables to the second,
and a failed job puts the ranks of all later ones out of step.
"""

import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from datamodules.task import whole
from sweeps.jobs.board import PROGRESS, Board
from sweeps.jobs.environment import PARENT, child_environment
from sweeps.jobs.job import ELSEWHERE, Job, Outcome
from sweeps.jobs.lease import Lease, claimed
from sweeps.jobs.sentences import AGAIN, advising, terminated

IMPATIENT = "SIDE_BY_SIDE_PATIENCE"  # variable: a job's own jobs get less time to stop than it has itself
PROGRAM = Path(__file__).resolve().parents[2] / "run.py"
PATIENCE = float(os.environ.get(IMPATIENT, "20"))  # seconds that a job has to stop before it is killed


@dataclass
class Running:
    """A job under way."""

    job: Job
    process: subprocess.Popen[bytes]
    log: Path
    progress: Path
    gpus: list[str]
    since: float
    kinds: tuple[str, ...]
    held: ExitStack = field(default_factory=ExitStack)


def run_jobs(
    jobs: Sequence[Job],
    at_once: int,
    logs: Path,
    group: str,
    gpus: Sequence[str] = (),
    until: float | None = None,
    expected: Mapping[str, float] | None = None,
) -> list[Outcome]:
    """Run every job, at most `at_once` at a time, each with GPUs of its own; one that fails stops no other.

    Args:
        logs: folder for what the jobs write, a file each.
        group: W&B's group of their runs.
        gpus: what there is to give to them.
        until: on the monotonic clock; a job that would, as long as the longest of its kind so far, end later is not
            begun, nor what needs it; a shorter one behind it may be.
        expected: seconds of a job of each kind, for as long as none of it has run.

    Returns:
        The outcomes, in the order of `jobs`; of a job that was not begun, none.
    """
    whole("jobs", at_once)
    logs.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as told, Board(len(jobs)) as board:
        pool = Pool(board, at_once, logs, Path(told), group, list(gpus))
        pool.expected = expected or {}
        with advising(AGAIN), stopping(pool.running):
            pool.work(jobs, until)
    return [pool.outcomes[number] for number in sorted(pool.outcomes)]


class Pool:
    """Jobs under way, by their numbers, and how the others ended."""

    def __init__(self, board: Board, at_once: int, logs: Path, told: Path, group: str, free: list[str]) -> None:
        self.board, self.at_once, self.logs, self.told, self.group, self.free = board, at_once, logs, told, group, free
        self.running: dict[int, Running] = {}
        self.outcomes: dict[int, Outcome] = {}
        self.failed: dict[Path, Outcome] = {}  # by the jobs' directories
        self.leases: dict[int, Lease] = {}
        self.longest: dict[tuple[str, ...], float] = {}  # seconds of a job that was of these kinds, most often of one
        self.expected: Mapping[str, float] = {}  # the same, before one has run

    def work(self, jobs: Sequence[Job], until: float | None = None) -> None:
        """Begin one after the other, and see how they end; what others hold is asked for again after the rest."""
        waiting = list(enumerate(jobs))
        while waiting or self.running:
            for _ in range(len(waiting)):
                if (place := self.next_of([job for _, job in waiting])) is None:
                    break
                number, job = waiting.pop(place)
                others = [one for _, one in waiting]
                if until is not None and self.would_end(job, others) > until:
                    waiting = [one for one in waiting if one[1].needs != job.directory]
                    continue
                if not self.begin(number, job):
                    waiting.append((number, job))
            self.collect()
            time.sleep(0.1)

    def next_of(self, waiting: Sequence[Job]) -> int | None:
        """The first of these whose place is free and whose need has ended, if there is room for it."""
        busy = {one.job.directory for one in self.running.values()}
        needs = {job.directory for job in waiting} | busy
        for place, job in enumerate(waiting):
            if job.directory not in busy and job.needs not in needs:
                return place if self.has_room(job) else None
        return None

    def would_end(self, job: Job, waiting: Sequence[Job] = ()) -> float:
        """When a job would, begun now, on the monotonic clock.

        With it one of those that wait for it, without which it would be made for nothing.
        """
        if job.finished:
            return -math.inf
        its = [one for one in waiting if one.needs == job.directory][:1]
        return time.monotonic() + sum(self.seconds_of(one.kinds) for one in (job, *its))

    def seconds_of(self, kinds: tuple[str, ...]) -> float:
        """As others of the same kinds took, else of each kind by itself, or of any if something is the first."""
        if kinds in self.longest:
            return self.longest[kinds]
        each = [self.longest.get((kind,), self.expected.get(kind)) for kind in kinds]
        known = sum(one for one in each if one is not None)
        return max(known, *self.longest.values(), 0.0) if None in each else known

    def has_room(self, job: Job) -> bool:
        """Whether a process and a job's GPUs are free; what has finished takes none."""
        return job.finished or (len(self.running) < self.at_once and len(self.free) >= job.devices)

    def begin(self, number: int, job: Job) -> bool:
        """Start a job, unless it has finished before, cannot be, or is another launcher's; False: that shows later."""
        held, cause = ExitStack(), self.failed.get(job.needs) if job.needs else None
        if cause is not None and not job.finished:
            self.end(number, Outcome(job, cause.status, cause=cause), f"{cause.job.name} failed")
            return True
        if job.claim is not None and not job.finished:
            lease = self.leases.setdefault(number, Lease(job.claim))
            if not held.enter_context(claimed(lease)):
                if lease.lives:
                    self.end(number, Outcome(job, ELSEWHERE), "run by another launcher")
                return lease.lives
        if job.finished:  # asked again, for its last holder may just have finished it
            held.close()
            self.end(number, Outcome(job, 0), "finished before")
            return True
        given, self.free = self.free[: job.devices], self.free[job.devices :]
        log = self.logs / f"{number}-{file_name(job.name)}.log"
        self.running[number] = start(job, log, self.told / str(number), given, self.group, self.at_once)
        self.running[number].held = held
        self.board.began(job.name)
        return True

    def end(self, number: int, outcome: Outcome, note: str) -> None:
        """Note how a job ended."""
        self.outcomes[number] = outcome
        status = outcome.status if outcome.status != ELSEWHERE else 0
        if status:
            self.failed[outcome.job.directory] = outcome
        self.board.ended(outcome.job.name, status, outcome.seconds, note)

    def collect(self) -> None:
        """Note which jobs have ended, and how far the others are."""
        for number, one in list(self.running.items()):
            status = one.process.poll()
            if status is None:
                self.board.goes_on(one.job.name, one.progress)
                continue
            del self.running[number]
            signal_all(one, signal.SIGKILL)  # ranks that outlived the first one would keep its GPUs
            self.free += one.gpus
            one.held.close()
            seconds = time.monotonic() - one.since
            self.longest[one.kinds] = max(self.longest.get(one.kinds, 0.0), seconds)
            self.end(number, Outcome(one.job, status, seconds, one.log), str(one.log) if status else "")


def start(job: Job, log: Path, progress: Path, gpus: list[str], group: str, at_once: int) -> Running:
    """Start a job's process: in a session of its own, so that a stop reaches all of its ranks and comes from here."""
    more = {PROGRESS: str(progress), PARENT: str(os.getpid()), IMPATIENT: str(PATIENCE * 2 / 3)}
    more |= job.environment or {}
    if gpus:
        more["CUDA_VISIBLE_DEVICES"] = ",".join(gpus)
    elif at_once > 1 and "OMP_NUM_THREADS" not in os.environ:  # jobs that share cores wait for each other's threads
        more["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // at_once))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *job.words],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=child_environment(group, more),
            start_new_session=True,
        )
    return Running(job, process, log, progress, gpus, time.monotonic(), job.kinds)


@contextmanager
def stopping(running: dict[int, Running]) -> Iterator[None]:
    """Whatever ends this block early (Ctrl-C, SIGTERM, a closed terminal, an error) ends all processes of all jobs."""
    ends = (signal.SIGTERM, signal.SIGHUP)
    previous = [signal.signal(one, terminated) for one in ends]
    try:
        yield
    finally:
        for one in running.values():
            signal_all(one, signal.SIGTERM)
        end = time.monotonic() + PATIENCE
        for one in running.values():
            with suppress(subprocess.TimeoutExpired):
                one.process.wait(max(0.0, end - time.monotonic()))
            signal_all(one, signal.SIGKILL)
            one.held.close()
        for one, handler in zip(ends, previous, strict=True):
            signal.signal(one, handler)


def signal_all(one: Running, what: signal.Signals) -> None:
    """To every process of a job."""
    with suppress(ProcessLookupError):
        os.killpg(one.process.pid, what)


def file_name(words: str) -> str:
    """A job's name as part of a file name."""
    return "".join(c if c.isalnum() or c in "-_.=" else "_" for c in words)[:80]
