"""A model's way to the disk and back: the directory of encoder_io, with or without a task's head."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import lightning as L

from datamodules.task import Task, one_of
from lightning_modules import answering, encoder_io
from lightning_modules.transfer import Transfer


class OnDisk(L.LightningModule):
    """What a language model saves of itself; `head`, `task`, `transfer` and `attach` are `base.LanguageModel`'s."""

    head: Any
    task: Task
    transfer: Transfer
    text: dict  # how text was cut and laid out: travels with the weights

    def attach(self, task: Task, transfer: dict | None = None) -> Any:
        """Build a task's head."""
        raise NotImplementedError

    def description(self) -> dict:
        """The part of encoder.yaml that the model itself knows; plain values."""
        kind = f"{type(self).__module__}.{type(self).__name__}"
        described = {"model": {"_target_": kind, **dict(self.hparams)}, "text": self.text}
        if self.head is not None:
            described |= {"task": encoder_io.describe_task(self.task), "transfer": self.transfer.shape}
        return described

    def save(self, directory: str | Path, tokenizer: Path, **facts: Any) -> Path:
        """Write an encoder directory, or with a task attached a model directory; `facts` join encoder.yaml."""
        tensors = {name: t for name, t in self.state_dict().items() if not name.startswith(("metrics.", "averages."))}
        return encoder_io.save(directory, {**self.description(), **facts}, tensors, tokenizer)

    @classmethod
    def load(cls, directory: str | Path) -> Self:
        """An encoder or a fine-tuned model from its directory, in evaluation mode.

        Raises:
            Refused: when the directory is incomplete or holds another class.
        """
        described = encoder_io.read(directory)
        target = described["model"].pop("_target_")
        one_of(f"{directory}: the model class", f"{cls.__module__}.{cls.__name__}", (target,))
        model = cls(**described["model"])
        model.text = described["text"]
        if "task" in described:
            model.attach(encoder_io.described_task(described["task"]), described.get("transfer"))
        encoder_io.load_tensors(model, directory)
        model.text["tokenizer"] = {**model.text.get("tokenizer", {}), "file": str(directory)}
        return model.eval()

    def predict(self, examples: Sequence[Sequence[str] | str]) -> list[str | float]:
        """Answer raw texts: each example a text, or a pair of texts. Returns label names, or scores.

        Of (question, context) the answer as it stands in the context; empty where there is none.

        Only of a model directory, which knows how text was read.

        Raises:
            Refused: without a task, or when an example has not as many texts as the task's.
        """
        return answering.answers(self, examples)
