"""ELMo's bidirectional language model: LSTMs with projections, in both directions at once (Peters et al. 2018).

The cell is TensorFlow's LSTMCell as the release (allenai/bilm-tf) uses it; cuDNN has neither of its two clips, and
torch's own CPU kernel is slower. Directions never meet inside: all tensors have both, 0 forward and 1 backward.
Tokens lie in step order (`recurrent.step_order`): the first ones of all sequences, the longest first, then the second.

Shapes: N tokens, S sequences, D width of the input and of the projected output, U units. Gates lie in the order i, j
(the candidate), f, o.
"""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lightning_modules.networks.attention import Runs
from lightning_modules.networks.recurrent import step_order

State = tuple[Tensor, Tensor]  # (2, S, D) output and (2, S, U) cell, of each sequence after its last step
Clips = tuple[float | None, float | None]  # of the cell, of the projection; None: no bound
aten = torch.ops.aten  # torch's own derivatives, each one kernel


def clip(x: Tensor, bound: float | None) -> Tensor:
    """In place."""
    return x if bound is None else x.clamp_(-bound, bound)


def unclip(grad: Tensor, x: Tensor, bound: float | None) -> Tensor:
    """In place: nothing comes back from what was clipped, which stands on the bound since."""
    return grad if bound is None else aten.hardtanh_backward(grad, x, -bound, bound, grad_input=grad)


class Recurrence(torch.autograd.Function):
    """The steps of `ProjectedLstm`, with a backward pass by hand: the gradients of all weights are one product each.

    Outputs and cells are kept end to end in blocks: the state before the first step, after it, after the second, ...
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor,
        projection: Tensor,
        hidden: Tensor,
        cell: Tensor,
        sizes: Sequence[int],
        clips: Clips,
    ) -> tuple[Tensor, Tensor]:
        """As in `ProjectedLstm` -> all outputs (2, S + N, D), all cells (2, S + N, U)."""
        (_, tokens, width), units = x.shape, cell.shape[-1]
        gates = torch.baddbmm(bias[:, None], x, weight[:, :width])  # what the input adds to them, (2, N, 4 U)
        hs = torch.cat([hidden, hidden.new_empty(2, tokens, width)], dim=1)
        cs = torch.cat([cell, cell.new_empty(2, tokens, units)], dim=1)
        for before, at, after in steps(sizes, hidden.shape[1]):
            gate = gates[:, at]
            torch.baddbmm(gate, hs[:, before], weight[:, width:], out=gate)
            i, j, f, o = gate.chunk(4, dim=-1)
            i.sigmoid_()
            j.tanh_()
            gate[..., 2 * units :].sigmoid_()  # f and o
            c = clip(torch.mul(f, cs[:, before], out=cs[:, after]).addcmul_(i, j), clips[0])
            h = torch.bmm((c.tanh() * o).to(x.dtype), projection, out=hs[:, after])
            clip(h, clips[1])
        ctx.save_for_backward(x, weight, projection, gates, hs, cs)
        ctx.sizes, ctx.clips = sizes, clips
        return hs, cs

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        """(2, S + N, D), (2, S + N, U) -> of x, the three weights, and the state."""
        x, weight, projection, gates, hs, cs = ctx.saved_tensors
        dhs, dcs = (grad.clone() for grad in grads)
        first, width = hs.shape[1] - x.shape[1], x.shape[2]
        dgates, m = torch.empty_like(gates), torch.empty_like(gates[..., : cs.shape[2]])
        out, back = projection.transpose(1, 2), weight[:, width:].transpose(1, 2)
        previous = []
        for before, at, after in reversed(steps(ctx.sizes, first)):
            i, j, f, o = gates[:, at].chunk(4, dim=-1)
            di, dj, df, do = dgates[:, at].chunk(4, dim=-1)
            dh, tanh = unclip(dhs[:, after], hs[:, after], ctx.clips[1]), cs[:, after].tanh()
            torch.mul(tanh, o, out=m[:, at])
            dm = torch.bmm(dh, out)
            dc = unclip(dcs[:, after].add_(aten.tanh_backward(dm * o, tanh)), cs[:, after], ctx.clips[0])
            aten.sigmoid_backward(dc * j, i, grad_input=di)
            aten.tanh_backward(dc * i, j, grad_input=dj)
            aten.sigmoid_backward(dc * cs[:, before], f, grad_input=df)
            aten.sigmoid_backward(dm * tanh, o, grad_input=do)
            dcs[:, before].addcmul_(dc, f)
            dh = dhs[:, before]
            torch.baddbmm(dh, dgates[:, at], back, out=dh)
            previous.append(hs[:, before])
        inputs = torch.cat([x, torch.cat(previous[::-1], dim=1)], dim=2)
        dx = torch.bmm(dgates, weight[:, :width].transpose(1, 2))
        dweight = torch.bmm(inputs.transpose(1, 2), dgates)
        dprojection = torch.bmm(m.transpose(1, 2), dhs[:, first:])
        return dx, dweight, dgates.sum(1), dprojection, dhs[:, :first], dcs[:, :first], None, None


def steps(sizes: Sequence[int], first: int) -> list[tuple[slice, slice, slice]]:
    """Of each step the states that it reads, its tokens, the states that it writes."""
    stops = [0, *accumulate([first, *sizes])]
    return [
        (slice(before, before + size), slice(after - first, after - first + size), slice(after, after + size))
        for size, before, after in zip(sizes, stops[:-2], stops[1:-1], strict=True)
    ]


def last_states(states: Tensor, sizes: Sequence[int]) -> Tensor:
    """(2, S + N, .) in the blocks of `Recurrence` -> (2, S, .), each sequence's last one."""
    parts, ended = [], 0
    for _, _, after in reversed(steps(sizes, sizes[0])):  # the longest first, which end last
        parts.append(states[:, after.start + ended : after.stop])
        ended = after.stop - after.start
    return torch.cat(parts, dim=1)


