"""A tokenised corpus on the disk: shards of bounded size, each one there as a whole or not at all.

A split is a folder of shards 00000, 00001 ... and an index.json, which is written last. Shards close at the end of a
document, at a place that depends on the text alone: a preparation that was stopped goes on after the last whole shard
and ends with the same bytes.
"""

import json
import os
import shutil
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from datamodules.histogram import Counted, histogram_of

SHARD_TOKENS = 1 << 23  # a shard closes with the document that reaches this: what a stopped preparation may lose
GROUP_TOKENS = 1 << 27  # tokens that training plans and shuffles at once, at most
# Of each document beside its tokens: white-space separated words; bytes that no token tells, sentences that end with a
# full stop (yardstick.py).
COUNTED = ("words", "unknown_bytes", "stopped_sentences")


class Tokens(Protocol):
    """Token ids that are read by slices: an array, a memory map, or several of them."""

    def __len__(self) -> int: ...

    def __getitem__(self, span: slice, /) -> np.ndarray: ...


@dataclass
class TokenizedCorpus:
    """Token ids of documents, end to end.

    Attributes:
        tokens: (T,) ids, usually memory maps.
        sentences: (sentences + 1,) where each sentence begins in `tokens`.
        documents: (documents + 1,) where each document begins in `sentences`.
        first: the number of the first document in the whole corpus.
    """

    tokens: Tokens
    sentences: np.ndarray
    documents: np.ndarray
    first: int = 0

    def __len__(self) -> int:
        return len(self.documents) - 1

    @cached_property
    def ends(self) -> np.ndarray:
        """(documents + 1,) where each document begins in `tokens`."""
        return self.sentences[self.documents]

    def starts(self, document: int) -> list[int]:
        """Where the sentences of a document begin in `tokens`, and where the last one ends."""
        return self.sentences[self.documents[document] : self.documents[document + 1] + 1].tolist()


class Joined:
    """Arrays end to end; a slice is read from those that it meets, and nothing else is."""

    def __init__(self, parts: Sequence[np.ndarray]) -> None:
        self.parts, self.starts = parts, offsets([len(part) for part in parts])

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, span: slice, /) -> np.ndarray:
        first, stop, _ = span.indices(len(self))
        low = int(self.starts.searchsorted(first, "right")) - 1  # the part that holds `first`
        pieces = [
            part[max(first - start, 0) : stop - start]
            for part, start in zip(self.parts[low:], self.starts[low:].tolist(), strict=False)
            if start < stop
        ]
        if len(pieces) == 1:
            return pieces[0]
        return np.concatenate(pieces) if pieces else self.parts[0][:0]


