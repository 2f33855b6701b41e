"""Readers: the answer to every task's rows by reading them, the ladder's last rung.

They know the lexicon and the grammar, as a linguist would, and share no code with the builders: a row that they get
wrong is one whose label does not follow from its texts.
"""

from collections.abc import Callable

from datamodules.miniature.lexicon import (
    ENDS,
    GIVERS_REASONS,
    HOMOGRAPHS,
    JOBS,
    NOUNS,
    PARTS,
    PLAIN,
    POLAR,
    SITES,
    TAKERS_REASONS,
    VISIT,
)
from datamodules.miniature.reading import (
    ASKED,
    KIND_OF,
    Said,
    clauses,
    event,
    events,
    in_time,
    passings,
    question,
    spelt,
)

ENTAILED, UNKNOWN, CONTRADICTED = 0, 1, 2
SINGULAR = {"is", "was", "has", "belongs", "looks", "stands"}
PLURAL = {"are", "were", "have", "belong", "look", "stand"}
ONE, MANY = set(NOUNS), {noun.many for noun in NOUNS.values()}
ARTICLES = {"the", "a", "an"}
AFTER_ARTICLES = ONE | MANY | {*PLAIN, *SITES, *JOBS}
ADJECTIVES = {word: polarity for polarity in POLAR for part in PARTS for word in POLAR[polarity][part]}
GOOD_OF = {word: topic for topic in HOMOGRAPHS for part in PARTS for word in HOMOGRAPHS[topic][part]}
VISITED = {"day", "journey", *SITES}
Texts = tuple[str, ...]


def cola(texts: Texts) -> int:
    """Are articles in their places, and does the last verb agree with the first noun?"""
    words = spelt(texts[0]).split()
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in ARTICLES and following not in AFTER_ARTICLES:
            return 0
        if word in PLAIN and following in ARTICLES:
            return 0
    subject = next(word for word in words if word in ONE | MANY)
    verb = next(word for word in reversed(words) if word in SINGULAR | PLURAL)
    return int((subject in ONE) == (verb in SINGULAR))


def polarity(words: list[str], at: int) -> int | None:
    """Of the adjective that stands there, if it is one that says good or bad."""
    word = words[at]
    if word in GOOD_OF:
        return int(bool(VISITED & set(words)) == (GOOD_OF[word] == VISIT))
    un = word not in ADJECTIVES and word.startswith("un")
    plain = ADJECTIVES.get(word.removeprefix("un") if un else word)
    return None if plain is None else plain ^ un ^ (words[at - 1] == "not")


def sst2(texts: Texts) -> int:
    words = spelt(texts[0]).replace(",", "").split()
    (found,) = (said for at in range(len(words)) if (said := polarity(words, at)) is not None)
    return found


def mrpc(texts: Texts) -> int:
    one, two = (set(events(spelt(text))) for text in texts)
    return int(one == two)


def qqp(texts: Texts) -> int:
    one, two = (question(spelt(text)) for text in texts)
    return int(one == two)


def stsb(texts: Texts) -> int:
    """How many are common: both deeds; and of a deed that is in both who, to what, whether where, whether when."""
    one, two = (events(spelt(text)) for text in texts)
    pairs = [(here, there) for here in one for there in two if here.meaning == there.meaning]
    here, there = pairs[0]
    return (len(pairs) == 2) + sum(here[at] == there[at] for at in (0, 2, 4, 5))


def qnli(texts: Texts) -> int:
    """Is there an event that differs from what is asked only where the question asks?"""
    asked, told = question(spelt(texts[0])), events(spelt(texts[1]))
    for one in told:
        pairs = [(wanted, said) for wanted, said in zip(asked, one, strict=True) if wanted not in ("", ASKED)]
        if all(wanted == said for wanted, said in pairs) and one[asked.index(ASKED)]:
            return 0
    return 1


