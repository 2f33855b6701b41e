"""Files of word vectors: bit for bit there and back, as gensim and the C program write them, and as a run's start."""

import re
import runpy
import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from datamodules.lexicon import Lexicon
from datamodules.phrases import JOINER
from datamodules.spelling import spelled_by
from datamodules.task import Refused
from datamodules.tokenization import read_tokenizer, save_tokenizer
from lightning_modules import encoder_io
from lightning_modules.interop import word2vec
from lightning_modules.word2vec import Word2Vec
from sweeps.runs.places import run_name
from sweeps.vectors import Place, converted, export
from tests.commands import QUIET, command, summary, the_run
from tests.conftest import compose

gensim = pytest.importorskip("gensim.models", reason="gensim is a test dependency (extra: peers)")

WORDS = ["the", "of", "New_York", "naïve", "猫", "😀", "don't", "x" * 90, "\u00a0", "10"]
ENDINGS = ["bin", "txt", "vec"]


def table(rows: int = len(WORDS), width: int = 5) -> np.ndarray:
    """Any bits that are a finite number: tiny, huge, minus zero."""
    bits = np.random.default_rng(0).integers(0, 1 << 32, (rows, width), dtype=np.uint32)
    bits[(bits >> 23) % 256 == 255] = 1 << 31
    return bits.view(np.float32)


def same(found: np.ndarray, wanted: np.ndarray) -> bool:
    return found.dtype == np.float32 and np.array_equal(found.view(np.uint32), wanted.view(np.uint32))


