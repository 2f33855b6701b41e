"""The ladder's rungs stand where they are said to stand: no shortcut reaches a label, and knowing everything does.

Scores are of more rows than are handed out: four thousand, with a standard error of at most 0.8 points, or 1.6 of a
correlation; in the slow tests sixteen thousand, with half of it. About a hundred comparisons are made, and all of
them are to hold together in 99 of 100 worlds: each may be 3.7 standard errors off.
"""

from collections import Counter
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from datamodules.miniature import documents
from datamodules.miniature.ladder import (
    ONE_TEXT,
    RUNGS,
    climb,
    evaluation,
    exact,
    features_of,
    length,
    linear,
    rungs,
    score,
    spearman,
    targets_of,
    tokens,
    training,
)  # fmt: skip
from datamodules.miniature.lexicon import KINDS, KNOWN_FORMS, SITES, TOWNS, exchanged, stream
from datamodules.miniature.readers import READERS
from datamodules.miniature.reading import spelt
from datamodules.miniature.sentences import Made
from datamodules.miniature.tasks import BUILDERS, LABELS, fresh_rows, made_rows, split_sizes

ROWS, ERRORS = 4000, 3.7
PUBLIC = [(task, split) for task in BUILDERS for split in evaluation(task)]
# Where a rung may come to by what is no shortcut; all others stay at chance. docs/miniature.md says the same.
CEILINGS = {
    # of cola's rows a quarter has an error of order, and a quarter of these at the first or at the last word
    ("cola", "ends"): 56.4,
    # that order, and an agreement with a neighbour, which is one of seven
    ("cola", "window of 2"): 50 + 25 + 25 * 0.145,
    # of sst2's seen words, half of the rows, 13 of 20 opinions are plain; 3 negated ones are read the wrong way round
    ("sst2", "bag of words"): 50 * (13 / 20 + 0.5 * 4 / 20) + 50 * 0.5,
    ("sst2", "ends"): 50 * (13 / 20 + 0.5 * 4 / 20) + 50 * 0.5,
    ("sst2", "window of 2"): 50 * (16 / 20 + 0.5 * 4 / 20) + 50 * 0.5,  # "not" beside a seen word too
    ("sst2", "word classes"): 100 * (13 / 20 + 0.5 * 4 / 20) + 2.5,  # of all words; un- of seen ones as a word
    # another verb, which is a third of mrpc's changes, half of qqp's and one of stsb's five facts, is of another class
    ("mrpc", "word classes"): 100 * (0.5 + 0.5 / 3),
    ("qqp", "word classes"): 100 * (0.5 + 0.5 / 2),
    ("stsb", "word classes"): 100 * 35 / 60 / (35 / 48) ** 0.5,  # a fact's correlation with the number of facts
}


def chance(task: str) -> float:
    return 0.0 if task == "stsb" else 100 / LABELS.get(task, 2)


def slack(task: str, rows: int = ROWS) -> float:
    share = chance(task) / 100
    return 100 * ERRORS * ((share * (1 - share) if share else 1) / rows) ** 0.5


