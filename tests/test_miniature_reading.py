"""Questions, tags and probes of the miniature: what they promise, read off the text a second time."""

from collections import Counter
from functools import cache
from itertools import islice
from re import findall
from typing import Any

import numpy as np
import pytest

from datamodules.miniature import documents
from datamodules.miniature.ladder import linear
from datamodules.miniature.lexicon import ENDS, EVENTS_BY_PART, PARTS, PEOPLE, POLAR
from datamodules.miniature.probe_ladder import frequencies, rungs
from datamodules.miniature.probes import CUES, GAP, probes
from datamodules.miniature.squad import squad
from datamodules.miniature.tagging import tagging

GROUPS = [group for kind in EVENTS_BY_PART.values() for part in PARTS for group in kind[part]]
VERBS = {form for group in GROUPS for verb in group for form in verb}


QUESTION_WORDS = ("Who", "Whom", "What", "Where", "When")


def words(text: str) -> list[str]:
    return findall(r"[a-z]+", text.lower())


@pytest.mark.slow
@pytest.mark.parametrize("version", ["v1.1", "v2.0"])
def test_questions_have_the_answers_that_stand_in_the_text(version: str):
    rows = questions("validation", version)
    empty = [row for row in rows if not row["answers"]["text"]]
    assert len(rows) == 600
    assert len(empty) == (200 if version == "v2.0" else 0)
    assert Counter(row["question"].split()[0] for row in rows) == dict.fromkeys(QUESTION_WORDS, 120)
    for row in rows:
        assert list(row) == ["id", "title", "context", "question", "answers"]
        for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
            assert row["context"][start : start + len(text)] == text
            assert text.lower() not in row["question"].lower()
    for row in rows:  # asked by a verb that the text does not have
        asked = set(words(row["question"])) & VERBS
        assert asked
        assert not asked & set(words(row["context"]))
    assert not {row["context"] for row in rows} & {row["context"] for row in questions("train", "v2.0")}


@cache
def questions(split: str, version: str) -> list[dict[str, Any]]:
    return squad(split, version=version, limit=600)


def unanswered(rows: list[dict[str, Any]]) -> np.ndarray:
    return np.array([not row["answers"]["text"] for row in rows])


def test_a_question_alone_does_not_say_whether_it_has_an_answer():
    train, rows = (questions(split, "v2.0") for split in ("train", "validation"))
    for word in QUESTION_WORDS:
        asked = [row for row in rows if row["question"].startswith(word + " ")]
        assert (len(asked), unanswered(asked).sum()) == (120, 40)
    known, asked = ([set(words(row["question"])) for row in some] for some in (train, rows))
    doubt = linear(known, unanswered(train)[:, None] - 1 / 3, asked)[:, 0]
    above = (doubt[unanswered(rows)][:, None] > doubt[~unanswered(rows)][None, :]).mean()  # 0.5: says nothing
    assert above == pytest.approx(0.5, abs=3.7 * (601 / (12 * 200 * 400)) ** 0.5)


def test_nor_does_it_help_to_look_for_the_deed_alone():
    """Of what has no answer, about half asks for a deed that the text tells, of others."""
    rows = [row for row in questions("validation", "v2.0") if not row["answers"]["text"]]
    told = [meanings(row["question"]) <= meanings(row["context"]) for row in rows]
    assert 0.45 < np.mean(told) < 0.6


def meanings(text: str) -> set[int]:
    return {
        number for number, group in enumerate(GROUPS) if {form for verb in group for form in verb} & set(words(text))
    }


def test_tags_stand_word_for_word():
    for row in tagging("tagged", "validation", limit=300):
        assert len({len(row[name]) for name in ("tokens", "pos", "entities", "roles")}) == 1
        assert row["roles"].count("B-V") == row["roles"].count("B-A0") == row["roles"].count("B-A1") == 1
        for word, tag in zip(row["tokens"], row["entities"], strict=True):
            assert (tag == "B-PER") == (word in PEOPLE)
        passive = "by" in row["tokens"]
        assert (row["roles"].index("B-A0") > row["roles"].index("B-V")) == passive


def test_both_senses_of_a_word_are_as_frequent():
    rows = tagging("sense", "train")
    first = sum(row["sense"] == row["senses"][0] for row in rows)
    assert abs(first / len(rows) - 0.5) < 0.04
    used = {row["tokens"][row["target"]] for row in rows}
    new = {row["tokens"][row["target"]] for row in tagging("sense", "validation")}
    assert len(new - used) == len(new & used) == 20


def test_probes_are_balanced():
    found = probes()
    assert Counter((probe.cue, probe.words) for probe in found) == {
        (cue, words): 200 for cue in CUES for words in ("seen", "unseen")
    }
    assert {probe.words for probe in probes(split="train")} == {"seen"}
    assert all(probe.text.count(GAP) == 1 for probe in found)
    assert len({probe.text for probe in (*found, *probes(split="train"))}) == 4000
    good = {word for part in PARTS for word in POLAR[1][part]}
    cells = Counter(
        (
            "not " + GAP in probe.text,
            bool(set(ENDS[1]) & set(words(probe.text.split(GAP)[1]))),
            probe.candidates[0] in good,
        )
        for probe in found
        if probe.cue == "both"
    )
    assert all((no != kept) == positive for no, kept, positive in cells)
    assert min(cells.values()) > 75
    assert len(cells) == 4


@pytest.mark.parametrize(
    ("cue", "enough"),
    [
        ("window", {"window of 2", "left only", "own sentence"}),
        ("left", {"left only", "own sentence"}),
        ("right", {"right only", "own sentence"}),
        ("both", set[str]()),
        ("earlier", {"left only"}),
    ],
)
def test_what_decides_a_probe_stands_where_its_tag_says(cue: str, enough: set[str]):
    found = rungs(cue, limit=6000)  # 1,200 of each cue: a standard error of 1.44, of which 3.5 are allowed
    assert {name for name, score in found.items() if score > 99.9} == enough | {"exact"}
    assert {name: score for name, score in found.items() if abs(score - 50) > 4.4 and name not in enough} == {
        "exact": 100
    }


def test_who_has_read_the_corpus_knows_every_word_of_a_probe():
    corpus = frequencies(0)
    for probe in probes():
        assert all(corpus[word] for word in words(probe.text.replace(GAP, "the")))
        assert min(corpus[word] for word in probe.candidates) >= 3
    for frame in ("was not", "near the", "that belonged to", "for the rest of the year", "a week later"):
        assert any(frame in text.lower() for text in islice(documents("train"), 300)), frame
