"""Phrases: found and joined as word2phrase.c does, against a second writing of it and against gensim."""

import random
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, normalizers

from datamodules.causal import CausalLM
from datamodules.corpus import Corpus
from datamodules.lexicon import Lexicon
from datamodules.phrases import JOINER, Counts, Phrases, Search, Splitter
from datamodules.shards import Split
from datamodules.task import Refused
from datamodules.tokenization import WordPiece
from datamodules.words import Words
from sweeps.runs.places import run_name
from tests.conftest import compose
from tests.test_tokenization import google_words

phrases_of = pytest.importorskip("gensim.models.phrases", reason="gensim is a test dependency (extra: peers)")

CASED, UNCASED = (Splitter(normalizers.BertNormalizer(lowercase=lower)) for lower in (False, True))


def invented(seed: int, lines: int = 300) -> list[list[str]]:
    """Sentences in which some words like each other: "new york city", "new york times"."""
    rng = random.Random(seed)
    parts = [
        ["new", "york", "city"],
        ["new", "york", "times"],
        ["san", "jose"],
        ["b", "b", "b"],
        *([w] for w in "abcdefgh"),
    ]
    return [[word for part in rng.choices(parts, k=rng.randint(1, 9)) for word in part] for _ in range(lines)]


def word2phrase(sentences: list[list[str]], threshold: float, min_count: int) -> list[list[str]]:
    """TrainModel of word2phrase.c, line by line; but no pair reaches from one sentence into the next."""
    vocab = Counter(word for sentence in sentences for word in sentence)
    train_words = sum(vocab.values())
    for sentence in sentences:
        vocab.update(f"{a}_{b}" for a, b in pairwise(sentence))
    out = []
    for sentence in sentences:
        line, pa, last = "", 0, ""
        for word in sentence:
            pb, pab = vocab[word], vocab.get(f"{last}_{word}", 0)
            oov = pab == 0 or pa < min_count or pb < min_count
            score = 0.0 if oov else (pab - min_count) / pa / pb * train_words
            if score > threshold:
                line, pb = f"{line}_{word}", 0
            else:
                line = f"{line} {word}"
            pa, last = pb, word
        out.append(line.split())
    return out


def ours(sentences: list[list[str]], *search: Any) -> tuple[Phrases, list[list[str]]]:
    """The phrases, and the sentences with _ in them."""
    found = Search(*search).learn(lambda: map(" ".join, sentences), CASED)
    return found, [found(" ".join(sentence)).replace(JOINER, "_").split() for sentence in sentences]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("threshold", "min_count"), [(1, 1), (3, 5), (8, 5), (8, 60), (0, 1), (1e6, 1)])
def test_one_pass_is_word2phrase(seed: int, threshold: float, min_count: int) -> None:
    sentences = invented(seed)
    assert ours(sentences, 1, threshold, min_count)[1] == word2phrase(sentences, threshold, min_count)


def test_passes_follow_each_other_with_half_the_threshold() -> None:
    sentences = invented(0)
    expected = word2phrase(word2phrase(sentences, 4, 5), 2, 5)
    found, joined = ours(sentences, 2, 2, 5)
    assert joined == expected
    assert {"new_york_city", "new_york_times", "b_b"} <= {word for sentence in joined for word in sentence}
    assert len(found.passes) == 2
    assert joined != word2phrase(word2phrase(sentences, 2, 5), 2, 5)


@pytest.mark.parametrize("seed", range(3))
def test_one_pass_is_gensims(seed: int) -> None:
    """Whose N is the number of different words and pairs, so that its threshold is another."""
    sentences, threshold = invented(seed), 5.0
    theirs = phrases_of.Phrases(sentences, min_count=5, threshold=1e9, delimiter="_")
    theirs.threshold = threshold * len(theirs.vocab) / sum(map(len, sentences))
    found, joined = ours(sentences, 1, threshold, 5)
    assert joined == [theirs[sentence] for sentence in sentences]
    listed = {pair.replace(" ", "_"): count for pair, count in found.passes[0].items()}
    assert listed.keys() >= set(theirs.find_phrases(sentences)) != set()
    assert listed == {pair: theirs.vocab[pair] for pair in listed}


def test_the_rarest_are_forgotten_where_there_are_too_many() -> None:
    counts = Counts(CASED, most=40)
    for sentence in [*invented(1), [f"once{number}" for number in range(30)]]:
        counts.add(sentence)
        assert len(counts.words) + len(counts.pairs) <= 40
    assert counts.total == sum(map(len, invented(1))) + 30
    assert counts.least > 1
    assert counts.words["new"] > 100


# ---- in text ---------------------------------------------------------------------------------------------------------


def joining(*pairs: str, splitter: Splitter = UNCASED) -> Phrases:
    return Phrases(splitter, [dict.fromkeys(pairs, 9)])


