"""A claim on work that only one process should do, on a folder that several machines may share.

The holder rewrites the claim every few seconds, the *heartbeat*. Others watch: a claim that stays the same for LOST
seconds of their own clock has a dead holder and may be taken over; so machines need not agree on the time.
"""

import json
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from filelock import FileLock

from sweeps.jobs.environment import HELD

LOST = float(os.environ.get("SIDE_BY_SIDE_LEASE_SECONDS", "30"))  # without a heartbeat, until the holder counts as dead


@dataclass(frozen=True)
class Claim:
    """Who holds it, since when (for people), and how often the heart has beaten."""

    token: str = field(default_factory=lambda: secrets.token_hex(8))
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    since: str = field(default_factory=lambda: time.strftime("%Y-%m-%d %H:%M:%S"))
    beats: int = 0

    def __str__(self) -> str:
        return f"{self.host}, process {self.pid}, since {self.since}"


class Lease:
    """The claim in a file.

    Args:
        path: the file; a lock beside it guards each change.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seen: tuple[Claim | None, float] = (None, 0.0)  # the last claim that changed, and when we saw it
        self.lives = False  # whether somebody's claim has changed while we looked on

    def guard(self) -> FileLock:
        """Held for the moment of a change, never for the work."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(self.path.with_name(f".{self.path.name}.lock"))

    def read(self) -> Claim | None:
        """The present claim, if there is one."""
        try:
            return Claim(**json.loads(self.path.read_text()))
        except FileNotFoundError:
            return None
        except ValueError:  # a file system that shows it half written
            return self.seen[0]

    def write(self, claim: Claim) -> None:
        """Whole or not at all."""
        partial = self.path.with_name(f".{self.path.name}.{claim.token}")
        partial.write_text(json.dumps(asdict(claim)))
        os.replace(partial, self.path)

    def take(self) -> Claim | None:
        """Claim the work if nobody has it or its holder is dead; None while somebody works."""
        with self.guard():
            there = self.read()
            if there != self.seen[0]:
                self.lives = None not in (there, self.seen[0])
                self.seen = there, time.monotonic()
            if there is not None and time.monotonic() - self.seen[1] < LOST:
                return None
            mine = Claim()
            self.write(mine)
            return mine

    def beat(self, token: str) -> bool:
        """Show that the holder of `token` lives; False if the claim is another's by now."""
        with self.guard():
            there = self.read()
            if there is None or there.token != token:
                return False
            self.write(replace(there, beats=there.beats + 1))
            return True

    def release(self, token: str) -> None:
        """Give the claim back, if it is still one's own."""
        with self.guard():
            there = self.read()
            if there is not None and there.token == token:
                self.path.unlink()


@contextmanager
def beating(lease: Lease, token: str) -> Iterator[threading.Event]:
    """Keep a claim alive while this block runs.

    Yields:
        Set when the claim is lost: another has it, or the folder could not be written to for so long that it may.
    """
    done, lost = threading.Event(), threading.Event()

    def beats() -> None:
        last = time.monotonic()
        while not done.wait(LOST / 6) and not lost.is_set():
            try:
                if not lease.beat(token):
                    lost.set()
                last = time.monotonic()
            except OSError:  # a shared folder may be away for a moment
                if time.monotonic() - last > LOST * 2 / 3:
                    lost.set()

    thread = threading.Thread(target=beats, daemon=True)
    thread.start()
    try:
        yield lost
    finally:
        done.set()
        thread.join()


@contextmanager
def claimed(lease: Lease) -> Iterator[bool]:
    """Whether a claim was free, or a dead holder's; it is held, and kept alive, inside."""
    if (claim := lease.take()) is None:
        yield False
        return
    try:
        with beating(lease, claim.token):
            yield True
    finally:
        lease.release(claim.token)


@contextmanager
def kept_alive() -> Iterator[None]:
    """As the child that does a claim's work: the claim lives as long as the work, also if its holder dies."""
    held = os.environ.pop(HELD, None)
    if held is None:
        yield
        return
    path, _, token = held.rpartition(":")
    with beating(Lease(Path(path)), token) as lost, ending_with(lost):
        yield


@contextmanager
def ending_with(lost: threading.Event) -> Iterator[None]:
    """End this process when the claim is lost: another does its work."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(LOST / 30):
            if lost.is_set():
                os.kill(os.getpid(), signal.SIGTERM)
                return

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
