"""Windows: as the release slides them, in every layout; a batch's columns are where it says that they are."""

import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from datamodules.byte_pair import BytePair
from datamodules.formats import Sentences, SequencePair
from datamodules.miniature.squad import squad
from datamodules.squad import task_of
from datamodules.squad_golds import gold_spans
from datamodules.squad_score import V2
from datamodules.squad_text import Cut, Rows, checked
from datamodules.squad_windows import SpanExamples, Split, batches_of_texts, most_context, stretches
from datamodules.task import Reading
from datamodules.tokenization import Subwords, Vocabulary, WordPiece
from datamodules.traversal import Traversal
from datamodules.words import Words

ROWS = squad("validation", 0, "v2.0", limit=40)
TEXTS = [row["context"] for row in ROWS]


def released(length: int, room: int, stride: int) -> list[tuple[int, int]]:
    """run_squad.py's loop, in its own words: start and length."""
    spans, start = [], 0
    while start < length:
        size = min(length - start, room)
        spans.append((start, size))
        if start + size == length:
            break
        start += min(size, stride)
    return [(start, start + size) for start, size in spans]


@pytest.mark.parametrize("seed", range(60))
def test_windows_and_maximum_context_are_the_releases(seed: int) -> None:
    rng = random.Random(seed)
    length, room, stride = rng.randint(1, 900), rng.randint(1, 400), rng.choice([1, 7, 64, 128, 500])
    stride = max(stride, length // 60)
    parts = stretches(length, room, stride)
    assert parts == released(length, room, stride)
    found = most_context(parts)
    assert found[0][0] == 0
    assert found[-1][1] == length
    assert all(one[1] == other[0] for one, other in pairwise(found))  # each token is in one
    for at in range(length):
        best, owner = None, -1
        for number, (start, stop) in enumerate(parts):
            if start <= at < stop:
                score = min(at - start, stop - 1 - at) + 0.01 * (stop - start)
                if best is None or score > best + 1e-9:
                    best, owner = score, number
        assert found[owner][0] <= at < found[owner][1]


def test_a_context_of_nothing_has_one_empty_window() -> None:
    assert stretches(0, 10, 3) == [(0, 0)]
    assert most_context([(0, 0)]) == [(0, 0)]


LAYOUTS: dict[str, tuple[Subwords, SequencePair]] = {
    "bert": (WordPiece(300), SequencePair()),
    "bert from left to right": (WordPiece(300), SequencePair("ltr")),
    "gpt": (BytePair(300), Traversal(300)),
    "features of pieces": (WordPiece(300), Sentences()),
    "features of words": (Words(120, lowercase=True), Sentences()),
}
TOKENIZERS = {name: subwords.train(TEXTS) for name, (subwords, _) in LAYOUTS.items()}


def split(name: str, rows: Rows, room: int = 40, **reading: int) -> Split:
    tokenizer, layout = TOKENIZERS[name], LAYOUTS[name][1]
    words = Vocabulary.of(tokenizer)
    cuts = [Cut.of(tokenizer, words, texts) for texts in (rows.questions, rows.contexts)]
    answers = Cut.of(tokenizer, words, [golds[0][0] if golds else "" for golds in rows.golds])
    spans = gold_spans(rows, cuts[1], answers)
    task = task_of(V2, room, Reading(**{"max_question": 8, "stride": 9, **reading}))
    return Split(rows, cuts[0], cuts[1], spans, layout, words, task)


def of_the_miniature() -> Rows:
    import datasets

    return checked(datasets.Dataset.from_list(ROWS), "here", True)


def sequence(batch: dict, window: int, part: int) -> list[int]:
    """What the model reads of a window."""
    (place,) = (
        at
        for at in range(len(batch["example"]))
        if (int(batch["example"][at]), int(batch["part"][at])) == (window, part)
    )
    return batch["tokens"][batch["offsets"][place] : batch["offsets"][place + 1]].tolist()


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_batchs_columns_are_the_contexts_tokens(name: str) -> None:
    """Each column of context holds the token that the context has there; gold columns hold the gold answer."""
    made = split(name, of_the_miniature())
    windows = np.random.default_rng(0).permutation(len(made.asked))[:200]
    batch = SpanExamples(made, windows).batch(np.arange(len(windows)), 0)
    assert batch["counts"]["task"] == len(windows)
    assert batch["index"].tolist() == windows.tolist()
    golds = 0
    for at, window in enumerate(windows):
        row = int(made.asked[window])
        passage, apart = batch["passages"][at], name.startswith("features")
        (begin, end), (first, last) = batch["context"][at].tolist(), batch["central"][at].tolist()
        own = sequence(batch, at, int(apart))
        marks = 1 if apart and "words" not in name else 0
        columns = [None, *own[marks : len(own) - marks]] if apart else own
        if name == "features of words":
            columns = [None, *own[1:-1]]  # between <S> and </S>
        assert len(columns) == batch["columns"][at]
        assert len(own) <= 40
        characters = made.contexts.stretch(made.rows.of[row], *made.parts[window])
        assert np.array_equal(passage.stretch, characters)
        assert end - begin == len(characters) == made.parts[window][1] - made.parts[window][0]
        assert begin <= first <= last <= end
        ids = made.contexts.ids(made.rows.of[row], *made.parts[window])
        if name == "features of words":
            lexicon = made.vocabulary.lexicon
            assert columns[begin:end] == lexicon.labels(lexicon.forms(ids)).tolist()
        else:
            assert columns[begin:end] == ids.tolist()
        place = int(batch["no_answer"][at])
        assert place == {"bert": 0, "bert from left to right": len(own) - 1, "gpt": len(own) - 1}.get(name, 0)
        assert not begin <= place < end
        left, right = batch["span"][at].tolist()
        if (left, right) != (place, place):
            golds += 1
            start, stop = passage.characters(left - begin, right - begin)
            answer, known = made.rows.golds[row][0]
            assert (start, stop) == (known, known + len(answer))
            assert passage.score(start, stop) == (1, 1)
        else:
            spans = made.spans[row]
            inside = made.parts[window][0] <= spans[0] and spans[1] < made.parts[window][1]
            assert not made.rows.golds[row] or not inside
    assert golds > 5


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_token_may_begin_an_answer_in_just_one_window(name: str) -> None:
    made = split(name, of_the_miniature())
    batch = made.batch(np.arange(len(made.asked)))
    for row in range(len(made.rows.ids)):
        own = np.flatnonzero(made.asked == row)
        starts = [
            token
            for window in own
            for token in range(
                *(batch["central"][window] - batch["context"][window, 0] + made.parts[window, 0]).tolist()
            )
        ]
        assert sorted(starts) == list(range(int(made.contexts.counts()[made.rows.of[row]])))


def test_windows_cut_no_word() -> None:
    """Of words in pieces the stretch begins with a word's first piece and ends with a word's last."""
    made = split("features of words", of_the_miniature())
    assert len(made.contexts.pieces) > made.contexts.offsets[-1] > 0  # there are words of several pieces
    for window in range(len(made.asked)):
        ids = made.texts(window)[1]
        assert made.vocabulary.lexicon.starts(ids)[0]
        assert len(made.vocabulary.read(ids)) == np.diff(made.parts[window])[0]


ODD = {
    "no question": ("", "one two three"),
    "blank question": (" \t\u00a0", "one two three"),
    "one word": ("who?", "one"),
    "no context": ("who?", " \n"),
    "long question": ("who " * 300, "one two three " * 30),
    "strange": ("\U0001f355 \u0301 \u200d?", "\u0301\u200b\U0001f355 \u6771\u4eac\u00a0x"),
}


@pytest.mark.parametrize("name", LAYOUTS)
@pytest.mark.parametrize("kind", ODD)
def test_questions_and_contexts_of_any_kind(name: str, kind: str) -> None:
    layout, task = LAYOUTS[name][1], task_of(V2, 40, Reading(8, 9))
    batches: list[dict[str, Any]] = list(batches_of_texts(layout, TOKENIZERS[name], [ODD[kind]], task, 4))
    assert [one for batch in batches for one in batch["asked"].tolist()] == [0] * sum(len(b["asked"]) for b in batches)
    for batch in batches:
        assert int(batch["columns"].max()) <= 41
        assert (batch["context"][:, 1] <= batch["columns"]).all()
        assert (batch["no_answer"] < batch["columns"]).all()
        assert len(batch["passages"]) == len(batch["asked"]) <= 4
        empty = batch["context"][:, 0] == batch["context"][:, 1]
        assert empty.all() == (kind == "no context")


def test_a_context_of_fifty_thousand_characters() -> None:
    text = ("".join(TEXTS) * 20)[:50_000]
    (batch,) = batches_of_texts(
        SequencePair(), TOKENIZERS["bert"], [("Who?", text)], task_of(V2, 384, Reading()), 10_000
    )
    tokens = len(TOKENIZERS["bert"].encode(text, add_special_tokens=False).ids)
    assert int((batch["central"][:, 1] - batch["central"][:, 0]).sum()) == tokens
    assert batch["passages"][-1].characters(0, 0)[0] > 45_000