@pytest.mark.parametrize(
    ("text", "joined"),
    [
        ("In New York, it's new.", "in new_york, it's new."),
        ("  new \t york new york new", "new_york new_york new"),
        ("New\u00a0York Café naïve", "new_york cafe naive"),
        ("new-york new", "new-york new"),
        ("", ""),
    ],
)
def test_a_sentence_is_joined_where_its_phrases_are(text: str, joined: str) -> None:
    found = joining("new york")(text)
    assert found.replace(JOINER, "_") == joined
    expected = " ".join(google_words(text, True)).replace("new york", f"new{JOINER}york").split()
    assert google_words(found, True) == expected


def test_what_a_tokenizer_would_take_apart_is_no_phrase() -> None:
    """Punctuation, and characters that are words by themselves."""
    lines = ["well , well", "it ' s", "猫 犬", "cost $ 5", "a 1", "née 😀"] * 50
    found = Search(1, 0, 1).learn(lambda: lines, UNCASED)
    assert set(found.passes[0]) == {"a 1", "nee 😀"}
    for line in lines[:6]:
        assert len(google_words(found(line), True)) == len(found.words(line)[0])


def test_case_decides_what_is_one_word() -> None:
    lines = ["New York", "new york", "a b", "b a"] * 3
    for splitter, pairs in ((CASED, {"New York": 3, "new york": 3}), (UNCASED, {"new york": 6})):
        assert Search(1, 2, 1).learn(lambda: lines, splitter).passes[0].items() >= pairs.items()


# ---- in a corpus -----------------------------------------------------------------------------------------------------


def corpus_of(folder: Path, tokenizer: Any = None, **settings: Any) -> Corpus:
    """The invented sentences, five a document, with a full stop; the last document is held out."""
    documents = [invented(0)[first : first + 5] for first in range(0, 300, 5)]
    text = "\n\n".join("\n".join(" ".join(sentence) + "." for sentence in document) for document in documents)
    (folder / "mine.txt").write_text(text.replace("new", "New"))
    return Corpus(
        "hub", "", tokenizer or Words(100), CausalLM(), 32, 8, 8, 3,
        str(folder / "cache"), files=str(folder / "mine.txt"), **settings,
    )  # fmt: skip


def text_of(corpus: Corpus, tokenizer: Tokenizer) -> list[str]:
    """The training text, from the tokens on the disk."""
    whole = Split(corpus.directory("train"))[0]
    return [tokenizer.decode(whole.tokens[first:stop].tolist()) for first, stop in pairwise(whole.sentences)]


def test_a_corpus_with_phrases(tmp_path: Path) -> None:
    """Joined before the vocabulary is learnt and tokens are cut; the validation text, too, with the training text's."""
    plain, joined = corpus_of(tmp_path), corpus_of(tmp_path, phrases=2, phrase_threshold=3)
    for corpus in (plain, joined):
        corpus.prepare_data()
    before = [line.removesuffix(" .").split() for line in text_of(plain, plain.tokenizer)]
    expected = word2phrase([[*line, "."] for line in before], 6, 5)  # a full stop is a word, and in no phrase
    expected = word2phrase([" ".join(line).replace("_.", " .").split() for line in expected], 3, 5)
    expected = [" ".join(line).replace("_.", " .") for line in expected]
    assert text_of(joined, joined.tokenizer) == [line.replace("_", JOINER) for line in expected]
    assert f"New{JOINER}york{JOINER}city" in Lexicon(joined.tokenizer).entries
    assert not [word for word in Lexicon(plain.tokenizer).entries if JOINER in word]
    assert "phrases" not in plain.facts
    assert joined.facts == {**plain.facts, "phrases": {"passes": 2, "threshold": 3, "min_count": 5, "version": 1}}
    for corpus in (plain, joined):
        corpus.setup("fit")
    assert "phrases" not in plain.card
    counts = Counter(word for line in expected for word in line.split() if "_" in word)
    most = sorted(counts, key=lambda word: (-counts[word], word))
    assert joined.card["phrases"] == len(counts) > 1
    assert joined.card["frequent_phrases"] == most[:10]
    assert len(list((tmp_path / "cache/phrases").glob("*/phrases.json"))) == 1


def test_phrases_need_whole_words_and_numbers_that_can_be(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"data\.phrases=1 joins words, .* it may be 0"):
        corpus_of(tmp_path, WordPiece(100), phrases=1)
    for key, value in (("phrases", -1), ("phrases", 1.5), ("phrase_threshold", "high"), ("phrase_min_count", 0)):
        with pytest.raises(Refused, match=f"data.{key}="):
            corpus_of(tmp_path, **{key: value})


def test_a_run_without_phrases_keeps_its_name() -> None:
    def name(*overrides: str) -> str:
        return run_name(compose("model=elmo_miniature", *overrides), "elmo", "miniature")

    assert name() == name("data.phrase_threshold=7") == name("data.phrase_min_count=7")
    assert len({name(), name("data.phrases=1"), name("data.phrases=1", "data.phrase_threshold=7")}) == 3
