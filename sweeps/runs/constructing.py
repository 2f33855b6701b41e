"""What a run would refuse of its own data and model, known before anything is trained for it: both are made, and of
neither the content. No text is read, no weights are looked up, and no memory is taken.
"""

import re
from typing import Any

from hydra.errors import InstantiationException
from omegaconf import DictConfig

from datamodules.task import GENERATED, WORD_VECTORS, Refused
from sweeps.runs.checks import check_followers, check_start, check_task
from sweeps.runs.encoders import pretraining_of
from sweeps.runs.places import plain, refusal_behind

OUTER = re.compile(r"(?<![\w.])(data|trainer)\.")  # as the pre-training, a run of its own, has its keys


def check_parts(cfg: DictConfig) -> None:
    """Refuse a configuration whose data, model, transfer or pre-training cannot be made.

    Raises:
        Refused: or Hydra's error around it.
    """
    from hydra.utils import instantiate

    from lightning_modules.training import check_arguments
    from sweeps.runs.given_words import transfer_of

    cfg = cfg.copy()
    check_task(cfg)
    check_start(cfg)
    check_arguments(plain(cfg.trainer))
    data: Any = instantiate(cfg.data, _convert_="all")
    if data.task.kind == WORD_VECTORS:  # sets of words are small, and of some sources there are none
        data.identity()
    if is_from_scratch(cfg):
        check_followers(cfg)
        check_model(cfg, data, transfer_of(cfg, data))
    if cfg.pretrain.recipe:
        check_pretraining(pretraining_of(cfg))


def check_model(cfg: DictConfig, data: Any, transfer: dict[str, Any] | None = None) -> None:
    """Refuse a model that cannot be made, or does not take the data's task."""
    from hydra.utils import instantiate
    from torch import device

    with device("meta"):
        model: Any = instantiate(cfg.model, _convert_="all")
        model.text = {**plain(cfg.text), "format": plain(cfg.transfer.format)}
        model.attach(data.task, transfer)


def is_from_scratch(cfg: DictConfig) -> bool:
    """Whether the network is the configuration's own, and not that of weights which would have to be looked up.

    Raises:
        Refused: where there are none.
    """
    from lightning_modules.start import find_start

    if cfg.pretrain.recipe:
        return True
    usual = "objective" in cfg.data or cfg.data.source in GENERATED
    is_published = cfg.init_from == "published" or (cfg.init_from is None and not usual)
    if cfg.init_from not in (None, "scratch", "published") or (is_published and cfg.published is not None):
        return False
    return find_start(cfg).directory is None


def check_pretraining(inner: DictConfig) -> None:
    """Refuse a pre-training as it would itself, by the keys under which the transfer's command has them.

    Args:
        inner: as a run of its own.
    """
    from hydra.utils import instantiate

    from lightning_modules.training import check_arguments

    try:
        check_arguments(plain(inner.trainer))
        check_model(inner, instantiate(inner.data, _convert_="all"))
    except (Refused, InstantiationException) as error:
        if (refusal := refusal_behind(error)) is None:
            raise
        raise Refused(OUTER.sub(r"pretrain.\1.", str(refusal))) from error
