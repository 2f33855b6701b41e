"""How far one gets in the probes from what stands on one side of the gap.

`frequency` takes the candidate that the corpus has more often. The rungs between it and `exact` are linear models,
trained on the training probes of the same cue, of the classes of the words there, by their distance from the gap and by
their number from the beginning: what one vector a word and its place can tell. `exact` reads (readers.py).
"""

import re
from collections import Counter
from collections.abc import Callable
from functools import cache

import numpy as np

from datamodules.miniature import documents
from datamodules.miniature.ladder import CLASSES, linear, tokens
from datamodules.miniature.lexicon import ENDS
from datamodules.miniature.probes import CUES, GAP, Probe, probes
from datamodules.miniature.readers import PLURAL, SINGULAR, probe

# Of which of two sorts a candidate is: singular or plural, bad or good.
SORTS = {word: int(of_class[0] == "m") for word, of_class in CLASSES.items() if of_class.startswith(("one ", "many "))}
SORTS |= {word: int(of_class[-1]) for word, of_class in CLASSES.items() if of_class.startswith("polar")}
SORTS |= dict.fromkeys(SINGULAR, 0) | dict.fromkeys(PLURAL, 1)
SORTS |= {word: polarity for polarity, words in ENDS.items() for word in words}


def sort_of(word: str) -> str:
    return CLASSES[word].split()[0] if word in CLASSES else word


def sides(text: str) -> tuple[list[str], list[str]]:
    """The words before the gap, and those behind it."""
    before, after = text.split(GAP)
    return tokens(before), tokens(after)


def described(before: list[str], after: list[str]) -> set[str]:
    """Each word's class, at its distance from the gap, and as the first, second, ... of its sort."""
    found: set[str] = set()
    for side, words in (("left", before[::-1]), ("right", after)):
        found |= {f"{side} {at} {sort_of(word)}" for at, word in enumerate(words)}
        sorts = [sort_of(word) for word in (words[::-1] if side == "left" else words)]
        nouns = [sort for sort in sorts if sort in ("one", "many")]
        found |= {f"{side} {sort}" for sort in sorts} | {f"{side} noun {at} {sort}" for at, sort in enumerate(nouns)}
    return found


def window(text: str) -> set[str]:
    before, after = sides(text)
    return described(before[-2:], after[:2])


def own_sentence(text: str) -> set[str]:
    (own,) = (part for part in re.split(r"(?<=\.) ", text) if GAP in part)
    return described(*sides(own))


SIDES: dict[str, Callable[[str], set[str]]] = {
    "window of 2": window,
    "left only": lambda text: described(sides(text)[0], []),
    "right only": lambda text: described([], sides(text)[1]),
    "own sentence": own_sentence,
}
RUNGS = ("frequency", *SIDES, "exact")


@cache
def frequencies(seed: int) -> Counter[str]:
    return Counter(word for text in documents("train", seed) for word in tokens(text))


def frequency(found: list[Probe], seed: int = 0) -> float:
    """Per cent right by taking the more frequent word; of two that are as frequent, either."""
    known = frequencies(seed)
    more = [np.sign(known[one.candidates[0]] - known[one.candidates[1]]) for one in found]
    return 50 + 50 * float(np.mean(more))


def side(found: list[Probe], train: list[Probe], features: Callable[[str], set[str]]) -> float:
    """Per cent right of a linear model of one side: which sort of word is it?"""
    targets, truth = (np.array([SORTS[one.candidates[0]] - 0.5 for one in some]) for some in (train, found))
    known, asked = ([features(one.text) for one in some] for some in (train, found))
    return 100 * float(np.mean((linear(known, targets[:, None], asked)[:, 0] > 0) == (truth > 0)))


def exact(found: list[Probe]) -> float:
    return 100 * float(np.mean([probe(one.text, GAP, one.candidates) == one.candidates[0] for one in found]))


@cache
def by_cue(split: str, seed: int, limit: int | None = None) -> dict[str, list[Probe]]:
    found = probes(seed, limit, split)
    return {cue: [one for one in found if one.cue == cue] for cue in CUES}


def rungs(cue: str, seed: int = 0, limit: int | None = None) -> dict[str, float]:
    """All rungs of the probes of a cue."""
    train, found = by_cue("train", seed)[cue], by_cue("validation", seed, limit)[cue]
    scores = {name: side(found, train, features) for name, features in SIDES.items()}
    return {"frequency": frequency(found, seed)} | scores | {"exact": exact(found)}


def table(seed: int = 0) -> list[str]:
    """A row for every place of the deciding word."""
    lines = [f"{'probe':<24}" + "".join(f"{name:>14}" for name in RUNGS)]
    return lines + [f"{cue:<24}" + "".join(f"{score:>14.1f}" for score in rungs(cue, seed).values()) for cue in CUES]
