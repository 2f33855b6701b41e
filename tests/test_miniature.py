"""The miniature world is the same in every process, has the shapes it promises, and no shortcut to its labels."""

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from itertools import islice
from math import log
from pathlib import Path

import pytest

from datamodules import miniature
from datamodules.glue_tasks import TASKS as GLUE_TASKS
from datamodules.miniature import BUILDERS, TASKS, documents, glue, split_sizes, tell
from datamodules.miniature.grammar import Transfer
from datamodules.miniature.lexicon import (
    EVENTS_BY_PART,
    HOMOGRAPHS,
    NOUNS_BY_PART,
    PARTS,
    POLAR,
    TRAIN,
    VALIDATION,
)  # fmt: skip
from datamodules.miniature.probes import probes
from datamodules.miniature.squad import squad
from datamodules.miniature.tagging import tagging
from datamodules.miniature.tasks import LABEL_NOISE, LABELS, TYPOS, made_rows
from datamodules.task import Refused

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "miniature.md").read_text()
Row = dict[str, object]


def texts(row: Row) -> tuple[str, ...]:
    return tuple(value for value in row.values() if isinstance(value, str))


def words(*parts: str) -> list[str]:
    return re.findall(r"[a-z]+", " ".join(parts).lower())


@cache
def digest() -> str:
    everything = [*documents("train"), *documents("validation")]
    everything += [str(glue(task, split)) for task in BUILDERS for split in split_sizes(task)]
    everything += [str(squad("validation", version=version, limit=50)) for version in ("v1.1", "v2.0")]
    everything += [str(tagging(task, "validation", limit=50)) for task in ("tagged", "sense")] + [str(probes())]
    return hashlib.sha256("\f".join(everything).encode()).hexdigest()


def naive_bayes(train: Iterable[tuple[int, Counter[str]]]) -> Callable[[Counter[str]], int]:
    """Return a classifier of bags of features: an independent baseline."""
    counts: dict[int, Counter[str]] = defaultdict(Counter)
    for label, bag in train:
        counts[label].update(bag)
    sums = {label: bag.total() + 1000 for label, bag in counts.items()}

    def classify(bag: Counter[str]) -> int:
        scores = {k: sum(n * log((counts[k][w] + 1) / sums[k]) for w, n in bag.items()) for k in sorted(counts)}
        return max(scores, key=lambda label: scores[label])

    return classify


def polarity_accuracy(window: int, corpus: Iterable[str] | None = None) -> float:
    """Tell the polarity of unseen adjectives from the words that stand around them in the corpus."""
    group = {word: (polarity, part) for polarity in (0, 1) for part in PARTS for word in POLAR[polarity][part]}
    around: dict[str, Counter[str]] = defaultdict(Counter)
    for text in corpus or documents("train"):
        found = words(text)
        for at, word in enumerate(found):
            if word in group and found[at - 1] != "not":
                near = found[max(0, at - window) : at] + found[at + 1 : at + window + 1]
                around[word].update(other for other in near if other not in group)
    classify = naive_bayes((group[word][0], bag) for word, bag in around.items() if group[word][1] == TRAIN)
    results = [classify(bag) == group[word][0] for word, bag in around.items() if group[word][1] == VALIDATION]
    return sum(results) / len(results)


# ---- the world -------------------------------------------------------------------------------------------------------


def test_same_in_every_process_and_frozen():
    code = "from tests.test_miniature import digest; print(digest())"
    env = os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest()
    assert f"World {miniature.WORLD}, digest `{digest()}`" in PAGE, "a changed world needs a new WORLD and a new digest"


def test_it_needs_no_torch():
    code = "import sys, datamodules.miniature; print(sorted({'torch', 'datasets', 'lightning'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_words_of_a_part_are_in_no_other():
    for polarity in (0, 1):
        assert [len(POLAR[polarity][part]) for part in PARTS] == [100, 100, 100]
    forms = [
        *(word for group in (*POLAR.values(), *HOMOGRAPHS.values()) for part in PARTS for word in group[part]),
        *(noun for part in PARTS for noun in NOUNS_BY_PART[part]),
        *(verb.base for kind in EVENTS_BY_PART.values() for part in PARTS for group in kind[part] for verb in group),
    ]
    assert len(forms) == len(set(forms))


def test_seed_and_split_change_the_world():
    first, held_out = set(documents("train")), set(documents("validation"))
    assert not first & held_out
    assert not held_out & set(documents("validation", seed=1))
    assert glue("rte", "train") != glue("rte", "train", seed=1)


def test_a_larger_corpus_begins_with_the_smaller_and_is_told_on_demand():
    first = list(islice(documents("train"), 3))
    assert first == list(islice(documents("train", size="gpu"), 3))
    assert first[2] == tell("train", 2).text
    counts = [miniature.DOCUMENTS[size]["train"] for size in miniature.SIZES]
    assert counts == sorted(counts)


def test_corpus_size():
    sizes = {split: sum(len(text.split()) for text in documents(split)) for split in ("train", "validation")}
    assert sizes["train"] == pytest.approx(300_000, rel=0.02)
    assert sizes["validation"] == pytest.approx(12_600, rel=0.06)
    assert 2000 <= len({word for text in documents("train") for word in words(text)}) <= 3000


