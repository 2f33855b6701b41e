"""The words behind the pieces of a tokenizer of whole words, as numbers and by their letters (Peters et al. 2018, 3.1).

A *form* is a word as one number: an entry of the vocabulary, or of this process's list of spelled words.
"""

import numpy as np
import torch
from tokenizers import Tokenizer

from datamodules.byte_letters import as_bytes
from datamodules.spelling import CONTINUES, SPECIALS

COLUMNS = 50  # characters of a word, marks included (the release's)
MARGIN = 7  # columns of padding that a batch keeps, as many as ELMo's widest filter reads: see `Lexicon.characters`
BEGIN, END = 258, 259  # of a word; bytes are 0 to 255
MARKS = {"<S>": 256, "</S>": 257}
PAD = 260


class Lexicon:
    """The words behind a tokenizer's pieces.

    Attributes:
        words: entries of the vocabulary that a softmax predicts; what follows are pieces of spellings.
        bos, eos, unk: numbers of <S>, </S>, <UNK>.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
        self.bos, self.eos, self.unk = range(len(SPECIALS))
        self.continues = np.array([piece.startswith(CONTINUES) and len(piece) > len(CONTINUES) for piece, _ in pieces])
        self.words = int(self.continues.argmax())
        self.texts = [as_bytes(piece.removeprefix(CONTINUES) if n >= self.words else piece) for piece, n in pieces]
        self.numbers: dict[bytes, int] = {}  # spelled word -> form
        self.table = np.empty((0, COLUMNS), dtype=np.int16)  # characters of the first `filled` forms, room for more
        self.lengths = np.empty(0, dtype=np.int64)  # bytes of these forms' text
        self.filled = 0

    @property
    def entries(self) -> list[str]:
        """The vocabulary's words, <S>, </S> and <UNK> among them."""
        return [text.decode() for text in self.texts[: self.words]]

    def starts(self, ids: np.ndarray) -> np.ndarray:
        """(n,) bool, whether a piece begins a word."""
        return ~self.continues[ids]

    def spans(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Where each word begins, and whether its pieces spell it."""
        begins = self.starts(ids)
        begins[:1] = True  # of a text that is cut inside a word
        first = np.flatnonzero(begins)
        return first, (np.diff(np.append(first, len(ids))) > 1) | (ids[first] >= self.words)

    def forms(self, ids: np.ndarray) -> np.ndarray:
        """Pieces of a text -> (words,) int64: a word's own number, or of a spelled one a number of this process's."""
        first, is_spelled = self.spans(ids)
        found = ids[first].astype(np.int64)
        stops = np.append(first, len(ids))[1:]
        for at in np.flatnonzero(is_spelled):
            found[at] = self.number(b"".join(self.texts[piece] for piece in ids[first[at] : stops[at]]))
        return found

    def number(self, word: bytes) -> int:
        """The form of a spelled word: a new one the first time."""
        if word not in self.numbers:
            self.numbers[word] = len(self.texts)
            self.texts.append(word)
        return self.numbers[word]

    def labels(self, forms: np.ndarray) -> np.ndarray:
        """Forms -> what they are to a softmax."""
        return np.where(forms < self.words, forms, self.unk)

    def counted(self, ids: np.ndarray) -> np.ndarray:
        """Pieces -> (words,) what they are to a softmax, without a list of spelled words."""
        first, is_spelled = self.spans(ids)
        return np.where(is_spelled, self.unk, ids[first].astype(np.int64))

    def characters(self, forms: np.ndarray) -> np.ndarray:
        """(W,) -> (W, C) int64: BEGIN, at most 48 bytes or a mark, END, PAD.

        C is 50, or the longest word's columns and MARGIN if that is less. A word's features are maxima over windows of
        at most MARGIN columns: with the margin they see each window of the word that 50 columns have, and one of
        padding alone exactly if 50 columns have one.
        """
        self.fill()
        rows = self.table[forms].astype(np.int64)
        longest = int((rows != PAD).sum(axis=1).max(initial=0))
        return rows[:, : min(COLUMNS, longest + MARGIN)]

    def fill(self) -> None:
        """Spell the forms that have come since the last time."""
        if len(new := self.texts[self.filled :]) == 0:
            return
        if (more := len(self.texts) - len(self.table)) > 0:
            more += len(self.texts) // 8 + 1000  # so that growing is rare
            self.table = np.concatenate([self.table, np.empty((more, COLUMNS), dtype=np.int16)])
            self.lengths = np.concatenate([self.lengths, np.empty(more, dtype=np.int64)])
        inner = COLUMNS - 2
        whole = np.frombuffer(b"".join(text[:inner].ljust(inner, b"\0") for text in new), np.uint8).reshape(-1, inner)
        lengths = np.array([len(text) for text in new])
        seen = np.minimum(lengths, inner)
        rows = self.table[self.filled : len(self.texts)]
        rows[:, 0], rows[:, -1] = BEGIN, PAD
        rows[:, 1:-1] = np.where(np.arange(inner) < seen[:, None], whole, np.int16(PAD))
        rows[np.arange(len(new)), seen + 1] = END
        self.lengths[self.filled : len(self.texts)] = lengths + 1
        self.filled = len(self.texts)
        for form, mark in ((self.bos, MARKS["<S>"]), (self.eos, MARKS["</S>"])):  # no text, whatever it looks like
            self.table[form], self.lengths[form] = PAD, 0
            self.table[form, :3] = [BEGIN, mark, END]

    def sizes(self, forms: np.ndarray) -> np.ndarray:
        """(n,) int64, bytes of normalised text that each stands for, the blank after it included; 0 of <S> and </S>."""
        self.fill()
        return self.lengths[forms]

    def spelling(self, forms: np.ndarray) -> list[str]:
        """The words for people."""
        return [self.texts[form].decode(errors="replace") for form in forms.tolist()]


def spelled(lexicon: Lexicon, *texts: np.ndarray) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """(W, C) characters of the different words of some texts, and each text's words as rows of it."""
    different, rows = np.unique(np.concatenate(texts), return_inverse=True)
    parts = np.split(rows, np.cumsum([len(text) for text in texts])[:-1])
    return torch.from_numpy(lexicon.characters(different)), [torch.from_numpy(part) for part in parts]


def in_words(lexicon: Lexicon, batch: dict) -> dict:
    """A batch whose `tokens` are forms -> the same with what they are to a softmax, and their characters."""
    forms = batch["tokens"].numpy()
    characters, (words,) = spelled(lexicon, forms)
    return {**batch, "tokens": torch.from_numpy(lexicon.labels(forms)), "words": words, "characters": characters}
