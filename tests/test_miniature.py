"""The miniature world is the same in every process, has the shapes it promises, and no shortcut to its labels."""

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from math import log
from pathlib import Path

import pytest

from datamodules.miniature import TASKS, documents, glue
from datamodules.miniature.lexicon import ADJECTIVES, SEEN, UNSEEN
from datamodules.task import Refused

ROOT = Path(__file__).parents[1]
COLUMNS = {
    "sst2": ["sentence", "label", "idx"],
    "cola": ["sentence", "label", "idx"],
    "rte": ["sentence1", "sentence2", "label", "idx"],
    "stsb": ["sentence1", "sentence2", "label", "idx"],
    "mnli": ["premise", "hypothesis", "label", "idx"],
}
LABELS = {"sst2": 2, "cola": 2, "rte": 2, "stsb": 6, "mnli": 3}
LARGE = ("sst2", "cola", "mnli")
Row = dict[str, object]


def splits(task: str) -> list[str]:
    ends = ("_matched", "_mismatched") if task == "mnli" else ("",)
    return ["train"] + [kind + end for kind in ("validation", "test") for end in ends]


def texts(row: Row) -> tuple[str, ...]:
    return tuple(value for value in row.values() if isinstance(value, str))


def words(*parts: str) -> list[str]:
    return re.findall(r"[a-z]+", " ".join(parts).lower())


def digest() -> str:
    everything = [documents("train"), documents("validation"), *(glue(t, s) for t in TASKS for s in splits(t))]
    return hashlib.sha256(repr(everything).encode()).hexdigest()


def naive_bayes(train: Iterable[tuple[int, Counter[str]]]) -> Callable[[Counter[str]], int]:
    """Return a classifier of bags of features: the independent baseline of these tests."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for label, bag in train:
        counts[label].update(bag)
    sums = {label: bag.total() + 1000 for label, bag in counts.items()}

    def classify(bag: Counter[str]) -> int:
        scores = {k: sum(n * log((counts[k][w] + 1) / sums[k]) for w, n in bag.items()) for k in sorted(counts)}
        return max(scores, key=lambda label: scores[label])

    return classify


def accuracy(features: Callable[[Row], Counter[str]], train: list[Row], test: list[Row]) -> float:
    classify = naive_bayes((int(str(row["label"])), features(row)) for row in train)
    return sum(classify(features(row)) == row["label"] for row in test) / len(test)


def polarity_accuracy(window: int) -> float:
    """Tell the polarity of unseen adjectives from the words that stand around them in the corpus."""
    group = {word: key for key, members in ADJECTIVES.items() for word in members}
    around: dict[str, Counter[str]] = defaultdict(Counter)
    for text in documents("train"):
        found = words(text)
        for at, word in enumerate(found):
            if word in group:
                near = found[max(0, at - window) : at] + found[at + 1 : at + window + 1]
                around[word].update(other for other in near if other not in group)
    classify = naive_bayes((group[word][0], bag) for word, bag in around.items() if group[word][1] == SEEN)
    results = [classify(bag) == group[word][0] for word, bag in around.items() if group[word][1] == UNSEEN]
    return sum(results) / len(results)


def test_same_in_every_process():
    code = "from tests.test_miniature import digest; print(digest())"
    for hash_seed in ("1", "2"):
        env = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == digest()


def test_seed_and_split_change_the_world():
    first, held_out = set(documents("train")), set(documents("validation"))
    assert not first & held_out
    assert not held_out & set(documents("validation", seed=1))
    assert glue("rte", "train") != glue("rte", "train", seed=1)


def test_corpus_size():
    for split, wanted in (("train", 300_000), ("validation", 12_000)):
        assert abs(sum(len(text.split()) for text in documents(split)) / wanted - 1) < 0.02
    assert 1200 <= len({word for text in documents("train") for word in words(text)}) <= 2000


def test_documents_are_lines_of_sentences():
    lengths = []
    for text in documents("validation") + documents("train")[:500]:
        paragraphs = text.split("\n\n")
        lines = [line for paragraph in paragraphs for line in paragraph.split("\n")]
        assert 1 <= len(paragraphs) <= 3
        assert 6 <= len(lines) <= 14
        assert all(re.fullmatch(r"[A-Z][A-Za-z, ]+[a-z]\.", line) for line in lines)
        lengths += [len(line.split()) for line in lines]
    assert sum(length > 6 for length in lengths) > 0.5 * len(lengths)


@pytest.mark.parametrize("task", TASKS)
def test_rows(task: str):
    train_size = 2000 if task in LARGE else 1000
    seen: set[tuple[str, ...]] = set()
    for split in splits(task):
        rows = glue(task, split)
        kind = split.split("_")[0]
        assert len(rows) == {"train": train_size, "validation": 300, "test": 100}[kind]
        assert all(list(row) == COLUMNS[task] for row in rows)
        assert [row["idx"] for row in rows] == list(range(len(rows)))
        counts = Counter(row["label"] for row in rows)
        if kind == "test":
            assert set(counts) == {-1}
        else:
            assert set(counts) == set(range(LABELS[task]))
            assert max(counts.values()) - min(counts.values()) <= 1
        assert {type(row["label"]) for row in rows} == {float if task == "stsb" else int}
        fresh = {texts(row) for row in rows}
        assert len(fresh) == len(rows)
        assert not fresh & seen
        seen |= fresh


@pytest.mark.parametrize("task", ["sst2", "cola", "rte", "mnli"])
def test_no_shortcut(task: str):
    """Majority, length, each text's words alone and all words together stay near chance where meaning is needed."""
    train, test = glue(task, "train"), glue(task, splits(task)[1])
    if task == "sst2":  # a bag of words knows the adjectives of the fine-tuning rows, and should
        unseen = {word for (_, half), members in ADJECTIVES.items() if half == UNSEEN for word in members}
        test = [row for row in test if unseen & set(words(*texts(row)))]
    chance = 1 / LABELS[task]
    slack = 2.6 * (chance * (1 - chance) / len(test)) ** 0.5
    baselines: dict[str, Callable[[Row], Counter[str]]] = {
        "majority": lambda row: Counter(),
        "length": lambda row: Counter([str([len(text.split()) for text in texts(row)])]),
        "last text": lambda row: Counter(words(texts(row)[-1])),
        "bag of words": lambda row: Counter(words(*texts(row))),
    }
    for name, features in baselines.items():
        assert accuracy(features, train, test) < chance + slack, name


def test_half_of_sst2_validation_needs_the_corpus():
    used = {word for row in glue("sst2", "train") for word in words(*texts(row))}
    corpus = {word for text in documents("train") for word in words(text)}
    group = {word: half for (_, half), members in ADJECTIVES.items() for word in members}
    halves = Counter()
    for row in glue("sst2", "validation"):
        (adjective,) = (word for word in words(*texts(row)) if word in group)
        halves[group[adjective], row["label"]] += 1
        assert (adjective in used) == (group[adjective] == SEEN)
        assert adjective in corpus
    assert set(halves.values()) == {75}


def test_polarity_is_grounded_but_not_in_a_template():
    assert polarity_accuracy(window=15) > 0.9
    assert polarity_accuracy(window=2) < 0.62


def test_refuses_other_names():
    for call in (lambda: glue("qqp", "train"), lambda: glue("mnli", "validation"), lambda: documents("test")):
        with pytest.raises(Refused):
            call()
