"""How the miniature world puts an event into words, and how a template is filled."""

import re
from itertools import product
from random import Random
from typing import NamedTuple

from datamodules.miniature.lexicon import WORDS, Verb

# "[singular|plural]" is the number of the subject and "<singular|plural>" that of its verb; they disagree in CoLA only.
SUBJECTS = (
    "the [{noun}|{nouns}]",
    "the {plain} [{noun}|{nouns}] {near} the {other}",
    "the [{noun}|{nouns}] {near} the {other} {near} the {plain} {other}",
    "the [{noun}|{nouns}] {near} the {other} {near} the {other} {near} the {other}",
    "the [{noun}|{nouns}] that {name} saw in {town}",
    "the {plain} [{noun}|{nouns}] that belonged to {name}",
    "the [{noun}|{nouns}] that {name} found {near} the {other}",
)
PREDICATES = (
    "<is|are> {plain} and {plain}",
    "<was|were> {plain}",
    "<belongs|belong> to {name}",
    "<looks|look> {plain} at night",
    "<has|have> a {plain} side",
    "<stands|stand> at the {site}",
)
FRAMES = ("", "on {day} ", "{name} says that ")
AGREEMENT = tuple(
    f"{frame}{subject} {predicate}" for frame, subject, predicate in product(FRAMES, SUBJECTS, PREDICATES)
)


class Event(NamedTuple):
    """Somebody did something, in any of the verbs with that meaning, to somebody or something in the singular."""

    agent: str
    verbs: tuple[Verb, ...]
    patient: str
    place: str = ""
    day: str = ""


class Transfer(NamedTuple):
    """Somebody let somebody have a thing: afterwards it is the taker's and no longer the giver's."""

    giver: str
    taker: str
    thing: str


class Slots(dict[str, str]):
    """Fills the {slots} of a template by `format_map`: what is in it as given, the rest drawn anew at each mention."""

    def __init__(self, rng: Random, **fixed: str) -> None:
        super().__init__(fixed)
        self.rng = rng

    def __missing__(self, key: str) -> str:
        return self.rng.choice(WORDS[key])


def numbered(template: str, subject: int, verb: int) -> str:
    """Resolve "[a|b]" by `subject` and "<a|b>" by `verb`: 0 takes a, 1 takes b."""
    template = re.sub(r"\[(.*?)\]", lambda match: match[1].split("|")[subject], template)
    return re.sub(r"<(.*?)>", lambda match: match[1].split("|")[verb], template)


def phrases(rng: Random, event: Event, negated: bool = False) -> list[tuple[str, str]]:
    """Tell an event in one of its verbs, active or passive: (role, words), in the order of the sentence."""
    verb = rng.choice(event.verbs)
    if rng.random() < 0.5:
        told = [("patient", event.patient), ("verb", f"was {'not ' if negated else ''}{verb.past}")]
        told.append(("agent", f"by {event.agent}"))
    else:
        done = f"did not {verb.base}" if negated else verb.past
        told = [("agent", event.agent), ("verb", done), ("patient", event.patient)]
    further = [("place", event.place), ("time", event.day)]
    return told + [phrase for phrase in further if phrase[1]]


def clause(rng: Random, event: Event, negated: bool = False) -> str:
    """`phrases` as one text. Neither the verb nor the voice ever depends on what a row's label is."""
    return " ".join(text for _, text in phrases(rng, event, negated))


def cleft(rng: Random, event: Event, negated: bool = False) -> str:
    """The same with one participant brought forward."""
    verb = rng.choice(event.verbs)
    was = "was not" if negated else "was"
    if rng.random() < 0.5:
        return f"it {was} {event.agent} who {verb.past} {event.patient}"
    return f"it {was} {event.patient} that {event.agent} {verb.past}"


def sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
