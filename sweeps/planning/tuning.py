"""Tuning inside a run: every value of `tuning` is tried before a transfer trains, and the best one is taken.

A trial is a job: the run's own configuration with the value, and seeds of which no run is reported. So the runs of a
row, which differ in their seeds, need the same trials: one of them does a trial, and the others find it. What chooses
is the score on the selection set, a tenth of the training set; a trial is never tested.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, MissingConfigException
from omegaconf import DictConfig

from datamodules.task import Refused
from sweeps.evidence.results import FINISHED, Result
from sweeps.jobs.environment import gpus_needed, visible_gpus
from sweeps.jobs.failures import report_failures
from sweeps.jobs.files import read_record
from sweeps.jobs.job import Job
from sweeps.jobs.lease import Claim, Lease
from sweeps.jobs.once import Work, run_held, see_to
from sweeps.jobs.sentences import wrong_key
from sweeps.planning.ahead import alone
from sweeps.planning.multirun import command_flags, composed
from sweeps.runs.settings import quoted
from sweeps.runs.tuning_space import TRIAL, Space, reported

Values = dict[str, Any]  # of keys, as on the command line


@dataclass(frozen=True)
class Trial:
    """One value of each key, tried with one seed."""

    values: Values
    seed: int
    job: Job
    cfg: DictConfig

    @property
    def score(self) -> float:
        """On the selection set, in percent; of a model that cannot be scored the worst there is."""
        found = float(read_record(self.job.directory)["headline"]["value"])
        return -math.inf if math.isnan(found) else found

    @property
    def flops(self) -> float | None:
        """Of the pre-training that it reads, where that is known; random weights had none."""
        told = Result(self.job.directory, FINISHED, record=read_record(self.job.directory))
        is_free = told.record.get("start") == "scratch" or not told.reads_layers
        return 0.0 if is_free else told.record.get("pretraining", {}).get("flops")

    def figures(self) -> dict[str, Any]:
        """For the record of the run that needed it."""
        told = read_record(self.job.directory)
        return {
            "values": self.values,
            "seed": self.seed,
            "score": told["headline"]["value"],
            "seconds": told["cost"]["seconds"],
            "pretraining_flops": self.flops,
            "folder": str(self.job.directory),
        }


def tuned(cfg: DictConfig) -> tuple[DictConfig, dict[str, Any]]:
    """The configuration with what was chosen, and what the record says of it; as it is where nothing is to be tried.

    Raises:
        Refused: when a value cannot be composed, a trial failed, or nothing is trained.
    """
    if cfg.tuning is None:
        return cfg, {}
    check_data(cfg)
    if (space := Space.of(cfg)) is None:
        return cfg, {}
    gpus = visible_gpus(str(cfg.trainer.accelerator))
    trials = trials_of(cfg, space, gpus)
    see_to([work_of(trial.job, gpus) for trial in trials], "tuning")
    chosen = best(affordable(trials, space.most_flops))
    told: dict[str, Any] = {"space": space.values, "seeds": space.seeds, "most_flops": space.most_flops}
    told |= {"chosen": chosen, "trials": [one.figures() for one in trials]}
    return with_chosen(chosen), {"tuning": told}


def check_data(cfg: DictConfig) -> None:
    """Refuse data of which nothing is learnt, or that is chosen on what is reported."""
    from hydra.utils import instantiate

    task = instantiate(cfg.data, _convert_="all").task
    if not task.trains or task.kind == "pretraining":
        raise Refused("tuning is of a transfer that trains: data may be a task, with transfer=features or finetune.")
    if cfg.data.selection != "holdout":
        raise Refused(f"tuning chooses on a tenth of train: data.selection={cfg.data.selection} may be holdout.")


def words(values: Values) -> list[str]:
    """Values as on the command line."""
    return [f"{key}={quoted(value)}" for key, value in values.items()]


def trials_of(cfg: DictConfig, space: Space, gpus: Sequence[str]) -> list[Trial]:
    """Every value with every seed."""
    return [make_trial(cfg, values, seed, gpus) for values in space.points() for seed in space.seeds]


def make_trial(cfg: DictConfig, values: Values, seed: int, gpus: Sequence[str]) -> Trial:
    """The run's own command with these values and seeds, as a job; it has the same place whatever the run's seeds.

    Raises:
        Refused: for a key or a choice that there is not.
    """
    hydra = HydraConfig.get()
    own = [f"{key}={seed}" for key in reported(cfg)]
    overrides = (*hydra.overrides.task, *words(values), *own, f"tuning={TRIAL}", "rerun=false")
    try:
        point = composed(overrides)
    except (ConfigCompositionException, MissingConfigException) as error:
        raise Refused(f"tuning.values: {wrong_key(error)}") from error
    place = Path(cfg.trials_dir) / Path(point.hydra.run.dir).name
    needed = gpus_needed(point.trainer.devices, gpus, 1)
    line = (*command_flags(hydra), *overrides, f"hydra.run.dir={quoted(str(place))}")
    return Trial(values, seed, Job(f"{','.join(words(values))},seed={seed}", line, place, needed), point)


def work_of(job: Job, gpus: Sequence[str]) -> Work:
    """A trial as what several runs need."""
    place = job.directory
    lease = Lease(place.with_name(f"{place.name}.lease"))
    return Work(str(place), "tried", lease, lambda: job.finished, lambda claim: attempt(job, lease, claim, gpus))


def attempt(job: Job, lease: Lease, claim: Claim, gpus: Sequence[str]) -> None:
    """Run a trial, from its last checkpoint if it was begun before.

    Raises:
        Refused: when it failed: a row of fewer trials than the others is on no equal terms with them.
    """
    print(f"tries {job.name} in {job.directory}", flush=True)
    outcome = run_held(job, lease, claim, "tuning", gpus)
    if outcome is not None and report_failures([outcome]):
        raise Refused(f"tuning: {job.name} failed: {outcome.log} says why; all trials are needed to choose among them.")


def affordable(trials: Sequence[Trial], most_flops: float | None) -> list[Trial]:
    """Those whose pre-training took no more.

    Raises:
        Refused: when none did, or nobody knows of one.
    """
    if most_flops is None:
        return list(trials)
    known = [(one.flops, one) for one in trials if one.flops is not None]
    if len(known) < len(trials):
        name = next(one.job.name for one in trials if one.flops is None)
        raise Refused(f"tuning.most_flops={most_flops:g}: the cost of {name}'s encoder is not known; it may be null.")
    kept = [one for flops, one in known if flops <= most_flops]
    if not kept:
        least = min(flops for flops, _ in known)
        raise Refused(f"tuning.most_flops={most_flops:g}: the least that was tried took {least:.3g}; it may be more.")
    return kept


def best(trials: Sequence[Trial]) -> Values:
    """The values with the highest mean score over the seeds; of equals the first."""
    scores: dict[str, list[float]] = {}
    values = {str(one.values): one.values for one in trials}
    for one in trials:
        scores.setdefault(str(one.values), []).append(one.score)
    return values[max(scores, key=lambda key: mean(scores[key]))]


def with_chosen(values: Values) -> DictConfig:
    """The configuration of this command with these values, as if they stood at its end; the run's place is what it was,
    for its other processes are started there."""
    hydra = HydraConfig.get()
    place = f"hydra.run.dir={quoted(str(hydra.run.dir))}"
    cfg = composed((*hydra.overrides.task, *words(values), place))
    HydraConfig.instance().set_config(cfg)
    return alone(cfg)
