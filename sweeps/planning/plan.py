"""What a launcher's command line and a sweep's file ask for: points, each composed before any is started."""

import re
import shlex
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

import run as program  # registers the resolver behind hydra.run.dir
from datamodules.glue_tasks import TASKS
from datamodules.task import Refused, whole
from sweeps.jobs.environment import gpus_needed, scaled, visible_gpus
from sweeps.jobs.job import POINT, Job, kind_of
from sweeps.planning.ahead import different, jobs_ahead, settings_of, tried_first
from sweeps.planning.checked import check_points, located
from sweeps.planning.estimate import estimate, expected_seconds
from sweeps.planning.multirun import composed, short_names
from sweeps.planning.suite import is_suite
from sweeps.schema.hydra_words import check_one
from sweeps.schema.overrides import with_overrides
from sweeps.schema.sweep_file import Sweep

CONF = Path(program.__file__).parent / "conf"
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
OWN = ("jobs", "budget")  # keys that are the launcher's


@dataclass(frozen=True)
class Told:
    """What the command line says."""

    overrides: tuple[str, ...]
    jobs: int | None = None
    budget: float | None = None  # seconds

    @classmethod
    def of(cls, words: Sequence[str]) -> "Told":
        """From "key=value" words.

        Raises:
            Refused: for a word that is none or has several values, or a wrong value of the launcher's own keys.
        """
        for word in words:
            if "=" not in word:
                raise Refused(f"{word!r} is no override: it may be <key>=<value>.")
        own = dict(word.split("=", 1) for word in words if word.partition("=")[0] in OWN)
        rest = tuple(word for word in words if word.partition("=")[0] not in OWN)
        for word in rest:
            check_one(word)
        count = own.get("jobs")
        jobs = None if count is None else whole("jobs", int(count) if count.isdigit() else count)
        return cls(rest, jobs, seconds_of(own.get("budget")))


