"""SQuAD's text on the way to tokens and back: each token knows which characters of the original text it stands for.

    contexts-*.npy, questions-*.npy   `Cut`: each different context once
    spans.npy (questions, 2)          first and last token of the first gold answer; NO_ANSWER or NOT_FOUND twice
    rows.json                         `Rows`: the texts themselves, for answers are cut from them
    lost.json                         questions of which no gold answer survives the way there and back

Tokens are what a model reads: pieces, or whole words where the vocabulary has words.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Encoding, Tokenizer

from datamodules.squad_score import score
from datamodules.task import Refused
from datamodules.tokenization import Vocabulary, id_type

if TYPE_CHECKING:
    import datasets

NO_ANSWER, NOT_FOUND = -1, -2
AT_ONCE = 500  # texts that are cut together
COLUMNS = ("id", "context", "question", "answers")


@dataclass
class Rows:
    """A split's questions, in its order.

    Attributes:
        contexts: the different ones, in the order in which they come.
        of: of each question, the number of its context.
        golds: of each question, the gold answers: their text, and where in the context they begin.
    """

    ids: list[str]
    questions: list[str]
    contexts: list[str]
    of: list[int]
    golds: list[list[tuple[str, int]]]

    @classmethod
    def read(cls, folder: Path) -> "Rows":
        told = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
        return cls(**{**told, "golds": [[(text, at) for text, at in golds] for golds in told["golds"]]})

    def write(self, folder: Path) -> None:
        (folder / "rows.json").write_text(json.dumps(asdict(self)), encoding="utf-8")

    def answers(self, row: int) -> list[str]:
        """Texts of the gold answers."""
        return [text for text, _ in self.golds[row]]


def checked(table: "datasets.Dataset", where: str, may_lack: bool) -> Rows:
    """A table of the hub as rows.

    Args:
        where: source, repository, configuration and split, for the message.

    Raises:
        Refused: naming the row and what is wrong with it: a column, a text or an answer is missing, an id is twice.
    """
    for name in COLUMNS:
        if name not in table.column_names:
            raise Refused(f"{where}: a column {name!r} is needed, and there are {', '.join(table.column_names)}.")
    if not len(table):
        raise Refused(f"{where}: there are no rows.")
    ids, contexts, questions, answers = (list(table[name]) for name in COLUMNS)
    numbers: dict[str, int] = {}
    rows, seen = Rows(ids, questions, [], [], []), set()
    for row, (name, context, question, answer) in enumerate(zip(ids, contexts, questions, answers, strict=True)):
        if not all(isinstance(text, str) for text in (name, context, question)):
            raise Refused(f"{where}, row {row}: id, context and question are texts, and here one is missing.")
        if name in seen:
            raise Refused(f"{where}, row {row}: the id {name!r} is another row's, too.")
        golds = list(zip(answer["text"], answer["answer_start"], strict=True))
        if not (golds or may_lack):
            raise Refused(f"{where}, row {row}: it has no answer, which data=squad_v2 allows.")
        seen.add(name)
        rows.of.append(numbers.setdefault(context, len(numbers)))
        rows.golds.append(golds)
    rows.contexts.extend(numbers)
    return rows


# ---- texts as tokens -------------------------------------------------------------------------------------------------


@dataclass
class Cut:
    """Texts as tokens, one after the other.

    Attributes:
        pieces: (P,) ids.
        firsts: (n + 1,) where each token's pieces begin; the last entry is P.
        offsets: (texts + 1,) where each text's tokens begin.
        characters: (n, 2) which of its text's characters a token stands for, [from, to).
    """

    pieces: np.ndarray
    firsts: np.ndarray
    offsets: np.ndarray
    characters: np.ndarray

    FILES = ("pieces", "firsts", "offsets", "characters")

    @classmethod
    def of(cls, tokenizer: Tokenizer, vocabulary: Vocabulary, texts: Sequence[str]) -> "Cut":
        pieces, firsts, characters, counts, total, dtype = [], [], [], [0], 0, id_type(tokenizer)
        for text, encoding in encoded(tokenizer, texts):
            ids = np.array(encoding.ids, dtype=dtype)
            first = vocabulary.lexicon.spans(ids)[0] if vocabulary.has_words else np.arange(len(ids))
            pieces.append(ids)
            firsts.append(total + first)
            characters.append(stretches(text, encoding.offsets, first))
            counts.append(len(first))
            total += len(ids)
        all_firsts = np.concatenate([*firsts, [total]]).astype(np.int64)
        return cls(np.concatenate(pieces), all_firsts, np.cumsum(counts), np.concatenate(characters))

    def write(self, folder: Path, name: str) -> None:
        for part in self.FILES:
            np.save(folder / f"{name}-{part}.npy", getattr(self, part))

    @classmethod
    def read(cls, folder: Path, name: str) -> "Cut":
        pieces, firsts, offsets, characters = (
            np.load(folder / f"{name}-{part}.npy", mmap_mode="r") for part in cls.FILES
        )
        return cls(pieces, firsts, offsets, characters)

    def counts(self) -> np.ndarray:
        """(texts,) tokens of each."""
        return np.diff(self.offsets)

    def ids(self, text: int, first: int = 0, stop: int | None = None) -> np.ndarray:
        """Pieces of a text's tokens [first, stop), or of all."""
        begin = self.offsets[text]
        end = self.offsets[text + 1] if stop is None else begin + stop
        return self.pieces[self.firsts[begin + first] : self.firsts[end]]

    def stretch(self, text: int, first: int = 0, stop: int | None = None) -> np.ndarray:
        """(tokens, 2) characters of a text's tokens [first, stop), or of all."""
        begin = self.offsets[text]
        return self.characters[begin + first : self.offsets[text + 1] if stop is None else begin + stop]


