"""The corpora that have a name, and how each one's rows become documents and sentences."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from datamodules import text_files
from datamodules.task import Refused, fingerprint, one_of

SENTENCE_END = re.compile(r"[.!?][\"')\]]*(\s+)(?=[\"'(\[]?[A-Z0-9])")
HEADING = re.compile(r"^\s*= [^=].* =\s*$")  # WikiText's article titles; "= = Section = =" is none
SENTENCE_WORDS = 20  # of rule `words`
MOST_WORDS = 1000  # whatever the rule: what is longer is no sentence, and is cut by rule `words`
PUNCTUATION = 2  # version of that rule, for the text that it gives is part of a fingerprint


def by_punctuation(paragraph: str) -> list[str]:
    """Sentences end at white space after . ! or ? and closing marks, where a capital, a digit or a quote follows."""
    paragraph = paragraph.replace("\n", " ").strip()
    ends = [end.span(1) for end in SENTENCE_END.finditer(paragraph)]
    starts = [0, *(stop for _, stop in ends)]
    return [paragraph[start:stop] for start, (stop, _) in zip(starts, [*ends, (len(paragraph), 0)], strict=True)]


def by_words(paragraph: str) -> list[str]:
    """Every SENTENCE_WORDS words."""
    words = paragraph.split()
    return [" ".join(words[first : first + SENTENCE_WORDS]) for first in range(0, len(words), SENTENCE_WORDS)]


SENTENCES: dict[str, Callable[[str], list[str]]] = {  # how a paragraph becomes sentences
    "lines": lambda text: text.split("\n"),
    "punctuation": by_punctuation,
    "words": by_words,
}


def sentences(text: str, rule: str) -> list[str]:
    """A document's sentences by a rule of SENTENCES, without blank ones; none reaches across a blank line."""
    kept: list[str] = []
    for paragraph in text.split("\n\n"):
        for part in SENTENCES[rule](paragraph):
            if len(part) > 2 * MOST_WORDS and len(part.split()) > MOST_WORDS:
                kept += by_words(part)
            elif part and not part.isspace():
                kept.append(part)
    return kept


@dataclass(frozen=True)
class Layout:
    """Where a corpus lies and how its rows are read.

    Attributes:
        repository, config: on the hub, or in a folder of its layout.
        documents: a document is a `row`, or begins at a `heading` row (WikiText); in one's own files it ends as
            text_files.DOCUMENTS says.
        sentences: a key of SENTENCES.
        validation: its held-out split; None: one document in a hundred is held out, by a hash of its text.
    """

    repository: str
    config: str | None = None
    documents: str = "row"
    sentences: str = "lines"
    validation: str | None = "validation"


CORPORA = {
    "wikipedia": Layout("wikimedia/wikipedia", "20231101.en", sentences="punctuation", validation=None),
    "wikipedia-pages-en": Layout("wikipedia-pages-en", "default"),
    "english-novels": Layout("english-novels", "default"),
    "wikitext-2": Layout("Salesforce/wikitext", "wikitext-2-v1", "heading", "punctuation"),
    "wikitext-103": Layout("Salesforce/wikitext", "wikitext-103-raw-v1", "heading", "punctuation"),
    "miniature": Layout("miniature"),
}


def headed(rows: Iterable[str]) -> Iterator[str]:
    """Join rows from one heading to the next; headings themselves are left out."""
    marked = (None if HEADING.match(row) else row for row in rows)
    return text_files.assemble(row for row in marked if row is None or not row.lstrip().startswith("= "))


def held_out(text: str) -> bool:
    """One document in a hundred, always the same ones."""
    return int(fingerprint({"text": text}, 8), 16) % 100 == 0


def divided(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(split, text) of each document: those that are held out are `validation`; if none is, the last one."""
    remaining = iter(texts)
    text, found = next(remaining, None), False
    while text is not None:
        following = next(remaining, None)
        held = held_out(text) or (following is None and not found)
        found = found or held
        yield "validation" if held else "train", text
        text = following


def find(corpus: str) -> Layout:
    """A named corpus, or any repository `owner/name[:config]` of documents in a column `text`."""
    if "/" in corpus:
        repository, _, config = corpus.partition(":")
        return Layout(repository, config or None, sentences="punctuation", validation=None)
    return CORPORA[one_of("data.corpus", corpus, [*CORPORA, "owner/name[:config]"])]


def choose(corpus: str, own_files: bool, documents: str | None, sentences: str | None) -> list[Layout]:
    """The layouts of corpora, or that of one's own files, with what the user says otherwise.

    Raises:
        Refused: for what the user may not say, and for corpora whose documents are split by different rules.
    """
    own = [Layout("", documents="blank_line", validation=None)]
    layouts = own if own_files else [find(name) for name in corpus.split("+")]
    if documents is not None:
        one_of("data.documents", documents, text_files.DOCUMENTS if own_files else ("row", "heading"))
    if sentences is not None:
        one_of("data.sentences", sentences, SENTENCES)
    chosen = [
        replace(layout, documents=documents or layout.documents, sentences=sentences or layout.sentences)
        for layout in layouts
    ]
    if len(rules := {layout.sentences for layout in chosen}) > 1:
        raise Refused(
            f"data.corpus={corpus}: their sentences are found by different rules ({', '.join(sorted(rules))}); "
            f"data.sentences may say one for all: {', '.join(SENTENCES)}."
        )
    return chosen


def text_of(row: dict, number: int, where: str) -> str:
    """A row's text.

    Raises:
        Refused: when it has none.
    """
    if not isinstance(row["text"], str):
        raise Refused(f"{where}, row {number}: 'text' is {row['text']!r}; it may be text only.")
    return row["text"]
