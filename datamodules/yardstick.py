"""Bits per byte: the one number by which language models are compared whatever pieces they cut text into.

What is measured is the whole held-out text as its tokenizer leaves it: the words after normalising and splitting, each
followed by one byte, a blank or after a sentence's last word the end of the line. A model pays for every byte of it:

- its tokens, what it says itself;
- what an unknown token stands for, eight bits a byte: the fixed model of spelling, all bytes alike;
- where sentences end, for a model whose tokens do not tell: the price of "does the sentence end here?" after each word
  that is . ! or ? and after each other word, at the two rates of the held-out text.

Two tokenizers' numbers compare if they normalise alike (lower case, accents).
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer

from datamodules.lexicon import Lexicon
from datamodules.shards import Split
from datamodules.specials import ROLES
from datamodules.tokenization import kind_of

BLANK = 1  # byte after each word
STOPS = ".!?"
SPELLING = 8 * math.log(2)  # nats a byte
END, CONTINUES = "</w>", "##"  # of byte pairs, the last piece of a word; of word pieces, all but the first


def word_of(piece: str, kind: str) -> tuple[str, bool]:
    """The text of a piece, and whether it brings its word's blank: byte pairs with the last one, others the first."""
    if kind == "BPE":
        return piece.removesuffix(END), piece.endswith(END)
    return piece.removeprefix(CONTINUES), not piece.startswith(CONTINUES)


def known_bytes(tokenizer: Tokenizer) -> np.ndarray:
    """(V,) bytes of normalised text that each piece stands for; 0 for tokens that are no text, and for the unknown."""
    kind = kind_of(tokenizer)
    sizes = np.zeros(tokenizer.get_vocab_size(), dtype=np.int64)
    for piece, number in tokenizer.get_vocab().items():
        if piece not in ROLES[kind].values():
            text, closes = word_of(piece, kind)
            sizes[number] = bytes_of(text, kind) + BLANK * closes
    return sizes


def bytes_of(text: str, kind: str) -> int:
    """Of a piece's text, or a word's; whole words are spelled with a letter a byte (byte_letters.py)."""
    return len(text) if kind == "Words" else len(text.encode())


def text_bytes(tokenizer: Tokenizer, text: str) -> int:
    """Bytes of one sentence, its words' blanks included, as it is measured."""
    clean = tokenizer.normalizer.normalize_str(text) if tokenizer.normalizer else text
    words = tokenizer.pre_tokenizer.pre_tokenize_str(clean) if tokenizer.pre_tokenizer else [(clean, (0, 0))]
    kind = kind_of(tokenizer)
    return sum(bytes_of(word, kind) + BLANK for word, _ in words)


class Pieces:
    """What a tokenizer's pieces are, and are not, of a text."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.bytes = tokenizer, known_bytes(tokenizer)
        kind, vocabulary = kind_of(tokenizer), tokenizer.get_vocab()
        self.lexicon = Lexicon(tokenizer) if kind == "Words" else None
        self.unknown: int = vocabulary[ROLES[kind]["unk"]]
        self.words, self.stops = np.zeros((2, len(vocabulary)), dtype=bool)  # pieces that close a word; . ! and ?
        for piece, number in vocabulary.items():
            text, self.words[number] = word_of(piece, kind)
            self.stops[number] = self.words[number] and text in STOPS
        self.words[self.unknown] = True  # as far as one can tell

    def unknown_bytes(self, texts: Iterable[str], ids: Iterable[np.ndarray]) -> list[int]:
        """Of each sentence, from its text and its tokens; 0 where every token is known.

        A word that is spelled is known to the pieces, but not to a softmax over words.
        """
        own = list(ids)
        spelled = self.spelled(own)
        return [self.untold(text, one) + more for text, one, more in zip(texts, own, spelled, strict=True)]

    def untold(self, text: str, ids: np.ndarray) -> int:
        """Bytes that no piece tells."""
        if not (ids == self.unknown).any():
            return 0
        return text_bytes(self.tokenizer, text) - int(self.bytes[ids].sum())

    def spelled(self, ids: list[np.ndarray]) -> list[int]:
        """Of each sentence, bytes of the words that are told by a spelling alone; only whole words have one."""
        flat = np.concatenate([np.zeros(0, dtype=np.int64), *ids])
        if self.lexicon is None or not len(flat):
            return [0] * len(ids)
        first, is_spelled = self.lexicon.spans(flat)  # each sentence begins with a word
        owner = np.cumsum([len(own) for own in ids]).searchsorted(first, "right")
        sizes = np.add.reduceat(self.bytes[flat], first) * is_spelled
        return np.bincount(owner, sizes, len(ids)).astype(np.int64).tolist()

    def is_stopped(self, ids: Iterable[np.ndarray]) -> list[bool]:
        """Of each sentence, whether it ends with a full stop."""
        return [len(own) > 0 and bool(self.stops[own[-1]]) for own in ids]


@dataclass(frozen=True)
class Yardstick:
    """What each token of a held-out text stands for, and costs beyond itself.

    Attributes:
        bytes: (V,) of text; of the unknown token the mean of what it stands for.
        nats: (V,) that a model of tokens alone owes for them: spelling, and where sentences end.
        card: figures for the record: the text's bytes, the share of unknown ones, and in bits per byte of all the text
            what is paid beyond the tokens.
    """

    bytes: np.ndarray
    nats: np.ndarray
    card: dict[str, float]

    @classmethod
    def of(cls, tokenizer: Tokenizer, held: Split) -> "Yardstick":
        """Of a prepared split; what a part of it pays is the whole's mean."""
        pieces, counts, spelled = Pieces(tokenizer), held.histogram, held.total("unknown_bytes")
        sizes = pieces.bytes.astype(np.float64)
        sizes[pieces.unknown] = spelled / max(int(counts[pieces.unknown]), 1)
        total, stopped = float(counts @ sizes), held.total("stopped_sentences")
        ends = choice(stopped, int(counts[pieces.stops].sum()))
        ends += choice(held.total("sentences") - stopped, int(counts[pieces.words & ~pieces.stops].sum()))
        ends *= pieces.lexicon is None  # which has a token for the end
        nats = sizes * (ends / total)
        nats[pieces.unknown] += sizes[pieces.unknown] * SPELLING
        card = {
            "validation_bytes": round(total),
            "unknown_bytes_share": spelled / total,
            "unknown_bits_per_byte": spelled * SPELLING / math.log(2) / total,
            "sentence_end_bits_per_byte": ends / math.log(2) / total,
        }
        return cls(sizes, nats, card)

    @staticmethod
    def of_forms(lexicon: Lexicon, forms: np.ndarray) -> tuple[float, float]:
        """As a call, of whole words: each pays for its own spelling, if it is unknown to the softmax.

        Exact, but for a word of more than spelling.MAX_WORD bytes, which is taken for "<UNK>".
        """
        sizes = lexicon.sizes(forms)
        return float(sizes.sum()), float(sizes[lexicon.labels(forms) == lexicon.unk].sum() * SPELLING)

    def __call__(self, tokens: np.ndarray) -> tuple[float, float]:
        """Bytes that these tokens stand for, and nats that are owed beyond their own."""
        return float(self.bytes[tokens].sum()), float(self.nats[tokens].sum())


def choice(times: int, places: int) -> float:
    """Nats to tell at which `times` of so many places something happens, at its own rate."""
    places = max(places, times)
    return sum(n * math.log(places / n) for n in (times, places - times) if n)
