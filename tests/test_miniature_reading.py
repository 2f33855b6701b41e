"""Questions, tags and probes of the miniature: what they promise, read off the text a second time."""

from collections import Counter
from re import findall

import pytest

from datamodules.miniature.lexicon import EVENTS_BY_PART, PARTS, PEOPLE, POLAR
from datamodules.miniature.probes import CUES, GAP, probes
from datamodules.miniature.squad import squad
from datamodules.miniature.tagging import tagging

GROUPS = [group for kind in EVENTS_BY_PART.values() for part in PARTS for group in kind[part]]
VERBS = {form for group in GROUPS for verb in group for form in verb}


def words(text: str) -> list[str]:
    return findall(r"[a-z]+", text.lower())


@pytest.mark.parametrize("version", ["v1.1", "v2.0"])
def test_questions_have_the_answers_that_stand_in_the_text(version: str):
    rows = squad("validation", version=version)
    empty = [row for row in rows if not row["answers"]["text"]]
    assert len(rows) == 1000
    assert len(empty) == (334 if version == "v2.0" else 0)
    starts = Counter(row["question"].split()[0] for row in rows)
    assert set(starts) == {"Who", "Whom", "What", "Where", "When"}
    for row in rows:
        assert list(row) == ["id", "title", "context", "question", "answers"]
        for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
            assert row["context"][start : start + len(text)] == text
            assert text.lower() not in row["question"].lower()
    for row in rows:  # asked by a verb that the text does not have
        asked = set(words(row["question"])) & VERBS
        assert asked
        assert not asked & set(words(row["context"]))
    assert not {row["context"] for row in rows} & {row["context"] for row in squad("train", limit=500)}


def test_a_question_alone_does_not_say_whether_it_has_an_answer():
    rows = squad("validation", version="v2.0")
    for word in ("Who", "What", "Whom"):
        none = [not row["answers"]["text"] for row in rows if row["question"].startswith(word + " ")]
        assert 0.15 < sum(none) / len(none) < 0.75, word


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


def test_probes_are_balanced_and_one_side_of_both_says_nothing():
    found = probes()
    assert Counter(probe.cue for probe in found) == dict.fromkeys(CUES, 200)
    assert all(probe.text.count(GAP) == 1 for probe in found)
    good = {word for part in PARTS for word in POLAR[1][part]}
    cells = Counter(
        (" not " in probe.text, bool({"kept", "praised"} & set(words(probe.text))), probe.candidates[0] in good)
        for probe in found
        if probe.cue == "both"
    )
    assert all((no != kept) == positive for no, kept, positive in cells)
    assert min(cells.values()) > 30
    assert len(cells) == 4
