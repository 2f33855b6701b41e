"""What the language models share of which a task reads a table of vectors, one for each word."""

from collections.abc import Sequence

from torch import nn

from datamodules.task import Task
from lightning_modules.base import Encoding, LanguageModel
from lightning_modules.feature_heads import on_trained
from lightning_modules.features import FeatureHead


class WordTable(LanguageModel):
    """`vectors` are the words', model.size wide."""

    vectors: nn.Embedding

    def encode(self, batch: dict, layers: Sequence[int] = (-1,)) -> Encoding:
        """One layer, the words' vectors."""
        return Encoding((self.vectors(batch["tokens"]),), batch["summary"])

    @property
    def layer_shape(self) -> tuple[int, int]:
        """See `frozen.Featured`."""
        return 1, self.vectors.embedding_dim

    def make_head(self, task: Task) -> FeatureHead:
        """See `on_trained`; as wide as the vectors."""
        return on_trained(self, task, self.vectors.embedding_dim)
