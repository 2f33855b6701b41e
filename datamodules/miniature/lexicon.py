"""The words of the miniature world. They depend on `LANGUAGE` alone: a seed tells other stories in the same language.

Every word that can decide a label belongs to a part: training rows are made of the first part's words, and half of the
rows of validation and test of words that occur in the corpus but in no training set.
"""

from bisect import bisect_right
from itertools import accumulate, product
from random import Random
from typing import NamedTuple, TypeVar

from datamodules.miniature import vocabulary

WORLD = 3  # raised by hand whenever a generated word, document or row changes
LANGUAGE = 2  # what words are coined from, and all else drawn: a mended task leaves the words and the documents alone

NEGATIVE, POSITIVE = 0, 1  # polarity of an adjective; also the label of sst2
PARTS = TRAIN, VALIDATION, TEST = 0, 1, 2
THING, VISIT = 0, 1  # what an opinion is about; a homograph's polarity depends on it

T = TypeVar("T")


class Person(NamedTuple):
    """A name and its pronoun, as subject and as object."""

    name: str
    they: str
    them: str


class Verb(NamedTuple):
    """`past` serves as participle too: no verb of this world needs a third form."""

    base: str
    past: str


class Noun(NamedTuple):
    """`kinds` are two for a homograph, which of them it is shows in its context; else one."""

    one: str
    many: str
    kinds: tuple[str, ...]
    part: int


def stream(*names: object) -> Random:
    """Return the generator that belongs to these names. Text seeds pass through SHA-512, never through `hash()`."""
    return Random("/".join(map(str, (LANGUAGE, *names))))


class Zipf:
    """Draws the k-th of a list with a probability of 1 / k, in arithmetic that is the same on every machine."""

    def __init__(self, ranked: list[str], resolution: int = 8192) -> None:
        sums = list(accumulate(1 / rank for rank in range(1, len(ranked) + 1)))
        self.table = [ranked[bisect_right(sums, (at + 0.5) / resolution * sums[-1])] for at in range(resolution)]

    def draw(self, rng: Random) -> str:
        return self.table[int(rng.random() * len(self.table))]


def words(text: str) -> list[str]:
    return text.split()


