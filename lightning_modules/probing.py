"""Which candidate fits a gap, by a model's own pre-training objective: no head, nothing to train."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def preferences(losses: Callable[[dict], dict[str, tuple[Tensor, int]]], probes: Sequence[Sequence[dict]]) -> Tensor:
    """Log-likelihood of each probe's candidates, (B, C), in nats per piece.

    The mean over a candidate's pieces, all hidden at once, is the score of multilingual LAMA (Kassner et al. 2021,
    section 3): it compares candidates of one piece with those of several.

    Args:
        losses: a model's `pretraining_losses`.
        probes: of each probe its candidates, each a batch whose `counts` name the losses that are about it.
    """

    def likelihood(candidate: dict) -> Tensor:
        found = losses(candidate)
        return -torch.stack([found[name][0] for name in candidate["counts"]]).sum() / sum(candidate["counts"].values())

    return torch.stack([torch.stack([likelihood(candidate) for candidate in probe]) for probe in probes]).float()


def against(threshold: float, scores: Tensor) -> Tensor:
    """(B, 1) scores -> (B, 2) logits: label 1 is the likelier one where a score is above the threshold."""
    return torch.cat([torch.zeros_like(scores), scores - threshold], dim=1)
