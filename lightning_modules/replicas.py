"""Tables that every process trains on text of its own, made one again now and then.

Of each row the new value is the old one and the mean of its changes over those processes that changed it. So a rare
word, which one of them has met, keeps all that was learnt of it, and a frequent one, which all have met and each has
moved to about where it belongs, is averaged. Only rows that somebody changed travel.
"""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor


class Replicas:
    """This process's copy of some tables.

    Args:
        tables: (V, D) each, equal on all processes now.
    """

    def __init__(self, tables: Sequence[Tensor]) -> None:
        self.tables = [table.data for table in tables]
        self.before = [table.clone() for table in self.tables]

    @torch.no_grad()
    def join(self) -> None:
        """To be called by all processes together."""
        for table, before in zip(self.tables, self.before, strict=True):
            changed = (table != before).any(dim=1).to(table.dtype)
            dist.all_reduce(changed)
            rows = changed.nonzero().squeeze(1)
            change = table[rows] - before[rows]
            dist.all_reduce(change)
            before[rows] += change / changed[rows, None]
            table[rows] = before[rows]
