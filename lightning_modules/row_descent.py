"""Gradient descent on the rows of tables that a step touched, for models whose gradient has a closed form."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch

from lightning_modules.networks.word_windows import Change


class Workers:
    """Threads that share the work of an update on a CPU, each with its own part.

    torch divides every kernel among its threads and waits for the slowest; an update is many small kernels, and by
    that two threads gain a quarter. Parts that are computed one beside the other give the same numbers.

    Args:
        number: of threads; 1: whoever asks does the work.
    """

    def __init__(self, number: int) -> None:
        self.number = number
        self.pool = ThreadPoolExecutor(number) if number > 1 else None

    @contextmanager
    def instead_of_torchs(self) -> Iterator[None]:
        """Inside, torch computes each part on the thread that asks for it."""
        threads = torch.get_num_threads()
        torch.set_num_threads(1 if self.pool else threads)
        try:
            yield
        finally:
            torch.set_num_threads(threads)

    def each(self, function: Callable[..., Any], *arguments: Iterable[Any]) -> list[Any]:
        """`map`, at once, without gradients and in the caller's precision."""
        is_mixed, precision = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

        def alone(*some: Any) -> Any:  # each thread has to say both for itself
            with torch.no_grad(), torch.autocast("cpu", precision, enabled=is_mixed):
                return function(*some)

        return list((self.pool.map if self.pool else map)(alone, *arguments))


class RowDescent(torch.optim.Optimizer):
    """table[row] += lr * change, update after update; a row's change in one update is bounded.

    Sequential updates, word by word, see a frequent word's row move between two of its uses; one update over many words
    adds up all of their changes at the same point. So where a row is predicted more than `cap` times in an update, its
    summed change is scaled to that of `cap`.

    Args:
        tables: (V, D) each, in the order in which `step`'s updates name them.
        lr: learning rate.
        cap: predictions of a row that count in one update.
    """

    def __init__(self, tables: Sequence[torch.Tensor], lr: float, cap: float) -> None:
        super().__init__([{"params": [table]} for table in tables], {"lr": lr})
        self.cap = cap
        self.totals = [torch.zeros(len(table), device=table.device) for table in tables]  # zero between updates
        self.workers = Workers(1)

    @torch.no_grad()
    def step(self, closure: Callable[[], Iterable[Sequence[Sequence[Change]]]]) -> None:  # type: ignore[override]
        """Apply updates one after the other; each is read after the one before it has been applied.

        Args:
            closure: gives the updates: of each its parts, and of each part a change of every table. Their values are
                used up: they are scaled in place.
        """
        for parts in closure():
            self.workers.each(self.apply, self.param_groups, self.totals, zip(*parts, strict=True))

    def apply(self, group: dict[str, Any], totals: torch.Tensor, changes: Sequence[Change]) -> None:
        """All of an update's changes of one table."""
        (table,) = group["params"]
        for change in changes:
            totals.index_add_(0, change.rows, change.pairs.float())
        for change in changes:
            factors = (group["lr"] * self.cap) / totals.index_select(0, change.rows).clamp_(min=self.cap)
            table.index_add_(0, change.rows, change.values.mul_(factors[:, None]).to(table.dtype))
        for change in changes:
            totals.index_fill_(0, change.rows, 0)
