"""A tag for each word, on features: a BiLSTM over the text (Devlin et al. 2019, Table 7), or none at all.

With `transfer.rnn_layers=0` a word's tag is a linear map of what stands at the word, so that it tells what one layer
knows (Peters et al. 2018, Tables 5 and 6).

Shapes: n tokens of text, K words that are tagged, H states, C tags.
"""

import torch
from torch import Tensor, nn

from datamodules.task import Task
from lightning_modules.chunks import Chunks
from lightning_modules.features import FeatureHead, Features
from lightning_modules.networks.recurrent import read
from lightning_modules.tags import TagHead


class FeatureTags(TagHead, FeatureHead):
    """words, layers -> dropout -> BiLSTM -> dropout -> linear at a word's token."""

    def __init__(self, features: Features, task: Task, layers: tuple[int, ...], width: int, vocabulary: int) -> None:
        super().__init__(features, layers, width, vocabulary)
        self.chunks = Chunks(task.labels)
        size, depth = features.rnn_size, features.rnn_layers
        self.lstm = nn.LSTM(self.x, size, depth, bidirectional=True) if depth else None
        self.dropout = nn.Dropout(features.dropout)
        self.linear = nn.Linear((2 * size if depth else self.x) + self.beside, task.num_labels)

    def forward(self, layers: tuple[Tensor, ...], summary: Tensor, batch: dict) -> Tensor:
        """L layers of the sequences or of their text -> (K, C)."""
        x, beside = self.plugged(layers, batch)
        h = x if self.lstm is None else read(self.lstm, self.dropout(x), batch["text_runs"])  # (n, H)
        h = h if beside is None else torch.cat([h, beside], dim=-1)
        return self.linear(self.dropout(h[batch["tagged_text"]])).float()
