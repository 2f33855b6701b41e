"""Documents: each a fresh small world, told as chains of events.

A paragraph follows one person who comes upon something good or bad. Facts last for a document; only what words mean,
which kinds things are of and how sentences are built is the same in all documents.
"""

from random import Random
from typing import NamedTuple

from datamodules.miniature.grammar import Event, Slots, Transfer, clause, numbered, sentence
from datamodules.miniature.lexicon import (
    DEEDS,
    FACTS,
    FAVOURS,
    GIVERS_REASONS,
    GOT,
    HANDED,
    HOMOGRAPHS,
    NOUNS,
    PARTS,
    PEOPLE,
    POLAR,
    TAKERS_REASONS,
    THING,
    TRAIN,
    USES_OF,
    VISIT,
    WORDS,
    Verb,
    Zipf,
    an,
    stream,
)
from datamodules.miniature.templates import AGREED, MIDDLES, OF_ITS_KIND, TOPICS, WISHES

CAST = {"name": 5, "noun": 6, "town": 2, "site": 3}
RANKED = {key: Zipf(WORDS[key]) for key in CAST}
ALL = {
    "opposite": {polarity: POLAR[polarity][TRAIN] for polarity in POLAR},  # no un- of the other parts in the corpus
    "polar": {polarity: [word for part in PARTS for word in POLAR[polarity][part]] for polarity in POLAR},
    "homograph": {topic: [word for part in PARTS for word in HOMOGRAPHS[topic][part]] for topic in HOMOGRAPHS},
    "handed": [word for part in PARTS for word in HANDED[part]],
    "got": [word for part in PARTS for word in GOT[part]],
    "taker": [text for part in PARTS for text in TAKERS_REASONS[part]],
    "giver": [text for part in PARTS for text in GIVERS_REASONS[part]],
}


class Told(NamedTuple):
    """What a line says has happened; lines are counted from 0 in the whole document."""

    line: int
    what: Event | Transfer


class Document(NamedTuple):
    """Paragraphs of sentences, and all that they say has happened."""

    paragraphs: list[list[str]]
    told: list[Told]
    kinds: dict[str, str]  # the sense of each thing in this document
    owners: dict[str, str]  # in the end
    people: list[str]

    @property
    def text(self) -> str:
        """One sentence a line, a blank line between paragraphs."""
        return "\n\n".join("\n".join(lines) for lines in self.paragraphs)


