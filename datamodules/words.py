"""Whole words, and for any other word its spelling: how ELMo reads text (Peters et al. 2018, section 3.1).

The vocabulary is what a softmax predicts: <S>, </S>, <UNK>, then words from the most frequent one down, in the order
that a log-uniform sampler needs. To it every other word is <UNK>, but the tokenizer spells such a word, its longest
known beginning and then byte by byte, so that no letter is lost on the way to a model that reads words by letters.

A *form* is a word as one number: an entry of the vocabulary, or of this process's list of spelled words.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, normalizers

from datamodules.byte_letters import as_bytes
from datamodules.spelling import CONTINUES, MAX_WORD, SPECIALS, spelled_by, spells
from datamodules.task import Refused, one_of, whole
from datamodules.tokenization import Subwords, kind_of, read_tokenizer
from datamodules.wordpiece_training import MOST_WORDS, WordCounts

FILE = "a tokenizer.json, or a folder that holds one"
COLUMNS = 50  # characters of a word, marks included (the release's)
MARGIN = 7  # columns of padding that a batch keeps, as many as ELMo's widest filter reads: see `Lexicon.characters`
BEGIN, END = 258, 259  # of a word; bytes are 0 to 255
MARKS = {"<S>": 256, "</S>": 257}
PAD = 260


class Words(Subwords):
    """Words by frequency.

    Args:
        vocab_size: what `train` may keep at most, the three special tokens included.
        lowercase: lower case and no accents. A tokenizer.json knows better.
        min_frequency: a word is kept only if it occurs this often.
        file: a tokenizer.json, or a directory that holds one.
    """

    def __init__(
        self, vocab_size: int = 30000, lowercase: bool = False, min_frequency: int = 1, file: str | None = None
    ) -> None:
        self.vocab_size = vocab_size
        self.lowercase = one_of("text.tokenizer.lowercase", lowercase, (True, False))
        self.min_frequency = whole("text.tokenizer.min_frequency", min_frequency)
        self.file = file

    def train(self, texts: Iterable[str]) -> Tokenizer:
        """See `Subwords.train`.

        Raises:
            Refused: when there is no word, or no room for one.
        """
        if self.vocab_size <= len(SPECIALS):
            raise Refused(
                f"model.vocab_size (text.tokenizer.vocab_size)={self.vocab_size} has no room for words: it may be "
                f"{len(SPECIALS) + 1} or more."
            )
        counter = WordCounts(self.lowercase, MOST_WORDS)
        for text in texts:
            counter.add(text)
        least = self.min_frequency
        counts = {word: n for word, n in counter.total().items() if n >= least and len(word.encode()) <= MAX_WORD}
        if not counts:
            raise Refused(
                f"there is no text to learn a vocabulary from: the data may hold at least one word that occurs "
                f"text.tokenizer.min_frequency={least} times."
            )
        kept = sorted(counts, key=lambda word: (-counts[word], word))[: self.vocab_size - len(SPECIALS)]
        return spelled_by(kept, self.lowercase)

    def load(self) -> Tokenizer:
        """See `Subwords.load`.

        Raises:
            Refused: when it is not there, or has not what this file's tokenizers have.
        """
        if self.file is None:
            raise Refused(f"text.tokenizer.file=None names no tokenizer: it may be {FILE}.")
        tokenizer = read_tokenizer(_find(self.file))
        if kind_of(tokenizer) != "Words" or not spells(tokenizer):
            raise Refused(
                f"text.tokenizer.file={self.file} is not a tokenizer of whole words that spells the others: it may be "
                f"one that text.tokenizer._target_=datamodules.words.Words has learnt."
            )
        return tokenizer

    def normalizer(self) -> normalizers.BertNormalizer:
        """Of the tokenizer that there is, or will be."""
        if self.file is not None:
            return self.load().normalizer
        return normalizers.BertNormalizer(lowercase=self.lowercase, strip_accents=None)

    def entries(self, tokenizer: Tokenizer) -> int:
        return Lexicon(tokenizer).words

    def identity(self) -> dict[str, str | int | bool | None]:
        settings: dict[str, str | int | bool | None] = {"kind": "Words", "lowercase": self.lowercase}
        if self.file is None:
            return {**settings, "vocab_size": self.vocab_size, "min_frequency": self.min_frequency}
        return {**settings, "lowercase": None, "sha256": hashlib.sha256(_find(self.file).read_bytes()).hexdigest()}


def _find(file: str) -> Path:
    """The tokenizer.json that `file` means.

    Raises:
        Refused: when there is none.
    """
    path = Path(file) / "tokenizer.json" if Path(file).is_dir() else Path(file)
    if not path.is_file():
        raise Refused(f"{path} is not there: text.tokenizer.file may be {FILE}.")
    return path


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
