"""How text is cut into pieces of words. Here BERT's way: its normaliser, its splitting, greedy longest match.

A tokenizer here only cuts. It adds no special tokens, truncates nothing and pads nothing, for `formats` lay sequences
out; and "[MASK]" written in a text is text, never the mask.
"""

import hashlib
import json
import os
import uuid
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from datamodules.lexicon import Lexicon
from datamodules.specials import ROLES
from datamodules.task import Refused, one_of, whole
from datamodules.tokenizer_files import KINDS, find, from_json, lines_of
from datamodules.wordpiece_training import learn_pieces

SPECIALS = tuple(ROLES["WordPiece"].values())
MAX_WORD = 200  # characters; a longer word is one [UNK] (Google's number; the tokenizers library's own is 100)


class Subwords(ABC):
    """A tokenizer: one to be learnt from text, or one that exists.

    Attributes:
        vocab_size: what `train` may learn at most, and `file` may have.
        file: what `load` reads; None: there is none yet.
    """

    vocab_size: int
    file: str | None

    @abstractmethod
    def train(self, texts: Iterable[str]) -> Tokenizer:
        """Learn a vocabulary from `texts`, which are read once; the same texts give the same ids."""

    @abstractmethod
    def load(self) -> Tokenizer:
        """Read the tokenizer that `file` names."""

    def entries(self, tokenizer: Tokenizer) -> int:
        """How many of a tokenizer's entries `vocab_size` is about."""
        return tokenizer.get_vocab_size()

    @abstractmethod
    def identity(self) -> dict[str, str | int | bool | None]:
        """What decides the ids, for a fingerprint: a training's settings, or a file's content but not its place."""


class WordPiece(Subwords):
    """BERT's word pieces.

    Args:
        vocab_size: what `train` may learn at most, the five special tokens included.
        lowercase: lower case and no accents. A tokenizer.json, and a directory's tokenizer_config.json, know better.
        min_frequency: a pair of pieces is merged only if it occurs this often.
        file: a tokenizer.json, a vocab.txt, or a directory that holds one of them.
    """

    def __init__(
        self, vocab_size: int = 30522, lowercase: bool = True, min_frequency: int = 2, file: str | None = None
    ) -> None:
        self.vocab_size = vocab_size
        self.lowercase = one_of("text.tokenizer.lowercase", lowercase, (True, False))
        self.min_frequency = whole("text.tokenizer.min_frequency", min_frequency)
        self.file = file

    def train(self, texts: Iterable[str]) -> Tokenizer:
        pieces = learn_pieces(texts, SPECIALS, self.vocab_size, self.lowercase, self.min_frequency)
        return _word_pieces([*SPECIALS, *sorted(pieces.difference(SPECIALS))], self.lowercase)

    def load(self) -> Tokenizer:
        if self.file is None:
            raise Refused(f"text.tokenizer.file=None names no tokenizer: it may be {KINDS}.")
        return read_tokenizer(self.file, self.lowercase)

    def identity(self) -> dict[str, str | int | bool | None]:
        if self.file is None:
            settings = {"vocab_size": self.vocab_size, "min_frequency": self.min_frequency}
            return {"kind": "WordPiece", "lowercase": self.lowercase, **settings}
        path, lowercase = find(Path(self.file), self.lowercase)
        return {"kind": "WordPiece", "lowercase": lowercase, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


def read_tokenizer(path: str | Path, lowercase: bool = True) -> Tokenizer:
    """Read a tokenizer.json, a vocab.txt (whose case the caller knows), or a directory that holds one of them.

    Raises:
        Refused: if there is nothing there, or not a tokenizer.
    """
    file, lower = find(Path(path), lowercase)
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"{file} is not a tokenizer: it is not UTF-8 text.") from error
    if lower is None:
        return from_json(text, file)
    return _word_pieces(lines_of(text, file, SPECIALS), lower)


