"""What a model learns about a data set, and the few words with which a setting or an input is refused.

This is the one file that both sides of the suite may import: `lightning_modules` reads a `Task` and never the data
module that made it, `datamodules` makes one and never sees the model.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeVar

T = TypeVar("T")

# Kinds of tasks that are asked of a pre-trained model: which candidate is likeliest, or whether one is likely enough.
ASKED = ("probes", "threshold")
WORD_VECTORS = "word_vectors"  # a kind, too: the vectors of single words are looked at as they are
UNTRAINED = (*ASKED, WORD_VECTORS)
OBJECTIVES = ("masked_lm", "ltr")  # of BERT, and of how its text is read: from both sides, or from left to right
TRAIN = "train"  # the split that is trained on, of every data set with labels
GENERATED = {"miniature": "demo", "miniature-sweep": "sweep", "miniature-gpu": "gpu"}  # by data.source: its size


class Refused(ValueError):  # noqa: N818
    """A setting or an input that cannot be used. Its message is one sentence, written for the user."""


def one_of(key: str, value: T, allowed: Collection[T]) -> T:
    """Return `value` if it is among `allowed`.

    Raises:
        Refused: naming the key, the value and what it may be.
    """
    if value in tuple(allowed):  # a tuple, so that a list is no more than another wrong value
        return value
    raise Refused(f"{key}={value!r} is not possible: it may be {', '.join(map(str, allowed))}.")


def meant(word: str, words: Iterable[str], before: str = "") -> str:
    """ " (did you mean ...?)", the words that are nearly this one; empty where none is."""
    near = get_close_matches(word, list(words), 3, 0.7)
    return f" (did you mean {' or '.join(before + one for one in near)}?)" if near else ""


def real(key: str, value: Any, allowed: str, holds: Callable[[float], bool]) -> Any:
    """Return `value` if it is a number for which `holds`; `allowed` says the same in words.

    Raises:
        Refused: naming the key, the value and what it may be.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and holds(value):
        return value
    raise Refused(f"{key}={value!r} is not possible: it may be {allowed}.")


def whole(key: str, value: Any, least: int = 1) -> int:
    """Return `value` if it is a whole number from `least` up; raises Refused as `real`."""
    return real(key, value, f"a whole number from {least} up", lambda n: isinstance(n, int) and n >= least)


def fingerprint(facts: dict, digits: int = 12) -> str:
    """Hex digits that stand for plain facts: equal facts, equal digits, in whatever order they are written."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()[:digits]


def named(labels: Sequence[str], number: int) -> str:
    """A word's tag; of a word without a prediction, -1, the one that says nothing of it."""
    return labels[number] if number >= 0 else "O" if "O" in labels else "-"


@dataclass(frozen=True)
class Reading:
    """How a text is read for an answer that is a span of it; the numbers are those of BERT's release.

    Attributes:
        max_question: tokens of a question.
        stride: tokens between the beginnings of a long text's windows.
        n_best: candidates that are looked at.
        max_answer_length: tokens of an answer.
    """

    max_question: int = 64
    stride: int = 128
    n_best: int = 20
    max_answer_length: int = 30

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            whole(f"data.{name}", getattr(self, name))


@dataclass(frozen=True)
class Task:
    """What a model needs to know of a data set: nothing about files, columns or text.

    Attributes:
        name: as the data set's publishers write it in lower case: "rte", "corpus".
        kind: "pretraining"; one of UNTRAINED, which ask a pre-trained model and train nothing; or what chooses a
            head, "classification", "regression", "choice", "span" or "tags" (`lightning_modules.heads.HEADS`).
        num_labels: width of the classifier's output; 1 for a regression, 0 for pre-training.
        labels: label names in the order of their numbers (the hub's order).
        metrics: names in `lightning_modules.metrics.METRICS`, computed on every evaluation set.
        headline: the one metric (of the first test set) that comparisons read as `score`, times 100.
        test_sets: names of the evaluation sets in loader order ("validation_matched", "validation_mismatched").
        max_length: tokens of its longest sequence; 0 where that is not known.
        columns: names of an example's texts, in the order in which a pair is read; none where it has no such texts. Of
            a choice: a sentence, the beginning of the next, and its possible ends.
        symmetric: whether a pair has no first and second: equal questions, similar sentences.
        may_lack: whether an example may have no answer (SQuAD v2.0).
        reading: of a span.
        tagged_token: of tags, the token of a word at which its tag stands: "first", or "last" where a token has seen
            nothing but what stands before it, so that the last one alone has seen the word.
    """

    name: str
    kind: str
    num_labels: int = 0
    labels: Sequence[str] = ()
    metrics: Sequence[str] = ()
    headline: str = ""
    test_sets: Sequence[str] = ("validation",)
    max_length: int = 0
    columns: Sequence[str] = ()
    symmetric: bool = False
    may_lack: bool = False
    reading: Reading | None = None
    tagged_token: str = "first"

    @property
    def trains(self) -> bool:
        """Whether there is anything to learn."""
        return self.kind not in UNTRAINED

    @property
    def room(self) -> int:
        """Tokens that a sequence may have."""
        return self.max_length or sys.maxsize

    def check_length(self, room: int) -> None:
        """Raises Refused when a sequence may be longer than the `room` positions of a model."""
        if self.max_length > room:
            raise Refused(
                f"data.max_length (or data.long_length)={self.max_length} is more than model.max_length={room}: "
                f"it may be up to {room}."
            )
