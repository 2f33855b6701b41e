"""From text to tokens and back: every character is where it was, whatever Unicode it is and whatever cuts it."""

import json
import random
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from tokenizers import Tokenizer

from datamodules import sources
from datamodules.byte_pair import BytePair
from datamodules.miniature.squad import squad
from datamodules.squad_golds import (
    NO_ANSWER,
    NOT_FOUND,
    covering,
    gold_spans,
    lost,
    place,
    prepare,
    shortest,
    spans_lost,
)
from datamodules.squad_score import V1, normalised
from datamodules.squad_text import Cut, Rows, checked
from datamodules.task import Refused
from datamodules.tokenization import Vocabulary, WordPiece
from datamodules.words import Words
from tests.test_sources import SHARED, needs_shared

TEXTS = [row["context"] for row in squad("train", limit=40)]
STRANGE = {
    "combining marks": "Le cafe\u0301 de Zoe\u0308 Ångström a\u0328\u0301 ouvert.",
    "cjk": "東京は日本の首都 and 北京 of 中国。",
    "emoji": "He ate \U0001f355\U0001f355 and \U0001f468\u200d\U0001f469\u200d\U0001f467 smiled\U0001f600.",
    "no-break spaces": "In\u00a01999\u00a0the\u202fprice was 5\u00a0000\u2009€.",
    "no width": "\ufeffzero\u200bwidth \u200d\u200d joined\u00ad up\u2060.",
    "tabs and newlines": "\n\tone\r\n two\t\tthree\n\n",
    "controls": "a\x00b \x07bell \ufffd del\x7fete",
    "right to left": "\u05e9\u05dc\u05d5\u05dd and \u0645\u0631\u062d\u0628\u0627 with \u064e\u064b marks",
    "dotted i and sharp s": "\u0130stanbul Stra\u00dfe \ufb01nal \u1e9e",
    "one word": "Amsterdam",
    "blank": " \t\n\u00a0",
    "empty": "",
    "long word": "x" * 300 + " y",
    "hangul": "\ud55c\uad6d\uc5b4 \u1112\u1161\u11ab text",
}


def tokenizers() -> dict[str, Tokenizer]:
    made = {"pieces": WordPiece(300), "bytes": BytePair(300), "words": Words(200, lowercase=True)}
    return {name: one.train([*TEXTS, "Amsterdam café one two"]) for name, one in made.items()} | {
        "cased words": Words(200).train(TEXTS)
    }


TOKENIZERS = tokenizers()


def cut(tokenizer: Tokenizer, *texts: str) -> tuple[Cut, Vocabulary]:
    vocabulary = Vocabulary.of(tokenizer)
    return Cut.of(tokenizer, vocabulary, texts), vocabulary


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("kind", STRANGE)
def test_tokens_cover_the_text_in_order(name: str, kind: str) -> None:
    """Between tokens is white space, and in it at most words of which no tokenizer keeps a character."""
    text = STRANGE[kind]
    tokens, vocabulary = cut(TOKENIZERS[name], text, "and another text")
    characters = tokens.stretch(0)
    assert len(characters) == tokens.counts()[0]
    assert (characters[:, 0] < characters[:, 1]).all()
    assert (np.diff(characters, axis=0) >= 0).all()
    gaps = zip([0, *characters[:, 1]], [*characters[:, 0], len(text)], strict=True)
    for start, stop in gaps:
        between = text[start:stop]
        assert not TOKENIZERS[name].encode(between, add_special_tokens=False).ids
        assert not between or not len(characters) or between[-1].isspace() or stop == len(text)
        assert not between or not len(characters) or between[0].isspace() or start == 0
    assert tokens.ids(0).tolist() == TOKENIZERS[name].encode(text, add_special_tokens=False).ids
    if vocabulary.has_words:
        assert len(vocabulary.read(tokens.ids(0))) == max(1, len(characters))
        assert (np.diff(characters[:, 0]) > 0).all()  # a word is one token
    parts = [tokens.ids(0, at, at + 1) for at in range(len(characters))]
    assert np.array_equal(np.concatenate([np.array([], dtype=int), *parts]), tokens.ids(0))


@pytest.mark.parametrize("name", TOKENIZERS)
@pytest.mark.parametrize("kind", [kind for kind, text in STRANGE.items() if text.strip()])
def test_every_word_of_a_strange_text_can_be_answered(name: str, kind: str) -> None:
    """The words between white space are cut out as they were, marks and all."""
    text = STRANGE[kind]
    tokens, _ = cut(TOKENIZERS[name], text)
    characters = tokens.stretch(0)
    at = 0
    for word in text.split():
        at = text.index(word, at)
        span = covering(characters, at, at + len(word))
        if span is not None:  # of characters that no tokenizer keeps
            found = text[characters[span[0], 0] : characters[span[1], 1]]
            assert found.split() == [word] or word in found
            assert found.strip() == word
        at += len(word)


