"""The pre-training inside a transfer run: `pretrain=<recipe>`.

Same settings, same fingerprint, same encoder: if `encoders/<fingerprint>/` is whole it is used; otherwise one process
of all that need it pre-trains it, as a job of its own, and the others wait.
"""

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from datamodules.task import Refused, fingerprint
from sweeps.jobs.environment import gpus_needed, visible_gpus
from sweeps.jobs.failures import report_failures
from sweeps.jobs.job import Job
from sweeps.jobs.lease import Claim, Lease
from sweeps.jobs.once import Work, run_held, see_to
from sweeps.planning.multirun import command_flags, composed
from sweeps.runs.checks import check_followers, check_start
from sweeps.runs.constructing import check_parts
from sweeps.runs.encoders import find_encoder, folder_name, place_of, planned_facts, pretraining_of
from sweeps.runs.settings import leaves, quoted


def command_line(cfg: DictConfig) -> list[str]:
    """Overrides that compose the pre-training inside `cfg` as a run of its own; people may type them as well."""
    choices = HydraConfig.get().runtime.choices
    chosen = [
        f"model={choices['model']}",
        f"data={choices['data@pretrain.data']}",
        f"trainer={choices['trainer@pretrain.trainer']}",
        f"scale={choices['scale']}",
        f"logger={choices['logger']}",
    ]
    theirs: Any = OmegaConf.to_container(composed(chosen))
    nested: Any = OmegaConf.to_container(cfg)
    resolved = leaves(OmegaConf.to_container(pretraining_of(cfg), resolve=True))
    ours = {key: nested[key] for key in ("model", "text", "logger", "published", "keep_fractions")}
    ours |= {key: nested[key] for key in ("cache_dir", "encoders_dir")}
    ours |= {key: nested["pretrain"][key] for key in ("data", "trainer", "seed")}
    wanted, given = leaves(ours), leaves({key: theirs[key] for key in ours})
    changed = [key for key in wanted if key not in given or wanted[key] != given[key]]
    said = [f"{'' if key in given else '+'}{key}={quoted(resolved[key])}" for key in changed]
    return [*chosen, *said, *(f"~{key}" for key in given if key not in wanted)]


def begin(cfg: DictConfig) -> Any:
    """Where a run's weights come from (a `Start`), made first if a recipe says so; the configuration follows them."""
    from lightning_modules.start import adopt
    from sweeps.vectors import find_start

    told, is_control = HydraConfig.get().overrides.task, bool(cfg.pretrain.recipe) and cfg.init_from == "scratch"
    if cfg.pretrain.recipe:  # the encoder is what this configuration says already
        cfg.init_from, told = str(pretrained(cfg)), ()
    start = find_start(cfg)
    adopt(cfg, start, told)
    check_followers(cfg)
    if is_control:
        cfg.init_from = "scratch"
        return start.unlearnt()
    return start


def pretrained(cfg: DictConfig) -> Path:
    """The encoder directory that the recipe makes: found, waited for, or made now.

    Raises:
        Refused: when the recipe cannot be run, or its pre-training failed.
    """
    check_start(cfg)
    mark, folder = fingerprint(planned_facts(pretraining_of(cfg))), Path(cfg.encoders_dir)
    lease, part = Lease(folder / f"{mark}.lease"), cfg.pretrain.fraction
    work = Work(
        str(folder / mark),
        "pre-trained",
        lease,
        lambda: find_encoder(mark, folder, [part]) is not None,
        lambda claim: pretrain(cfg, mark, folder, lease, claim),
    )
    see_to([work], f"pretrain={cfg.pretrain.recipe}")
    found = find_encoder(mark, folder, [part])
    assert found is not None
    return found.with_name(folder_name(part))


def pretrain(cfg: DictConfig, mark: str, folder: Path, lease: Lease, claim: Claim) -> None:
    """Run the pre-training as a job, from its last checkpoint if it was begun before.

    Raises:
        Refused: when it failed, or would be for nothing; but not if the claim was lost meanwhile, and another makes the
            encoder.
    """
    check_parts(cfg)
    place = place_of(mark, folder, cfg.keep_fractions)
    print(f"pre-trains {place} first", flush=True)
    settings = cfg.pretrain.trainer
    gpus = visible_gpus(str(settings.accelerator))
    overrides = (*command_flags(HydraConfig.get()), *command_line(cfg), f"hydra.run.dir={quoted(str(place))}")
    needed = gpus_needed(settings.devices, gpus, 1, "pretrain.trainer.devices")
    outcome = run_held(Job(place.name, overrides, place, needed), lease, claim, "pretrain", gpus)
    if outcome is None:
        return
    if report_failures([outcome]):
        raise Refused(f"pretrain={cfg.pretrain.recipe} failed: {outcome.log} says why.")
    if find_encoder(mark, folder, [cfg.pretrain.fraction]) is None:
        raise Refused(f"{place} has a record but no such encoder: remove the folder, and it is pre-trained again.")
