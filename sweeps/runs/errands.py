"""Before and after the experiments: `prepare=true` gets everything ready for them, `predict=` uses what one trained.

Preparing is all that needs a network or takes long before the first step; afterwards compute nodes need neither.
"""

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from sweeps.runs.encoders import find_encoder, planned_facts, pretraining_of


def prepare(cfg: DictConfig) -> None:
    """Download weights and text, train the tokenizer, cut the text into tokens; say what there is now.

    Of a transfer with `pretrain=`, the pre-training's text comes first: its tokenizer cuts the transfer's.
    """
    from hydra.utils import instantiate

    from datamodules.task import fingerprint
    from lightning_modules.start import adopt
    from sweeps.vectors import find_start

    if cfg.pretrain.recipe:
        inner = pretraining_of(cfg)
        encoder = find_encoder(fingerprint(planned_facts(inner)), Path(cfg.encoders_dir))
        if encoder is None:
            text: Any = instantiate(inner.data, _convert_="all")
            show(text, f"pretrain={cfg.pretrain.recipe}")
            cfg.text.tokenizer.file, cfg.init_from = str(text.tokenizer_file), "scratch"
        else:
            cfg.init_from = str(encoder)
    start = find_start(cfg)
    adopt(cfg, start, () if cfg.pretrain.recipe else HydraConfig.get().overrides.task)
    waits = cfg.pretrain.recipe and start.directory is None
    print(f"weights: {f'to be made by pretrain={cfg.pretrain.recipe}' if waits else start.words}")
    show(instantiate(cfg.data, _convert_="all"), str(HydraConfig.get().runtime.choices["data"]))


def show(data: Any, name: str) -> None:
    """Prepare one data module and print its card."""
    data.prepare_data()
    data.setup("fit")
    print(f"prepared: {name}, {data.tokens_dir}")
    for key, value in data.card.items():
        print(f"  {key}: {value:,}" if isinstance(value, int) else f"  {key}: {value}")


def predict(run: Path, texts: str | None) -> None:
    """Answer a .tsv of texts with a finished run's model, on standard output."""
    from lightning_modules.answering import load_model, read_texts

    model = load_model(run)
    for answer in model.predict(read_texts(texts, model.task)):
        print(answer)
