"""The neural probabilistic language model (Bengio et al. 2003): the next word from the vectors of the few before it.

Equation 1: y = b + W x + U tanh(d + H x), with x the vectors of the n - 1 words before, side by side; P = softmax(y).
W, the direct connections, may be left out. What a task reads are the vectors of its words.

Training may score drawn words in the place of all (`text.objective.negatives`), which the paper did not know;
evaluation scores all.

Shapes: N words of all sequences, M that are asked for, C = n - 1 words before each, D width of a vector, H units,
V vocabulary.
"""

import torch
from torch import Tensor, nn

from datamodules.task import one_of, whole
from lightning_modules.base import Losses
from lightning_modules.networks.sampled_softmax import full_loss, sampled_loss
from lightning_modules.shape import check_dropout
from lightning_modules.word_table import WordTable

INIT_STD = 0.1  # of vectors, of which the paper says no more than that they are random; from 1 on they learn later


class Nnlm(WordTable):
    """A feed-forward language model of any size.

    Args:
        vocab_size: V, <S>, </S> and <UNK> included.
        size: D, the paper's m.
        context: C; the paper's n is one more, the word that is predicted.
        hidden_size: H, the paper's h.
        direct_connections: whether there is W.
        dropout: of a task's network (transfer=finetune); pre-training has none.
        optimizer, finetuning: see `optim.OptimizerSpec`; of pre-training and of a transfer.
    """

    PRETRAINING_ONLY = ("hidden", "output")

    def __init__(
        self,
        optimizer: dict,
        finetuning: dict,
        vocab_size: int = 30000,
        size: int = 100,
        context: int = 4,
        hidden_size: int = 100,
        direct_connections: bool = False,
        dropout: float = 0.2,
        loss_normalization: str = "global",
    ) -> None:
        super().__init__(optimizer, finetuning, loss_normalization)
        sizes = {"vocab_size": vocab_size, "size": size, "context": context, "hidden_size": hidden_size}
        for name, value in sizes.items():
            whole(f"model.{name}", value)
        self.direct = one_of("model.direct_connections", direct_connections, (True, False))
        check_dropout(dropout, 0.0)
        self.save_hyperparameters(logger=False)
        self.vectors = nn.Embedding(vocab_size, size)
        nn.init.normal_(self.vectors.weight, std=INIT_STD)
        self.hidden = nn.Linear(context * size, hidden_size)
        self.output = nn.Linear(hidden_size + context * size * self.direct, vocab_size)  # [U W] and b

    # ---- pre-training ------------------------------------------------------------------------------------------------

    def pretraining_losses(self, batch: dict) -> Losses:
        """-log P(word | the C words before it) (section 2)."""
        labels = batch["next_labels"]
        return {"causal_lm": (self.surprise(self.predictors(batch), labels, batch).sum(), len(labels))}

    def words_before(self, batch: dict) -> Tensor:
        """(M, C) the words before each that is asked for, the nearest first; before a sentence stands <S>."""
        at = batch["next_positions"][:, None]  # of the nearest
        back = torch.arange(self.hparams["context"], device=at.device)
        return batch["tokens"][at - torch.minimum(back, batch["positions"][at])]

    def predictors(self, batch: dict) -> Tensor:
        """(M, H), what the output layer reads; with direct connections (M, H + C D)."""
        x = self.vectors(self.words_before(batch)).flatten(1)
        hidden = self.hidden(x).tanh()
        return torch.cat([hidden, x], dim=1) if self.direct else hidden

    def surprise(self, predictors: Tensor, labels: Tensor, batch: dict) -> Tensor:
        """-log P of each label, (M,) nats: of all words, or as the batch's negatives estimate it."""
        size = batch["vocabulary"]  # no row behind it is any word's
        weight, bias = self.output.weight[:size], self.output.bias[:size]
        if "negatives" not in batch:
            return full_loss(predictors, weight, bias, labels)
        negatives, expected = batch["negatives"], batch["log_expected"]
        return sampled_loss(predictors, weight, bias, labels, negatives, expected[labels], expected[negatives])
