"""Phrases: words that are often side by side become one (Mikolov et al. 2013b, section 4; word2phrase.c).

A pair of words a b is a phrase if (count(a b) - min_count) / (count(a) count(b)) * N, of all N words, is more than a
threshold. In each sentence, from its first word on, a pair that is one is joined, and what is joined is not joined
again; that is a pass. Another pass over the text that comes of it, with half the threshold, joins phrases, too.

Words are those that a tokenizer of whole words will see, in its case. A pair that it would take apart again, because a
punctuation mark or a Chinese character is in it, is none.
"""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from tokenizers import normalizers, pre_tokenizers

from datamodules.task import real, whole

JOINER = "\u02cd"  # between the words of a phrase: to BERT's rules a letter, where "_" is punctuation and ends a word
MOST = 3_000_000  # different words and pairs that are counted: half a gigabyte
CHUNKS = 1 << 18  # different ones, of a text between blanks, whose words are remembered
VERSION = 1  # raised by hand when the same text gives other phrases
TOP = 10  # phrases that the data card shows


class Splitter:
    """A sentence -> its words.

    Args:
        normalizer: the tokenizer's.
    """

    def __init__(self, normalizer: normalizers.BertNormalizer) -> None:
        split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
        self.settings = {"lowercase": normalizer.lowercase, "strip_accents": normalizer.strip_accents}

        @lru_cache(CHUNKS)
        def cut(chunk: str) -> tuple[str, ...]:
            return tuple(word for word, _ in split(normalizer.normalize_str(chunk)))

        @lru_cache(CHUNKS)
        def can_join(word: str) -> bool:
            return cut(word + JOINER) == (word + JOINER,)

        self.cut, self.can_join = cut, can_join

    def __call__(self, sentence: str) -> tuple[list[str], list[bool]]:
        """The words, and whether each has a blank before it."""
        words: list[str] = []
        blanks: list[bool] = []
        for chunk in sentence.split():
            some = self.cut(chunk)
            words += some
            blanks += [number == 0 for number in range(len(some))]
        return words, blanks


@dataclass
class Counts:
    """Words and pairs of neighbours in bounded memory: when there are too many, the rarest are forgotten.

    As in word2phrase.c all that were seen once are, the next time also all that were seen twice ...; what is forgotten
    and comes again counts from one.
    """

    splitter: Splitter
    most: int = MOST
    total: int = 0
    least: int = 1

    def __post_init__(self) -> None:
        self.words: Counter[str] = Counter()
        self.pairs: Counter[str] = Counter()

    def add(self, words: Sequence[str]) -> None:
        """One sentence."""
        self.total += len(words)
        self.words.update(words)
        can_join = self.splitter.can_join
        self.pairs.update(f"{a} {b}" for a, b in pairwise(words) if can_join(a) and can_join(b))
        while len(self.words) + len(self.pairs) > self.most:
            for table in (self.words, self.pairs):
                for rare in [key for key, count in table.items() if count <= self.least]:
                    del table[rare]
            self.least += 1

    def phrases(self, threshold: float, min_count: int) -> dict[str, int]:
        """Pairs, with a blank between their words, and how often each was seen."""
        found = {}
        for pair, count in self.pairs.items():
            a, b = (self.words[word] for word in pair.split(" "))  # neither is rarer than the pair
            if (count - min_count) / a / b * self.total > threshold:
                found[pair] = count
        return found


def merged(words: Sequence[str], blanks: Sequence[bool], pairs: Mapping[str, int]) -> tuple[list[str], list[bool]]:
    """One pass over a sentence."""
    joined: list[str] = []
    before: list[bool] = []
    last = None  # the word before, unless it has been joined
    for word, blank in zip(words, blanks, strict=True):
        if last is not None and f"{last} {word}" in pairs:
            joined[-1] += JOINER + word
            last = None
        else:
            joined.append(word)
            before.append(blank)
            last = word
    return joined, before


@dataclass
class Phrases:
    """What is joined, pass by pass."""

    splitter: Splitter
    passes: Sequence[Mapping[str, int]]

    def words(self, sentence: str) -> tuple[list[str], list[bool]]:
        """As the splitter, and joined."""
        words, blanks = self.splitter(sentence)
        for pairs in self.passes:
            words, blanks = merged(words, blanks, pairs)
        return words, blanks

    def __call__(self, sentence: str) -> str:
        """A sentence with its phrases joined, in which the tokenizer sees the same words else."""
        return "".join(f" {word}" if blank else word for word, blank in zip(*self.words(sentence), strict=True))[1:]

    def save(self, file: Path) -> None:
        """A whole file or none."""
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_name(f".{file.name}.{uuid.uuid4().hex}")
        unfinished.write_text(json.dumps(self.passes, ensure_ascii=False, indent=0), encoding="utf-8")
        unfinished.rename(file)

    @classmethod
    def load(cls, file: Path, splitter: Splitter) -> "Phrases":
        return cls(splitter, json.loads(file.read_text(encoding="utf-8")))


def card(words: Iterable[str], counts: Iterable[int]) -> dict[str, Any]:
    """How many words of a vocabulary are phrases, and those that its text has most often, as people write them."""
    found = sorted((-count, word) for word, count in zip(words, counts, strict=False) if JOINER in word[1:-1])
    return {"phrases": len(found), "frequent_phrases": [word.replace(JOINER, "_") for _, word in found[:TOP]]}


@dataclass(frozen=True)
class Search:
    """How phrases are looked for.

    Args:
        passes: 0: they are not.
        threshold: of the last pass; each pass before has twice that of the next (the C program's demo: 200, then 100).
        min_count: words that are rarer are in no phrase.
    """

    passes: int = 0
    threshold: float = 100
    min_count: int = 5

    def __post_init__(self) -> None:
        whole("data.phrases", self.passes, 0)
        real("data.phrase_threshold", self.threshold, "a number from 0 up", lambda least: least >= 0)
        whole("data.phrase_min_count", self.min_count)

    def identity(self) -> dict[str, Any]:
        """What decides the text, of a search; empty of none."""
        return {"phrases": {**asdict(self), "version": VERSION}} if self.passes else {}

    def learn(self, sentences: Callable[[], Iterable[str]], splitter: Splitter) -> Phrases:
        """Count, join, and count again.

        Args:
            sentences: reads them, from the first one on.
        """
        found = Phrases(splitter, [])
        for left in reversed(range(self.passes)):
            counts = Counts(splitter)
            for sentence in sentences():
                counts.add(found.words(sentence)[0])
            found = Phrases(splitter, [*found.passes, counts.phrases(self.threshold * 2**left, self.min_count)])
        return found

    def kept(self, file: Path, sentences: Callable[[], Iterable[str]], splitter: Splitter) -> Phrases:
        """What a file has, written first if it is not there."""
        if not file.exists():
            self.learn(sentences, splitter).save(file)
        return Phrases.load(file, splitter)
