"""Word pieces: learnt the same twice, cut as transformers cuts, and cut as Google's published rules say."""

import json
import os
import random
import unicodedata
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from datamodules import tokenization, wordpiece_training
from datamodules.task import Refused
from datamodules.tokenization import SPECIALS, Vocabulary, WordPiece

DATA = Path(__file__).parents[2] / "shared" / "data"
BERT = DATA / "vocab" / "bert-base-uncased" / "vocab.txt"
needs_bert = pytest.mark.skipif(not BERT.is_file(), reason="BERT's published vocab.txt is not beside the checkout")

HAND_WRITTEN = [
    "我们在北京大学学习自然语言处理,2018年10月。",
    "漢字かな交じり文:東京タワーは333メートルです。ガギグゲゴとカ\u3099",
    "한국어 문장도 나눕니다. 서울특별시! \u1112\u1161\u11ab\u1100\u1173\u11af",
    "السَّلامُ عَلَيْكُم، كيف حالك؟ ١٢٣",
    "नमस्ते दुनिया। हिन्दी में १२३ कि ज़्यादा",
    "Ещё раз: ёлка, йод, Й и И\u0306, ЩУКА №5 «кавычки»",
    "Ελληνικά ά έ ή ΰ, Ὀδυσσεύς και λόγος· τί;\u037e",
    "Tiếng Việt: Nguyễn Phước Hưng, đường phố Đà Nẵng, ổ ỗ ữ",
    "İstanbul'da ışık, IĞDIR, şeker, ÇOK güzel, ı İ i I",
    "emoji 😀 👩‍👩‍👧‍👦 👍🏽 🇩🇪 ❤️ ☕️, 1️⃣ and text🙂glued",
    "NFC café naïve Å ñ Ö, NFD cafe\u0301 nai\u0308ve A\u030a n\u0303 O\u0308, stacked a\u0323\u0307\u0301",
    "control \x00\x01a\x07b\x7fc\x85d \x1be\x0bf\x0cg\x1ch, tab\tnew\nreturn\rend",
    "zero\u200bwidth\u200cjoin\u200der soft\u00adhyphen \ufeffmark \u2060word \u202eright\u202c \u200e",
    "bad\ufffdbytes \ufffd\ufffd \ufffd",
    "spaces\u00a0no-break\u2003em\u3000wide\u2028line\u2029paragraph\u1680ogham",
    "3.14 1,000,000 -5e-3 20% $9.99 #1 C++ a_b x=y^2 ~ `tick` <html> [CLS-like] {x} | \\ /",
    "¿Qué? ¡Sí! “quoted” ‘single’ — dash – … • · § ¶ † ™ © € £ ½ ² ﬁ ﬂ Ⅷ ①",
    "donaudampfschifffahrtsgesellschaftskapitän pneumonoultramicroscopicsilicovolcanoconiosis "
    + "x" * 99
    + " "
    + "ab" * 50,
    "STRASSE Straße ẞ Łódź Øre ÆON Ĳ ŉ ǰ ǅ",
    "ภาษาไทย สวัสดี ქართული Հայերեն עברית שָׁלוֹם አማርኛ বাংলা தமிழ் ລາວ မြန်မာ ខ្មែរ",
    "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚 𐍈 𠀋 𪛖 豈 更 ﷽ ꙮ",
    "",
    "   ",
    "\u0301leading mark, a \u0301 b, alone \u0308",
]


def google_words(text: str, lowercase: bool = True) -> list[str]:
    """Google's BasicTokenizer, from the description of it; Python's Unicode tables, no library's."""
    cleaned = ""
    for letter in text:
        category = unicodedata.category(letter)
        if letter in " \t\n\r" or category == "Zs":
            cleaned += " "
        elif letter not in "\x00\ufffd" and category not in ("Cc", "Cf"):
            cleaned += f" {letter} " if is_chinese(ord(letter)) else letter
    words = []
    for word in cleaned.split():
        if lowercase:
            decomposed = unicodedata.normalize("NFD", word.lower())
            word = "".join(letter for letter in decomposed if unicodedata.category(letter) != "Mn")
        words += "".join(f" {letter} " if is_punctuation(letter) else letter for letter in word).split(" ")
    return [word for word in words if word]


