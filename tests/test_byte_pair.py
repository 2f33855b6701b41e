"""Byte pairs: learnt the same twice and as a second implementation learns, cut as transformers cuts."""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from datamodules.byte_pair import END, UNKNOWN, BytePair
from datamodules.task import Refused
from datamodules.tokenization import Vocabulary, digest, encode_all, read_tokenizer, save_tokenizer
from datamodules.words import Words
from tests.test_tokenization import DATA, HAND_WRITTEN, generated, rows

RELEASE = DATA / "vocab" / "openai-gpt"
needs_release = pytest.mark.skipif(not RELEASE.is_dir(), reason="GPT's published vocabulary is not beside the checkout")


def second_merges(text: str, count: int) -> list[tuple[str, str]]:
    """Sennrich et al. 2016, algorithm 1, without ties: on plain lists, each pair counted anew at each merge."""
    words = Counter((*word[:-1], word[-1] + END) for word in text.split())
    merges = []
    for _ in range(count):
        pairs = Counter[tuple[str, str]]()
        for word, frequency in words.items():
            for pair in pairwise(word):
                pairs[pair] += frequency
        (best, most), (_, next_most) = pairs.most_common(2)
        assert most > next_most, "a tie: take another text"
        merges.append(best)
        words = Counter({tuple(merged(word, best)): frequency for word, frequency in words.items()})
    return merges


def merged(word: tuple[str, ...], pair: tuple[str, str]) -> list[str]:
    result: list[str] = []
    for symbol in word:
        if result and (result[-1], symbol) == pair and not (len(result) > 1 and result[-1] == "".join(pair)):
            result[-1] += symbol
        else:
            result.append(symbol)
    return result


def merges_of(tokenizer: Tokenizer) -> list[tuple[str, str]]:
    return [(left, right) for left, right in json.loads(tokenizer.to_str())["model"]["merges"]]


def test_the_same_text_gives_the_same_tokenizer() -> None:
    first, second = (BytePair(vocab_size=300).train(generated()) for _ in range(2))
    assert first.to_str() == second.to_str()
    assert first.get_vocab_size() == 300
    assert first.token_to_id(UNKNOWN) == 0


def test_merges_are_learnt_as_the_paper_says() -> None:
    text = "hug " * 10 + "pug " * 6 + "pun " * 13 + "bun " * 4 + "hugs " * 5
    learnt = merges_of(BytePair(vocab_size=40).train([text]))
    expected = second_merges(text, 5)
    assert learnt[: len(expected)] == expected


def test_vocab_size_is_an_upper_bound() -> None:
    for size in (40, 100, 100_000):
        tokenizer = BytePair(vocab_size=size).train(generated())
        assert tokenizer.get_vocab_size() <= size
        assert sorted(tokenizer.get_vocab().values()) == list(range(tokenizer.get_vocab_size()))


def test_only_an_unknown_symbol_is_unknown() -> None:
    tokenizer = BytePair(vocab_size=200).train(["a bad bad cab"])
    assert tokenizer.encode("Bad ☃ dab <unk>", add_special_tokens=False).tokens[:2] == ["bad</w>", UNKNOWN]
    vocabulary = Vocabulary.of(tokenizer)
    assert (vocabulary.unk, vocabulary.all_ids, vocabulary.size) == (0, (0,), tokenizer.get_vocab_size())
    with pytest.raises(Refused, match="no mask token"):
        _ = vocabulary.mask


@needs_release
def test_the_same_ids_as_transformers() -> None:
    from transformers import OpenAIGPTTokenizer

    pages = [line for page in rows("wikipedia-pages-en", "validation", "text", 40) for line in page.split("\n")]
    lines = [*pages[:400], *rows("bentrevett/multi30k", "train", "de", 100), *HAND_WRITTEN]
    ours = BytePair(file=str(RELEASE)).load()
    vocab = json.loads((RELEASE / "encoder_bpe_40000.json").read_text())
    merges = (RELEASE / "vocab_40000.bpe").read_text().split("\n")[1:-1]
    theirs = OpenAIGPTTokenizer(vocab=vocab, merges=[tuple(line.split()) for line in merges])  # pyright: ignore[reportArgumentType]
    assert ours.get_vocab_size() == 40478
    expected = theirs(lines, add_special_tokens=False)["input_ids"]
    for line, ids, reference in zip(lines, encode_all(ours, lines), expected, strict=True):
        assert ids.tolist() == reference, line
    assert {UNKNOWN} < {ours.id_to_token(int(i)) for ids in encode_all(ours, HAND_WRITTEN) for i in ids}


def test_it_travels_as_one_file_or_two(tmp_path: Path) -> None:
    made = BytePair(vocab_size=300).train(generated())
    save_tokenizer(made, tmp_path / "one" / "tokenizer.json")
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "vocab.json").write_text(json.dumps(made.get_vocab()))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges_of(made)), ""]
    (tmp_path / "two" / "merges.txt").write_text("\n".join(lines))
    one, two = (BytePair(file=str(tmp_path / name)) for name in ("one", "two"))
    assert digest(one.load()) == digest(two.load()) == digest(read_tokenizer(tmp_path / "one")) == digest(made)
    assert one.identity() != two.identity() != BytePair().identity()
    text = generated()[0]
    assert np.array_equal(next(encode_all(two.load(), [text])), next(encode_all(made, [text])))


def test_what_is_no_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"text\.tokenizer\.file=None"):
        BytePair().load()
    with pytest.raises(Refused, match=r"merges\.txt"):
        BytePair(file=str(tmp_path)).load()
    with pytest.raises(Refused, match="is not there"):
        BytePair(file=str(tmp_path / "none.json")).load()
    save_tokenizer(Words(20).train(["a b a b"] * 9), tmp_path / "tokenizer.json")
    with pytest.raises(Refused, match="is a tokenizer of Words, not of byte pairs"):
        BytePair(file=str(tmp_path / "tokenizer.json")).load()
    (tmp_path / "tokenizer.json").unlink()
    (tmp_path / "vocab.json").write_text("{}")
    (tmp_path / "merges.txt").write_text("a b\n")
    with pytest.raises(Refused, match=r"vocab\.json and merges\.txt are not a tokenizer"):
        BytePair(file=str(tmp_path)).load()
    with pytest.raises(Refused, match=r"text\.tokenizer\.lowercase"):
        BytePair(lowercase="yes")  # pyright: ignore[reportArgumentType]
