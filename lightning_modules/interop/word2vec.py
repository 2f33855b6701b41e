"""Files of word vectors as word2vec.c writes them (Mikolov et al. 2013), and gensim, fastText and GloVe after it.

    .bin         "V D" and a line's end; then each word, a blank, D little-endian numbers of 32 bits, maybe a line's end
    .txt, .vec   a line "V D", which may be missing (GloVe's); then for each word a line: word and D numbers, by blanks

In text a number has nine digits, of which float32 comes back bit for bit.
"""

import os
import re
import uuid
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO

import numpy as np

from datamodules.task import Refused, one_of

BINARY = (".bin",)
ENDINGS = (*BINARY, ".txt", ".vec")
HEADER = re.compile(rb"([1-9]\d*) ([1-9]\d*)\s*")
NUMBER = np.dtype("<f4")
ROWS = 1 << 12  # words that are read or written at once
CHUNK = 1 << 20  # bytes at once where lines are counted


@dataclass
class Vectors:
    """Words and their vectors, in a file's order.

    Attributes:
        table: (V, D) float32; rows after the last word are to be filled.
        left_out: numbers, from 1 up, of a file's words that cannot be entries: written twice (the first one counts),
            not UTF-8, empty or with a blank inside.
    """

    table: np.ndarray
    words: list[str] = field(default_factory=list)
    left_out: list[int] = field(default_factory=list)
    known: set[str] = field(default_factory=set)

    def add(self, words: Sequence[bytes], rows: np.ndarray) -> None:
        """More words of a file, and their vectors (n, D)."""
        kept = []
        for place, written in enumerate(words):
            try:
                word = written.decode()
            except UnicodeDecodeError:
                word = ""
            if word in self.known or written.split() != [written] or not word:
                self.left_out.append(len(self.words) + len(self.left_out) + 1)
                continue
            self.known.add(word)
            self.words.append(word)
            kept.append(place)
        first = len(self.words) - len(kept)
        self.table[first : len(self.words)] = rows if len(kept) == len(rows) else rows[kept]

    def whole(self, path: Path) -> "Vectors":
        """All that was asked for, once it has been added.

        Raises:
            Refused: when there is none, or a number is infinite or none.
        """
        if not self.words:
            raise Refused(f"{path}: none of its {len(self.left_out)} words is UTF-8 without a blank.")
        self.table = self.table[: len(self.words)]
        for first in range(0, len(self.words), ROWS):
            if len(odd := np.flatnonzero(~np.isfinite(self.table[first : first + ROWS]).all(axis=1))):
                word = self.words[first + int(odd[0])]
                raise Refused(f"{path}: the vector of {word!r} has a number that is infinite or none.")
        return self


def is_file(place: str | Path) -> bool:
    """Whether there is a file whose name ends as those of vectors do."""
    return Path(place).suffix in ENDINGS and Path(place).is_file()


# ---- reading ---------------------------------------------------------------------------------------------------------


def read(path: Path) -> Vectors:
    """A file's words and vectors.

    Raises:
        Refused: naming the file, and the line or the word where it is not as it should be.
    """
    one_of(f"{path}: the end of its name", path.suffix, ENDINGS)
    with path.open("rb") as file:
        found = binary(file, path) if path.suffix in BINARY else text(file, path)
    return found.whole(path)


def room(first_line: bytes, path: Path, least: int) -> np.ndarray | None:
    """(V, D), not filled, as a first line announces them; None if it is no such line.

    Args:
        least: bytes that a number takes at least.
    """
    if (told := HEADER.fullmatch(first_line)) is None:
        return None
    count, width = map(int, told.groups())
    if count * (width * least + 1) > (size := path.stat().st_size):
        raise Refused(
            f"{path}, line 1: {count} words of {width} numbers are announced, for which its {size} bytes are too few."
        )
    return np.empty((count, width), np.float32)


def binary(file: BinaryIO, path: Path) -> Vectors:
    """See `read`."""
    table = room(first := file.readline(), path, NUMBER.itemsize)
    if table is None:
        raise Refused(
            f"{path}, line 1: how many words and how many numbers a word has are expected, {first[:40]!r} is."
        )
    count, width = table.shape
    found, at, size = Vectors(table), len(first), width * NUMBER.itemsize
    with mmap(file.fileno(), 0, access=ACCESS_READ) as data:
        for done in range(0, count, ROWS):
            words, numbers = [], []
            for number in range(done + 1, min(done + ROWS, count) + 1):
                blank = data.find(b" ", at)
                if blank < 0 or blank + 1 + size > len(data):
                    raise Refused(f"{path}, word {number} of {count}: the file ends before its {width} numbers do.")
                words.append(data[at:blank].lstrip(b"\n"))
                at = blank + 1 + size
                numbers.append(data[blank + 1 : at])
            found.add(words, np.frombuffer(b"".join(numbers), NUMBER).reshape(-1, width))
        if data[at : at + 2] not in (b"", b"\n"):
            raise Refused(f"{path} goes on after the {count} words of {width} numbers that its line 1 announces.")
    return found