def plural(noun: str) -> str:
    if noun.endswith(("ch", "sh", "s", "x", "z")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"


def an(word: str) -> str:
    """The word behind its indefinite article."""
    return f"an {word}" if word[0] in "aeiou" else f"a {word}"


def verb(entry: str) -> Verb:
    """Read "buy:bought", or "mend" if the past is regular."""
    base, _, past = entry.partition(":")
    if not past:
        past = base[:-1] + "ied" if base.endswith("ry") else base + ("d" if base.endswith("e") else "ed")
    return Verb(base, past)


def synonyms(text: str) -> list[tuple[Verb, ...]]:
    """Read groups of verbs with one meaning, separated by commas."""
    return [tuple(map(verb, group.split())) for group in text.split(",")]


def coined(count: int, *parts: str) -> list[str]:
    """Invent `count` words, each with one piece out of every part."""
    return stream("coined", *parts).sample(["".join(pieces) for pieces in product(*map(words, parts))], count)


def by_part(members: list[T]) -> dict[int, list[T]]:
    """Deal a list out to the three parts."""
    return {part: members[part::3] for part in PARTS}


SUFFIXES = words("ful ous ish y ive some")
STEMS = coined(690, "bl br d dr fl gl gr j kl kr m pl pr sk sl sn st str tr v", "a e i o u", "b d lk lm n nd p rt v")


def adjectives(stems: list[str], first: int) -> list[str]:
    """Every second stem with a suffix; suffixes are as frequent in every group and part."""
    return [stem + SUFFIXES[number // 3 % 6] for number, stem in enumerate(stems[first::2])]


# By part: 100 of either polarity, with an opposite in un-; and 15 that are good of things and bad of visits, or so.
POLAR = {polarity: by_part(adjectives(STEMS[:600], polarity)) for polarity in (NEGATIVE, POSITIVE)}
HOMOGRAPHS = {good_of: by_part(adjectives(STEMS[600:], good_of)) for good_of in (THING, VISIT)}

NAME_PARTS = ("b d f h j k l m n p r s t v z br", "a e i o u", "d l m n r v l lm nd rt")
WOMEN = [Person(name.title(), "she", "her") for name in coined(150, *NAME_PARTS, "a ia i ena")]
MEN = [Person(name.title(), "he", "him") for name in coined(150, *NAME_PARTS, "an or ek us")]
PEOPLE = {person.name: person for pair in zip(WOMEN, MEN, strict=True) for person in pair}
TOWN_PARTS = ("b d g h k l m n r s t w", "a e i o u", "l n r st", "ford ham ton wick bury")
TOWNS = [town.title() for town in coined(60, *TOWN_PARTS)]

KINDS = list(vocabulary.KINDS)


def uses(entry: str) -> tuple[str, str, str]:
    """Read "fed groomed, in the stable": two things that one does with a kind, and where or when."""
    verbs, usual = entry.split(", ")
    first, second = verbs.split()
    return first.replace(":", " "), second.replace(":", " "), usual


USES_OF = {kind: uses(entry) for kind, entry in vocabulary.USES.items()}
KIND_NOUNS = {kind: words(members) for kind, members in vocabulary.KINDS.items()}
TWOFOLD = coined(60, "b d f g k l m n p r s t v z", "a e i o u", "b d g k l m n p r t", "ock el ab im une")


def nouns() -> dict[str, Noun]:
    """All names of things: 25 of each kind, and 60 invented ones that name two kinds."""
    found = [
        Noun(one, plural(one), (kind,), number % 3)
        for kind in KINDS
        for number, one in enumerate(KIND_NOUNS[kind])
    ]  # fmt: skip
    for number, one in enumerate(TWOFOLD):  # five times round, with another distance between the two kinds each time
        first, second = KINDS[number % 12], KINDS[(number + 1 + number // 12) % 12]
        found.append(Noun(one, plural(one), (first, second), number // 2 % 3))
    stream("nouns").shuffle(found)  # so that the frequent ones are of no one kind
    return {noun.one: noun for noun in found}


NOUNS = nouns()
PLAIN_NOUNS = {name: noun for name, noun in NOUNS.items() if len(noun.kinds) == 1}
SITES, JOBS, PLAIN, DAYS, NEAR = (
    words(text) for text in (vocabulary.SITES, vocabulary.JOBS, vocabulary.PLAIN, vocabulary.DAYS, vocabulary.NEAR)
)
DEEDS, FAVOURS, FACTS = map(synonyms, (vocabulary.DEEDS, vocabulary.FAVOURS, vocabulary.FACTS))
HANDED, GOT = by_part(words(vocabulary.HANDED)), by_part(words(vocabulary.GOT))
TAKERS_REASONS, GIVERS_REASONS = by_part([*vocabulary.TAKERS_REASONS]), by_part([*vocabulary.GIVERS_REASONS])
ENDS = {NEGATIVE: words(vocabulary.BAD_ENDS), POSITIVE: words(vocabulary.GOOD_ENDS)}
EVENTS_BY_PART = {kind: by_part(groups) for kind, groups in (("deed", DEEDS), ("favour", FAVOURS))}
NOUNS_BY_PART = {part: [name for name, noun in PLAIN_NOUNS.items() if noun.part == part] for part in PARTS}

WORDS = {
    "name": list(PEOPLE), "town": TOWNS, "noun": list(NOUNS), "nouns": [noun.many for noun in NOUNS.values()],
    "other": [form for noun in NOUNS.values() for form in (noun.one, noun.many)],
    "site": SITES, "job": JOBS, "plain": PLAIN, "day": DAYS, "near": NEAR,
}  # fmt: skip
KNOWN_FORMS = {form.lower() for forms in WORDS.values() for form in forms} | set(KINDS)
KNOWN_FORMS |= set(words(vocabulary.FUNCTION_WORDS))
KNOWN_FORMS |= {form for group in (*DEEDS, *FAVOURS, *FACTS) for verb in group for form in verb}
KNOWN_FORMS |= {
    un + word
    for un in ("", "un")
    for groups in (*POLAR.values(), *HOMOGRAPHS.values())
    for members in groups.values()
    for word in members
}


def exchanged(word: str) -> set[str]:
    """What comes of it when two neighbouring letters change places."""
    return {word[:at] + word[at + 1] + word[at] + word[at + 2 :] for at in range(len(word) - 1)} - {word}


def meant(word: str) -> set[str]:
    """The known words, in small letters, that this may stand for: itself, or those one exchange away."""
    word = word.lower()
    return {word} & KNOWN_FORMS or exchanged(word) & KNOWN_FORMS
