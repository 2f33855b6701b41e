"""Where a run starts: from scratch, from an encoder directory, or from published weights. It is always said.

A file of word vectors is an encoder directory once it is converted (sweeps/vectors.py).

With anything but scratch, the architecture, the vocabulary and the tokenizer are the directory's; only the model class
must match, and an override that says otherwise is refused with both values.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
import yaml
from omegaconf import DictConfig
from torch import Tensor

from datamodules.task import GENERATED, Refused, one_of
from lightning_modules import encoder_io
from lightning_modules.base import LanguageModel
from lightning_modules.interop import openai_gpt, transformers

OTHERS = (
    "scratch, an encoder directory, a folder or hub:<repository> in transformers' layout, or for word2vec a .bin, .txt "
    "or .vec file of vectors"
)
WAYS = f"published, {OTHERS}"
FILES = (("config.json",), ("model.safetensors", "pytorch_model.bin"), ("tokenizer.json", "vocab.txt"))
READERS = {  # of models that transformers has
    "lightning_modules.bert.Bert": transformers.read,
    "lightning_modules.gpt.Gpt": openai_gpt.read,
}
CASE = "tokenizer_config.json"  # says whether a vocab.txt is cased
SIZE = ("num_layers", "hidden_size", "size", "projection_size", "num_heads")
NO_SHAPE = ("optimizer", "finetuning", "auxiliary_lm", "loss_normalization")  # constructor arguments of a training
OTHER_NETWORK = ("lstm_size", "objective")  # of one size, but not the same model
HUB_TIMEOUT = 5.0  # seconds to wait for the hub's answer before it counts as unreachable


@dataclass
class Start:
    """Where the weights come from.

    Attributes:
        words: for people: "scratch", "encoder outputs/... (fingerprint ...)", "published google-bert/...".
        settings: constructor arguments that the origin decides.
        tensors: by our names; none from scratch.
        directory: holds the tokenizer; None from scratch.
        tokenizer: its settings, as far as the origin tells them.
        fingerprint: the encoder's, where it has one.
        instead: the chosen model yaml's size, where the origin has another, which counts; else empty.
        cost: what its pre-training read and cost (`cost.Cost`, words of raw text); empty where nobody knows.
    """

    words: str
    settings: dict = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    directory: Path | None = None
    tokenizer: dict = field(default_factory=dict)
    fingerprint: str | None = None
    instead: dict = field(default_factory=dict)
    cost: dict = field(default_factory=dict)

    @property
    def size(self) -> str:
        """Layers x width: "2x128"; of vectors their width."""
        return "x".join(str(self.settings[name]) for name in SIZE[:4] if name in self.settings)

    @property
    def identity(self) -> str | None:
        """What stands for the weights, wherever they lie: a fingerprint, or a digest; None from scratch."""
        return self.fingerprint if self.directory is None or self.fingerprint is not None else self.digest

    @property
    def digest(self) -> str:
        """Of the very weights: two trainings of one fingerprint may end with others."""
        digest = hashlib.sha256()
        for name, tensor in sorted(self.tensors.items()):
            digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:12]

    def unlearnt(self) -> "Start":
        """The control of this start: its architecture and vocabulary, and random weights."""
        return Start(f"scratch, with the vocabulary of {self.words}", self.settings)

    def load(self, model: LanguageModel) -> str:
        """Copy the weights; says how many tensors matched.

        Raises:
            Refused: when none did, or a shape differs.
        """
        if self.directory is None:
            return f"start: {self.words}, all weights random"
        matched = encoder_io.copy_tensors(model, self.tensors, self.words)
        missing = [name for name in model.state_dict() if name not in self.tensors]
        new = f"; new: {', '.join(sorted({name.rsplit('.', 1)[0] for name in missing}))}" if missing else ""
        its = {name: self.settings.get(name) for name in self.instead}
        size = f"\nsize: {in_words(its)}, as the weights have" if self.instead else ""
        size += f"; the chosen model's {in_words(self.instead)} do not count" * bool(self.instead)
        return f"start: {self.words}, {matched} of {len(self.tensors)} tensors loaded{new}{size}"


def find_start(cfg: DictConfig) -> Start:
    """Resolve `init_from` of a run's configuration; see `resolve`."""
    pretraining = "objective" in cfg.data
    return resolve(cfg.init_from, cfg.published, cfg.data.source, pretraining, cfg.model._target_)


def resolve(init_from: str | None, published: str | None, source: str, pretraining: bool, target: str) -> Start:
    """Resolve `init_from`.

    Args:
        init_from: see WAYS; None takes scratch for pre-training and on the miniature, else the published weights.
        published: the model yaml's repository.
        source: data.source.
        target: the model class's dotted name, which an encoder directory must have been made by.
    """
    if init_from is None:
        if not pretraining and source not in GENERATED and published is None:
            raise Refused(
                f"init_from says where a transfer starts, for this model has no published weights: it may be {OTHERS}."
            )
        init_from = "scratch" if pretraining or source in GENERATED else "published"
    if init_from == "scratch":
        return Start("scratch")
    if init_from == "published":
        if published is None:
            raise Refused(f"init_from=published: this model has no published weights; it may be {OTHERS}.")
        return from_transformers(download(published), f"published {published}", target)
    if init_from.startswith("hub:"):
        return from_transformers(download(init_from.removeprefix("hub:")), init_from, target)
    folder = Path(init_from)
    folder = folder / "encoder" if (folder / "encoder").is_dir() else folder
    if (folder / encoder_io.DESCRIPTION).is_file():
        return from_encoder(folder, target)
    if (folder / "config.json").is_file():
        return from_transformers(folder, f"transformers folder {folder}", target)
    raise Refused(f"init_from={init_from}: {no_start(folder)}; it may be {WAYS if published else OTHERS}.")


