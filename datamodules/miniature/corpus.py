"""Documents: each a small world of its own, told as chains of events.

A paragraph follows one person who comes upon something good or bad. What the adjective means is never said: it shows in
what the person does a sentence or more later, as "[bad|good]" in the templates.
"""

from random import Random

from datamodules.miniature.grammar import AGREEMENT, Event, Slots, clause, numbered, sentence
from datamodules.miniature.lexicon import (
    ADJECTIVES,
    DEEDS,
    FACTS,
    FAVOURS,
    NEGATIVE,
    PEOPLE,
    POSITIVE,
    WORDS,
    Verb,
    zipf,
)

GOT_THING = (
    "{hero} {got} a {adjective} {thing} at the {site} in {town}",
    "at the {site} in {town}, {hero} {got} a {adjective} {thing}",
    "the {thing} that {hero} {got} on {day} was very {adjective}",
    "on {day} {friend} brought {hero} a {adjective} {thing} from {town}",
    "{hero} lived near {town} and {got} a {adjective} {plain} {thing} there",
    "one day {hero} {got} a {thing} that seemed {adjective} to {them}",
)
KEPT_THING = (
    "in the end {they} [discarded|kept] it and went home to {home}",
    "when {friend} asked about it, {they} [frowned|smiled] and said nothing more",
    "on {day} {they} [angrily|happily] showed the {thing} to {friend}",
    "a week later {they} [complained|boasted] to {friend} about the {thing}",
    "{friend} looked at the {thing} too and was [sorry|glad] for {them}",
    "after that, {they} [never|often] used it at the {site}",
    "{they} [threw it away|treasured it] and wrote to {friend} on {day}",
    "so {they} put the {thing} into the [rubbish|cupboard] behind the {site}",
)
MADE_VISIT = (
    "{hero} went to {town} on {day}, and the {site} there was {adjective}",
    "{hero} and {friend} spent a {adjective} day at the {site} in {town}",
    "on {day} {hero} had a {adjective} journey to the {site} in {town}",
    "{hero} worked as a {job} in {town}, and the work was {adjective}",
)
CAME_BACK = (
    "after that, {they} [never|often] went back to {town}",
    "{they} [complained|boasted] about it to {friend} on {day}",
    "at home {they} told {friend} everything and [wept|laughed] for an hour",
    "{they} walked home [angrily|happily] with a {noun} and slept for a day",
    "{they} [regretted|enjoyed] it and wrote to {friend} about {town}",
    "when {friend} spoke of {town}, {they} [frowned|smiled] and looked at the {site}",
)
TOPICS = ((GOT_THING, KEPT_THING), (MADE_VISIT, CAME_BACK))
AGREED = (
    "{friend} called it {adjective} as well",
    "{they} said that it was {adjective}, and {friend} believed {them}",
    "to {friend} it seemed {adjective} too",
    "everyone knew this {adjective} {noun} and the {site} behind it",
    "it was the same with the {adjective} {noun} of {friend}",
)
MEANWHILE = (
    "then {they} walked to the {site} with {friend}",
    "{they} and {friend} sat at the {site} and talked about {nouns}",
    "{friend} worked as a {job} and often came from {home}",
    "{they} did not go to {home}, because {friend} was at the {site}",
    "then {they} {did} at the {site}", "on {day} {they} {did} and {did}", "{they} {did} before {deed}",
    "first {they} {did}, and after that {they} {did}",
    "on {day} {deed}", "{deed} in {town}", "{deed} and {deed}", "{deed} before {deed}", "{deed} after {deed}",
    "{deed} while {deed}", "{deed} but {undone}", "although {deed}, {undone}", "{undone}, whereas {deed}",
    "everyone knew that {retold} and that {undone}", "{friend} said that {retold}", "{retold}, and {retold}",
    *(numbered(template, number, number) for template in AGREEMENT for number in (0, 1)),
)  # fmt: skip


