"""What a job is, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sweeps.jobs.files import has_finished

ELSEWHERE = -1000  # the status of a job that another process has claimed


ENCODER, POINT = "encoder", "point"


def kind_of(what: str, scale: str | None) -> str:
    """Jobs of one kind take about as long."""
    return f"{scale} {what}" if scale else what


@dataclass(frozen=True)
class Job:
    """One process to be.

    Attributes:
        name: for people and for the log's file name.
        overrides: Hydra's, as on the command line.
        directory: where its run will be: a finished one is skipped, and no two jobs are in one place at once.
        devices: GPUs that it takes.
        rerun: run it also if it has finished before.
        environment: variables of its own.
        claim: a file that says whose the job is, where several processes on several machines may take it.
        needs: the directory of a job that makes what it starts from: it begins after that one, and not if that failed.
        kind: jobs of one kind take about as long.
        within: what it sees to itself, unless that has finished: of these, place and kind count.
    """

    name: str
    overrides: tuple[str, ...]
    directory: Path
    devices: int = 0
    rerun: bool = False
    environment: Mapping[str, str] | None = None
    claim: Path | None = None
    needs: Path | None = None
    kind: str = ""
    within: tuple["Job", ...] = ()

    @property
    def finished(self) -> bool:
        """Whether there is nothing to do."""
        return not self.rerun and has_finished(self.directory)

    @property
    def kinds(self) -> tuple[str, ...]:
        """Of all that it is now, itself and what it has to see to."""
        return (self.kind, *sorted(one.kind for one in self.within if not one.finished))

    @property
    def words(self) -> list[str]:
        """What stands on its command line; a job that was stopped goes on."""
        begun = not self.rerun and (self.directory / "checkpoints/last.ckpt").is_file()
        return [*self.overrides, *(["resume=true"] if begun else []), "trainer.enable_progress_bar=false"]


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        status: its process's, or that of the job that it needed.
        log: of what it wrote; None if it had no process.
        cause: how the job ended that it needed, if that failed.
    """

    job: Job
    status: int
    seconds: float = 0.0
    log: Path | None = None
    cause: "Outcome | None" = None
