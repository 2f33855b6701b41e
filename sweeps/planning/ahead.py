"""What a sweep's points start from is made ahead of them: each different pre-training once, with all the GPUs.

A point would make its encoder itself (sweeps/planning/pretraining.py), with the GPUs of a point, while others that need
it wait.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from datamodules.task import fingerprint
from sweeps.jobs.environment import gpus_needed
from sweeps.jobs.job import ENCODER, Job, kind_of
from sweeps.planning.pretraining import command_line
from sweeps.runs.encoders import WHOLE, find_encoder, place_of, planned_facts, pretraining_of
from sweeps.runs.settings import quoted, without
from sweeps.runs.tuning_space import Space, reported


def different(configurations: Iterable[DictConfig], settings: Iterable[str]) -> dict[str, DictConfig]:
    """A point for the settings of each pre-training, in their order; no text is looked at, no network needed.

    Those of which only a point's trials will tell which encoder it takes have none.

    Args:
        settings: `settings_of` each.
    """
    found: dict[str, DictConfig] = {}
    for cfg, own in zip(configurations, settings, strict=True):
        space = Space.of(cfg)
        if own and not (space and space.is_of_pretraining):
            found.setdefault(own, cfg)
    return found


def tried_first(configurations: Iterable[DictConfig]) -> tuple[int, int]:
    """(encoders, trials) that points need besides those of `different`; points of other seeds alone share their trials.

    A point whose encoder its trials choose has, besides theirs, one of its own.
    """
    encoders: set[str] = set()
    trials: dict[str, int] = {}
    for cfg in configurations:
        if (space := Space.of(cfg)) is None:
            continue
        row, mark = unseeded(cfg), row_mark(cfg)
        trials[mark] = len(space.points()) * len(space.seeds)
        if cfg.pretrain.recipe:
            if space.is_of_pretraining:
                encoders |= {f"{mark} {number}" for number in range(trials[mark])} | {f"{mark} of {cfg.pretrain.seed}"}
            else:
                encoders |= {f"{settings_of(row)} {seed}" for seed in space.seeds}
    return len(encoders), sum(trials.values())


def unseeded(cfg: DictConfig) -> DictConfig:
    """What points that differ in their seeds alone share."""
    row = alone(cfg)
    for key in reported(cfg):
        OmegaConf.update(row, key, 0)
    return row


def row_mark(cfg: DictConfig) -> str:
    """A digest of it."""
    plain: Any = OmegaConf.to_container(unseeded(cfg), resolve=True)
    return fingerprint(plain)


def settings_of(cfg: DictConfig) -> str:
    """A digest of all settings of a point's pre-training; empty where it has none."""
    if not cfg.pretrain.recipe:
        return ""
    inner: Any = pretraining_of(cfg)
    told: dict[str, Any] = {
        key: OmegaConf.to_container(inner[key], resolve=True) for key in ("model", "text", "data", "trainer")
    }
    told |= {"model": without(told["model"], "finetuning", "auxiliary_lm"), "text": without(told["text"], "format")}
    return fingerprint({**told, "seed": inner.seed})


def alone(cfg: DictConfig) -> DictConfig:
    """A configuration as a run has it, without Hydra's own node."""
    copy = cfg.copy()
    with open_dict(copy):
        copy.pop("hydra", None)
    return copy


def jobs_ahead(configurations: Sequence[DictConfig], settings: Sequence[str], gpus: Sequence[str]) -> dict[str, Job]:
    """The pre-trainings that are not there yet, by the settings of the points that need them.

    Args:
        settings: `settings_of` each.

    Raises:
        Refused: when a text is not there.
    """
    jobs: dict[str, Job] = {}
    parts: dict[str, set[float]] = defaultdict(set)
    for cfg, own in zip(configurations, settings, strict=True):
        parts[own].add(cfg.pretrain.get("fraction", WHOLE))
    for own, cfg in different(configurations, settings).items():
        HydraConfig.instance().set_config(cfg)
        mark, folder = fingerprint(planned_facts(pretraining_of(alone(cfg)))), Path(cfg.encoders_dir)
        if find_encoder(mark, folder, parts[own]) is None:
            place, trainer = place_of(mark, folder, cfg.keep_fractions), cfg.pretrain.trainer
            words = (*command_line(alone(cfg)), f"hydra.run.dir={quoted(str(place))}")
            devices = gpus_needed(trainer.devices, gpus, 1, "pretrain.trainer.devices")
            claim = folder / f"{mark}.lease"
            jobs[own] = Job(f"encoder {mark}", words, place, devices, claim=claim, kind=kind_of(ENCODER, cfg.scale))
    return jobs


def after(job: Job, settings: str, ahead: Mapping[str, Job]) -> Job:
    """A point, to begin when the encoder of these settings has been made."""
    made = ahead.get(settings)
    return job if made is None else replace(job, needs=made.directory)


def by_turns(first: Sequence[Job], jobs: Sequence[Job]) -> list[Job]:
    """Points whose encoder is there, then each encoder before the first that starts from it: what fits are points."""
    encoders, queue = {job.directory: job for job in first}, []
    for job in sorted(jobs, key=lambda job: job.needs in encoders):
        if job.needs in encoders:
            queue.append(encoders.pop(job.needs))
        queue.append(job)
    return queue
