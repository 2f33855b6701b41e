"""GLUE-like tasks of the miniature world: one function a task makes one row.

A builder gets the row's number and makes the label of it (`number % labels`), so that labels are exactly balanced; all
other choices are drawn without looking at the label wherever the task allows it.
"""

from collections.abc import Callable
from random import Random

from datamodules.miniature.grammar import AGREEMENT, Event, Slots, clause, numbered, sentence
from datamodules.miniature.lexicon import ADJECTIVES, DEEDS, FAVOURS, SEEN, WORDS

Row = dict[str, object]

OPINIONS = (
    "it was a {adjective} {noun} from {town}",
    "{name} said that the {plain} {noun} was {adjective}",
    "the {site} in {town} was {adjective} on {day}",
    "it was the same {adjective} day at the {site}",
    "{name} brought a {noun} as {adjective} as the one at the {site}",
    "the {noun} of {name} was {plain} and {adjective}",
    "this {plain} {noun} is {adjective}, and so is the {site}",
    "to {name} the journey to {town} seemed {adjective}",
    "everyone in {town} knew the {adjective} {noun} behind the {site}",
    "{adjective} was the {noun} that {name} brought from {town}",
)
MATCHED = ("{a} and {b}", "{a} but {b}", "{a} while {b}")
MISMATCHED = ("although {a}, {b}", "{a}, whereas {b}", "everyone knew that {a} and that {b}")
SETTINGS = ("on {when} {event} in {where}", "{event} in {where} on {when}", "in {where}, {event} on {when}")


def sst2(rng: Random, number: int, split: str) -> Row:
    """Every second pair of rows outside of train has an adjective of the half that train never shows."""
    label, half = number % 2, SEEN if split == "train" else number // 2 % 2
    slots = Slots(rng, adjective=rng.choice(ADJECTIVES[label, half]))
    return {"sentence": sentence(rng.choice(OPINIONS).format_map(slots)), "label": label}


def cola(rng: Random, number: int, split: str) -> Row:
    """Half of the errors are in agreement, half in the order of two words; both keep length and, nearly, words."""
    label, order_error, subject = number % 2, number % 4 == 0, rng.randrange(2)
    verb = subject if label or order_error else 1 - subject
    words = numbered(rng.choice(AGREEMENT), subject, verb).format_map(Slots(rng)).split()
    if order_error:
        at = rng.choice([i for i, word in enumerate(words[:-1]) if word in ("the", "a")])
        words[at : at + 2] = reversed(words[at : at + 2])
    return {"sentence": sentence(" ".join(words)), "label": label}


def two_events(rng: Random) -> tuple[Event, Event]:
    """Two events of one kind that share nobody and nothing."""
    verbs = rng.choice((DEEDS, FAVOURS))
    a, b, c, d = rng.sample(WORDS["name"], 4)
    if verbs is DEEDS:
        c, d = (f"the {noun}" for noun in rng.sample(WORDS["noun"], 2))
    first, second = rng.sample(verbs, 2)
    return Event(a, first, c), Event(b, second, d)


def mixed_up(rng: Random, event: Event, other: Event) -> Event:
    """Something that was not told, in words that were: another patient, another agent, or the roles swapped."""
    if event.verbs in FAVOURS and rng.random() < 0.5:
        return Event(event.patient, event.verbs, event.agent)
    return event._replace(patient=other.patient) if rng.random() < 0.5 else event._replace(agent=other.agent)


def rte(rng: Random, number: int, split: str) -> Row:
    """The hypothesis restates one of two events, or mixes them up: the same overlap, constructions and verbs."""
    a, b = two_events(rng)
    event, other = rng.sample((a, b), 2)
    premise = rng.choice(MATCHED).format(a=clause(rng, a), b=clause(rng, b))
    hypothesis = clause(rng, mixed_up(rng, event, other) if number % 2 else event)
    return {"sentence1": sentence(premise), "sentence2": sentence(hypothesis), "label": number % 2}


def stsb(rng: Random, number: int, split: str) -> Row:
    """Who did what to which thing, where and when: of these five facts, `number % 6` are common to both."""
    verbs = rng.sample(DEEDS, 2)
    who, what, where, when = (rng.sample(WORDS[kind], 2) for kind in ("name", "noun", "town", "day"))
    changed = set(rng.sample(range(5), 5 - number % 6))
    texts = []
    for other in ([False] * 5, [fact in changed for fact in range(5)]):
        event = clause(rng, Event(who[other[0]], verbs[other[1]], f"the {what[other[2]]}"))
        text = rng.choice(SETTINGS).format(event=event, where=where[other[3]], when=when[other[4]])
        texts.append(sentence(text))
    return {"sentence1": texts[0], "sentence2": texts[1], "label": float(number % 6)}


def in_order(rng: Random, first: Event, second: Event) -> str:
    """Tell that `first` came before `second`, from either side."""
    a, b = clause(rng, first), clause(rng, second)
    return f"{a} before {b}" if rng.random() < 0.5 else f"{b} after {a}"


def mnli_order(rng: Random, label: int) -> tuple[str, str]:
    """Two events in an order: the same, unknown (each with the other's patient), or the reverse."""
    a, b = two_events(rng)
    told = ((a, b), (a._replace(patient=b.patient), b._replace(patient=a.patient)), (b, a))[label]
    return in_order(rng, a, b), in_order(rng, *told)


def mnli_fact(rng: Random, label: int, joins: tuple[str, ...]) -> tuple[str, str]:
    """Two events, each of which happened or did not: one is repeated, mixed up, or said to be the other way."""
    events, denied = two_events(rng), (rng.random() < 0.5, rng.random() < 0.5)
    a, b = (clause(rng, event, no) for event, no in zip(events, denied, strict=True))
    which = rng.randrange(2)
    event, negated = events[which], denied[which]
    if label == 1:  # the negation is drawn again: its presence must not tell the label
        event, negated = mixed_up(rng, event, events[1 - which]), rng.random() < 0.5
    return rng.choice(joins).format(a=a, b=b), clause(rng, event, negated != (label == 2))


def mnli(rng: Random, number: int, split: str) -> Row:
    """Mismatched rows join their events in ways that train never does."""
    label = number % 3
    if "mismatched" in split:
        premise, hypothesis = mnli_fact(rng, label, MISMATCHED)
    else:
        premise, hypothesis = mnli_order(rng, label) if rng.random() < 0.25 else mnli_fact(rng, label, MATCHED)
    return {"premise": sentence(premise), "hypothesis": sentence(hypothesis), "label": label}


BUILDERS: dict[str, Callable[[Random, int, str], Row]] = {
    "sst2": sst2,
    "cola": cola,
    "rte": rte,
    "stsb": stsb,
    "mnli": mnli,
}


def split_sizes(task: str) -> dict[str, int]:
    """Rows by split, train first: later splits avoid what earlier ones hold."""
    ends = ("_matched", "_mismatched") if task == "mnli" else ("",)
    sizes = {"train": 2000 if task in ("sst2", "cola", "mnli") else 1000}
    return sizes | {"validation" + end: 300 for end in ends} | {"test" + end: 100 for end in ends}


def unseen_rows(rng: Random, task: str, split: str, size: int, seen: set[tuple[object, ...]]) -> list[Row]:
    """Build rows whose text is not in `seen`, add it there, and shuffle."""
    rows: list[Row] = []
    while len(rows) < size:
        row = BUILDERS[task](rng, len(rows), split)
        text = tuple(value for name, value in row.items() if name != "label")
        if text not in seen:
            seen.add(text)
            rows.append(row)
    rng.shuffle(rows)
    return rows
