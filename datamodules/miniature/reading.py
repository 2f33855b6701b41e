"""What a sentence of the tasks says, to somebody who knows the words and the grammar but not how rows are made."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from datamodules.miniature.lexicon import DAYS, DEEDS, FAVOURS, GOT, HANDED, KINDS, NOUNS, PARTS, TOWNS, meant

MEANING = {
    form: f"{sort} {number}"
    for sort, groups in (("deed", DEEDS), ("favour", FAVOURS))
    for number, group in enumerate(groups)
    for verb in group
    for form in verb
}
KIND_OF = {name: noun.kinds[0] for name, noun in NOUNS.items()} | {kind: kind for kind in KINDS}
ASKED = "?"  # in the place of what a question asks for

NP = r"(?:the |an? |no )?[a-z]+"
VERB = f"(?:{'|'.join(MEANING)})"


def shapes(*patterns: str) -> list[re.Pattern[str]]:
    """Of whole sentences: WORD is any word, VERB one that is known, NP a name or a noun with what is before it."""
    return [re.compile(p.replace("NP", NP).replace("WORD", "[a-z]+").replace("VERB", VERB)) for p in patterns]


CLAUSES = shapes(
    r"it was (?P<no>not )?(?P<agent>WORD) who (?P<verb>VERB) (?P<patient>NP)",
    r"it was (?P<no>not )?(?P<patient>NP) that (?P<agent>WORD) (?P<verb>VERB)",
    r"(?P<patient>NP) was (?P<no>not )?(?P<verb>VERB) by (?P<agent>WORD)",
    r"(?P<agent>WORD) did (?P<no>not )(?P<verb>VERB) (?P<patient>NP)",
    r"(?P<agent>WORD) (?P<verb>VERB) (?P<patient>NP)(?P<no>)",
)
QUESTIONS = shapes(
    r"by whom was (?P<patient>NP) (?P<verb>VERB)",
    r"who was (?P<patient>NP) (?P<verb>VERB) by",
    r"who was (?P<verb>VERB) by (?P<agent>WORD)",
    r"who was it that (?P<verb>VERB) (?P<patient>NP)",
    r"who was it that (?P<agent>WORD) (?P<verb>VERB)",
    r"whom did (?P<agent>WORD) (?P<verb>VERB)",
    r"(?P<asks>where|when) did (?P<agent>WORD) (?P<verb>VERB) (?P<patient>NP)",
    r"who (?P<verb>VERB) (?P<patient>NP)",
)
HAND, GET = ("|".join(word for part in PARTS for word in verbs[part]) for verbs in (HANDED, GOT))
PASSED_ON = [
    re.compile(rf"(?P<giver>[a-z]+) (?:{HAND}) the (?P<thing>[a-z]+) to (?P<taker>[a-z]+)"),
    re.compile(rf"(?P<taker>[a-z]+) (?:{GET}) the (?P<thing>[a-z]+) from (?P<giver>[a-z]+)"),
]
JOINT = re.compile(r",? (?:and later|and that|and|but|while|whereas|because|before|after) |, ")
OPENING = re.compile(r"^(?:although|everyone knew that|it is known that|first) ")
SETTING = re.compile(rf"\b(in (?:{'|'.join(TOWNS)})|on (?:{'|'.join(DAYS)}))\b".lower())


class Said(NamedTuple):
    """A deed that was done or, if `no`, was not; of a question, `ASKED` in one place."""

    agent: str
    meaning: str
    patient: str
    no: bool = False
    where: str = ""
    when: str = ""


def spelt(text: str) -> str:
    """The text in small letters, without its last sign, and with every typo undone.

    Raises:
        ValueError: if a word may stand for none or for several.
    """
    return re.sub(r"[a-z]+", lambda match: known_word(match[0]), text.lower()).rstrip(".?")


def known_word(word: str) -> str:
    (found,) = meant(word)
    return found


def event(clause: str) -> Said | None:
    """What a clause says was done, if that is what it says."""
    settings = SETTING.findall(clause)
    clause = " ".join(SETTING.sub("", clause).split())
    for shape in CLAUSES:
        match = shape.fullmatch(clause)
        if match:
            agent, verb, patient, no = match.group("agent", "verb", "patient", "no")
            if patient.startswith("no "):
                patient, no = f"a {patient[3:]}", "no"
            where, when = ("".join(text for text in settings if text.startswith(word)) for word in ("in ", "on "))
            return Said(agent, MEANING[verb], patient.replace("an ", "a "), bool(no), where, when)
    return None


def clauses(text: str) -> list[str]:
    return [OPENING.sub("", part) for part in JOINT.split(OPENING.sub("", text))]


def events(text: str) -> list[Said]:
    """All that a spelt text says was done or not, in the order in which it says so."""
    return [found for found in map(event, clauses(text)) if found]


def in_time(text: str) -> list[Said]:
    """The events in the order in which they happened, if the text tells an order; else none."""
    found = events(text)
    if " before " in text or (text.startswith("first ") and " and later " in text):
        return found
    return found[::-1] if " after " in text else []


def question(text: str) -> Said:
    """What a spelt question asks for.

    Raises:
        ValueError: if it has no shape that is known.
    """
    for shape in QUESTIONS:
        match = shape.fullmatch(text)
        if match:
            parts = match.groupdict()
            asks = parts.get("asks")
            said = Said(parts.get("agent") or ASKED, MEANING[parts["verb"]], parts.get("patient") or ASKED)
            return said._replace(**{asks: ASKED}) if asks else said
    raise ValueError(f"no question: {text}")


def passings(text: str) -> Iterator[tuple[str, str, str]]:
    """Who gave which thing to whom: (giver, taker, thing)."""
    for clause in clauses(text):
        for shape in PASSED_ON:
            match = shape.fullmatch(clause)
            if match:
                yield match["giver"], match["taker"], match["thing"]