class ProjectedLstm(nn.Module):
    """One layer of both directions: h = clip(P m), m = o tanh(c), c = clip(f c + i j); j = tanh, the others sigmoid.

    Args:
        width: of the input and of the output, D.
        units: U.
        cell_clip: bound of the cell, both ways; None: none.
        projection_clip: bound of the output.
    """

    def __init__(self, width: int, units: int, cell_clip: float | None, projection_clip: float | None) -> None:
        super().__init__()
        self.clips = cell_clip, projection_clip
        self.weight = nn.Parameter(torch.empty(2, 2 * width, 4 * units))  # rows of the input, then of the output before
        self.bias = nn.Parameter(torch.zeros(2, 4 * units))
        self.projection = nn.Parameter(torch.empty(2, units, width))
        for matrix in (*self.weight, *self.projection):
            nn.init.xavier_uniform_(matrix)  # TensorFlow's default
        nn.init.ones_(self.bias[:, 2 * units : 3 * units])  # the release adds 1 to f in each step

    def forward(self, x: Tensor, sizes: Sequence[int], state: State | None = None) -> tuple[Tensor, State]:
        """(2, N, D) in step order -> (2, N, D), and each sequence's state after its last step.

        Args:
            sizes: how many sequences have a first token, a second, ...; on the host.
            state: before the first step, of the sequences from the longest; None: zero.
        """
        first, (_, units, width) = sizes[0], self.projection.shape
        kind = x.device.type
        dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else x.dtype
        hidden, cell = state or (x.new_zeros(2, first, width), self.bias.new_zeros(2, first, units))
        with torch.autocast(kind, enabled=False):  # products in autocast's precision, cells in the weights'
            low = (tensor.to(dtype) for tensor in (x, self.weight, self.bias, self.projection, hidden))
            hs, cs = Recurrence.apply(*low, cell, sizes, self.clips)
        return hs[:, first:], (last_states(hs, sizes), last_states(cs, sizes))


class BiLm(nn.Module):
    """Layers of both directions; dropout on what each reads, and from the second on that is added to its output.

    Args:
        width, units, cell_clip, projection_clip: see `ProjectedLstm`.
        num_layers: how many.
        dropout: probability. What the top layer gives is left to the caller to drop.
    """

    def __init__(
        self,
        width: int,
        units: int,
        num_layers: int,
        cell_clip: float | None,
        projection_clip: float | None,
        dropout: float,
    ) -> None:
        super().__init__()
        lstms = (ProjectedLstm(width, units, cell_clip, projection_clip) for _ in range(num_layers))
        self.layers = nn.ModuleList(lstms)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, sizes: Sequence[int], states: Sequence[State] | None = None
    ) -> tuple[list[Tensor], list[State]]:
        """(2, N, D) in step order -> (2, N, D) of every layer, and its state; see `ProjectedLstm.forward`."""
        outputs, after = [], []
        for number, layer in enumerate(self.layers):
            x = self.dropout(x)
            y, state = layer(x, sizes, states[number] if states else None)
            x = y + x if number else y
            outputs.append(x)
            after.append(state)
        return outputs, after


def both_ways(x: Tensor, runs: Runs) -> tuple[Tensor, Tensor, list[int]]:
    """Sentences as each direction reads them.

    Returns:
        (2, N, D) in step order, where in `x` each of these tokens stands (2, N), and how many sentences have each step.
    """
    order, sizes = step_order(runs)
    lengths = torch.tensor([length for count, length in runs for _ in range(count)])
    stops = lengths.cumsum(0)
    ends = (2 * stops - lengths - 1).repeat_interleave(lengths)  # the first and the last token of each one's sentence
    orders = torch.stack([order, (ends - torch.arange(len(ends)))[order]]).to(x.device, non_blocking=True)
    return x[orders], orders, sizes.tolist()


def together(y: Tensor, order: Tensor) -> Tensor:
    """(2, N, D) in step order -> (N, 2 D) as the text has them, [forward; backward]."""
    ways = [torch.empty_like(way).index_copy(0, places, way) for way, places in zip(y, order, strict=True)]
    return torch.cat(ways, dim=-1)