@pytest.mark.parametrize("name", TOKENIZERS)
def test_marks_stay_with_their_letters(name: str) -> None:
    text = "at the cafe\u0301 now"
    tokens, _ = cut(TOKENIZERS[name], text)
    rows = Rows(["a"], ["?"], [text], [0], [[("cafe\u0301", 7)]])
    assert lost(rows, tokens, V1) == []
    span = covering(tokens.stretch(0), 7, 11)  # of the letters alone
    assert span is not None
    characters = tokens.stretch(0)
    assert text[characters[span[0], 0] : characters[span[1], 1]] == "cafe\u0301"


@pytest.mark.parametrize("name", TOKENIZERS)
def test_gold_spans_of_the_miniature_come_back(name: str) -> None:
    """Decoded by hand: the characters of first and last token are the answer."""
    made = squad("validation", 0, "v2.0", limit=120)
    rows = checked(datasets.Dataset.from_list(made), "here", True)
    tokens, vocabulary = cut(TOKENIZERS[name], *rows.contexts)
    answers = Cut.of(TOKENIZERS[name], vocabulary, [g[0][0] if g else "" for g in rows.golds])
    spans = gold_spans(rows, tokens, answers)
    for row, golds in enumerate(rows.golds):
        first, last = spans[row]
        if not golds:
            assert first == last == NO_ANSWER
            continue
        characters = tokens.stretch(rows.of[row])
        text = rows.contexts[rows.of[row]][characters[first, 0] : characters[last, 1]]
        assert normalised(text) == normalised(golds[0][0])
    assert lost(rows, tokens, V1) == []


def test_a_span_is_tightened_inside_of_a_word() -> None:
    """What stands at the given place is a whole bracket; its pieces hold the answer's."""
    text = "He ruled (1895-1943) alone"
    tokens, vocabulary = cut(TOKENIZERS["pieces"], text)
    for answer, at in (("1895", 9), ("1895", 10), ("1943", 9), ("(1895-1943)", 9), ("1895-1943", 11)):
        rows = Rows(["a"], ["?"], [text], [0], [[(answer, at)]])
        ((first, last),) = gold_spans(rows, tokens, Cut.of(TOKENIZERS["pieces"], vocabulary, [answer]))
        characters = tokens.stretch(0)
        assert text[characters[first, 0] : characters[last, 1]] == answer, at


def test_a_span_is_tightened_where_white_space_is_another() -> None:
    """Then all that is written together with the answer is what is found first."""
    text = "He said (yes\u00a0or no) twice"
    tokens, vocabulary = cut(TOKENIZERS["pieces"], text)
    assert place(text, "yes or no", 8) == (8, 19)
    rows = Rows(["a"], ["?"], [text], [0], [[("yes or no", 8)]])
    ((first, last),) = gold_spans(rows, tokens, Cut.of(TOKENIZERS["pieces"], vocabulary, ["yes or no"]))
    characters = tokens.stretch(0)
    assert text[characters[first, 0] : characters[last, 1]] == "yes\u00a0or no"


@pytest.mark.parametrize(
    ("context", "answer", "at", "expected"),
    [
        ("a b c", "b", 2, (2, 3)),
        ("a bcd e", "bcd", 3, (2, 5)),  # begins inside of the word
        ("a  b\nc", "b c", 3, (3, 6)),  # other white space
        ("a  b \n c", "b c", 3, None),  # more of it: what is as long as the answer is not all of it
        ("a b c", "x", 2, None),
        ("a b c", "c", 0, None),  # it is somewhere else
        ("a b c", "", 0, None),
        ("a b c", "  ", 0, None),
        ("a b c", "b", 99, None),
        ("a b c", "b", -1, None),
        ("a b c", "c and more", 4, None),
    ],
)
def test_where_an_answer_is(context: str, answer: str, at: int, expected: tuple[int, int] | None) -> None:
    assert place(context, answer, at) == expected


def test_an_answer_that_is_not_there_is_not_found_and_counts_as_lost() -> None:
    text = "Chickens are Japanese."
    golds = [[("Swedish", 13)], [("Japan", 13)], [("Japanese", 13)]]
    rows = Rows(["a", "b", "c"], ["?"] * 3, [text], [0] * 3, golds)  # type: ignore[arg-type]
    words = Words(50).train([text])
    tokens, vocabulary = cut(words, text)
    spans = gold_spans(rows, tokens, Cut.of(words, vocabulary, [one[0][0] for one in golds]))
    assert spans[:, 0].tolist() == [NOT_FOUND, 2, 2]
    assert lost(rows, tokens, V1) == [0, 1]  # "Japan" is half of a word
    assert spans_lost(rows, tokens, V1) == [(0, "Swedish"), (1, "Japan")]
    assert shortest(rows, tokens) == [0, 1, 1]