def seconds_of(budget: str | None) -> float | None:
    """ "90s", "9m", "2h" in seconds."""
    if budget is None:
        return None
    if (found := re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", budget)) is None:
        raise Refused(f"budget={budget} is not possible: it may be a number and a unit, as 90s, 9m, 2h, 1d.")
    if not float(found[1]):
        raise Refused(f"budget={budget} is not possible: it may be above 0.")
    return float(found[1]) * UNITS[found[2]]


@contextmanager
def composing() -> Iterator[None]:
    """Inside, `composed` finds the suite's configurations."""
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        HydraConfig.instance().set_config(hydra.compose("config", return_hydra_config=True))
        yield


@dataclass(frozen=True)
class Plan:
    """A sweep's points as jobs, each with its configuration and the settings of its pre-training."""

    sweep: Sweep
    jobs: list[Job]
    configurations: list[DictConfig]
    settings: list[str]
    at_once: int
    gpus: list[str]

    @classmethod
    def of(cls, sweep: Sweep, told: Told) -> "Plan":
        """Compose and check every point before any is started.

        Raises:
            Refused: when a point would be refused, and when points are one experiment, or need GPUs that there are not.
        """
        sweep = with_overrides(sweep, told.overrides)
        words, configurations = points_of(sweep)
        check_points(sweep, configurations)
        gpus = visible_gpus(str(configurations[0].trainer.accelerator))
        places = [Path(cfg.hydra.run.dir) for cfg in configurations]
        if len(set(places)) < len(places):
            twice = next(place for place in places if places.count(place) > 1)
            raise Refused(
                f"{sweep.path}: several points are one experiment, {twice}: its parameters may differ in more."
            )
        at_once, devices = divided(gpus, [cfg.trainer.devices for cfg in configurations], told.jobs)
        jobs = [
            Job(
                name,
                one,
                place,
                count,
                bool(cfg.rerun),
                place_online(sweep),
                claim=place.with_name(f"{place.name}.claim"),
                kind=kind_of(POINT, cfg.scale),
            )
            for name, one, place, count, cfg in zip(
                short_names(words), words, places, devices, configurations, strict=True
            )
        ]
        return cls(sweep, jobs, configurations, [settings_of(cfg) for cfg in configurations], at_once, gpus)

    def left(self) -> tuple[list[DictConfig], list[str]]:
        """Of the points that have not finished, their configurations and the settings of their pre-trainings."""
        left = [number for number, job in enumerate(self.jobs) if not job.finished]
        return [self.configurations[number] for number in left], [self.settings[number] for number in left]

    def ahead(self) -> dict[str, Job]:
        """The pre-trainings that these lack, by their settings.

        Raises:
            Refused: when a text is not there.
        """
        with located(self.sweep):
            made = jobs_ahead(*self.left(), self.gpus)
        return {own: replace(job, environment=place_online(self.sweep)) for own, job in made.items()}

    def lacked(self) -> list[DictConfig]:
        """A point for each of these; where only the hub can tell, for those that no finished point has had."""
        lacked = different(*self.left())
        with suppress(Refused):
            if all(cfg.pretrain.data.source != "hub" for cfg in lacked.values()):
                return [lacked[own] for own in {job.directory: own for own, job in self.ahead().items()}.values()]
        had = {own for own, job in zip(self.settings, self.jobs, strict=True) if job.finished}
        return [cfg for own, cfg in lacked.items() if own not in had]

    def by_scale(self) -> dict[str | None, list[Job]]:
        """The points, by what they may cost."""
        found: dict[str | None, list[Job]] = defaultdict(list)
        for job, cfg in zip(self.jobs, self.configurations, strict=True):
            found[cfg.scale].append(job)
        return found

    def expected(self) -> dict[str, float]:
        """Seconds of a job of each kind, as far as something is known."""
        every = (expected_seconds(points, scale) for scale, points in self.by_scale().items())
        return {kind: seconds for some in every for kind, seconds in some.items()}

    def estimates(self, lacked: Sequence[DictConfig]) -> Iterator[str]:
        """What is left of each scale."""
        for scale, points in self.by_scale().items():
            encoders = sum(cfg.scale == scale for cfg in lacked)
            tried = tried_first([cfg for cfg in self.configurations if cfg.scale == scale])
            yield estimate(points, encoders, scale, tried)

    def lines(self) -> list[str]:
        """Points, commands, what is done, and what the others will take."""
        done, lacked = [job.finished for job in self.jobs], self.lacked()
        left = len(done) - sum(done)
        lines = [f"{self.sweep.name}: {len(done)} points, {sum(done)} done, {left} to run, {self.at_once} at a time"]
        if lacked:
            place = self.configurations[0].encoders_dir
            lines.append(f"  {len(lacked)} encoders that they start from are made first, in {place}")
        for job, is_done in zip(self.jobs, done, strict=True):
            lines.append(f"  {'done' if is_done else 'to run'}  {job.name}  {job.directory}")
            lines.append(f"          {shlex.join(['python', 'run.py', *job.overrides])}")
        return [*lines, *filter(None, self.estimates(lacked))]


def points_of(sweep: Sweep) -> tuple[list[tuple[str, ...]], list[DictConfig]]:
    """The words and the configuration of each point.

    Raises:
        Refused: for what Hydra cannot compose, with the line of the file in which it stands, and for all of GLUE.
    """
    words = [tuple(scaled(sweep.words(one))) for one in sweep.points()]
    with located(sweep):
        configurations = [point(one) for one in words]
    if any(map(is_suite, configurations)):
        raise Refused(f"{sweep.path}: data.task says which task a point of data=glue is: it may be {', '.join(TASKS)}.")
    return words, configurations


def with_scale(sweep: Sweep) -> Sweep:
    """The sweep with the variable SCALE as a word of its command, unless it says a scale itself."""
    words = [*(f"{name}=" for name in sweep.parameters), *sweep.command]
    return with_overrides(sweep, [word for word in scaled(words) if word not in words])


def divided(gpus: Sequence[str], devices: Sequence[int | str], jobs: int | None) -> tuple[int, list[int]]:
    """How many points run at once, and the GPUs of each.

    Without jobs= there is one on each GPU, or there are as many as find the GPUs that they ask for; on CPUs one.

    Args:
        devices: trainer.devices of each point; auto is one GPU where jobs= does not say how they are shared.
    """
    if jobs is not None or not gpus:
        return jobs or 1, [gpus_needed(one, gpus, jobs or 1) for one in devices]
    needed = [gpus_needed(1 if one == "auto" else one, gpus, 1) for one in devices]
    return len(gpus) // max(needed), needed


def place_online(sweep: Sweep) -> dict[str, str]:
    """Variables that let `wandb sync` send a point's run where the file says that `wandb sweep` has it."""
    return {f"WANDB_{key.upper()}": str(sweep.raw[key]) for key in ("project", "entity") if key in sweep.raw}


def point(words: Sequence[str]) -> DictConfig:
    """The configuration of a point, with which places are resolved as the point itself will resolve them."""
    cfg = composed(words)
    HydraConfig.instance().set_config(cfg)
    return cfg
