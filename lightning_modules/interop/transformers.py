"""BERT's weights in the transformers library's layout: config.json, model.safetensors or pytorch_model.bin, tokenizer.

Names differ, and queries, keys and values are three matrices there and one here. Early checkpoints call a layer norm's
weight and bias gamma and beta.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from datamodules.task import Refused, one_of

GELU = {"gelu": "erf", "gelu_new": "tanh", "gelu_pytorch_tanh": "tanh"}
SIZES = {  # ours -> theirs
    "vocab_size": "vocab_size",
    "hidden_size": "hidden_size",
    "num_layers": "num_hidden_layers",
    "num_heads": "num_attention_heads",
    "intermediate_size": "intermediate_size",
    "max_length": "max_position_embeddings",
}
OUTSIDE = {  # ours -> theirs, of single modules
    "encoder.embeddings.token": "bert.embeddings.word_embeddings",
    "encoder.embeddings.position": "bert.embeddings.position_embeddings",
    "encoder.embeddings.segment": "bert.embeddings.token_type_embeddings",
    "encoder.embeddings.norm": "bert.embeddings.LayerNorm",
    "pooler.dense": "bert.pooler.dense",
    "masked_lm.dense": "cls.predictions.transform.dense",
    "masked_lm.norm": "cls.predictions.transform.LayerNorm",
    "next_sentence": "cls.seq_relationship",
}
INSIDE = {  # the same, of each layer
    "attention.out": "attention.output.dense",
    "attention_norm": "attention.output.LayerNorm",
    "inner": "intermediate.dense",
    "outer": "output.dense",
    "norm": "output.LayerNorm",
}


def names(num_layers: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Our tensor's name, and the names of the transformers tensors that it is stacked from."""
    modules = dict(OUTSIDE)
    for i in range(num_layers):
        modules |= {f"encoder.layers.{i}.{ours}": f"bert.encoder.layer.{i}.{theirs}" for ours, theirs in INSIDE.items()}
    for kind in ("weight", "bias"):
        for ours, theirs in modules.items():
            if kind == "weight" or not theirs.endswith("_embeddings"):
                yield f"{ours}.{kind}", (f"{theirs}.{kind}",)
        for i in range(num_layers):
            own = f"bert.encoder.layer.{i}.attention.self"
            yield (
                f"encoder.layers.{i}.attention.qkv.{kind}",
                tuple(f"{own}.{x}.{kind}" for x in ("query", "key", "value")),
            )
    yield "masked_lm.bias", ("cls.predictions.bias",)


def architecture(config: dict, where: str) -> dict:
    """Our constructor's arguments from a config.json.

    Raises:
        Refused: when it is not BERT, or a BERT that ours is not.
    """
    one_of(f"{where}: model_type", config.get("model_type", "bert"), ("bert",))
    one_of(f"{where}: hidden_act", config.get("hidden_act", "gelu"), GELU)
    one_of(f"{where}: type_vocab_size", config.get("type_vocab_size", 2), (2,))
    one_of(f"{where}: position_embedding_type", config.get("position_embedding_type", "absolute"), ("absolute",))
    missing = [theirs for theirs in SIZES.values() if theirs not in config]
    if missing:
        raise Refused(f"{where} does not say {', '.join(missing)}.")
    sizes = {ours: config[theirs] for ours, theirs in SIZES.items()}
    return {**sizes, "gelu": GELU[config.get("hidden_act", "gelu")], "objective": "masked_lm"}


def read_config(folder: Path) -> dict:
    """The folder's config.json."""
    try:
        return json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise Refused(f"{folder}: config.json cannot be read ({error}).") from None


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """The folder's weights under their own names."""
    if (folder / "model.safetensors").is_file():
        return load_file(folder / "model.safetensors")
    if (folder / "pytorch_model.bin").is_file():
        return torch.load(folder / "pytorch_model.bin", map_location="cpu", weights_only=True)
    raise Refused(f"{folder} has neither model.safetensors nor pytorch_model.bin.")


def to_ours(theirs: dict[str, Tensor], num_layers: int) -> dict[str, Tensor]:
    """Rename and stack; tensors that the file does not have (a pooler, the heads) are left out."""
    plain = {}
    for name, tensor in theirs.items():
        name = name.replace(".gamma", ".weight").replace(".beta", ".bias")
        plain[name if name.startswith(("bert.", "cls.")) else f"bert.{name}"] = tensor
    stacked = {}
    for ours, sources in names(num_layers):
        if all(source in plain for source in sources):
            stacked[ours] = torch.cat([plain[source] for source in sources]).float()
    return stacked


def to_theirs(ours: dict[str, Tensor], num_layers: int) -> dict[str, Tensor]:
    """The way back, for export: the state dict of transformers' BertForPreTraining (its tied tensors left to it)."""
    apart = {}
    for name, targets in names(num_layers):
        if name in ours:
            apart |= dict(zip(targets, ours[name].chunk(len(targets)), strict=True))
    return apart


def read(folder: Path) -> tuple[dict, dict[str, Tensor]]:
    """(our constructor's arguments, our tensors) of a folder in transformers' layout."""
    sizes = architecture(read_config(folder), str(folder / "config.json"))
    tensors = to_ours(read_tensors(folder), sizes["num_layers"])
    return {**sizes, "nsp": "pooler.dense.weight" in tensors}, tensors