def no_start(path: Path) -> str:
    """What is wrong with a path from which no run can start."""
    if path.is_file():
        return f"this is a file, and its folder is asked for: {path.parent}"
    return "this folder " + (
        "is neither an encoder directory nor one in transformers' layout" if path.is_dir() else "does not exist"
    )


def in_words(settings: dict) -> str:
    """A size as one would say it: "num_layers=2, hidden_size=128, num_heads=2"."""
    return ", ".join(f"{name}={value}" for name, value in settings.items())


def from_encoder(folder: Path, target: str) -> Start:
    """An encoder directory of ours."""
    described = encoder_io.read(folder)
    settings = described["model"]
    if (its := settings.pop("_target_")) != target:
        raise Refused(
            f"init_from={folder} is an encoder of {its.rpartition('.')[2]}, and model= chooses one of "
            f"{target.rpartition('.')[2]}: they may not differ."
        )
    mark = described.get("fingerprint")
    tensors = encoder_io.read_tensors(folder)
    kept = {k: v for k, v in settings.items() if k not in NO_SHAPE}
    shape = {k: v for k, v in kept.items() if k not in ("dropout", "attention_dropout", "init")}
    words, cost = f"encoder {folder} (fingerprint {mark})", described.get("cost", {})
    return Start(words, shape, tensors, folder, described["text"]["tokenizer"], mark, cost=cost)


def from_transformers(folder: Path, words: str, target: str) -> Start:
    """A folder in transformers' layout."""
    settings, tensors = READERS[one_of(f"init_from={words}: the model class", target, READERS)](folder)
    return Start(words, settings, tensors, folder)


def download(repository: str) -> Path:
    """A repository's files through the hub's client and its cache: the copy there, if the hub gives no answer.

    Raises:
        Refused: when they cannot be had.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import RepositoryNotFoundError

    def refused(reason: str) -> Refused:
        return Refused(
            f"the weights of {repository} were looked for on the hub and are not to be had: {reason}; init_from may "
            f"also be scratch, an encoder directory, or a local folder in transformers' layout."
        )

    try:  # one request with a time limit, where a download would try again for 23 s
        there = {file.rfilename for file in HfApi().model_info(repository, timeout=HUB_TIMEOUT).siblings or ()}
    except RepositoryNotFoundError as error:
        raise refused("the hub has no such model, or does not show it to you") from error
    except Exception as error:  # no name server, no route, time-out ...: each version of the client has its classes
        try:
            return Path(snapshot_download(repository, local_files_only=True))
        except Exception:
            raise refused(f"no answer ({type(error).__name__}), and no copy in the cache") from error
    wanted = [*(first_of(names, there, repository) for names in FILES), *(there & {CASE})]
    try:
        return Path(snapshot_download(repository, allow_patterns=wanted, etag_timeout=HUB_TIMEOUT))
    except Exception as error:
        raise refused(type(error).__name__) from error


def first_of(names: Sequence[str], there: set[str], repository: str) -> str:
    """The first of the names that is there."""
    for name in names:
        if name in there:
            return name
    raise Refused(f"{repository} has none of {', '.join(names)}.")


def adopt(cfg: DictConfig, start: Start, overrides: Sequence[str]) -> None:
    """Put the origin's architecture and tokenizer into the configuration.

    Args:
        overrides: what was said on the command line.

    Raises:
        Refused: when that contradicts the origin, with both values.
    """
    if start.directory is None:
        return
    its = {**start.tokenizer, "file": str(start.directory)}
    for override in overrides:
        key, _, value = override.lstrip("+").partition("=")
        node, _, name = key.rpartition(".")
        if node == "model" and name in start.settings and yaml.safe_load(value) != start.settings[name]:
            raise Refused(f"{override}: the weights ({start.words}) have {name}={start.settings[name]!r}.")
        if node == "text.tokenizer" and yaml.safe_load(value) != its.get(name):
            told = ", ".join(f"{key}={value!r}" for key, value in its.items())
            raise Refused(f"{override}: the tokenizer comes with the weights ({start.words}) and has {told}.")
    chosen = {name: cfg.model[name] for name in SIZE if name in cfg.model}
    other = {name: cfg.model[name] for name in OTHER_NETWORK if name in cfg.model and name in start.settings}
    chosen |= {name: value for name, value in other.items() if value != start.settings[name]}
    if any(value != start.settings.get(name) for name, value in chosen.items()):
        start.instead = chosen
    for name, value in start.settings.items():
        if name in cfg.model:
            cfg.model[name] = value
    cfg.text.tokenizer.file = str(start.directory)
