"""How the miniature world puts an event into words, and how a template is filled."""

import re
from random import Random
from typing import NamedTuple

from datamodules.miniature.lexicon import WORDS, Verb

# "[singular|plural]" is the number of the subject and "<singular|plural>" that of its verb; they disagree in CoLA only.
AGREEMENT = (
    "the [{noun}|{nouns}] beside the {other} <is|are> {plain} and {plain}",
    "the [{noun}|{nouns}] that {name} saw in {town} <was|were> {plain}",
    "{name} says that the [{noun}|{nouns}] under the {other} <belongs|belong> to {name}",
    "the {plain} [{noun}|{nouns}] behind the {other} <looks|look> {plain} at night",
    "the [{noun}|{nouns}] at the {site} <has|have> a {plain} side",
    "on {day} the [{noun}|{nouns}] with the {plain} {other} <stands|stand> at the {site}",
)


class Event(NamedTuple):
    """Somebody did something, in any of the verbs with that meaning, to somebody or something in the singular."""

    agent: str
    verbs: tuple[Verb, ...]
    patient: str


class Slots:
    """Fills the {slots} of a template by `format_map`: fixed ones as given, others drawn anew at each mention."""

    def __init__(self, rng: Random, **fixed: str) -> None:
        self.rng, self.fixed = rng, fixed

    def __getitem__(self, key: str) -> str:
        return self.fixed[key] if key in self.fixed else self.rng.choice(WORDS[key])


def numbered(template: str, subject: int, verb: int) -> str:
    """Resolve "[a|b]" by `subject` and "<a|b>" by `verb`: 0 takes a, 1 takes b."""
    template = re.sub(r"\[(.*?)\]", lambda match: match[1].split("|")[subject], template)
    return re.sub(r"<(.*?)>", lambda match: match[1].split("|")[verb], template)


def clause(rng: Random, event: Event, negated: bool = False) -> str:
    """Tell an event in one of its verbs, active or passive: the choice never depends on what a row's label is."""
    verb = rng.choice(event.verbs)
    if rng.random() < 0.5:
        return f"{event.patient} was {'not ' if negated else ''}{verb.past} by {event.agent}"
    return f"{event.agent} {'did not ' + verb.base if negated else verb.past} {event.patient}"


def sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."
