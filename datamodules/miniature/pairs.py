"""The other tasks of two texts: paraphrase (mrpc, qqp), similarity (stsb), answers (qnli), pronouns (wnli)."""

from random import Random

from datamodules.miniature.grammar import Event, Transfer, clause, sentence
from datamodules.miniature.inference import MATCHED, NAMES, transferred, two_events
from datamodules.miniature.lexicon import (
    DAYS,
    EVENTS_BY_PART,
    GIVERS_REASONS,
    MEN,
    NOUNS_BY_PART,
    TAKERS_REASONS,
    TOWNS,
    WOMEN,
    Verb,
)
from datamodules.miniature.sentences import Made

FACTS = ("deed", "who", "what", "where", "when")  # that two texts of stsb may have in common
AGENT, PATIENT = 0, 1  # what a question asks for


def two_verbs(rng: Random, kind: str, part: int, same: bool) -> tuple[Verb, Verb]:
    """Two different verbs with the same meaning, or with two meanings; each is as frequent either way."""
    groups = EVENTS_BY_PART[kind][part]
    first, other = rng.sample(groups, 2)
    one = rng.choice(first)
    return one, rng.choice([verb for verb in first if verb != one] if same else other)


def told(rng: Random, agent: str, verb: Verb, patient: str) -> str:
    return clause(rng, Event(agent, (verb,), patient))


def mrpc(rng: Random, label: int, part: int, split: str) -> Made:
    """The same in other words, or with roles swapped, patients exchanged, or a verb of another meaning."""
    change = rng.choice(("roles", "patients", "verb"))
    a, b = rng.sample(NAMES, 2)
    if change == "roles":
        one, two = two_verbs(rng, "favour", part, same=True)
        texts = told(rng, a, one, b), told(rng, *((a, two, b) if label else (b, two, a)))
    elif change == "verb":
        one, two = two_verbs(rng, "deed", part, same=bool(label))
        thing = f"the {rng.choice(NOUNS_BY_PART[part])}"
        texts = told(rng, a, one, thing), told(rng, a, two, thing)
    else:
        x, y = two_events(rng, part)
        again = (x, y) if label else (x._replace(patient=y.patient), y._replace(patient=x.patient))
        again = again if rng.random() < 0.5 else again[::-1]
        texts = tuple(f"{clause(rng, first)} and {clause(rng, second)}" for first, second in ((x, y), again))
    return Made((sentence(texts[0]), sentence(texts[1])), label, {"change": change})


def asked(rng: Random, about: int, verb: Verb, known: str) -> str:
    """Ask for the agent or for the patient of an event, in the active or in the passive."""
    if about == AGENT:
        text = rng.choice((f"who {verb.past} {known}", f"by whom was {known} {verb.past}"))
    else:
        text = rng.choice((f"whom did {known} {verb.base}", f"who was {verb.past} by {known}"))
    return text[0].upper() + text[1:] + "?"


# Of either participant: the same words in another order, so that neither the words nor their number tell which one.
SAME_WORDS = (
    ("who was {known} {past} by", "who was {past} by {known}"),
    ("who was it that {past} {known}", "who was it that {known} {past}"),
)


def qqp(rng: Random, label: int, part: int, split: str) -> Made:
    """The same question in other words, or one for the other participant, or about something else that was done."""
    change, about = rng.choice(("roles", "verb")), rng.randrange(2)
    verbs = two_verbs(rng, "favour", part, same=bool(label) or change == "roles")
    known = rng.choice(NAMES)
    again = about if label or change == "verb" else 1 - about
    one, two = (
        sentence(rng.choice(SAME_WORDS)[who].format(known=known, past=verb.past))[:-1] + "?"
        for who, verb in zip((about, again), verbs, strict=True)
    )
    return Made((one, two), label, {"change": change})


def with_settings(rng: Random, text: str, settings: list[str]) -> str:
    for setting in rng.sample(settings, len(settings)):
        text = f"{setting} {text}" if rng.random() < 0.5 else f"{text} {setting}"
    return text


def stsb(rng: Random, label: int, part: int, split: str) -> Made:
    """Two people did something to two things, one of them in a town and one of them on a day: `label` of five facts are
    common. One of the deeds may be another; who did which, to what, and which of them was where and when, may be
    exchanged, so that both texts always have the same names, things and settings.
    """
    changed = set(rng.sample(FACTS, 5 - label))
    names, things = rng.sample(NAMES, 2), [f"the {noun}" for noun in rng.sample(NOUNS_BY_PART[part], 2)]
    *groups, new = rng.sample(EVENTS_BY_PART["deed"][part], 3)
    said = [rng.sample(group, 2) for group in groups]
    if "deed" in changed:
        said[rng.randrange(2)][1] = rng.choice(new)
    settings = {"where": f"in {rng.choice(TOWNS)}", "when": f"on {rng.choice(DAYS)}"}
    home = {fact: rng.randrange(2) for fact in settings}
    texts = []
    for turn in (0, 1):
        swapped = {fact: bool(turn) and fact in changed for fact in FACTS}
        parts = []
        for at, verbs in enumerate(said):
            event = told(rng, names[at ^ swapped["who"]], verbs[turn], things[at ^ swapped["what"]])
            here = [text for fact, text in settings.items() if home[fact] ^ swapped[fact] == at]
            parts.append(with_settings(rng, event, here))
        texts.append(sentence(rng.choice(MATCHED).format(a=parts[0], b=parts[1])))
    return Made((texts[0], texts[1]), label, {"common": str(label)})


def qnli(rng: Random, label: int, part: int, split: str) -> Made:
    """Does the sentence say who, or where or when? If not, it says something else of the same things."""
    wanted = rng.choice(("who", "setting"))
    if wanted == "who":
        one, other = two_events(rng, part)
        text = f"{clause(rng, one)} and {clause(rng, other)}"
        question = asked(rng, AGENT, rng.choice(one.verbs), other.patient if label else one.patient)
        return Made((question, sentence(text)), label, {"asks": "who"})
    agent, thing = rng.choice(NAMES), f"the {rng.choice(NOUNS_BY_PART[part])}"
    one, two = two_verbs(rng, "deed", part, same=True)
    word = rng.choice(("where", "when"))
    setting = f"in {rng.choice(TOWNS)}" if (word == "where") != bool(label) else f"on {rng.choice(DAYS)}"
    question = f"{word.title()} did {agent} {one.base} {thing}?"
    return Made((question, sentence(f"{told(rng, agent, two, thing)} {setting}")), label, {"asks": word})


def wnli(rng: Random, label: int, part: int, split: str) -> Made:
    """Whose reason is it that a thing has passed on? The hypothesis puts a name in the pronoun's place."""
    people = rng.choice((WOMEN, MEN))
    giver, taker = rng.sample(people, 2)
    side = rng.choice(("giver", "taker"))
    reason = rng.choice((GIVERS_REASONS if side == "giver" else TAKERS_REASONS)[part])
    text = transferred(rng, Transfer(giver.name, taker.name, rng.choice(NOUNS_BY_PART[part])), part)
    named = giver if (side == "giver") == bool(label) else taker
    texts = sentence(f"{text} because {giver.they} {reason}"), sentence(f"{named.name} {reason}")
    return Made(texts, label, {"reason": f"the {side}'s"})
