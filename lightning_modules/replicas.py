"""Tables that every process trains on text of its own, made one again now and then.

Of the way to where it belongs a row goes about 1 - exp(-CURVATURE m), by m predictions times learning rate. What two
processes have learnt of a row can be added up if it is little: one after the other they would have got as far. Of much,
each has gone all the way by itself, and the sum would be twice too far. So the sum of their changes is scaled by how
far they would have got one after the other, over how far they went: a rare word keeps all that any of them has learnt,
and a frequent one is averaged. Only rows that somebody changed travel.
"""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

CURVATURE = 0.6  # measured, with two, four and eight processes: README, "word2vec on a CPU"


class Replicas:
    """This process's copy of some tables.

    Args:
        tables: (V, D) each, equal on all processes now.
        learnt: (V,) each: predictions times learning rate by which this process has changed a row; `join` sets it to
            zero.
    """

    def __init__(self, tables: Sequence[Tensor], learnt: Sequence[Tensor]) -> None:
        self.tables, self.learnt = [table.data for table in tables], learnt
        self.before = [table.clone() for table in self.tables]

    @torch.no_grad()
    def join(self) -> None:
        """To be called by all processes together."""
        for table, before, learnt in zip(self.tables, self.before, self.learnt, strict=True):
            told = torch.stack([learnt, way(learnt)])
            dist.all_reduce(told)
            rows = told[0].nonzero().squeeze(1)
            together, summed = told[:, rows]
            change = table[rows] - before[rows]
            dist.all_reduce(change)
            before[rows] += change * (way(together) / summed)[:, None]
            table[rows] = before[rows]
            learnt.zero_()


def way(learnt: Tensor) -> Tensor:
    """The share of a row's way that it has gone."""
    return -torch.expm1(-CURVATURE * learnt)
