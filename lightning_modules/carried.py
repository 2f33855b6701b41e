"""The states in which a recurrent model leaves its streams, from one batch to the next and across a resume."""

import torch
import torch.distributed as dist
from torch import Tensor


class Carried:
    """What every stream was left in: zeros at first, and for good where there are no streams.

    Each process writes the streams that it reads, always the same ones in a run; a checkpoint holds those of all.

    Attributes:
        values: (streams, ...); None before the first batch.
        own: (streams,) bool, those that this process has written.
    """

    def __init__(self) -> None:
        self.values: Tensor | None = None
        self.own = torch.zeros(0, dtype=torch.bool)

    def take(self, streams: Tensor, total: int, like: Tensor) -> Tensor:
        """(S, ...) of these streams of `total`; `like` (...) gives shape, device and type of one."""
        if self.values is None:
            self.values = like.new_zeros(total, *like.shape)
        if len(self.own) != total:
            self.own = torch.zeros(total, dtype=torch.bool, device=like.device)
        self.values = self.values.to(like.device)
        return self.values[streams]

    def keep(self, streams: Tensor, states: Tensor) -> None:
        """(S, ...) what these streams are left in."""
        assert self.values is not None, "`take` comes first"
        self.values[streams] = states.detach().to(self.values.dtype)
        self.own[streams] = True

    def gathered(self) -> Tensor | None:
        """(streams, ...) of all processes, which must all ask for it; on the host."""
        if self.values is None or not self.own.any():  # none has read a batch since the last one was saved
            return self.values
        mine = self.values * self.own.view(-1, *(1,) * (self.values.dim() - 1))
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(mine)
        return mine.cpu()

    def restore(self, values: Tensor | None) -> None:
        """Go on from what `gathered` gave."""
        self.values, self.own = values, torch.zeros(0, dtype=torch.bool)
