"""Whole words, and for any other word its spelling: how ELMo reads text (Peters et al. 2018, section 3.1).

The vocabulary is what a softmax predicts: <S>, </S>, <UNK>, then words from the most frequent one down, in the order
that a log-uniform sampler needs. To it every other word is <UNK>, but the tokenizer spells such a word, its longest
known beginning and then byte by byte, so that no letter is lost on the way to a model that reads words by letters.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer, normalizers

from datamodules.lexicon import Lexicon
from datamodules.spelling import MAX_WORD, SPECIALS, spelled_by, spells
from datamodules.task import Refused, one_of, whole
from datamodules.tokenization import Subwords, kind_of, read_tokenizer
from datamodules.wordpiece_training import MOST_WORDS, WordCounts

FILE = "a tokenizer.json, or a folder that holds one"


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
