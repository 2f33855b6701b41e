"""Probes: which of two words fits a gap, tagged with where the word stands that decides it.

    window    beside the gap                left     before the gap, with other nouns between
    right     after the gap, likewise       both     on either side, and neither side alone says anything
    earlier   in an earlier sentence

Of each kind, either candidate is right equally often, whatever the words in between.
"""

from random import Random
from typing import NamedTuple

from datamodules.miniature.grammar import Slots, sentence
from datamodules.miniature.lexicon import NOUNS, NOUNS_BY_PART, POLAR, TRAIN, VALIDATION, WORDS, an, stream

GAP = "[MASK]"
ROWS = 1000
VERBS = (("is", "are"), ("was", "were"), ("has", "have"))
KEPT = (("discarded", "kept"), ("avoided", "praised"))


class Probe(NamedTuple):
    """`text` has one gap; `candidates` are the right word and the wrong one."""

    text: str
    candidates: tuple[str, str]
    cue: str
    words: str


def _agreement(rng: Random, label: int, part: int, cue: str) -> tuple[str, tuple[str, ...]]:
    """The number of a subject and its verb; the gap is the verb (window, left) or the subject (right)."""
    noun = NOUNS[rng.choice(NOUNS_BY_PART[part])]
    subject, verb = (noun.one, noun.many), rng.choice(VERBS)
    slots = Slots(rng)
    between = " {near} the {other} {near} the {other}" if cue != "window" else ""
    template = f"the {GAP if cue == 'right' else subject[label]}{between} {verb[label] if cue == 'right' else GAP}"
    end = " a {plain} side" if verb[0] == "has" else " {plain} and {plain}"
    return sentence((template + end).format_map(slots)), subject if cue == "right" else verb


def _both(rng: Random, label: int, part: int) -> tuple[str, tuple[str, ...]]:
    """An adjective that a negation before it and a consequence behind it decide only together."""
    negated, pair = rng.randrange(2), rng.choice(KEPT)
    good = label != negated  # what is said of the thing in all
    adjectives = tuple(rng.choice(POLAR[polarity][part]) for polarity in (0, 1))
    text = f"the {rng.choice(NOUNS_BY_PART[part])} was {('very', 'not')[negated]} {GAP}, so {rng.choice(WORDS['name'])}"
    return sentence(f"{text} {pair[good]} it"), adjectives


def _earlier(rng: Random, label: int, part: int) -> tuple[str, tuple[str, ...]]:
    """What somebody does with a thing after an opinion of it one sentence before."""
    name, noun = rng.choice(WORDS["name"]), rng.choice(NOUNS_BY_PART[part])
    first = sentence(f"{name} bought {an(rng.choice(POLAR[label][part]))} {noun} at the {rng.choice(WORDS['site'])}")
    return f"{first} {sentence(f'for the rest of the year {name} {GAP} the {noun}')}", rng.choice(KEPT)


def _probe(rng: Random, number: int, part: int) -> Probe:
    cue, label = CUES[number // 2 % len(CUES)], number % 2
    if cue in ("window", "left", "right"):
        text, pair = _agreement(rng, label, part, cue)
    else:
        text, pair = (_both if cue == "both" else _earlier)(rng, label, part)
    return Probe(text, (pair[label], pair[1 - label]), cue, "seen" if part == TRAIN else "unseen")


CUES = ("window", "left", "right", "both", "earlier")


def probes(seed: int = 0, limit: int = ROWS) -> list[Probe]:
    """Return different probes, as many of each kind of cue and of words of the first part as of another."""
    rng, found = stream("probes", seed), dict[str, Probe]()
    while len(found) < limit:
        part = TRAIN if len(found) // (2 * len(CUES)) % 2 == 0 else VALIDATION
        probe = _probe(rng, len(found), part)
        found[probe.text] = probe
    return list(found.values())
