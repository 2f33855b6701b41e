"""BERT (Devlin et al. 2019): masked language modelling and next-sentence prediction with a Transformer encoder.

Defaults are the released code's. Where the first release, the paper or today's practice differ, there is a switch:
`gelu` (tanh | erf: the first release), `init` (truncated_normal | normal), `nsp`, and in the yaml the optimiser's.

`objective: ltr` is the paper's "LTR & No NSP" (Table 5): the same network sees to the left only, in pre-training and in
fine-tuning, and its output layer gives each token from those before it.

Shapes: N tokens of all sequences, S sequences, M masked positions, D width, V vocabulary.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.task import OBJECTIVES, Refused, Task, one_of
from lightning_modules.base import Encoding, LanguageModel, Losses
from lightning_modules.heads import HEADS, Head
from lightning_modules.networks.transformer import (
    GELU,
    INIT,
    LAYER_NORM_EPS,
    Embeddings,
    Layer,
    Pooler,
    Transformer,
    initialise,
)
from lightning_modules.shape import check_dropout, check_shape

ASKED_FOR = {"masked_lm": ("masked_lm", "masked"), "ltr": ("causal_lm", "next")}  # objective: its loss, its keys


class MaskedLM(nn.Module):
    """dense -> GELU -> layer norm -> output weights tied to the token embeddings, and a bias. Asked positions only."""

    def __init__(self, width: int, vocab_size: int, gelu: str) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.gelu = GELU[gelu]
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.bias = nn.Parameter(torch.zeros(vocab_size))

    def forward(self, x: Tensor, embeddings: Tensor) -> Tensor:
        """(M, D), (V, D) -> (M, V)."""
        return F.linear(self.norm(self.gelu(self.dense(x))), embeddings, self.bias)


class Bert(LanguageModel):
    """BERT of any size.

    Args:
        hidden_size: D; `num_heads` must divide it.
        intermediate_size: width of the feed-forward layer, 4 D in the paper.
        max_length: number of position embeddings.
        dropout: of embeddings, layer outputs and the task's head.
        attention_dropout: of attention weights; 0 lets CUDA use its variable-length kernel.
        objective: `masked_lm` | `ltr`, see above; the latter has no next sentences.
        nsp: pre-train with the next-sentence task; without it there is no pooler until a task is attached.
        optimizer, finetuning: see `optim.OptimizerSpec`; of pre-training and of a transfer.
    """

    PRETRAINING_ONLY = ("masked_lm", "next_sentence")

    def __init__(
        self,
        optimizer: dict,
        finetuning: dict,
        vocab_size: int = 30522,
        hidden_size: int = 768,
        num_layers: int = 12,
        num_heads: int = 12,
        intermediate_size: int = 3072,
        max_length: int = 512,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        gelu: str = "tanh",
        init: str = "truncated_normal",
        objective: str = "masked_lm",
        nsp: bool = True,
        loss_normalization: str = "global",
    ) -> None:
        super().__init__(optimizer, finetuning, loss_normalization)
        check_shape(vocab_size, hidden_size, num_layers, num_heads, intermediate_size, max_length)
        check_dropout(dropout, attention_dropout)
        one_of("model.gelu", gelu, GELU)
        one_of("model.nsp", nsp, (True, False))
        self.objective = one_of("model.objective", objective, OBJECTIVES)
        if nsp and objective == "ltr":
            raise Refused("model.objective='ltr' has no next sentences: with it, model.nsp may be false.")
        self.init, self.dropout = one_of("model.init", init, INIT), dropout
        self.save_hyperparameters(logger=False)
        shape = (hidden_size, num_heads, intermediate_size, dropout, attention_dropout, gelu)
        layer = (*shape, LAYER_NORM_EPS, objective == "ltr")
        self.encoder = Transformer(
            Embeddings(vocab_size, hidden_size, max_length, 2, dropout), [Layer(*layer) for _ in range(num_layers)]
        )
        self.masked_lm = MaskedLM(hidden_size, vocab_size, gelu)
        if nsp:
            self.pooler = Pooler(hidden_size)
            self.next_sentence = nn.Linear(hidden_size, 2)
        initialise(self, init)

    def encode(self, batch: dict, layers: Sequence[int] = (-1,)) -> Encoding:
        x = self.encoder.embeddings(batch["tokens"], batch["positions"], batch["segments"])
        return Encoding(self.encoder(x, batch["runs"], batch["offsets"], keep=layers), batch["summary"])

    def pretraining_losses(self, batch: dict) -> Losses:
        """Masked LM over the masked positions, next sentence over the sequences; unweighted sum (section 3.1, A.1).

        Of `ltr` the LM over all positions that have a token to their right.
        """
        encoding, (name, asked) = self.encode(batch), ASKED_FOR[self.objective]
        top, labels = encoding.layers[-1], batch[f"{asked}_labels"]
        logits = self.masked_lm(top[batch[f"{asked}_positions"]], self.encoder.embeddings.token.weight)
        losses: Losses = {name: (F.cross_entropy(logits.float(), labels, reduction="sum"), len(labels))}
        if not self.training:
            self.averages.add("val", f"{name}_accuracy", (logits.argmax(-1) == labels).sum(), len(labels))
        if hasattr(self, "next_sentence"):
            truth = batch["next_sentence"]
            answer = self.next_sentence(self.pooler(top[encoding.summary])).float()
            losses["next_sentence"] = (F.cross_entropy(answer, truth, reduction="sum"), len(truth))
            if not self.training:
                self.averages.add("val", "next_sentence_accuracy", (answer.argmax(-1) == truth).sum(), len(truth))
        return losses

    def word_vectors(self, batch: dict) -> Tensor:
        """Input embeddings, without positions, segments and layer norm."""
        return self.encoder.embeddings.token(batch["tokens"])

    def restart(self, kept: int) -> None:
        self.encoder.restart(kept, self.init)

    def make_head(self, task: Task) -> Head:
        """Linear on the pooled [CLS]; the pooler is the pre-trained one, or new where there is none to transfer."""
        width = self.encoder.embeddings.token.embedding_dim
        pooler = self._modules.pop("pooler", None)
        if pooler is None or not self.transfer.keeps_all(len(self.encoder.layers)):
            pooler = Pooler(width)
            initialise(pooler, self.init)
        return HEADS[task.kind](task, width, pooler, self.dropout, self.init)
