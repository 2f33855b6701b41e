"""ELMo's context-independent words: convolutions over a word's characters (Kim et al. 2016; Peters et al. 2018).

Numbers and initial values are the release's (allenai/bilm-tf). A filter is a linear map of a window's characters, so
what each character adds at each place of the window is a row of a small table, and a window is the sum of a few rows.
On a CPU that is 2 to 4 times as fast as convolving embedded characters, and only the winners are remembered.

Shapes: W words, C characters of each, K characters of a filter's window, E width of a character, F filters.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

CHARACTERS = 261  # 256 bytes, begin and end of a sentence, begin and end of a word, padding; each has a learned row
CARRY_BIAS = -2.0  # a highway starts by passing most of its input on


class BestWindow(torch.autograd.Function):
    """Every filter's largest value over a word's windows.

    The gradient goes to the first window that is largest: the rows of its characters, instead of all (W, C, F) values.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, characters: Tensor) -> Tensor:
        """(K, 261, F), (W, C) -> (W, F)."""
        size, rows, filters = table.shape
        places = rows * torch.arange(size, device=characters.device)
        windows = characters.unfold(1, size, 1) + places  # (W, C - K + 1, K)
        values = F.embedding_bag(windows.reshape(-1, size), table.flatten(0, 1), mode="sum")
        values = values.view(*windows.shape[:2], filters)
        if not ctx.needs_input_grad[0]:
            return values.amax(1)
        best, first = values.max(1)
        ctx.save_for_backward(characters, first)
        ctx.shape = table.shape
        return best

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:  # pyright: ignore
        """(W, F) -> (K, 261, F)."""
        characters, first = ctx.saved_tensors
        into = grads[0].new_zeros(ctx.shape)
        for place, rows in enumerate(into):
            rows.scatter_add_(0, characters.gather(1, first + place), grads[0])
        return into, None


class Highway(nn.Module):
    """g * relu(T x + b) + (1 - g) * x, where g = sigmoid(C x + c) (Srivastava et al. 2015).

    The release calls g the carry gate, although it carries the transformed part.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.both = nn.Linear(width, 2 * width)  # C, then T
        draw(self.both)
        nn.init.constant_(self.both.bias[:width], CARRY_BIAS)

    def forward(self, x: Tensor) -> Tensor:
        """(W, D) -> (W, D)."""
        gate, transformed = self.both(x).chunk(2, dim=-1)
        return torch.lerp(x.to(gate.dtype), transformed.relu(), gate.sigmoid())


class CharCnn(nn.Module):
    """Characters of a word -> filters, max over its windows, relu -> highways -> projection.

    Columns of padding may be left out where every word keeps as many as the widest filter has: the maximum has then
    seen a window of padding alone, and every other one.

    Args:
        width: of what a word becomes, D.
        char_size: of a character's embedding, E.
        filters: (characters of the window, how many) of each kind.
        highways: how many.
    """

    def __init__(
        self,
        width: int,
        char_size: int = 16,
        filters: Sequence[tuple[int, int]] = ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256), (6, 512), (7, 1024)),
        highways: int = 2,
    ) -> None:
        super().__init__()
        total = sum(count for _, count in filters)
        self.widest = max(size for size, _ in filters)  # a word has so many columns at least
        self.embedding = nn.Embedding(CHARACTERS, char_size)
        self.filters = nn.ParameterList(torch.empty(size, char_size, count) for size, count in filters)
        self.bias = nn.Parameter(torch.zeros(total))
        self.highways = nn.Sequential(*[Highway(total) for _ in range(highways)])
        self.projection = nn.Linear(total, width)
        nn.init.uniform_(self.embedding.weight, -1, 1)
        for kind in self.filters:
            nn.init.uniform_(kind, -0.05, 0.05)
        draw(self.projection)

    def forward(self, characters: Tensor) -> Tensor:
        """(W, C) int64 -> (W, D)."""
        return self.projection(self.highways(self.convolve(characters)))

    def convolve(self, characters: Tensor) -> Tensor:
        """(W, C) -> (W, F): the maximum before relu, and the bias once for all windows, which is the same."""
        with torch.autocast(characters.device.type, enabled=False):  # a table is small, and its rows are summed
            best = [BestWindow.apply(self.embedding.weight @ kind, characters) for kind in self.filters]
        return (torch.cat(best, dim=-1) + self.bias).relu()


def draw(linear: nn.Linear) -> None:
    """N(0, 1 / sqrt(inputs)), biases zero."""
    nn.init.normal_(linear.weight, std=1 / math.sqrt(linear.in_features))
    nn.init.zeros_(linear.bias)
