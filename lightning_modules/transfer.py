"""How a task is learnt on top of an encoder: conf/transfer's node, as plain values.

`auxiliary_lm` and `transferred_layers` are ablations of Radford et al. 2018: Table 5 and Figure 2. `bilstm` is one of
Devlin et al. 2019, Table 5, which does not say how wide it is: here as the encoder, so that the head stays as it is.
"""

import re
from dataclasses import dataclass
from typing import Any

from datamodules.task import Refused, Task, one_of, real, whole
from lightning_modules.feature_heads import on_frozen
from lightning_modules.features import OPTIMIZER, Features
from lightning_modules.heads import Head, SummaryHead
from lightning_modules.networks.recurrent import BiLstm
from lightning_modules.optim import OptimizerSpec
from lightning_modules.spans import Span
from lightning_modules.tags import Tags

MODES = ("finetune", "features", "zero_shot")
LAYOUT = "format"  # the data's part of the node


@dataclass(frozen=True)
class Transfer:
    """One way to learn a task.

    Attributes:
        optimizer: of the task; None where nothing is trained.
        mode: `finetune`, all parameters are trained; `features`, those of a network on top of the frozen encoder;
            `zero_shot`, none (then the data asks for no head).
        auxiliary_lm: weight of the language-modelling loss on the task's texts, lambda of equation 5.
        transferred_layers: keep so many layers above the embeddings, and draw those above anew; "3/4": three of
            four parts of them; None: all.
        bilstm: a new bidirectional LSTM between the encoder and the head, which reads what it makes of a sequence.
        features: of that mode, which has none of the three above.
    """

    optimizer: OptimizerSpec | None = None
    mode: str = "finetune"
    auxiliary_lm: float = 0.0
    transferred_layers: int | str | None = None
    bilstm: bool = False
    features: Features | None = None

    @classmethod
    def of(cls, values: dict, own: dict | None = None) -> "Transfer":
        """From a yaml's mapping; what it leaves out is as in `own`, the model's, but for features, which are its own.

        Raises:
            Refused: naming a key that there is not, or a value that it may not have.
        """
        told = {key: value for key, value in values.items() if key != LAYOUT}
        if told.get("mode") == "features":
            allowed = ("mode", "optimizer", *Features.__dataclass_fields__)
            chosen = {key: told.pop(key) for key in list(told) if key not in ("mode", "optimizer")}
            for name in chosen:
                one_of("a key of transfer (mode=features)", name, allowed)
            told = {"optimizer": OPTIMIZER, **told, "features": Features(**chosen)}
        else:
            for name in told:
                one_of("a key of transfer", name, [key for key in cls.__dataclass_fields__ if key != "features"])
            told = {**(own or {}), **told}
        if told.get("optimizer") is not None:
            told["optimizer"] = OptimizerSpec.of(told["optimizer"], "transfer.optimizer")
        transfer = cls(**told)
        one_of("transfer.mode", transfer.mode, MODES)
        real("transfer.auxiliary_lm", transfer.auxiliary_lm, "a number from 0 up", lambda weight: weight >= 0)
        if transfer.transferred_layers is not None and parts_of(transfer.transferred_layers) is None:
            if isinstance(transfer.transferred_layers, str):
                told = f"transfer.transferred_layers={transfer.transferred_layers}"
                raise Refused(
                    f"{told} is not possible: it may be a number of layers, a share of them as 3/4, or null for all."
                )
            whole("transfer.transferred_layers", transfer.transferred_layers, 0)
        one_of("transfer.bilstm", transfer.bilstm, (True, False))
        return transfer

    @property
    def shape(self) -> dict:
        """What of it decides which modules a model has: it is saved with them."""
        return {"bilstm": self.bilstm} if self.features is None else {"mode": self.mode, **self.features.shape}

    @property
    def frozen(self) -> bool:
        """Whether the encoder is not trained, and runs as in evaluation."""
        return self.features is not None

    def head(self, model: Any, task: Task) -> Head:
        """What answers a task on top of a model: its own head, or the one that reads its features."""
        if self.features is not None:
            return on_frozen(model, task, self.features)
        head = model.make_head(task)
        if self.bilstm:
            if not isinstance(head, SummaryHead | Span | Tags):
                raise Refused(
                    f"transfer.bilstm=true is not possible: {type(model).__name__}'s head has its own; it may be false."
                )
            width = head.linear.in_features
            if width % 2:
                raise Refused(f"transfer.bilstm=true halves the width, and {width} is odd: it may be false.")
            head.bilstm = BiLstm(width)
        return head

    def weight(self, loss: str) -> float:
        """What a loss is multiplied by in the sum that is minimised."""
        return self.auxiliary_lm if loss == "auxiliary_lm" else 1.0

    def prepare(self, model: Any) -> OptimizerSpec:
        """Draw anew what of a model is not transferred; returns what is to train it.

        Raises:
            Refused: for what the model cannot do, named by the key, with what it may be.
        """
        name = type(model).__name__
        if self.auxiliary_lm and not hasattr(model, "auxiliary_loss"):
            raise Refused(
                f"transfer.auxiliary_lm={self.auxiliary_lm} is not possible: {name} has no language-modelling loss "
                f"on a task's texts; it may be 0."
            )
        one_of("transfer.mode of a task with a head", self.mode, ("finetune", "features"))
        assert self.optimizer is not None
        if self.transferred_layers is not None:
            restart(model, self.transferred_layers)
        return self.optimizer

    def keeps_all(self, layers: int) -> bool:
        """Whether none of so many layers is drawn anew."""
        parts = parts_of(self.transferred_layers)
        return self.transferred_layers in (None, layers) or (parts is not None and parts[0] == parts[1])


def parts_of(told: object) -> tuple[int, int] | None:
    """ "3/4" as numbers; None for anything else."""
    found = re.fullmatch(r"(\d+)/([1-9]\d*)", told) if isinstance(told, str) else None
    return (int(found[1]), int(found[2])) if found and int(found[1]) <= int(found[2]) else None


def restart(model: Any, told: int | str) -> None:
    """Draw all but the first layers anew; see `Transfer.prepare`."""
    layers = len(model.encoder.layers) if hasattr(model, "restart") else 0
    kept, parts = told, parts_of(told)
    if parts is not None:
        kept, rest = divmod(layers * parts[0], parts[1])
        if rest:
            are = f"of {layers} layers that is no whole number"
            raise Refused(
                f"transfer.transferred_layers={told} is not possible: {are}; it may be 0 to {layers}, or null for all."
            )
    assert isinstance(kept, int)
    if kept > layers or not layers:
        some = f"0 to {layers}, or " * bool(layers)
        raise Refused(
            f"transfer.transferred_layers={told} is not possible: {type(model).__name__} has {layers} layers of which "
            f"some can be transferred; it may be {some}null for all."
        )
    model.restart(kept)
