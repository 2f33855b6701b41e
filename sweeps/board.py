"""One line per job: bars on a terminal, a line at each start and end in a file."""

import os
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tqdm import tqdm

PROGRESS = "SIDE_BY_SIDE_PROGRESS"  # variable with the file into which a job writes how far it is: "<share> <doing>"
BAR = "{desc} {percentage:3.0f}% |{bar:20}| {elapsed}<{remaining}{postfix}"


def tell(share: float, doing: str) -> None:
    """Write how far this job is, for the process that started it; nothing where none asks."""
    if PROGRESS not in os.environ:
        return
    file = Path(os.environ[PROGRESS])
    partial = file.with_name(f"{file.name}.{os.getpid()}")
    partial.write_text(f"{share:.4f} {doing}")
    os.replace(partial, file)


class Board:
    """The jobs under way; `total` is how many there are to be."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.failed = total, 0, 0
        self.bars: dict[str, tqdm] = {}
        self.is_terminal = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for bar in self.bars.values():
            bar.close()

    def began(self, name: str) -> None:
        """A job has a process."""
        if self.is_terminal:
            self.bars[name] = tqdm(total=1.0, desc=name, bar_format=BAR, leave=False, file=sys.stderr)
        else:
            self.line(f"started: {name}")

    def goes_on(self, name: str, progress: Path) -> None:
        """Read what the job says of itself."""
        try:
            share, _, doing = progress.read_text().partition(" ")
        except FileNotFoundError:
            return
        if name in self.bars:
            bar = self.bars[name]
            if float(share) < bar.n:  # it begins something else: a time left is guessed from that alone
                bar.reset()
            bar.n = float(share)
            bar.set_postfix_str(doing)

    def ended(self, name: str, status: int, seconds: float, note: str) -> None:
        """A job's process is gone, or was not needed."""
        self.done += 1
        self.failed += bool(status)
        if name in self.bars:
            self.bars.pop(name).close()
        took = f", {time.strftime('%H:%M:%S', time.gmtime(seconds))}" if seconds else ""
        self.line(f"{'FAILED' if status else 'done'}: {name}{took}{' ' * bool(note)}{note}")
        tell(self.done / self.total, f"{self.done} of {self.total} jobs")

    def line(self, words: str) -> None:
        """A line that stays."""
        failed = f", {self.failed} failed" if self.failed else ""
        tqdm.write(f"[{self.done}/{self.total}{failed}] {words}", file=sys.stderr)
