"""Scaled dot-product attention over sequences that travel without padding.

Sequences lie end to end, sorted by length. Neighbours of equal length form a *run*, and each run is one dense call:
any device, any dtype, dropout kept, and not one multiplication spent on padding.

Shapes: N tokens of all sequences, S sequences, H heads, K width of a head.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

Runs = list[tuple[int, int]]  # (number of sequences, their length), in the order in which they lie in the batch


def attend(
    q: Tensor, k: Tensor, v: Tensor, runs: Runs, offsets: Tensor, dropout: float = 0.0, causal: bool = False
) -> Tensor:
    """Let every token attend to all tokens of its own sequence.

    Args:
        q, k, v: (N, H, K).
        runs: on the host, so that no device is waited for.
        offsets: (S + 1,) int32, where each sequence begins and the last one ends.
        dropout: probability of dropping an attention weight.
        causal: only to those before it, and to itself.

    Returns:
        (N, H * K).
    """
    if q.is_cuda and q.dtype in (torch.float16, torch.bfloat16) and dropout == 0:
        from torch.nn.attention.varlen import varlen_attn

        longest = max(length for _, length in runs)
        kernel = partial(varlen_attn, window_size=(-1, 0)) if causal else varlen_attn  # (tokens to the left, right)
        out = kernel(q, k, v, offsets, offsets, longest, longest)
        assert isinstance(out, Tensor)
        return out.flatten(1)
    sizes, parts = [count * length for count, length in runs], []
    # split, not slices: each slice's gradient would be as long as the batch
    for run, *qkv in zip(runs, q.split(sizes), k.split(sizes), v.split(sizes), strict=True):
        # (count * length, H, K) -> (count, H, length, K)
        dense = (x.unflatten(0, run).transpose(1, 2) for x in qkv)
        out = F.scaled_dot_product_attention(*dense, dropout_p=dropout, is_causal=causal)
        parts.append(out.transpose(1, 2).flatten(2).flatten(0, 1))
    return torch.cat(parts)