def text(file: BinaryIO, path: Path) -> Vectors:
    """See `read`."""
    table = room(first := file.readline(), path, 2)
    headed = table is not None
    if table is None:
        width = len(first.split()) - 1
        if width < 1:
            raise Refused(f"{path}, line 1: a word and its numbers are expected, {first[:40]!r} is.")
        table = np.empty((lines_of(file), width), np.float32)
    file.seek(len(first) * headed)
    (count, width), found, number = table.shape, Vectors(table), 0
    while lines := [line.rstrip() for line in islice(file, ROWS)]:
        if number + len(lines) > count:
            raise Refused(f"{path}, line {count + 2}: it goes on after the {count} words that its line 1 announces.")
        parts = [line.partition(b" ")[::2] for line in lines]
        words, is_even = [word for word, _ in parts], all(rest.count(b" ") == width - 1 for _, rest in parts)
        rows = parsed([rest for _, rest in parts], width) if is_even else None
        if rows is None:
            words, rows = line_by_line(lines, width, path, number + 1 + headed)
        found.add(words, rows)
        number += len(lines)
    if number < count:
        raise Refused(f"{path} ends after {number} of the {count} words that its line 1 announces.")
    return found


def lines_of(file: BinaryIO) -> int:
    """How many there are."""
    file.seek(0)
    count, last = 0, b""
    while chunk := file.read(CHUNK):
        count, last = count + chunk.count(b"\n"), chunk
    return count + (not last.endswith(b"\n"))


def parsed(written: Sequence[bytes], width: int) -> np.ndarray | None:
    """Each word's numbers as text -> (n, width); None if one of them is no number."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # that it stopped at what is no number
        try:
            numbers = np.fromstring(b" ".join(written).decode("latin-1"), np.float32, sep=" ")
        except (DeprecationWarning, ValueError):
            return None
    return numbers.reshape(-1, width) if len(numbers) == len(written) * width else None


def line_by_line(lines: Sequence[bytes], width: int, path: Path, first: int) -> tuple[list[bytes], np.ndarray]:
    """Words, which may have blanks inside, and numbers of lines, of which at least one is not as others are.

    Args:
        first: the first one's number.
    """
    words, rows = [], []
    for number, line in enumerate(lines, start=first):
        word, *numbers = line.rsplit(b" ", width)
        row = parsed([b" ".join(numbers)], width) if len(numbers) == width else None
        if row is None:
            raise Refused(f"{path}, line {number}: a word and {width} numbers are expected, {line[:40]!r} is.")
        words.append(word)
        rows.append(row)
    return words, np.concatenate(rows)


# ---- writing ---------------------------------------------------------------------------------------------------------


def write(path: Path, words: Sequence[str], table: np.ndarray) -> None:
    """Leave a whole file, or none.

    Args:
        table: (V, D).

    Raises:
        Refused: when the name ends otherwise, or a word has a blank inside.
    """
    one_of(f"{path}: the end of its name", path.suffix, ENDINGS)
    lines = binary_lines if path.suffix in BINARY else text_lines
    unfinished = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with unfinished.open("wb") as file:
            file.write(b"%d %d\n" % table.shape)
            for first in range(0, len(words), ROWS):
                some = [writable(word, path) for word in words[first : first + ROWS]]
                file.writelines(lines(some, table[first : first + ROWS]))
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def writable(word: str, path: Path) -> bytes:
    """A word's bytes."""
    written = word.encode()
    if written.split() != [written]:
        raise Refused(f"{path}: the word {word!r} cannot be written, for blanks end a word there.")
    return written


def binary_lines(words: Sequence[bytes], rows: np.ndarray) -> Iterator[bytes]:
    """A word, its numbers, a line's end."""
    numbers, size = rows.astype(NUMBER).tobytes(), rows.shape[1] * NUMBER.itemsize
    for place, word in enumerate(words):
        yield word + b" " + numbers[place * size : (place + 1) * size] + b"\n"


def text_lines(words: Sequence[bytes], rows: np.ndarray) -> Iterator[bytes]:
    """The same as text."""
    line = b"%s " + b" ".join([b"%.9g"] * rows.shape[1]) + b"\n"
    for word, numbers in zip(words, rows.astype(np.float32).tolist(), strict=True):
        yield line % (word, *numbers)