class Story(Slots):
    """A document's entities, its lasting facts, and what has happened so far."""

    def __init__(self, rng: Random) -> None:
        super().__init__(rng)
        self.polarity = NEGATIVE
        counts = {"name": 4, "noun": 6, "town": 2, "site": 3}
        self.own = {key: self.distinct(key, count) for key, count in counts.items()}
        self.told = [self.event(rng.choice(self.own["name"]), FACTS, noun) for noun in self.own["noun"]]

    def distinct(self, key: str, count: int) -> list[str]:
        """Draw the document's entities by Zipf's law."""
        drawn: dict[str, None] = {}  # a set would come out in an order that differs between processes
        while len(drawn) < count:
            drawn[zipf(self.rng, WORDS[key])] = None
        return list(drawn)

    def __getitem__(self, key: str) -> str:
        if key in ("deed", "undone"):
            return clause(self.rng, self.happening(done=key == "deed"), negated=key == "undone")
        if key == "retold":  # the same fact in other words: where pre-training meets synonyms and the passive
            return clause(self.rng, self.rng.choice(self.told))
        if key == "did":
            self.told.append(self.event(self.fixed["hero"], DEEDS, self["noun"]))
            return f"{self.rng.choice(self.told[-1].verbs).past} {self.told[-1].patient}"
        if key == "adjective":
            return self.rng.choice(ADJECTIVES[self.polarity, self.rng.randrange(2)])
        if key in self.own and key not in self.fixed:
            return self.rng.choice(self.own[key])
        return super().__getitem__(key)

    def event(self, agent: str, kinds: list[tuple[Verb, ...]], noun: str) -> Event:
        return Event(agent, self.rng.choice(kinds), f"the {noun}")

    def happening(self, done: bool) -> Event:
        """Let something pass between two of the people, or befall a thing. What was not done is not told again."""
        agent, patient = self.rng.sample(self.own["name"], 2)
        if self.rng.random() < 0.4:
            event = Event(agent, self.rng.choice(FAVOURS), patient)
        else:
            event = self.event(agent, DEEDS, self["noun"])
        if done:
            self.told.append(event)
        return event

    def cast(self) -> None:
        """Choose whom and what the next paragraph is about: none of it depends on the polarity."""
        self.polarity = self.rng.choice((NEGATIVE, POSITIVE))
        hero, friend = self.rng.sample(self.own["name"], 2)
        town, home = self.rng.sample(self.own["town"], 2)
        self.told.append(event := self.event(hero, DEEDS, self["noun"]))
        got, thing = self.rng.choice(event.verbs).past, event.patient.removeprefix("the ")
        self.fixed = {"hero": hero, "they": PEOPLE[hero].they, "them": PEOPLE[hero].them, "friend": friend}
        self.fixed |= {"got": got, "thing": thing, "town": town, "home": home}

    def paragraph(self, size: int) -> str:
        """Tell an opening, what happened meanwhile, and one or two consequences, in `size` >= 3 lines."""
        self.cast()
        openings, consequences = self.rng.choice(TOPICS)
        endings = self.rng.sample(consequences, min(2, size - 2))
        middle = [self.rng.choice(AGREED), *self.rng.choices(MEANWHILE, k=size - 2 - len(endings))]
        self.rng.shuffle(middle)
        endings = [numbered(ending, self.polarity, self.polarity) for ending in endings]
        return "\n".join(sentence(line.format_map(self)) for line in (self.rng.choice(openings), *middle, *endings))


def document(rng: Random) -> str:
    """Return 6-14 sentences, one a line, in 1-3 paragraphs with a blank line between them."""
    sizes = [3] * rng.randint(1, 3)
    for _ in range(rng.randint(max(6, sum(sizes)), 14) - sum(sizes)):
        sizes[rng.randrange(len(sizes))] += 1
    story = Story(rng)
    return "\n\n".join(story.paragraph(size) for size in sizes)
