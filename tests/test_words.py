"""Whole words: counted, spelled where the vocabulary has no room, and measured, each against the text itself."""

import math
import pickle
import random
from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from tokenizers import Tokenizer, models
from transformers.convert_slow_tokenizer import bytes_to_unicode

from datamodules import histogram
from datamodules.causal import CausalLM
from datamodules.corpus import Corpus
from datamodules.histogram import histogram_of
from datamodules.lexicon import COLUMNS, MARGIN, Lexicon
from datamodules.shards import Split
from datamodules.task import Refused
from datamodules.tokenization import Vocabulary, WordPiece, encode_all, save_tokenizer
from datamodules.words import Words
from datamodules.yardstick import Pieces, Yardstick, text_bytes
from tests.test_tokenization import HAND_WRITTEN, google_words

TEXTS = ["the cat sat on the mat .", "the dog sat", "a cat , a dog , the mat", "b b b", "the the"]
AWKWARD = [
    *HAND_WRITTEN,
    "##ing #hash ## ###",
    "<S> </S> <UNK> <s> [MASK]",
    "x" * 300 + " " + "é" * 300 + " " + "猫" * 30 + " ก" * 3 + "ก" * 300,
    "3.14159 1918 000 ٣",
    "cats catcat thecat sats",
    "",
]
SIZES = (4, 9, 1000)


def trained(vocab_size: int = 9, lowercase: bool = False, texts: list[str] = TEXTS) -> Tokenizer:
    return Words(vocab_size, lowercase).train(iter(texts))


def ids_of(tokenizer: Tokenizer, text: str) -> np.ndarray:
    return next(encode_all(tokenizer, [text]))


def invented(seed: int = 0, lines: int = 60) -> list[str]:
    """Many different words, some of them frequent."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdé猫😀9", k=rng.randint(1, 25))) for _ in range(300)]
    return [" ".join(rng.choices(words, range(1, 301), k=12)) + rng.choice([".", "!", ", etc"]) for _ in range(lines)]


# ---- the vocabulary --------------------------------------------------------------------------------------------------


def test_words_come_by_frequency_and_ties_by_the_alphabet() -> None:
    by_hand = ["the", "b", ",", "a", "cat", "dog", "mat", "sat", ".", "on"]  # 6 3 2 2 2 2 2 2 1 1
    for size in range(4, 13):
        vocab = trained(size).get_vocab()
        assert sorted(vocab, key=vocab.__getitem__)[:size] == ["<S>", "</S>", "<UNK>", *by_hand][:size]
        assert Words(size).entries(trained(size)) == size
    assert Words(100).entries(trained(100)) == 13
    rare = Words(100, min_frequency=2).train(TEXTS).get_vocab()
    assert [word for word in by_hand if rare.get(word, 99) < 11] == by_hand[:8]


def test_every_byte_follows_the_words_and_begins_one_if_need_be() -> None:
    """In byte order, as GPT-2 writes bytes; "a", "b", "," and "." are words."""
    table = bytes_to_unicode()
    vocab = trained(100).get_vocab()
    pieces = sorted(vocab, key=vocab.__getitem__)
    assert [vocab[piece] for piece in pieces] == list(range(len(vocab)))
    assert pieces[13:269] == [f"##{table[byte]}" for byte in range(256)]
    assert pieces[269:] == [table[byte] for byte in range(256) if chr(byte) not in "ab,."]


def test_two_trainings_are_one() -> None:
    texts = [*invented(), *HAND_WRITTEN]
    assert len({Words(80).train(iter(texts)).to_str() for _ in range(3)}) == 1
    assert Words(80).train(texts).to_str() == Words(80).train(texts[::-1]).to_str()


def test_a_word_beyond_the_limit_is_no_entry() -> None:
    tokenizer = trained(100, texts=["x" * 1000, "y" * 1001])
    assert Lexicon(tokenizer).words == 4
    assert tokenizer.encode("x" * 1000).ids == [3]
    assert tokenizer.encode("y" * 1001).ids == [2]


# ---- spelling --------------------------------------------------------------------------------------------------------


def spelled_by_hand(tokenizer: Tokenizer, ids: np.ndarray) -> list[str]:
    """Pieces -> words, with GPT-2's table of bytes turned round."""
    byte = {letter: number for number, letter in bytes_to_unicode().items()}
    words: list[list[int]] = []
    for piece in (str(tokenizer.id_to_token(number)) for number in ids.tolist()):
        if not piece.startswith("##"):
            words.append([])
        words[-1] += [byte[letter] for letter in piece.removeprefix("##")]
    return [bytes(word).decode() for word in words]


