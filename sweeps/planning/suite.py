"""All of GLUE in one command: each task a job, then the table with its averages and the files for GLUE's server."""

import os
import sys
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from datamodules import sources
from datamodules.glue_tasks import TASKS, GlueTask
from datamodules.task import TRAIN, Refused
from sweeps.evidence import glue_table
from sweeps.evidence.glue_table import Row
from sweeps.jobs.environment import gpus_needed, rank_of, visible_gpus
from sweeps.jobs.failures import report_failures
from sweeps.jobs.files import read_record, write_json, write_text
from sweeps.jobs.job import Job
from sweeps.jobs.pool import run_jobs
from sweeps.planning.multirun import command_flags, composed

GLUE = "datamodules.glue.Glue"


def is_suite(cfg: DictConfig) -> bool:
    """Whether the configuration means every task of GLUE."""
    return cfg.data._target_ == GLUE and OmegaConf.is_missing(cfg.data, "task")


def lacks(source: str, task: GlueTask) -> str:
    """Why a source cannot train and test a task; empty if it can."""
    try:
        there = sources.available_splits(source, sources.GLUE, task.name)
    except Refused as refusal:
        return str(refusal).partition("; data.source")[0]
    missing = [split for split in (TRAIN, *task.test_sets) if split not in there]
    return f"no split {', '.join(missing)} in {source}, which has {', '.join(there)}" if missing else ""


def run_suite(directory: Path, cfg: DictConfig) -> int:
    """Run every task that the source has, show the table and leave its record in `directory`.

    Returns:
        The exit status: 1 if a job failed.

    Raises:
        Refused: where it cannot be one process that starts the others, or no task can run.
    """
    if rank_of() is not None or "WANDB_SWEEP_ID" in os.environ:
        raise Refused(
            f"data.task says which task, where torchrun, SLURM or a sweep starts the processes: it may be "
            f"{', '.join(TASKS)}; all of them in one command is for one process that starts the others itself."
        )
    notes = {name: lacks(cfg.data.source, task) for name, task in TASKS.items()}
    if all(notes.values()):
        raise Refused(f"no task of GLUE can be trained: {next(iter(notes.values()))}.")
    jobs = {name: make_job(name, cfg) for name in TASKS if not notes[name]}
    gpus = visible_gpus(str(cfg.trainer.accelerator))
    logs = Path(cfg.cache_dir) / "logs" if cfg.prepare else directory / "logs"
    ended = run_jobs(list(jobs.values()), cfg.jobs, logs, directory.name, gpus)
    if not cfg.prepare:
        rows = []
        for name, outcome in zip(jobs, ended, strict=True):
            notes[name] = f"failed: {outcome.log}" if outcome.status else ""
        for name, task in TASKS.items():
            rows.append(Row(task, None if notes[name] else read_record(jobs[name].directory), notes[name]))
        leave(directory, rows, {name: job.directory for name, job in jobs.items()})
    return 1 if report_failures(ended) else 0


def make_job(task: str, cfg: DictConfig) -> Job:
    """The job of one task: this command with data.task."""
    told = HydraConfig.get().overrides.task
    overrides = (*told, f"data.task={task}")
    point = composed(overrides)
    gpus = visible_gpus(str(cfg.trainer.accelerator))
    devices = gpus_needed(point.trainer.devices, gpus, cfg.jobs)
    return Job(
        task, (*command_flags(HydraConfig.get()), *overrides), Path(point.hydra.run.dir), devices, bool(point.rerun)
    )


def leave(directory: Path, rows: list[Row], places: dict[str, Path]) -> None:
    """Show the table; write it, the zip for GLUE's server, and last the suite's own record."""
    for line in glue_table.lines(rows):
        print(line)
    write_text(directory / "table.md", glue_table.markdown(rows))
    zipped, missing = glue_table.submission(rows, places, directory / "submission.zip")
    status = "incomplete" if any(row.note.startswith("failed") for row in rows) else "finished"
    write_json(directory / "summary.json", {"status": status, "name": directory.name, **glue_table.summary(rows)})
    if zipped:
        print(f"for GLUE's server: {zipped}" + (f" (lacks {', '.join(missing)})" if missing else ", ready to submit"))
    print(f"record: {directory}/summary.json, table: {directory}/table.md")
    sys.stdout.flush()
