"""The encoders that a pre-training leaves on its way, beside the whole one: `keep_fractions=[0.1,0.4]` of its steps.

A transfer with `pretrain.fraction=0.1` starts from one of them (Devlin et al. 2019, Figure 5). The schedule of the
learning rate is the whole pre-training's, and so is the fingerprint by which it is found.
"""

from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import Callback
from omegaconf import DictConfig

from datamodules.task import fingerprint
from lightning_modules.callbacks import kept
from lightning_modules.cost import Cost, spent
from lightning_modules.start import Start
from sweeps.jobs import progress
from sweeps.runs.encoders import WHOLE, encoder_facts, folder_name, plain_facts


def leave_encoder(
    cfg: DictConfig,
    folder: Path,
    start: Start,
    trainer: L.Trainer,
    model: Any,
    data: Any,
    fraction: float = WHOLE,
    **more: Any,
) -> str:
    """Write the encoder directory of a pre-training as it stands after a fraction of its steps.

    Args:
        more: what else its description has.

    Returns:
        The encoder's fingerprint; those on the way have others, for their numbers are others.
    """
    facts = encoder_facts(cfg, data, str(trainer.precision), model.ENCODER_VERSION, start.identity)
    facts |= {} if fraction == WHOLE else {"fraction": fraction}
    about: dict[str, Any] = {"fingerprint": fingerprint(facts), "start": start.words, "facts": plain_facts(facts)}
    about |= {"card": data.card, "steps": trainer.global_step, **more}
    model.save(folder / folder_name(fraction), data.tokenizer_file, **about)
    return about["fingerprint"]


class Fractions(Callback):
    """Leaves an encoder after each fraction of a pre-training's steps."""

    def __init__(self, cfg: DictConfig, folder: Path, start: Start, data: Any) -> None:
        self.cfg, self.folder, self.start, self.data = cfg, folder, start, data
        self.due: dict[float, int] = {}  # fraction -> step

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """After a resume what was due before the checkpoint is there already."""
        steps = int(trainer.estimated_stepping_batches)
        due = {fraction: max(1, round(fraction * steps)) for fraction in self.cfg.keep_fractions}
        self.due = {fraction: step for fraction, step in due.items() if step > trainer.global_step}

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any, **__: Any) -> None:
        for fraction in [fraction for fraction, step in self.due.items() if step == trainer.global_step]:
            del self.due[fraction]  # several batches may be one step
            with kept(trainer, Cost).paused():
                cost = spent(trainer, pl_module, self.data)
                if trainer.is_global_zero:
                    leave_encoder(self.cfg, self.folder, self.start, trainer, pl_module, self.data, fraction, cost=cost)


def asked_for(cfg: DictConfig, folder: Path, start: Start, data: Any) -> list[Callback]:
    """The callback, in a pre-training that is to leave some, and where somebody listens how far it is."""
    wanted = data.task.kind == "pretraining" and cfg.keep_fractions
    return [*progress.asked_for(), *([Fractions(cfg, folder, start, data)] if wanted else [])]
