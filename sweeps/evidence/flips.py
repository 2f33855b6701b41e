"""A test that asks for symmetry and nothing else, for scores of two kinds: a pair's sign, or a run's row, is by chance.

Of n pairs there are 2^n ways: a direction (5 %, two-sided) needs six of them, equivalence (5 % to each side) five.
"""

import numpy as np
from scipy.stats import permutation_test

from sweeps.evidence.statistics import Interval

RESAMPLES = 1 << 13  # all of them up to thirteen pairs; beyond, so many drawn, always the same


def flip_p(interval: Interval, alternative: str, shift: float = 0.0) -> float:
    """p that the difference is `shift`, against two-sided | greater | less.

    One sample: the signs of its pairs' differences are flipped. Two: their replicates are dealt out anew.
    """
    first, *rest = (np.array(scores) for scores in interval.replicates)
    found = permutation_test(
        (first - shift, *rest),
        difference if rest else np.mean,
        permutation_type="independent" if rest else "samples",
        alternative=alternative,
        n_resamples=RESAMPLES,
        rng=0,
    )
    return float(found.pvalue)


def difference(a: np.ndarray, b: np.ndarray, axis: int = -1) -> np.ndarray:
    """Of the means."""
    return np.mean(a, axis=axis) - np.mean(b, axis=axis)
