"""Run a sweep's file here: without an account, without a network, with the commands that `wandb agent` would start.

    python -m sweeps.launch sweeps/nsp.yaml                        every point, each a fresh process, one on each GPU
    python -m sweeps.launch sweeps/nsp.yaml jobs=2 seed=7          two at once; any override holds for all points
    python -m sweeps.launch sweeps/nsp.yaml row=no_nsp             some: an override of a parameter leaves those points
    python -m sweeps.launch sweeps/nsp.yaml budget=9m              as many whole points as fit
    python -m sweeps.launch sweeps/nsp.yaml --dry-run              points, their commands, what is done
    python -m sweeps.launch sweeps/nsp.yaml seed=7 --write out.yaml    the file with these overrides, for `wandb sweep`

What the points start from is pre-trained first, each different encoder once, with all the GPUs.
Given again it skips the points that have finished and goes on with those that were stopped. Several launchers on one
folder divide the points among them.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from datamodules.task import Refused
from sweeps.jobs.failures import report_failures
from sweeps.jobs.files import write_lines, write_text
from sweeps.jobs.job import ELSEWHERE
from sweeps.jobs.pool import run_jobs
from sweeps.jobs.sentences import AGAIN, advising, answering
from sweeps.planning.ahead import after, by_turns
from sweeps.planning.plan import Plan, Told, composing, points_of, with_scale
from sweeps.planning.tried import with_trials
from sweeps.runs.commands import note_command
from sweeps.schema.overrides import with_overrides
from sweeps.schema.sweep_file import Sweep, read


def launch(sweep: Sweep, told: Told, folder: Path) -> int:
    """Run what has not finished; returns the exit status, 1 if a point failed."""
    with composing():
        plan = Plan.of(sweep, told)
        ahead = plan.ahead()
        jobs = [after(job, own, ahead) for job, own in zip(plan.jobs, plan.settings, strict=True)]
        jobs = jobs if told.budget is None else with_trials(jobs, plan.configurations, plan.gpus)
    if "early_terminate" in sweep.raw:
        print("early_terminate is heeded by W&B's server: here every point runs to its end")
    first = list({job.directory: job for job in ahead.values()}.values())  # settings may differ and encoders not
    until = None if told.budget is None else time.monotonic() + told.budget
    queue = [*first, *jobs] if until is None else by_turns(first, jobs)
    expected = plan.expected()
    outcomes = run_jobs(queue, plan.at_once, folder / "logs", sweep.name, plan.gpus, until, expected)
    points = [outcome for outcome in outcomes if outcome.job not in first]
    elsewhere = sum(outcome.status == ELSEWHERE for outcome in points)
    unbegun = len(plan.jobs) - len(points)
    if elsewhere:
        print(f"{elsewhere} points are run by another launcher")
    if unbegun:
        said = ", ".join(f"{kind} {seconds:,.0f} s" for kind, seconds in expected.items())
        said += ", and as much for each trial" * any(len(job.kinds) > 1 for job in jobs)
        because = f" (expected: {said})" if expected and not points else ""
        print(f"{unbegun} points did not fit into the budget{because}: {AGAIN}")
    for job in plan.jobs:
        if job.finished:  # perhaps by another sweep's command
            note_command(job.directory, job.words)
    from sweeps.dashboard import came_to  # here, because scipy takes its time

    lines = came_to(sweep.path, told.overrides, [job.directory for job in plan.jobs])
    write_lines(folder / "outcome.md", lines)
    print("\n".join(["", *lines, "", f"outcome: {folder / 'outcome.md'}", f"pages: {pages_of(sweep, told)}"]))
    return 1 if report_failures([outcome for outcome in outcomes if outcome.status != ELSEWHERE]) else 0


def pages_of(sweep: Sweep, told: Told) -> str:
    """The command that draws the same, with curves and links to the runs."""
    return shlex.join(["python", "-m", "sweeps.dashboard", str(sweep.path), *told.overrides])


def write(sweep: Sweep, told: Told, file: Path) -> int:
    """Write the sweep's file with these overrides, for `wandb sweep`."""
    if told.jobs is not None or told.budget is not None:
        key = "budget" if told.jobs is None else "jobs"
        raise Refused(f"--write takes no {key}=: it is this launcher's, and how many agents there are is theirs.")
    if file.is_dir():
        raise Refused(f"--write {file} is not possible: it is a folder, and may be a file.")
    resolved = with_scale(with_overrides(sweep, told.overrides))
    with composing():
        points_of(resolved)
    try:
        write_text(file, yaml.safe_dump(resolved.raw, sort_keys=False))
    except OSError as error:
        raise Refused(f"--write {file} is not possible ({error.strerror}): it may be a file of one's own.") from error
    print(f"for wandb sweep: {file}")
    return 0


def main(words: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m sweeps.launch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", help="a sweep in W&B's schema: sweeps/*.yaml")
    parser.add_argument("overrides", nargs="*", help="jobs=, budget=, or any of run.py's, for all points")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be run")
    parser.add_argument("--write", type=Path, metavar="FILE", help="only write the file with these overrides")
    arguments = parser.parse_intermixed_args(words)
    sweep, told = read(arguments.file), Told.of(arguments.overrides)
    if arguments.write:
        return write(sweep, told, arguments.write)
    if arguments.dry_run:
        with composing():
            print("\n".join(Plan.of(sweep, told).lines()))
        return 0
    with advising(AGAIN):
        return launch(sweep, told, Path("outputs/sweeps") / sweep.name)


if __name__ == "__main__":
    with answering():
        try:
            sys.exit(main(sys.argv[1:]))
        except Refused as error:
            print(f"error: {error}", file=sys.stderr)
            sys.exit(2)
