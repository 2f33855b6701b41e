"""Huffman's tree over a vocabulary: the output layer of hierarchical softmax (Mikolov et al. 2013a, section 4)."""

from collections import deque

import numpy as np


def huffman(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Each word's way from the root: frequent words have short ones.

    Args:
        counts: (V,) how often each word occurs; one that does not gets no way.

    Returns:
        nodes: (V, P) int64, the inner nodes from the root on, 0 to V - 2; -1 behind the end of a way.
        codes: (V, P) int8, which branch is taken at each: 1 to the rarer side.
    """
    words = np.flatnonzero(counts)
    words = words[np.argsort(counts[words], kind="stable")]  # rarest first
    leaves = deque((int(counts[word]), int(word)) for word in words)
    inner: deque[tuple[int, int]] = deque()
    parents, branches = np.zeros((2, len(counts) + len(words)), dtype=np.int64)  # of words, then of inner nodes
    number = 0
    while len(leaves) + len(inner) > 1:
        total = 0
        for branch in (1, 0):
            count, child = (leaves if leaves and (not inner or leaves[0] <= (inner[0][0], -1)) else inner).popleft()
            total += count
            parents[child], branches[child] = number, branch
        inner.append((total, len(counts) + number))
        number += 1
    return _ways(words, parents, branches, len(counts), number)


def _ways(
    words: np.ndarray, parents: np.ndarray, branches: np.ndarray, size: int, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """From each word up to the root, all words at once; the root is the last node that was made, and becomes 0."""
    root = size + number - 1
    steps = []
    at, climbing = words.copy(), words != root
    while climbing.any():
        steps.append((np.where(climbing, number - 1 - parents[at], -1), np.where(climbing, branches[at], 0)))
        at = np.where(climbing, size + parents[at], root)
        climbing = at != root
    depth = len(steps)
    nodes, codes = np.full((size, depth), -1, dtype=np.int64), np.zeros((size, depth), dtype=np.int8)
    if not depth:
        return nodes, codes
    way = np.stack([node for node, _ in steps[::-1]], axis=1)  # root first, but short ways stand to the right
    turn = np.stack([code for _, code in steps[::-1]], axis=1)
    order = np.argsort(way < 0, axis=1, kind="stable")
    nodes[words], codes[words] = np.take_along_axis(way, order, 1), np.take_along_axis(turn, order, 1)
    return nodes, codes
