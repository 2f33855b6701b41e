"""Learning a word-piece vocabulary such that the same text gives the same pieces."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from datamodules.task import Refused

ALPHABET = 1000  # characters that a trained vocabulary spells words with at most; BERT's own vocabulary has 997


def learn_pieces(
    texts: Iterable[str], specials: Sequence[str], vocab_size: int, lowercase: bool, min_frequency: int
) -> set[str]:
    """Learn at most `vocab_size` pieces, the special ones included, from texts that are read once.

    Raises:
        Refused: when there is no text, or no room for letters.
    """
    letters = min(ALPHABET, (vocab_size - len(specials)) // 2)  # one letter may take two ids: "x" and "##x"
    words = _spellable(_count_words(texts, lowercase), max(letters, 0))
    if not words:
        raise Refused(f"text.tokenizer.vocab_size={vocab_size} is too small, or there is no text to learn.")
    return _learn(words, specials, vocab_size, min_frequency)


def _count_words(texts: Iterable[str], lowercase: bool) -> Counter[str]:
    """Count normalised words. Nothing that BERT's rules do reaches across a blank, so each chunk is cut only once."""
    chunks = Counter(chain.from_iterable(text.split(" ") for text in texts))
    normalize = normalizers.BertNormalizer(lowercase=lowercase).normalize_str
    split = pre_tokenizers.BertPreTokenizer().pre_tokenize_str
    words: Counter[str] = Counter()
    for chunk, count in chunks.items():
        for word, _ in split(normalize(chunk)):
            words[word] += count
    return words


def _spellable(words: Counter[str], size: int) -> dict[str, int]:
    """The words made of the `size` most frequent characters: one rare character would cost two pieces of vocabulary."""
    letters: Counter[str] = Counter()
    for word, count in words.items():
        for letter in word:
            letters[letter] += count
    alphabet = set(sorted(letters, key=lambda letter: (-letters[letter], letter))[:size])
    return {word: count for word, count in words.items() if alphabet.issuperset(word)}


def _learn(words: dict[str, int], specials: Sequence[str], vocab_size: int, min_frequency: int) -> set[str]:
    """Pieces of counted words, with ties broken the same way each time.

    The trainer breaks ties between equally frequent pairs by the ids of their halves, and numbers "##x" in the order
    of a randomly seeded hash table. As special tokens they are numbered before it looks at the words.
    """
    inner = sorted({f"##{letter}" for word in words for letter in word[1:]})
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size, min_frequency=min_frequency, special_tokens=[*specials, *inner], show_progress=False
    )
    learner = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    learner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    learner.train_from_iterator(_repeated(words), trainer)
    return set(learner.get_vocab())


def _repeated(words: dict[str, int], most: int = 10_000) -> Iterator[str]:
    """Each word as often as it was counted, in lines of at most `most`."""
    for word, count in words.items():
        for start in range(0, count, most):
            yield " ".join([word] * min(most, count - start))
