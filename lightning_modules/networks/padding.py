"""Ragged texts as rows of one length, for what looks at all tokens of a text at once.

Shapes: S texts end to end, n tokens of all of them, T of the longest, D width.
"""

import torch
from torch import Tensor

from lightning_modules.networks.attention import Runs


class Padding:
    """Where tokens stand when each text gets a row and the rest of it is padding.

    Attributes:
        longest: T.
        is_token: (S, T), which places are no padding.
    """

    def __init__(self, runs: Runs, device: torch.device) -> None:
        lengths = torch.tensor([length for count, length in runs for _ in range(count)])
        self.longest = runs[-1][1]
        there = torch.arange(self.longest) < lengths[:, None]
        self.places = there.flatten().nonzero().squeeze(1).to(device, non_blocking=True)  # (n,) in (S * T,)
        self.is_token = there.to(device, non_blocking=True)

    def padded(self, x: Tensor) -> Tensor:
        """(n, D) -> (S, T, D), zeros behind each text."""
        flat = x.new_zeros(self.is_token.numel(), x.shape[-1]).index_copy(0, self.places, x)
        return flat.unflatten(0, self.is_token.shape)

    def ragged(self, x: Tensor) -> Tensor:
        """(S, T, D) -> (n, D)."""
        return x.flatten(0, 1)[self.places]

    def spread(self, x: Tensor) -> Tensor:
        """(S, D), something of each text -> (n, D), the same at each of its tokens."""
        return x[self.places // self.longest]

    def softmax(self, scores: Tensor) -> Tensor:
        """(S, T) -> the weights of each text's tokens, of padding exactly 0."""
        return scores.float().masked_fill(~self.is_token, -torch.inf).softmax(-1).to(scores.dtype)