@pytest.fixture(params=[2, 4096])
def blocks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files longer than what is read at once, and shorter."""
    monkeypatch.setattr(word2vec, "ROWS", request.param)


# ---- the formats -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_is_written_is_read_bit_for_bit(ending: str, blocks: None, tmp_path: Path) -> None:
    word2vec.write(tmp_path / f"v.{ending}", WORDS, table())
    found = word2vec.read(tmp_path / f"v.{ending}")
    assert (found.words, found.left_out) == (WORDS, [])
    assert same(found.table, table())
    assert [path.name for path in tmp_path.iterdir()] == [f"v.{ending}"]


def test_text_has_digits_enough(tmp_path: Path) -> None:
    """Of 30,000 numbers many need nine."""
    words, numbers = [f"w{number}" for number in range(300)], table(300, 100)
    word2vec.write(tmp_path / "v.txt", words, numbers)
    assert same(word2vec.read(tmp_path / "v.txt").table, numbers)


@pytest.mark.parametrize("ending", ENDINGS)
def test_gensim_reads_what_we_write(ending: str, blocks: None, tmp_path: Path) -> None:
    word2vec.write(tmp_path / f"v.{ending}", WORDS, table())
    theirs = gensim.KeyedVectors.load_word2vec_format(str(tmp_path / f"v.{ending}"), binary=ending == "bin")
    assert theirs.index_to_key == WORDS
    assert same(theirs.vectors, table())


@pytest.mark.parametrize(("ending", "header"), [("bin", True), ("txt", True), ("txt", False)])
def test_we_read_what_gensim_writes(ending: str, header: bool, blocks: None, tmp_path: Path) -> None:
    theirs, file = gensim.KeyedVectors(5), tmp_path / f"v.{ending}"
    theirs.add_vectors(WORDS, table())
    theirs.save_word2vec_format(str(file), binary=ending == "bin", write_header=header)
    for content in (file.read_bytes(), file.read_bytes().removesuffix(b"\n")):
        file.write_bytes(content)
        found = word2vec.read(file)
        assert found.words == WORDS
        assert same(found.table, table())


def test_we_read_what_the_c_program_writes(blocks: None, tmp_path: Path) -> None:
    """fprintf(fo, "%s ", word), then of each number fwrite, or "%lf " as text, then "\\n"."""
    rows = np.random.default_rng(1).standard_normal((len(WORDS), 5)).round(6).astype(np.float32)
    binary, text = b"%d 5\n" % len(rows), b"%d 5\n" % len(rows)
    for word, row in zip(WORDS, rows.tolist(), strict=True):
        binary += word.encode() + b" " + struct.pack("<5f", *row) + b"\n"
        text += word.encode() + b" " + b"".join(b"%lf " % number for number in row) + b"\n"
    for ending, written in (("bin", binary), ("txt", text)):
        (tmp_path / f"v.{ending}").write_bytes(written)
        found = word2vec.read(tmp_path / f"v.{ending}")
        assert found.words == WORDS
        assert same(found.table, rows)


@pytest.mark.parametrize("ending", ["bin", "txt"])
def test_words_that_can_be_no_entries_are_left_out(ending: str, blocks: None, tmp_path: Path) -> None:
    """A second "a", bytes that are not UTF-8, and as text a word with a blank inside, as GloVe has some."""
    written = [b"a", b"b", b"a", b"\xff\xfe", b"c d" if ending == "txt" else b"", b"e"]
    numbers = [struct.pack("<2f", n, -n) if ending == "bin" else b"%d -%d\n" % (n, n) for n in range(6)]
    lines = [word + b" " + both for word, both in zip(written, numbers, strict=True)]
    (tmp_path / f"v.{ending}").write_bytes(b"6 2\n" + b"".join(lines))
    found = word2vec.read(tmp_path / f"v.{ending}")
    assert (found.words, found.left_out) == (["a", "b", "e"], [3, 4, 5])
    assert found.table.tolist() == [[0, 0], [1, -1], [5, -5]]


ROW = struct.pack("<2f", 1, 2)
BROKEN: dict[str, tuple[str, bytes, str]] = {
    "nothing": ("bin", b"", "line 1"),
    "no header": ("bin", b"a 1 2\n", "line 1"),
    "no words": ("bin", b"0 2\n", "line 1"),
    "cut short": ("bin", b"2 2\na " + ROW + b"bcdefghij " + ROW[:3], "word 2 of 2: the file ends"),
    "far too short": ("bin", b"3000000 300\na " + ROW, "line 1: 3000000 words of 300 numbers"),
    "too many words": ("bin", b"1 2\na " + ROW + b"b " + ROW, "goes on after the 1 words of 2 numbers"),
    "too narrow": ("bin", b"2 1\na " + ROW + b"b " + ROW, "goes on after the 2 words of 1 numbers"),
    "a number that is none": ("bin", b"2 2\na " + ROW + b"b " + struct.pack("<2f", 0, np.nan), "'b'"),
    "no word": ("bin", b"1 2\n\xff " + ROW, "none of its 1 words"),
    "text: nothing": ("txt", b"", "line 1"),
    "text: no numbers": ("txt", b"word\n", "line 1"),
    "text: cut short": ("txt", b"3 2\na 1 2\nb 1 2\n", "ends after 2 of the 3 words"),
    "text: cut inside": ("txt", b"2 2\na 1 2\nb 1", "line 3: a word and 2 numbers"),
    "text: far too short": ("txt", b"3000000 300\na 1 2\n", "line 1: 3000000 words of 300 numbers"),
    "text: too many": ("txt", b"1 2\na 1 2\nb 1 2\n", "line 3: it goes on"),
    "text: too narrow": ("txt", b"2 3\na 1 2\nb 1 2 3\n", "line 2: a word and 3 numbers"),
    "text: by turns": ("txt", b"2 3\na 1 2\nb 1 2 3 4\n", "line 2: a word and 3 numbers"),
    "text: no number": ("txt", b"2 2\na 1 2\nb 1 x2\n", "line 3: a word and 2 numbers"),
    "text: no header": ("vec", b"a 1 2\nb 1\n", "line 2: a word and 2 numbers"),
    "text: infinite": ("vec", b"a 1 2\nb 1 inf\n", "'b'"),
    "another ending": ("gz", b"", ".bin, .txt, .vec"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_in_a_sentence(name: str, blocks: None, tmp_path: Path) -> None:
    ending, content, said = BROKEN[name]
    (tmp_path / f"v.{ending}").write_bytes(content)
    with pytest.raises(Refused, match=re.escape(said)) as caught:
        word2vec.read(tmp_path / f"v.{ending}")
    assert f"v.{ending}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("word", ["a b", "a\n", "", "\t"])
def test_a_word_that_would_end_early_is_not_written(word: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=re.escape(repr(word))):
        word2vec.write(tmp_path / "v.bin", ["a", word], table(2))
    with pytest.raises(Refused, match=r"\.bin, \.txt, \.vec"):
        word2vec.write(tmp_path / "v.npy", ["a"], table(1))
    assert not list(tmp_path.iterdir())


# ---- a file as an encoder --------------------------------------------------------------------------------------------


def written(file: Path, words: list[str], seed: int = 0, width: int = 4) -> Path:
    """A file of random vectors."""
    word2vec.write(file, words, np.random.default_rng(seed).standard_normal((len(words), width)).astype(np.float32))
    return file


def encoder_of(folder: Path, words: list[str], lowercase: bool = False) -> Path:
    """A pre-training's encoder directory, with two rows that no word has."""
    save_tokenizer(spelled_by(words, lowercase), folder / "tokenizer.json")
    torch.manual_seed(len(words))
    model = Word2Vec({"lr": 0.1}, {"lr": 0.1}, vocab_size=3 + len(words) + 2, size=4)
    model.text = {"tokenizer": {"_target_": "datamodules.words.Words", "lowercase": lowercase}}
    return model.save(folder / "encoder", folder / "tokenizer.json", fingerprint="0123456789ab")


