"""SQuAD's text on the way to tokens and back: each token knows which characters of the original text it stands for.

    contexts-*.npy, questions-*.npy   `Cut`: each different context once
    rows.json                         `Rows`: the texts themselves, for answers are cut from them

Tokens are what a model reads: pieces, or whole words where the vocabulary has words.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Encoding, Tokenizer

from datamodules.task import Refused
from datamodules.tokenization import Vocabulary, id_type

if TYPE_CHECKING:
    import datasets

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
        golds = given(answer)
        if golds is None:
            raise Refused(f"{where}, row {row}: answers are texts and as many places where they begin, not {answer!r}.")
        if not (golds or may_lack):
            raise Refused(f"{where}, row {row}: it has no answer, which data=squad_v2 allows.")
        seen.add(name)
        rows.of.append(numbers.setdefault(context, len(numbers)))
        rows.golds.append(golds)
    rows.contexts.extend(numbers)
    return rows


def given(answers: Any) -> list[tuple[str, int]] | None:
    """The hub's column of a row -> its gold answers; None where it is something else."""
    if not isinstance(answers, dict) or not all(isinstance(answers.get(key), list) for key in ("text", "answer_start")):
        return None
    texts, places = answers["text"], answers["answer_start"]
    if len(texts) != len(places) or not all(isinstance(text, str) for text in texts):
        return None
    return list(zip(texts, places, strict=True)) if all(type(at) is int for at in places) else None


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
