"""A corpus becomes shards: every sentence once, the same bytes however it is done; and it is read a group at a time."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from datamodules import corpora, preparation, shards, wordpiece_training
from datamodules.corpora import Layout, divided, held_out, sentences
from datamodules.corpus import Corpus
from datamodules.corpus_examples import CorpusExamples
from datamodules.loading import BatchLoader, Share
from datamodules.objectives import MaskedLanguageModel
from datamodules.passes import Passes
from datamodules.shards import Joined, Split, TokenizedCorpus
from datamodules.task import Refused, fingerprint
from datamodules.tokenization import WordPiece, save_tokenizer
from tests.commands import ROOT, environment

Words = list[list[str]]  # documents of sentences


def invented(count: int, seed: int = 0) -> Words:
    """Documents of one to nine sentences of one to nine words; some sentences and documents are nothing but blanks."""
    rng = random.Random(seed)
    words = ["ba", "bo", "da", "do", "gaga", "gogo", "Ä", "x!", "the"]

    def sentence() -> str:
        return rng.choice(["\u200b", *[" ".join(rng.choices(words, k=rng.randint(1, 9))) for _ in range(20)]])

    return [[f"{number}.", *(sentence() for _ in range(rng.randint(0, 9)))] for number in range(count)]


def write(folder: Path, documents: Words, name: str = "mine.txt") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n\n".join("\n".join(document) for document in documents))
    return str(folder / "*.txt")


def corpus_of(files: str | None, cache: Path, **settings: Any) -> Corpus:
    chosen: dict[str, Any] = {"source": "hub", "corpus": "", "files": files, "max_length": 32, **settings}
    objective = chosen.pop("objective", MaskedLanguageModel())
    return Corpus(
        tokenizer=WordPiece(120), objective=objective, global_batch_size=8, eval_batch_size=8, seed=3,
        cache_dir=str(cache), **chosen,
    )  # fmt: skip


def bytes_of(corpus: Corpus) -> dict[str, bytes]:
    root = corpus.tokens_dir
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def read_back(split: Split, tokenizer: Tokenizer) -> Words:
    """All documents, as text, by the boundaries."""
    whole = split.join(np.arange(len(split.shards)))
    return [
        [tokenizer.decode(whole.tokens[first:stop].tolist()) for first, stop in pairwise(whole.starts(document))]
        for document in range(len(whole))
    ]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything that is bounded is small."""
    monkeypatch.setattr(shards, "SHARD_TOKENS", 300)
    monkeypatch.setattr(shards, "GROUP_TOKENS", 1000)
    monkeypatch.setattr(preparation, "BATCH_CHARACTERS", 200)


# ---- what is written -------------------------------------------------------------------------------------------------


def test_shards_hold_every_sentence_of_every_document_once(tmp_path: Path, small: None) -> None:
    documents = invented(250)
    corpus = corpus_of(write(tmp_path, documents), tmp_path / "cache")
    corpus.prepare_data()
    tokenizer = corpus.load_tokenizer()
    expected: dict[str, Words] = {"train": [], "validation": []}
    for document in documents:
        ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in document]
        kept = [tokenizer.decode(one) for one in ids if one]
        expected["validation" if held_out("\n".join(document)) else "train"].append(kept)
    for name, wanted in expected.items():
        split = Split(corpus.directory(name))
        assert wanted
        assert read_back(split, tokenizer) == wanted
        counts = [shard["tokens"] for shard in split.shards]
        assert all(300 <= count < 400 for count in counts[:-1])
        whole = split.join(np.arange(len(counts)))
        assert split.total("tokens") == len(whole.tokens) == split.histogram.sum()
        assert np.array_equal(split.histogram, np.bincount(whole.tokens[:], minlength=tokenizer.get_vocab_size()))
        assert split.total("documents") == len(wanted)
        assert split.total("sentences") == sum(map(len, wanted))
    assert len(Split(corpus.directory("train")).shards) > 5
    words = sum(len(line.split()) for document in documents for line in document if not held_out("\n".join(document)))
    assert Split(corpus.directory("train")).total("words") == words


