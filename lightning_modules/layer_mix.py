"""Which layers of a frozen encoder a task reads, and in which proportion (Peters et al. 2018, equation 1).

    mix       gamma * sum_l softmax(w)_l h_l, with lambda * sum_l w_l^2 among the losses (the release; the paper has a
              norm of the weights): 1 is nearly an average, 0.001 lets the weights be what they like
    mix/0.1   mix with this lambda; else it is transfer.mix_l2
    none      nothing is plugged in: the baseline
    mix4      the same of the last four layers (Devlin et al. 2019, Table 7)
    average   the same of equal weights, of all
    last      the top layer
    second_to_last  the one below
    <number>  this layer, 0 is the token layer
    concat4   the last four side by side (as mix4)

Shapes: L layers that are read, n tokens of text, D width.
"""

import torch
from torch import Tensor, nn

from datamodules.task import Refused

CHOICES = ("none", "last", "second_to_last", "average", "mix", "mix/<lambda>", "mix4", "concat4")
MIXES, OF_FOUR, FOUR = ("mix", "mix4"), ("mix4", "concat4"), 4


def chosen(choice: str | int, total: int) -> tuple[int, ...]:
    """Which of `total` layers, 0 the token layer, a choice reads; from the bottom up.

    Raises:
        Refused: when there are not so many.
    """
    if choice in ("mix", "average"):
        return tuple(range(total))
    if choice == "last":
        return (total - 1,)
    if choice == "second_to_last" and total > 1:
        return (total - 2,)
    if choice in OF_FOUR and total >= FOUR:
        return tuple(range(total - FOUR, total))
    if isinstance(choice, int) and choice < total:
        return (choice,)
    names = ", ".join(name for name in CHOICES if name not in OF_FOUR or total >= FOUR)
    raise Refused(
        f"transfer.layers={choice!r} is not possible: the model has {total} layers, the token layer among them; "
        f"it may be {names}, or a number from 0 to {total - 1}."
    )


class LayerMix(nn.Module):
    """L layers -> one representation of each token.

    Args:
        choice: see above.
        layers: L.
        gamma: whether its scale is learnt, from 1 on; else it is 1.
        dropout: of the result.
    """

    def __init__(self, choice: str | int, layers: int, gamma: bool, dropout: float) -> None:
        super().__init__()
        self.choice = choice
        self.weight = nn.Parameter(torch.zeros(layers)) if choice in MIXES else None
        self.gamma = nn.Parameter(torch.ones(())) if gamma else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, layers: Tensor) -> Tensor:
        """(L, n, D) -> (n, D), of concat4 (n, 4 D)."""
        if self.weight is not None:
            x = torch.einsum("l,lnd->nd", self.weight.softmax(0).to(layers.dtype), layers)
        elif self.choice == "concat4":
            x = torch.cat(layers.unbind(), dim=-1)
        else:
            x = layers.mean(0)
        return self.dropout(x if self.gamma is None else self.gamma * x)

    def penalty(self) -> Tensor | None:
        """sum w^2 of the weights before the softmax; None where none are learnt."""
        return None if self.weight is None else self.weight.square().sum()

    def learned(self) -> dict[str, list[float] | float]:
        """The weights, from the bottom up, and gamma, where they are learnt."""
        found: dict[str, list[float] | float] = {}
        if self.weight is not None:
            found["weights"] = self.weight.detach().float().softmax(0).tolist()
        if self.gamma is not None:
            found["gamma"] = float(self.gamma.detach())
        return found
