"""Sequences laid out, cut and put end to end, against padded tables and plain lists."""

import random
from itertools import groupby

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, processors

from datamodules import formats
from datamodules.task import Task
from datamodules.tokenization import SPECIALS, Vocabulary, WordPiece

VOCABULARY = Vocabulary(
    {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}, size=100, continues=np.zeros(100, dtype=bool)
)


def task(max_length: int) -> Task:
    return Task("any", "classification", 2, max_length=max_length)


def random_sequences(rng: np.random.Generator, count: int, longest: int) -> list[formats.Sequence]:
    """Of every length, with any summary position; several may belong to one example."""
    sequences = []
    for number in range(count):
        length = int(rng.integers(1, longest + 1))
        tokens, segments = rng.integers(5, 100, length), rng.integers(0, 2, length)
        sequences.append(formats.Sequence(tokens, segments, int(rng.integers(length)), number // 2))
    return sequences


def test_ragged_against_a_padded_table() -> None:
    rng = np.random.default_rng(0)
    for trial in range(200):
        sequences = random_sequences(rng, int(rng.integers(1, 20)), longest=int(rng.choice([1, 3, 40])))
        made = formats.ragged(sequences, num_examples=trial)
        batch = made.batch
        lengths = [len(sequence.tokens) for sequence in sequences]
        # the order: by length, and equal lengths as they came
        assert made.order == [i for _, i in sorted((length, i) for i, length in enumerate(lengths))]
        widest = max(lengths)
        padded = np.full((len(sequences), 4, widest), -1)
        for row, place in enumerate(made.order):
            sequence, length = sequences[place], lengths[place]
            padded[row, 0, :length] = sequence.tokens
            padded[row, 1, :length] = range(length)
            padded[row, 2, :length] = sequence.segments
            padded[row, 3, :length] = [column == sequence.summary for column in range(length)]
        there = padded[:, 1] >= 0
        for number, name in enumerate(("tokens", "positions", "segments")):
            assert batch[name].tolist() == padded[:, number][there].tolist()
            assert batch[name].dtype == torch.int64
        # the summary is where the padded table marks it, among the places that are not padding
        assert batch["summary"].tolist() == np.flatnonzero(padded[:, 3][there]).tolist()
        assert batch["example"].tolist() == [sequences[place].example for place in made.order]
        assert batch["offsets"].dtype == torch.int32
        assert batch["offsets"].tolist() == [there[:row].sum() for row in range(len(sequences) + 1)]
        assert {place: batch["offsets"][row].item() for row, place in enumerate(made.order)} == made.starts
        ordered = [lengths[place] for place in made.order]
        assert [length for count, length in batch["runs"] for _ in range(count)] == ordered
        assert [length for _, length in batch["runs"]] == sorted(set(lengths))
        assert all(isinstance(number, int) for run in batch["runs"] for number in run)
        assert batch["max_length"] == widest
        assert batch["num_examples"] == trial
        assert batch["counts"] == {}


def test_ragged_leaves_its_input_alone() -> None:
    sequences = random_sequences(np.random.default_rng(1), 5, 9)
    before = [sequence.tokens.copy() for sequence in sequences]
    batch = formats.ragged(sequences, 5).batch
    batch["tokens"][:] = 0
    assert all((one.tokens == other).all() for one, other in zip(sequences, before, strict=True))


def test_pack_pair() -> None:
    rng = random.Random(0)
    for _ in range(50):
        a = [rng.randint(5, 99) for _ in range(rng.randint(0, 6))]
        b = [rng.randint(5, 99) for _ in range(rng.randint(0, 6))]
        pair = formats.pack_pair(VOCABULARY, np.array(a, dtype=np.uint16), np.array(b, dtype=np.uint16), example=7)
        assert pair.tokens.tolist() == [2, *a, 3, *b, 3]
        assert pair.segments.tolist() == [0] * (len(a) + 2) + [1] * (len(b) + 1)
        single = formats.pack_pair(VOCABULARY, np.array(a, dtype=np.uint16), None)
        assert single.tokens.tolist() == [2, *a, 3]
        assert single.segments.tolist() == [0] * (len(a) + 2)
        assert (pair.example, single.example) == (7, 0)
        assert pair.summary == single.summary == 0  # [CLS]
        assert {str(array.dtype) for array in (pair.tokens, pair.segments, single.tokens)} == {"int64"}


def test_truncate_longest_pops_from_the_longer_part() -> None:
    rng = random.Random(0)
    for _ in range(2000):
        parts = [list(range(100 * i, 100 * i + rng.randint(0, 30))) for i in range(rng.choice([1, 2, 2, 2]))]
        room = rng.randint(0, 70)
        cut = formats.truncate_longest([np.array(part, dtype=np.int64) for part in parts], room)
        if len(parts) == 1:
            expected = [parts[0][:room]]
        else:
            a, b = parts
            while len(a) + len(b) > room:
                (a if len(a) > len(b) else b).pop()
            expected = [a, b]
        assert [part.tolist() for part in cut] == expected


@pytest.mark.parametrize("texts", [1, 2])
def test_sequence_pair_lays_out_one_text_or_two(texts: int) -> None:
    rng = random.Random(texts)
    for max_length in (8, 16, 64):
        examples = [[[rng.randint(5, 99) for _ in range(rng.randint(1, 40))] for _ in range(texts)] for _ in range(9)]
        arrays = [[np.array(text) for text in example] for example in examples]
        batch = formats.SequencePair().batch(VOCABULARY, arrays, task(max_length))
        assert batch["index"].tolist() == list(range(9))
        assert batch["counts"] == {"task": 9}
        assert batch["num_examples"] == 9
        assert sorted(batch["example"].tolist()) == list(range(9))
        offsets = batch["offsets"].tolist()
        assert batch["summary"].tolist() == offsets[:-1]
        cut = 0
        for place, example in enumerate(batch["example"].tolist()):
            one = examples[example][0].copy()
            two = examples[example][1].copy() if texts == 2 else []
            room = max_length - 1 - texts
            cut += len(one) + len(two) > room
            while len(one) + len(two) > room:
                (one if len(one) > len(two) else two).pop()
            expected = [2, *one, 3, *two, 3] if texts == 2 else [2, *one, 3]
            assert batch["tokens"][offsets[place] : offsets[place + 1]].tolist() == expected
            segments = [0] * (len(one) + 2) + [1] * (len(two) + 1 if texts == 2 else 0)
            assert batch["segments"][offsets[place] : offsets[place + 1]].tolist() == segments
            assert len(expected) <= max_length
        assert cut > 0 or max_length == 64
        lengths = np.diff(offsets).tolist()
        assert batch["runs"] == [(len(list(run)), length) for length, run in groupby(lengths)]
        assert batch["max_length"] == max(lengths) <= max_length


def test_sequence_pair_keeps_one_example_one_sequence() -> None:
    layout = formats.SequencePair()
    (sequence,) = layout.sequences(VOCABULARY, [np.arange(5, 25), np.arange(30, 40)], task(12), example=3)
    assert sequence.tokens.tolist() == [2, 5, 6, 7, 8, 9, 3, 30, 31, 32, 33, 3]  # nine places: the first text is longer
    assert sequence.example == 3


def tokenizer() -> Tokenizer:
    """One that would add [CLS] and [SEP] itself if it were let."""
    made = WordPiece(vocab_size=60).train(["the cat sat on the mat", "a dog ran to a cat"] * 5)
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return made


def test_texts_are_read_as_text() -> None:
    words = tokenizer()
    vocabulary = Vocabulary.of(words)
    texts = [("The CAT sat", "a dog"), ("a [SEP] cat", "the mat [MASK]")]
    batch = formats.SequencePair().batch_of_texts(words, texts, task(64))
    ids = [[np.array(words.encode(t, add_special_tokens=False).ids) for t in example] for example in texts]
    expected = formats.SequencePair().batch(vocabulary, ids, task(64))
    for name in ("tokens", "positions", "segments", "offsets", "example", "summary", "index"):
        assert (batch[name] == expected[name]).all()
    assert batch["runs"] == expected["runs"]
    tokens = batch["tokens"].tolist()
    assert tokens.count(words.token_to_id(SPECIALS[3])) == 4  # two for each pair, none of the text's own
    assert tokens.count(words.token_to_id(SPECIALS[4])) == 0
    one = formats.SequencePair().batch_of_texts(words, [("the cat",), ("a",)], task(64))
    assert one["example"].tolist() == [1, 0]  # by length
    assert one["index"].tolist() == [0, 1]
    assert not one["segments"].any()