def test_the_bytes_do_not_depend_on_processes_or_batches(
    tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write(tmp_path, invented(200))
    found = []
    monkeypatch.setattr(preparation, "ALONE", 2)
    for processes, characters in ((1, 1 << 18), (1, 100), (2, 200), (3, 50)):
        monkeypatch.setattr(preparation, "processes", lambda processes=processes: processes)
        monkeypatch.setattr(preparation, "BATCH_CHARACTERS", characters)
        corpus = corpus_of(files, tmp_path / f"cache{processes}-{characters}")
        corpus.prepare_data()
        found.append(bytes_of(corpus))
    assert all(one == found[0] for one in found)
    assert sum(name.endswith("tokens.bin") for name in found[0]) > 5


def test_only_a_batch_or_two_a_process_are_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "ALONE", 3)
    taken = 0

    def work() -> Iterator[list[preparation.Document]]:
        nonlocal taken
        for taken in range(1, 41):
            yield [(taken, "train", "a b")]

    cutter = preparation.Cutter(WordPiece(50).train(["a b"]), str.splitlines, np.uint16)
    for given, (batch, cut) in enumerate(preparation.in_order(cutter, work(), 2), start=1):
        assert batch[0][0] == given
        assert len(cut.ids) == 2
        assert taken <= given + 5
    assert taken == 40


# ---- stopped and started again ---------------------------------------------------------------------------------------

PROGRAM = """
import sys, time
from functools import partial
from pathlib import Path
from filelock import FileLock
from datamodules import corpora, preparation, shards, text_files
from datamodules.tokenization import WordPiece, id_type
shards.SHARD_TOKENS, preparation.BATCH_CHARACTERS, preparation.ALONE = 300, 200, 4
preparation.processes = lambda: 2
add = shards.ShardWriter.add
def slow(writer, number, *document):
    time.sleep(0.005)
    add(writer, number, *document)
shards.ShardWriter.add = slow
files, lock, tokenizer, shards_directory = sys.argv[1:]
tokenizer = WordPiece(file=tokenizer).load()
with FileLock(lock):
    writers = {
        split: shards.ShardWriter(Path(shards_directory, split), "uint16", tokenizer.get_vocab_size())
        for split in ("train", "validation")
    }
    cutter = preparation.Cutter(tokenizer, partial(corpora.sentences, rule="lines"), id_type(tokenizer))
    preparation.prepare(corpora.divided(text_files.read_texts([files])), writers, cutter)
"""


def running(pid: str) -> bool:
    """Not merely waiting for somebody to ask how it ended."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
def test_a_killed_preparation_goes_on_with_the_same_bytes(
    tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = write(tmp_path, invented(400))
    whole = corpus_of(files, tmp_path / "whole")
    whole.prepare_data()
    killed = corpus_of(files, tmp_path / "killed")
    killed.load_tokenizer()
    lock = killed.cache / f"{fingerprint(killed.identity())}.lock"
    places = [str(place) for place in (lock, killed.tokenizer_file, killed.directory(""))]
    line = [sys.executable, "-c", PROGRAM, files, *places]
    with subprocess.Popen(line, cwd=ROOT, env=environment(tmp_path), start_new_session=True) as process:
        train, until = killed.directory("train"), time.monotonic() + 60
        while not (train / "00002").exists() and time.monotonic() < until:
            time.sleep(0.01)
        helpers = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.send_signal(signal.SIGKILL)
    assert len(helpers) == 2
    assert not (train / "index.json").exists()
    kept = {path: path.stat().st_mtime_ns for path in train.glob("0*/tokens.bin") if "partial" not in str(path)}
    assert 2 < len(kept) < len(list(whole.directory("train").glob("0*")))
    cut: list[str] = []
    cutter = preparation.Cutter.__call__
    monkeypatch.setattr(preparation.Cutter, "__call__", lambda self, texts: (cut.extend(texts), cutter(self, texts))[1])
    killed.prepare_data()  # which has the lock only when the killed one's helpers are gone
    assert bytes_of(killed) == bytes_of(whole)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert 0 < len(cut) < 350
    assert not any(map(running, helpers))


def test_a_finished_preparation_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write(tmp_path, invented(100))
    corpus_of(files, tmp_path / "cache").prepare_data()
    monkeypatch.setattr("datamodules.text_files.read_texts", None)
    corpus_of(files, tmp_path / "cache").prepare_data()


@pytest.mark.parametrize("stop", range(1, 5))
def test_a_preparation_that_failed_anywhere_goes_on(
    stop: int, tmp_path: Path, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the first or the fourth thing that is renamed or written at the end."""
    files = write(tmp_path, invented(120))
    whole, broken = corpus_of(files, tmp_path / "whole"), corpus_of(files, tmp_path / "broken")
    whole.prepare_data()
    write_json, calls = shards.write_json, 0

    def fail(path: Path, facts: Any) -> None:
        nonlocal calls
        if path.name == "index.json" or calls >= stop:
            calls += 1
            if calls >= stop:
                raise RuntimeError("power cut")
        calls += 1
        write_json(path, facts)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "write_json", fail)
        with pytest.raises(RuntimeError, match="power cut"):
            broken.prepare_data()
    broken.prepare_data()
    assert bytes_of(broken) == bytes_of(whole)


