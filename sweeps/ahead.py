"""What a sweep's points start from is made ahead of them: each different pre-training once, with all the GPUs.

A point would make its encoder itself (sweeps/pretraining.py), with the GPUs of a point, while others that need it wait.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from datamodules.task import fingerprint
from sweeps.encoders import find_encoder, place_of, planned_facts, pretraining_of
from sweeps.environment import gpus_needed
from sweeps.job import Job
from sweeps.pretraining import command_line
from sweeps.settings import quoted, without
from sweeps.tuning_space import Space, reported


def different(configurations: Iterable[DictConfig]) -> list[DictConfig]:
    """One point for each different pre-training, in their order; no text is looked at, so that no network is needed."""
    found: dict[str, DictConfig] = {}
    for cfg in configurations:
        space = Space.of(cfg)
        if cfg.pretrain.recipe and not (space and space.is_of_pretraining):  # else only a point's trials will tell
            found.setdefault(settings_of(cfg), cfg)
    return list(found.values())


def tried_first(configurations: Iterable[DictConfig]) -> tuple[int, int]:
    """(encoders, trials) that points need besides those of `different`; points of other seeds alone share their trials.

    A point whose encoder its trials choose has, besides theirs, one of its own.
    """
    encoders: set[str] = set()
    trials: dict[str, int] = {}
    for cfg in configurations:
        if (space := Space.of(cfg)) is None:
            continue
        row = alone(cfg)
        for key in reported(cfg):
            OmegaConf.update(row, key, 0)
        plain: Any = OmegaConf.to_container(row, resolve=True)
        mark = fingerprint(plain)
        trials[mark] = len(space.points()) * len(space.seeds)
        if cfg.pretrain.recipe:
            if space.is_of_pretraining:
                encoders |= {f"{mark} {number}" for number in range(trials[mark])} | {f"{mark} of {cfg.pretrain.seed}"}
            else:
                encoders |= {f"{settings_of(row)} {seed}" for seed in space.seeds}
    return len(encoders), sum(trials.values())


def settings_of(cfg: DictConfig) -> str:
    """A digest of all settings of a point's pre-training."""
    inner: Any = OmegaConf.to_container(alone(pretraining_of(cfg)), resolve=True)
    told = {key: inner[key] for key in ("data", "trainer", "seed")}
    told |= {"model": without(inner["model"], "finetuning", "auxiliary_lm"), "text": without(inner["text"], "format")}
    return fingerprint(told)


def alone(cfg: DictConfig) -> DictConfig:
    """A configuration as a run has it, without Hydra's own node."""
    copy = cfg.copy()
    with open_dict(copy):
        copy.pop("hydra", None)
    return copy


def jobs_ahead(configurations: Sequence[DictConfig], gpus: Sequence[str]) -> dict[str, Job]:
    """The pre-trainings that are not there yet, by the settings of the points that need them.

    Raises:
        Refused: when a text is not there.
    """
    jobs: dict[str, Job] = {}
    parts: dict[str, set[float]] = {}
    for cfg in configurations:
        if cfg.pretrain.recipe:
            parts.setdefault(settings_of(cfg), set()).add(cfg.pretrain.fraction)
    for cfg in different(configurations):
        HydraConfig.instance().set_config(cfg)
        mark, folder = fingerprint(planned_facts(pretraining_of(alone(cfg)))), Path(cfg.encoders_dir)
        if find_encoder(mark, folder, parts[settings_of(cfg)]) is None:
            place, settings = place_of(mark, folder, cfg.keep_fractions), cfg.pretrain.trainer
            words = (*command_line(alone(cfg)), f"hydra.run.dir={quoted(str(place))}")
            devices = gpus_needed(settings.devices, gpus, 1, "pretrain.trainer.devices")
            job = Job(f"encoder {mark}", words, place, devices, claim=folder / f"{mark}.lease")
            jobs[settings_of(cfg)] = job
    return jobs


def after(job: Job, cfg: DictConfig, ahead: Mapping[str, Job]) -> Job:
    """A point, to begin when its encoder has been made."""
    made = ahead.get(settings_of(cfg)) if cfg.pretrain.recipe else None
    return job if made is None else replace(job, needs=made.directory)


def by_turns(first: Sequence[Job], jobs: Sequence[Job]) -> list[Job]:
    """Each encoder just before the first point that starts from it: what fits into a budget are points."""
    encoders, queue = {job.directory: job for job in first}, []
    for job in jobs:
        if job.needs in encoders:
            queue.append(encoders.pop(job.needs))
        queue.append(job)
    return queue
