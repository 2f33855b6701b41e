"""The Transformer of BERT and, causal, of GPT: post-layer-norm (Vaswani et al. 2017; Radford et al. 2018).

Decisions: one linear map makes queries, keys and values; sequences are ragged (`attention.py`); every layer's output
is available, because which layer to read is a question of its own (BERT's Table 7, ELMo's Table 2).

Shapes: N tokens of all sequences, D width, H heads.
"""

import math
from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_modules.networks.attention import Runs, attend

GELU = {"erf": F.gelu, "tanh": partial(F.gelu, approximate="tanh")}  # they differ by 4.7e-4 at most
LAYER_NORM_EPS = 1e-12  # BERT's
E = TypeVar("E", bound=nn.Module)


def truncated_normal(weight: Tensor, std: float = 0.02) -> None:
    """TensorFlow's truncated normal: cut at two standard deviations (torch's own bounds are absolute, +-2)."""
    nn.init.trunc_normal_(weight, std=std, a=-2 * std, b=2 * std)


INIT = {"truncated_normal": truncated_normal, "normal": partial(nn.init.normal_, std=0.02)}


def initialise(module: nn.Module, how: str) -> None:
    """Draw every matrix by `INIT[how]`, zero the biases; layer norms keep 1 and 0."""
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Embedding):
            INIT[how](part.weight)
        if isinstance(part, nn.Linear) and part.bias is not None:
            nn.init.zeros_(part.bias)


class Embeddings(nn.Module):
    """BERT's: token + position + segment -> layer norm -> dropout."""

    def __init__(self, vocab_size: int, width: int, max_length: int, num_segments: int, dropout: float) -> None:
        super().__init__()
        self.token = nn.Embedding(vocab_size, width)
        self.position = nn.Embedding(max_length, width)
        self.segment = nn.Embedding(num_segments, width)
        self.norm = nn.LayerNorm(width, eps=LAYER_NORM_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, positions: Tensor, segments: Tensor) -> Tensor:
        """All arguments (N,); returns (N, D)."""
        x = self.token(tokens) + self.position(positions) + self.segment(segments)
        return self.dropout(self.norm(x))


class SelfAttention(nn.Module):
    """Multi-head attention with one map for queries, keys and values."""

    def __init__(self, width: int, num_heads: int, dropout: float, causal: bool) -> None:
        super().__init__()
        self.num_heads, self.dropout, self.causal = num_heads, dropout, causal
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, runs: Runs, offsets: Tensor) -> Tensor:
        """(N, D) -> (N, D)."""
        q, k, v = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).unbind(1)  # each (N, H, D / H)
        return self.out(attend(q, k, v, runs, offsets, self.dropout if self.training else 0.0, self.causal))

    def attention_weights(self, x: Tensor) -> Tensor:
        """softmax(q k^T / sqrt(K)) of one sequence, (n, D) -> (H, n, n): to look at, for `attend` never makes it.

        Row i is how much of each token is in what token i becomes.
        """
        q, k, _ = self.qkv(x).unflatten(-1, (3, self.num_heads, -1)).unbind(1)  # each (n, H, K)
        scores = torch.einsum("ihk,jhk->hij", q, k).float() / math.sqrt(q.shape[-1])
        if self.causal:
            later = torch.ones_like(scores[0], dtype=torch.bool).triu(1)
            scores = scores.masked_fill(later, -math.inf)
        return scores.softmax(-1)


class Layer(nn.Module):
    """x = norm(x + attention(x)); x = norm(x + feed_forward(x))."""

    def __init__(
        self,
        width: int,
        num_heads: int,
        inner: int,
        dropout: float,
        attention_dropout: float,
        gelu: str,
        eps: float = LAYER_NORM_EPS,
        causal: bool = False,
    ) -> None:
        super().__init__()
        self.attention = SelfAttention(width, num_heads, attention_dropout, causal)
        self.attention_norm = nn.LayerNorm(width, eps=eps)
        self.inner = nn.Linear(width, inner)
        self.outer = nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width, eps=eps)
        self.dropout = nn.Dropout(dropout)
        self.gelu = GELU[gelu]

    def forward(self, x: Tensor, runs: Runs, offsets: Tensor) -> Tensor:
        """(N, D) -> (N, D)."""
        x = self.attention_norm(x + self.dropout(self.attention(x, runs, offsets)))
        return self.norm(x + self.dropout(self.outer(self.gelu(self.inner(x)))))


class Stack(nn.Module, Generic[E]):
    """A model's own embeddings, and layers on what they give: (N, D), runs, offsets -> (N, D)."""

    def __init__(self, embeddings: E, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.embeddings: E = embeddings
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, runs: Runs, offsets: Tensor, keep: Collection[int]) -> tuple[Tensor, ...]:
        """Encode embedded tokens, (N, D).

        Args:
            keep: the layers to return, 0 being the embeddings; negative numbers count from the top.

        Returns:
            One (N, D) tensor for each kept layer, from the bottom up.
        """
        total = len(self.layers) + 1
        wanted = {layer % total for layer in keep}
        kept = [x] if 0 in wanted else []
        for number, layer in enumerate(self.layers, start=1):
            x = layer(x, runs, offsets)
            if number in wanted:
                kept.append(x)
        return tuple(kept)

    def restart(self, kept: int, how: str) -> None:
        """Draw all layers but the first `kept` anew."""
        for layer in self.layers[kept:]:
            initialise(layer, how)
            for part in layer.modules():
                if isinstance(part, nn.LayerNorm | nn.LSTM):
                    part.reset_parameters()


class Transformer(Stack[E]):
    """A stack of `Layer`s."""

    def attention_weights(self, inputs: Sequence[Tensor]) -> Tensor:
        """Attention weights of every layer and head on one sequence, (layers, H, n, n).

        Args:
            inputs: what each layer reads, (n, D): `encode` with all layers but the top one.
        """
        pairs = zip(self.layers, inputs, strict=True)
        return torch.stack([layer.attention.attention_weights(x) for layer, x in pairs])  # pyright: ignore


class Pooler(nn.Module):
    """tanh(W x + b) of a sequence's summary position, as pre-trained with the next-sentence task."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(S, D) -> (S, D)."""
        return self.dense(x).tanh()
