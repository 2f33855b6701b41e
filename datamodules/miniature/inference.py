"""What follows from a sentence: mnli, rte and ax.

Every kind of premise makes hypotheses of all labels from the same words, so that a hypothesis alone says nothing.
"""

from collections.abc import Callable
from random import Random

from datamodules.miniature.grammar import Event, Transfer, clause, cleft, sentence
from datamodules.miniature.lexicon import EVENTS_BY_PART, GOT, HANDED, NOUNS, NOUNS_BY_PART, PEOPLE, an
from datamodules.miniature.sentences import Made

ENTAILED, UNKNOWN, CONTRADICTED = 0, 1, 2
NAMES = list(PEOPLE)
MATCHED = ("{a} and {b}", "{a} but {b}", "{a} while {b}")
MISMATCHED = ("although {a}, {b}", "{a}, whereas {b}", "everyone knew that {a} and that {b}")
Tell = Callable[[Random, Event, bool], str]


def two_events(rng: Random, part: int) -> tuple[Event, Event]:
    """Two events of one kind that share nobody and nothing."""
    kind = rng.choice(("deed", "favour"))
    a, b, c, d = rng.sample(NAMES, 4)
    if kind == "deed":
        c, d = (f"the {noun}" for noun in rng.sample(NOUNS_BY_PART[part], 2))
    first, second = rng.sample(EVENTS_BY_PART[kind][part], 2)
    return Event(a, first, c), Event(b, second, d)


def mixed_up(rng: Random, event: Event, other: Event) -> Event:
    """Something that was not told, in words that were: another patient, another agent, or the roles swapped."""
    if event.patient in PEOPLE and rng.random() < 0.5:
        return event._replace(agent=event.patient, patient=event.agent)
    return event._replace(patient=other.patient) if rng.random() < 0.5 else event._replace(agent=other.agent)


def of_fact(rng: Random, label: int, part: int, new: bool) -> tuple[str, str]:
    """Two events, each of which happened or did not: one is repeated, mixed up, or said to be the other way."""
    tell: Tell = cleft if new and rng.random() < 0.5 else clause
    events, denied = two_events(rng, part), (rng.random() < 0.5, rng.random() < 0.5)
    a, b = (tell(rng, event, no) for event, no in zip(events, denied, strict=True))
    which = rng.randrange(2)
    event, negated = events[which], denied[which]
    if label == UNKNOWN:  # the negation is drawn again: its presence must not tell the label
        event, negated = mixed_up(rng, event, events[1 - which]), rng.random() < 0.5
    told = clause(rng, event, negated != (label == CONTRADICTED))
    return rng.choice(MISMATCHED if new else MATCHED).format(a=a, b=b), told


def in_order(rng: Random, first: Event, second: Event) -> str:
    """Tell that `first` came before `second`, from either side."""
    a, b = clause(rng, first), clause(rng, second)
    return f"{a} before {b}" if rng.random() < 0.5 else f"{b} after {a}"


def of_order(rng: Random, label: int, part: int, new: bool) -> tuple[str, str]:
    """Two events in an order: the same, unknown (each with the other's patient), or the reverse."""
    a, b = two_events(rng, part)
    told = ((a, b), (a._replace(patient=b.patient), b._replace(patient=a.patient)), (b, a))[label]
    premise = in_order(rng, a, b)
    if new:
        premise = f"first {clause(rng, a)}, and later {clause(rng, b)}"
    return premise, in_order(rng, *told)


def transferred(rng: Random, transfer: Transfer, part: int) -> str:
    """Tell from the giver's or from the taker's side that a thing has passed."""
    giver, taker, thing = transfer
    if rng.random() < 0.5:
        return f"{giver} {rng.choice(HANDED[part])} the {thing} to {taker}"
    return f"{taker} {rng.choice(GOT[part])} the {thing} from {giver}"


