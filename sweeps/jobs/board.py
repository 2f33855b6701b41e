"""One line per job: bars on a terminal, a line at each start and end in a file."""

import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tqdm import tqdm

PROGRESS = "SIDE_BY_SIDE_PROGRESS"  # variable with the file into which a job writes how far it is: "<share> <doing>"
EVERY = 60.0  # seconds between two lines of a job where there is no terminal
ALL = "{desc} {percentage:3.0f}% |{bar:20}| {n_fmt} of {total_fmt} jobs{postfix}"
BAR = "{desc} {percentage:3.0f}% |{bar:20}| {elapsed}<{remaining}{postfix}"


def tell(share: float, doing: str) -> None:
    """Write how far this job is, for the process that started it; nothing where none asks."""
    if PROGRESS not in os.environ:
        return
    file = Path(os.environ[PROGRESS])
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    with suppress(OSError):  # no training ends because nobody sees how far it is
        partial.write_text(f"{share:.4f} {doing}")
        os.replace(partial, file)


@dataclass
class Line:
    """A job under way: when and where its present work was first seen, and when a line was last printed."""

    bar: "tqdm | None"
    since: float = field(default_factory=time.monotonic)
    first: float = 0.0
    share: float = 0.0
    printed: float = field(default_factory=time.monotonic)

    def move(self, share: float) -> None:
        """A job that goes on begins in the middle, and one that begins something else at the start: the time left is
        guessed from what was seen since."""
        if self.share == 0.0 or share < self.share:
            self.since, self.first = time.monotonic(), share
            if self.bar is not None:
                self.bar.reset()
                self.bar.initial = share
        self.share = share

    @property
    def left(self) -> float | None:
        """Seconds, as far as that can be guessed."""
        done = self.share - self.first
        return (time.monotonic() - self.since) * (1 - self.share) / done if done > 0 else None


class Board:
    """The jobs under way; `total` is how many there are to be."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.failed = total, 0, 0
        self.lines: dict[str, Line] = {}
        self.is_terminal = sys.stderr.isatty()
        self.ran, self.since = 0, 0.0  # jobs that had a process and ended, and when the first was begun
        self.whole: tqdm | None = None  # a bar over all jobs, where there are several

    def __enter__(self) -> Self:
        if self.is_terminal and self.total > 1:
            self.whole = tqdm(total=self.total, desc="all", bar_format=ALL, leave=False, file=sys.stderr)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for bar in (self.whole, *(line.bar for line in self.lines.values())):
            if bar is not None:
                bar.close()

    @property
    def left(self) -> float | None:
        """Seconds until the last job ends, if the others take as long as those that have ended."""
        return (time.monotonic() - self.since) / self.ran * (self.total - self.done) if self.ran else None

    def began(self, name: str) -> None:
        """A job has a process."""
        self.since, bar = self.since or time.monotonic(), None
        if self.is_terminal:
            bar = tqdm(total=1.0, desc=name, bar_format=BAR, leave=False, file=sys.stderr)
        else:
            self.say(f"started: {name}")
        self.lines[name] = Line(bar)

    def goes_on(self, name: str, progress: Path) -> None:
        """Read what the job says of itself; say it on, as a share of all jobs."""
        try:
            share, _, doing = progress.read_text().partition(" ")
        except FileNotFoundError:
            return
        line = self.lines[name]
        line.move(float(share))
        if line.bar is not None:
            line.bar.n = line.share
            line.bar.set_postfix_str(doing)
        elif time.monotonic() - line.printed > EVERY:
            line.printed = time.monotonic()
            left = f", {clock(line.left)} left" if line.left is not None else ""
            self.say(f"running: {name}, {100 * line.share:.0f} %{left}, {doing}")
        tell((self.done + sum(one.share for one in self.lines.values())) / self.total, doing)

    def ended(self, name: str, status: int, seconds: float, note: str) -> None:
        """A job's process is gone, or was not needed."""
        self.done += 1
        self.failed += bool(status)
        self.ran += bool(seconds)
        line = self.lines.pop(name, None)
        if line is not None and line.bar is not None:
            line.bar.close()
        if self.whole is not None:
            self.whole.n = self.done
            self.whole.set_postfix_str(f"{clock(self.left)} left" if self.left is not None else "")
        took = f", {clock(seconds)}" if seconds else ""
        self.say(f"{'FAILED' if status else 'done'}: {name}{took}{' ' * bool(note)}{note}")
        tell(self.done / self.total, f"{self.done} of {self.total} jobs")

    def say(self, words: str) -> None:
        """A line that stays."""
        failed = f", {self.failed} failed" if self.failed else ""
        left = f", {clock(self.left)} left" if self.left and self.total > 1 else ""
        tqdm.write(f"[{self.done}/{self.total}{failed}{left}] {words}", file=sys.stderr)


def clock(seconds: float) -> str:
    """Hours, minutes and seconds; days count as hours."""
    whole = round(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
