"""How does it go on? Four endings of which one fits, in SWAG's columns.

The four are made of two differences, each with its opposite: no ending stands out from the others by itself.
"""

from collections.abc import Callable
from random import Random

from datamodules.miniature.grammar import Transfer, clause, sentence
from datamodules.miniature.inference import (  # fmt: skip
    ENTAILED,
    MATCHED,
    NAMES,
    PREMISES,
    in_two_words,
    mixed_up,
    named,
    some,
    transferred,
    two_events,
)
from datamodules.miniature.lexicon import EVENTS_BY_PART, KIND_NOUNS, KINDS, NOUNS, NOUNS_BY_PART, POLAR, WORDS, an
from datamodules.miniature.sentences import Made

Row = dict[str, object]
# What comes first, how it goes on, and the endings: the right one, wrong in one way, in the other, in both.
Endings = tuple[str, str, tuple[str, str, str, str]]
TRUE = "it was true that"
CONSEQUENCES = (  # of the corpus: [of a bad thing|of a good one]
    ("for the rest of the year {name}", ("avoided the {noun}", "praised the {noun}")),
    ("on {day} {name}", ("angrily showed the {noun} to {friend}", "happily showed the {noun} to {friend}")),
    ("a week later {name}", ("complained to {friend} about the {noun}", "boasted to {friend} about the {noun}")),
    ("{name} told everyone that", ("the {noun} had been a mistake", "the {noun} had been a blessing")),
)
WITH_A = [kind for kind in KINDS if an(kind).startswith("a ")]  # one article for all: it shall not tell an ending
NOUNS_OF = {kind: [noun for noun in KIND_NOUNS[kind] if an(noun).startswith("a ")] for kind in WITH_A}


def joined(rng: Random, parts: list[str]) -> str:
    rng.shuffle(parts)
    return rng.choice(MATCHED).format(a=parts[0], b=parts[1])


def of_opinion(rng: Random, part: int) -> Endings:
    """What somebody does with a thing that is good or bad. Somebody else has another thing."""
    (name, other, friend), (noun, beside) = rng.sample(NAMES, 3), rng.sample(NOUNS_BY_PART[part], 2)
    deeds = [rng.choice(group).past for group in rng.sample(EVENTS_BY_PART["deed"][part], 2)]
    good, negated = rng.randrange(2), rng.randrange(2)
    quality = ("not " if negated else "") + rng.choice(POLAR[good ^ negated][part])
    parts = [f"the {noun} that {name} {deeds[0]} was {quality}", f"{other} {deeds[1]} the {beside}"]
    frame, endings = rng.choice(CONSEQUENCES)
    fit, bad, elsewhere, both = (
        endings[polarity].format(noun=thing, friend=friend) for thing in (noun, beside) for polarity in (good, 1 - good)
    )
    return joined(rng, parts), frame.format(name=name, day=rng.choice(WORDS["day"])), (fit, bad, elsewhere, both)


def of_event(rng: Random, part: int) -> Endings:
    """What was done or not, in other words; or something that was not told."""
    pairs, no = [in_two_words(rng, event) for event in two_events(rng, part)], rng.randrange(2)
    which = rng.randrange(2)
    event, negated = pairs[which][1], which == no
    other = mixed_up(rng, event, pairs[1 - which][1])
    parts = [clause(rng, one, at == no) for at, (one, _) in enumerate(pairs)]
    fit, denied, mixed, both = (clause(rng, one, no) for one in (event, other) for no in (negated, not negated))
    return joined(rng, parts), TRUE, (fit, denied, mixed, both)


def of_holder(rng: Random, part: int) -> Endings:
    """Who has which of two things in the end."""
    (giver, taker, other), (thing, seen) = rng.sample(NAMES, 3), rng.sample(NOUNS_BY_PART[part], 2)
    parts = [transferred(rng, Transfer(giver, taker, thing), part), f"{other} looked at the {seen}"]
    said = rng.choice(("{name} has the {noun} now", "the {noun} is with {name} now"))
    fit, gave, saw, both = (said.format(name=name, noun=noun) for noun in (thing, seen) for name in (taker, giver))
    return joined(rng, parts), TRUE.replace("was", "is"), (fit, gave, saw, both)


def of_kind(rng: Random, part: int) -> Endings:
    """Of a fox: an animal. Of no animal: no fox."""
    (name, other), (verbs, further) = rng.sample(NAMES, 2), rng.sample(EVENTS_BY_PART["deed"][part], 2)
    kinds, no, general = rng.sample(WITH_A, 2), rng.random() < 0.5, rng.random() < 0.5  # of the ending
    one, two = (rng.choice([noun for noun in NOUNS_OF[kind] if NOUNS[noun].part == part]) for kind in kinds)
    _, known, _ = rng.choice(PREMISES[no, general][ENTAILED])
    parts = [
        f"{name} {rng.choice(verbs).past} {some(no, named(one, known))}",
        f"{other} {rng.choice(further).past} {some(not no, named(two, known))}",
    ]
    fit, denied, beside, both = (
        f"{name} {rng.choice(verbs).past} {some(negated, named(noun, general))}"
        for noun in (one, two)
        for negated in (no, not no)
    )
    return joined(rng, parts), TRUE, (fit, denied, beside, both)


PHENOMENA: dict[str, Callable[[Random, int], Endings]] = {
    "opinion": of_opinion, "event": of_event, "holder": of_holder, "kind": of_kind,
}  # fmt: skip


def choice(rng: Random, label: int, part: int, split: str) -> Made:
    phenomenon = rng.choice(list(PHENOMENA))
    first, second, (fit, *wrong) = PHENOMENA[phenomenon](rng, part)
    rng.shuffle(wrong)
    endings = (f"{ending}." for ending in (*wrong[:label], fit, *wrong[label:]))
    return Made((sentence(first), second[0].upper() + second[1:], *endings), label, {"phenomenon": phenomenon})


def as_swag(row: Made, split: str, number: int) -> Row:
    """A row in the hub's columns, but for its label."""
    first, second, *endings = row.texts
    found: Row = {"video-id": f"{split}-{number}", "fold-ind": str(number), "startphrase": f"{first} {second}"}
    found |= {"sent1": first, "sent2": second, "gold-source": "gold"}
    return found | {f"ending{at}": ending for at, ending in enumerate(endings)}
