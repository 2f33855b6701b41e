"""word2vec's losses over blocks of text, and their gradients in closed form (Mikolov et al. 2013a and b).

A block has L centres, the words that are predicted, and J = L + 2 window words around and among them. As in the C
program the words beside a centre are the input, one by one (skip-gram) or as their mean (CBOW), and the centre is the
output, told from noise words or along its way through a tree.

Shapes: B blocks, H hidden rows (J for skip-gram, L for CBOW), R output rows, D width.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Asked(NamedTuple):
    """What hidden rows are asked.

    Attributes:
        rows: (B, R) of the output table.
        labels: (B, 1, R), 1 where the answer is yes.
        weights: (B, H, R), how often each hidden row is asked each.
    """

    rows: Tensor
    labels: Tensor
    weights: Tensor


class Change(NamedTuple):
    """What is to be added to a table, per learning rate.

    Attributes:
        rows: (n,).
        values: (n, D).
        pairs: (n,), each row's predictions.
        curvature: (n,), how each row's loss bends, at most: see `curvatures`; None where nobody asks.
    """

    rows: Tensor
    values: Tensor
    pairs: Tensor
    curvature: Tensor | None = None

    @classmethod
    def of(cls, rows: Tensor, values: Tensor, pairs: Tensor, curvature: Tensor | None) -> "Change":
        """From blocks: (B, n), (B, n, D), (B, n) and (B, n)."""
        return cls(
            rows.flatten(), values.flatten(0, 1), pairs.flatten(), None if curvature is None else curvature.flatten()
        )


def band(sentences: Tensor, reach: Tensor) -> Tensor:
    """(B, J, L) bool: whether a word is in the window of a centre, which ends where the sentence does."""
    width, length = sentences.shape[1], reach.shape[1]
    half = (width - length) // 2
    places = torch.arange(width, device=reach.device)
    distance = (places[:, None] - places[None, half : half + length]).abs()  # (J, L)
    same = sentences[:, :, None] == sentences[:, None, half : half + length]
    return same & (distance > 0) & (distance <= reach[:, None, :])


def averaging(pairs: Tensor) -> Tensor:
    """(B, J, L) -> (B, L, J), the weights of the mean of each centre's window."""
    return pairs.mT / pairs.sum(1).clamp(min=1)[:, :, None]


def alone(pairs: Tensor) -> Tensor:
    """(B, J, L) -> (B, L, L), each centre's own mean asks for it, if there is a word beside it."""
    return torch.diag_embed((pairs.sum(1) > 0).to(pairs.dtype))


def sampled(pairs: Tensor, centres: Tensor, negatives: Tensor, weight: float) -> Asked:
    """Negative sampling: each pair (H, L) of `pairs` against the block's noise words, but for its own centre.

    Args:
        centres, negatives: (B, L) and (B, N) words.
        weight: how many draws each noise word stands for.
    """
    others = (centres[:, :, None] != negatives[:, None, :]).to(pairs.dtype)  # (B, L, N)
    weights = torch.cat([pairs, torch.bmm(pairs, others).mul_(weight)], dim=2)
    labels = torch.zeros(weights.shape[2], dtype=pairs.dtype, device=pairs.device)
    labels[: centres.shape[1]] = 1
    return Asked(torch.cat([centres, negatives], dim=1), labels.expand(1, 1, -1), weights)


def hierarchical(pairs: Tensor, nodes: Tensor, codes: Tensor) -> Asked:
    """Hierarchical softmax: at each node on the way to a centre, whether the branch is 0.

    Args:
        nodes, codes: (B, L, P) of each centre; nodes -1 behind its end.
    """
    weights = pairs[:, :, :, None] * (nodes >= 0)[:, None].to(pairs.dtype)  # (B, H, L, P)
    labels = (1 - codes).to(pairs.dtype)
    return Asked(nodes.clamp(min=0).flatten(1), labels.flatten(1)[:, None], weights.flatten(2))


def loss(hidden: Tensor, outputs: Tensor, asked: Asked) -> Tensor:
    """The sum of -log sigmoid(+-score), in nats; `hidden` (B, H, D), `outputs` (B, R, D)."""
    scores = torch.bmm(hidden, outputs.mT)
    scores = scores.to(torch.promote_types(scores.dtype, torch.float32))
    return (asked.weights * F.softplus(torch.where(asked.labels > 0, -scores, scores))).sum()


def descent(hidden: Tensor, outputs: Tensor, asked: Asked) -> tuple[Tensor, Tensor]:
    """Minus the gradient of `loss`, by hidden rows and by output rows."""
    scores = torch.bmm(hidden, outputs.mT)
    error = scores.sigmoid_().sub_(asked.labels).mul_(asked.weights).neg_()  # (B, H, R)
    return torch.bmm(error, outputs), torch.bmm(error.mT, hidden)


def curvatures(hidden: Tensor, outputs: Tensor, asked: Asked) -> tuple[Tensor, Tensor]:
    """Bounds on the trace of `loss`'s second derivative by each hidden row, (B, H), and by each output row, (B, R).

    A logistic loss bends by 1/4 at most (Boehning 1992); by a row, by that times the other row's squared length.
    """
    far, near = (torch.linalg.vector_norm(rows, dim=2, keepdim=True).square() / 4 for rows in (hidden, outputs))
    return torch.bmm(asked.weights, near).squeeze(2), torch.bmm(far.mT, asked.weights).squeeze(1)
