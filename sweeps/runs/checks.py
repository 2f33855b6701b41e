"""Values that are refused before anything is looked up or imported: also of a run that has finished before."""

import re
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, ListConfig, OmegaConf

from datamodules.task import GENERATED, Refused, one_of, real, whole
from sweeps.runs.tuning_space import Space

FOLLOWERS = {  # two sides, one owner
    "text.tokenizer.vocab_size": "model.vocab_size",
    "text.objective.nsp": "model.nsp",
    "text.objective.objective": "model.objective",
    "text.format.objective": "model.objective",
    "text.format.first_special": "model.vocab_size",
}
BY_SHAPE = Path(__file__).resolve().parents[2] / "conf/model/by_shape"
ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")
DEVICES = re.compile(r"auto|-1|[1-9]\d*|\d+,(\d+,?)*")  # as one word


def check_switches(cfg: DictConfig) -> None:
    """Refuse wrong values of the keys that decide what a command does, and where."""
    for key in ("resume", "rerun", "keep_checkpoints", "prepare", "explain"):
        one_of(key, cfg[key], (True, False))
    whole("jobs", cfg.jobs)
    whole("seed", cfg.seed, 0)
    if cfg.predict is not None:
        return
    kept = check_fractions(cfg.keep_fractions)
    if cfg.input is not None:
        raise Refused(f"input={cfg.input} needs predict=<the folder of a finished run>: nothing else reads it.")
    computes = not (cfg.prepare or cfg.explain)  # these are for a machine without the devices, too
    check_trainer("trainer", cfg.trainer, computes)
    check_data("data", cfg.data)
    Space.of(cfg)
    check_shape_chosen(cfg)
    if cfg.pretrain.recipe in ("scale", "passes") and cfg.scale is None:
        raise Refused(
            f"pretrain={cfg.pretrain.recipe} needs a scale: scale (or the variable SCALE) may be miniature, small, "
            f"day, paper."
        )
    if cfg.pretrain.recipe:
        whole("pretrain.seed", cfg.pretrain.seed, 0)
        check_fraction(cfg.pretrain.fraction, kept)
        check_trainer("pretrain.trainer", cfg.pretrain.trainer, computes)
        check_data("pretrain.data", cfg.pretrain.data)


def check_shape_chosen(cfg: DictConfig) -> None:
    """Refuse half of a model of which there is no half at this scale: it would be the whole under another name."""
    if cfg.get("shape") != "half":
        return
    model = str(HydraConfig.get().runtime.choices["model"])
    if (BY_SHAPE / model / f"{cfg.scale}_half.yaml").is_file():
        return
    models = ", ".join(sorted(path.name for path in BY_SHAPE.iterdir()))
    raise Refused(
        f"shape=half is not possible with model={model} and scale={cfg.scale or 'none'}: model may be {models}, and "
        f"scale miniature, small, day, paper."
    )


def check_task(cfg: DictConfig) -> None:
    """Refuse several tasks where one is run."""
    if OmegaConf.is_missing(cfg.data, "task"):
        raise Refused("data.task says which of the tasks: the chosen yaml of conf/data names them.")


def check_start(cfg: DictConfig) -> None:
    """Refuse two starts of one transfer."""
    if cfg.pretrain.recipe and cfg.init_from not in (None, "scratch"):
        told = f"init_from={cfg.init_from} and pretrain={cfg.pretrain.recipe}"
        raise Refused(f"{told}: a transfer starts from one of them; init_from may be null, or scratch for a control.")


def check_fractions(told: Any) -> list[float]:
    """Refuse what is no list of places on the way."""
    allowed = "a list of numbers between 0 and 1"
    if not isinstance(told, ListConfig):
        raise Refused(f"keep_fractions={told!r} is not possible: it may be {allowed}.")
    return [real("keep_fractions", one, allowed, lambda number: 0 < number < 1) for one in told]


def check_fraction(told: Any, kept: list[float]) -> None:
    """Refuse an encoder that the pre-training is not told to keep."""
    real("pretrain.fraction", told, f"1 (the whole), or one of keep_fractions={kept}", lambda one: one in (1, *kept))


def check_trainer(node: str, trainer: DictConfig, computes: bool) -> None:
    """Refuse what no machine can compute with, or what this one cannot where it `computes`."""
    told = one_of(f"{node}.accelerator", trainer.get("accelerator", "auto"), ACCELERATORS)
    if computes and told in ("gpu", "cuda", "mps") and not has_gpu(told):
        raise Refused(f"{node}.accelerator={told} is not possible: no such device is seen here; it may be auto or cpu.")
    check_devices(f"{node}.devices", trainer.get("devices", "auto"))
    whole(f"{node}.num_nodes", trainer.get("num_nodes", 1))
    one_of(f"{node}.enable_progress_bar", trainer.get("enable_progress_bar", "auto"), (True, False, "auto"))


def check_devices(key: str, devices: Any) -> None:
    """Refuse what is neither a number of devices nor names some."""
    if isinstance(devices, ListConfig):
        possible = bool(devices) and all(type(one) is int and one >= 0 for one in devices)
    else:
        possible = bool(DEVICES.fullmatch(str(devices).replace(" ", "")))
    if not possible:
        raise Refused(
            f"{key}={devices} is not possible: it may be auto, a whole number from 1 up, -1 (all that there are), "
            f"or a list of GPUs such as [0,1]."
        )


def has_gpu(accelerator: str) -> bool:
    """Whether there is such a device; asking makes no context on it."""
    import torch

    mps = accelerator != "cuda" and torch.backends.mps.is_available()
    return mps or (accelerator != "mps" and torch.cuda.device_count() > 0)


def check_data(node: str, data: DictConfig) -> None:
    """Refuse a folder that is not there, and what says how batches are made but not what is in them."""
    whole(f"{node}.eval_batch_size", data.get("eval_batch_size", 1))
    if data.get("num_workers") is not None:
        whole(f"{node}.num_workers", data.num_workers, 0)
    source = data.source
    if data.get("files") or source in ("hub", *GENERATED) or Path(str(source)).expanduser().is_dir():
        return
    raise Refused(
        f"{node}.source={source} is not possible: there is no such folder; it (or the variable DATA_SOURCE) may "
        f"be hub (needs a network), a folder in the hub's layout, or {', '.join(GENERATED)} (generated text)."
    )


def check_followers(cfg: DictConfig) -> None:
    """Refuse a value that both sides need and that was set on the side that only follows."""
    for follower, owner in FOLLOWERS.items():
        told, truth = OmegaConf.select(cfg, follower), OmegaConf.select(cfg, owner)
        if told is not None and truth is not None and told != truth:
            raise Refused(f"{follower}={told} must be {owner}={truth}, which it follows: set {owner} alone.")
