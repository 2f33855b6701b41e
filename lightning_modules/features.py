"""Feature-based transfer: the encoder is frozen, and a task's network learns on what it makes of each text.

The layers are mixed (`layer_mix.py`) and plugged in beside the words that go into the network's BiLSTM, or beside the
states that come out of it, or both (Peters et al. 2018, section 3.2 and Table 3). Each place has a mix of its own.

Shapes: L layers that are read, N tokens of all sequences, n of them text, S sequences, B examples, D width, C labels.
"""

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor, nn

from datamodules.task import Refused, one_of, real, whole
from lightning_modules.frozen import of_text
from lightning_modules.head import Head
from lightning_modules.layer_mix import CHOICES, LayerMix, chosen

PLACES = ("input", "output")
WORDS = ("random", "none", GIVEN := "given")  # learnt, none, or put into the head by whoever has them, and frozen
OPTIMIZER = {"lr": 1e-4, "schedule": "constant", "warmup": 0, "weight_decay": 1e-5, "eps": 1e-8, "clip": 5.0}
STORAGE = ("cache", "cache_gb")  # what decides no module


def number(key: str, told: str) -> float:
    """What stands behind the slash of "mix/0.1"."""
    try:
        return float(told.partition("/")[2])
    except ValueError:
        raise Refused(f"{key}={told!r} is not possible: behind the slash there may be a number from 0 up.") from None


@dataclass(frozen=True)
class Features:
    """conf/transfer/features.yaml, which says what each key means.

    Raises:
        Refused: naming a key and what it may be.
    """

    layers: str | int = "mix"
    mix_l2: float = 0.001
    gamma: bool = True
    plug: tuple[str, ...] = ("input",)
    words: str = "random"
    words_size: int = 300
    layers_dropout: float = 0.5
    rnn_size: int = 1500
    rnn_layers: int = 2
    classifier_size: int = 512
    dropout: float = 0.2
    attention: bool = False
    cache: bool = True
    cache_gb: float = 20

    def __post_init__(self) -> None:
        if self.layers == "none":
            object.__setattr__(self, "plug", ())
        if isinstance(self.layers, str) and self.layers.startswith("mix/"):
            object.__setattr__(self, "mix_l2", number("transfer.layers", self.layers))
            object.__setattr__(self, "layers", "mix")
        if not isinstance(self.layers, int) or isinstance(self.layers, bool) or self.layers < 0:
            one_of("transfer.layers", self.layers, (*CHOICES, "a number from 0 (the token layer) up"))
        for name in ("words_size", "rnn_size", "classifier_size"):
            whole(f"transfer.{name}", getattr(self, name))
        whole("transfer.rnn_layers", self.rnn_layers, 0)
        for name in ("gamma", "attention", "cache"):
            one_of(f"transfer.{name}", getattr(self, name), (True, False))
        for name in ("layers_dropout", "dropout"):
            real(f"transfer.{name}", getattr(self, name), "from 0 to below 1", lambda share: 0 <= share < 1)
        real("transfer.mix_l2", self.mix_l2, "a number from 0 up", lambda weight: weight >= 0)
        real("transfer.cache_gb", self.cache_gb, "a number above 0", lambda size: size > 0)
        one_of("transfer.words", self.words, WORDS)
        if not isinstance(self.plug, list | tuple) or self.plug != type(self.plug)(p for p in PLACES if p in self.plug):
            raise Refused(f"transfer.plug={self.plug!r} is not possible: it may be [input], [output], both, or [].")
        object.__setattr__(self, "plug", tuple(self.plug))
        if self.words == "none" and "input" not in self.plug:
            raise Refused(
                f"transfer.words=none with transfer.plug={list(self.plug)} leaves the BiLSTM nothing to read: "
                f"transfer.words may be random, or transfer.plug have input."
            )

    @property
    def shape(self) -> dict[str, Any]:
        """What decides a model's modules, as plain values."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in STORAGE}
        return {**values, "plug": list(self.plug)}

    def needed(self, model: Any) -> tuple[int, ...]:
        """The numbers of a model's layers that are read; none where nothing is plugged in.

        Raises:
            Refused: when the model has not so many.
        """
        return chosen(self.layers, model.layer_shape[0]) if self.plug else ()


class FeatureHead(Head):
    """What is learnt on features: the words and the mixes, one for each place, and in a subclass the task's network.

    Args:
        layers: numbers of those that are read.
        width: D.
        vocabulary: number of words; 0 where none are read.

    Attributes:
        origin: of words that are given, for the record: where they are from, how many there are.
        x: width of what goes into the network's BiLSTM.
        beside: width of what is plugged in beside its states.
    """

    def __init__(self, features: Features, layers: tuple[int, ...], width: int, vocabulary: int) -> None:
        super().__init__()
        self.layers, self.l2 = layers, features.mix_l2
        self.words = nn.Embedding(vocabulary, features.words_size) if vocabulary else None
        self.origin: dict[str, Any] = {}
        if self.words is not None and features.words == GIVEN:
            nn.init.zeros_(self.words.requires_grad_(False).weight)
        self.mixes = nn.ModuleDict(
            {
                place: LayerMix(features.layers, len(layers), features.gamma, features.layers_dropout)
                for place in features.plug
            }
        )
        plugged = width * (len(layers) if features.layers == "concat4" else 1)
        self.x = features.words_size * (self.words is not None) + plugged * ("input" in features.plug)
        self.beside = plugged * ("output" in features.plug)

    def plugged(self, layers: tuple[Tensor, ...], batch: dict) -> tuple[Tensor, Tensor | None]:
        """L layers of the sequences or of their text -> what its network reads, (n, x), and plugs in, (n, beside)."""
        text = [layer.to(self.linear.weight.dtype) for layer in of_text(layers, batch)]
        stacked = torch.stack(text) if text else None  # (L, n, D)
        plugged = {place: mix(stacked) for place, mix in self.mixes.items()}
        x = [] if self.words is None else [self.words(batch["tokens"][batch["text"]])]
        x += [plugged["input"]] if "input" in plugged else []
        return torch.cat(x, dim=-1), plugged.get("output")

    def penalty(self) -> Tensor | None:
        """lambda * the squared weights of all places."""
        costs = [cost for mix in self.each() if (cost := mix.penalty()) is not None]
        return self.l2 * torch.stack(costs).sum() if costs and self.l2 else None

    def each(self) -> list[LayerMix]:
        return [mix for mix in self.mixes.values() if isinstance(mix, LayerMix)]

    def learned(self) -> dict[str, dict]:
        """Of each place its mix's weights, from the bottom up, and gamma; see `LayerMix.learned`."""
        return {place: mix.learned() for place, mix in zip(self.mixes, self.each(), strict=True)}

    def figures(self) -> dict[str, float]:
        """mix/<place>/layer_<number>, mix/<place>/gamma."""
        found = {}
        for place, told in self.learned().items():
            weights = told.get("weights", [])
            found |= {f"mix/{place}/layer_{number}": weight for number, weight in enumerate(weights)}
            found |= {f"mix/{place}/gamma": told["gamma"]} if "gamma" in told else {}
        return found
