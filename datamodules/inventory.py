"""Which words a model has, and what each is to it: entries of a vocabulary of words, pieces, or letters.

A word is looked up as the model's tokenizer normalises it (a lower-case model's words are lower-case), whatever the
case: it is the first entry that is the same but for case, which is the most frequent one where entries are by
frequency. That is gensim's way; the C program's upper-casing of questions finds the same.

    a model of words        has its vocabulary's words and no others
    a model of pieces       has any word of which no piece is unknown
    a model that spells     has any word (ELMo)
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from datamodules import formats
from datamodules.byte_pair import END
from datamodules.lexicon import in_words
from datamodules.task import Refused
from datamodules.tokenization import Vocabulary, kind_of, read_tokenizer

LISTS = "an encoder's folder or tokenizer.json with a vocabulary of words, or a .txt with a word a line"


class Inventory:
    """Words with vectors: candidates, which may be the answer to an analogy, and others that were asked for.

    Args:
        tokenizer: of the model.
        spells: whether it reads words by their letters.
        limit: of the words that may be candidates the first so many are; None: all.
        listed: these words, the most frequent one first; None: the tokenizer's own, in its order.

    Attributes:
        words: (W,) as they are read; the first `candidates` of them are the candidates.
        tokens: (W,) of each its tokens.
        listed: how many words there were to choose from.
    """

    def __init__(
        self, tokenizer: Tokenizer, spells: bool, limit: int | None = None, listed: Sequence[str] | None = None
    ) -> None:
        self.vocabulary, self.normalizer = Vocabulary.of(tokenizer), tokenizer.normalizer
        self.has_any = spells or not self.vocabulary.has_words
        own = dict(own_words(self.vocabulary))
        self.own, self.folded = own, {word.upper(): id for word, id in reversed(own.items())}
        self.words: list[str] = []
        self.tokens: list[np.ndarray] = []
        chosen = [*own] if listed is None else list(dict.fromkeys(map(self.normal, listed)))
        self.listed = len(chosen)
        for word in chosen[:limit]:
            if (tokens := self.tokens_of(word, exact=True)) is not None:
                self.add(word, tokens)
        self.candidates = len(self.words)
        self.first = {word.upper(): row for row, word in reversed([*enumerate(self.words)])}
        self.others: dict[str, int] = {}

    def add(self, word: str, tokens: np.ndarray) -> int:
        """One more word; its row."""
        self.words.append(word)
        self.tokens.append(tokens)
        return len(self.words) - 1

    def normal(self, word: str) -> str:
        """A word as the tokenizer reads it."""
        return word if self.normalizer is None else self.normalizer.normalize_str(word).strip()

    def tokens_of(self, word: str, exact: bool = False) -> np.ndarray | None:
        """What a normalised word is to the model; None where it does not have it. `exact` prefers its own case."""
        id = self.own.get(word) if exact else None
        id = self.folded.get(word.upper()) if id is None else id
        if id is not None:
            return np.array([id])
        ids = self.vocabulary.ids(word) if self.has_any else []
        return self.vocabulary.read(np.asarray(ids)) if len(ids) and self.vocabulary.unk not in ids else None

    def candidate(self, word: str) -> int | None:
        """The row of a word among the candidates."""
        return self.first.get(self.normal(word).upper())

    def row(self, word: str) -> int | None:
        """The row of any word that the model has; it is added if need be."""
        if (row := self.candidate(word)) is not None:
            return row
        key = self.normal(word).upper()
        if key not in self.others and (tokens := self.tokens_of(self.normal(word))) is not None:
            self.others[key] = self.add(self.normal(word), tokens)
        return self.others.get(key)

    @property
    def same(self) -> np.ndarray:
        """(C,) of each candidate the first one that is the same but for case."""
        return np.array([self.first[word.upper()] for word in self.words[: self.candidates]])

    def batches(self, size: int) -> Iterator[dict]:
        """All words, each a sequence (its number in the batch is `example`), `size` at a time."""
        for first in range(0, len(self.words), size):
            some = self.tokens[first : first + size]
            batch = formats.ragged([formats.plain(tokens, at) for at, tokens in enumerate(some)], len(some)).batch
            yield in_words(self.vocabulary.lexicon, batch) if self.vocabulary.has_words else batch


def own_words(vocabulary: Vocabulary) -> Iterable[tuple[str, int]]:
    """The entries of a vocabulary that are whole words, in the order of their ids, and these.

    Of pieces those that begin and end a word: as a text, each is cut into itself. Some are no words of any text ("tu",
    the beginning of longer ones): another list (`data.vocabulary`) is of words alone, and the same for every model.
    """
    if vocabulary.has_words:
        ids = np.arange(len(vocabulary.all_ids), vocabulary.lexicon.words)
        return zip(vocabulary.lexicon.spelling(ids), ids.tolist(), strict=True)
    tokenizer = vocabulary.tokenizer
    assert tokenizer is not None
    pieces = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    texts = [piece.removesuffix(END) for piece, _ in pieces]
    cut = tokenizer.encode_batch_fast(texts, add_special_tokens=False)
    return [(text, id) for text, (_, id), found in zip(texts, pieces, cut, strict=True) if found.ids == [id]]


def read_list(place: str) -> list[str]:
    """The words of `data.vocabulary`, in their order.

    Raises:
        Refused: when there are none.
    """
    path = Path(place).expanduser()
    path = path / "encoder" if (path / "encoder").is_dir() else path
    if path.suffix == ".txt" and path.is_file():
        try:
            found = [word for line in path.read_text(encoding="utf-8").splitlines() if (word := line.strip())]
        except UnicodeDecodeError as error:
            raise Refused(f"data.vocabulary={place} is not UTF-8 text: it may be {LISTS}.") from error
    elif path.is_dir() or path.is_file():
        tokenizer = read_tokenizer(path)
        if kind_of(tokenizer) != "Words":
            raise Refused(f"data.vocabulary={place} has pieces of words: it may be {LISTS}.")
        found = [word for word, _ in own_words(Vocabulary.of(tokenizer))]
    else:
        raise Refused(f"data.vocabulary={place} is not there: it may be {LISTS}.")
    if not found:
        raise Refused(f"data.vocabulary={place} has no words: it may be {LISTS}.")
    return found