def test_single_gold_answers_that_do_not_come_back_are_counted() -> None:
    text = "The golden gate of the city is 18 feet high."
    golds = [[("golden gate", 4), ("gold", 4), ("golden gate", 4)], [("1", 31)], [("city is 18 feet", 23)]]
    rows = Rows(["a", "b", "c"], ["?"] * 3, [text], [0] * 3, golds)  # type: ignore[arg-type]
    tokens, _ = cut(Words(50).train([text]), text)
    assert lost(rows, tokens, V1) == [1]
    assert spans_lost(rows, tokens, V1) == [(0, "gold"), (1, "1")]
    assert shortest(rows, tokens) == [1, 1, 4]


@pytest.mark.slow
@needs_shared
@pytest.mark.parametrize("name", ["pieces", "cased pieces", "bytes", "words"])
def test_gold_spans_of_the_published_validation_set_come_back_but_where_a_token_is_cut_through(name: str) -> None:
    made = {"pieces": WordPiece(8000), "cased pieces": WordPiece(8000, lowercase=False), "bytes": BytePair(8000)}
    rows = checked(sources.load_rows(str(SHARED), "rajpurkar/squad", "plain_text", "validation"), "here", False)
    tokens, _ = cut({**made, "words": Words(8000)}[name].train(rows.contexts[:500]), *rows.contexts)
    gone = {*spans_lost(rows, tokens, V1)}
    assert len(lost(rows, tokens, V1)) <= 2
    assert len(gone) < 100
    golds = {(row, *gold) for row, own in enumerate(rows.golds) for gold in own}
    assert len(golds) == 18_216
    cut_through = set()
    for row, answer, at in golds:
        begins, ends = (set(side.tolist()) for side in tokens.stretch(rows.of[row]).T)
        if at not in begins or at + len(answer) not in ends:
            cut_through.add((row, answer))
    assert gone <= cut_through, "else tokens begin and end where the answer does"
    assert len(cut_through) < 400


def test_a_long_context_is_cut_whole() -> None:
    rng = random.Random(0)
    text = " ".join(rng.choice(TEXTS) for _ in range(100))[:50_000]
    tokens, _ = cut(TOKENIZERS["pieces"], text)
    characters = tokens.stretch(0)
    assert "".join(text.split()) == "".join(text[a:b] for a, b in characters)


def test_contexts_are_stored_once(tmp_path: Path) -> None:
    made = squad("validation", limit=6)
    twice = [{**row, "id": f"{row['id']}-{n}"} for row in made for n in range(2)]
    rows = checked(datasets.Dataset.from_list(twice), "here", False)
    prepare(rows, TOKENIZERS["pieces"], V1, tmp_path)
    assert Rows.read(tmp_path) == rows
    assert rows.of == [n // 2 for n in range(12)]
    assert len(Cut.read(tmp_path, "contexts").counts()) == 6
    assert len(Cut.read(tmp_path, "questions").counts()) == 12
    told = json.loads((tmp_path / "golds.json").read_text())
    assert (told["questions_lost"], told["spans_lost"], len(told["shortest"])) == ([], [], 12)


def row(**changed: Any) -> dict[str, Any]:
    return {"id": "a", "context": "b", "question": "c", "answers": {"text": ["b"], "answer_start": [0]}, **changed}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([{"id": "a", "context": "b", "question": "c"}], "x: a column 'answers' is needed"),
        ([row(), row()], "x, row 1: the id 'a' is another row's, too."),
        ([row(), row(id="b", question=None)], "x, row 1: id, context and question are texts"),
        (
            [row(), row(id="b", answers={"text": [], "answer_start": []})],
            "x, row 1: it has no answer, which data=squad_v2",
        ),
        ([row(answers=None)], "x, row 0: answers are texts and as many places where they begin, not None."),
        ([row(answers=[{"text": "b", "answer_start": 0}])], "x, row 0: answers are texts"),
        ([row(answers={"text": ["b"], "answer_start": [0, 1]})], "x, row 0: answers are texts"),
        ([row(answers={"text": [None], "answer_start": [0]})], "x, row 0: answers are texts"),
    ],
)
def test_bad_rows_are_refused(rows: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(Refused) as caught:
        checked(datasets.Dataset.from_list(rows), "x", False)
    assert words in str(caught.value)
