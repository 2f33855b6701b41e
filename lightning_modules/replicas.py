"""Tables that every process trains on text of its own, made one again now and then.

Gradient descent takes a row about 1 - exp(-m) of the way to where it belongs, by m the sum of learning rate times
curvature. What two processes have learnt of a row can be added up if it is little: one after the other they would have
got as far. Of much, each has gone all the way by itself, and the sum would be twice too far. So the sum of their
changes is scaled by how far they would have got one after the other, over how far they went: a rare word keeps all
that any of them has learnt, and a frequent one is averaged. Only rows that somebody changed travel.
"""

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor

SHARE = 0.25  # the curvature along a row's way, of the bound on its trace. Measured: README, "word2vec on a CPU"


class Replicas:
    """This process's copy of some tables.

    Args:
        tables: (V, D) each, equal on all processes now.
        curvatures: (V,) each: learning rate times the bound on the trace of the curvature of all that has changed a row
            here; `join` sets it to zero.
    """

    def __init__(self, tables: Sequence[Tensor], curvatures: Sequence[Tensor]) -> None:
        self.tables, self.curvatures = [table.data for table in tables], curvatures
        self.before = [table.clone() for table in self.tables]

    @torch.no_grad()
    def join(self) -> None:
        """To be called by all processes together."""
        for table, before, curvature in zip(self.tables, self.before, self.curvatures, strict=True):
            told = torch.stack([curvature, way(curvature)])
            dist.all_reduce(told)
            rows = told[1].nonzero().squeeze(1)
            together, summed = told[:, rows]
            change = table[rows] - before[rows]
            dist.all_reduce(change)
            before[rows] += change * (way(together) / summed)[:, None]
            table[rows] = before[rows]
            curvature.zero_()


def way(curvature: Tensor) -> Tensor:
    """The share of a row's way that it has gone."""
    return -torch.expm1(-SHARE * curvature)
