"""The numbers of a model's first thirty steps do not change unnoticed: an encoder's fingerprint relies on it.

After a change that is meant: raise the model's `ENCODER_VERSION` (lightning_modules/*.py), then write the trace anew by
REGENERATE=1 python -m pytest tests/test_golden.py
"""

import json
import os
import platform
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from hydra.utils import instantiate

from lightning_modules.base import LanguageModel
from lightning_modules.word2vec import Word2Vec
from tests.conftest import CPU, compose

FOLDER = Path(__file__).parent / "golden"
DROPOUT = ("model.dropout=0.1", "model.attention_dropout=0.1")
MODELS = {
    "bert_miniature": (*DROPOUT, "model.vocab_size=2000"),
    "gpt_miniature": (*DROPOUT, "data.global_batch_size=8"),
    "elmo_miniature": ("model.dropout=0.1", "data.global_batch_size=16", "data.max_length=20"),
    "nnlm_miniature": ("model.direct_connections=true", "text.objective.negatives=512"),
    "word2vec_miniature": ("model.update=512", "model.optimizer.lr=0.05"),
}
STEPS = 30
TOLERANCE = 2e-6  # relative: other vector instructions make a difference of 2e-7, the other GELU one of 3e-6
ADVICE = "If these numbers are meant: " + " ".join((__doc__ or "").split("is meant: ")[1].split())


class Losses(L.Callback):
    """The total loss of each step, dropout included; of word2vec, which makes many updates a step, before the first."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        if isinstance(pl_module, Word2Vec):
            with torch.no_grad():
                ((total, count),) = pl_module.pretraining_losses(next(pl_module.parts(batch))).values()
            self.values.append(float(total) / count)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if not isinstance(pl_module, Word2Vec):
            self.values.append(float(outputs["loss"]))


def trace(name: str, cache: str, directory: Path) -> tuple[LanguageModel, list[float]]:
    """Pre-train as `python run.py trainer.max_steps=30` with dropout does, in one thread."""
    cfg = compose(f"model={name}", *MODELS[name], *CPU, cache)
    L.seed_everything(0, verbose=False)
    data = instantiate(cfg.data, _convert_="all")
    model = instantiate(cfg.model, _convert_="all").attach(data.task)
    losses = Losses()
    trainer = L.Trainer(
        max_steps=STEPS, accelerator="cpu", precision="32-true", logger=False, callbacks=[losses], limit_val_batches=0,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        use_distributed_sampler=False, default_root_dir=directory,
    )  # fmt: skip
    trainer.fit(model, datamodule=data)
    return model, losses.values


@pytest.mark.parametrize("name", ["bert_miniature", *(pytest.param(n, marks=pytest.mark.slow) for n in [*MODELS][1:])])
def test_the_first_steps_have_the_golden_losses(name: str, cache: str, tmp_path: Path) -> None:
    assert torch.get_num_threads() == 1
    model, losses = trace(name, cache, tmp_path)
    version, file = type(model).ENCODER_VERSION, FOLDER / f"{name}.json"
    if "REGENERATE" in os.environ:
        FOLDER.mkdir(exist_ok=True)
        found = {"encoder_version": version, "machine": platform.machine(), "losses": [round(x, 7) for x in losses]}
        file.write_text(json.dumps(found, indent=1) + "\n")
    golden = json.loads(file.read_text())
    if golden["machine"] != platform.machine():
        pytest.skip(f"dropout draws other numbers on {platform.machine()} than on {golden['machine']}")
    assert len(losses) == STEPS
    assert losses[-1] < losses[0] - 1, "nothing is learned"
    assert losses == pytest.approx(golden["losses"], rel=TOLERANCE), ADVICE
    assert golden["encoder_version"] == version, f"the trace is of another ENCODER_VERSION. {ADVICE}"
