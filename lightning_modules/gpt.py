"""GPT (Radford et al. 2018): causal language modelling with a Transformer that sees to the left only.

The released code has two habits that later implementations dropped. Each is a switch, and together they are
conf/experiment/gpt_paper_pretraining.yaml: `embedding_dropout` (vectors | matrix: the embedding matrix itself is
dropped, once a step, and with it the output weights) and `softmax` (tokens | everything: over the rows of the
positions, too, which are no token of any text).

`lstm_size` is the paper's own ablation (Table 5): an LSTM in the Transformer's place, all else alike. It reads in order
and has no positions; its units are mapped to the width of the embeddings, which are its output weights, too.

Shapes: N tokens of all sequences, M that are asked for, D width, V vocabulary, P positions.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.task import Refused, Task, one_of, whole
from lightning_modules.base import Encoding, LanguageModel, Losses
from lightning_modules.heads import HEADS, Head
from lightning_modules.networks.recurrent import LstmLayer
from lightning_modules.networks.transformer import Layer, Stack, Transformer, initialise
from lightning_modules.shape import check_dropout, check_shape

LAYER_NORM_EPS = 1e-5
INIT_STD = 0.02
SPECIAL_TOKENS = 3  # start, delimiter and extract, new with a task


class Embeddings(nn.Module):
    """token + position; in the released code rows of one matrix, which is also the output layer.

    Of max_length 0 tokens alone.
    """

    def __init__(self, vocab_size: int, width: int, max_length: int, dropout: float, drop: str) -> None:
        super().__init__()
        self.token = nn.Embedding(vocab_size, width)
        self.position = nn.Embedding(max_length, width) if max_length else None
        self.dropout = nn.Dropout(dropout)
        self.drop = drop

    def matrix(self) -> tuple[Tensor, ...]:
        """(V, D), (P, D): this step's."""
        rows = tuple(part.weight for part in (self.token, self.position) if part is not None)
        return rows if self.drop == "vectors" else tuple(self.dropout(part) for part in rows)

    def forward(self, matrix: tuple[Tensor, ...], tokens: Tensor, positions: Tensor) -> Tensor:
        """(N,), (N,) -> (N, D)."""
        x = F.embedding(tokens, matrix[0])
        if self.position is not None:
            x = x + F.embedding(positions, matrix[1])
        return self.dropout(x) if self.drop == "vectors" else x

    def add_tokens(self, count: int) -> None:
        """New rows below the vocabulary's, drawn as the others were."""
        old = self.token.weight
        new = torch.empty(count, old.shape[1], device=old.device, dtype=old.dtype).normal_(std=INIT_STD)
        self.token = nn.Embedding.from_pretrained(torch.cat([old.detach(), new]), freeze=False)


class Gpt(LanguageModel):
    """GPT-1 of any size.

    Args:
        hidden_size: D; `num_heads` must divide it.
        intermediate_size: width of the feed-forward layer, 4 D in the paper.
        max_length: P.
        dropout: of embeddings, layer outputs and the task's head.
        attention_dropout: of attention weights; 0 lets CUDA use its variable-length kernel.
        embedding_dropout, softmax: see above.
        lstm_size: units of each LSTM layer, 2048 in the paper; None: a Transformer. Without heads nor a feed-forward
            layer, whose keys then say nothing.
        auxiliary_lm: lambda of equation 5, which conf/transfer takes as its own.
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
        lstm_size: int | None = None,
        auxiliary_lm: float = 0.5,
        loss_normalization: str = "global",
    ) -> None:
        super().__init__(optimizer, finetuning, loss_normalization)
        check_shape(vocab_size, hidden_size, num_layers, num_heads, intermediate_size, max_length)
        check_dropout(dropout, attention_dropout)
        drop = one_of("model.embedding_dropout", embedding_dropout, ("vectors", "matrix"))
        self.softmax, self.dropout = one_of("model.softmax", softmax, ("tokens", "everything")), dropout
        if lstm_size is not None and softmax == "everything":
            raise Refused("model.softmax='everything' needs rows of positions: with model.lstm_size, it may be tokens.")
        self.save_hyperparameters(logger=False)
        layer = (hidden_size, num_heads, intermediate_size, dropout, attention_dropout, "tanh", LAYER_NORM_EPS, True)
        embeddings = Embeddings(vocab_size, hidden_size, max_length if lstm_size is None else 0, dropout, drop)
        self.encoder: Stack[Embeddings]
        if lstm_size is None:
            self.encoder = Transformer(embeddings, [Layer(*layer) for _ in range(num_layers)])
        else:
            units = whole("model.lstm_size", lstm_size)
            self.encoder = Stack(embeddings, [LstmLayer(hidden_size, units, dropout) for _ in range(num_layers)])
        initialise(self, "normal")

    def encode(self, batch: dict, layers: Sequence[int] = (-1,)) -> Encoding:
        matrix = self.encoder.embeddings.matrix()
        rows = matrix[0] if self.softmax == "tokens" else torch.cat(matrix)  # (V, D), or (V + P, D)
        return Encoding(self.layers_on(matrix, batch, layers), batch["summary"], rows)

    def layers_on(self, matrix: tuple[Tensor, ...], batch: dict, layers: Sequence[int]) -> tuple[Tensor, ...]:
        """`encode` with this step's embedding matrix."""
        x = self.encoder.embeddings(matrix, batch["tokens"], batch["positions"])
        return self.encoder(x, batch["runs"], batch["offsets"], keep=layers)

    def pretraining_losses(self, batch: dict) -> Losses:
        """-log P(next token | tokens before it), P = softmax(h W_e^T) (equations 1 and 2)."""
        return {"causal_lm": (self.surprise(self.encode(batch), batch).sum(), len(batch["next_labels"]))}

    def surprise(self, encoding: Encoding, batch: dict) -> Tensor:
        """-log P of each token that is asked for, (M,) nats."""
        assert encoding.words is not None
        logits = F.linear(encoding.layers[-1][batch["next_positions"]], encoding.words)
        return F.cross_entropy(logits.float(), batch["next_labels"], reduction="none")

    def next_token(self, batch: dict) -> Tensor:
        """See `sampling.Continues`. No row of a position, whatever `softmax` says: it is no token of a text."""
        encoding = self.encode(batch)
        return F.linear(encoding.layers[-1][encoding.summary], self.encoder.embeddings.token.weight)

    def auxiliary_loss(self, encoding: Encoding, batch: dict) -> tuple[Tensor, int]:
        """L_1 of equation 5: each sequence's mean over its real tokens, as a sum over sequences, and their number."""
        return self.surprise(encoding, batch) @ batch["next_weights"], len(batch["summary"])

    def word_vectors(self, batch: dict) -> Tensor:
        """Input embeddings, without positions."""
        return self.encoder.embeddings.token(batch["tokens"])

    def restart(self, kept: int) -> None:
        self.encoder.restart(kept, "normal")

    def make_head(self, task: Task) -> Head:
        """Linear on the last token of a sequence, without a layer between (section 3.2); three tokens are new."""
        self.encoder.embeddings.add_tokens(SPECIAL_TOKENS)
        return HEADS[task.kind](
            task, self.encoder.embeddings.token.embedding_dim, nn.Identity(), self.dropout, "normal"
        )