def is_chinese(code: int) -> bool:
    blocks = [(0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81F)]
    blocks += [(0x2B820, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F)]
    return any(first <= code <= last for first, last in blocks)


def is_punctuation(letter: str) -> bool:
    return unicodedata.category(letter).startswith("P") or (letter.isascii() and letter > " " and not letter.isalnum())


def google_pieces(word: str, vocab: dict[str, int]) -> list[int]:
    """Greedy longest match first; a word that is too long or does not come out even is one [UNK]."""
    pieces: list[int] = []
    start = 0
    while start < len(word):
        prefix = "##" if start else ""
        end = next((end for end in range(len(word), start, -1) if prefix + word[start:end] in vocab), start)
        if end == start or len(word) > 200:
            return [vocab["[UNK]"]]
        pieces.append(vocab[prefix + word[start:end]])
        start = end
    return pieces


def google(text: str, vocab: dict[str, int], lowercase: bool = True) -> list[int]:
    return [piece for word in google_words(text, lowercase) for piece in google_pieces(word, vocab)]


def library_words(tokenizer: Tokenizer, text: str) -> list[str]:
    normalizer, pre_tokenizer = tokenizer.normalizer, tokenizer.pre_tokenizer
    assert normalizer is not None
    assert pre_tokenizer is not None
    return [word for word, _ in pre_tokenizer.pre_tokenize_str(normalizer.normalize_str(text))]


def rows(folder: str, split: str, column: str, count: int) -> list[str]:
    file = pq.ParquetFile(DATA / folder / "default" / f"{split}-00000-of-00001.parquet")
    return next(file.iter_batches(batch_size=count, columns=[column])).column(0).to_pylist()


@pytest.fixture(scope="module")
def lines() -> list[str]:
    """More than a thousand lines: captions, encyclopedia, other scripts, and those scripts run into each other."""
    captions = rows("bentrevett/multi30k", "train", "en", 250) + rows("bentrevett/multi30k", "train", "de", 250)
    pages = [line for page in rows("wikipedia-pages-en", "validation", "text", 60) for line in page.split("\n")][:400]
    rng = random.Random(0)
    scraps = [scrap for line in HAND_WRITTEN for scrap in line.split(" ")]
    mixed = [rng.choice(["", " ", "-"]).join(rng.sample(scraps, 6)) for _ in range(300)]
    found = [
        line for line in [*captions, *pages, *HAND_WRITTEN, *mixed] if max(map(len, line.split()), default=0) <= 100
    ]
    assert len(found) > 1000
    return found


@pytest.fixture(scope="module")
def bert() -> Tokenizer:
    return WordPiece(file=str(BERT)).load()


@needs_bert
def test_the_same_ids_as_transformers(bert: Tokenizer, lines: list[str]) -> None:
    from transformers import BertTokenizer

    theirs = BertTokenizer(vocab=bert.get_vocab(), do_lower_case=True)
    expected = theirs(lines, add_special_tokens=False)["input_ids"]
    for line, ids, reference in zip(lines, tokenization.encode_all(bert, lines, batch=64), expected, strict=True):
        assert ids.tolist() == reference, line


@needs_bert
def test_the_same_ids_as_googles_rules(bert: Tokenizer, lines: list[str]) -> None:
    vocab = bert.get_vocab()
    for line, ids in zip(lines, tokenization.encode_all(bert, lines), strict=True):
        assert ids.tolist() == google(line, vocab), line


@needs_bert
def test_long_words_follow_google_and_not_transformers(bert: Tokenizer) -> None:
    from transformers import BertTokenizer

    theirs = BertTokenizer(vocab=bert.get_vocab(), do_lower_case=True)
    unknown = Vocabulary.of(bert).unk
    for length in (100, 101, 200, 201):
        ids = bert.encode("a" * length).ids
        assert ids == google("a" * length, bert.get_vocab())
        reference = theirs("a" * length, add_special_tokens=False)["input_ids"]
        assert (ids == [unknown], reference == [unknown]) == (length > 200, length > 100)


