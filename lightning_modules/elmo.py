"""ELMo (Peters et al. 2018): a language model in each direction, both over words that a CNN reads letter by letter.

What a task reads are the layers: 0 the word by itself, twice; above it what each LSTM layer makes of the words so far,
[forward; backward]. In pre-training both directions share the CNN and the softmax. As in the release, training goes on
from the state that a stream was left in (datamodules/bilm.py) and is scored against drawn words; evaluation reads each
sentence by itself, from a state of zeros, and is scored against all words.

Shapes: N words of all sequences, W different ones, C characters of a word, P projection, H units, V vocabulary,
B streams of T words.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from datamodules.task import Refused, Task, real, whole
from lightning_modules.base import Encoding, LanguageModel, Losses
from lightning_modules.carried import Carried
from lightning_modules.feature_heads import on_trained
from lightning_modules.head import Head
from lightning_modules.networks.bilm import BiLm, both_ways, together
from lightning_modules.networks.char_cnn import CharCnn
from lightning_modules.networks.sampled_softmax import full_loss, sampled_loss
from lightning_modules.shape import check_dropout

WIDEST = 7  # datamodules.lexicon keeps so much room after the longest word of a batch
FILTERS = ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024))  # width, how many


class Encoder(nn.Module):
    """Characters -> words -> layers."""

    def __init__(self, characters: CharCnn, bilm: BiLm) -> None:
        super().__init__()
        self.characters, self.bilm = characters, bilm

    def forward(self, batch: dict) -> list[Tensor]:
        """Sentences, each from a state of zeros: the layers from the words up, each (N, 2 P)."""
        words = self.characters(batch["characters"])[batch["words"]]  # (N, P)
        x, order, sizes = both_ways(words, batch["runs"])  # (2, N, P)
        layers, _ = self.bilm(x, sizes, None)
        return [torch.cat([words, words], dim=-1), *(together(layer, order) for layer in layers)]


class Softmax(nn.Module):
    """The output layer of both directions."""

    def __init__(self, vocab_size: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(vocab_size, width).normal_(std=width**-0.5))
        self.bias = nn.Parameter(torch.zeros(vocab_size))


class Elmo(LanguageModel):
    """ELMo of any size.

    Args:
        vocab_size: V, <S>, </S> and <UNK> included; what a word is to the softmax. The CNN reads any word.
        char_size: width of a character.
        filters: [width, number] of the CNN's filters; none wider than 7.
        highways: layers between the CNN and the projection.
        projection_size: P, of a word and of each direction.
        lstm_size: H.
        num_layers: LSTM layers of each direction.
        cell_clip, projection_clip: bounds of cells and of projected outputs; None for none.
        dropout: of what each LSTM layer reads and of what the softmax does.
        optimizer, finetuning: see `optim.OptimizerSpec`; of pre-training and of a transfer.
    """

    ENCODER_VERSION = 2  # negatives of a step are drawn by group and step
    PRETRAINING_ONLY = ("softmax",)

    def __init__(
        self,
        optimizer: dict,
        finetuning: dict,
        vocab_size: int = 793471,
        char_size: int = 16,
        filters: Sequence[Sequence[int]] = FILTERS,
        highways: int = 2,
        projection_size: int = 512,
        lstm_size: int = 4096,
        num_layers: int = 2,
        cell_clip: float | None = 3.0,
        projection_clip: float | None = 3.0,
        dropout: float = 0.1,
        loss_normalization: str = "global",
    ) -> None:
        super().__init__(optimizer, finetuning, loss_normalization)
        sizes = {"vocab_size": vocab_size, "char_size": char_size, "lstm_size": lstm_size, "num_layers": num_layers}
        for name, size in {**sizes, "projection_size": projection_size}.items():
            whole(f"model.{name}", size)
        whole("model.highways", highways, 0)
        for name, bound in (("cell_clip", cell_clip), ("projection_clip", projection_clip)):
            if bound is not None:
                real(f"model.{name}", bound, "a number above 0, or null for none", lambda number: number > 0)
        check_dropout(dropout, 0.0)
        self.save_hyperparameters(logger=False)
        self.width = projection_size
        self.encoder = Encoder(
            CharCnn(projection_size, char_size, check_filters(filters), highways),
            BiLm(projection_size, lstm_size, num_layers, cell_clip, projection_clip, dropout),
        )
        self.softmax = Softmax(vocab_size, projection_size)
        self.dropout = nn.Dropout(dropout)
        self.carried = Carried()
        self.reached: tuple[Tensor, Tensor] | None = None  # streams of the batch under way, and what they are left in

    def encode(self, batch: dict, layers: Sequence[int] = (-1,)) -> Encoding:
        found = self.encoder(batch)
        wanted = sorted({layer % len(found) for layer in layers})
        return Encoding(tuple(found[layer] for layer in wanted), batch["summary"])

    def word_vectors(self, batch: dict) -> Tensor:
        """(N, P), the CNN's; layer 0 is the same twice."""
        return self.encoder.characters(batch["characters"])[batch["words"]]

    @property
    def layer_shape(self) -> tuple[int, int]:
        """See `frozen.Featured`."""
        return self.hparams["num_layers"] + 1, 2 * self.width

    def make_head(self, task: Task) -> Head:
        """See `on_trained`; as wide as a direction."""
        return on_trained(self, task, self.width)

    # ---- pre-training ------------------------------------------------------------------------------------------------

    def pretraining_losses(self, batch: dict) -> Losses:
        """-log P(word | words before it) and -log P(word | words after it) (section 3.1)."""
        asked = self.streams(batch) if "streams" in batch else self.sentences(batch)
        return {
            f"{name}_lm": (self.surprise(hidden, labels, batch).sum(), len(labels)) for name, hidden, labels in asked
        }

    def sentences(self, batch: dict) -> list[tuple[str, Tensor, Tensor]]:
        """Of each direction the outputs that are asked, (M, P), and for what, (M,)."""
        forward, backward = self.encode(batch).layers[-1].split(self.width, dim=-1)
        return [
            ("forward", forward[batch["next_positions"]], batch["next_labels"]),
            ("backward", backward[batch["previous_positions"]], batch["previous_labels"]),
        ]

    def streams(self, batch: dict) -> list[tuple[str, Tensor, Tensor]]:
        """See `sentences`; all words, step by step, from the states that the streams were left in."""
        number, backward = len(batch["streams"]), batch["backward"]
        words = self.encoder.characters(batch["characters"])
        rows = (stepwise(part, number) for part in (batch["words"], backward["words"]))
        x = torch.stack([words[row] for row in rows])  # (2, T * B, P)
        before = self.carried.take(batch["streams"], batch["num_streams"], self.at_rest(x))
        layers, after = self.encoder.bilm(x, [number] * (x.shape[1] // number), self.unpacked(before))
        self.reached = batch["streams"], packed(after)
        hidden = self.dropout(layers[-1])
        labels = [stepwise(part["next_labels"], number) for part in (batch, backward)]
        return [("forward", hidden[0], labels[0]), ("backward", hidden[1], labels[1])]

    def surprise(self, hidden: Tensor, labels: Tensor, batch: dict) -> Tensor:
        """-log P of each label, (M,) nats: of all words, or as the batch's negatives estimate it."""
        size = batch["vocabulary"]  # no row behind it is any word's
        weight, bias = self.softmax.weight[:size], self.softmax.bias[:size]
        if "negatives" not in batch:
            return full_loss(hidden, weight, bias, labels)
        negatives, expected = batch["negatives"], batch["log_expected"]
        return sampled_loss(hidden, weight, bias, labels, negatives, expected[labels], expected[negatives])

    # ---- states ------------------------------------------------------------------------------------------------------

    def at_rest(self, x: Tensor) -> Tensor:
        """(layers, 2, P + H) the state of a stream that nothing was read of."""
        units: int = self.hparams["lstm_size"]
        return torch.zeros(self.hparams["num_layers"], 2, self.width + units, device=x.device)

    def unpacked(self, states: Tensor) -> list[tuple[Tensor, Tensor]]:
        """(B, layers, 2, P + H) -> of each layer (2, B, P) and (2, B, H)."""
        parts = (part.tensor_split([self.width], dim=-1) for part in states.permute(1, 2, 0, 3))
        return [(outputs, cells) for outputs, cells in parts]

    def training_step(self, batch: dict, batch_idx: int) -> Tensor | None:
        """Keeps the states here: a forward pass may be taken to count its FLOPs, and a batch's end comes too late, for
        a checkpoint of this step has been written by then."""
        loss = super().training_step(batch, batch_idx)
        self.keep_states()
        return loss

    def keep_states(self) -> None:
        """Streams go on from where the batch under way leaves them."""
        if self.reached is not None:
            self.carried.keep(*self.reached)
            self.reached = None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["carried"] = self.carried.gathered()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.carried.restore(checkpoint.get("carried"))


def stepwise(rows: Tensor, number: int) -> Tensor:
    """(B * T,) stream after stream -> step after step."""
    return rows.view(number, -1).t().reshape(-1)


def packed(states: list[tuple[Tensor, Tensor]]) -> Tensor:
    """The opposite of `Elmo.unpacked`."""
    return torch.stack([torch.cat(both, dim=-1) for both in states]).permute(2, 0, 1, 3)


def check_filters(filters: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Refuse filters that are no pairs, or wider than what a batch keeps of the room after a word."""
    pairs = [tuple(pair) for pair in filters]
    if pairs and all(len(pair) == 2 and min(pair) > 0 and pair[0] <= WIDEST for pair in pairs):
        return [(width, number) for width, number in pairs]
    raise Refused(
        f"model.filters={filters!r} is not possible: it may be pairs of a width from 1 to {WIDEST} and a number of "
        f"filters from 1 up."
    )
