"""One's own text: .txt files, UTF-8, one sentence a line, a blank line between documents."""

import glob
import hashlib
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from datamodules.task import Refused

HEAD_BYTES = 64 * 1024  # of each file, for its identity


def read_texts(paths: Sequence[str]) -> Iterator[str]:
    """The documents of one's own .txt files: UTF-8, one sentence a line, a blank line between documents.

    Args:
        paths: file names or patterns ("books/*.txt"); a pattern's files come in the order of their names.

    Raises:
        Refused: a file is missing (at the call), is not UTF-8 or holds no text (when it is reached).
    """
    return (document for file in _text_files(paths) for document in _documents(file))


def file_identity(paths: Sequence[str]) -> list[dict[str, object]]:
    """What `read_texts` would read, cheaply: each file's own name, size in bytes and SHA-256 of its first 64 KiB."""
    return [{"name": file.name, **head_of(file)} for file in _text_files(paths)]


def _text_files(paths: Sequence[str]) -> list[Path]:
    files = [Path(file) for path in paths for file in sorted(glob.glob(path, recursive=True)) or [path]]
    for file in files:
        if not file.is_file():
            raise Refused(f"There is no text file {file}: name .txt files, or patterns such as books/*.txt.")
    return files


def _documents(file: Path) -> Iterator[str]:
    found = False
    with file.open("rb") as lines:
        sentences = (_sentence(file, number, line) for number, line in enumerate(lines, start=1))
        for filled, document in groupby(sentences, key=bool):
            if filled:
                found = True
                yield "\n".join(document)
    if not found:
        raise Refused(f"{file}, line 1: the file holds no text.")


def _sentence(file: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8").lstrip("\ufeff").strip()  # some editors write a byte order mark first
    except UnicodeDecodeError as error:
        raise Refused(f"{file}, line {number}: byte {error.start + 1} is not UTF-8; convert the file first.") from error


def head_of(file: Path) -> dict[str, object]:
    """A file's size in bytes and the SHA-256 of its first 64 KiB."""
    with file.open("rb") as content:
        return {"bytes": file.stat().st_size, "sha256": hashlib.sha256(content.read(HEAD_BYTES)).hexdigest()}