@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_no_letter_is_lost(size: int, lowercase: bool) -> None:
    """And nothing in a text is read as a token that is no text."""
    tokenizer = trained(size, lowercase)
    lexicon = Lexicon(tokenizer)
    for text in [*AWKWARD, *TEXTS, *invented()]:
        words, ids = google_words(text, lowercase), ids_of(tokenizer, text)
        assert spelled_by_hand(tokenizer, ids) == words
        assert tokenizer.decode(ids.tolist()) == " ".join(words)
        assert lexicon.spelling(lexicon.forms(ids)) == words
        assert int(lexicon.starts(ids).sum()) == len(words)
        assert not {0, 1, 2} & set(ids.tolist())


def test_the_longest_known_beginning_then_bytes() -> None:
    tokenizer = trained(100)
    assert tokenizer.encode("cats é cat c").tokens == ["cat", "##s", "Ã", "##©", "cat", "c"]
    lexicon = Lexicon(tokenizer)
    forms = lexicon.forms(ids_of(tokenizer, "cats é cat c cats cat"))
    cat, size = tokenizer.token_to_id("cat"), tokenizer.get_vocab_size()
    assert forms.tolist() == [size, size + 1, cat, size + 2, size, cat]
    assert forms.dtype == np.int64
    assert lexicon.labels(forms).tolist() == [2, 2, cat, 2, 2, cat]


@pytest.mark.parametrize("size", SIZES)
def test_a_form_is_a_word(size: int) -> None:
    """One number for a word wherever it stands; to the softmax, what is in the list of words, by hand."""
    tokenizer = trained(size, texts=invented())
    lexicon, known = Lexicon(tokenizer), tokenizer.get_vocab()
    table = bytes_to_unicode()
    numbers: dict[str, int] = {}
    for text in [*invented(), *invented(1), *AWKWARD]:
        ids, words = ids_of(tokenizer, text), google_words(text, False)
        forms = lexicon.forms(ids)
        assert [numbers.setdefault(word, form) for word, form in zip(words, forms.tolist(), strict=True)] == [*forms]
        written = ["".join(table[byte] for byte in word.encode()) for word in words]
        labels = [known[word] if known.get(word, lexicon.words) < lexicon.words else 2 for word in written]
        assert lexicon.labels(forms).tolist() == lexicon.counted(ids).tolist() == labels
        assert np.where(forms >= len(known), 2, forms).tolist() == labels
    assert len(set(numbers.values())) == len(numbers)


def test_a_copy_of_a_lexicon_goes_on_by_itself() -> None:
    tokenizer = trained()
    lexicon = Lexicon(tokenizer)
    lexicon.characters(lexicon.forms(ids_of(tokenizer, "zebra")))
    copy = pickle.loads(pickle.dumps(lexicon))
    for one, text in ((lexicon, "zebra lion"), (copy, "zebra gnu")):
        assert one.spelling(one.forms(ids_of(tokenizer, text))) == text.split()


# ---- characters ------------------------------------------------------------------------------------------------------


def characters_by_hand(word: str) -> list[int]:
    inner = {"<S>": [256], "</S>": [257]}.get(word) or list(word.encode())[:48]
    return [258, *inner, 259] + [260] * (48 - len(inner))


def test_characters_are_the_words_bytes() -> None:
    """Of forms that come in several turns, more of them than the table first has room for."""
    rng = random.Random(0)
    tokenizer = trained()
    lexicon = Lexicon(tokenizer)
    for turn in range(4):
        words = ["".join(rng.choices("aé猫😀z", k=rng.randint(1, 30))) for _ in range(600)]
        words = [*chain.from_iterable(google_words(word, False) for word in words), "the", "q" * (44 + turn)]
        forms = lexicon.forms(ids_of(tokenizer, " ".join(words)))
        rows = rng.choices(range(len(words)), k=50)
        expected = [characters_by_hand(words[row]) for row in rows]
        longest = max(row.index(259) + 1 for row in expected)
        found = lexicon.characters(forms[rows])
        assert found.shape == (50, min(50, longest + 7))
        assert found.dtype == np.int64
        assert found.tolist() == [row[: found.shape[1]] for row in expected]