def of_transfer(rng: Random, label: int, part: int, new: bool) -> tuple[str, str]:
    """Who has a thing after it has passed on: its taker, who knows, not its giver. Another one is only looked at."""
    giver, taker, other = rng.sample(NAMES, 3)
    thing, seen = rng.sample(NOUNS_BY_PART[part], 2)
    parts = [transferred(rng, Transfer(giver, taker, thing), part), f"{other} looked at the {seen}"]
    rng.shuffle(parts)
    holder = (taker, rng.choice((giver, taker)), giver)[label]
    told = f"{holder} has the {seen if label == UNKNOWN else thing} now"
    if rng.random() < 0.5:
        told = f"the {seen if label == UNKNOWN else thing} is with {holder} now"
    return rng.choice(MISMATCHED if new else MATCHED).format(a=parts[0], b=parts[1]), told


# Of "a fox", "an animal" (general), "no fox" and "no animal" (negated): the premises by label, as (negated, of what).
PREMISES = {
    (False, False): ([(False, "noun")], [(False, "kind")], [(True, "noun"), (True, "kind")]),
    (False, True): ([(False, "noun"), (False, "kind")], [(False, "other"), (True, "noun")], [(True, "kind")]),
    (True, False): ([(True, "kind"), (True, "noun")], [(False, "kind"), (True, "other")], [(False, "noun")]),
    (True, True): ([(True, "kind")], [(True, "noun")], [(False, "noun"), (False, "kind")]),
}


def of_kind(rng: Random, label: int, part: int, new: bool) -> tuple[str, str]:
    """A fox is an animal, but not every animal is a fox; and the other way round under a negation."""
    agent, noun, verbs = rng.choice(NAMES), rng.choice(NOUNS_BY_PART[part]), rng.choice(EVENTS_BY_PART["deed"][part])
    kind = NOUNS[noun].kinds[0]
    other = rng.choice([name for name in NOUNS_BY_PART[part] if NOUNS[name].kinds[0] != kind])
    negated, general = rng.random() < 0.5, rng.random() < 0.5  # of the hypothesis, whatever the label
    denied, what = rng.choice(PREMISES[negated, general][label])
    known, said = {"noun": noun, "kind": kind, "other": other}[what], kind if general else noun
    first, second = rng.choice(verbs), rng.choice(verbs)
    premise = f"{agent} {first.past} {'no ' + known if denied else an(known)}"
    premise = f"it is known that {premise}" if new else premise
    return premise, f"{agent} {second.past} {'no ' + said if negated else an(said)}"


PHENOMENA = {"fact": of_fact, "order": of_order, "transfer": of_transfer, "kind": of_kind}


def inference(rng: Random, label: int, part: int, new: bool) -> Made:
    phenomenon = rng.choice(("fact", "fact", "order", "transfer", "kind"))
    premise, hypothesis = PHENOMENA[phenomenon](rng, label, part, new)
    return Made((sentence(premise), sentence(hypothesis)), label, {"phenomenon": phenomenon})


def mnli(rng: Random, label: int, part: int, split: str) -> Made:
    """Mismatched rows are built in ways that train never shows."""
    return inference(rng, label, part, new="mismatched" in split)


def rte(rng: Random, label: int, part: int, split: str) -> Made:
    """What does not follow is unknown or contradicted, by equal shares."""
    made = inference(rng, rng.choice((UNKNOWN, CONTRADICTED)) if label else ENTAILED, part, new=False)
    return made._replace(label=label)


def ax(rng: Random, label: int, part: int, split: str) -> Made:
    """A diagnostic set: every phenomenon equally often, in either construction."""
    phenomenon, new = rng.choice(list(PHENOMENA)), rng.random() < 0.5
    premise, hypothesis = PHENOMENA[phenomenon](rng, label, part, new)
    tags = {"phenomenon": phenomenon, "construction": "new" if new else "known"}
    return Made((sentence(premise), sentence(hypothesis)), label, tags)
