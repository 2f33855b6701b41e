"""A page to read what a model got wrong: questions, their contexts, and in these what it said and what is right.

The wrong answers come first, those farthest from the truth before the others; then some right ones. Of more than the
page holds, those of the whole set that stand evenly apart. The page is one file without a script and loads nothing.
"""

from collections.abc import Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sweeps.jobs.files import write_text

if TYPE_CHECKING:  # the name of the page is told by commands that import no Lightning
    from lightning_modules.evaluation import Results

T = TypeVar("T")

PAGE = "mistakes.html"
WRONG, ALL = 150, 200  # examples at most: wrong ones, and with right ones
MARKS = {"predicted": ("[[", "]]"), "gold": ("{{", "}}")}  # where there is no colour
STYLE = """
:root { color-scheme: light dark; --text: #1d2330; --quiet: #5b6475; --page: #f6f7f9; --card: #ffffff; --line: #d9dde5;
  --said: #ffd9c7; --right: #c9ecd2; --both: #cfe3ff; }
@media (prefers-color-scheme: dark) {
  :root { --text: #e4e7ee; --quiet: #9aa3b5; --page: #14171d; --card: #1d2129; --line: #333a47;
    --said: #6b3520; --right: #1f5533; --both: #214a7d; } }
body { margin: 0 auto; padding: 1.5rem; max-width: 52rem; background: var(--page); color: var(--text);
  font: 1rem/1.55 system-ui, sans-serif; }
h1 { font-size: 1.35rem; margin: 0 0 .3rem; } h2 { font-size: 1rem; margin: 0 0 .4rem; }
p { margin: .3rem 0; } .quiet { color: var(--quiet); font-size: .875rem; }
article { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: 1rem; margin: 1rem 0; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
mark { color: inherit; border-radius: .2rem; padding: 0 .1rem; }
.predicted { background: var(--said); text-decoration: underline; } .gold { background: var(--right); }
.predicted.gold { background: var(--both); }
"""


def show_mistakes(directory: Path, data: Any, results: "Results") -> list[dict[str, Any]]:
    """Write the page of the first test set; returns its examples as the rows of a table.

    Args:
        directory: the run's own.
        data: a data module that can show answers (`Squad.shown`).
    """
    name = data.task.test_sets[0]
    answers = results.answers[f"test_{name}"]
    examples = data.shown(name, chosen(answers))
    wrong = sum(not answer.exact_match for answer in answers)
    title = f"{data.task.name}, {name}: {wrong:,} of {len(answers):,} answers are wrong"
    write_text(directory / PAGE, page(title, examples))
    return [row(example) for example in examples]


def chosen(answers: Sequence[Any]) -> list[Any]:
    """Those that are shown, in the order of the page."""
    wrong = apart([one for one in answers if not one.exact_match], WRONG)
    right = apart([one for one in answers if one.exact_match], ALL - len(wrong))
    return sorted(wrong, key=lambda one: one.f1) + right


def apart(items: Sequence[T], most: int) -> list[T]:
    """At most so many of them, evenly apart."""
    return [items[number * len(items) // most] for number in range(most)] if len(items) > most else list(items)


def pieces(example: Any) -> list[tuple[str, list[str]]]:
    """The context in pieces, each with what it is: predicted, gold, both or neither."""
    spans = {"predicted": [example.predicted], "gold": example.golds}
    edges = sorted({0, len(example.context), *(edge for own in spans.values() for span in own for edge in span)})
    return [
        (
            example.context[start:stop],
            [name for name, own in spans.items() if any(a <= start and stop <= b for a, b in own)],
        )
        for start, stop in pairwise(edges)
    ]


def page(title: str, examples: Sequence[Any]) -> str:
    """The whole page."""
    kinds = {"predicted": "predicted", "gold": "gold", "predicted gold": "both"}
    keys = " ".join(f'<mark class="{kind}">{word}</mark>' for kind, word in kinds.items())
    counted = f"Here are {len(examples)}, the wrong ones first."
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n<h1>{escape(title)}</h1>\n"
        f'<p class="quiet">{counted} In the text: {keys}</p>\n' + "\n".join(map(article, examples)) + "\n</html>\n"
    )


def article(example: Any) -> str:
    """One question."""
    told = {"Answer": [example.prediction], "Gold": example.answers or [""]}
    lines = [
        f"<p>{name}: {' <span class=quiet>or</span> '.join(safe(text) or '<i>no answer</i>' for text in texts)}</p>"
        for name, texts in told.items()
    ]
    context = "".join(
        f'<mark class="{" ".join(kinds)}">{safe(text)}</mark>' if kinds else safe(text)
        for text, kinds in pieces(example)
    )
    verdict = "right" if example.exact_match else f"wrong, F1 {100 * example.f1:.0f}"
    return (
        f'<article>\n<h2 dir="auto">{safe(example.question)}</h2>\n{"".join(lines)}\n'
        f'<p class="text" dir="auto">{context}</p>\n<p class="quiet">{verdict} ({safe(example.id)})</p>\n</article>'
    )


def safe(text: str) -> str:
    """Text that HTML reads as text; characters that no page may have become their pictures."""
    return escape(text).translate(NOT_IN_HTML)


CONTROLS = [code for code in range(32) if chr(code) not in "\t\n\f\r"]
UNFIT = (
    range(0x80, 0xA0),
    range(0x202A, 0x202F),
    range(0x2066, 0x206A),
    range(0xD800, 0xE000),
)  # some turn text around
NOT_IN_HTML = {code: chr(0x2400 + code) for code in CONTROLS}
NOT_IN_HTML |= {127: "\u2421", **dict.fromkeys([code for some in UNFIT for code in some], "\ufffd")}


def row(example: Any) -> dict[str, Any]:
    """The same as a line of a table, the spans between marks."""
    context = ""
    for text, kinds in pieces(example):
        for kind in kinds:
            text = text.join(MARKS[kind])
        context += text
    told = {"question": example.question, "prediction": example.prediction, "gold": " | ".join(example.answers)}
    return {"id": example.id, **told, "exact_match": example.exact_match, "f1": example.f1, "context": context}