# ---- what a document and a sentence are ------------------------------------------------------------------------------


def texts_of(folder: Path, content: bytes, **settings: Any) -> list[list[str]]:
    folder.mkdir(exist_ok=True)
    (folder / "a.txt").write_bytes(content)
    corpus = corpus_of(str(folder / "*.txt"), folder / "cache", **settings)
    return [sentences(text, corpus.layouts[0].sentences) for text in corpus.read(corpus.layouts[0], "train", "")]


def test_documents_of_own_files(tmp_path: Path) -> None:
    content = "\ufeffOne. Two.\r\nThree.\r\n\r\n \r\nFour. Five.\r\n".encode()
    assert texts_of(tmp_path, content) == [["One. Two.", "Three."], ["Four. Five."]]
    by_line = texts_of(tmp_path, content, documents="line", sentences="punctuation")
    assert by_line == [["One.", "Two."], ["Three."], ["Four.", "Five."]]
    (tmp_path / "b.txt").write_bytes(b"\n\n")
    (tmp_path / "c.txt").write_bytes(b"Six\nseven. Eight.\n\nNine")
    by_file = texts_of(tmp_path, content, documents="file", sentences="punctuation")
    assert by_file == [["One.", "Two.", "Three.", "Four.", "Five."], ["Six seven.", "Eight.", "Nine"]]


