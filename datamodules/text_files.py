"""One's own text: .txt files in UTF-8. What a document is, and how long it may be."""

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from datamodules.task import Refused

SMALL = 1 << 20  # bytes of a file that is read whole for its identity; of a larger one
ENDS = 1 << 16  # so many at either end: what was appended counts also where the size was cut back to the old one
LONGEST = 1 << 22  # characters of a document (War and Peace has 3.2 million), bytes of a line; what follows is another
DOCUMENTS = ("blank_line", "line", "file")  # what ends a document


def read_texts(paths: Sequence[str], documents: str = "blank_line") -> Iterator[str]:
    """The documents of one's own .txt files, in the files' order; files without text are left out.

    Args:
        paths: file names or patterns ("books/*.txt"); a pattern's files come in the order of their names.
        documents: one of DOCUMENTS.

    Raises:
        Refused: a file is missing (at the call), is not UTF-8 (when it is reached), or none holds text (at the end).
    """
    return _texts(_text_files(paths), documents)


def file_identity(paths: Sequence[str]) -> list[dict[str, object]]:
    """What `read_texts` would read, cheaply: each file's own name, its size and a digest.

    Raises:
        Refused: a file is missing.
    """
    return [{"name": file.name, **mark_of(file)} for file in _text_files(paths)]


def size_of(paths: Sequence[str]) -> int:
    """Bytes of all files."""
    return sum(file.stat().st_size for file in _text_files(paths))


def assemble(lines: Iterable[str | None]) -> Iterator[str]:
    """Join lines to documents. None ends one, and so does LONGEST: memory stays flat where no end comes."""
    parts: list[str] = []
    size = 0
    for line in lines:
        if line is None or size + len(line) > LONGEST:
            if size:
                yield "\n".join(parts)
            parts, size = [], 0
        if line is not None:
            parts.append(line)
            size += len(line)
    if size:
        yield "\n".join(parts)


def _text_files(paths: Sequence[str]) -> list[Path]:
    files = [Path(file) for path in paths for file in sorted(glob.glob(path, recursive=True)) or [path]]
    for file in files:
        if not file.is_file():
            raise Refused(f"There is no text file {file}: name .txt files, or patterns such as books/*.txt.")
    return files


def _texts(files: Sequence[Path], documents: str) -> Iterator[str]:
    found = False
    for file in files:
        for text in assemble(_marked(_lines(file), documents)):
            found = True
            yield text
    if not found:
        raise Refused(f"{files[-1]}, line 1: the file holds no text{', nor do the others' * (len(files) > 1)}.")


def _marked(lines: Iterable[str], documents: str) -> Iterator[str | None]:
    """Lines with None where a document ends."""
    for line in lines:
        if line or documents == "file":
            yield line
        if documents == "line" or (documents == "blank_line" and not line):
            yield None


def _lines(file: Path) -> Iterator[str]:
    """A file's lines without white space around them; one longer than LONGEST comes in parts."""
    number, rest = 1, b""
    with file.open("rb") as content:
        while line := rest + content.readline(LONGEST - len(rest)):
            whole = len(line) < LONGEST or line.endswith(b"\n")
            end = len(line) if whole else _word_end(line)
            yield _decoded(file, number, line[:end])
            rest = line[end:]
            number += whole


def _word_end(line: bytes) -> int:
    """Where the last whole word ends; in a line without blanks, the last whole character."""
    characters = (i for i in range(len(line) - 1, 0, -1) if line[i] & 0xC0 != 0x80)  # in UTF-8 one begins there
    return line.rfind(b" ") + 1 or next(characters, len(line))


def _decoded(file: Path, number: int, line: bytes) -> str:
    try:
        return line.decode("utf-8").lstrip("\ufeff").strip()  # some editors write a byte order mark first
    except UnicodeDecodeError as error:
        raise Refused(f"{file}, line {number}: byte {error.start + 1} is not UTF-8; convert the file first.") from error


def mark_of(file: Path) -> dict[str, object]:
    """A file's size in bytes and a SHA-256: of all of it up to SMALL, of its first and last ENDS beyond."""
    size = file.stat().st_size
    with file.open("rb") as content:
        digest = hashlib.sha256(content.read(SMALL if size <= SMALL else ENDS))
        if size > SMALL:
            content.seek(-ENDS, os.SEEK_END)
            digest.update(content.read())
    return {"bytes": size, "sha256": digest.hexdigest()}
