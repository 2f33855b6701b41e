"""Hydra's multirun (`-m`) as jobs."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hydra import compose
from hydra.conf import HydraConf
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from datamodules.task import Refused
from sweeps.jobs.environment import gpus_needed, rank_of, visible_gpus
from sweeps.jobs.failures import report_failures
from sweeps.jobs.job import Job
from sweeps.jobs.pool import run_jobs
from sweeps.runs.checks import check_switches


def command_flags(hydra: DictConfig | HydraConf) -> tuple[str, ...]:
    """What this command line says of where configurations are: a child must look there too.

    Args:
        hydra: Hydra's own configuration.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    flags = ("--config-dir", "--config-name", "--config-path")
    for short, flag in zip(("-cd", "-cn", "-cp"), flags, strict=True):
        parser.add_argument(short, flag)
    told, _ = parser.parse_known_args(sys.argv[1:])
    found = [(flag, getattr(told, flag[2:].replace("-", "_"))) for flag in flags]
    return (*(word for flag, value in found if value for word in (flag, value)), *search_path(hydra))


def search_path(hydra: DictConfig | HydraConf) -> list[str]:
    """The override that adds folders of configurations, if it was given."""
    return [word for word in hydra.overrides.hydra if word.startswith("hydra.searchpath=")]


def composed(overrides: Sequence[str]) -> DictConfig:
    """The configuration that a job with these overrides would have, `hydra` node included."""
    hydra = HydraConfig.get()
    return compose(hydra.job.config_name, [*search_path(hydra), *overrides], return_hydra_config=True)


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
        flags = command_flags(cfg.hydra)
        gpus = visible_gpus(str(cfg.trainer.accelerator))
        names = short_names([overrides for overrides, _ in points])
        jobs = [
            Job(
                name,
                (*flags, *overrides, "jobs=1"),  # so many of these at once; all of GLUE in one of them is a queue
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
    from sweeps.compare import report  # here, because scipy takes its time and every run imports this file

    finished = [str(outcome.job.directory) for outcome in outcomes if not outcome.status]
    print("\n".join(["", *report(finished, folder / "comparison")]))
    if report_failures(outcomes):
        sys.exit(1)
