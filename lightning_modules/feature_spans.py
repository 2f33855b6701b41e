"""A stretch of a context that answers a question, on features: a reader, sized by transfer.rnn_size and rnn_layers.

Of each place one mix stands for the question's layers and the context's.

Shapes: L layers that are read, N tokens of all sequences, W windows, T tokens of the longest context.
"""

from torch import Tensor, nn

from datamodules.task import Task
from lightning_modules.features import FeatureHead, Features
from lightning_modules.networks.reader import Reader, Windows
from lightning_modules.spans import SpanHead


class FeatureSpans(SpanHead, FeatureHead):
    """words, layers -> reader. The windows of a batch are its examples, of two texts each."""

    def __init__(self, features: Features, task: Task, layers: tuple[int, ...], width: int, vocabulary: int) -> None:
        super().__init__(features, layers, width, vocabulary)
        size, depth, dropout = features.rnn_size, features.rnn_layers, features.dropout
        self.network = Reader(self.x, self.beside, size, depth, dropout)

    @property
    def linear(self) -> nn.Linear:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Of the scores of no answer: the layer that is read last."""
        return self.network.no_answer

    def forward(self, layers: tuple[Tensor, ...], summary: Tensor, batch: dict) -> Tensor:
        """L layers of the sequences or of their text -> (W, 1 + T, 2)."""
        windows = Windows(batch["text_runs"], batch["part_runs"], batch["part"], batch["example"])
        return self.network(*self.plugged(layers, batch), windows)
