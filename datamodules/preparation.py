"""From a stream of documents to shards: split into sentences and cut into tokens, in parallel, in bounded memory.

What is written depends on the text and the tokenizer alone, not on the number of processes or on interruptions.
"""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from multiprocessing import connection, get_context, parent_process
from typing import Any, TypeVar

import numpy as np
from tokenizers import Tokenizer
from tqdm import tqdm

from datamodules.shards import ShardWriter
from datamodules.tokenization import encode_all
from datamodules.yardstick import Pieces

T = TypeVar("T")
BATCH_CHARACTERS = 1 << 18  # of the documents that a process gets at a time
ALONE = 32  # batches that are cut in this process: a small corpus starts no other
MOST_PROCESSES = 32  # reading and writing, in this process, keep about as many busy
Document = tuple[int, str, str]  # number in the text, split, text


@dataclass
class Cut:
    """The tokens of some documents, without sentences that have none.

    Attributes:
        ids: (T,) of all documents, end to end.
        sentences: (S,) tokens of each sentence.
        documents: (D,) sentences of each document.
        counts: (D, 3) of each document, as shards.COUNTED names them.
    """

    ids: np.ndarray
    sentences: np.ndarray
    documents: np.ndarray
    counts: np.ndarray

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Each document: its ids, the lengths of its sentences, its counts."""
        first = begin = 0
        for number, counts in zip(self.documents.tolist(), self.counts, strict=True):
            sentences = self.sentences[first : first + number]
            end = begin + int(sentences.sum())
            yield self.ids[begin:end], sentences, counts
            first, begin = first + number, end


@dataclass
class Cutter:
    """Documents -> tokens."""

    tokenizer: Tokenizer
    split: Callable[[str], list[str]]  # a document's sentences
    dtype: type[np.integer]  # of an id

    @cached_property
    def measure(self) -> Pieces:
        return Pieces(self.tokenizer)

    def __call__(self, texts: list[str]) -> Cut:
        split = [self.split(text) for text in texts]
        owners = np.repeat(np.arange(len(texts)), [len(sentences) for sentences in split])
        ids = list(encode_all(self.tokenizer, chain.from_iterable(split), dtype=self.dtype))
        unknown = self.measure.unknown_bytes(chain.from_iterable(split), ids)
        words = [len(sentence.split()) for sentence in chain.from_iterable(split)]
        counted = (words, unknown, self.measure.is_stopped(ids))
        lengths = np.array([len(one) for one in ids], dtype=np.intc)
        return Cut(
            np.concatenate([np.zeros(0, self.dtype), *ids]),
            lengths[lengths > 0],
            np.bincount(owners[lengths > 0], minlength=len(texts)),
            np.stack([np.bincount(owners, each, len(texts)).astype(np.int64) for each in counted], axis=1),
        )


def prepare(documents: Iterable[tuple[str, str]], writers: Mapping[str, ShardWriter], cutter: Cutter) -> None:
    """Write (split, text) into the splits' shards, from where they stand on; then their indices."""
    numbers = Counted(documents)
    missing = ((n, split, text) for n, (split, text) in numbers if n >= writers[split].resume)
    for batch, cut in in_order(cutter, batches(missing), processes()):
        for (number, split, _), document in zip(batch, cut, strict=True):
            writers[split].add(number, *document)
    for writer in writers.values():
        writer.finish(numbers.count)


class Counted:
    """Numbers what it hands out, and knows how much that was."""

    def __init__(self, items: Iterable[tuple[str, str]]) -> None:
        self.items, self.count = items, 0

    def __iter__(self) -> Iterator[tuple[int, tuple[str, str]]]:
        for item in self.items:
            self.count += 1
            yield self.count - 1, item


def batches(documents: Iterable[Document]) -> Iterator[list[Document]]:
    """Neighbours, up to BATCH_CHARACTERS of text or one document."""
    batch: list[Document] = []
    size = 0
    for document in documents:
        batch.append(document)
        size += len(document[2])
        if size >= BATCH_CHARACTERS:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


# ---- processes -------------------------------------------------------------------------------------------------------


def in_order(cutter: Cutter, work: Iterator[list[Document]], count: int) -> Iterator[tuple[list[Document], Cut]]:
    """Each batch with its tokens; at most two batches a process are under way."""
    for batch in islice(work, None if count == 1 else ALONE):
        yield batch, cutter([text for _, _, text in batch])
    ahead = next(work, None)
    if ahead is None:
        return
    waiting: deque[tuple[list[Document], Future[Cut]]] = deque()
    with start(cutter, count) as pool:
        for batch in chain([ahead], work):
            waiting.append((batch, pool.submit(cut_here, [text for _, _, text in batch])))
            if len(waiting) > 2 * count:
                batch, future = waiting.popleft()
                yield batch, future.result()
        for batch, future in waiting:
            yield batch, future.result()


def processes() -> int:
    """One a core of this process's own; where it cannot fork safely one, and the tokenizer's threads."""
    if sys.platform != "linux":
        return 1
    return min(len(os.sched_getaffinity(0)), MOST_PROCESSES)


def start(cutter: Cutter, count: int) -> ProcessPoolExecutor:
    """Forked, for a spawned process would run a user's script again."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # threads do not survive a fork, and each process has one core
    return ProcessPoolExecutor(count, get_context("fork"), begin, (cutter,))


def begin(cutter: Cutter) -> None:
    """In a new process: it ends with the one that started it, whatever ends that; Ctrl-C is that one's to answer."""
    global _cutter
    _cutter = cutter
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=follow, daemon=True).start()


def follow() -> None:
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


_cutter: Cutter


def cut_here(texts: list[str]) -> Cut:
    """In a process that `begin` has prepared."""
    return _cutter(texts)


# ---- progress --------------------------------------------------------------------------------------------------------


def progress(what: str, unit: str, total: int | None) -> "tqdm[Any]":
    """A bar for what takes longer than a moment; where nobody watches, a line now and then."""
    watched = sys.stderr.isatty()
    every = 0.1 if watched else 30
    return tqdm(desc=what, unit=unit, unit_scale=True, total=total, delay=1 if watched else 10, mininterval=every)


def watched(items: Iterable[T], bar: "tqdm[Any]", size: Callable[[T], int] = lambda _: 1) -> Iterator[T]:
    """The items, each of which moves the bar by its size."""
    with bar:
        for item in items:
            yield item
            bar.update(size(item))
