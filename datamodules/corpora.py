"""The corpora that have a name, and how each one's rows become documents and sentences."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from datamodules.task import fingerprint, one_of

SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=[\"'(\[]?[A-Z0-9])")
HEADING = re.compile(r"^\s*= [^=].* =\s*$")  # WikiText's article titles; "= = Section = =" is none

SENTENCES: dict[str, Callable[[str], list[str]]] = {  # how a paragraph becomes sentences
    "lines": lambda text: text.split("\n"),
    "punctuation": lambda text: SENTENCE_END.split(text.replace("\n", " ")),
}


@dataclass(frozen=True)
class Layout:
    """Where a corpus lies and how its rows are read.

    Attributes:
        repository, config: on the hub, or in a folder of its layout.
        documents: a document is a `row`, or begins at a `heading` row (WikiText).
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
    parts: list[str] = []
    for row in rows:
        if HEADING.match(row):
            yield "\n".join(parts)
            parts = []
        elif not row.lstrip().startswith("= "):
            parts.append(row)
    yield "\n".join(parts)


def held_out(text: str) -> bool:
    """One document in a hundred, always the same ones."""
    return int(fingerprint({"text": text}, 8), 16) % 100 == 0


def find(corpus: str) -> Layout:
    """A named corpus, or any repository `owner/name[:config]` of documents in a column `text`."""
    if "/" in corpus:
        repository, _, config = corpus.partition(":")
        return Layout(repository, config or None, sentences="punctuation", validation=None)
    return CORPORA[one_of("data.corpus", corpus, [*CORPORA, "owner/name[:config]"])]