class Story(Slots):
    """A document's entities, its lasting facts, and what has happened so far."""

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self.own = {key: self.distinct(key, count) for key, count in CAST.items()}
        self.kinds = {noun: rng.choice(NOUNS[noun].kinds) for noun in self.own["noun"]}
        self.owners = {noun: rng.choice(self.own["name"]) for noun in self.own["noun"]}
        self.facts = [Event(owner, FACTS[0], f"the {noun}") for noun, owner in self.owners.items()]
        self.facts += [Event(name, FACTS[rng.randint(1, 2)], f"the {self['noun']}") for name in self.own["name"]]
        self.told: list[Told] = []
        self.denied: set[tuple[str, str, Verb]] = set()
        self.line, self.polarity, self.topic = 0, 0, 0

    def distinct(self, key: str, count: int) -> list[str]:
        """Draw the document's entities by Zipf's law."""
        drawn: dict[str, None] = {}  # a set would come out in an order that differs between processes
        while len(drawn) < count:
            drawn[RANKED[key].draw(self.rng)] = None
        return list(drawn)

    def __missing__(self, key: str) -> str:
        if key in self.own:
            return self.rng.choice(self.own[key])
        told = SAYS.get(key)
        return told(self) if told else super().__missing__(key)

    # ---- opinions ----------------------------------------------------------------------------------------------------

    def adjective(self) -> str:
        """A word of the paragraph's polarity: plain, a homograph in this sense, or the opposite with un-."""
        chance = self.rng.random()
        if chance < 0.15:
            return self.rng.choice(ALL["homograph"][self.topic if self.polarity else 1 - self.topic])
        if chance < 0.2:
            return "un" + self.rng.choice(ALL["opposite"][1 - self.polarity])
        return self.rng.choice(ALL["polar"][self.polarity])

    def quality(self) -> str:
        if self.rng.random() < 0.12:
            return f"not {self.rng.choice(ALL['polar'][1 - self.polarity])}"
        return self.adjective()

    # ---- events ------------------------------------------------------------------------------------------------------

    def tell(self, event: Event) -> Event:
        self.told.append(Told(self.line, event))
        return event

    def happening(self) -> Event:
        """Let something pass between two of the people, or befall a thing; never what was denied."""
        while True:
            agent, patient = self.rng.sample(self.own["name"], 2)
            kinds = FAVOURS if self.rng.random() < 0.4 else DEEDS
            event = Event(agent, self.rng.choice(kinds), patient if kinds is FAVOURS else f"the {self['noun']}")
            if (event.agent, event.patient, event.verbs[0]) not in self.denied:
                return event

    def deed(self) -> str:
        return clause(self.rng, self.tell(self.happening()))

    def undone(self) -> str:
        """Deny what was not told. It is not told later either."""
        event = self.happening()
        while any(event[:3] == told.what[:3] for told in self.told):
            event = self.happening()
        self.denied.add((event.agent, event.patient, event.verbs[0]))
        return clause(self.rng, event, negated=True)

    def known(self) -> Event:
        """Something that has been told before, or lasts."""
        told = [one.what for one in self.told if isinstance(one.what, Event)]
        return self.rng.choice(told)._replace(place="", day="") if told else self.rng.choice(self.facts)

    def retold(self) -> str:
        """The same in other words: where pre-training meets synonyms and the passive."""
        return clause(self.rng, self.known())

    def heard(self) -> str:
        event = self.known()
        speaker = self.rng.choice([name for name in self.own["name"] if name not in (event.agent, event.patient)])
        return f"{speaker} {self.rng.choice(('heard', 'remembered', 'said'))} that {clause(self.rng, event)}"

    def fact(self) -> str:
        return clause(self.rng, self.rng.choice(self.facts))

    def did(self) -> str:
        event = self.tell(Event(self["hero"], self.rng.choice(DEEDS), f"the {self['noun']}"))
        return f"{self.rng.choice(event.verbs).past} {event.patient}"

    def moved(self) -> str:
        """Let a thing pass from its owner to somebody else, told from either side."""
        noun = self["noun"]
        giver = self.owners[noun]
        taker = self.rng.choice([name for name in self.own["name"] if name != giver])
        self.owners[noun] = taker
        self.facts = [fact for fact in self.facts if fact.verbs is not FACTS[0] or fact.patient != f"the {noun}"]
        self.told.append(Told(self.line, Transfer(giver, taker, noun)))
        if self.rng.random() < 0.5:
            return f"{giver} {self.rng.choice(ALL['handed'])} the {noun} to {taker}"
        return f"{taker} {self.rng.choice(ALL['got'])} the {noun} from {giver}"

    def reason(self) -> str:
        """Why it passed: a taker's reason or a giver's, with a pronoun."""
        transfer = self.told[-1].what
        assert isinstance(transfer, Transfer)
        side = "taker" if self.rng.random() < 0.5 else "giver"
        they = PEOPLE[transfer.taker if side == "taker" else transfer.giver].they
        return f"{they} {self.rng.choice(ALL[side])}"

    # ---- paragraphs --------------------------------------------------------------------------------------------------

    def cast(self) -> None:
        """Choose whom and what the next paragraph is about: none of it depends on the polarity."""
        self.polarity, self.topic = self.rng.randrange(2), self.rng.randrange(2)
        hero, friend = self.rng.sample(self.own["name"], 2)
        town, home = self.rng.sample(self.own["town"], 2)
        thing = self.rng.choice(self.own["noun"])
        self.clear()
        self.update(hero=hero, they=PEOPLE[hero].they, them=PEOPLE[hero].them, friend=friend, town=town, home=home)
        self.update(thing=thing, a_thing=an(thing), when=self.rng.choice(WORDS["day"]))
        if self.topic == VISIT:  # what is said of the place is said of one place
            self["site"] = self["site"]

    def say(self, template: str) -> str:
        """Fill one line. A line about a thing's kind, or about a thing that changes hands, chooses the thing first."""
        if template in OF_ITS_KIND:
            noun = self["noun"]
            first, second, usual = USES_OF[self.kinds[noun]]
            self.update(it=noun, kind=self.kinds[noun], use=self.rng.choice((first, second)), usual=usual)
        text = sentence(template.format_map(self))
        self.line += 1
        return text

    def opening(self, template: str) -> str:
        """How the paragraph begins: the hero comes by a thing, or comes to a place."""
        if self.topic == THING:
            place = f"at the {self['site']} in {self['town']}" if "{site} in {town}" in template else ""
            if place:
                self["site"] = place.split()[2]
            day = f"on {self['when']}" if "{when}" in template else ""
            event = self.tell(Event(self["hero"], self.rng.choice(DEEDS), f"the {self['thing']}", place, day))
            self["got"] = self.rng.choice(event.verbs).past
        text = self.say(template)
        if self.topic == THING:
            self.pop("site", None)
        return text

    def paragraph(self, size: int) -> list[str]:
        """Tell an opening, what happened meanwhile, and one or two consequences, in `size` >= 3 lines."""
        rng = self.rng
        self.cast()
        openings, consequences = TOPICS[self.topic]
        wish = [self.say(rng.choice(WISHES))] if size > 4 and rng.random() < 0.4 else []
        first = self.opening(rng.choice(openings))
        endings = rng.sample(consequences, min(2, size - 2))
        left = size - 1 - len(wish) - len(endings)
        middle = rng.sample(AGREED[self.topic], 1 + (left > 2))
        middle += [rng.choice(rng.choice(MIDDLES)) for _ in range(left - len(middle))]
        rng.shuffle(middle)
        endings = [numbered(ending, self.polarity, self.polarity) for ending in endings]
        return [*wish, first, *map(self.say, (*middle, *endings))]


SAYS = {
    "adjective": Story.adjective, "an_adjective": lambda story: an(story.adjective()), "quality": Story.quality,
    "deed": Story.deed, "undone": Story.undone, "retold": Story.retold, "heard": Story.heard, "fact": Story.fact,
    "did": Story.did, "moved": Story.moved, "reason": Story.reason,
}  # fmt: skip


def document(*names: object) -> Document:
    """The document of these names: 6-14 sentences in 1-3 paragraphs. Nothing but the names decides what it says."""
    rng = stream("document", *names)
    sizes = [3] * rng.randint(1, 3)
    for _ in range(rng.randint(max(6, sum(sizes)), 14) - sum(sizes)):
        sizes[rng.randrange(len(sizes))] += 1
    story = Story(rng)
    paragraphs = [story.paragraph(size) for size in sizes]
    return Document(paragraphs, story.told, story.kinds, story.owners, story.own["name"])
