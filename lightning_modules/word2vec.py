"""word2vec (Mikolov et al. 2013a and b): skip-gram and CBOW, negative sampling and hierarchical softmax.

Two tables: of vectors, which is what is wanted, and of outputs. As in the C program the words beside a centre are the
input and the centre is the output, starting from U(-0.5, 0.5) / size and from zero. A training step takes some 30,000
words and makes many small updates of them, one after the other, in closed form: `pretraining_losses` says what is
minimised, and one update is its gradient on a part of the batch.

Under DDP every process trains on its own share of the text; now and then the tables are made one again (`replicas.py`).

Shapes: V words, D width, B blocks of L centres among J words, N noise words (datamodules/windows.py).
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from datamodules.task import Refused, Task, one_of, real, whole
from lightning_modules.base import Losses
from lightning_modules.networks import word_windows
from lightning_modules.networks.word_windows import Asked, Change
from lightning_modules.optim import SCHEDULES
from lightning_modules.replicas import Replicas
from lightning_modules.row_descent import RowDescent
from lightning_modules.shape import check_dropout
from lightning_modules.word_table import WordTable

ARCHITECTURES = ("skip_gram", "cbow")
LOSSES = ("negative_sampling", "hierarchical_softmax")
CBOW_GRADIENTS = ("whole", "shared")
BLOCKWISE = ("around", "sentences", "reach", "negatives", "ways")  # keys of a batch with a row for each block


class Word2Vec(WordTable):
    """word2vec of any size.

    Args:
        vocab_size: V, special tokens and unused rows included.
        size: D.
        architecture: `skip_gram`: each word beside a centre predicts it | `cbow`: their mean does.
        loss: `negative_sampling` | `hierarchical_softmax`.
        cbow_gradient: of a mean of n words each gets `whole`, the mean's gradient (the C program), or `shared`, its
            n-th part (what the derivative is).
        update: centres of one update, about.
        cap: see `RowDescent`.
        sync: under DDP, training steps between two exchanges.
        optimizer: {lr, schedule, warmup}: of plain gradient descent.
        finetuning: see `optim.OptimizerSpec`; of a transfer.
    """

    ENCODER_VERSION = 3  # what several processes have learnt is added up, by its curvature
    PRETRAINING_ONLY = ("outputs",)

    def __init__(
        self,
        optimizer: dict,
        finetuning: dict,
        vocab_size: int = 100000,
        size: int = 100,
        architecture: str = "skip_gram",
        loss: str = "negative_sampling",
        cbow_gradient: str = "whole",
        update: int = 2048,
        cap: float = 64,
        sync: int = 1,
        dropout: float = 0.2,
    ) -> None:
        super().__init__(optimizer, finetuning)
        for name in optimizer:
            one_of("a key of model.optimizer", name, ("lr", "schedule", "warmup"))
        for name, value in {"vocab_size": vocab_size, "size": size, "update": update, "sync": sync}.items():
            whole(f"model.{name}", value)
        one_of("model.architecture", architecture, ARCHITECTURES)
        one_of("model.loss", loss, LOSSES)
        one_of("model.cbow_gradient", cbow_gradient, CBOW_GRADIENTS)
        real("model.cap", cap, "a number above 0", lambda number: number > 0)
        check_dropout(dropout, 0.0)
        self.save_hyperparameters(logger=False)
        self.vectors, self.outputs = nn.Embedding(vocab_size, size), nn.Embedding(vocab_size, size)
        nn.init.uniform_(self.vectors.weight, -0.5 / size, 0.5 / size)
        nn.init.zeros_(self.outputs.weight)
        self.is_mean, self.is_sampled = architecture == "cbow", loss == "negative_sampling"
        self.replicas: Replicas | None = None

    @property
    def tables(self) -> list[Tensor]:
        """(V, D) each, in the order of `changes`."""
        return [self.vectors.weight, self.outputs.weight]

    def attach(self, task: Task, transfer: dict | None = None) -> "Word2Vec":
        super().attach(task, transfer)
        self.automatic_optimization = task.kind != "pretraining"
        return self

    # ---- what is minimised -------------------------------------------------------------------------------------------

    def pretraining_losses(self, batch: dict) -> Losses:
        """-log sigmoid(score) of each word given those beside it, and of its noise or way (2013b, equation 4)."""
        pairs, around, asked = self.asked(batch)
        hidden = self.vectors(around)
        if self.is_mean:
            hidden = torch.bmm(word_windows.averaging(pairs), hidden)
        total = word_windows.loss(hidden, self.outputs(asked.rows), asked)
        count = (pairs.sum(1) > 0).sum() if self.is_mean else pairs.sum()
        return {str(self.hparams["architecture"]): (total, int(count))}

    def asked(self, batch: dict) -> tuple[Tensor, Tensor, Asked]:
        """Which words are beside which centres, (B, J, L); the words, (B, J); what each hidden row is asked."""
        pairs = word_windows.band(batch["sentences"], batch["reach"]).to(self.vectors.weight.dtype)
        around, hidden = batch["around"], word_windows.alone(pairs) if self.is_mean else pairs
        length = batch["reach"].shape[1]
        half = (around.shape[1] - length) // 2
        if self.is_sampled:
            centres = around[:, half : half + length]
            asked = word_windows.sampled(hidden, centres, batch["negatives"], batch["negatives_weight"])
        else:
            asked = word_windows.hierarchical(hidden, batch["nodes"][batch["ways"]], batch["codes"][batch["ways"]])
        return pairs, around, asked

    def changes(self, batch: dict, curved: bool = False) -> tuple[Change, Change]:
        """Minus the gradient of `pretraining_losses`, by rows of the vectors and of the outputs.

        `curved`: and how the loss bends, which joining replicas asks for.
        """
        pairs, around, asked = self.asked(batch)
        mean = word_windows.averaging(pairs) if self.is_mean else None
        hidden, outputs = self.vectors(around), self.outputs(asked.rows)
        if mean is not None:
            hidden = torch.bmm(mean, hidden)
        inner, outer = word_windows.descent(hidden, outputs, asked)
        bend, outer_bend = word_windows.curvatures(hidden, outputs, asked) if curved else (None, None)
        if mean is not None:
            shares = pairs if self.hparams["cbow_gradient"] == "whole" else mean.mT
            inner = torch.bmm(shares, inner)
            if bend is not None:  # of a word's own moving, which moves the mean by an n-th; each place counts by itself
                bend = torch.bmm(shares * mean.mT, bend[:, :, None]).squeeze(2)
        return (
            Change.of(around, inner, pairs.sum(2), bend),
            Change.of(asked.rows, outer, asked.weights.sum(1), outer_bend),
        )

    # ---- training ----------------------------------------------------------------------------------------------------

    def training_step(self, batch: dict, batch_idx: int) -> Tensor | None:
        """Updates part by part; what is logged is the loss of the first part, before it is learnt from."""
        if self.automatic_optimization:
            return super().training_step(batch, batch_idx)
        every: int = self.trainer.log_every_n_steps  # pyright: ignore[reportAttributeAccessIssue]
        if every and (self.global_step + 1) % every == 0:
            for name, (value, count) in self.pretraining_losses(next(self.parts(batch))).items():
                self.averages.add("train", name, value, count)
            self.log_dict(self.averages.read("train"), prog_bar=True, batch_size=1)
        optimizer: Any = self.optimizers()
        curved = self.replicas is not None
        optimizer.step(lambda: (self.changes(part, curved) for part in self.parts(batch)))
        schedule: Any = self.lr_schedulers()
        schedule.step()
        return None

    def parts(self, batch: dict) -> Iterator[dict]:
        """The batch's blocks, some at a time: as many as have `update` centres."""
        number = max(1, self.hparams["update"] // batch["reach"].shape[1])
        for first in range(0, len(batch["reach"]), number):
            yield {k: v[first : first + number] if k in BLOCKWISE else v for k, v in batch.items()}

    def configure_optimizers(self) -> Any:
        """Gradient descent; the learning rate falls in equal steps, which are of equal numbers of words, about."""
        if self.automatic_optimization:
            return super().configure_optimizers()
        if self.trainer.accumulate_grad_batches != 1:
            raise Refused(
                f"trainer.accumulate_grad_batches={self.trainer.accumulate_grad_batches} is not possible: word2vec "
                f"makes many updates of each batch; it may be 1."
            )
        total = max(1, int(self.trainer.estimated_stepping_batches))
        warmup = int(self.spec.warmup * total) if self.spec.warmup < 1 else self.spec.warmup
        factor = SCHEDULES[self.spec.schedule]
        optimizer = RowDescent(self.tables, self.spec.lr, self.hparams["cap"])
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: factor(step, warmup, total))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    # ---- replicas ----------------------------------------------------------------------------------------------------

    def on_train_start(self) -> None:
        if self.trainer.world_size > 1 and not self.automatic_optimization:
            optimizer: Any = self.optimizers(use_pl_optimizer=False)
            self.replicas = Replicas(self.tables, optimizer.curvatures)

    def on_train_batch_end(self, outputs: Any, batch: dict, batch_idx: int) -> None:
        if self.replicas is not None and self.global_step % self.hparams["sync"] == 0:
            self.replicas.join()

    def on_validation_start(self) -> None:
        self.together()

    def on_train_end(self) -> None:
        self.together()

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Every process is asked, and what is written must be all of theirs."""
        self.together()

    def together(self) -> None:
        """Make the replicas one, if there are several."""
        if self.replicas is not None:
            self.replicas.join()