def test_a_file_becomes_an_encoder_directory_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["the", "</S>", "New_York", "##", "the", "###", "_", "don't", "y" * 1001]
    file = written(tmp_path / "v.bin", words)
    folder = converted(file, tmp_path / "cache")
    said = capsys.readouterr().out
    assert said.startswith(f"{file}: 4 of 9 words are left out")
    assert said.endswith(": number 2 is the first\n")
    kept = [0, 2, 3, 5, 6]
    place = Place.of(str(file), "transfer.words", tmp_path / "cache")
    assert (place.folder, place.width) == (folder, 4)
    assert place.words() == ["<S>", "</S>", "<UNK>", "the", f"New{JOINER}York", "##", "_", "don't"]
    assert not place.table()[:3].any()
    assert same(place.table()[3:], word2vec.read(file).table[kept])
    described = encoder_io.read(folder)
    assert described["model"] == {"_target_": "lightning_modules.word2vec.Word2Vec", "vocab_size": 8, "size": 4}
    changed = (folder / "weights.safetensors").stat().st_mtime_ns
    assert converted(file.rename(tmp_path / "other.bin"), tmp_path / "cache") == folder
    assert (folder / "weights.safetensors").stat().st_mtime_ns == changed
    assert {path.name for path in (tmp_path / "cache/vectors").iterdir()} <= {folder.name, f"{folder.name}.lock"}


@pytest.mark.parametrize(
    ("words", "text", "tokens"),
    [
        (["the", "cafe"], "The Café", [3, 4]),  # as an uncased tokenizer of ours
        (["the", "café"], "The Café", [3, 4]),  # GloVe's 6B: lower case, with accents
        (["the", "The", "café"], "The the Café", [4, 3, None]),
        (["한국", "the"], "The 한국", [4, 3]),
    ],
)
def test_case_and_accents_are_as_the_words_have_them(
    words: list[str], text: str, tokens: list[int | None], tmp_path: Path
) -> None:
    tokenizer = read_tokenizer(converted(written(tmp_path / "v.txt", words), tmp_path))
    lexicon = Lexicon(tokenizer)
    forms = lexicon.forms(np.array(tokenizer.encode(text).ids))
    assert [form if form < lexicon.words else None for form in forms.tolist()] == tokens


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_encoder_goes_through_a_file_unchanged(ending: str, tmp_path: Path) -> None:
    words = ["the", f"new{JOINER}york", "#", "é".encode().decode(), "_"]
    file = tmp_path / f"v.{ending}"
    said = export(str(encoder_of(tmp_path, words).parent), file)
    assert said == f"{file}: 5 words, 4 numbers each"
    theirs = gensim.KeyedVectors.load_word2vec_format(str(file), binary=ending == "bin")
    assert theirs.index_to_key == ["the", "new_york", "#", "é", "_"]
    table = load_file(tmp_path / "encoder/weights.safetensors")["vectors.weight"].numpy()[3:-2]
    assert same(theirs.vectors, table)
    again = converted(file, tmp_path / "cache")
    assert same(load_file(again / "weights.safetensors")["vectors.weight"].numpy()[3:], table)
    ours, its = (read_tokenizer(folder).get_vocab() for folder in (tmp_path / "encoder", again))
    assert ours == its


