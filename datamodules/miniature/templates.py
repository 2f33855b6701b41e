"""The sentences of the documents. "[bad|good]" follows the paragraph's polarity, which no other word of it depends on.

What an adjective means is never said: it shows in what a person does a sentence or more later.
"""

from datamodules.miniature.grammar import AGREEMENT, numbered

WISHES = (
    "{hero} wanted {a_thing} and went to {town}",
    "for a long time {hero} had looked for {a_thing}",
    "{friend} had told {hero} about the {site} in {town}",
    "{hero} needed {a_thing}, because the old one was too {plain}",
    "in those days {hero} lived in {home} and often went to {town}",
)
GOT_THING = (
    "{hero} {got} {an_adjective} {thing} at the {site} in {town}",
    "at the {site} in {town}, {hero} {got} {an_adjective} {thing}",
    "the {thing} that {hero} {got} on {when} was {quality}",
    "on {when} {hero} {got} {an_adjective} {thing} at the {site} in {town}",
    "one day {hero} {got} {a_thing} that seemed {quality} to {them}",
    "on {when} {hero} {got} a {plain} {thing}, and it was {quality}",
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
    "for the rest of the year {they} [avoided|praised] the {thing}",
    "{they} told everyone in {home} that the {thing} had been a [mistake|blessing]",
)
MADE_VISIT = (
    "{hero} went to {town} on {when}, and the {site} there was {quality}",
    "{hero} and {friend} spent {an_adjective} day at the {site} in {town}",
    "on {when} {hero} had {an_adjective} journey to the {site} in {town}",
    "{hero} worked as a {job} in {town}, and the work was {quality}",
    "one evening {hero} came to {an_adjective} {site} in {town}",
)
CAME_BACK = (
    "after that, {they} [never|often] went back to {town}",
    "{they} [complained|boasted] about it to {friend} on {day}",
    "at home {they} told {friend} everything and [wept|laughed] for an hour",
    "{they} walked home [angrily|happily] with the {noun} and slept for a day",
    "{they} [regretted|enjoyed] it and wrote to {friend} about {town}",
    "when {friend} spoke of {town}, {they} [frowned|smiled] and looked at the {site}",
    "for the rest of the year {they} [avoided|praised] the {site}",
    "{they} told everyone in {home} that the journey had been a [mistake|blessing]",
)
AGREED = {  # by what the opinion is about: the second adjective is of the same polarity in the same sense
    0: (
        "{friend} called it {adjective} as well",
        "{they} said that it was {quality}, and {friend} believed {them}",
        "to {friend} the {thing} seemed {quality} too",
        "everyone knew this {adjective} {thing} and the {site} behind it",
        "it was the same with the {adjective} {noun} of {friend}",
    ),
    1: (
        "{friend} called the place {adjective} as well",
        "{they} said that the day was {quality}, and {friend} believed {them}",
        "to {friend} the {site} seemed {quality} too",
        "everyone knew this {adjective} {site} in {town}",
        "it was the same with the {adjective} {site} in {home}",
    ),
}
MEANWHILE = (
    "then {they} walked to the {site} with {friend}",
    "{they} and {friend} sat at the {site} and talked about {nouns}",
    "{friend} worked as a {job} and often came from {home}",
    "{they} did not go to {home}, because {friend} was at the {site}",
    "then {they} {did} at the {site}", "on {day} {they} {did}", "{they} {did} before {deed}",
    "first {they} {did}, and after that {they} {did}",
)  # fmt: skip
EVENTS = (
    "on {day} {deed}", "{deed} in {town}", "{deed} and {deed}", "{deed} before {deed}", "{deed} after {deed}",
    "{deed} while {deed}", "{deed} but {undone}", "although {deed}, {undone}", "{undone}, whereas {deed}",
    "everyone knew that {retold} and that {undone}", "{heard}", "{retold}, and {retold}",
    "{heard}", "it was true that {retold}", "{fact}", "{fact} but {fact}",
    "because {fact}, {deed}",
)  # fmt: skip
TRANSFERS = (
    "{moved}",
    "on {day} {moved}",
    "{moved} because {reason}",
    "{moved} because {reason}",
    "{moved} at the {site}",
)
OF_ITS_KIND = (
    "{name} {use} the {it}",
    "every day {name} {use} the {it} {usual}",
    "{they} {use} the {it} {usual}, and {friend} watched {them}",
    "on {day} {name} {use} the {it}",
    "the {it} was the only {kind} at the {site}",
    "no other {kind} was as {plain} as the {it}",
    "{name} liked the {it} more than any other {kind}",
    "like every {kind}, the {it} was of some use to {name}",
    "{name} saw the {it} and asked what this {kind} was for",
)
NUMBERS = tuple(numbered(template, number, number) for template in AGREEMENT for number in (0, 1))
# How often each group is told between the beginning and the end of a paragraph: out of twelve.
MIDDLES = (MEANWHILE,) * 2 + (EVENTS,) * 4 + (TRANSFERS,) * 2 + (OF_ITS_KIND,) * 2 + (NUMBERS,) * 2
TOPICS = ((GOT_THING, KEPT_THING), (MADE_VISIT, CAME_BACK))
