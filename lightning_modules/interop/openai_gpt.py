"""GPT's weights in the transformers library's layout: config.json, model.safetensors or pytorch_model.bin, tokenizer.

Their linear maps are "1-D convolutions", whose matrices are ours transposed. Queries, keys and values are one in both.
"""

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from datamodules.task import Refused, one_of
from lightning_modules.gpt import LAYER_NORM_EPS
from lightning_modules.interop.transformers import read_config, read_tensors

SIZES = {  # ours -> theirs
    "vocab_size": "vocab_size",
    "hidden_size": "n_embd",
    "num_layers": "n_layer",
    "num_heads": "n_head",
    "max_length": "n_positions",
}
LINEAR = {  # ours -> theirs, of each layer
    "attention.qkv": "attn.c_attn",
    "attention.out": "attn.c_proj",
    "inner": "mlp.c_fc",
    "outer": "mlp.c_proj",
}
NORMS = {"attention_norm": "ln_1", "norm": "ln_2"}


def names(num_layers: int) -> Iterator[tuple[str, str, bool]]:
    """Our tensor's name, theirs, and whether it is transposed there."""
    yield "encoder.embeddings.token.weight", "tokens_embed.weight", False
    yield "encoder.embeddings.position.weight", "positions_embed.weight", False
    for i in range(num_layers):
        for ours, theirs in {**LINEAR, **NORMS}.items():
            for kind in ("weight", "bias"):
                is_turned = ours in LINEAR and kind == "weight"
                yield f"encoder.layers.{i}.{ours}.{kind}", f"h.{i}.{theirs}.{kind}", is_turned


def architecture(config: dict, where: str) -> dict:
    """Our constructor's arguments from a config.json.

    Raises:
        Refused: when it is not GPT, or a GPT that ours is not.
    """
    one_of(f"{where}: model_type", config.get("model_type", "openai-gpt"), ("openai-gpt",))
    one_of(f"{where}: afn", config.get("afn", "gelu"), ("gelu",))  # which is GELU's tanh form there
    one_of(f"{where}: layer_norm_epsilon", config.get("layer_norm_epsilon", LAYER_NORM_EPS), (LAYER_NORM_EPS,))
    missing = [theirs for theirs in SIZES.values() if theirs not in config]
    if missing:
        raise Refused(f"{where} does not say {', '.join(missing)}.")
    sizes = {ours: config[theirs] for ours, theirs in SIZES.items()}
    return {**sizes, "intermediate_size": 4 * config["n_embd"], "lstm_size": None}


def to_ours(theirs: dict[str, Tensor], num_layers: int) -> dict[str, Tensor]:
    """Rename and turn; masks and the tied output layer, which some files hold, are left out."""
    plain = {name.removeprefix("transformer."): tensor for name, tensor in theirs.items()}
    found = {ours: (plain[name], turned) for ours, name, turned in names(num_layers) if name in plain}
    return {ours: (tensor.T if turned else tensor).float().contiguous() for ours, (tensor, turned) in found.items()}


def to_theirs(ours: dict[str, Tensor], num_layers: int) -> dict[str, Tensor]:
    """The way back, for export: the state dict of transformers' OpenAIGPTLMHeadModel (its tied tensor left to it)."""
    listed = [(ours[name], theirs, turned) for name, theirs, turned in names(num_layers)]
    return {f"transformer.{theirs}": tensor.T.contiguous() if turned else tensor for tensor, theirs, turned in listed}


def read(folder: Path) -> tuple[dict, dict[str, Tensor]]:
    """(our constructor's arguments, our tensors) of a folder in transformers' layout."""
    sizes = architecture(read_config(folder), str(folder / "config.json"))
    return sizes, to_ours(read_tensors(folder), sizes["num_layers"])
