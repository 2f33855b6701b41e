"""Words drawn by their frequency to a power: the noise of negative sampling (Mikolov et al. 2013b, section 2.2)."""

import numpy as np


class Noise:
    """P(word) = count^exponent / sum of the same, drawn in constant time (Walker's alias method, exact).

    Args:
        counts: (V,); a word that does not occur is never drawn.
    """

    def __init__(self, counts: np.ndarray, exponent: float = 0.75) -> None:
        self.words = np.flatnonzero(counts)
        self.shares = counts[self.words].astype(np.float64) ** exponent
        self.shares /= self.shares.sum()
        scaled = self.shares * len(self.words)  # 1: as often as in a uniform draw
        self.keep, self.other = np.ones(len(scaled)), np.arange(len(scaled))
        small, large = list(np.flatnonzero(scaled < 1)), list(np.flatnonzero(scaled >= 1))
        while small and large:
            low, high = small.pop(), large[-1]
            self.keep[low], self.other[low] = scaled[low], high
            scaled[high] -= 1 - scaled[low]
            if scaled[high] < 1:
                small.append(large.pop())

    def draw(self, size: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
        """(*size,) int64 words."""
        place = random.integers(len(self.words), size=size)
        return self.words[np.where(random.random(size) < self.keep[place], place, self.other[place])]
