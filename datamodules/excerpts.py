"""A few places of a corpus for a person to look at; the same ones every time."""

import numpy as np

from datamodules.shards import TokenizedCorpus


def spread(places: np.ndarray, count: int) -> list[int]:
    """At most `count` of the places, evenly spread."""
    return places[np.unique(np.linspace(0, len(places) - 1, count).astype(int))].tolist()


def beginnings(corpus: TokenizedCorpus, count: int, length: int) -> np.ndarray:
    """(count, length) the first tokens of documents that have so many.

    Of fewer such documents, fewer rows; where no document is so long, the whole of the longest.
    """
    starts, lengths = corpus.ends[:-1], np.diff(corpus.ends)
    length = min(length, int(lengths.max()))
    chosen = spread(starts[lengths >= length], count)
    return np.stack([np.asarray(corpus.tokens[start : start + length], dtype=np.int64) for start in chosen])


def sentences(corpus: TokenizedCorpus, count: int, shortest: int, longest: int) -> list[np.ndarray]:
    """Whole sentences of `shortest` to `longest` tokens; where there is none such, any, cut at `longest`."""
    lengths = np.diff(corpus.sentences)
    fitting = np.flatnonzero((lengths >= shortest) & (lengths <= longest))
    chosen = spread(fitting if len(fitting) else np.arange(len(lengths)), count)
    spans = [(int(corpus.sentences[one]), min(int(lengths[one]), longest)) for one in chosen]
    return [np.asarray(corpus.tokens[start : start + length], dtype=np.int64) for start, length in spans]