def encoded(tokenizer: Tokenizer, texts: Sequence[str]) -> Iterator[tuple[str, Encoding]]:
    for first in range(0, len(texts), AT_ONCE):
        some = list(texts[first : first + AT_ONCE])
        yield from zip(some, tokenizer.encode_batch(some, add_special_tokens=False), strict=True)


def stretches(text: str, offsets: list[tuple[int, int]], first: np.ndarray) -> np.ndarray:
    """(tokens, 2): the characters of each token, from those of its pieces.

    What the normaliser drops (marks that combine with a letter, characters without width) belongs to the token that it
    is written onto, so that an answer is cut with its accents.

    Args:
        first: (tokens,) where each token's pieces begin.
    """
    if not len(first):
        return np.empty((0, 2), dtype=np.int32)
    found = np.array(offsets, dtype=np.int32)
    begins, ends = np.minimum.reduceat(found[:, 0], first), np.maximum.reduceat(found[:, 1], first)
    stops = np.append(begins[1:], len(text))  # where what lies behind each token ends
    for at in np.flatnonzero(stops > ends):
        ends[at] += glued(text[ends[at] : stops[at]])
    starts = np.append(0, ends[:-1])
    for at in np.flatnonzero(begins > starts):
        begins[at] -= glued(text[starts[at] : begins[at]][::-1])
    return np.stack([begins, ends], axis=1)


def glued(between: str) -> int:
    """How many characters there are before the first white space."""
    return next((at for at, character in enumerate(between) if character.isspace()), len(between))


# ---- gold answers ----------------------------------------------------------------------------------------------------


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


def lost(rows: Rows, contexts: Cut, version: str) -> list[int]:
    """Questions none of whose gold answers is, cut out by whole tokens, an exact match."""
    return [row for row, golds in enumerate(rows.golds) if golds and not survives(rows, contexts, row, version)]


def survives(rows: Rows, contexts: Cut, row: int, version: str) -> bool:
    text, answers = rows.of[row], rows.answers(row)
    context, characters = rows.contexts[text], contexts.stretch(text)
    for gold in dict.fromkeys(rows.golds[row]):
        there = place(context, *gold)
        span = covering(characters, *there) if there else None
        if span is None:
            continue
        first, last = span
        for one, other in ((first, last), (first + 1, last), (first, last - 1), (first + 1, last - 1)):
            if one <= other and score(context[characters[one, 0] : characters[other, 1]], answers, version)[0]:
                return True
    return False


def prepare(rows: Rows, tokenizer: Tokenizer, version: str, folder: Path) -> None:
    """Leave a split as tokens in `folder`; see the top of this file."""
    vocabulary = Vocabulary.of(tokenizer)
    contexts = Cut.of(tokenizer, vocabulary, rows.contexts)
    contexts.write(folder, "contexts")
    Cut.of(tokenizer, vocabulary, rows.questions).write(folder, "questions")
    first = Cut.of(tokenizer, vocabulary, [golds[0][0] if golds else "" for golds in rows.golds])
    np.save(folder / "spans.npy", gold_spans(rows, contexts, first))
    (folder / "lost.json").write_text(json.dumps(lost(rows, contexts, version)))
    rows.write(folder)
