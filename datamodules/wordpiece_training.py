"""Learning a word-piece vocabulary such that the same text gives the same pieces."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from datamodules.task import Refused

MOST_CHUNKS = 1 << 18  # different ones between blanks that are counted before they are cut into words
MOST_WORDS = 1_000_000  # different ones that are counted; of a text with more: a sample
ALPHABET = 1000  # characters that a trained vocabulary spells words with at most; BERT's own vocabulary has 997


def learn_pieces(
    texts: Iterable[str], specials: Sequence[str], vocab_size: int, lowercase: bool, min_frequency: int
) -> set[str]:
    """Learn at most `vocab_size` pieces, the special ones included, from texts that are read once.

    Raises:
        Refused: when there is no text, or no room for letters.
    """
    words = count_words(texts, len(specials), vocab_size, lowercase)
    inner = sorted({f"##{letter}" for word in words for letter in word[1:]})
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=[*specials, *inner], show_progress=False
    )
    return set(learn(Tokenizer(models.WordPiece(unk_token="[UNK]")), words, trainer).get_vocab())


def count_words(texts: Iterable[str], specials: int, vocab_size: int, lowercase: bool) -> dict[str, int]:
    """The words that a vocabulary with so many special tokens can spell, and how often each occurs.

    Raises:
        Refused: when there are none.
    """
    letters = min(ALPHABET, (vocab_size - specials) // 2)  # one letter may take two ids: "x" and "##x", or "x</w>"
    counts = WordCounts(lowercase, MOST_WORDS)
    for text in texts:
        counts.add(text)
    total = counts.total()
    if not total:
        raise Refused("there is no text to learn a vocabulary from: the data may hold at least one word.")
    words = _spellable(total, max(letters, 0))
    if not words:
        least = specials + 2 * min(ALPHABET, len(set("".join(total))))
        raise Refused(
            f"model.vocab_size (text.tokenizer.vocab_size)={vocab_size} is too small to spell any word of this text: "
            f"it may be {least} or more."
        )
    return words


class WordCounts:
    """Counts normalised words in bounded memory: of all texts, or of a sample where these have too many words.

    Each text has a level, drawn by a hash: half of them 0, a quarter 1, an eighth 2 ... Levels are counted apart, and
    when all have more than `most` different words, the lowest one is forgotten and read no more. What remains is half
    of the texts, a quarter, an eighth ..., evenly spread, and the same ones each time.
    """

    def __init__(self, lowercase: bool, most: int) -> None:
        self.lowercase, self.most, self.lowest = lowercase, most, 0
        self.chunks: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.words: defaultdict[int, Counter[str]] = defaultdict(Counter)

    def add(self, text: str) -> None:
        """Nothing that BERT's rules do reaches across a blank or a line's end: chunks between them are cut later."""
        level = level_of(text)
        if level >= self.lowest:
            self.chunks[level].update(text.replace("\n", " ").split(" "))
            if sum(map(len, self.chunks.values())) > MOST_CHUNKS:
                self.cut()

    def cut(self) -> None:
        """Chunks become words, each different one once; then the lowest levels may have to go."""
        for level, chunks in self.chunks.items():
            _cut_chunks(chunks, self.words[level], self.lowercase)
        self.chunks.clear()
        while len(self.words) > 1 and sum(map(len, self.words.values())) > self.most:
            self.words.pop(min(self.words))
            self.lowest = min(self.words)

    def total(self) -> Counter[str]:
        self.cut()
        return sum((self.words.pop(level) for level in sorted(self.words)), Counter())


def level_of(text: str) -> int:
    """How many zeros end a hash of the text."""
    digits = zlib.crc32(text.encode("utf-8", "surrogatepass")) | 1 << 32
    return (digits & -digits).bit_length() - 1


def _cut_chunks(chunks: Counter[str], words: Counter[str], lowercase: bool) -> None:
    """Add the words of counted chunks to `words`."""
    normalize = normalizers.BertNormalizer(lowercase=lowercase).normalize_str
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    for chunk, count in chunks.items():
        for word, _ in split(normalize(chunk)):
            words[word] += count


def _spellable(words: Counter[str], size: int) -> dict[str, int]:
    """The words made of the `size` most frequent characters: one rare character would cost two pieces of vocabulary."""
    letters: Counter[str] = Counter()
    for word, count in words.items():
        for letter in word:
            letters[letter] += count
    alphabet = set(sorted(letters, key=lambda letter: (-letters[letter], letter))[:size])
    return {word: count for word, count in words.items() if alphabet.issuperset(word)}


def learn(learner: Tokenizer, words: dict[str, int], trainer: trainers.Trainer) -> Tokenizer:
    """Train on counted words, with ties broken the same way each time.

    A trainer breaks ties between equally frequent pairs by the ids of their halves, and numbers "##x" (or "x</w>") in
    the order of a randomly seeded hash table. As special tokens of `trainer` they are numbered before it looks at the
    words.
    """
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learner.train_from_iterator(_repeated(words), trainer)
    return learner


def _repeated(words: dict[str, int], most: int = 10_000) -> Iterator[str]:
    """Each word as often as it was counted, in lines of at most `most`."""
    for word, count in words.items():
        for start in range(0, count, most):
            yield " ".join([word] * min(most, count - start))
