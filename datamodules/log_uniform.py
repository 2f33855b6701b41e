"""Negative words for a sampled softmax, as TensorFlow's log-uniform sampler draws them; ELMo's release trains with it.

P(k) = (ln(k + 2) - ln(k + 1)) / ln(V + 1) for the word with the number k: Zipf's law, if words are numbered from the
most frequent one down. Different words are drawn one by one until there are enough of them; how many tries that took
says how often a word was to be expected, which the loss takes off its logit.
"""

import numpy as np
import torch

from datamodules.masking import generator
from datamodules.task import Refused

NEGATIVES = 2  # the last part of random keys, apart from the loader's (0) and the order of groups (1)


class LogUniform:
    """The sampler over `size` words."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.log_range = float(np.log(size + 1))

    def draw(self, count: int, random: np.random.Generator) -> tuple[np.ndarray, int]:
        """(count,) different words, and the number of tries that they took; `count` is less than `size`."""
        tries = np.zeros(0, dtype=np.int64)
        while True:
            more = np.exp(random.random(2 * count) * self.log_range).astype(np.int64) - 1
            tries = np.concatenate([tries, np.minimum(more, self.size - 1)])
            words, first = np.unique(tries, return_index=True)
            if len(words) >= count:
                last = np.sort(first)[count - 1]  # the try that brought the last word
                return words[first <= last], int(last) + 1

    def log_expected(self, words: np.ndarray, tries: int) -> np.ndarray:
        """ln(1 - (1 - P(k))^tries) of each word, float32: how often it is among those drawn."""
        chances = np.log1p(1 / (words + 1.0)) / self.log_range
        return np.log(-np.expm1(tries * np.log1p(-chances))).astype(np.float32)


def expected(sampler: LogUniform, tries: int) -> torch.Tensor:
    """(V,) of every word."""
    return torch.from_numpy(sampler.log_expected(np.arange(sampler.size), tries))


def drawn(count: int | None, size: int, key: tuple) -> dict:
    """A batch's negatives, and how often each of `size` words was to be expected among them; of None nothing.

    Raises:
        Refused: when there are not so many words.
    """
    if count is None:
        return {}
    if count >= size:
        raise Refused(
            f"text.objective.negatives={count} is not possible: the vocabulary has {size} words, so it may be less, "
            f"or null for all."
        )
    sampler = LogUniform(size)
    words, tries = sampler.draw(count, generator(*key, NEGATIVES))
    return {"negatives": torch.from_numpy(words), "log_expected": expected(sampler, tries)}
