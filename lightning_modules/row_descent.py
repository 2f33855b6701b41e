"""Gradient descent on the rows of tables that a step touched, for models whose gradient has a closed form."""

from collections.abc import Callable, Iterable, Sequence

import torch

from lightning_modules.networks.word_windows import Change


class RowDescent(torch.optim.Optimizer):
    """table[row] += lr * change, update after update; a row's change in one update is bounded.

    Sequential updates, word by word, see a frequent word's row move between two of its uses; one update over many words
    adds up all of their changes at the same point. So where a row is predicted more than `cap` times in an update, its
    summed change is scaled to that of `cap`.

    Args:
        tables: (V, D) each, in the order in which `step`'s updates name them.
        lr: learning rate.
        cap: predictions of a row that count in one update.

    Attributes:
        curvatures: (V,) for each table: the learning rate times the curvature (a bound on its trace) of the predictions
            that counted, where updates say it.
    """

    def __init__(self, tables: Sequence[torch.Tensor], lr: float, cap: float) -> None:
        super().__init__([{"params": [table]} for table in tables], {"lr": lr})
        self.cap = cap
        self.totals = [torch.zeros(len(table), device=table.device) for table in tables]  # zero between updates
        self.curvatures = [torch.zeros_like(totals) for totals in self.totals]

    @torch.no_grad()
    def step(self, closure: Callable[[], Iterable[Sequence[Change]]]) -> None:  # type: ignore[override]
        """Apply updates one after the other; each is read after the one before it has been applied.

        Their values are used up: they are scaled in place.
        """
        for changes in closure():
            for which, change in enumerate(changes):
                group, totals, pairs = self.param_groups[which], self.totals[which], change.pairs.float()
                (table,) = group["params"]
                totals.index_add_(0, change.rows, pairs)
                factors = (group["lr"] * self.cap) / totals.index_select(0, change.rows).clamp_(min=self.cap)
                table.index_add_(0, change.rows, change.values.mul_(factors[:, None]).to(table.dtype))
                totals.index_fill_(0, change.rows, 0)
                if change.curvature is not None:
                    self.curvatures[which].index_add_(0, change.rows, change.curvature.float() * factors)
