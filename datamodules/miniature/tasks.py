"""The nine tasks in GLUE's shape, ax and choice: which rows a split has, and what is wrong with a few of them.

A builder makes one row for a label and a part of the lexicon. Labels are exactly balanced, and so are parts within a
label: a training set has words of the first part only, every second row elsewhere has words of no training set.
"""

from collections.abc import Callable
from functools import lru_cache
from random import Random

from datamodules.miniature import inference, pairs, sentences
from datamodules.miniature.choice import choice
from datamodules.miniature.lexicon import TEST, TRAIN, VALIDATION, meant, stream
from datamodules.miniature.sentences import Made
from datamodules.task import one_of

BUILDERS: dict[str, Callable[[Random, int, int, str], Made]] = {
    "cola": sentences.cola,
    "sst2": sentences.sst2,
    "mrpc": pairs.mrpc,
    "stsb": pairs.stsb,
    "qqp": pairs.qqp,
    "mnli": inference.mnli,
    "qnli": pairs.qnli,
    "rte": inference.rte,
    "wnli": pairs.wnli,
    "ax": inference.ax,
    "choice": choice,
}
TASKS = tuple(BUILDERS)[:9]  # GLUE's
COLUMNS = {
    "cola": ("sentence",), "sst2": ("sentence",), "qqp": ("question1", "question2"), "qnli": ("question", "sentence"),
    "mnli": ("premise", "hypothesis"), "ax": ("premise", "hypothesis"),
    "choice": ("sent1", "sent2", "ending0", "ending1", "ending2", "ending3"),
}  # fmt: skip
PAIR = ("sentence1", "sentence2")
STANDS_FOR = {"swag": "choice", "sick": "mnli"}  # tasks that the miniature calls by its own name, and their splits
SPLITS = {"sick": {"test": "validation_matched", "validation": "validation_mismatched"}}
LABELS = {"mnli": 3, "ax": 3, "stsb": 6, "choice": 4}  # all others have two

LARGER = ("sweep", "gpu")
TRAIN_ROWS = {"rte": 1000, "wnli": 500, "stsb": 1000, "mnli": 4000, "qqp": 4000}  # all others 2,000
MORE_ROWS = {
    "mnli": 20_000, "qqp": 20_000, "qnli": 10_000, "sst2": 10_000, "choice": 10_000, "cola": 8000, "stsb": 5000,
}  # fmt: skip
LABEL_NOISE, TYPOS = 0.02, 0.03  # in training rows; in all rows


def stand_in(task: str, split: str) -> tuple[str, str]:
    """The miniature's own names of a task and a split."""
    return STANDS_FOR.get(task, task), SPLITS.get(task, {}).get(split, split)


def split_sizes(task: str, size: str = "demo") -> dict[str, int]:
    """Rows by split, train first: later splits avoid what earlier ones hold."""
    if task == "ax":
        return {"test": 1000}
    ends = ("_matched", "_mismatched") if task == "mnli" else ("",)
    train = TRAIN_ROWS.get(task, 2000)
    train = MORE_ROWS.get(task, train) if size in LARGER else train
    return {"train": train} | {"validation" + end: 1000 for end in ends} | {"test" + end: 200 for end in ends}


def made_rows(task: str, split: str, seed: int = 0, size: str = "demo") -> list[Made]:
    """Rows with their true labels and tags, in the order in which they are handed out.

    Raises:
        Refused: if there is no such task, or no such split of it.
    """
    one_of("split", split, split_sizes(one_of("task", task, BUILDERS), size))
    return [*splits(task, seed, size)[split]]


@lru_cache(maxsize=16)
def splits(task: str, seed: int, size: str) -> dict[str, list[Made]]:
    """The rows of all splits; no two of them have the same texts."""
    seen: set[tuple[str, ...]] = set()
    return {
        split: fresh_rows(stream(task, split, seed, size), task, split, wanted, seen)
        for split, wanted in split_sizes(task, size).items()
    }


def fresh_rows(rng: Random, task: str, split: str, wanted: int, seen: set[tuple[str, ...]]) -> list[Made]:
    """Make rows whose texts are not in `seen`, add them there, and shuffle."""
    labels, build = LABELS.get(task, 2), BUILDERS[task]
    other = TEST if split.startswith("test") and task != "ax" else VALIDATION
    rows: list[Made] = []
    while len(rows) < wanted:
        part = TRAIN if split == "train" or len(rows) // labels % 2 == 0 else other
        row = build(rng, len(rows) % labels, part, split)
        if row.texts not in seen:
            seen.add(row.texts)
            rows.append(row._replace(tags=row.tags | {"words": "seen" if part == TRAIN else "unseen"}))
    rng.shuffle(rows)
    return [mistyped(rng, row) if rng.random() < TYPOS else row for row in rows]


def mistyped(rng: Random, row: Made) -> Made:
    """Exchange two letters within one word; whoever knows all words can tell which word it was."""
    texts = [text.split() for text in row.texts]
    for _ in range(20):
        found = rng.choice(texts)
        number = rng.randrange(len(found))
        word = found[number]
        if len(word) < 5 or not word.isalpha():
            continue
        at = rng.randrange(1, len(word) - 2)
        wrong = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        if wrong != word and meant(wrong) == {word.lower()}:
            found[number] = wrong
            return row._replace(texts=tuple(map(" ".join, texts)), tags=row.tags | {"typo": word})
    return row


def given_label(rng: Random, task: str, split: str, row: Made) -> int | float:
    """The label that is handed out: none in a test split, now and then a wrong one in training."""
    if split.startswith("test"):
        return -1.0 if task == "stsb" else -1
    if task == "stsb":
        return float(row.label)
    if split == "train" and rng.random() < LABEL_NOISE:
        return (row.label + rng.randrange(1, LABELS.get(task, 2))) % LABELS.get(task, 2)
    return row.label