def save_tokenizer(tokenizer: Tokenizer, path: str | Path) -> None:
    """Write a tokenizer.json, so that another process finds a whole file there or none."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        tokenizer.save(str(unfinished))
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """What laying out and corrupting sequences needs of a tokenizer; `vocabulary.mask` is the id of its "[MASK]".

    Attributes:
        specials: the ids of the tokens that are not text, by role.
        size: number of entries, V.
        continues: (V,) bool, whether a piece continues a word ("##ing").
        tokenizer: what it is of.
    """

    specials: Mapping[str, int]
    size: int
    continues: np.ndarray
    tokenizer: Tokenizer | None = None

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> "Vocabulary":
        """Look the special tokens up.

        Raises:
            Refused: naming those of its kind that the tokenizer lacks.
        """
        roles = ROLES[one_of("the kind of a tokenizer", kind_of(tokenizer), ROLES)]
        found = {role: tokenizer.token_to_id(token) for role, token in roles.items()}
        ids = {role: id for role, id in found.items() if id is not None}
        if lacking := [token for role, token in roles.items() if role not in ids]:
            raise Refused(f"The tokenizer lacks {', '.join(lacking)}: it must have {', '.join(roles.values())}.")
        continues = np.zeros(tokenizer.get_vocab_size(), dtype=bool)
        continues[[i for piece, i in tokenizer.get_vocab().items() if piece.startswith("##")]] = True
        return cls(ids, len(continues), continues, tokenizer)

    def __getattr__(self, role: str) -> int:
        if not any(role in roles for roles in ROLES.values()):
            raise AttributeError(role)
        if role not in self.specials:
            raise Refused(f"text.tokenizer has no {role} token, only {', '.join(self.specials)}: another one may be.")
        return self.specials[role]

    def ids(self, text: str) -> np.ndarray:
        """(n,) int64, the token ids of a text."""
        assert self.tokenizer is not None
        return np.array(self.tokenizer.encode(text, add_special_tokens=False).ids, dtype=np.int64)

    @property
    def all_ids(self) -> tuple[int, ...]:
        return tuple(self.specials.values())

    @cached_property
    def lexicon(self) -> Lexicon:
        """The words behind the pieces.

        Raises:
            Refused: when the tokenizer cuts words into pieces.
        """
        if self.tokenizer is None or kind_of(self.tokenizer) != "Words":
            raise Refused("text.tokenizer cuts words into pieces: the model reads whole words, so it may be Words.")
        return Lexicon(self.tokenizer)

    @property
    def words(self) -> int:
        """How many entries a softmax predicts."""
        return self.lexicon.words if self.has_words else self.size

    @property
    def has_words(self) -> bool:
        """Whether a model reads whole words, by their letters."""
        return "eos" in self.specials

    def read(self, ids: np.ndarray) -> np.ndarray:
        """A text's tokens as a model reads them: pieces, or whole words (`Lexicon.forms`); of no text, one unknown."""
        if not len(ids):
            return np.array([self.unk])
        return self.lexicon.forms(ids) if self.has_words else ids


def kind_of(tokenizer: Tokenizer) -> str:
    """A key of ROLES; the name of its model where it is none of them."""
    name = type(tokenizer.model).__name__
    is_words = name == "WordPiece" and tokenizer.model.unk_token == ROLES["Words"]["unk"]
    return "Words" if is_words else name


def digest(tokenizer: Tokenizer) -> str:
    """Twelve hexadecimal digits that two tokenizers share if they give the same ids to every text."""
    settings = json.loads(tokenizer.to_str())
    decisive = {key: settings[key] for key in ("normalizer", "pre_tokenizer", "model", "added_tokens")}
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:12]


def id_type(tokenizer: Tokenizer) -> type[np.integer]:
    """What holds an id."""
    return np.uint16 if max(tokenizer.get_vocab().values()) <= np.iinfo(np.uint16).max else np.int32


def encode_all(
    tokenizer: Tokenizer, texts: Iterable[str], batch: int = 2000, dtype: type[np.integer] | None = None
) -> Iterator[np.ndarray]:
    """Yield each text's ids, `batch` texts at a time on every core; 16 bits an id where the vocabulary allows it."""
    dtype = dtype or id_type(tokenizer)
    remaining = iter(texts)
    while some := list(islice(remaining, batch)):
        for encoding in tokenizer.encode_batch_fast(some, add_special_tokens=False):
            yield np.fromiter(encoding.ids, dtype, len(encoding))


def _word_pieces(vocabulary: Sequence[str], lowercase: bool) -> Tokenizer:
    """BERT's tokenizer over a vocabulary in the order of its ids."""
    ids = {piece: id for id, piece in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]", max_input_chars_per_word=MAX_WORD))
    # None strips accents exactly if the case is lowered, and is what published tokenizer.json files say
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=None)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer
