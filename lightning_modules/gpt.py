"""GPT (Radford et al. 2018): causal language modelling with a Transformer that sees to the left only.

The released code has two habits that later implementations dropped. Each is a switch, and together they are
conf/experiment/gpt_paper_pretraining.yaml: `embedding_dropout` (vectors | matrix: the embedding matrix itself is
dropped, once a step, and with it the output weights) and `softmax` (tokens | everything: over the rows of the
positions, too, which are no token of any text).

Shapes: N tokens of all sequences, M that are asked for, D width, V vocabulary, P positions.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.task import Task, one_of
from lightning_modules.base import Encoding, LanguageModel, Losses
from lightning_modules.heads import HEADS, Head
from lightning_modules.networks.transformer import Layer, Transformer, initialise
from lightning_modules.shape import check_dropout, check_shape

LAYER_NORM_EPS = 1e-5


class Embeddings(nn.Module):
    """token + position; in the released code rows of one matrix, which is also the output layer."""

    def __init__(self, vocab_size: int, width: int, max_length: int, dropout: float, drop: str) -> None:
        super().__init__()
        self.token = nn.Embedding(vocab_size, width)
        self.position = nn.Embedding(max_length, width)
        self.dropout = nn.Dropout(dropout)
        self.drop = drop

    def matrix(self) -> tuple[Tensor, Tensor]:
        """(V, D), (P, D): this step's."""
        rows = self.token.weight, self.position.weight
        return rows if self.drop == "vectors" else (self.dropout(rows[0]), self.dropout(rows[1]))

    def forward(self, matrix: tuple[Tensor, Tensor], tokens: Tensor, positions: Tensor) -> Tensor:
        """(N,), (N,) -> (N, D)."""
        x = F.embedding(tokens, matrix[0]) + F.embedding(positions, matrix[1])
        return self.dropout(x) if self.drop == "vectors" else x


class Gpt(LanguageModel):
    """GPT-1 of any size.

    Args:
        hidden_size: D; `num_heads` must divide it.
        intermediate_size: width of the feed-forward layer, 4 D in the paper.
        max_length: P.
        dropout: of embeddings, layer outputs and the task's head.
        attention_dropout: of attention weights; 0 lets CUDA use its variable-length kernel.
        embedding_dropout, softmax: see above.
        optimizer, finetuning: see `optim.OptimizerSpec`; of pre-training and of a transfer.
    """

    def __init__(
        self,
        optimizer: dict,
        finetuning: dict,
        vocab_size: int = 40478,
        hidden_size: int = 768,
        num_layers: int = 12,
        num_heads: int = 12,
        intermediate_size: int = 3072,
        max_length: int = 512,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        embedding_dropout: str = "vectors",
        softmax: str = "tokens",
        loss_normalization: str = "global",
    ) -> None:
        super().__init__(optimizer, finetuning, loss_normalization)
        check_shape(vocab_size, hidden_size, num_layers, num_heads, intermediate_size, max_length)
        check_dropout(dropout, attention_dropout)
        drop = one_of("model.embedding_dropout", embedding_dropout, ("vectors", "matrix"))
        self.softmax, self.dropout = one_of("model.softmax", softmax, ("tokens", "everything")), dropout
        self.save_hyperparameters(logger=False)
        layer = (hidden_size, num_heads, intermediate_size, dropout, attention_dropout, "tanh", LAYER_NORM_EPS, True)
        self.encoder = Transformer(
            Embeddings(vocab_size, hidden_size, max_length, dropout, drop), [Layer(*layer) for _ in range(num_layers)]
        )
        initialise(self, "normal")

    def encode(self, batch: dict, layers: Sequence[int] = (-1,)) -> Encoding:
        return Encoding(self.layers_on(self.encoder.embeddings.matrix(), batch, layers), batch["summary"])

    def layers_on(self, matrix: tuple[Tensor, Tensor], batch: dict, layers: Sequence[int]) -> tuple[Tensor, ...]:
        """`encode` with this step's embedding matrix."""
        x = self.encoder.embeddings(matrix, batch["tokens"], batch["positions"])
        return self.encoder(x, batch["runs"], batch["offsets"], keep=layers)

    def pretraining_losses(self, batch: dict) -> Losses:
        """-log P(next token | tokens before it), P = softmax(h W_e^T) (equations 1 and 2)."""
        matrix, labels = self.encoder.embeddings.matrix(), batch["next_labels"]
        (top,) = self.layers_on(matrix, batch, (-1,))
        rows = matrix[0] if self.softmax == "tokens" else torch.cat(matrix)
        logits = F.linear(top[batch["next_positions"]], rows)  # (M, V), or (M, V + P)
        return {"causal_lm": (F.cross_entropy(logits.float(), labels, reduction="sum"), len(labels))}

    def make_head(self, task: Task) -> Head:
        """Linear on the last token of a sequence, without a layer between (section 3.2)."""
        return HEADS[task.kind](
            task, self.encoder.embeddings.token.embedding_dim, nn.Identity(), self.dropout, "normal"
        )
