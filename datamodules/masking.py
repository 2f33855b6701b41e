"""Masked language modelling's corruption: which tokens are chosen, and what stands in their place.

Section 3.1, appendix C.2 and Table 8 of the BERT paper; create_pretraining_data.py of its release. Where the release
and today's practice differ, there is a switch.
"""

import numpy as np

from datamodules.task import Refused, one_of, real, whole
from datamodules.tokenization import Vocabulary


def generator(*key: int) -> np.random.Generator:
    """A generator that depends on nothing but `key`."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def parse_split(split: str) -> tuple[float, float, float]:
    """ "80/10/10" -> shares of [MASK], unchanged, random."""
    told = f"text.objective.masking={split!r} is not possible"
    try:
        mask, same, rnd = (float(part) / 100 for part in str(split).split("/"))
    except ValueError:
        raise Refused(f"{told}: it may be like 80/10/10 (mask/same/random, in %).") from None
    if not (min(mask, same, rnd) >= 0 and abs(mask + same + rnd - 1) <= 1e-9):
        raise Refused(f"{told}: its three parts must be from 0 up and sum to 100.")
    return mask, same, rnd


class Masking:
    """Chooses and corrupts.

    Args:
        rate: share of tokens to predict.
        split: "mask/same/random" in percent of the chosen ones.
        counting: `capped` = round(rate * length) with [CLS] and [SEP] counted, at least 1, at most `max_predictions`
            (the release); `bernoulli` = each token by itself, without a maximum or whole words.
        random_words: from the `whole` vocabulary, specials included (the release), or `without_specials`.
        whole_word: choose all pieces of a word together; a word that would exceed the number is skipped.
    """

    def __init__(
        self,
        rate: float = 0.15,
        split: str = "80/10/10",
        counting: str = "capped",
        max_predictions: int | None = None,
        random_words: str = "whole",
        whole_word: bool = False,
    ) -> None:
        key = "text.objective."
        self.rate = real(f"{key}masking_rate", rate, "above 0 and below 1", lambda share: 0 < share < 1)
        self.max_predictions = None if max_predictions is None else whole(f"{key}max_predictions", max_predictions)
        self.mask, self.same, self.random = parse_split(split)
        self.counting = one_of(f"{key}mask_counting", counting, ("capped", "bernoulli"))
        self.random_words = one_of(f"{key}random_words", random_words, ("whole", "without_specials"))
        self.whole_word = one_of(f"{key}whole_word", whole_word, (True, False))
        if counting == "bernoulli" and (whole_word or max_predictions is not None):
            raise Refused(
                f"{key}mask_counting={counting!r} draws each token by itself: with it, {key}whole_word may be false and"
                f" {key}max_predictions null."
            )

    def choose(self, tokens: np.ndarray, vocabulary: Vocabulary, rng: np.random.Generator) -> np.ndarray:
        """Sorted positions to predict; never [CLS] or [SEP]."""
        candidates = np.flatnonzero((tokens != vocabulary.cls) & (tokens != vocabulary.sep))
        if self.counting == "bernoulli":
            return candidates[rng.random(len(candidates)) < self.rate]
        wanted = max(1, round(len(tokens) * self.rate))
        wanted = min(wanted, self.max_predictions or wanted, len(candidates))
        if not self.whole_word:
            return np.sort(rng.permutation(candidates)[:wanted])
        return self.choose_words(tokens, vocabulary, candidates, wanted, rng)

    def choose_words(
        self, tokens: np.ndarray, vocabulary: Vocabulary, candidates: np.ndarray, wanted: int, rng: np.random.Generator
    ) -> np.ndarray:
        """Positions of whole words, in random order, while they fit."""
        begins = ~vocabulary.continues[tokens[candidates]]
        begins[0] = True
        begins |= np.diff(candidates, prepend=candidates[0]) > 1  # a [SEP] between two pieces ends the word
        words = np.split(candidates, np.flatnonzero(begins)[1:])
        chosen: list[int] = []
        for word in rng.permutation(len(words)):
            if len(chosen) + len(words[word]) <= wanted:
                chosen.extend(words[word].tolist())
        return np.sort(np.array(chosen, dtype=np.int64))

    def corrupt(
        self, tokens: np.ndarray, vocabulary: Vocabulary, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(n,) tokens -> corrupted tokens (n,), positions (m,), true tokens there (m,)."""
        positions = self.choose(tokens, vocabulary, rng)
        labels = tokens[positions]
        fate = rng.random(len(positions))
        pool = np.arange(vocabulary.size)
        if self.random_words == "without_specials":
            pool = np.setdiff1d(pool, vocabulary.all_ids)
        words = pool[rng.integers(0, len(pool), len(positions))]
        corrupted = tokens.copy()
        kept = np.where(fate < self.mask + self.same, labels, words)
        corrupted[positions] = np.where(fate < self.mask, vocabulary.mask, kept)
        return corrupted, positions, labels