def test_documents_are_lines_of_sentences():
    lengths = []
    for text in [*documents("validation"), *islice(documents("train"), 500)]:
        paragraphs = text.split("\n\n")
        lines = [line for paragraph in paragraphs for line in paragraph.split("\n")]
        assert 1 <= len(paragraphs) <= 3
        assert 6 <= len(lines) <= 14
        assert len(set(lines)) > len(lines) - 2
        assert all(re.fullmatch(r"[A-Z][A-Za-z, ]+[a-z]\.", line) for line in lines)
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text.lower().replace("an hour", ""))
        lengths += [len(line.split()) for line in lines]
    assert sum(length > 6 for length in lengths) > 0.5 * len(lengths)


def test_what_is_told_stands_in_its_line():
    for number in range(200):
        world = tell("train", number)
        lines = [line for paragraph in world.paragraphs for line in paragraph]
        owners: dict[str, str] = {}
        for line, what in world.told:
            if isinstance(what, Transfer):
                assert owners.get(what.thing, what.giver) == what.giver
                owners[what.thing] = what.taker
                assert all(name in lines[line] for name in what)
            else:
                assert what.patient.split()[-1] in re.findall(r"\w+", lines[line])
                assert any(verb.past in lines[line] for verb in what.verbs)
        assert owners.items() <= world.owners.items()


@pytest.mark.slow
def test_polarity_is_grounded_but_not_in_a_window_of_two():
    assert polarity_accuracy(window=15) > 0.9
    assert polarity_accuracy(window=2) < 0.62


# ---- tasks -----------------------------------------------------------------------------------------------------------


ENDINGS = [f"ending{at}" for at in range(4)]
SWAG = ["video-id", "fold-ind", "startphrase", "sent1", "sent2", "gold-source", *ENDINGS, "label"]


def test_endings_continue_the_phrase():
    for row in glue("choice", "validation"):
        assert row["startphrase"] == f"{row['sent1']} {row['sent2']}"
        assert len({str(row[name]) for name in ENDINGS}) == 4
        assert str(row["sent1"]).endswith(".")
        assert not str(row["sent2"]).endswith(".")
        assert all(str(row[name]).endswith(".") for name in ENDINGS)


@pytest.mark.parametrize("task", BUILDERS)
def test_rows(task: str):
    columns = SWAG if task == "choice" else [*GLUE_TASKS["mnli" if task == "ax" else task].columns, "label", "idx"]
    seen: set[tuple[str, ...]] = set()
    for split, size in split_sizes(task).items():
        rows, made = glue(task, split), made_rows(task, split)
        assert len(rows) == size >= (200 if split.startswith("test") else 500)
        assert all(list(found) == columns for found in rows)
        assert [int(str(found["fold-ind" if task == "choice" else "idx"])) for found in rows] == list(range(len(rows)))
        assert {type(found["label"]) for found in rows} == {float if task == "stsb" else int}
        truth = Counter(one.label for one in made)
        assert set(truth) == set(range(LABELS.get(task, 2)))
        assert max(truth.values()) - min(truth.values()) <= 1
        wrong = sum(found["label"] != one.label for found, one in zip(rows, made, strict=True)) / size
        noise = LABEL_NOISE if split == "train" and task != "stsb" else 0
        assert (wrong == 1) if split.startswith("test") else abs(wrong - noise) <= 0.01 + noise / 2
        assert sum("typo" in one.tags for one in made) / size == pytest.approx(TYPOS, abs=0.025)
        fresh = {texts(found) for found in rows}
        assert len(fresh) == size
        assert not fresh & seen
        seen |= fresh


@pytest.mark.parametrize("task", TASKS)
def test_half_of_validation_has_words_of_no_training_set(task: str):
    split = list(split_sizes(task))[1]
    made = made_rows(task, split)
    assert 490 <= sum(one.tags["words"] == "unseen" for one in made) <= 510
    assert {one.tags["words"] for one in made_rows(task, "train")} == {"seen"}


def test_unseen_adjectives_are_in_the_corpus_and_in_no_training_row():
    used = {word for row in glue("sst2", "train") for word in words(*texts(row))}
    corpus = {word for text in documents("train") for word in words(text)}
    for polarity in (0, 1):
        for part in PARTS:
            assert (part == TRAIN) == bool(used & set(POLAR[polarity][part]))
            assert set(POLAR[polarity][part]) <= corpus
        assert not {"un" + word for word in POLAR[polarity][VALIDATION]} & corpus  # forms that it never has


def test_no_sentence_of_a_task_is_in_the_corpus():
    corpus = {hash(line) for text in documents("train") for line in text.split("\n")}
    for task in BUILDERS:
        for split in split_sizes(task):
            assert not any(hash(text) in corpus for row in glue(task, split) for text in texts(row)), (task, split)


def test_refuses_other_names():
    for call in (lambda: glue("squad", "train"), lambda: glue("mnli", "validation"), lambda: documents("test")):
        with pytest.raises(Refused):
            call()
    with pytest.raises(Refused, match="demo, sweep, gpu"):
        documents("train", size="huge")
