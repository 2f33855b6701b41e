"""Tagged words: parts of speech, entities, roles, and the sense of words that name two kinds of thing.

Names, nouns and verbs are split by part as everywhere: every second row outside of train has words of no training row.
"""

from random import Random
from typing import Any

from datamodules.miniature.grammar import Event, phrases
from datamodules.miniature.lexicon import (
    DAYS,
    EVENTS_BY_PART,
    NOUNS,
    NOUNS_BY_PART,
    PARTS,
    PEOPLE,
    PLAIN,
    TOWNS,
    TRAIN,
    USES_OF,
    VALIDATION,
    by_part,
    stream,
)
from datamodules.task import one_of

ROWS = {"train": 2000, "validation": 1000}
NAMES_BY_PART, TOWNS_BY_PART = by_part(list(PEOPLE)), by_part(TOWNS)
TWOFOLD_BY_PART = {part: [n.one for n in NOUNS.values() if len(n.kinds) == 2 and n.part == part] for part in PARTS}
SENSES = sorted({kind for noun in NOUNS.values() if len(noun.kinds) == 2 for kind in noun.kinds})
ROLES = {"agent": "A0", "patient": "A1", "verb": "V", "place": "AM-LOC", "time": "AM-TMP"}
FUNCTION_WORDS = {"the": "DET", "was": "AUX", "did": "AUX", "not": "PART", "by": "ADP", "in": "ADP", "on": "ADP"}
Row = dict[str, Any]


def part_of_speech(word: str, role: str) -> str:
    """A word's part of speech; that of a verb or a noun shows in its place only."""
    if word in FUNCTION_WORDS:
        return FUNCTION_WORDS[word]
    if word[0].isupper():
        return "PROPN"
    if role == "verb":
        return "VERB"
    return "ADJ" if word in PLAIN else "NOUN"


def entity(word: str) -> str:
    """B-PER, B-LOC or B-TIME of the three sorts of names, all of them one word long; O of all others."""
    return next(
        (f"B-{sort}" for sort, names in (("PER", PEOPLE), ("LOC", TOWNS), ("TIME", DAYS)) if word in names), "O"
    )


def tagged(rng: Random, part: int) -> Row:
    """An event with all its tags, word for word."""
    names, things = NAMES_BY_PART[part], NOUNS_BY_PART[part]
    agent, patient = rng.sample(names, 2)
    kind = rng.choice(("deed", "favour"))
    if kind == "deed":
        patient = f"the {rng.choice(PLAIN)} {rng.choice(things)}" if rng.random() < 0.5 else f"the {rng.choice(things)}"
    place = f"in {rng.choice(TOWNS_BY_PART[part])}" if rng.random() < 0.7 else ""
    day = f"on {rng.choice(DAYS)}" if rng.random() < 0.5 else ""
    event = Event(agent, rng.choice(EVENTS_BY_PART[kind][part]), patient, place, day)
    words, speech, entities, roles = [], [], [], []
    for role, text in phrases(rng, event, negated=rng.random() < 0.2):
        for at, word in enumerate(text.split()):
            words.append(word)
            speech.append(part_of_speech(word, role))
            entities.append(entity(word))
            roles.append(f"{'I' if at else 'B'}-{ROLES[role]}")
    words[0] = words[0][0].upper() + words[0][1:]
    tags = {"pos": [*speech, "PUNCT"], "entities": [*entities, "O"], "roles": [*roles, "O"]}
    return {"tokens": [*words, "."], **tags}


def sense(rng: Random, part: int) -> Row:
    """A word that names two kinds, in a context that only one of them fits. Both senses are equally frequent."""
    noun = NOUNS[rng.choice(TWOFOLD_BY_PART[part])]
    kind = rng.choice(noun.kinds)
    first, second, usual = USES_OF[kind]
    name = rng.choice(NAMES_BY_PART[part])
    words = f"{name} {rng.choice((first, second))} the {noun.one} {usual if rng.random() < 0.5 else ''}".split()
    return {"tokens": [*words, "."], "target": words.index(noun.one), "sense": kind, "senses": list(noun.kinds)}


TASKS = {"tagged": tagged, "sense": sense}


def tagging(task: str, split: str, seed: int = 0, limit: int | None = None) -> list[Row]:
    """Return different rows of `tagged` words (pos, entities, roles) or of the `sense` of one of them.

    Raises:
        Refused: if there is no such task, or no such split.
    """
    build, wanted = TASKS[one_of("task", task, TASKS)], limit or ROWS[one_of("split", split, ROWS)]
    rng = stream("tagging", task, split, seed)
    rows: dict[str, Row] = {}
    while len(rows) < wanted:
        part = TRAIN if split == "train" or len(rows) % 2 == 0 else VALIDATION
        row = build(rng, part)
        rows[str(row["tokens"])] = row
    return list(rows.values())
