"""Questions about documents in SQuAD's shape, v1.1 and v2.0.

A question asks by a verb that the document does not have for what it says in another one. Every question word is as
frequent; in v2.0 a third of each asks for what was never said of people and things that are there, half of it of a deed
that the document does tell of somebody else.
"""

import re
from collections.abc import Callable, Iterator
from itertools import count
from random import Random
from typing import Any

from datamodules.miniature import vocabulary
from datamodules.miniature.corpus import Document, document
from datamodules.miniature.grammar import AGREEMENT, Event
from datamodules.miniature.lexicon import EVENTS_BY_PART, PEOPLE, TRAIN, VALIDATION, Verb, stream
from datamodules.miniature.templates import (
    AGREED,
    CAME_BACK,
    GOT_THING,
    KEPT_THING,
    MADE_VISIT,
    MEANWHILE,
    OF_ITS_KIND,
    WISHES,
)
from datamodules.task import one_of

ROWS = {"train": 2000, "validation": 1000}
UNANSWERABLE = 3  # in v2.0 one question out of so many
DISTRACTORS = 3  # other people in the document, at least
WANTED = ("who", "whom", "what", "where", "when")
BLOCK = 60  # in so many questions each word has the same share of each part and of those without an answer
LINES = (*WISHES, *GOT_THING, *KEPT_THING, *MADE_VISIT, *CAME_BACK, *AGREED[0], *AGREED[1], *MEANWHILE, *OF_ITS_KIND)
REASONS = (*vocabulary.TAKERS_REASONS, *vocabulary.GIVERS_REASONS, vocabulary.HANDED, vocabulary.GOT)
# What a line says by itself ("brought", "needed") is no event that is known: nobody is asked about it.
OF_LINES = set(re.findall(r"(?<![{\w])[a-z]+", " ".join((*LINES, *AGREEMENT, *REASONS, *vocabulary.USES.values()))))
GROUPS = {
    part: {
        kind: [group for group in groups[part] if not OF_LINES & {form for verb in group for form in verb}]
        for kind, groups in EVENTS_BY_PART.items()
    }
    for part in (TRAIN, VALIDATION)
}
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


def named(world: Document, lines: list[tuple[int, str]]) -> Iterator[tuple[int, Event]]:
    """Events in lines that have the agent's name."""
    return ((at, event) for at, event in events_of(world) if event.agent in words_of(lines[at][1]))


def kind_of(event: Event) -> str:
    return "favour" if event.patient in PEOPLE else "deed"


def absent(rng: Random, context: set[str], verbs: tuple[Verb, ...]) -> Verb | None:
    """A verb of this meaning in no form of which the text has it."""
    free = [verb for verb in verbs if not context & {verb.base, verb.past}]
    return rng.choice(free) if free else None


def words_of(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


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
    text, lines = flat(world)
    context = words_of(text)
    if len(context & {*world.people}) <= DISTRACTORS:
        return
    told = [one for _, one in events_of(world)]
    for at, event in named(world, lines):
        start, text = lines[at]
        verb = absent(rng, context, event.verbs)
        if verb is None or event.verbs not in GROUPS[part][kind_of(event)]:
            continue
        for wanted, question, answer in questions(event, verb, told):
            found = re.search(rf"\b{answer}\b", text, re.IGNORECASE)
            if found:
                yield question, (found[0], start + found.start()), wanted


def unanswerable(rng: Random, world: Document, part: int, of_others: bool) -> Iterator[Asked]:
    """Ask for what nobody is said to have done: a deed that was told of others, or one that was not told at all."""
    text, lines = flat(world)
    context, told = words_of(text), [one for _, one in events_of(world)]
    for _, event in named(world, lines):
        groups = GROUPS[part][kind_of(event)]
        known = [verbs for verbs in groups if any(one.verbs == verbs for one in told) and verbs != event.verbs]
        new = [verbs for verbs in groups if not any(context & {*verb} for verb in verbs)]
        if known if of_others else new:
            verbs = rng.choice(known if of_others else new)
            verb = absent(rng, context, verbs)
            if verb:
                yield from without_answer(
                    event._replace(verbs=verbs), verb, [one for one in told if one.verbs == verbs]
                )


def without_answer(event: Event, verb: Verb, alike: list[Event]) -> Iterator[Asked]:
    """The questions for an event that nothing that is alike answers."""
    if event.patient not in {one.patient for one in alike}:
        yield f"Who {verb.past} {event.patient}?", None, "who"
    if event.agent not in {one.agent for one in alike}:
        wanted = "Whom" if event.patient in PEOPLE else "What"
        yield f"{wanted} did {event.agent} {verb.base}?", None, wanted.lower()
    if event.patient not in PEOPLE and (event.agent, event.patient) not in {(one.agent, one.patient) for one in alike}:
        for wanted in ("where", "when"):
            yield f"{wanted.title()} did {event.agent} {verb.base} {event.patient}?", None, wanted


ANSWERED, UNTOLD, OF_OTHERS = range(3)
ASKED_FOR: tuple[Callable[[Random, Document, int], Iterator[Asked]], ...] = (
    answerable,
    lambda rng, world, part: unanswerable(rng, world, part, of_others=False),
    lambda rng, world, part: unanswerable(rng, world, part, of_others=True),
)


def squad(split: str, seed: int = 0, version: str = "v1.1", limit: int | None = None) -> list[dict[str, Any]]:
    """Return rows with the hub's columns (id, title, context, question, answers), all or the first `limit`.

    Raises:
        Refused: if there is no such split, or no such version.
    """
    wanted, rng = (limit or ROWS[one_of("split", split, ROWS)]), stream("squad", split, seed)
    one_of("version", version, ("v1.1", "v2.0"))
    rows: list[dict[str, Any]] = []
    worlds = ((number, document("squad", split, seed, number)) for number in count())
    while len(rows) < wanted:
        rows += block(rng, worlds, split, version, len(rows))
    return rows[:wanted]


def block(
    rng: Random, worlds: Iterator[tuple[int, Document]], split: str, version: str, first: int
) -> list[dict[str, Any]]:
    """Rows for the next numbers. Each document answers to one that is still free and for which it has a question."""
    rows: dict[int, dict[str, Any]] = {}
    free: dict[tuple[int, int], set[int]] = {}  # the numbers by how they are asked for, and by part
    for at in range(first, first + BLOCK):
        part = TRAIN if split == "train" or at % 2 == 0 else VALIDATION
        how = (UNTOLD, OF_OTHERS)[at // 6 % 2] if version == "v2.0" and at % UNANSWERABLE == 0 else ANSWERED
        free.setdefault((how, part), set()).add(at)
    while len(rows) < BLOCK:
        number, world = next(worlds)
        for how, part in rng.sample(sorted(free), len(free)):
            open_for = {WANTED[at % len(WANTED)]: at for at in sorted(free[how, part])}
            asked = ASKED_FOR[how](rng, world, part) if open_for else ()
            fitting = [one for one in asked if one[2] in open_for]
            if fitting:
                question, answer, word = rng.choice(fitting)
                at = open_for[word]
                free[how, part].discard(at)
                rows[at] = row_of(f"{split}-{at}", number, world, question, answer)
                break
    return [rows[at] for at in sorted(rows)]


def row_of(name: str, number: int, world: Document, question: str, answer: Answer | None) -> dict[str, Any]:
    answers = {"text": [answer[0]], "answer_start": [answer[1]]} if answer else {"text": [], "answer_start": []}
    row = {"id": name, "title": f"document {number}", "context": flat(world)[0]}
    return row | {"question": question, "answers": answers}
