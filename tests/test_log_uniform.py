"""The log-uniform sampler: against its own definition, drawn word by word."""

import math

import numpy as np
import pytest

from datamodules.log_uniform import LogUniform
from datamodules.masking import generator

SIZE = 30


def chance(word: int) -> float:
    return (math.log(word + 2) - math.log(word + 1)) / math.log(SIZE + 1)


def test_the_chances_are_all_there_is() -> None:
    assert sum(map(chance, range(SIZE))) == pytest.approx(1)


def test_words_are_drawn_as_often_as_they_should_be() -> None:
    """One word a draw: the plain distribution, four standard deviations wide."""
    sampler, number = LogUniform(SIZE), 20_000
    random = generator(1)
    counts = np.bincount([int(sampler.draw(1, random)[0][0]) for _ in range(number)], minlength=SIZE)
    expected = np.array([chance(word) for word in range(SIZE)]) * number
    assert (np.abs(counts - expected) < 4 * np.sqrt(expected)).all()


def test_a_draw_is_the_first_so_many_different_words() -> None:
    """A second implementation, which stops at the word that it lacks, on the same stream of numbers."""
    sampler = LogUniform(SIZE)
    for count in (1, 5, SIZE - 1):
        words, tries = sampler.draw(count, generator(count))
        random, seen, number = generator(count), [], 0
        while len(seen) < count:
            for value in random.random(2 * count):
                if len(seen) < count:
                    number += 1
                    word = int((SIZE + 1) ** value) - 1
                    seen += [word] * (word not in seen)
        assert sorted(seen) == words.tolist()
        assert number == tries


def test_the_expected_count_is_how_often_a_word_is_among_so_many_tries() -> None:
    tries, random = 12, generator(7)
    drawn = np.exp(random.random((40_000, tries)) * math.log(SIZE + 1)).astype(int) - 1
    share = np.array([(drawn == word).any(axis=1).mean() for word in range(SIZE)])
    told = np.exp(LogUniform(SIZE).log_expected(np.arange(SIZE), tries))
    assert told == pytest.approx(share, abs=0.012)
    assert told[3] == pytest.approx(1 - (1 - chance(3)) ** tries)