def test_every_character_is_treated_as_google_treats_it(tmp_path: Path) -> None:
    """All of Unicode 3.2 that kept its category, but for the inside of the largest blocks.

    The library's tables are of 2015 and Python's are newer: 166D, 1734 and 1885-1886 have changed in between.
    """
    old = unicodedata.ucd_3_2_0
    codes = [*range(0x3400), *range(0x33F0, 0xD800, 50), *range(0xF900, 0x20010), *range(0x2A6D0, 0x2FA30), 0xE0020]
    letters = [chr(code) for code in codes if old.category(chr(code)) not in ("Cn", "Co", "Cs")]
    letters = [letter for letter in letters if old.category(letter) == unicodedata.category(letter)]
    tokenizer, cased = (small(tmp_path / str(lowercase), lowercase) for lowercase in (True, False))
    assert len(letters) > 12_000
    texts = [f"a{letter}B {letter}" for letter in letters]
    lowered = [x for x, t in zip(letters, texts, strict=True) if library_words(tokenizer, t) != google_words(t)]
    kept = [x for x, t in zip(letters, texts, strict=True) if library_words(cased, t) != google_words(t, False)]
    assert (lowered, kept) == ([], [])


@pytest.mark.parametrize(
    ("text", "library", "googles"),
    [
        pytest.param("ΟΔΟΣ", ["οδοσ"], ["οδος"], id="final sigma of a word in capitals"),
        pytest.param("a\ue000b", ["ab"], ["a\ue000b"], id="private use is dropped"),
        pytest.param("a\U0002b820b", ["a\U0002b820b"], ["a", "\U0002b820", "b"], id="256 ideographs are not set apart"),
        pytest.param("a\u2e44b", ["a\u2e44b"], ["a", "\u2e44", "b"], id="punctuation that is newer than the tables"),
        pytest.param("a\u1ac0b", ["a\u1ac0b"], ["ab"], id="a mark that is newer than the tables"),
    ],
)
def test_known_differences_between_the_library_and_google(
    text: str, library: list[str], googles: list[str], tmp_path: Path
) -> None:
    """Ours follows the library. If one of these fails, the library has changed, and so have ids: say so in the docs."""
    assert library_words(small(tmp_path), text) == library
    assert google_words(text) == googles


def small(folder: Path, lowercase: bool = True, extra: tuple[str, ...] = ()) -> Tokenizer:
    """The tokenizer of a vocab.txt that has little more than the specials."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join([*SPECIALS, *extra]) + "\n", encoding="utf-8")
    return WordPiece(lowercase=lowercase, file=str(folder / "vocab.txt")).load()


def generated(seed: int = 0, lines: int = 100) -> list[str]:
    """Random words: hundreds of equally frequent pairs, which is what makes the library's own training differ."""
    rng = random.Random(seed)
    words = ["".join(rng.choices("abcdefgh", k=rng.randint(2, 7))) for _ in range(400)]
    return [" ".join(rng.choices(words, k=8)) + rng.choice([".", "!", ", "]) for _ in range(lines)]


def naive_pieces(texts: list[str], vocab_size: int, min_frequency: int) -> set[str]:
    """Byte-pair merging by counting everything again after each merge; of equally frequent pairs the older pieces'."""
    words = Counter(word for text in texts for word in google_words(text))
    spelled = {word: [word[0], *(f"##{letter}" for letter in word[1:])] for word in words}
    inner = {piece for pieces in spelled.values() for piece in pieces[1:]}
    known = [*SPECIALS, *sorted(inner), *sorted({letter for word in words for letter in word})]
    while len(known) < vocab_size:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, pieces in spelled.items():
            for pair in pairwise(pieces):
                pairs[pair] += words[word]
        best = min(pairs, key=lambda pair: (-pairs[pair], *map(known.index, pair)), default=None)
        if best is None or pairs[best] < min_frequency:
            break
        known.append(best[0] + best[1].removeprefix("##"))
        for pieces in spelled.values():
            merge(pieces, best)
    return set(known)


def merge(pieces: list[str], pair: tuple[str, str]) -> None:
    at = 0
    while at < len(pieces) - 1:
        if (pieces[at], pieces[at + 1]) == pair:
            pieces[at : at + 2] = [pair[0] + pair[1].removeprefix("##")]
        at += 1


@pytest.mark.parametrize("vocab_size", [60, 200, 5000])
def test_learns_what_counting_everything_again_learns(vocab_size: int) -> None:
    texts = generated()
    learnt = WordPiece(vocab_size=vocab_size, min_frequency=3).train(texts)
    assert set(learnt.get_vocab()) == naive_pieces(texts, vocab_size, 3)