def test_what_has_no_vectors_is_refused(tmp_path: Path) -> None:
    from tests.test_features import OPTIMIZER, SHAPE, Bert, V

    save_tokenizer(spelled_by(["a"], False), tmp_path / "tokenizer.json")
    folder = Bert(OPTIMIZER, OPTIMIZER, V, **SHAPE).save(tmp_path / "bert", tmp_path / "tokenizer.json")
    for told, said in ((folder, "no vector for each word"), (tmp_path / "none", "there are no vectors")):
        with pytest.raises(Refused, match=said):
            export(str(told), tmp_path / "v.bin")


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """python -m sweeps.vectors, but for the process."""

    def call(*arguments: str) -> None:
        monkeypatch.setattr("sys.argv", ["vectors.py", *arguments])
        monkeypatch.delitem(sys.modules, "sweeps.vectors", raising=False)
        runpy.run_module("sweeps.vectors", run_name="__main__")

    encoder = str(encoder_of(tmp_path, ["a", "b"]))
    call(encoder, str(tmp_path / "v.txt"))
    assert capsys.readouterr().out == f"{tmp_path}/v.txt: 2 words, 4 numbers each\n"
    assert word2vec.read(tmp_path / "v.txt").words == ["a", "b"]
    for wrong, said in (
        ((encoder,), "needs the folder of a run"),
        ((encoder, "v.npy"), r"v\.npy"),
        (("no", "v.bin"), "no"),
    ):
        with pytest.raises(SystemExit, match=f"^error: .*{said}"):
            call(*wrong)


# ---- as a run's start ------------------------------------------------------------------------------------------------

COLA = ("model=word2vec", "data=glue", "data.source=miniature", "data.task=cola", "trainer=smoke", "logger=csv", *QUIET)
SMALL = ("transfer.rnn_size=4", "transfer.classifier_size=4", "data.submission=false")


def test_a_task_starts_from_a_file(tmp_path: Path) -> None:
    file = written(tmp_path / "v.bin", ["the", "a", "is", "New_York"], width=6)
    done = command(tmp_path, *COLA, *SMALL, f"init_from={file}", f"cache_dir={tmp_path / 'cache'}")
    assert done.status == 0, done.err
    said = done.out.splitlines()
    assert re.fullmatch(rf"start: vectors {file} \(fingerprint \w+\), 1 of 1 tensors loaded; new: outputs", said[0])
    assert said[1] == "size: size=6, as the weights have; the chosen model's size=100 do not count"
    record = summary(the_run(tmp_path))
    adopted: dict[str, Any] = record["config"]["model"]
    assert (adopted["vocab_size"], adopted["size"], record["model"]) == (7, 6, "Word2Vec 6")
    saved = load_file(the_run(tmp_path) / "model/weights.safetensors")["vectors.weight"].numpy()
    assert same(saved[3:], word2vec.read(file).table)


def test_a_contradiction_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    file = written(tmp_path / "v.bin", ["the", "a"])
    there = (*COLA, f"cache_dir={tmp_path / 'cache'}")
    refusal = command(tmp_path, *there, f"init_from={file}", "model.size=50").refusal
    assert refusal.startswith("model.size=50: the weights (vectors ")
    assert refusal.endswith("have size=4.")
    (tmp_path / "w.bin").write_bytes(file.read_bytes()[:-9])
    assert f"{tmp_path}/w.bin, word 2 of 2" in command(tmp_path, *there, f"init_from={tmp_path}/w.bin").refusal


def test_a_runs_name_stands_for_the_vectors_and_not_for_their_place(tmp_path: Path) -> None:
    files = [written(tmp_path / name, ["the", "a"], seed) for seed, name in ((0, "v.bin"), (0, "w.bin"), (1, "x.bin"))]
    names = [run_name(compose(*COLA, f"init_from={file}"), "word2vec", "glue") for file in files]
    assert names[0] == names[1] != names[2]
