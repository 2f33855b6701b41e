"""Which encoder a pre-training makes: its facts, their fingerprint, and the encoders that are there already."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from datamodules.task import Refused, fingerprint
from sweeps.runs.places import experiment
from sweeps.runs.settings import differences, without

# What does not decide an encoder's numbers. The text has an identity of its own, and so has the tokenizer.
EVALUATION = ("val_check_interval", "check_val_every_n_epoch", "limit_val_batches", "limit_test_batches")
NOT_BUDGET = (*EVALUATION, "limit_predict_batches", "accumulate_grad_batches", "precision")
NOT_DATA = ("source", "files", "text", "corpus", "documents", "sentences", "tokenizer", "validation_sequences", "seed")
NOT_DATA += ("phrases", "phrase_threshold", "phrase_min_count")
WHOLE = 1.0  # of a pre-training's steps


def encoder_facts(cfg: DictConfig, data: Any, precision: str, version: int, origin: str | None) -> dict[str, Any]:
    """Everything that decides an encoder's numbers, and nothing else: no paths, devices, logging, nor a later transfer.

    Args:
        cfg: of the pre-training as a run of its own (for one inside a transfer: `pretraining_of`).
        data: its TextDataModule; nothing of it needs to be prepared.
        precision: as Lightning names it.
        version: the model's ENCODER_VERSION.
        origin: which weights it goes on from (`Start.identity`); None from scratch.
    """
    kept = experiment(cfg)
    return {
        "model": without(kept["model"], "finetuning", "auxiliary_lm"),
        "text": without(kept["text"], "format", "tokenizer"),
        "tokenizer": data.subwords.identity(),
        "seed": kept["seed"],
        "init_from": origin,
        "data": without(kept["data"], *NOT_DATA),
        "corpus": data.identity(),
        "budget": without(kept["trainer"], *NOT_BUDGET),
        "precision": precision,
        "version": version,
    }


def pretraining_of(cfg: DictConfig) -> DictConfig:
    """The pre-training inside a transfer's configuration as a run of its own; the recipe's references are resolved."""
    recipe: Any = OmegaConf.to_container(cfg.pretrain, resolve=True)
    whole: Any = OmegaConf.to_container(cfg)
    for key in ("data", "trainer", "seed"):
        whole[key] = recipe[key]
    whole["pretrain"] = {"recipe": None}
    return OmegaConf.create({**whole, "init_from": None})


def planned_facts(cfg: DictConfig) -> dict[str, Any]:
    """The facts of a pre-training that has not run: of its text files are looked at, none is read whole."""
    from hydra.utils import get_class, instantiate

    from lightning_modules.start import adopt
    from lightning_modules.training import pick_precision
    from sweeps.vectors import find_start

    cfg, start = deepcopy(cfg), find_start(cfg)
    adopt(cfg, start, ())
    data = instantiate(cfg.data, _convert_="all")
    model: Any = get_class(cfg.model._target_)
    precision = pick_precision(cfg.trainer.precision, cfg.trainer.accelerator)
    return encoder_facts(cfg, data, precision, model.ENCODER_VERSION, start.identity)


def encoder_files(folder: Path) -> list[Path]:
    """Descriptions of encoders: of pre-trainings inside transfers, and of runs of their own."""
    return sorted([*folder.glob("*/encoder/encoder.yaml"), *Path("outputs").glob("*/encoder/encoder.yaml")])


def known_encoders(folder: Path) -> Iterator[tuple[Path, dict]]:
    """Encoder directories with their descriptions."""
    for file in encoder_files(folder):
        try:
            yield file.parent, yaml.safe_load(file.read_text())
        except (OSError, yaml.YAMLError):
            continue  # removed or replaced meanwhile


def find_encoder(mark: str, folder: Path, fractions: Iterable[float] = ()) -> Path | None:
    """An encoder with this fingerprint, if one has left what it was at these fractions of its steps.

    Looked for by the line that has it: to read 178 descriptions as yaml took 3.8 seconds.
    """
    asked = {folder_name(fraction) for fraction in fractions}
    line = re.compile(rf"^fingerprint: '?{mark}'?$", re.MULTILINE)
    for file in encoder_files(folder):
        with suppress(OSError):  # removed or replaced meanwhile
            if line.search(file.read_text()) and all((file.parent.parent / name).is_dir() for name in asked):
                return file.parent
    return None


def folder_name(fraction: float) -> str:
    """Of the encoder directory in the pre-training's folder."""
    return "encoder" if fraction == WHOLE else f"encoder-{fraction:g}"


def place_of(mark: str, folder: Path, kept: Sequence[float]) -> Path:
    """Where a pre-training is made: <mark>, or beside it where one is that has not left what is to be kept."""
    place = folder / mark
    if (place / "encoder" / "encoder.yaml").is_file() and find_encoder(mark, folder, kept) is None:
        return folder / "-".join([mark, *(f"{fraction:g}" for fraction in kept)])
    return place


def explain(cfg: DictConfig) -> list[str]:
    """Which encoder the configuration makes or takes, and what differs from the nearest there is.

    Raises:
        Refused: when it has no pre-training.
    """
    if not cfg.pretrain.recipe and "objective" not in cfg.data:
        raise Refused("explain=true tells of a pre-training: it needs pretrain=<recipe> or data=corpus.")
    facts = planned_facts(pretraining_of(cfg) if cfg.pretrain.recipe else cfg)
    mark, folder = fingerprint(facts), Path(cfg.encoders_dir)
    there = [(differences(facts, told["facts"]), place) for place, told in known_encoders(folder) if "facts" in told]
    if not there:
        return [f"encoder {mark}: to be pre-trained; there is no other in {folder}/ or outputs/ to compare with"]
    different, place = min(there, key=lambda pair: len(pair[0]))
    if not different:
        return [f"encoder {mark}: there, {place}"]
    first = f"encoder {mark}: to be pre-trained; the nearest there is, {place}, differs in"
    return [first, *(f"  {line}" for line in different)]


def plain_facts(facts: dict) -> dict:
    """The facts as yaml can hold them."""
    return json.loads(json.dumps(facts, default=str))
