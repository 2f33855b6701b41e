"""Recurrent networks over sequences that travel without padding (`attention.py`).

All sequences of a batch are one packed sequence: one call of the kernel, cuDNN's too, which takes as many steps as the
longest has tokens and spends nothing on padding. A call for each length, as in attention, would take as many steps as
all lengths together; padding multiplies what nobody reads.

Matrices are drawn as torch draws an LSTM's, evenly within 1 / sqrt(units): GPT's normal(0.02) relies on layer norms.

Shapes: N tokens of all sequences, D width, H units.
"""

import torch
from torch import Size, Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.flop_counter import register_flop_formula

from lightning_modules.networks.attention import Runs


@register_flop_formula(torch.ops.aten._cudnn_rnn)
def recurrent_flops(tokens: Size, weights: list[Size], *_: object, **__: object) -> int:
    """Of cuDNN's kernel, which torch's counter does not know: every token meets every matrix."""
    return 2 * tokens[0] * sum(shape[0] * shape[1] for shape in weights if len(shape) == 2)


def step_order(runs: Runs) -> tuple[Tensor, Tensor]:
    """Where the tokens stand that an LSTM reads first, second, ...: (N,), and how many sequences have each step."""
    lengths = torch.tensor([length for count, length in runs for _ in range(count)])
    starts = lengths.cumsum(0) - lengths
    lengths, starts = lengths.flip(0), starts.flip(0)  # as packed sequences lie: the longest first
    steps = torch.arange(int(lengths[0]))[:, None]
    there = steps < lengths  # (steps, S)
    return (starts + steps)[there], there.sum(1)


def read(lstm: nn.LSTM, x: Tensor, runs: Runs) -> Tensor:
    """(N, D) -> (N, H), or (N, 2 H) of both directions; each sequence begins at zero."""
    order, sizes = step_order(runs)
    order = order.to(x.device, non_blocking=True)
    out = lstm(PackedSequence(x[order], sizes))[0].data
    return torch.empty_like(out).index_copy(0, order, out)


class LstmLayer(nn.Module):
    """An LSTM in the place of a Transformer's layer: its units are mapped back to the width, then dropout."""

    def __init__(self, width: int, units: int, dropout: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, units)
        self.out = nn.Linear(units, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, runs: Runs, offsets: Tensor) -> Tensor:
        """(N, D) -> (N, D); `offsets` as attention needs them."""
        return self.dropout(self.out(read(self.lstm, x, runs)))


class BiLstm(nn.Module):
    """Both directions, each with half of the width; what each has read of a whole sequence stands for the sequence.

    At one position, the first or the last, one of them would have read a single token, and have no use for its memory.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, width // 2, bidirectional=True)

    def forward(self, x: Tensor, runs: Runs, offsets: Tensor) -> Tensor:
        """(N, D) -> (S, D)."""
        forward, backward = read(self.lstm, x, runs).chunk(2, dim=-1)
        return torch.cat([forward[offsets[1:] - 1], backward[offsets[:-1]]], dim=-1)
