"""Encoders, fine-tunings and examples drawn anew with replacement (MultiBERTs: Sellam et al. 2022, section 4).

`sweeps.evidence.statistics` says how much too narrow its intervals are; the tests count that.
"""

from collections.abc import Sequence

import numpy as np

from sweeps.evidence.replicates import Nested, Sample, samples_of

AT_ONCE = 1 << 22  # numbers in memory


def bootstrap(
    a: Nested, b: Nested, replicate: str = "pretrain.seed", draws: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """The 2.5 and 97.5 % quantiles of a - b, drawn anew `draws` times; the same for the same `seed`."""
    differences = drawn(samples_of(a, b, replicate), draws, np.random.default_rng(seed))
    low, high = np.quantile(differences, (0.025, 0.975))
    return float(low), float(high)


def drawn(samples: Sequence[Sample], draws: int, random: np.random.Generator) -> np.ndarray:
    """(draws,) differences; both rows meet the same examples."""
    size = samples[0].means.shape[1]
    parts = [(sample.sign * weights(sample, draws, random), np.concatenate(sample.units)) for sample in samples]
    found, step = [], max(1, AT_ONCE // size)
    for start in range(0, draws, step):
        columns = np.sum([runs[start : start + step] @ scores for runs, scores in parts], axis=0)
        if size > 1:
            columns = np.take_along_axis(columns, random.integers(size, size=columns.shape), axis=1)
        found.append(columns.mean(axis=1))
    return np.concatenate(found)


def weights(sample: Sample, draws: int, random: np.random.Generator) -> np.ndarray:
    """(draws, runs): how much each run counts when replicates are drawn, and in each that is drawn its fine-tunings."""
    lengths = np.array([len(unit) for unit in sample.units])
    starts, count = np.cumsum(lengths) - lengths, len(lengths)
    units = random.integers(count, size=(draws, count))
    seeds = lengths[units][..., None]  # (draws, count, 1)
    runs = starts[units][..., None] + (random.random((draws, count, lengths.max())) * seeds).astype(int)
    shares = (np.arange(lengths.max()) < seeds) / (count * seeds)
    found = np.zeros((draws, lengths.sum()))
    np.add.at(found, (np.arange(draws)[:, None, None], runs), shares)
    return found
