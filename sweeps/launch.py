"""Run a sweep's file here: without an account, without a network, with the commands that `wandb agent` would start.

    python -m sweeps.launch sweeps/nsp.yaml                        every point, each a fresh process, one on each GPU
    python -m sweeps.launch sweeps/nsp.yaml jobs=2 seed=7          two at once; any override holds for all points
    python -m sweeps.launch sweeps/nsp.yaml row=no_nsp             some: an override of a parameter leaves those points
    python -m sweeps.launch sweeps/nsp.yaml budget=9m              as many whole points as fit
    python -m sweeps.launch sweeps/nsp.yaml --dry-run              points, their commands, what is done
    python -m sweeps.launch sweeps/nsp.yaml jobs=2 --write out.yaml    the file with these overrides, for `wandb sweep`

What the points start from is pre-trained first, each different encoder once, with all the GPUs.
Given again it skips the points that have finished and goes on with those that were stopped. Several launchers on one
folder divide the points among them.
"""

import argparse
import re
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import hydra
import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

import run as program  # registers the resolver behind hydra.run.dir
from datamodules.task import Refused, whole
from sweeps.ahead import after, by_turns, different, jobs_ahead, settings_of, tried_first
from sweeps.commands import note_command
from sweeps.environment import gpus_needed, scaled, visible_gpus
from sweeps.estimate import estimate
from sweeps.failures import report_failures
from sweeps.files import write_lines, write_text
from sweeps.job import ELSEWHERE, Job
from sweeps.jobs import run_jobs
from sweeps.multirun import composed, short_names
from sweeps.overrides import check_one, with_overrides
from sweeps.sentences import AGAIN, advising, answering
from sweeps.sweep_file import Sweep, read

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
        """Compose every point before any is started.

        Raises:
            Refused: when points are one experiment, or need GPUs that there are not.
        """
        sweep = with_overrides(sweep, told.overrides)
        words = [tuple(scaled(sweep.words(point))) for point in sweep.points()]
        configurations = [point(one) for one in words]
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
            )
            for name, one, place, count, cfg in zip(
                short_names(words), words, places, devices, configurations, strict=True
            )
        ]
        return cls(sweep, jobs, configurations, [settings_of(cfg) for cfg in configurations], at_once, gpus)

    def lines(self) -> list[str]:
        """Points, commands, what is done, and what the others will take."""
        done, encoders = [job.finished for job in self.jobs], len(different(self.configurations, self.settings))
        left = len(done) - sum(done)
        lines = [f"{self.sweep.name}: {len(done)} points, {sum(done)} done, {left} to run, {self.at_once} at a time"]
        if encoders:
            lines.append(
                f"  their {encoders} encoders are found in {self.configurations[0].encoders_dir}, or made first"
            )
        for job, is_done in zip(self.jobs, done, strict=True):
            lines.append(f"  {'done' if is_done else 'to run'}  {job.name}  {job.directory}")
            lines.append(f"          {shlex.join(['python', 'run.py', *job.overrides])}")
        told = estimate(self.jobs, encoders, self.configurations[0].scale, tried_first(self.configurations))
        return [*lines, *([told] if told else [])]


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


def launch(sweep: Sweep, told: Told, folder: Path) -> int:
    """Run what has not finished; returns the exit status, 1 if a point failed."""
    with composing():
        plan = Plan.of(sweep, told)
        lacking = [number for number, job in enumerate(plan.jobs) if not job.finished]
        configurations = [plan.configurations[number] for number in lacking]
        ahead = jobs_ahead(configurations, [plan.settings[number] for number in lacking], plan.gpus)
        jobs = [after(job, own, ahead) for job, own in zip(plan.jobs, plan.settings, strict=True)]
    first = list({job.directory: job for job in ahead.values()}.values())  # settings may differ and encoders not
    until = None if told.budget is None else time.monotonic() + told.budget
    queue = [*first, *jobs] if until is None else by_turns(first, jobs)
    outcomes = run_jobs(queue, plan.at_once, folder / "logs", sweep.name, plan.gpus, until)
    points = [outcome for outcome in outcomes if outcome.job not in first]
    elsewhere = sum(outcome.status == ELSEWHERE for outcome in points)
    unbegun = len(plan.jobs) - len(points)
    if elsewhere:
        print(f"{elsewhere} points are run by another launcher")
    if unbegun:
        print(f"{unbegun} points did not fit into the budget: {AGAIN}")
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
        write_text(arguments.write, yaml.safe_dump(with_overrides(sweep, told.overrides).raw, sort_keys=False))
        print(f"for wandb sweep: {arguments.write}")
        return 0
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