class Split:
    """A prepared split: a sequence of groups, each of which a run holds as one `TokenizedCorpus` at a time.

    A group is a run of shards with at most GROUP_TOKENS tokens, or about as many; groups are of about equal size. A
    small corpus is one group.
    """

    def __init__(self, directory: Path) -> None:
        self.directory, self.index = directory, read_json(directory / "index.json")
        count = len(self.shards)
        self.groups = np.array_split(np.arange(count), max(1, min(count, -(-self.total("tokens") // GROUP_TOKENS))))

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, number: int, /) -> TokenizedCorpus:
        return self.join(self.groups[number])

    @property
    def shards(self) -> list[dict[str, int]]:
        return self.index["shards"]

    def total(self, name: str) -> int:
        """Of all shards: documents, sentences, tokens, or one of COUNTED."""
        return sum(shard[name] for shard in self.shards)

    @property
    def histogram(self) -> np.ndarray:
        """(V,) how often each id occurs; of whole words, how often each word does."""
        return np.load(self.directory / "histogram.npy")

    def sample(self) -> TokenizedCorpus:
        """All of it if that is one group, else a group's worth of shards, evenly spread."""
        return self.join(np.linspace(0, len(self.shards) - 1, len(self.groups[0])).astype(int))

    def join(self, numbers: np.ndarray) -> TokenizedCorpus:
        """Some shards as one corpus; the tokens stay on the disk."""
        folders = [shard_of(self.directory, int(number)) for number in numbers]
        tokens = [np.memmap(folder / "tokens.bin", dtype=self.index["dtype"], mode="r") for folder in folders]
        return TokenizedCorpus(
            tokens[0] if len(tokens) == 1 else Joined(tokens),
            end_to_end([np.load(folder / "sentences.npy") for folder in folders]),
            end_to_end([np.load(folder / "documents.npy") for folder in folders]),
            sum(shard["documents"] for shard in self.shards[: int(numbers[0])]),
        )


class ShardWriter:
    """Writes the documents of one split; goes on after the shards that are there.

    Attributes:
        resume: the number, in the text that is read, of the first document that is not yet in a whole shard.
    """

    def __init__(self, directory: Path, dtype: str, vocabulary: int, counted: Counted | None = None) -> None:
        self.directory, self.dtype, self.vocabulary, self.counted = directory, dtype, vocabulary, counted
        directory.mkdir(parents=True, exist_ok=True)
        for unfinished in directory.glob("[0-9]*.partial"):
            shutil.rmtree(unfinished)
        self.shards = [read_json(path / "counts.json") for path in sorted(directory.glob("[0-9]*"))]
        self.resume: int = self.shards[-1]["stop"] if self.shards else 0
        self.open: OpenShard | None = None

    def add(self, number: int, ids: np.ndarray, sentences: np.ndarray, counts: np.ndarray) -> None:
        """A document, see `preparation.Cut`; one without tokens is left out."""
        if len(ids) == 0:
            return
        if self.open is None:
            self.open = OpenShard(shard_of(self.directory, len(self.shards), ".partial"))
        self.open.add(ids, sentences, counts)
        if self.open.tokens >= SHARD_TOKENS:
            self.close(number + 1)

    def close(self, stop: int) -> None:
        """The shard that is open ends before the document with the number `stop`."""
        if self.open is None:
            return
        counts = self.open.write(self.dtype, self.vocabulary, self.counted)
        self.shards.append({"first": self.resume, "stop": stop, **counts})
        write_json(self.open.folder / "counts.json", self.shards[-1])
        self.open.folder.rename(shard_of(self.directory, len(self.shards) - 1))
        self.open, self.resume = None, stop

    def finish(self, stop: int) -> None:
        """The text has `stop` documents, and all of this split's have been added."""
        self.close(stop)
        histogram = np.zeros(self.vocabulary, dtype=np.int64)
        for number in range(len(self.shards)):
            histogram += np.load(shard_of(self.directory, number) / "histogram.npy")
        np.save(self.directory / "histogram.npy", histogram)
        write_json(self.directory / "index.json", {"dtype": self.dtype, "shards": self.shards})


class OpenShard:
    """A shard that is being written: tokens go to the disk at once, only lengths are kept."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.tokens, self.counts = folder, 0, np.zeros(len(COUNTED), dtype=np.int64)
        self.sentences, self.documents = array("i"), array("i")
        self.file: BinaryIO = (folder / "tokens.bin").open("wb")

    def add(self, ids: np.ndarray, sentences: np.ndarray, counts: np.ndarray) -> None:
        self.file.write(ids.tobytes())
        self.sentences.frombytes(sentences.astype(np.intc).tobytes())
        self.documents.append(len(sentences))
        self.tokens += len(ids)
        self.counts += counts

    def write(self, dtype: str, vocabulary: int, counted: Counted | None) -> dict[str, int]:
        """What stands beside the tokens; the counts."""
        self.file.close()
        np.save(self.folder / "sentences.npy", offsets(self.sentences))
        np.save(self.folder / "documents.npy", offsets(self.documents))
        np.save(self.folder / "histogram.npy", histogram_of(self.folder / "tokens.bin", dtype, vocabulary, counted))
        sizes = {"documents": len(self.documents), "sentences": len(self.sentences)}
        return {**sizes, "tokens": self.tokens, **dict(zip(COUNTED, self.counts.tolist(), strict=True))}


def shard_of(directory: Path, number: int, suffix: str = "") -> Path:
    return directory / f"{number:05d}{suffix}"


def offsets(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    """(n,) lengths -> (n + 1,) where each one begins, and where the last one ends."""
    result = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=result[1:])
    return result


def end_to_end(parts: Sequence[np.ndarray]) -> np.ndarray:
    """Offsets of several arrays -> of these arrays end to end."""
    shifts = offsets([int(part[-1]) for part in parts])
    return np.concatenate([*(part[:-1] + shift for part, shift in zip(parts, shifts, strict=False)), shifts[-1:]])


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, facts: Any) -> None:
    """Whole or not at all."""
    unfinished = path.with_name(f"{path.name}.partial")
    unfinished.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    os.replace(unfinished, path)