def test_two_trainings_serialise_identically() -> None:
    texts = [*generated(), *HAND_WRITTEN * 2]
    runs = {WordPiece(vocab_size=400).train(iter(texts)).to_str() for _ in range(6)}
    assert len(runs) == 1


def test_specials_come_first_and_the_rest_is_sorted() -> None:
    tokenizer = WordPiece(vocab_size=300).train(generated())
    assert Vocabulary.of(tokenizer).all_ids == (0, 1, 2, 3, 4)
    pieces = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    assert [id for _, id in pieces] == list(range(tokenizer.get_vocab_size()))
    rest = [piece for piece, _ in pieces[5:]]
    assert rest == sorted(rest)


@pytest.mark.parametrize("vocab_size", [30, 60, 400, 100_000])
def test_vocab_size_is_an_upper_bound(vocab_size: int) -> None:
    """Also with more characters than entries, where the library's own trainer exceeds it."""
    hangul = ["".join(chr(0xAC00 + 7 * i + k) for i in range(300)) for k in range(3)]
    tokenizer = WordPiece(vocab_size=vocab_size).train([*generated(), *hangul])
    assert len(SPECIALS) < tokenizer.get_vocab_size() <= vocab_size


def test_words_are_counted_as_they_will_be_read_and_all_of_them() -> None:
    """Of two pairs the vocabulary has room for one; a control character inside a word is not there."""
    texts = ["bb"] * 10_300 + ["b\x0bb"] * 200 + ["aa"] * 10_400
    assert set(WordPiece(vocab_size=10).train(texts).get_vocab()) == {*SPECIALS, "a", "b", "##a", "##b", "bb"}


def test_a_vocabulary_spells_with_its_most_frequent_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wordpiece_training, "ALPHABET", 3)
    vocab = WordPiece(vocab_size=100).train(["ab ab ab abc abc abcz"]).get_vocab()
    assert {"a", "##b", "##c", "abc"} <= vocab.keys()
    assert not any("z" in piece for piece in vocab)


def test_a_vocabulary_knows_which_pieces_continue_a_word(tmp_path: Path) -> None:
    vocabulary = Vocabulary.of(small(tmp_path, extra=("a", "##a", "#", "##ing")))
    assert (vocabulary.size, vocabulary.all_ids) == (9, (0, 1, 2, 3, 4))
    assert vocabulary.continues.nonzero()[0].tolist() == [6, 8]


def test_cased_keeps_case_and_accents() -> None:
    texts = ["Café Ångström École"] * 3
    cased = WordPiece(vocab_size=200, lowercase=False).train(texts)
    assert cased.encode(texts[0]).tokens == ["Café", "Ångström", "École"]
    uncased = WordPiece(vocab_size=200, lowercase=True).train(texts)
    assert uncased.encode(texts[0]).tokens == ["cafe", "angstrom", "ecole"]
    assert tokenization.digest(cased) != tokenization.digest(uncased)


@needs_bert
def test_cased_agrees_with_googles_rules(lines: list[str]) -> None:
    cased = WordPiece(lowercase=False, file=str(BERT)).load()
    vocab = cased.get_vocab()
    for line, ids in zip(lines, tokenization.encode_all(cased, lines), strict=True):
        assert ids.tolist() == google(line, vocab, lowercase=False), line


def test_encode_all_is_encode(tmp_path: Path) -> None:
    tokenizer = WordPiece(vocab_size=100).train(generated())
    texts = generated(1, 25)
    ids = list(tokenization.encode_all(tokenizer, iter(texts), batch=7))
    assert [row.tolist() for row in ids] == [tokenizer.encode(text).ids for text in texts]
    assert {row.dtype for row in ids} == {np.dtype(np.uint16)}
    large = small(tmp_path, extra=tuple(f"w{number}" for number in range(2**16 - len(SPECIALS) + 1)))
    last = next(tokenization.encode_all(large, [f"w{2**16 - len(SPECIALS)}"]))
    assert (last.dtype, last.tolist()) == (np.int32, [2**16])


def test_only_a_newline_ends_an_entry_of_a_vocabulary(tmp_path: Path) -> None:
    assert small(tmp_path, extra=("\u2028", "\x85", "a")).token_to_id("a") == 7


