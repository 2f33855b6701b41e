"""Vectors of words between the suite's encoder directories and word2vec's files.

python -m sweeps.vectors outputs/<run> vectors.bin     write what a pre-training has learnt: .bin, or .txt or .vec, text

The other way is init_from=vectors.bin with model=word2vec: the file becomes an encoder directory in the cache, once.
"""

import hashlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock
from omegaconf import DictConfig
from tokenizers import normalizers

from datamodules.lexicon import Lexicon
from datamodules.phrases import JOINER
from datamodules.spelling import SPECIALS, may_be_entry, spelled_by
from datamodules.task import Refused, fingerprint
from datamodules.text_files import mark_of
from datamodules.tokenization import kind_of, read_tokenizer, save_tokenizer
from lightning_modules import encoder_io
from lightning_modules.interop import word2vec

if TYPE_CHECKING:
    from lightning_modules.start import Start

WORD2VEC = "lightning_modules.word2vec.Word2Vec"
TABLE = "vectors.weight"  # of models that have a vector for each word
VERSION = 1  # raised by hand when files are read otherwise: converted ones are converted anew
KINDS = "the folder of a word2vec's or an nnlm's pre-training, or a .bin, .txt or .vec file of word vectors"


@dataclass(frozen=True)
class Place:
    """Where vectors are.

    Attributes:
        folder: an encoder directory with a tensor TABLE.
        width: numbers of a vector.
    """

    folder: Path
    width: int

    @classmethod
    def of(cls, told: str, key: str, cache: Path, others: str = "") -> "Place":
        """What `told` names, a file converted first.

        Args:
            others: what else the key may be.

        Raises:
            Refused: naming the key, and what it may be.
        """
        from safetensors import safe_open

        folder = converted(Path(told), cache) if word2vec.is_file(told) else Path(told)
        folder = folder / "encoder" if (folder / "encoder").is_dir() else folder
        if not (folder / encoder_io.WEIGHTS).is_file():
            raise Refused(f"{key}={told} is not possible: there are no vectors; it may be {others}{KINDS}.")
        with safe_open(folder / encoder_io.WEIGHTS, "np") as file:
            if TABLE not in file.keys():  # noqa: SIM118
                raise Refused(
                    f"{key}={told} is not possible: that model has no vector for each word; it may be {others}{KINDS}."
                )
            return cls(folder, file.get_slice(TABLE).get_shape()[1])

    def words(self) -> list[str]:
        """The words in the order of their rows, <S>, </S> and <UNK> first.

        Raises:
            Refused: where they are pieces.
        """
        tokenizer = read_tokenizer(self.folder)
        if kind_of(tokenizer) != "Words":
            raise Refused(f"{self.folder}: its tokenizer cuts words into pieces; it may be one of whole words.")
        return Lexicon(tokenizer).entries

    def table(self) -> np.ndarray:
        """(V, width) float32; rows after the last word are of no use."""
        from safetensors.numpy import load_file

        return load_file(self.folder / encoder_io.WEIGHTS)[TABLE]


# ---- from a file -----------------------------------------------------------------------------------------------------


def find_start(cfg: DictConfig) -> "Start":
    """As `lightning_modules.start.find_start`; a word2vec may start from a file of vectors, too."""
    from lightning_modules import start

    if cfg.model._target_ != WORD2VEC or cfg.init_from is None or not word2vec.is_file(cfg.init_from):
        return start.find_start(cfg)
    found = start.from_encoder(converted(Path(cfg.init_from), Path(cfg.cache_dir)), WORD2VEC)
    return replace(found, words=f"vectors {cfg.init_from} (fingerprint {found.fingerprint})")


def converted(file: Path, cache: Path) -> Path:
    """The encoder directory that a file of vectors is, made now or before."""
    folder = cache / "vectors" / fingerprint({**mark_of(file), "binary": file.suffix in word2vec.BINARY, "v": VERSION})
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not folder.is_dir():
            convert(file, folder)
    return folder


def convert(file: Path, folder: Path) -> None:
    """Words that can be no entry of a vocabulary are left out, and <S>, </S> and <UNK> get vectors of zeros."""
    import torch

    found = word2vec.read(file)
    words = [within(word) for word in found.words]
    is_kept = np.array([may_be_entry(word) for word in words])
    table = torch.zeros(len(SPECIALS) + is_kept.sum(), found.table.shape[1])
    table[len(SPECIALS) :] = torch.from_numpy(found.table if is_kept.all() else found.table[is_kept])
    total = len(words) + len(found.left_out)
    numbers = np.setdiff1d(np.arange(1, total + 1), found.left_out)  # of the words in the file
    if len(out := np.setdiff1d(np.arange(1, total + 1), numbers[is_kept])):
        reason = "a vocabulary cannot have them, or not twice"
        print(f"{file}: {len(out)} of {total} words are left out, for {reason}: number {out[0]} is the first")
    entries = [word for word, kept in zip(words, is_kept, strict=True) if kept]
    settings, digest = reading(entries), hashlib.sha256("\n".join(entries).encode())
    digest.update(table.numpy().data)
    tokenizer = {"_target_": "datamodules.words.Words", "vocab_size": len(table), "lowercase": settings["lowercase"]}
    model = {"_target_": WORD2VEC, "vocab_size": len(table), "size": table.shape[1]}
    description = {"model": model, "text": {"tokenizer": tokenizer}, "fingerprint": digest.hexdigest()[:12]}
    written = folder.with_name(f"{folder.name}.json")
    save_tokenizer(spelled_by(entries, **settings), written)
    encoder_io.save(folder, {**description, "start": f"vectors {file.name}"}, {TABLE: table}, written)
    written.unlink()


def reading(words: Sequence[str]) -> dict[str, Any]:
    """How text is read to find these words: in lower case if all are, without accents if then none has one."""
    stripped = normalizers.BertNormalizer(False, False, strip_accents=True, lowercase=False).normalize_str
    lowercase = all(word == word.lower() for word in words)
    accents = any(not word.isascii() and word != stripped(word) for word in words)
    return {"lowercase": lowercase, "strip_accents": False if lowercase and accents else None}


def within(word: str) -> str:
    """A word of a file as a tokenizer has it: in a file _ joins the words of a phrase, and here a letter does."""
    return word.replace("_", JOINER) if len(word) > 1 else word


def without(word: str) -> str:
    """The way back."""
    return word.replace(JOINER, "_") if len(word) > 1 else word


# ---- to a file -------------------------------------------------------------------------------------------------------


def export(told: str, file: Path) -> str:
    """Write the vectors of an encoder directory, or of a run's, to a file; says how many.

    <S>, </S> and <UNK> are left out.

    Raises:
        Refused: when there are none, or the file cannot be written.
    """
    place = Place.of(told, "the folder", Path())
    words = place.words()
    table = place.table()[len(SPECIALS) : len(words)]
    word2vec.write(file, [without(word) for word in words[len(SPECIALS) :]], table)
    return f"{file}: {len(table)} words, {place.width} numbers each"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("error: python -m sweeps.vectors needs the folder of a run, and a .bin, .txt or .vec file to write")
    try:
        print(export(sys.argv[1], Path(sys.argv[2])))
    except (Refused, OSError) as error:
        sys.exit(f"error: {error}")