def test_characters_of_marks_and_of_an_unknown_word() -> None:
    tokenizer = trained()
    lexicon = Lexicon(tokenizer)
    assert (lexicon.bos, lexicon.eos, lexicon.unk) == (0, 1, 2)
    found = lexicon.characters(np.array([0, 1, 2]))
    assert found.tolist() == [characters_by_hand(word)[:14] for word in ("<S>", "</S>", "<UNK>")]
    written = lexicon.forms(ids_of(tokenizer, "<S>"))  # three words of a text
    assert lexicon.characters(written)[:, 1].tolist() == list(b"<S>")
    assert lexicon.characters(np.zeros(0, dtype=np.int64)).shape == (0, MARGIN)


@pytest.mark.parametrize("length", [1, 3, 39, 40, 41, 42, 48, 60])
def test_a_maximum_over_windows_does_not_see_how_many_columns_are_cut(length: int) -> None:
    """ELMo's filters, one to seven columns wide, on the columns that are handed out and on all fifty."""
    lexicon = Lexicon(tokenizer := trained())
    found = lexicon.characters(lexicon.forms(ids_of(tokenizer, "q" * length + " b z")))
    assert found.shape[1] == min(COLUMNS, min(length, 48) + 2 + 7)
    whole = np.pad(found, [(0, 0), (0, COLUMNS - found.shape[1])], constant_values=260)
    rng = np.random.default_rng(length)
    embedding = rng.normal(size=(261, 3))
    for width in range(1, 8):
        weight = rng.normal(size=(40, width * 3))
        maxima = [
            np.stack([embedding[rows[:, at : at + width]].reshape(3, -1) for at in range(rows.shape[1] - width + 1)])
            for rows in (found, whole)
        ]
        cut, full = ((windows @ weight.T).max(axis=0) for windows in maxima)
        np.testing.assert_allclose(cut, full)


# ---- bytes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lowercase", [False, True])
def test_sizes_add_up_to_the_normalised_text(lowercase: bool) -> None:
    """As words' sizes, as pieces' sizes, and as `text_bytes` has it."""
    tokenizer = trained(lowercase=lowercase)
    lexicon, pieces = Lexicon(tokenizer), Pieces(tokenizer)
    for text in [*AWKWARD, *TEXTS]:
        ids = ids_of(tokenizer, text)
        total = sum(len(word.encode()) + 1 for word in google_words(text, lowercase))
        assert int(lexicon.sizes(lexicon.forms(ids)).sum()) == int(pieces.bytes[ids].sum()) == total
        assert text_bytes(tokenizer, text) == total
    assert lexicon.sizes(np.array([0, 1, 2])).tolist() == [0, 0, len("<UNK> ")]


def test_what_the_softmax_cannot_name_is_unknown() -> None:
    tokenizer = trained(9)  # the b , a cat dog
    texts = ["the cats sat", "the cat", "", "é a猫a b", "a " + "y" * 1001 + " z"]
    unknown = Pieces(tokenizer).unknown_bytes(texts, list(encode_all(tokenizer, texts)))
    assert unknown == [len("cats sat "), 0, 0, len("é 猫 ".encode()), 1001 + 1 + len("z ")]


def test_each_unknown_word_owes_its_own_spelling() -> None:
    lexicon = Lexicon(tokenizer := trained(9))
    forms = np.concatenate([[lexicon.bos], lexicon.forms(ids_of(tokenizer, "the cats , é cat")), [lexicon.eos]])
    size, nats = Yardstick.of_forms(lexicon, forms)
    assert size == len("the cats , é cat ".encode())
    assert nats == pytest.approx(len("cats é ".encode()) * 8 * math.log(2))


