"""How a corpus is cut into sequences: pairs of segments (BERT), or whole sentences packed (RoBERTa).

Reference: create_pretraining_data.py of BERT's release; RoBERTa's Table 2 for the formats without next sentences.
"""

import random
from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from datamodules.shards import TokenizedCorpus

# A row of a plan: [first, stop) of segment A and of segment B in `tokens`, and 1 if B is random. No B: first = stop.
Row = tuple[int, int, int, int, int]


def tokens_of(rows: np.ndarray) -> int:
    """How many tokens of the text are in the sequences of a plan, (sequences, 5): twice where two of them have it."""
    return int((rows[:, 1] - rows[:, 0] + rows[:, 3] - rows[:, 2]).sum())


def truncate_pair(a: list[int], b: list[int], room: int, rng: random.Random) -> None:
    """Drop tokens of the longer [first, stop) span, in front or at the back with equal chance, until both fit."""
    while (a[1] - a[0]) + (b[1] - b[0]) > room:
        longer = a if a[1] - a[0] > b[1] - b[0] else b
        if rng.random() < 0.5:
            longer[0] += 1
        else:
            longer[1] -= 1


def random_segment(corpus: TokenizedCorpus, document: int, length: int, rng: random.Random) -> list[int]:
    """Sentences from a random place of another document, up to `length` tokens or its end.

    Ten draws try to find another document; the last one is taken even if it is the same. `corpus` is what is planned at
    once, one group of a large corpus.
    """
    other = document
    for _ in range(10):
        other = rng.randrange(len(corpus))
        if other != document:
            break
    starts = corpus.starts(other)
    first = rng.randrange(len(starts) - 1)
    stop = first + 1
    while stop < len(starts) - 1 and starts[stop] - starts[first] < length:
        stop += 1
    return [starts[first], starts[stop]]


def segment_pairs(
    corpus: TokenizedCorpus, document: int, room: int, rng: random.Random, short: float, balanced: bool
) -> Iterator[Row]:
    """A document's pairs of segments, B following A or random (create_instances_from_document).

    A chunk closes when it reaches the document's target length or the document ends. Its first sentences are A. A chunk
    of one sentence always, others half of the time, get a random B, and their unused sentences go back. So more than
    half of all pairs are random; `balanced` draws the others, and where need be takes a second sentence, such that a
    document's pairs even out.
    """
    starts = corpus.starts(document)
    last, lead = len(starts) - 1, 0  # lead: following pairs minus random ones
    target = rng.randint(2, room) if rng.random() < short else room
    first = stop = 0
    while stop < last:
        stop += 1
        wants_two = balanced and lead < 0 and stop - first == 1
        if stop < last and (starts[stop] - starts[first] < target or wants_two):
            continue
        middle = first + (rng.randint(1, stop - first - 1) if stop - first >= 2 else 1)
        coin = rng.random() < 0.5 if not balanced or lead == 0 else lead > 0
        is_random = stop - first == 1 or coin
        a = [starts[first], starts[middle]]
        b = [starts[middle], starts[stop]]
        if is_random:
            b = random_segment(corpus, document, target - (a[1] - a[0]), rng)
            stop = middle
        lead += -1 if is_random else 1
        truncate_pair(a, b, room, rng)
        yield a[0], a[1], b[0], b[1], int(is_random)
        first = stop


def full_sentences(corpus: TokenizedCorpus, room: int, cross: bool) -> Iterator[Row]:
    """Whole sentences packed up to `room` tokens, across documents or not; a sentence longer than that is cut.

    Crossing a document's end costs one token, for the [SEP] that marks it.
    """
    first = stop = length = 0
    for document in range(len(corpus)):
        starts = corpus.starts(document)
        for begin, end in pairwise(starts):
            boundary = int(begin == starts[0] and begin > first)
            if stop > first and (length + boundary + end - begin > room or (boundary and not cross)):
                yield first, stop, stop, stop, 0
                first = stop = begin
                length = boundary = 0
            length += boundary + end - begin
            stop = end
            if length > room:  # only a sentence that is too long by itself
                yield first, first + room, stop, stop, 0
                first, length = stop, 0
    if stop > first:
        yield first, stop, stop, stop, 0
