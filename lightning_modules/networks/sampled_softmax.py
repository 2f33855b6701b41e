"""Cross entropy over a large vocabulary: against all words, or a sample of them (Jean et al. 2015).

Shapes: M predictions, D width, V words of the vocabulary, K negatives.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def sampled_loss(
    hidden: Tensor,
    weight: Tensor,
    bias: Tensor,
    labels: Tensor,
    negatives: Tensor,
    log_expected_labels: Tensor,
    log_expected_negatives: Tensor,
) -> Tensor:
    """TensorFlow's sampled_softmax_loss: each word against the same few, every logit less ln(its expected count).

    That is far below the loss over all words, which `full_loss` gives.

    Args:
        hidden: (M, D).
        weight, bias: (V, D) and (V,).
        labels: (M,) of words.
        negatives: (K,) of words; one that is a row's label is left out of that row.
        log_expected_labels, log_expected_negatives: (M,) and (K,), ln of how often each was to be expected.

    Returns:
        (M,) nats.
    """
    words = torch.cat([labels, negatives])
    rows, biases = weight.index_select(0, words), bias.index_select(0, words)  # dense, (M + K, D) and (M + K,)
    label_rows, label_biases = rows[: len(labels)], biases[: len(labels)]
    right = (hidden * label_rows).sum(1) + label_biases - log_expected_labels
    others = F.linear(hidden, rows[len(labels) :], biases[len(labels) :]) - log_expected_negatives  # (M, K)
    others = others.masked_fill(labels[:, None] == negatives, -torch.inf)
    return F.softplus(others.logsumexp(1) - right)  # -ln(e^right / (e^right + sum e^others))


def full_loss(hidden: Tensor, weight: Tensor, bias: Tensor, labels: Tensor, chunk: int = 1024) -> Tensor:
    """Cross entropy over all words, `chunk` predictions at a time: without gradients no (M, V) is ever held.

    Args:
        hidden, weight, bias, labels: as in `sampled_loss`.

    Returns:
        (M,) nats.
    """
    pairs = zip(hidden.split(chunk), labels.split(chunk), strict=True)
    return torch.cat([F.cross_entropy(F.linear(x, weight, bias).float(), y, reduction="none") for x, y in pairs])
