"""Hydra's multirun (`-m`) as jobs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig

from datamodules.task import Refused
from sweeps.environment import gpus_needed, rank_of, visible_gpus
from sweeps.jobs import Job, report_failures, run_jobs
from sweeps.runs import check_switches


def command_flags() -> tuple[str, ...]:
    """What this command line says of where configurations are: a child must look there too."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    flags = ("--config-dir", "--config-name", "--config-path")
    for short, flag in zip(("-cd", "-cn", "-cp"), flags, strict=True):
        parser.add_argument(short, flag)
    told, others = parser.parse_known_args(sys.argv[1:])
    found = [(flag, getattr(told, flag[2:].replace("-", "_"))) for flag in flags]
    search = [word for word in others if word.startswith("hydra.searchpath=")]
    return (*(word for flag, value in found if value for word in (flag, value)), *search)


def short_names(jobs: Sequence[Sequence[str]]) -> list[str]:
    """What tells each job from the others: the overrides that not all of them have."""
    shared = set.intersection(*map(set, jobs)) if len(jobs) > 1 else set()
    return [",".join(word for word in overrides if word not in shared) or "job" for overrides in jobs]


def run_multirun(cfg: DictConfig, points: Sequence[tuple[Sequence[str], DictConfig]]) -> None:
    """Run each point (its overrides and configuration) as a job; one place is never two jobs' at once.

    Raises:
        SystemExit: 1 if any job failed, 2 if they cannot be run at all.
    """
    if rank_of():  # under torchrun the first process starts all jobs, without the marks of torchrun
        return
    try:
        check_switches(cfg)
        gpus = visible_gpus(str(cfg.trainer.accelerator))
        names = short_names([overrides for overrides, _ in points])
        jobs = [
            Job(
                name,
                (*command_flags(), *overrides),
                Path(point.hydra.run.dir),
                gpus_needed(point.trainer.devices, gpus, cfg.jobs),
                point.rerun,
            )
            for name, (overrides, point) in zip(names, points, strict=True)
        ]
        folder = Path(cfg.hydra.sweep.dir)
        outcomes = run_jobs(jobs, cfg.jobs, folder / "logs", folder.name, gpus)
    except Refused as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        sys.exit(2)
    for outcome in outcomes:
        print(f"{'FAILED' if outcome.status else 'done'}  {outcome.job.directory}  {outcome.job.name}")
    if report_failures(outcomes):
        sys.exit(1)
