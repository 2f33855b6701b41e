"""Probes: which of two words fits a gap, tagged with where the word stands that decides it.

    window    beside the gap                left     before the gap, with other nouns or a relative clause between
    right     after the gap, likewise       both     on either side, and neither side alone says anything
    earlier   in an earlier sentence

They are made like the corpus' own sentences, of words that it has, so that whoever has read it can know. Of each kind,
either candidate is right equally often, whatever the words in between.
"""

import re
from collections import Counter
from functools import cache
from random import Random
from typing import NamedTuple

from datamodules.miniature import documents
from datamodules.miniature.grammar import FRAMES, PREDICATES, SUBJECTS, numbered, sentence
from datamodules.miniature.lexicon import (
    EVENTS_BY_PART,
    NOUNS,
    NOUNS_BY_PART,
    PEOPLE,
    POLAR,
    TRAIN,
    VALIDATION,
    WORDS,
    an,
    stream,
)
from datamodules.miniature.sentences import NounsOf
from datamodules.miniature.templates import TOPICS
from datamodules.task import one_of

GAP = "[MASK]"
CUES = ("window", "left", "right", "both", "earlier")
ROWS = {"train": 2000, "validation": 2000}
OCCURRENCES = 3  # of a noun in either number, at least
SUBJECT, NUMBER = r"\[.*?\]", r"<(.*?)\|(.*?)>"  # a noun, and a verb, of either number
ENDING = r"\[(\w+)\|(\w+)\]"  # a word of either polarity
Pair = tuple[str, ...]


class Probe(NamedTuple):
    """`text` has one gap; `candidates` are the right word and the wrong one."""

    text: str
    candidates: tuple[str, str]
    cue: str
    words: str


def _agreement(rng: Random, label: int, part: int, nouns: list[str], cue: str) -> tuple[str, Pair]:
    """The number of a subject and its verb; the gap is the verb (window, left) or the subject (right)."""
    template = rng.choice(SUBJECTS[:1] if cue == "window" else SUBJECTS[1:])
    predicate = rng.choice(PREDICATES)
    noun = NOUNS[rng.choice(nouns)]
    (verbs,) = re.findall(NUMBER, predicate)
    subject, verb = ((noun.one, noun.many)[label], GAP) if cue != "right" else (GAP, verbs[label])
    text = f"{rng.choice(FRAMES)}{re.sub(SUBJECT, subject, template)} {re.sub(NUMBER, verb, predicate)}"
    return sentence(text.format_map(NounsOf(rng, nouns))), (noun.one, noun.many) if cue == "right" else verbs


def _opinion(rng: Random, label: int, part: int, nouns: list[str], cue: str) -> tuple[str, Pair]:
    """What somebody comes upon, and what he does later: the gap is the adjective (both), or shows in the end (earlier).

    Of both, a negation before the gap and the consequence behind it decide only together.
    """
    openings, endings = rng.choice(TOPICS)
    ending = rng.choice([text for text in endings if re.search(ENDING, text)])
    opening = rng.choice([text for text in openings if "{quality}" in text or cue == "earlier"])
    adjectives = tuple(rng.choice(POLAR[polarity][part]) for polarity in (0, 1))
    negated = rng.randrange(2) if cue == "both" else 0
    quality = ("not " if negated else "") + (GAP if cue == "both" else adjectives[label])
    (ends,) = re.findall(ENDING, ending)
    ending = re.sub(ENDING, GAP, ending) if cue == "earlier" else numbered(ending, label ^ negated, 0)
    slots = _story(rng, part, nouns, quality)
    text = " ".join(sentence(line.format_map(slots)) for line in (opening, ending))
    return text, adjectives if cue == "both" else ends


def _story(rng: Random, part: int, nouns: list[str], quality: str) -> NounsOf:
    """Whom and what an opinion and its consequence are about."""
    (hero, friend), (town, home) = rng.sample(WORDS["name"], 2), rng.sample(WORDS["town"], 2)
    thing, site = rng.choice(nouns), rng.choice(WORDS["site"])
    slots = NounsOf(rng, nouns)
    slots.update(hero=hero, they=PEOPLE[hero].they, them=PEOPLE[hero].them, friend=friend, town=town, home=home)
    slots.update(thing=thing, a_thing=an(thing), site=site, when=rng.choice(WORDS["day"]))
    slots.update(got=rng.choice(rng.choice(EVENTS_BY_PART["deed"][part])).past)
    slots.update(quality=quality, an_adjective=an(quality))
    return slots


@cache
def well_known(seed: int) -> dict[int, list[str]]:
    """By part, the nouns both of whose forms the smallest corpus has several times."""
    found = Counter(word for text in documents("train", seed) for word in re.findall(r"[a-z]+", text.lower()))
    return {
        part: [noun for noun in nouns if min(found[NOUNS[noun].one], found[NOUNS[noun].many]) >= OCCURRENCES]
        for part, nouns in NOUNS_BY_PART.items()
    }


def _fresh(split: str, seed: int, wanted: int, seen: set[str]) -> list[Probe]:
    """Probes whose texts are not in `seen`, and add them there: by turns of each label, cue and part."""
    rng, found = stream("probes", split, seed), list[Probe]()
    while len(found) < wanted:
        number = len(found)
        part = TRAIN if split == "train" or number // (2 * len(CUES)) % 2 == 0 else VALIDATION
        cue, label = CUES[number // 2 % len(CUES)], number % 2
        make = _opinion if cue in ("both", "earlier") else _agreement
        text, pair = make(rng, label, part, well_known(seed)[part], cue)
        if text not in seen:
            seen.add(text)
            found.append(Probe(text, (pair[label], pair[1 - label]), cue, "seen" if part == TRAIN else "unseen"))
    return found


def probes(seed: int = 0, limit: int | None = None, split: str = "validation") -> list[Probe]:
    """Return different probes, as many of each cue; of validation, as many of words that train has as of others.

    Raises:
        Refused: if there is no such split.
    """
    one_of("split", split, ROWS)
    seen: set[str] = set()
    train = _fresh("train", seed, ROWS["train"], seen)
    return train[:limit] if split == "train" else _fresh(split, seed, limit or ROWS[split], seen)
