"""The encoder directory: how one run hands what it learned to the next.

    encoder/weights.safetensors    every tensor, float32, under the model's own names
    encoder/encoder.yaml           the class, its architecture, how text is read, where it came from, the fingerprint
    encoder/tokenizer.json         the tokenizer travels: training one again would give other ids

A `model/` directory of a finished transfer is the same with a head's tensors and its task.
"""

import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from datamodules.task import Reading, Refused, Task

DESCRIPTION, WEIGHTS, TOKENIZER = "encoder.yaml", "weights.safetensors", "tokenizer.json"


def save(directory: str | Path, description: dict, tensors: dict[str, Tensor], tokenizer: Path) -> Path:
    """Write an encoder (or model) directory, whole or not at all.

    Args:
        description: becomes encoder.yaml; plain values.
        tokenizer: the tokenizer.json to take along.
    """
    directory = Path(directory)
    directory.parent.mkdir(parents=True, exist_ok=True)
    built = Path(tempfile.mkdtemp(prefix=f".{directory.name}-", dir=directory.parent))
    save_file({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}, built / WEIGHTS)
    (built / DESCRIPTION).write_text(yaml.safe_dump(description, sort_keys=False))
    shutil.copyfile(tokenizer, built / TOKENIZER)
    built.chmod(0o755)
    if directory.exists():
        shutil.rmtree(directory)
    os.replace(built, directory)
    return directory


def read(directory: str | Path) -> dict:
    """The description of an encoder or model directory.

    Raises:
        Refused: naming what is missing.
    """
    directory = Path(directory)
    for name in (DESCRIPTION, WEIGHTS, TOKENIZER):
        if not (directory / name).is_file():
            raise Refused(f"{directory} is not an encoder directory: it has no {name}.")
    return yaml.safe_load((directory / DESCRIPTION).read_text())


def read_tensors(directory: str | Path) -> dict[str, Tensor]:
    """A directory's weights.

    Raises:
        Refused: when the file is damaged.
    """
    file = Path(directory) / WEIGHTS
    try:
        return load_file(file)
    except SafetensorError as error:
        raise Refused(f"{file} is damaged: {error}; it may be made or copied once more.") from error


def load_tensors(module: nn.Module, directory: str | Path) -> int:
    """Copy a directory's weights into `module` by name.

    Returns:
        How many tensors matched.

    Raises:
        Refused: when the two do not have the same tensors of the same shapes.
    """
    tensors = read_tensors(directory)
    own = {name for name in module.state_dict() if not name.startswith(("metrics.", "averages."))}
    if odd := sorted(own ^ set(tensors)):
        raise Refused(f"{directory}: its tensors are not those of {type(module).__name__}: {', '.join(odd[:5])}.")
    return copy_tensors(module, tensors, str(directory))


def copy_tensors(module: nn.Module, tensors: dict[str, Tensor], where: str) -> int:
    """As `load_tensors`, from memory; `where` names the origin in an error."""
    own = module.state_dict()
    for name, tensor in tensors.items():
        if name in own and own[name].shape != tensor.shape:
            raise Refused(f"{where}: {name} has shape {list(tensor.shape)}, the model's is {list(own[name].shape)}.")
    matched = {name: tensor for name, tensor in tensors.items() if name in own}
    if not matched:
        raise Refused(f"{where}: none of its {len(tensors)} tensors belongs to {type(module).__name__}.")
    module.load_state_dict(matched, strict=False)
    return len(matched)


def describe_task(task: Task) -> dict:
    """A task as plain values for encoder.yaml."""
    fields = {name: value for name, value in asdict(task).items() if name in Task.__dataclass_fields__}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


def described_task(fields: dict) -> Task:
    """What `describe_task` has described."""
    reading = fields.get("reading")
    return Task(**{**fields, "reading": None if reading is None else Reading(**reading)})
