"""Questions about documents in SQuAD's shape, v1.1 and v2.0.

A question asks by a verb that the document does not have for what it says in another one; in v2.0 every third asks for
something that was never said of things that are there.
"""

import re
from collections.abc import Iterator
from random import Random
from typing import Any

from datamodules.miniature.corpus import Document, document
from datamodules.miniature.grammar import Event
from datamodules.miniature.lexicon import EVENTS_BY_PART, PEOPLE, TRAIN, VALIDATION, Verb, stream
from datamodules.task import one_of

ROWS = {"train": 2000, "validation": 1000}
UNANSWERABLE = 3  # in v2.0 one question out of so many
DISTRACTORS = 3  # other people in the document, at least
GROUPS = {part: [*EVENTS_BY_PART["deed"][part], *EVENTS_BY_PART["favour"][part]] for part in (TRAIN, VALIDATION)}
Answer = tuple[str, int]  # its text, and where it begins
Asked = tuple[str, Answer | None, str]  # a question, its answer, what it asks for


def flat(world: Document) -> tuple[str, list[tuple[int, str]]]:
    """The document as one text, and its lines with the place where each begins."""
    lines, starts, at = [line for paragraph in world.paragraphs for line in paragraph], [], 0
    for line in lines:
        starts.append((at, line))
        at += len(line) + 1
    return " ".join(lines), starts


def events_of(world: Document) -> list[tuple[int, Event]]:
    return [(line, what) for line, what in world.told if isinstance(what, Event)]


def absent(rng: Random, context: str, verbs: tuple[Verb, ...]) -> Verb | None:
    """A verb of this meaning in no form of which the text has it."""
    free = [verb for verb in verbs if not re.search(rf"\b({verb.base}|{verb.past})\b", context)]
    return rng.choice(free) if free else None


def questions(event: Event, verb: Verb, others: list[Event]) -> Iterator[tuple[str, str, str]]:
    """Whatever has one answer: (what it asks for, the question, the answer)."""
    alike = [one for one in others if one.verbs == event.verbs]
    if {one.agent for one in alike if one.patient == event.patient} == {event.agent}:
        yield "who", f"Who {verb.past} {event.patient}?", event.agent
    if {one.patient for one in alike if one.agent == event.agent} == {event.patient}:
        wanted = "Whom" if event.patient in PEOPLE else "What"
        yield wanted.lower(), f"{wanted} did {event.agent} {verb.base}?", event.patient
    if {one.place for one in alike if one[:3] == event[:3]} == {event.place} != {""}:
        yield "where", f"Where did {event.agent} {verb.base} {event.patient}?", event.place
    if {one.day for one in alike if one[:3] == event[:3]} == {event.day} != {""}:
        yield "when", f"When did {event.agent} {verb.base} {event.patient}?", event.day.removeprefix("on ")


def answerable(rng: Random, world: Document, part: int) -> Iterator[Asked]:
    """Questions about what a line says with the names of all who take part."""
    context, lines = flat(world)
    if sum(bool(re.search(rf"\b{name}\b", context)) for name in world.people) <= DISTRACTORS:
        return
    told = events_of(world)
    for line, event in told:
        start, text = lines[line]
        verb = absent(rng, context, event.verbs)
        if verb is None or event.verbs not in GROUPS[part] or not re.search(rf"\b{event.agent}\b", text):
            continue
        for wanted, question, answer in questions(event, verb, [one for _, one in told]):
            found = re.search(rf"\b{answer}\b", text, re.IGNORECASE)
            if found:
                yield question, (found[0], start + found.start()), wanted


def unanswerable(rng: Random, world: Document, part: int) -> Iterator[Asked]:
    """Ask for what nobody is said to have done, nor not to have done, of people and things that are there."""
    context, _ = flat(world)
    for _, event in events_of(world):
        favour = event.patient in PEOPLE
        verbs = rng.choice(EVENTS_BY_PART["favour" if favour else "deed"][part])
        if all(absent(rng, context, (verb,)) for verb in verbs):
            verb, wanted = rng.choice(verbs), "Whom" if favour else "What"
            yield f"Who {verb.past} {event.patient}?", None, "nothing"
            yield f"{wanted} did {event.agent} {verb.base}?", None, "nothing"


def squad(split: str, seed: int = 0, version: str = "v1.1", limit: int | None = None) -> list[dict[str, Any]]:
    """Return rows with the hub's columns (id, title, context, question, answers), all or the first `limit`.

    Raises:
        Refused: if there is no such split, or no such version.
    """
    wanted, rng = (limit or ROWS[one_of("split", split, ROWS)]), stream("squad", split, seed)
    one_of("version", version, ("v1.1", "v2.0"))
    rows: list[dict[str, Any]] = []
    number = 0
    while len(rows) < wanted:
        world = document("squad", split, seed, number)
        part = TRAIN if split == "train" or len(rows) % 2 == 0 else VALIDATION
        none = version == "v2.0" and len(rows) % UNANSWERABLE == 0
        asked = list((unanswerable if none else answerable)(rng, world, part))
        number += 1
        if asked:
            question, answer, _ = rng.choice(asked)
            found = {"text": [answer[0]], "answer_start": [answer[1]]} if answer else {"text": [], "answer_start": []}
            rows.append({"id": f"{split}-{len(rows)}", "title": f"document {number - 1}", "context": flat(world)[0]})
            rows[-1] |= {"question": question, "answers": found}
    return rows
