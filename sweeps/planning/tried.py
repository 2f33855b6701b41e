"""What a point of a sweep sees to itself before it trains: trials, their encoders, and the one that these choose.

Within a budget it counts as part of the point (sweeps/jobs/pool.py).
"""

from collections.abc import Sequence
from dataclasses import replace

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from sweeps.jobs.job import ENCODER, Job, kind_of
from sweeps.planning.ahead import alone, jobs_ahead, row_mark, settings_of
from sweeps.planning.tuning import trials_of
from sweeps.runs.tuning_space import Space


def with_trials(jobs: Sequence[Job], configurations: Sequence[DictConfig], gpus: Sequence[str]) -> list[Job]:
    """Points that know what they see to themselves; those of other seeds alone share their trials."""
    known: dict[str, tuple[Job, ...]] = {}
    told = []
    for job, cfg in zip(jobs, configurations, strict=True):
        space = None if job.finished else Space.of(cfg)
        if space is None:
            told.append(job)
            continue
        mark = row_mark(cfg)
        if mark not in known:
            HydraConfig.instance().set_config(cfg)
            known[mark] = tried(cfg, space, job.kind, gpus)
        chosen = Job("of its choice", (), job.directory, kind=kind_of(ENCODER, cfg.scale))
        own = [chosen] if cfg.pretrain.recipe and space.is_of_pretraining else []
        told.append(replace(job, within=(*known[mark], *own)))
    return told


def tried(cfg: DictConfig, space: Space, kind: str, gpus: Sequence[str]) -> tuple[Job, ...]:
    """The trials of a point that have not been run yet, each as long as a point, and their encoders."""
    left = [trial for trial in trials_of(alone(cfg), space, gpus) if not trial.job.finished]
    points = [trial.cfg for trial in left]
    encoders = jobs_ahead(points, [settings_of(point) for point in points], gpus)
    return (*(replace(trial.job, kind=kind) for trial in left), *encoders.values())
