"""GPT's pieces of words: merges of neighbouring symbols, learnt most frequent first (Sennrich et al. 2016).

The last symbol of a word carries "</w>". Text is lower-cased, cleaned and split by BERT's rules, as the published
tokenizer.json has it; the release's own pipeline (ftfy, spaCy) cuts a few words otherwise. The only special token is
"<unk>", one for each symbol that is not in the vocabulary: fine-tuning has others, pre-training none.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from datamodules.specials import ROLES
from datamodules.task import Refused, one_of, whole
from datamodules.tokenization import Subwords, kind_of, read_tokenizer
from datamodules.wordpiece_training import count_words, learn

END = "</w>"
UNKNOWN = ROLES["BPE"]["unk"]
PAIRS = (
    ("vocab.json", "merges.txt"),
    ("encoder_bpe_40000.json", "vocab_40000.bpe"),
)  # transformers' names, the release's
KINDS = "a tokenizer.json, or a directory of it, or one of " + ", or ".join(" and ".join(pair) for pair in PAIRS)


class BytePair(Subwords):
    """GPT's byte-pair encoding.

    Args:
        vocab_size: what `train` may learn at most, "<unk>" included.
        lowercase: lower case and no accents. A tokenizer.json knows better.
        min_frequency: a pair of pieces is merged only if it occurs this often.
        file: a tokenizer.json, or a directory that holds one, or vocabulary and merges in two files (see PAIRS).
    """

    def __init__(
        self, vocab_size: int = 40478, lowercase: bool = True, min_frequency: int = 2, file: str | None = None
    ) -> None:
        self.vocab_size = vocab_size
        self.lowercase = one_of("text.tokenizer.lowercase", lowercase, (True, False))
        self.min_frequency = whole("text.tokenizer.min_frequency", min_frequency)
        self.file = file

    def train(self, texts: Iterable[str]) -> Tokenizer:
        words = count_words(texts, 1, self.vocab_size, self.lowercase)
        ends = sorted({word[-1] + END for word in words})
        trainer = trainers.BpeTrainer(
            vocab_size=self.vocab_size, min_frequency=self.min_frequency, special_tokens=[UNKNOWN, *ends],
            end_of_word_suffix=END, show_progress=False,
        )  # fmt: skip
        learnt = learn(Tokenizer(models.BPE()), words, trainer)
        merges = [tuple(pair) for pair in json.loads(learnt.to_str())["model"]["merges"]]
        made = dict.fromkeys(left + right for left, right in merges)
        symbols = sorted(set(learnt.get_vocab()) - set(made) - {UNKNOWN})
        return _byte_pairs([UNKNOWN, *symbols, *made], merges, self.lowercase)

    def load(self) -> Tokenizer:
        if self.file is None:
            raise Refused(f"text.tokenizer.file=None names no tokenizer: it may be {KINDS}.")
        files = _find(Path(self.file))
        if len(files) > 1:
            return _read_pair(*files, lowercase=self.lowercase)
        tokenizer = read_tokenizer(files[0])
        if (kind := kind_of(tokenizer)) != "BPE":
            raise Refused(
                f"text.tokenizer.file={self.file} is a tokenizer of {kind}, not of byte pairs (BPE): another may be."
            )
        return tokenizer

    def identity(self) -> dict[str, str | int | bool | None]:
        settings: dict[str, str | int | bool | None] = {"kind": "BytePair", "lowercase": self.lowercase}
        if self.file is None:
            return {**settings, "vocab_size": self.vocab_size, "min_frequency": self.min_frequency}
        files = _find(Path(self.file))
        content = b"".join(file.read_bytes() for file in files)
        lowercase = self.lowercase if len(files) > 1 else None
        return {**settings, "lowercase": lowercase, "sha256": hashlib.sha256(content).hexdigest()}


def _find(path: Path) -> list[Path]:
    """The one file that `path` means, or the two."""
    if path.is_dir():
        for names in (("tokenizer.json",), *PAIRS):
            if all((path / name).is_file() for name in names):
                return [path / name for name in names]
        raise Refused(f"{path} is not a tokenizer: a tokenizer is {KINDS}.")
    if not path.is_file():
        raise Refused(f"{path} is not there: a tokenizer is {KINDS}.")
    return [path]


def _read_pair(vocabulary: Path, merges: Path, lowercase: bool) -> Tokenizer:
    """The release's files: piece -> id; and the pairs in the order of their learning, below a version's line."""
    try:
        ids: dict[str, int] = json.loads(vocabulary.read_text(encoding="utf-8"))
        lines = merges.read_text(encoding="utf-8").split("\n")
        pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
        return _byte_pairs(sorted(ids, key=ids.__getitem__), pairs, lowercase)
    except Exception as error:  # the library raises nothing narrower
        raise Refused(f"{vocabulary} and {merges.name} are not a tokenizer: {error}.") from error


def _byte_pairs(vocabulary: Sequence[str], merges: Sequence[tuple[str, ...]], lowercase: bool) -> Tokenizer:
    """GPT's tokenizer over a vocabulary in the order of its ids."""
    ids = {piece: id for id, piece in enumerate(vocabulary)}
    pairs = [(left, right) for left, right in merges]
    tokenizer = Tokenizer(models.BPE(ids, pairs, unk_token=UNKNOWN, end_of_word_suffix=END))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase, strip_accents=None)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.BPEDecoder(suffix=END)
    return tokenizer
