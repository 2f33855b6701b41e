"""Continuing texts by ancestral sampling: each token is drawn from what the model gives it, and then read.

Shapes: S texts of n tokens each, C tokens that may be drawn, V vocabulary.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn


@runtime_checkable
class Continues(Protocol):
    """A model that can continue a text."""

    def next_token(self, batch: dict) -> Tensor:
        """Logits of the token that follows each sequence, (S, V)."""
        ...


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """No dropout and no gradients; afterwards every part is in the mode that it had."""
    training = [part for part in model.modules() if part.training]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for part in training:
            part.training = True


def dense(tokens: Tensor) -> dict:
    """Sequences of one length, (S, n), as a batch (its keys: base.py); the last token stands for its sequence."""
    count, length = tokens.shape
    starts = torch.arange(count + 1, device=tokens.device) * length
    return {
        "tokens": tokens.flatten(),
        "positions": torch.arange(length, device=tokens.device).repeat(count),
        "segments": torch.zeros_like(tokens).flatten(),
        "offsets": starts.int(),
        "example": torch.arange(count, device=tokens.device),
        "summary": starts[1:] - 1,
        "runs": [(count, length)],
        "max_length": length,
        "num_examples": count,
    }


def continuations(
    next_token: Callable[[dict], Tensor],
    prompts: Tensor,
    length: int,
    candidates: Tensor,
    room: int,
    temperature: float = 1.0,
    seed: int = 0,
) -> Tensor:
    """`length` tokens after each prompt, (S, length), drawn from softmax(logits / temperature).

    Args:
        next_token: a model's own; see `evaluating`.
        prompts: (S, n).
        candidates: (C,) the tokens that are text: no other is drawn.
        room: tokens that the model reads at once; those furthest to the left are forgotten first.
    """
    generator = torch.Generator().manual_seed(seed)  # its own, and the CPU's: the run's draws stay what they were
    texts = prompts
    for _ in range(length):
        logits = next_token(dense(texts[:, -room:]))[:, candidates]
        chances = (logits.float() / temperature).softmax(-1).cpu()
        drawn = candidates[torch.multinomial(chances, 1, generator=generator).to(texts.device)]
        texts = torch.cat([texts, drawn], dim=1)
    return texts[:, prompts.shape[1] :]