def wnli(texts: Texts) -> int:
    """A taker has a taker's reason, a giver a giver's; who the hypothesis names is one of the two."""
    premise, hypothesis = map(spelt, texts)
    ((giver, taker, _),) = passings(premise)
    name, _, reason = hypothesis.partition(" ")
    assert reason == premise.split(" because ")[1].partition(" ")[2]
    takers = any(reason in TAKERS_REASONS[part] for part in PARTS)
    assert takers != any(reason in GIVERS_REASONS[part] for part in PARTS)
    return int(name == (taker if takers else giver))


def holder(text: str) -> tuple[str, str] | None:
    """Who has what now: (person, thing)."""
    words = text.split()
    if words[-1] != "now":
        return None
    return (words[0], words[3]) if words[1] == "has" else (words[4], words[1])


def of_one(known: Said, asked: Said) -> int:
    """What follows from one event for another with the same agent and verb."""
    if known.patient == asked.patient:
        return ENTAILED if known.no == asked.no else CONTRADICTED
    narrow, wide = (asked, known) if known.no else (known, asked)
    if narrow.patient.startswith("a ") and KIND_OF[narrow.patient[2:]] == wide.patient[2:]:  # every fox is an animal
        return ENTAILED if known.no == asked.no else CONTRADICTED
    return UNKNOWN


def inference(texts: Texts) -> int:
    premise, hypothesis = map(spelt, texts)
    now = holder(hypothesis)
    if now:
        ((giver, taker, thing),) = passings(premise)
        return {(taker, thing): ENTAILED, (giver, thing): CONTRADICTED}.get(now, UNKNOWN)
    order = in_time(hypothesis)
    if order:
        known = in_time(premise)
        return ENTAILED if order == known else CONTRADICTED if order == known[::-1] else UNKNOWN
    asked = event(hypothesis)
    assert asked
    known = [one for one in events(premise) if (one.agent, one.meaning) == (asked.agent, asked.meaning)]
    return of_one(known[0], asked) if known else UNKNOWN


def rte(texts: Texts) -> int:
    return int(inference(texts) != ENTAILED)


def fits_opinion(first: str, second: str, ending: str) -> bool:
    """Does whose thing it is do with it what one does with good things, or with bad ones, whichever it is?"""
    opinion = next(words for words in map(str.split, clauses(first)) if words[0] == "the" and words[2] == "that")
    good = polarity(opinion, len(opinion) - 1)
    assert good is not None
    noun, name, said = opinion[1], opinion[3], ending.split()
    return name in second.split() and noun in said and bool(set(ENDS[good]) & set(said))


def choice(texts: Texts) -> int:
    """The one ending that fits."""
    first, second, *endings = map(spelt, texts)
    if second in ("it was true that", "it is true that"):
        fitting = [inference((first, ending)) == ENTAILED for ending in endings]
    else:
        fitting = [fits_opinion(first, second, ending) for ending in endings]
    assert sum(fitting) == 1
    return fitting.index(True)


def probe(text: str, gap: str, candidates: tuple[str, str]) -> str:
    """The one candidate that agrees, or that makes an opinion and its consequence of one polarity."""
    fitting = [word for word in candidates if coherent(text.replace(gap, word))]
    assert len(fitting) == 1
    return fitting[0]


def coherent(text: str) -> bool:
    first, _, second = text.partition(". ")
    if not second:
        return cola((first,)) == 1
    words = spelt(first).replace(",", "").split()
    (good,) = (found for at in range(len(words)) if (found := polarity(words, at)) is not None)
    return bool(set(ENDS[good]) & set(spelt(second).replace(",", "").split()))


READERS: dict[str, Callable[[Texts], int]] = {
    "cola": cola, "sst2": sst2, "mrpc": mrpc, "stsb": stsb, "qqp": qqp, "mnli": inference, "qnli": qnli, "rte": rte,
    "wnli": wnli, "ax": inference, "choice": choice,
}  # fmt: skip
