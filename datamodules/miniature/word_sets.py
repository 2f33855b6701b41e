"""Pairs of words with a score of likeness, and analogies, out of what the generator knows of its words.

Likeness is a matter of classes, so that many pairs have the same score: 4 verbs of one meaning; 3 things of one kind,
or adjectives of one polarity; 2 things of different kinds, or adjectives of different polarity; 1 words of different
classes. They are drawn by themselves: no document or row of the world depends on them.
"""

from collections.abc import Callable, Iterator
from random import Random

from datamodules.miniature.lexicon import (
    DEEDS,
    FAVOURS,
    KIND_NOUNS,
    KINDS,
    MEN,
    NOUNS,
    PARTS,
    PLAIN_NOUNS,
    POLAR,
    TOWNS,
    TRAIN,
    USES_OF,
    WOMEN,
    stream,
)

PAIRS, QUESTIONS = 60, 150  # of each score (there are 73 pairs of verbs of one meaning), of each section
GROUPS = (*DEEDS, *FAVOURS)
VERBS = [verb for group in GROUPS for verb in group]
ADJECTIVES = [[word for part in PARTS for word in by_part[part]] for by_part in POLAR.values()]  # of either polarity
CLASSES = [[*PLAIN_NOUNS], [verb.past for verb in VERBS], [*ADJECTIVES[0], *ADJECTIVES[1]], TOWNS]


def use(kind: str) -> str:
    """The past of what one does with a kind of things and with no other, where it is one word."""
    return next(verb for verb in USES_OF[kind][:2] if " " not in verb)


# ---- pairs -----------------------------------------------------------------------------------------------------------


def _pair(rng: Random, score: int) -> list[str]:
    """Two different words that are so alike."""
    if score == 4:
        return [verb.past for verb in rng.sample(rng.choice(GROUPS), 2)]
    if score == 1:
        return [rng.choice(members) for members in rng.sample(CLASSES, 2)]
    of_kinds, of_polarity = [*KIND_NOUNS.values()], ADJECTIVES
    groups = rng.choice((of_kinds, of_polarity))
    if score == 3:
        return rng.sample(rng.choice(groups), 2)
    return [rng.choice(members) for members in rng.sample(groups, 2)]


def pairs() -> list[tuple[str, str, float]]:
    """(word, word, score), no two words twice."""
    rng, found = stream("word_vectors", "pairs"), dict[frozenset[str], tuple[str, str, float]]()
    while len(found) < 4 * PAIRS:
        score = len(found) % 4 + 1
        one, other = _pair(rng, score)
        found.setdefault(frozenset((one, other)), (one, other, float(score)))
    return [*found.values()]


# ---- analogies -------------------------------------------------------------------------------------------------------


def _plural(rng: Random) -> list[tuple[str, str]]:
    return [(NOUNS[one].one, NOUNS[one].many) for one in rng.sample([*PLAIN_NOUNS], 2)]


def _past(rng: Random) -> list[tuple[str, str]]:
    return [(verb.base, verb.past) for verb in rng.sample(VERBS, 2)]


def _opposite(rng: Random) -> list[tuple[str, str]]:
    """Of the first part's adjectives: those of the others have no opposite in the corpus."""
    return [(word, f"un{word}") for word in rng.sample([word for parts in POLAR.values() for word in parts[TRAIN]], 2)]


def _kind(rng: Random) -> list[tuple[str, str]]:
    return [(rng.choice(KIND_NOUNS[kind]), kind) for kind in rng.sample(KINDS, 2)]


def _use(rng: Random) -> list[tuple[str, str]]:
    return [(rng.choice(KIND_NOUNS[kind]), use(kind)) for kind in rng.sample(KINDS, 2)]


def _pronoun(rng: Random) -> list[tuple[str, str]]:
    people = rng.choice(WOMEN), rng.choice(MEN)
    return [(person.name, person.they) for person in rng.sample(people, 2)]


SECTIONS: dict[
    str, Callable[[Random], list[tuple[str, str]]]
] = {  # gram1, gram2 ...: syntactic, as Google's are called
    "thing-kind": _kind,
    "thing-use": _use,
    "person-pronoun": _pronoun,
    "gram1-plural": _plural,
    "gram2-past": _past,
    "gram3-opposite": _opposite,
}


def questions() -> Iterator[tuple[str, str, str, str, str]]:
    """(section, a, b, c, d), all different."""
    for section, draw in SECTIONS.items():
        rng, found = stream("word_vectors", section), dict[tuple[str, str, str, str], None]()
        while len(found) < QUESTIONS:
            (a, b), (c, d) = draw(rng)
            found[a, b, c, d] = None
        yield from ((section, *words) for words in found)