# ---- a prepared text -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [40, 97, 1 << 18])
def test_a_histogram_counts_words(part: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the file is cut while it is read."""
    monkeypatch.setattr(histogram, "PART", part)
    texts = invented()
    tokenizer = trained(60, texts=invented(lines=20))
    size = tokenizer.get_vocab_size()
    ids = np.concatenate(list(encode_all(tokenizer, texts)))
    ids.tofile(tmp_path / "tokens.bin")
    by_hand = np.zeros(size, dtype=np.int64)
    for word in chain.from_iterable(google_words(text, False) for text in texts):
        pieces = tokenizer.encode(word).ids
        by_hand[pieces[0] if len(pieces) == 1 and pieces[0] < 60 else 2] += 1
    assert 100 < by_hand[2] < by_hand.sum() / 2
    found = histogram_of(tmp_path / "tokens.bin", "uint16", size, Lexicon(tokenizer))
    assert found.tolist() == by_hand.tolist()
    plain = histogram_of(tmp_path / "tokens.bin", "uint16", size)
    assert plain.tolist() == np.bincount(ids, minlength=size).tolist()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, dict[str, list[str]]]:
    """A prepared corpus, and the sentences of its splits."""
    folder = tmp_path_factory.mktemp("words")
    documents = [[f"the cat number {n} sat .", "it ran away", "why ? Nobody knöws !"] for n in range(400)]
    held = [["it ☃ sat .", "it ran far away", "why ? Nobody knows !"]] * 2
    file = folder / "text.txt"
    file.write_text("\n\n".join("\n".join(one) for one in documents))
    data = Corpus(
        source="hub", corpus="", files=[str(file)], tokenizer=Words(16), objective=cast("Any", CausalLM()),
        max_length=16, global_batch_size=4, eval_batch_size=4, seed=0, cache_dir=str(folder / "cache"),
    )  # fmt: skip
    for split, own in (("validation", held), ("train", documents)):
        data.write(data.load_tokenizer(), ((split, "\n".join(one)) for one in own), split)
    data.setup("fit")
    return data, {"train": [*chain(*documents)], "validation": [*chain(*held)]}


def test_a_prepared_corpus_counts_its_words(corpus: tuple[Corpus, dict[str, list[str]]]) -> None:
    data, sentences = corpus
    vocab = data.load_tokenizer().get_vocab()
    known = {word.replace("Ã¶", "ö"): number for word, number in vocab.items() if number < 16}
    for split, own in sentences.items():
        words = Counter(known.get(word, 2) for sentence in own for word in sentence.split())
        found = Split(data.directory(split)).histogram
        assert found.tolist() == [words[number] for number in range(len(vocab))]
        unknown = sum(len(f"{word} ".encode()) for one in own for word in one.split() if word not in known)
        assert Split(data.directory(split)).total("unknown_bytes") == unknown > 0


def test_the_card_is_of_words(corpus: tuple[Corpus, dict[str, list[str]]]) -> None:
    data, sentences = corpus
    counts = Counter(word for sentence in sentences["train"] for word in sentence.split())
    kept = sorted(counts, key=lambda word: (-counts[word], word))[:13]
    shares = np.array([counts[word] for word in kept] + [counts.total() - sum(counts[word] for word in kept)])
    shares = shares / counts.total()
    expected = {
        "vocabulary": 16,
        "ln_vocabulary": math.log(16),
        "vocabulary_used": 14,
        "unknown_share": shares[-1],
        "unigram_entropy": -(shares * np.log(shares)).sum(),
        "words": counts.total(),
        "validation_bytes": len(("\n".join(sentences["validation"]) + "\n").encode()),
        "sentence_end_bits_per_byte": 0,
    }
    assert {name: data.card[name] for name in expected} == pytest.approx(expected)


def test_labels_and_forms_owe_the_same_for_all_the_text(corpus: tuple[Corpus, dict[str, list[str]]]) -> None:
    data, sentences = corpus
    yardstick = Yardstick.of(data.load_tokenizer(), Split(data.directory("validation")))
    lexicon, tokens = data.vocabulary().lexicon, np.asarray(data.held_out.tokens[:])
    exact = Yardstick.of_forms(lexicon, lexicon.forms(tokens))
    assert yardstick(lexicon.counted(tokens)) == pytest.approx(exact)
    assert exact[0] == len(("\n".join(sentences["validation"]) + "\n").encode())
    assert yardstick.card["unknown_bits_per_byte"] == pytest.approx(exact[1] / math.log(2) / exact[0])


def test_the_vocabulary_of_a_model(tmp_path: Path) -> None:
    words, pieces = Vocabulary.of(trained(9)), Vocabulary.of(WordPiece(vocab_size=60).train(TEXTS))
    assert (words.bos, words.eos, words.unk, words.all_ids) == (0, 1, 2, (0, 1, 2))
    assert (words.words, words.lexicon.words) == (9, 9)
    assert words.size == trained(9).get_vocab_size() > 256
    assert words.lexicon is words.lexicon
    assert pieces.words == pieces.size
    with pytest.raises(Refused, match=r"text\.tokenizer cuts words into pieces"):
        _ = pieces.lexicon
    with pytest.raises(Refused, match="no mask token"):
        _ = words.mask
    with pytest.raises(Refused, match="no eos token"):
        _ = pieces.eos


# ---- files -----------------------------------------------------------------------------------------------------------


def test_a_saved_tokenizer_reads_back(tmp_path: Path) -> None:
    save_tokenizer(trained(), tmp_path / "tokenizer.json")
    named = [Words(file=str(tmp_path)), Words(5, True, file=str(tmp_path / "tokenizer.json"))]
    assert {one.load().to_str() for one in named} == {trained().to_str()}
    assert named[0].identity() == named[1].identity()
    save_tokenizer(trained(10), tmp_path / "other" / "tokenizer.json")
    settings = [Words(), Words(8), Words(lowercase=True), Words(min_frequency=2)]
    identities = [one.identity() for one in (*named[:1], *settings, Words(file=str(tmp_path / "other")))]
    assert len({str(sorted(one.items(), key=str)) for one in identities}) == len(identities)
    assert {one["kind"] for one in identities} == {"Words"}


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"text\.tokenizer\.file=None"):
        Words().load()
    for ask in (Words(file=str(tmp_path)).load, Words(file=str(tmp_path / "none.json")).identity):
        with pytest.raises(Refused, match=r"is not there: text\.tokenizer\.file may be a tokenizer\.json"):
            ask()
    others = [
        WordPiece(vocab_size=60).train(TEXTS),
        Tokenizer(models.WordPiece({"<S>": 0, "</S>": 1, "<UNK>": 2, "a": 3, "##b": 4}, unk_token="<UNK>")),
        Tokenizer(models.WordPiece(dict(reversed(trained().get_vocab().items())), unk_token="[UNK]")),
    ]
    for number, other in enumerate(others):
        save_tokenizer(other, tmp_path / str(number) / "tokenizer.json")
        with pytest.raises(Refused, match=r"text\.tokenizer\.file=.* is not a tokenizer of whole words"):
            Words(file=str(tmp_path / str(number))).load()
    with pytest.raises(Refused, match=r"\(text\.tokenizer\.vocab_size\)=3 has no room for words: it may be 4 or more"):
        Words(3).train(TEXTS)
    with pytest.raises(Refused, match=r"no text to learn .* text\.tokenizer\.min_frequency=7"):
        Words(min_frequency=7).train(TEXTS)
    with pytest.raises(Refused, match=r"text\.tokenizer\.lowercase"):
        Words(lowercase=cast("Any", "yes"))


def test_vocab_size_is_about_words(tmp_path: Path) -> None:
    """A tokenizer from a file has room for its words, not for their spellings."""
    save_tokenizer(trained(9), tmp_path / "tokenizer.json")
    told: dict[str, Any] = {"files": [str(tmp_path / "text.txt")], "cache_dir": str(tmp_path / "cache")}
    (tmp_path / "text.txt").write_text("a\n\nb")

    def corpus_of(size: int) -> Corpus:
        tokenizer = Words(size, file=str(tmp_path / "tokenizer.json"))
        return Corpus("hub", "", tokenizer, CausalLM(), 16, 4, 4, 0, **told)

    with pytest.raises(Refused, match=r"model\.vocab_size=8 is too small for .*, which has 9 entries"):
        corpus_of(8).load_tokenizer()
    assert corpus_of(9).load_tokenizer().to_str() == trained(9).to_str()
    with pytest.raises(Refused, match=r"model\.vocab_size=8 is too small"):  # also where the cache has it by now
        corpus_of(8).load_tokenizer()
