"""Where SQuAD's gold answers are among the tokens of their contexts.

spans.npy (questions, 2)   first and last token of the first gold answer; NO_ANSWER or NOT_FOUND twice
golds.json                 which gold answers do not survive the way to tokens and back, and of how many tokens they are
"""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from datamodules.squad_score import score
from datamodules.squad_text import Cut, Rows, glued
from datamodules.tokenization import Vocabulary

NO_ANSWER, NOT_FOUND = -1, -2


def place(context: str, answer: str, at: int) -> tuple[int, int] | None:
    """[from, to) of an answer that is said to begin at `at`; None where it is not there.

    As in the release, the words there have to hold it, white space apart: an answer may begin some characters off.
    """
    stop = at + len(answer)
    if not answer.strip() or not 0 <= at < len(context):
        return None
    if context[at:stop] == answer:
        return at, stop
    while at > 0 and not context[at - 1].isspace():
        at -= 1
    stop += glued(context[stop:])
    if " ".join(answer.split()) not in " ".join(context[at:stop].split()):
        return None
    inside = context.find(answer.strip(), at, stop)
    return (at, stop) if inside < 0 else (inside, inside + len(answer.strip()))


def covering(characters: np.ndarray, start: int, stop: int) -> tuple[int, int] | None:
    """First and last token that have some of the characters [start, stop); None where none has.

    Args:
        characters: (tokens, 2).
    """
    first = int(np.searchsorted(characters[:, 1], start, side="right"))
    last = int(np.searchsorted(characters[:, 0], stop, side="left")) - 1
    return (first, last) if first <= last else None


def tightened(context: Cut, text: int, span: tuple[int, int], answer: np.ndarray) -> tuple[int, int]:
    """The first tokens inside of a span whose pieces are those of the answer by itself; the span where there are none.

    An answer that begins or ends inside of what is written as one word ("(1895" of "(1895-1943)") is found so.
    """
    first, last = span
    begins = np.asarray(context.firsts[context.offsets[text] + first : context.offsets[text] + last + 2])
    ids = context.pieces[begins[0] : begins[-1]]
    if len(ids) == len(answer) or not len(answer):
        return span
    for start, begin in enumerate(begins[:-1]):
        ends = np.flatnonzero(begins == begin + len(answer))
        if len(ends) and np.array_equal(context.pieces[begin : begin + len(answer)], answer):
            return first + start, first + int(ends[0]) - 1
    return span


def gold_spans(rows: Rows, contexts: Cut, answers: Cut) -> np.ndarray:
    """(questions, 2) first and last token of each question's first gold answer; NO_ANSWER or NOT_FOUND twice.

    Args:
        answers: the first gold answers (of none: an empty text), as tokens.
    """
    found = np.full((len(rows.ids), 2), NO_ANSWER)
    for row, golds in enumerate(rows.golds):
        if golds:
            text = rows.of[row]
            there = place(rows.contexts[text], *golds[0])
            span = covering(contexts.stretch(text), *there) if there else None
            found[row] = tightened(contexts, text, span, answers.ids(row)) if span else NOT_FOUND
    return found


def located(rows: Rows, contexts: Cut, row: int) -> Iterator[tuple[tuple[str, int], tuple[int, int] | None]]:
    """Each different gold answer of a question, and the first and last token that have some of it."""
    context, characters = rows.contexts[rows.of[row]], contexts.stretch(rows.of[row])
    for gold in dict.fromkeys(rows.golds[row]):
        there = place(context, *gold)
        yield gold, covering(characters, *there) if there else None


def lost(rows: Rows, contexts: Cut, version: str) -> list[int]:
    """Questions none of whose gold answers is, cut out by whole tokens, an exact match."""
    return [row for row, golds in enumerate(rows.golds) if golds and not survives(rows, contexts, row, version)]


def survives(rows: Rows, contexts: Cut, row: int, version: str) -> bool:
    context, characters, answers = rows.contexts[rows.of[row]], contexts.stretch(rows.of[row]), rows.answers(row)
    for first, last in (span for _, span in located(rows, contexts, row) if span):
        for one, other in ((first, last), (first + 1, last), (first, last - 1), (first + 1, last - 1)):
            if one <= other and score(context[characters[one, 0] : characters[other, 1]], answers, version)[0]:
                return True
    return False


def spans_lost(rows: Rows, contexts: Cut, version: str) -> list[tuple[int, str]]:
    """(question, gold answer) of each one that is not, cut out by the tokens that have some of it, an exact match.

    It is half of a word, or not there.
    """
    found = []
    for row, text in enumerate(rows.of):
        characters = contexts.stretch(text)
        for gold, span in located(rows, contexts, row):
            back = rows.contexts[text][characters[span[0], 0] : characters[span[1], 1]] if span else ""
            if not score(back, [gold[0]], version)[0]:
                found.append((row, gold[0]))
    return found


def shortest(rows: Rows, contexts: Cut) -> list[int]:
    """Of each question the tokens of its shortest gold answer; 0 where none is there."""
    spans = ([span for _, span in located(rows, contexts, row) if span] for row in range(len(rows.ids)))
    return [min((last - first + 1 for first, last in some), default=0) for some in spans]


def told_of_golds(rows: Rows, contexts: Cut, version: str) -> dict[str, list]:
    """The content of golds.json; questions are numbers of rows."""
    return {
        "questions_lost": lost(rows, contexts, version),
        "spans_lost": spans_lost(rows, contexts, version),
        "shortest": shortest(rows, contexts),
    }


def prepare(rows: Rows, tokenizer: Tokenizer, version: str, folder: Path) -> None:
    """Leave a split as tokens in `folder`; see the tops of this file and of squad_text.py."""
    vocabulary = Vocabulary.of(tokenizer)
    contexts = Cut.of(tokenizer, vocabulary, rows.contexts)
    contexts.write(folder, "contexts")
    Cut.of(tokenizer, vocabulary, rows.questions).write(folder, "questions")
    first = Cut.of(tokenizer, vocabulary, [golds[0][0] if golds else "" for golds in rows.golds])
    np.save(folder / "spans.npy", gold_spans(rows, contexts, first))
    (folder / "golds.json").write_text(json.dumps(told_of_golds(rows, contexts, version)))
    rows.write(folder)
