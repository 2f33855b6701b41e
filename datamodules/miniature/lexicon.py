"""The words of the miniature world. They depend on `WORLD` alone: a seed tells other stories in the same language."""

from collections.abc import Iterable
from itertools import combinations, product
from random import Random
from typing import NamedTuple

WORLD = 1  # raised by hand whenever a generated word, document or row changes

NEGATIVE, POSITIVE = 0, 1  # polarity of an adjective; also the label of sst2
SEEN, UNSEEN = 0, 1  # half of the adjectives: in the training rows of sst2, or in the corpus only


class Person(NamedTuple):
    """A name and its pronoun, as subject and as object."""

    name: str
    they: str
    them: str


class Verb(NamedTuple):
    """`past` serves as participle too: no verb of this world needs a third form."""

    base: str
    past: str


def stream(*names: object) -> Random:
    """Return the generator that belongs to these names. Text seeds pass through SHA-512, never through `hash()`."""
    return Random("/".join(map(str, (WORLD, *names))))


def zipf(rng: Random, ranked: list[str]) -> str:
    """Draw the k-th word with a probability near 1 / k: the logarithm of the rank is uniform."""
    return ranked[int((len(ranked) + 1) ** rng.random()) - 1]


def words(text: str) -> list[str]:
    return text.split()


def plural(noun: str) -> str:
    if noun.endswith(("ch", "sh", "s", "x")):
        return noun + "es"
    return noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"


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


def adjectives(stems: Iterable[str]) -> dict[tuple[int, int], list[str]]:
    """Return words by (polarity, half). A stem's two words share both; suffixes are alike in all four groups."""
    pairs = list(combinations(("ful", "ous", "ish", "y", "ive", "some"), 2))
    groups: dict[tuple[int, int], list[str]] = {(p, h): [] for p in (NEGATIVE, POSITIVE) for h in (SEEN, UNSEEN)}
    for number, stem in enumerate(stems):
        groups[number % 2, number // 2 % 2] += [stem + suffix for suffix in pairs[number // 4 % len(pairs)]]
    return groups


STEM_PARTS = ("bl br d dr fl gl gr j kl kr m pl pr sk sl sn st str tr v", "a e i o u", "b d lk lm n nd p rt v")
ADJECTIVES = adjectives(coined(160, *STEM_PARTS))

NAME_PARTS = ("b d f h j k l m n p r s t v z br", "a e i o u", "d l m n r v l lm nd rt")
WOMEN = [Person(name.title(), "she", "her") for name in coined(150, *NAME_PARTS, "a ia i ena")]
MEN = [Person(name.title(), "he", "him") for name in coined(150, *NAME_PARTS, "an or ek us")]
PEOPLE = {person.name: person for pair in zip(WOMEN, MEN, strict=True) for person in pair}
TOWN_PARTS = ("b d g h k l m n r s t w", "a e i o u", "l n r st", "ford ham ton wick bury")
TOWNS = [town.title() for town in coined(60, *TOWN_PARTS)]

THINGS = words("""lamp drum coat kettle ladder violin basket mirror hammer scarf bucket blanket carpet clock compass
 cup desk doll flute glove guitar harp hat helmet jacket jar jug key kite knife lantern lock mug needle painting pan
 pen pencil piano pillow pipe plate pot purse puzzle rake ring robe rope saddle shirt shovel skirt sofa spade spoon
 stool stove suitcase sweater sword table teapot telescope tent toy tray trumpet trunk vase wagon wallet watch wheel
 whistle bag bed bell belt bench bicycle boat book boot bottle bowl box bracelet broom brush button cabinet camera
 candle cap card chain chair chest coin comb cradle crown cushion diary dish drawer dress fan fork map""")
stream("things").shuffle(THINGS)  # so that the frequent ones are of no one kind
SITES = words("""market station harbour library garden school church mill farm castle bridge kitchen museum theatre
 bakery workshop tower hotel park hospital forest river meadow tavern barn cellar chapel square stable bank court
 shop pier valley hall gallery lake cottage palace port""")
JOBS = words("""baker farmer teacher sailor painter doctor driver singer weaver miller gardener dancer builder
 writer hunter fisher lawyer printer potter tailor barber butcher carpenter clerk cook judge nurse pilot shepherd""")
PLAIN = words("""red green blue yellow black white brown grey small large round wooden long short thick thin new
 heavy light flat dark narrow wide tall""")
DAYS = words("Monday Tuesday Wednesday Thursday Friday Saturday Sunday")

# What a person does to a thing, and to a person. No verb is symmetric ("meet"): swapped roles say something else.
DEEDS = synonyms("""buy:bought purchase, find:found discover, repair mend, clean wash, collect gather, examine inspect,
 build:built construct, paint decorate, move shift, lift raise, carry transport, order request, hold:held grasp,
 select pick, describe portray, notice observe, need require, polish rub:rubbed, cover wrap:wrapped""")
FAVOURS = synonyms("""help assist, teach:taught instruct, call phone, guide lead:led, greet welcome, question interview,
 invite summon, support back, follow pursue, visit""")
FACTS = synonyms("own possess, like prefer:preferred")  # what a person is to a thing for as long as the document lasts

WORDS = {
    "name": list(PEOPLE), "town": TOWNS, "noun": THINGS, "nouns": [plural(noun) for noun in THINGS],
    "other": [form for noun in THINGS for form in (noun, plural(noun))],
    "site": SITES, "job": JOBS, "plain": PLAIN, "day": DAYS,
}  # fmt: skip
