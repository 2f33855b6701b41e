"""The task network of the GLUE baselines (Wang et al. 2019, section 3, and their code): a BiLSTM, a maximum over time.

Each text: x -> dropout -> BiLSTM -> h -> dropout -> its largest values over time, u. Of a pair: [u; v; |u - v|; u * v].
With attention the texts of a pair look at each other before that: h and, of the other text, the mean of its h weighted
by softmax(h . h'), -> dropout -> one more layer of BiLSTM -> dropout -> maximum. No dropout between the LSTM's layers.

What is plugged in beside x goes into the BiLSTM; what is plugged in beside h is read by what comes next.

Shapes: n tokens of all texts, S texts, P answers asked for (S, or S / 2 pairs), T tokens of the longest text, H states.
"""

import torch
from torch import Tensor, nn

from lightning_modules.networks.attention import Runs
from lightning_modules.networks.padding import Padding
from lightning_modules.networks.recurrent import read


def maximum(h: Tensor, runs: Runs) -> Tensor:
    """(n, H) -> (S, H): of each state its largest value in the text."""
    parts, start = [], 0
    for count, length in runs:
        stop = start + count * length
        parts.append(h[start:stop].unflatten(0, (count, length)).amax(1))
        start = stop
    return torch.cat(parts)


def attended(h: Tensor, runs: Runs, pairs: Tensor) -> Tensor:
    """What each token sees of its pair's other text, (n, H): its states weighted by the softmax of dot products.

    Args:
        h: (n, H).
        pairs: (P, 2) the texts of each pair.
    """
    padding = Padding(runs, h.device)
    padded = padding.padded(h)  # (S, T, H)
    other = pairs.new_empty(len(padded)).index_copy(0, pairs.flatten(), pairs.flip(1).flatten())  # of each text
    scores = (padded @ padded[other].transpose(1, 2)).float()  # (S, T, T)
    scores = scores.masked_fill(~padding.is_token[other][:, None], -torch.inf)
    return padding.ragged(scores.softmax(-1).to(h.dtype) @ padded[other])


class TaskRnn(nn.Module):
    """Representations of tokens -> one vector for each text, or pair of texts.

    Args:
        width: of x with what is plugged in beside it.
        plugged: width of what is plugged in beside h; 0: nothing is.
        size: units of each direction.
        layers: of the first BiLSTM.
        is_pair: whether two texts make an answer.
        attention: of a pair, see above.
    """

    def __init__(
        self, width: int, plugged: int, size: int, layers: int, dropout: float, is_pair: bool, attention: bool
    ) -> None:
        super().__init__()
        self.is_pair = is_pair
        self.lstm = nn.LSTM(width, size, layers, bidirectional=True)
        attends = is_pair and attention
        self.modelling = nn.LSTM(4 * size + plugged, size, bidirectional=True) if attends else None
        self.dropout = nn.Dropout(dropout)
        self.width = (2 * size if attends else 2 * size + plugged) * (4 if is_pair else 1)  # of the result

    def forward(self, x: Tensor, plugged: Tensor | None, runs: Runs, order: Tensor) -> Tensor:
        """Encode.

        Args:
            x: (n, width).
            plugged: (n, plugged), None where nothing is.
            runs: of the texts, as they lie in n.
            order: (S,) the texts by answer, a pair's first text before its second.

        Returns:
            (P, self.width).
        """
        beside = [] if plugged is None else [plugged]
        h = read(self.lstm, self.dropout(x), runs)  # (n, 2 size)
        pairs = order.view(-1, 2 if self.is_pair else 1)
        if self.modelling is not None:
            h = torch.cat([h, attended(h, runs, pairs), *beside], dim=-1)
            h, beside = read(self.modelling, self.dropout(h), runs), []
        u = maximum(self.dropout(torch.cat([h, *beside], dim=-1)), runs)[pairs]  # (P, 1 or 2, H)
        if not self.is_pair:
            return u[:, 0]
        u, v = u.unbind(1)
        return torch.cat([u, v, (u - v).abs(), u * v], dim=-1)
