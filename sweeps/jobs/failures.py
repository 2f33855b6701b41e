"""Jobs that failed, told where somebody looks for them."""

import sys
from collections.abc import Sequence
from pathlib import Path

from sweeps.jobs.job import Outcome


def last_lines(log: Path, count: int = 12) -> list[str]:
    """The end of what a job wrote."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 16 * 1024))
        text = file.read().decode("utf-8", "replace").replace("\r", "\n")
    return [line for line in text.split("\n") if line.strip()][-count:]


def report_failures(outcomes: Sequence[Outcome]) -> int:
    """Print the jobs that failed, each with the end of its log or the job because of which; returns how many."""
    failed = [outcome for outcome in outcomes if outcome.status]
    if failed:
        print(f"\n{len(failed)} of {len(outcomes)} jobs failed:", file=sys.stderr)
    for outcome in failed:
        reason = f"not begun, for {outcome.cause.job.name} failed" if outcome.cause else outcome.log
        print(f"  {outcome.job.name} (status {outcome.status}): {reason}", file=sys.stderr)
        for line in last_lines(outcome.log) if outcome.log else ():
            print(f"    | {line}", file=sys.stderr)
    return len(failed)