@cache
def fresh(task: str, split: str, count: int = ROWS) -> list[Made]:
    """More rows than are handed out, as they are made for this split; none of them is in train."""
    seen = set() if task == "ax" else {row.texts for row in made_rows(task, "train")}
    return fresh_rows(stream("fresh", task, split), task, split, count // (2 if task == "choice" else 1), seen)


def assert_no_shortcut(task: str, rows: list[Made], room: float) -> None:
    for name, features in features_of(task).items():
        assert climb(task, rows, features) < CEILINGS.get((task, name), chance(task)) + room, name


# One for each kind of text and answer; the slow test has all of them, and four times as many rows.
UNLIKE = [(task, "validation") for task in ("cola", "mrpc", "stsb", "choice")] + [("mnli", "validation_matched")]


@pytest.mark.parametrize(("task", "split"), UNLIKE)
def test_no_shortcut_reaches_a_label(task: str, split: str) -> None:
    rows = fresh(task, split)
    assert_no_shortcut(task, rows, slack(task, len(rows)))


@pytest.mark.slow
@pytest.mark.parametrize(("task", "split"), PUBLIC)
def test_no_shortcut_is_two_points_above_its_ceiling(task: str, split: str) -> None:
    assert_no_shortcut(task, fresh(task, split, 4 * ROWS), slack(task, 4 * ROWS) if task == "stsb" else 2)


@pytest.mark.parametrize("task", ["sst2", "cola", "mrpc", "qqp"])
def test_a_bag_of_words_knows_nothing_of_unseen_words(task: str) -> None:
    rows = [row for row in fresh(task, "validation") if row.tags["words"] == "unseen"]
    assert climb(task, rows, ONE_TEXT["bag of words"]) == pytest.approx(50, abs=slack(task, len(rows)))


def test_what_is_to_be_known_is_found() -> None:
    """The ladder can climb: a rung at chance is not one that learns nothing."""
    for task, name in (("sst2", "bag of words"), ("sst2", "word classes"), ("qqp", "word classes")):
        assert climb(task, fresh(task, "validation"), ONE_TEXT[name]) > CEILINGS[task, name] - 4
    assert climb("stsb", fresh("stsb", "validation"), ONE_TEXT["word classes"]) > 45


def test_a_ladder_has_all_its_rungs() -> None:
    found = rungs("wnli", "validation")
    assert tuple(found) == RUNGS
    assert found["majority"] == 50
    assert max(value for name, value in found.items() if name != "exact") < found["exact"] == 100


def test_shuffled_labels_give_chance() -> None:
    train, labels = training("sst2", 0)
    rows = made_rows("sst2", "validation")
    truth = np.array([row.label for row in rows])
    shuffled = np.random.default_rng(0).permutation(labels)
    features = [ONE_TEXT["word classes"](row.texts) for row in train]
    predicted = linear(features, targets_of("sst2", shuffled), [ONE_TEXT["word classes"](row.texts) for row in rows])
    assert score("sst2", predicted, truth) == pytest.approx(50, abs=slack("sst2", 1000))


# ---- knowing everything ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", BUILDERS)
def test_a_reader_gets_every_row_right(task: str) -> None:
    """Of all splits: every label follows from the texts, typos and all."""
    assert {exact(task, made_rows(task, split)) for split in split_sizes(task)} == {100}


def test_a_reader_can_be_wrong() -> None:
    row = ("Malor bought a fox and Dela washed no cat.", "Malor acquired an animal.")
    rows = [Made(row, label, {}) for label in (0, 1, 2)]
    assert exact("mnli", rows) == pytest.approx(100 / 3)
    for task, texts, answer in READINGS:
        assert READERS[task](texts) == answer, texts


READINGS = (
    ("mnli", ("Malor was not helped by Dela while Pelek led Zandor.", "Dela assisted Malor."), 2),
    ("mnli", ("Although it was Pelek who led Zandor, Malor was not helped by Dela.", "Pelek did not guide Zandor."), 2),
    ("mnli", ("First Pelek led Zandor, and later Malor aided Dela.", "Pelek led Zandor."), 0),
    ("mnli", ("Pelek led Zandor after Malor helped Dela.", "Malor assisted Dela before Pelek guided Zandor."), 0),
    ("mnli", ("Pelek led Zandor after Malor helped Dela.", "Dela was assisted by Malor after Pelek guided Zandor."), 2),
    ("mnli", ("Pelek bought no animal and Malor fixed a jug.", "Pelek purchased no fox."), 0),
    ("mnli", ("Pelek bought an animal and Malor fixed no jug.", "Pelek purchased a fox."), 1),
    ("mnli", ("Pelek handed the jug to Malor but Dela looked at the fox.", "The jug is with Pelek now."), 2),
    ("qnli", ("Who bought the fox?", "The fox was purchased by Malor and Pelek fixed the jug."), 0),
    ("qnli", ("Who bought the jug?", "The fox was purchased by Malor and Pelek fixed the jug."), 1),
    ("qqp", ("Who was Malor helped by?", "Who was it that assisted Malor?"), 1),
    ("qqp", ("Who was Malor helped by?", "Who was it that Malor assisted?"), 0),
    ("cola", ("On Friday the foxes that belonged to Malor are red and tall.",), 1),
    ("cola", ("On Friday foxes the that belonged to Malor are red and tall.",), 0),
    ("cola", ("The foxes near the jug looks red at night.",), 0),
    ("cola", ("The foxse near the jug look red at night.",), 1),
)  # fmt: skip


def test_every_word_is_known() -> None:
    """To whoever corrects typos: what is one exchange from two words is told apart only if all of them are known."""
    texts = [
        text for task in BUILDERS for split in split_sizes(task) for row in made_rows(task, split) for text in row.texts
    ]
    spelling = {word for text in texts for word in spelt(text).replace(",", "").split()}
    assert spelling <= KNOWN_FORMS
    assert {word for text in documents("train") for word in tokens(text)} <= KNOWN_FORMS


def test_every_typo_can_be_undone() -> None:
    """Of all words, exactly one is an exchange of neighbours away, and it is the one that was meant."""
    wrong = 0
    for task in BUILDERS:
        for split in split_sizes(task):
            for row in made_rows(task, split):
                strange = [word for text in row.texts for word in tokens(text) if word not in KNOWN_FORMS]
                assert len(strange) == ("typo" in row.tags)
                assert all(exchanged(word) & KNOWN_FORMS == {row.tags["typo"].lower()} for word in strange)
                wrong += len(strange)
    assert wrong > 500
    assert exchanged("fox") == {"ofx", "fxo"}


# ---- classes are independent of what is beside them ------------------------------------------------------------------


def chi_square_is_small(pairs: list[tuple[object, object]]) -> bool:
    """Whether p > .01 for all of the tests together, by Bonferroni's bound and Wilson and Hilferty's approximation."""
    cells, rows, columns = Counter(pairs), Counter(one for one, _ in pairs), Counter(two for _, two in pairs)
    expected = {(one, two): rows[one] * columns[two] / len(pairs) for one in rows for two in columns}
    value = sum((cells[cell] - wanted) ** 2 / wanted for cell, wanted in expected.items())
    free = (len(rows) - 1) * (len(columns) - 1)
    bound = free * (1 - 2 / (9 * free) + 3.57 * (2 / (9 * free)) ** 0.5) ** 3 if free else 0
    return value <= bound


TRAITS: dict[str, Callable[[Made], object]] = {
    "negation": lambda row: tuple(bool({"not", "no"} & set(tokens(text))) for text in row.texts[-1:]),
    "length": lambda row: min(len(tokens(row.texts[-1])), 12),
    "place": lambda row: bool({town.lower() for town in TOWNS} & set(tokens(" ".join(row.texts)))),
    "topic": lambda row: bool({"day", "journey", *SITES} & set(tokens(row.texts[0]))),
    "kinds": lambda row: tuple(word for word in tokens(row.texts[0]) if word in ("no", "not", *KINDS))[:2],
    "cue": lambda row: row.tags.get("cue") or row.tags.get("phenomenon") or row.tags.get("change"),
    "typo": lambda row: "typo" in row.tags,
}


@pytest.mark.parametrize("trait", TRAITS)
@pytest.mark.parametrize("task", BUILDERS)
def test_a_label_does_not_depend_on(task: str, trait: str) -> None:
    rows = fresh(task, evaluation(task)[0])
    assert chi_square_is_small([(row.label, TRAITS[trait](row)) for row in rows])


def test_the_chi_square_finds_what_is_there() -> None:
    assert not chi_square_is_small([(n % 2, n % 2 if n % 5 else 0) for n in range(400)])
    assert chi_square_is_small([(n % 2, n // 2 % 3) for n in range(600)])


def test_spearman_is_of_ranks() -> None:
    assert spearman(np.array([1, 2, 3.0]), np.array([1, 4, 9])) == pytest.approx(1)
    assert spearman(np.array([1, 1, 2, 2.0]), np.array([2, 2, 1, 1])) == pytest.approx(-1)
    assert length(("One two.",)) == {"0:2"}