def test_text_without_ends_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line and no sentence: memory and sentences are bounded all the same, and no word is lost."""
    monkeypatch.setattr("datamodules.text_files.LONGEST", 5000)
    words = [f"w{number}" for number in range(4000)]
    documents = texts_of(tmp_path, " ".join(words).encode())
    assert list(chain(*(sentence.split() for sentence in chain(*documents)))) == words
    assert all(sum(map(len, document)) <= 5000 for document in documents)
    assert {len(sentence.split()) for document in documents[1:-1] for sentence in document[:-1]} <= {20} | {
        len(sentence.split()) for sentence in chain(*documents) if len(sentence.split()) > 800
    }
    by_words = texts_of(tmp_path, " ".join(words).encode(), sentences="words")
    assert {len(sentence.split()) for document in by_words for sentence in document[:-1]} == {20}
    unbroken = "äü" * 9000  # a character is two bytes, and none is cut in two
    assert "".join(chain(*texts_of(tmp_path, unbroken.encode()))) == unbroken
    lines = "\n".join(words).encode()
    assert list(chain(*texts_of(tmp_path, lines))) == words
    assert len(texts_of(tmp_path, lines)) == 4


def test_rules_for_sentences() -> None:
    text = 'He said "Go." Then he left (really.) It was 5 p.m. and dark!\nWhy? "No."'
    expected = ['He said "Go."', "Then he left (really.)", "It was 5 p.m. and dark!", "Why?", '"No."']
    assert sentences(text, "punctuation") == expected
    assert sentences(text, "lines") == text.split("\n")
    assert sentences("one two\n\n \n\nthree", "lines") == ["one two", "three"]
    many = " ".join(map(str, range(1001)))
    assert [len(part.split()) for part in sentences(many, "lines")] == [20] * 50 + [1]
    assert sentences(many.removesuffix(" 1000"), "lines") == [many.removesuffix(" 1000")]


def test_what_is_held_out() -> None:
    texts = [f"text {number}" for number in range(1000)]
    chosen = [text for text in texts if held_out(text)]
    assert [text for split, text in divided(texts) if split == "validation"] == chosen
    rest = [text for text in texts if not held_out(text)]
    assert list(divided(rest)) == [*(("train", text) for text in rest[:-1]), ("validation", rest[-1])]
    assert list(divided([])) == []


def test_refusals(tmp_path: Path) -> None:
    rows: dict[str, Any] = {"files": None, "corpus": "wikipedia"}
    for wrong, said in (
        ({"documents": "row"}, "data.documents='row' is not possible: it may be blank_line, line, file"),
        ({"sentences": "none"}, "data.sentences='none' is not possible: it may be lines, punctuation, words"),
        ({"documents": "line", **rows}, "data.documents='line' is not possible: it may be row, heading"),
    ):
        with pytest.raises(Refused, match=said):
            corpus_of(**{"files": "mine.txt", "cache": tmp_path, **wrong})
    save_tokenizer(WordPiece(60).train(["one two sentences"]), tmp_path / "tokenizer.json")
    for content, lacking in ((b"One sentence.\nTwo sentences.", "train"), (b"\x07", "train")):
        (tmp_path / "one.txt").write_bytes(content)
        corpus = corpus_of(str(tmp_path / "one.txt"), tmp_path / "cache")
        corpus.subwords = WordPiece(60, file=str(tmp_path / "tokenizer.json"))
        for _ in range(2):
            with pytest.raises(Refused, match=f"no document for {lacking}: data.documents says where they end"):
                corpus.prepare_data()


def test_the_identity_says_how_text_is_cut(tmp_path: Path) -> None:
    files = write(tmp_path, invented(3))
    kinds = [{}, {"documents": "line"}, {"sentences": "punctuation"}, {"sentences": "words"}]
    identities = [json.dumps(corpus_of(files, tmp_path, **kind).identity()) for kind in kinds]
    assert len(set(identities)) == len(kinds)
    named = corpora.choose("wikitext-2", False, None, None)
    assert named == [Layout("Salesforce/wikitext", "wikitext-2-v1", "heading", "punctuation")]


# ---- words that are counted ------------------------------------------------------------------------------------------


def counted(texts: list[str], most: int) -> tuple[Counter[str], int]:
    counts = wordpiece_training.WordCounts(True, most)
    for text in texts:
        counts.add(text)
    lowest = counts.lowest
    return counts.total(), max(lowest, counts.lowest)


def test_counting_in_parts_is_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["\n".join(document) for document in invented(300)]
    whole, lowest = counted(texts, 10**6)
    assert lowest == 0
    assert whole == sum((counted([text], 10**6)[0] for text in texts), Counter())
    monkeypatch.setattr(wordpiece_training, "MOST_CHUNKS", 10)
    assert counted(texts, 10**6) == (whole, 0)
    some, lowest = counted(texts, 150)
    assert lowest > 1
    chosen = [text for text in texts if wordpiece_training.level_of(text) >= lowest]
    assert 0 < len(chosen) < 150
    assert some == counted(chosen, 10**6)[0]
    assert counted(texts[::-1], 150)[0] == some  # whatever comes first


def test_half_of_the_texts_have_each_further_level() -> None:
    levels = Counter(wordpiece_training.level_of(f"text {number}") for number in range(4000))
    for level in range(4):
        assert levels[level] == pytest.approx(4000 / 2 ** (level + 1), rel=0.2)


# ---- groups ----------------------------------------------------------------------------------------------------------

GROUPS = 8


@pytest.fixture
def grouped(tmp_path: Path, small: None) -> Corpus:
    corpus = corpus_of(write(tmp_path, invented(300)), tmp_path / "cache")
    corpus.prepare_data()
    corpus.setup("fit")
    assert len(corpus.train_examples.groups) == GROUPS
    return corpus


def test_several_arrays_read_as_one() -> None:
    rng = np.random.default_rng(0)
    parts = [np.arange(first, stop) for first, stop in pairwise([0, 5, 6, 20, 31])]
    joined, whole = Joined(parts), np.arange(31)
    for _ in range(300):
        first, stop = np.sort(rng.integers(0, 33, 2))
        assert np.array_equal(joined[first:stop], whole[first:stop])
    assert np.array_equal(joined[:], whole)
    assert len(joined) == 31


def test_groups_are_all_of_the_corpus(grouped: Corpus) -> None:
    split = Split(grouped.directory("train"))
    whole = split.join(np.arange(len(split.shards)))
    groups = [split[number] for number in range(len(split))]
    assert np.array_equal(np.concatenate([group.tokens[:] for group in groups]), whole.tokens[:])
    assert [group.first for group in groups] == np.cumsum([0, *(len(group) for group in groups[:-1])]).tolist()
    for group in groups:
        for document in range(0, len(group), 7):
            starts, other = group.starts(document), whole.starts(group.first + document)
            assert np.array_equal(group.tokens[starts[0] : starts[-1]], whole.tokens[other[0] : other[-1]])
            assert np.array_equal(np.diff(starts), np.diff(other))


def sequences(batch: dict) -> list[tuple[int, ...]]:
    """Each sequence as it was before it was corrupted."""
    tokens = batch["tokens"].numpy().copy()
    tokens[batch["masked_positions"]] = batch["masked_labels"]
    return [tuple(tokens[first:stop].tolist()) for first, stop in pairwise(batch["offsets"].tolist())]


def one_pass(corpus: Corpus, number: int) -> Counter[tuple[int, ...]]:
    """Planned and laid out one by one, without loaders."""
    split, objective, seen = Split(corpus.directory("train")), corpus.objective, Counter()
    for group in range(len(split)):
        held: TokenizedCorpus = split[group]
        rows = objective.plan(held, 32, 3, number)
        batch = objective.batch(held, corpus.vocabulary(), rows, [(3, number, row) for row in range(len(rows))])
        seen.update(sequences(batch))
    return seen


@pytest.mark.parametrize(("world", "micro"), [(1, 1), (2, 1), (1, 2)])
def test_a_pass_takes_each_sequence_of_each_group_once(grouped: Corpus, world: int, micro: int) -> None:
    for number in range(2):
        seen: Counter[tuple[int, ...]] = Counter()
        sizes: dict[tuple[int, int], int] = {}
        for rank in range(world):
            loader = BatchLoader(grouped.train_examples, 8, 3, Share(rank, world, micro), unequal=True)
            for epoch in range(GROUPS * (number + 1)):
                for place, batch in enumerate(loader):
                    if epoch >= GROUPS * number:
                        seen.update(sequences(batch))
                        step = (epoch, place // micro)
                        sizes[step] = sizes.get(step, 0) + batch["num_examples"]
        assert seen == one_pass(grouped, number)
        assert max(sizes.values()) <= 8
    orders = [
        [grouped.train_examples.place(GROUPS * number + turn)[1] for turn in range(GROUPS)] for number in range(4)
    ]
    assert all(sorted(order) == list(range(GROUPS)) for order in orders)
    assert len(set(map(tuple, orders))) > 1


def stream(corpus: Corpus, micro: int = 1) -> Passes:
    examples = corpus.train_examples
    fresh = CorpusExamples(examples.groups, examples.objective, examples.vocabulary, 32, 3)
    return Passes(BatchLoader(fresh, 8, 3, Share(micro=micro), unequal=True), 45, GROUPS)


def epochs(passes: Passes, batches: int) -> list[list[tuple[int, ...]]]:
    """So many batches, epoch after epoch, as Lightning takes them."""
    taken: list[list[tuple[int, ...]]] = []
    while len(taken) < batches:
        for batch in passes:
            taken.append(sequences(batch))
            if len(taken) == batches:
                break
    return taken


@pytest.mark.slow
def test_a_resume_inside_any_group_is_exact(grouped: Corpus) -> None:
    whole = epochs(stream(grouped), 130)
    assert len({tuple(batch) for batch in whole}) == 130
    for stop in (1, 9, 44, 45, 60, 129):
        stopped = stream(grouped)
        epochs(stopped, stop)
        state = json.loads(json.dumps(stopped.state_dict()))
        resumed = stream(grouped)
        resumed.load_state_dict(state)
        assert epochs(resumed, 130 - stop) == whole[stop:], stop
        halved = stream(grouped, micro=2)
        halved.load_state_dict(state)
        steps = whole[stop : stop + 10]
        halves = epochs(halved, 2 * len(steps))
        assert [sorted(one + other) for one, other in zip(halves[::2], halves[1::2], strict=True)] == [
            sorted(batch) for batch in steps
        ]


def test_an_epoch_of_a_large_corpus_is_about_a_pass(grouped: Corpus) -> None:
    loader = grouped.train_dataloader()
    assert isinstance(loader, Passes)
    exact = sum(one_pass(grouped, 0).values()) / 8
    assert len(loader) == pytest.approx(exact, rel=0.2)
    assert sum(1 for _ in loader) == len(loader)


def test_a_small_corpus_is_one_group(tmp_path: Path) -> None:
    corpus = corpus_of(write(tmp_path, invented(60)), tmp_path / "cache")
    corpus.prepare_data()
    corpus.setup("fit")
    assert isinstance(corpus.train_dataloader(), BatchLoader)
    assert isinstance(corpus.train_examples.groups[0].tokens, np.memmap)


# ---- the data card ---------------------------------------------------------------------------------------------------


def test_the_card_says_what_the_objective_does(tmp_path: Path) -> None:
    files = write(tmp_path, invented(300))
    corpus = corpus_of(files, tmp_path / "cache", objective=MaskedLanguageModel(masking="60/30/10"))
    corpus.prepare_data()
    corpus.setup("fit")
    card, rows = corpus.card, corpus.train_examples.rows
    assert len(rows) < 1000  # so that the sample is all of them
    lengths = rows[:, 1] - rows[:, 0] + rows[:, 3] - rows[:, 2] + 3
    assert card["fill_ratio"] == pytest.approx(lengths.mean() / 32)
    assert card["not_next_share"] == pytest.approx(rows[:, 4].mean())
    chosen = [max(1, round(0.15 * length)) for length in lengths.tolist()]
    assert card["masked_share"] == pytest.approx(sum(chosen) / lengths.sum())
    shares = [card[f"chosen_{fate}_share"] for fate in ("mask", "same", "random")]
    assert shares == pytest.approx([0.6, 0.3, 0.1], abs=0.05)
    assert sum(shares) == pytest.approx(1)
    assert card["words"] > card["sentences"] > card["documents"] > 250
    packed = corpus_of(files, tmp_path / "cache", objective=MaskedLanguageModel(nsp=False, pairs="full_sentences"))
    packed.setup("fit")
    assert "not_next_share" not in packed.card
    assert packed.card["fill_ratio"] > card["fill_ratio"]


@pytest.mark.parametrize("nsp", [True, False])
def test_random_segments_are_words_read_besides_and_may_be_made_up_for(tmp_path: Path, nsp: bool) -> None:
    """Each token of the text is counted once for every sequence that has it."""
    files, told = write(tmp_path, invented(300)), {"nsp": nsp, **({} if nsp else {"pairs": "full_sentences"})}
    found = {}
    for equal in (False, True):
        corpus = corpus_of(files, tmp_path / "cache", objective=MaskedLanguageModel(**told), equal_words=equal)
        corpus.prepare_data()
        corpus.setup("fit")
        times = np.zeros(corpus.card["tokens"], dtype=int)
        for a, b, c, d, _ in corpus.train_examples.rows:
            times[a:b] += 1
            times[c:d] += 1
        assert corpus.card["readings"] == pytest.approx(times.mean())
        found[equal] = times
    assert (found[False].mean() > 1.2) == nsp
    assert found[True].mean() == pytest.approx(1, abs=0.01)
    halves = np.array_split(found[True], 2)  # what is left out is spread over the text
    assert halves[0].mean() == pytest.approx(halves[1].mean(), abs=0.1)
