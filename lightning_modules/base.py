"""What every language model of the suite shares. A model is two methods: `encode` and `pretraining_losses`.

A batch is a dict. Sequences lie end to end, sorted by length, without padding:

    tokens (N,)  positions (N,)  segments (N,)      int64, of all sequences
    offsets (S + 1,) int32                          where each sequence begins; the last entry is N
    example (S,)  choice (S,)  part (S,)            the example that each sequence belongs to, which of its choices, and
                                                    which of its texts where each is a sequence by itself
    summary (S,)                                    the position in (N,) that stands for the sequence
    runs [(count, length)]  max_length  num_examples       on the host
    counts {loss: int}                              what each loss counts on this rank in one step, all micro-batches
    labels (B,)  index (B,)                         of a task: the truth, the example's row number
    tagged (K,)  reached (K,)  tagged_text (K,)     of words with a tag: positions in (N,) of those with a token, which
                                                    of the W asked for these are, and their places in `text`
    tags (W,)  owner (W,)                           of all that are asked for: the true tag, the example of each
    text (n,)  text_runs  part_runs                 of transfer=features: positions in (N,) of no mark, their `runs`; of
                                                    windows the `runs` of questions alone, and of contexts
    layers (L, n, D)                                of `text`, what the frozen encoder makes of it, where that is kept
    masked_positions (M,)  masked_labels (M,)       of masked language modelling: positions in (N,)
    next_sentence (S,)                              1 = B is a random segment, 0 = B follows A
    next_positions (M,)  next_labels (M,)           of causal language modelling: positions in (N,), what follows them
    words (N,)  characters (W, C)                   of ELMo: each word as a row of `characters`, different words' bytes
    previous_positions (M,)  previous_labels (M,)   of a backward language model: positions in (N,), what precedes them
    streams (S,)  num_streams  backward {}          of ELMo's training: which stream each sequence goes on with, of how
                                                    many; the backward direction's `words` and `next_labels`
    vocabulary                                      on the host: how many words a softmax chooses from
    negatives (K,)  log_expected (V,)               of a sampled softmax: words, and ln of how often each is among such
    next_weights (M,)                               of the auxiliary LM: 1 / how much its sequence is asked for
    measured {loss: (bytes, nats)}                  on the host, of held-out text: what a loss's targets stand for, and
                                                    what they do not tell (datamodules/yardstick.py)
    candidates [[batch]]                            of a probe each candidate, as a batch that `counts` its tokens alone

A loss is a sum and a count. The sum is divided by the count over all ranks and micro-batches of a step, so that one,
two or eight processes take the same step; `loss_normalization: per_replica` is the papers' way.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
import torch.distributed as dist
from torch import Tensor, nn

from datamodules.task import ASKED, UNTRAINED, Refused, Task, one_of
from lightning_modules.frozen import Featured
from lightning_modules.head import Head, judge_of
from lightning_modules.heads import HEADS
from lightning_modules.metrics import Averages, task_metrics
from lightning_modules.on_disk import OnDisk
from lightning_modules.optim import OptimizerSpec, build
from lightning_modules.probing import against, preferences
from lightning_modules.transfer import Transfer

Losses = dict[str, tuple[Tensor, int]]
LM_LOSSES = ("masked_lm_loss", "causal_lm_loss", "forward_lm_loss", "backward_lm_loss")  # nats, told as perplexities


@dataclass
class Encoding:
    """What an encoder makes of a batch.

    Attributes:
        layers: those asked for, each (N, D); where a batch brings them along (n, D), of its text.
        summary: (S,) positions in (N,).
        words: of a model that predicts tokens, this step's rows of its output layer, (V, D).
    """

    layers: tuple[Tensor, ...]
    summary: Tensor
    words: Tensor | None = None


class LanguageModel(OnDisk, Featured, ABC):
    """An encoder, its pre-training heads, and after `attach` a task's head in their place."""

    ENCODER_VERSION = 1  # raised by hand when the numbers of a model change: part of an encoder's fingerprint
    PRETRAINING_ONLY: Sequence[str] = ()  # names of submodules that a transfer does without

    def __init__(self, optimizer: dict, finetuning: dict, loss_normalization: str = "global") -> None:
        super().__init__()
        self.loss_normalization = one_of("model.loss_normalization", loss_normalization, ("global", "per_replica"))
        self.spec = OptimizerSpec.of(optimizer, "model.optimizer")
        OptimizerSpec.of(finetuning, "model.finetuning")
        self.finetuning = finetuning
        self.task, self.transfer = Task("pretraining", "pretraining"), Transfer()
        self.metrics: Any = nn.ModuleDict()  # evaluation set -> the task's metrics
        self.head: Head | None = None
        self.text: dict = {}
        self.threshold = 0.0  # of a task of that kind: a score above it is label 1
        self.averages = Averages()
        self.answers: dict[str, list[Any]] = {}  # per-example outputs of the evaluation under way

    @abstractmethod
    def encode(self, batch: dict, layers: Sequence[int] = (-1,)) -> Encoding:
        """Run the encoder; `layers` says which to return, 0 the token layer, negative from the top."""

    @abstractmethod
    def pretraining_losses(self, batch: dict) -> Losses:
        """The paper's objective: name -> (sum of nats, count)."""

    def word_vectors(self, batch: dict) -> Tensor:
        """(N, D), what stands for each token by itself: layer 0, where a model has no plainer table of vectors."""
        return self.encode(batch, (0,)).layers[0]

    def make_head(self, task: Task) -> Head:
        """The head for a task's kind; a model that answers another way overrides it."""
        raise Refused(f"{type(self).__name__} has no head for tasks of kind {task.kind!r}.")

    def attach(self, task: Task, transfer: dict | None = None) -> Self:
        """Take a task: build its head and drop what only pre-training trains; neither for pre-training and probes.

        Args:
            transfer: conf/transfer's node (`transfer.Transfer`), what it leaves out as the model's own yaml has it.
        """
        self.task = task
        task.check_length(self.hparams.get("max_length", task.max_length))
        if one_of("the kind of a task", task.kind, ("pretraining", *UNTRAINED, *HEADS)) in HEADS:
            own = {"optimizer": self.finetuning, "auxiliary_lm": self.hparams.get("auxiliary_lm", 0.0)}
            self.transfer = Transfer.of(transfer or {}, own)
            self.spec = self.transfer.prepare(self)
            self.head = self.transfer.head(self, task)
            for name in (name for name in self.PRETRAINING_ONLY if hasattr(self, name)):
                delattr(self, name)
        if task.kind != "pretraining":
            evaluations = ("val", *(f"test_{name}" for name in task.test_sets))
            self.metrics = nn.ModuleDict({name: task_metrics(task, f"{name}/") for name in evaluations})
        return self

    # ---- one step ----------------------------------------------------------------------------------------------------

    def losses(self, batch: dict) -> tuple[Losses, Tensor | None]:
        """The losses of this model's present purpose, and a task's logits (B, C)."""
        if self.task.kind == "pretraining":
            return self.pretraining_losses(batch), None
        encoding, logits = self.read(batch)
        if self.head is None or encoding is None:
            return {}, logits
        losses: Losses = {"task": self.head.loss(logits, batch)}
        if self.training and (penalty := self.head.penalty()) is not None:
            losses["mix_l2"] = penalty * len(batch["index"]), len(batch["index"])
        if self.training and self.transfer.auxiliary_lm:
            losses["auxiliary_lm"] = self.auxiliary_loss(encoding, batch)  # pyright: ignore[reportCallIssue]
        return losses, logits

    def read(self, batch: dict) -> tuple[Encoding | None, Tensor]:
        """A task's batch -> what the encoder makes of it, and logits (B, C); where nothing is trained, only these."""
        if self.task.kind in ASKED:
            scores = preferences(self.pretraining_losses, batch["candidates"])
            return None, against(self.threshold, scores) if self.task.kind == "threshold" else scores
        assert self.head is not None, "a task of this kind has a head"
        encoding = Encoding(self.frozen(batch), batch["summary"]) if self.transfer.frozen else self.encode(batch)
        return encoding, self.head(encoding.layers, encoding.summary, batch)

    def training_step(self, batch: dict, batch_idx: int) -> Tensor | None:
        """The step's share of the global mean loss; DDP averages gradients and Lightning divides by micro-batches."""
        losses, _ = self.losses(batch)
        totals = self.step_counts({name: batch["counts"][name] for name in losses})
        share = self.trainer.world_size * self.trainer.accumulate_grad_batches
        parts = [self.transfer.weight(name) * value * share / totals[name] for name, (value, _) in losses.items()]
        loss = torch.stack(parts).sum()
        for name, (value, count) in losses.items():
            self.averages.add("train", name, value, count)
        self.log_training(batch_idx)
        return loss

    def step_counts(self, counts: dict[str, int]) -> dict[str, Tensor]:
        """What each loss is divided by: its count over the step, on all ranks or (`per_replica`) times their number."""
        totals = torch.tensor(list(counts.values()), device=self.device, dtype=torch.float32)
        if self.trainer.world_size > 1:
            if self.loss_normalization == "global":
                dist.all_reduce(totals)
            else:
                totals *= self.trainer.world_size
        return dict(zip(counts, totals.clamp(min=1), strict=True))

    def log_training(self, batch_idx: int) -> None:
        """Every `log_every_n_steps` updates: the mean losses since the last time."""
        every: int = self.trainer.log_every_n_steps  # pyright: ignore[reportAttributeAccessIssue]
        ends_step = (batch_idx + 1) % self.trainer.accumulate_grad_batches == 0
        if every and ends_step and (self.global_step + 1) % every == 0:
            self.log_dict(self.averages.read("train"), prog_bar=True, batch_size=1)
            self.log_dict({} if self.head is None else self.head.figures(), batch_size=1)

    # ---- evaluation --------------------------------------------------------------------------------------------------

    def evaluate(self, batch: dict, name: str) -> None:
        losses, logits = self.losses(batch)
        for loss, (value, count) in losses.items():
            self.averages.add(name, f"{loss}_loss", value, count)
        measured = batch.get("measured", {})
        for loss, (size, untold) in measured.items():
            bits = (losses[loss][0] + untold) / math.log(2)
            self.averages.add(name, "bits_per_byte", bits, size)
            if len(measured) > 1:  # of each direction, too
                self.averages.add(name, f"{loss}_bits_per_byte", bits, size)
        if logits is not None:
            told, rows = judge_of(self.head).judged(logits, batch)
            self.metrics[name].update(*told)
            self.answers.setdefault(name, []).extend(rows)

    def finish(self, name: str) -> None:
        """Log an evaluation set's averages, the perplexity per token of language models, and metrics.

        `score` is the headline, in percent.
        """
        values = self.averages.read(name)
        told = {key.removesuffix("_loss"): value for key, value in values.items() if key.endswith(LM_LOSSES)}
        values |= {f"{key}_perplexity": value.exp() for key, value in told.items()}
        if name in self.metrics:
            values |= self.metrics[name].compute()
            self.metrics[name].reset()
            values[f"{name}/score"] = 100 * values[f"{name}/{self.task.headline}"]
        self.log_dict(values, prog_bar=name == "val", batch_size=1)

    def on_validation_epoch_start(self) -> None:
        self.answers.clear()

    on_test_epoch_start = on_validation_epoch_start

    def validation_step(self, batch: dict, batch_idx: int) -> None:
        self.evaluate(batch, "val")

    def on_validation_epoch_end(self) -> None:
        self.finish("val")

    def test_step(self, batch: dict, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.evaluate(batch, f"test_{self.task.test_sets[dataloader_idx]}")

    def on_test_epoch_end(self) -> None:
        for name in self.task.test_sets:
            self.finish(f"test_{name}")

    def predict_step(self, batch: dict, batch_idx: int, dataloader_idx: int = 0) -> list[tuple[Any, ...]]:
        """Row number, answer and what it was chosen from, of each example."""
        _, logits = self.read(batch)
        return judge_of(self.head).answered(logits, batch)

    # ---- optimisation ------------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> Any:
        optimizer, schedule = build(self, self.spec, int(self.trainer.estimated_stepping_batches))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def configure_gradient_clipping(self, optimizer: Any, *_: Any, **__: Any) -> None:
        """By global norm; directly, because Lightning refuses to clip for a fused optimiser, loss scaling or not."""
        if self.spec.clip:
            torch.nn.utils.clip_grad_norm_(self.parameters(), self.spec.clip)
