"""The tokenizer of whole words: a vocabulary that has them, and every byte, so that it can spell any other word."""

from collections.abc import Sequence

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from datamodules.byte_letters import LETTERS, as_letters
from datamodules.specials import ROLES

SPECIALS = tuple(ROLES["Words"][role] for role in ("bos", "eos", "unk"))
CONTINUES = "##"
MAX_WORD = 1000  # bytes; a longer word is <UNK>, spelled "<UNK>", for cutting takes time with the square of them


def entries(words: list[str]) -> list[str]:
    """A vocabulary in the order of its ids: specials, words, every byte inside a word, and at its begin if need be."""
    known = dict.fromkeys([*SPECIALS, *words])
    return [*known, *(CONTINUES + letter for letter in LETTERS), *(one for one in LETTERS if one not in known)]


def spells(tokenizer: Tokenizer) -> bool:
    """Whether its vocabulary is one of `entries`."""
    ids = tokenizer.get_vocab()
    words = sorted(ids, key=ids.__getitem__)[len(SPECIALS) : ids.get(CONTINUES + LETTERS[0], 0)]
    return ids == {piece: number for number, piece in enumerate(entries(words))}


def may_be_entry(word: str) -> bool:
    """Whether a vocabulary can have the word: none that looks like what it has besides, none beyond the limit."""
    inner = word.startswith(CONTINUES) and word != CONTINUES
    return not inner and word not in SPECIALS and 0 < len(word.encode()) <= MAX_WORD


def spelled_by(words: Sequence[str], lowercase: bool, strip_accents: bool | None = None) -> Tokenizer:
    """The tokenizer over different words, each of which `may_be_entry`, in the order of their ids.

    Args:
        strip_accents: None: exactly if the case is lowered.
    """
    ids = {piece: number for number, piece in enumerate(entries([as_letters(word) for word in words]))}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=ROLES["Words"]["unk"], max_input_chars_per_word=MAX_WORD))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=strip_accents)
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.BertPreTokenizer(), to_bytes])
    joined, blank = decoders.WordPiece(prefix=CONTINUES, cleanup=False), decoders.Replace(" ", LETTERS[32])
    tokenizer.decoder = decoders.Sequence([joined, blank, decoders.ByteLevel()])
    return tokenizer
