"""The tasks of one sentence: is it grammatical (cola), is the opinion good (sst2)."""

from random import Random
from typing import NamedTuple

from datamodules.miniature.grammar import FRAMES, PREDICATES, SUBJECTS, Slots, numbered, sentence
from datamodules.miniature.lexicon import HOMOGRAPHS, NOUNS, NOUNS_BY_PART, POLAR, THING, VISIT, an

OPINIONS = {  # by topic: what the adjective is said of decides what a homograph means
    THING: (
        "it was {an_adjective} {noun} from {town}",
        "{name} brought {an_adjective} {noun} back from {town}",
        "everyone in {town} knew the {adjective} {noun} of {name}",
        "{name} said that the {plain} {noun} was {quality}",
        "the {noun} of {name} was {plain} and {quality}",
        "this {plain} {noun} is {quality}, and so is that one",
        "to {name} the {noun} from {town} seemed {quality}",
    ),
    VISIT: (
        "it was {an_adjective} day at the {site}",
        "{name} remembered {an_adjective} journey to {town}",
        "everyone in {town} knew the {adjective} {site}",
        "the {site} in {town} was {quality} on {day}",
        "the journey to {town} was long and {quality}",
        "{name} said that the {site} is {quality}, and so is {town}",
        "to {name} the day in {town} seemed {quality}",
    ),
}


class Made(NamedTuple):
    """A row before it is handed out: its texts in column order, its true label, and what makes it easy or hard."""

    texts: tuple[str, ...]
    label: int
    tags: dict[str, str]


def sst2(rng: Random, label: int, part: int, split: str) -> Made:
    """Of twenty opinions 13 are plain, 3 negated, 2 a homograph's and 2 in un-; the label decides none of it."""
    cue = rng.choice(("plain",) * 13 + ("negated",) * 3 + ("homograph",) * 2 + ("un-",) * 2)
    topic = rng.randrange(2)
    if cue == "homograph":
        word = rng.choice(HOMOGRAPHS[topic if label else 1 - topic][part])
    else:
        word = rng.choice(POLAR[label if cue == "plain" else 1 - label][part])
    word = "un" + word if cue == "un-" else word
    quality = f"not {word}" if cue == "negated" else word
    fitting = [text for text in OPINIONS[topic] if "{quality}" in text or cue != "negated"]
    slots = Slots(rng, adjective=word, an_adjective=an(word), quality=quality)
    return Made((sentence(rng.choice(fitting).format_map(slots)),), label, {"cue": cue})


def cola(rng: Random, label: int, part: int, split: str) -> Made:
    """Half of the errors are in agreement, half in the order of two words; both keep the length and all other words."""
    order_error, subject = label == 0 and rng.random() < 0.5, rng.randrange(2)
    number = subject if label or order_error else 1 - subject
    between = rng.randrange(len(SUBJECTS))
    template = f"{rng.choice(FRAMES)}{SUBJECTS[between]} {rng.choice(PREDICATES)}"
    found = numbered(template, subject, number).format_map(NounsOf(rng, NOUNS_BY_PART[part])).split()
    if order_error:
        at = rng.choice([i for i, word in enumerate(found[:-1]) if word in ("the", "a")])
        found[at : at + 2] = reversed(found[at : at + 2])
    error = "none" if label else "order" if order_error else "agreement"
    attractors = str(between) if between < 4 else "relative"
    return Made((sentence(" ".join(found)),), label, {"error": error, "attractors": attractors})


class NounsOf(Slots):
    """Slots whose nouns are some nouns only."""

    def __init__(self, rng: Random, names: list[str]) -> None:
        super().__init__(rng)
        self.names = names

    def __missing__(self, key: str) -> str:
        if key not in ("noun", "nouns", "other"):
            return super().__missing__(key)
        noun = NOUNS[self.rng.choice(self.names)]
        return noun.many if key == "nouns" or (key == "other" and self.rng.random() < 0.5) else noun.one
