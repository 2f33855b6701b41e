"""Work that several runs need and one of them does, as a job: the others wait, or do what else there is to do."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from datamodules.task import Refused
from sweeps.jobs.board import tell
from sweeps.jobs.environment import HELD, rank_of
from sweeps.jobs.job import Job, Outcome
from sweeps.jobs.lease import LOST, Claim, Lease, beating
from sweeps.jobs.pool import run_jobs

POLL = 1.0  # seconds between two looks at somebody else's work


@dataclass(frozen=True)
class Work:
    """Something to be done once.

    Attributes:
        name: its place, for people.
        doing: what its holder does with it: "pre-trained".
        lease: says whose it is; kept, for a claim has to be watched before its holder counts as dead.
        is_done: asked again and again.
        do: by the holder of the claim.
    """

    name: str
    doing: str
    lease: Lease
    is_done: Callable[[], bool]
    do: Callable[[Claim], None]


def see_to(works: Sequence[Work], key: str) -> None:
    """Return when all is done, by this process or by others that need it as well; of several ranks the first works.

    Args:
        key: for whose sake, in a refusal.

    Raises:
        Refused: as a later rank, when nobody works any more; whatever `do` raises.
    """
    told, seen = "", time.monotonic()
    while left := [work for work in works if not work.is_done()]:
        if not rank_of() and did_one(left):  # rank 0, or no rank at all
            continue
        held = [(work, holder) for work in left if (holder := work.lease.read()) is not None]
        if held:
            work, holder = held[0]
            seen, words = time.monotonic(), f"waits for {work.name}, which is being {work.doing} by {holder}"
            if words != told:
                told = words
                print(told, flush=True)
            tell(0.0, f"waits for {work.name}")
        elif rank_of() and time.monotonic() - seen > LOST:
            raise Refused(f"{key}: the process that was to make {left[0].name} has given up.")
        time.sleep(POLL)


def did_one(works: Sequence[Work]) -> bool:
    """Whether there was something that nobody does, and it was done."""
    for work in works:
        if (claim := work.lease.take()) is not None:
            try:
                if not work.is_done():  # its last holder may have ended since somebody looked
                    work.do(claim)
            finally:
                work.lease.release(claim.token)
            return True
    return False


def run_held(job: Job, lease: Lease, claim: Claim, group: str, gpus: Sequence[str]) -> Outcome | None:
    """Run a job for which a claim is held: it keeps the claim alive itself, also when this process dies.

    Returns:
        How it ended; None when the claim was lost meanwhile, and another does the work.
    """
    job = replace(job, environment={HELD: f"{lease.path}:{claim.token}"})
    with beating(lease, claim.token) as lost:
        (outcome,) = run_jobs([job], 1, job.directory / "logs", group, gpus)
    return None if lost.is_set() else outcome
