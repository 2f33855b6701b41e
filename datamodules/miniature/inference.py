"""What follows from a sentence: mnli, rte and ax.

Premises and hypotheses of all labels are made of the same words, so that neither of them alone says anything, nor what
they have in common.
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


def in_two_words(rng: Random, event: Event) -> tuple[Event, Event]:
    """The same with one verb and with another: a form in common ("did not buy") would tell a negation from none."""
    one, other = rng.sample(event.verbs, 2)
    return event._replace(verbs=(one,)), event._replace(verbs=(other,))


def mixed_up(rng: Random, event: Event, other: Event) -> Event:
    """Something that was not told, in words that were: another patient, another agent, or the roles swapped."""
    if event.patient in PEOPLE and rng.random() < 0.5:
        return event._replace(agent=event.patient, patient=event.agent)
    return event._replace(patient=other.patient) if rng.random() < 0.5 else event._replace(agent=other.agent)


def of_fact(rng: Random, label: int, part: int, new: bool) -> tuple[str, str]:
    """Two events, one of which did not happen: one is repeated, mixed up, or said to be the other way.

    There is a negation in every premise, so that to have one in common says nothing.
    """
    tell: Tell = cleft if new and rng.random() < 0.5 else clause
    pairs, no = [in_two_words(rng, event) for event in two_events(rng, part)], rng.randrange(2)
    a, b = (tell(rng, event, at == no) for at, (event, _) in enumerate(pairs))
    which = rng.randrange(2)
    event, negated = pairs[which][1], which == no
    if label == UNKNOWN:  # the negation is drawn again: its presence must not tell the label
        event, negated = mixed_up(rng, event, pairs[1 - which][1]), rng.random() < 0.5
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


# Of "a fox", "an animal" (general), "no fox" and "no animal" (negated): the premises by hypothesis and label, as
# (negated, general, about the same kind). Either side by itself is as frequent under every label.
A, NO, NOUN, KIND, SAME, OTHER = False, True, False, True, True, False
PREMISES = {
    (A, NOUN): (
        ((A, NOUN, SAME),),
        ((A, KIND, SAME), *((A, NOUN, OTHER),) * 3),
        ((NO, NOUN, SAME), (NO, KIND, SAME)),
    ),
    (A, KIND): (
        ((A, NOUN, SAME), (A, KIND, SAME)),
        ((NO, NOUN, SAME), *((NO, KIND, OTHER),) * 3),
        ((NO, KIND, SAME),),
    ),
    (NO, NOUN): (
        ((NO, NOUN, SAME), (NO, KIND, SAME)),
        ((A, KIND, SAME), *((A, NOUN, OTHER),) * 3),
        ((A, NOUN, SAME),),
    ),
    (NO, KIND): (
        ((NO, KIND, SAME),),
        ((NO, NOUN, SAME), *((NO, KIND, OTHER),) * 3),
        ((A, NOUN, SAME), (A, KIND, SAME)),
    ),
}


def some(negated: bool, what: str) -> str:
    return f"no {what}" if negated else an(what)


def of_kind(rng: Random, label: int, part: int, new: bool) -> tuple[str, str]:
    """A fox is an animal, but not every animal is a fox; and the other way round under a negation.

    A second person does the opposite with something else: what the hypothesis names stands in as many premises of each
    label, and so does "no".
    """
    (agent, second), (verbs, further) = rng.sample(NAMES, 2), rng.sample(EVENTS_BY_PART["deed"][part], 2)
    noun, stranger = rng.sample(NOUNS_BY_PART[part], 2)
    while NOUNS[noun].kinds == NOUNS[stranger].kinds:
        stranger = rng.choice(NOUNS_BY_PART[part])
    hypothesis = rng.random() < 0.5, rng.random() < 0.5  # negated and general, whatever the label
    negated, general, same = rng.choice(PREMISES[hypothesis][label])
    said, known = named(noun, hypothesis[1]), named(noun if same else stranger, general)
    beside = named(stranger if same else rng.choice(NOUNS_BY_PART[part]), negated)
    if label == UNKNOWN and rng.random() < 0.75:  # of the other labels 0.75 name it as well, and as generally
        beside = said
    parts = [
        f"{agent} {rng.choice(verbs).past} {some(negated, known)}",
        f"{second} {rng.choice(further).past} {some(not negated, beside)}",
    ]
    rng.shuffle(parts)
    premise = rng.choice(MISMATCHED if new else MATCHED).format(a=parts[0], b=parts[1])
    return premise, f"{agent} {rng.choice(verbs).past} {some(hypothesis[0], said)}"


def named(noun: str, general: bool) -> str:
    return NOUNS[noun].kinds[0] if general else noun


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