def test_special_tokens_in_a_text_are_text(tmp_path: Path) -> None:
    tokenizer = small(tmp_path, extra=("[", "]", "mask"))
    assert tokenizer.encode("[MASK]").tokens == ["[", "mask", "]"]


def test_a_saved_tokenizer_reads_back(tmp_path: Path) -> None:
    tokenizer = WordPiece(vocab_size=200).train(generated())
    tokenization.save_tokenizer(tokenizer, tmp_path / "encoder" / "tokenizer.json")
    assert os.listdir(tmp_path / "encoder") == ["tokenizer.json"]
    for place in (tmp_path / "encoder", tmp_path / "encoder" / "tokenizer.json"):
        read = WordPiece(file=str(place)).load()
        assert read.to_str() == tokenizer.to_str()
        assert tokenization.digest(read) == tokenization.digest(tokenizer)


def test_a_foreign_tokenizer_json_loses_all_but_the_cutting(tmp_path: Path) -> None:
    ours = small(tmp_path / "ours", extra=("[", "]", "mask", "a"))
    foreign = Tokenizer(models.WordPiece(ours.get_vocab(), unk_token="[UNK]", max_input_chars_per_word=200))
    foreign.normalizer, foreign.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    foreign.add_special_tokens(list(SPECIALS))
    foreign.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    foreign.enable_truncation(4)
    foreign.enable_padding()
    foreign.save(str(tmp_path / "tokenizer.json"))
    read = WordPiece(file=str(tmp_path)).load()
    assert read.encode("[MASK] a a a").tokens == ["[", "mask", "]", "a", "a", "a"]
    assert tokenization.digest(read) == tokenization.digest(ours) != tokenization.digest(foreign)


@pytest.mark.parametrize(("configured", "expected"), [("true", ["a"]), ("false", ["[UNK]"]), (None, ["a"])])
def test_a_directorys_configuration_decides_the_case(
    configured: str | None, expected: list[str], tmp_path: Path
) -> None:
    small(tmp_path, extra=("a",))
    if configured is not None:
        (tmp_path / "tokenizer_config.json").write_text(f'{{"do_lower_case": {configured}}}')
    assert WordPiece(file=str(tmp_path)).load().encode("A").tokens == expected


def test_identity_follows_what_decides_the_ids(tmp_path: Path) -> None:
    trained = [WordPiece(), WordPiece(vocab_size=8), WordPiece(lowercase=False), WordPiece(min_frequency=3)]
    for name, piece in (("a", "x"), ("b", "y"), ("c", "x")):
        small(tmp_path / name, extra=(piece,))
    a, b, same_as_a = (WordPiece(file=str(tmp_path / name)) for name in "abc")
    cased = WordPiece(lowercase=False, file=str(tmp_path / "a"))
    identities = [json.dumps(each.identity()) for each in (*trained, a, b, cased)]
    assert len(set(identities)) == len(identities)
    assert (
        a.identity()
        == same_as_a.identity()
        == WordPiece(vocab_size=9, file=str(tmp_path / "a" / "vocab.txt")).identity()
    )


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.json", None, "is not there"),
        ("", None, "holds neither tokenizer.json nor vocab.txt"),
        ("tokenizer.json", b"{}", "is not a tokenizer"),
        ("tokenizer.json", b"no json", "is not a tokenizer"),
        ("vocab.txt", b"\xff\xfe\xff", "not UTF-8"),
        ("vocab.txt", b"[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n", r"lacks \[MASK\]"),
        ("vocab.txt", b"[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\na\n", "'a' more than once"),
    ],
)
def test_refusals(name: str, content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(Refused, match=message):
        tokenization.read_tokenizer(tmp_path / name)


def test_refusals_name_the_key() -> None:
    with pytest.raises(Refused, match=r"text\.tokenizer\.file=None"):
        WordPiece().load()
    with pytest.raises(Refused, match="no text to learn"):
        WordPiece().train([])
    letters = len(set("sometext"))
    with pytest.raises(Refused, match=rf"text\.tokenizer\.vocab_size\)=2 .* it may be {5 + 2 * letters} or more"):
        WordPiece(vocab_size=2).train(["some text"])
    with pytest.raises(Refused, match=r"lacks \[CLS\], \[MASK\]"):
        Vocabulary.of(Tokenizer(models.WordPiece({"[PAD]": 0, "[UNK]": 1, "[SEP]": 2}, unk_token="[UNK]")))
