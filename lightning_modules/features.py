"""Feature-based transfer: the encoder is frozen, and a task's network learns on what it makes of each text.

The layers are mixed (`layer_mix.py`) and plugged in beside the words that go into the network's BiLSTM, or beside the
states that come out of it, or both (Peters et al. 2018, section 3.2 and Table 3). Each place has a mix of its own.

Shapes: L layers that are read, N tokens of all sequences, n of them text, S sequences, B examples, D width, C labels.
"""

from dataclasses import dataclass, fields
from typing import Any, Self

import lightning as L
import torch
from torch import Tensor, nn

from datamodules.task import Refused, Task, one_of, real, whole
from lightning_modules.heads import Head, Labels, Score
from lightning_modules.layer_mix import CHOICES, LayerMix, chosen
from lightning_modules.networks.task_rnn import TaskRnn

PLACES = ("input", "output")
WORDS = ("random", "none", GIVEN := "given")  # learnt, none, or put into the head by whoever has them, and frozen
OPTIMIZER = {"lr": 1e-4, "schedule": "constant", "warmup": 0, "weight_decay": 1e-5, "eps": 1e-8, "clip": 5.0}
STORAGE = ("cache", "cache_gb")  # what decides no module
LEARNING = ("head", "metrics", "averages")  # parts of a frozen model that are not the encoder's


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
        if not isinstance(self.layers, int) or isinstance(self.layers, bool) or self.layers < 0:
            one_of("transfer.layers", self.layers, (*CHOICES, "a number from 0 (the token layer) up"))
        for name in ("words_size", "rnn_size", "rnn_layers", "classifier_size"):
            whole(f"transfer.{name}", getattr(self, name))
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

    def head(self, model: Any, task: Task) -> "FeatureHead":
        """What is learnt for a task on top of a model, all of whose parameters are frozen."""
        model.requires_grad_(False)
        model.train(model.training)  # what is frozen, as in evaluation: see `Featured.train`
        vocabulary = 0 if self.words == "none" else model.hparams.get("vocab_size")
        if vocabulary is None:
            told = f"transfer.words={self.words}"
            raise Refused(f"{told} is not possible: {type(model).__name__} has no model.vocab_size; it may be none.")
        width = model.layer_shape[1] if self.plug else 0
        return FEATURE_HEADS[task.kind](self, task, self.needed(model), width, vocabulary)


class Featured(L.LightningModule):
    """What a language model does when it is frozen; `head`, `transfer` and `encode` are `base.LanguageModel`'s."""

    head: Any
    transfer: Any

    @property
    def layer_shape(self) -> tuple[int, int]:
        """How many layers `encode` can return, the token layer among them, and how wide they are.

        Raises:
            Refused: of a model that does not say so.
        """
        if "num_layers" in self.hparams and "hidden_size" in self.hparams:
            return self.hparams["num_layers"] + 1, self.hparams["hidden_size"]
        raise Refused(f"transfer=features is not possible: {type(self).__name__} does not tell its `layer_shape`.")

    def train(self, mode: bool = True) -> Self:
        """All of it; but a frozen encoder stays in evaluation mode."""
        super().train(mode)
        for name, part in self.named_children():
            if self.transfer.frozen and name not in LEARNING:
                part.eval()
        return self

    @torch.no_grad()
    def frozen(self, batch: dict) -> tuple[Tensor, ...]:
        """The layers that the head reads: the batch's own, each (n, D), or what the encoder makes of it, (N, D)."""
        if "layers" in batch:
            return batch["layers"].unbind()
        return self.encode(batch, self.head.layers).layers if self.head.layers else ()  # pyright: ignore


def of_text(layers: tuple[Tensor, ...], batch: dict) -> tuple[Tensor, ...]:
    """Layers of a batch, each (N, D) -> of its text alone, (n, D); those that a batch brings along are that already."""
    return layers if "layers" in batch else tuple(layer[batch["text"]] for layer in layers)


class FeatureHead(Head):
    """words, layers -> task network -> dropout -> linear -> tanh -> dropout -> linear.

    Args:
        layers: numbers of those that are read.
        width: D.
        vocabulary: number of words; 0 where none are read.

    Attributes:
        origin: of words that are given, for the record: where they are from, how many there are.
    """

    def __init__(self, features: Features, task: Task, layers: tuple[int, ...], width: int, vocabulary: int) -> None:
        super().__init__()
        self.layers, self.l2 = layers, features.mix_l2
        is_choice, is_pair = task.kind == "choice", task.kind == "choice" or len(task.columns) > 1
        self.answers = 1 if is_choice else task.num_labels  # of one text or pair
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
        x = features.words_size * (self.words is not None) + plugged * ("input" in features.plug)
        beside = plugged * ("output" in features.plug)
        size, depth, dropout = features.rnn_size, features.rnn_layers, features.dropout
        self.network = TaskRnn(x, beside, size, depth, dropout, is_pair, features.attention)
        hidden: list[nn.Module] = []
        if task.kind != "regression":
            hidden = [nn.Dropout(dropout), nn.Linear(self.network.width, features.classifier_size), nn.Tanh()]
            hidden += [nn.Dropout(dropout)]
        self.hidden = nn.Sequential(*hidden)
        top = features.classifier_size if hidden else self.network.width
        self.linear = nn.Linear(top, self.answers, bias=not is_choice)  # of all choices the same: nothing to learn

    def forward(self, layers: tuple[Tensor, ...], summary: Tensor, batch: dict) -> Tensor:
        """L layers of the sequences or of their text -> (B, C); of a choice one score each."""
        text = [layer.to(self.linear.weight.dtype) for layer in of_text(layers, batch)]
        stacked = torch.stack(text) if text else None  # (L, n, D)
        plugged = {place: mix(stacked) for place, mix in self.mixes.items()}
        x = [] if self.words is None else [self.words(batch["tokens"][batch["text"]])]
        x += [plugged["input"]] if "input" in plugged else []
        largest = len(summary) + 1
        place = (batch["example"] * largest + batch["choice"]) * 2 + batch["part"]
        u = self.network(torch.cat(x, dim=-1), plugged.get("output"), batch["text_runs"], place.argsort())
        return self.linear(self.hidden(u)).view(batch["num_examples"], -1).float()

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


class FeatureLabels(Labels, FeatureHead):
    """A label for each example, or the likeliest of its choices."""


class FeatureScore(Score, FeatureHead):
    """A score for each example; as in the GLUE baselines without a hidden layer."""


FEATURE_HEADS: dict[str, type[FeatureHead]] = {
    "classification": FeatureLabels,
    "regression": FeatureScore,
    "choice": FeatureLabels,
}
