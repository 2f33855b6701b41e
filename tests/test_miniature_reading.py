"""Questions, tags and probes of the miniature: what they promise, read off the text a second time."""

from collections import Counter
from itertools import islice
from re import findall

import pytest

from datamodules.miniature import documents
from datamodules.miniature.lexicon import ENDS, EVENTS_BY_PART, PARTS, PEOPLE, POLAR
from datamodules.miniature.probe_ladder import frequencies, rungs
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
    found = rungs(cue, limit=8000)  # 1,600 of each cue: a standard error of 1.25, of which 3.5 are allowed
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
