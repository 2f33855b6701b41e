"""Tagged words: where a word's tag stands in every layout, what is cut off, documents, both heads, and whole runs."""

import random
import re
import unicodedata
from contextlib import nullcontext
from itertools import chain
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import torch
from hydra.utils import instantiate

from datamodules.formats import Sentences, SequencePair
from datamodules.layer_cache import LayerCache
from datamodules.miniature.tagging import tagging
from datamodules.selection import holdout_mask
from datamodules.tagged import Words as Text
from datamodules.tagged import cut
from datamodules.tagged_examples import documents_of
from datamodules.tagging import Tagging
from datamodules.tagging_tasks import MINIATURE, PUBLISHED, check_rows, tags_of
from datamodules.task import Reading, Refused, Task, named
from datamodules.tokenization import Subwords, Vocabulary, WordPiece
from datamodules.traversal import Traversal
from datamodules.words import Words
from lightning_modules.answering import load_model
from lightning_modules.bert import Bert
from lightning_modules.head import Head
from sweeps.evidence.rows import rows_of
from sweeps.runs.layers import fill
from tests.commands import TINY, command, summary, table, the_run
from tests.conftest import compose
from tests.hub_server import write_dataset

NER = PUBLISHED["ner"]
TEXTS = [
    "Anna lives in Oberstadt .",
    "unbelievable",
    "the committee met Obergruber yesterday evening",
    "U.S. a b c d e f g h i",
]
ZERO_WIDTH, CONTROL = "\u200b\u200d", "\x07"
SMALL: dict[str, Any] = {"hidden_size": 12, "num_layers": 2, "num_heads": 2, "intermediate_size": 20, "max_length": 64}
OPTIMIZER = {"lr": 1e-3}


@pytest.fixture(scope="module")
def pieces() -> Vocabulary:
    """Letters and few pieces: most words are several."""
    return Vocabulary.of(WordPiece(vocab_size=60).train(TEXTS * 3))


@pytest.fixture(scope="module")
def spelled() -> Vocabulary:
    """Few whole words: most words are spelled."""
    return Vocabulary.of(Words(vocab_size=8, lowercase=True).train(TEXTS))


def texts_of(vocabulary: Vocabulary, sentences: list[str]) -> list[Text]:
    made = []
    for sentence in sentences:
        ids, begins = cut((vocabulary.ids(word) for word in sentence.split(" ")), vocabulary.unk)
        made.append(Text(ids, begins, np.arange(len(begins) - 1)))
    return made


def task_of(max_length: int = 64, tagged_token: str = "first") -> Task:
    return Task("any", "tags", 3, ("O", "B-X", "I-X"), ("f1",), "f1", columns=("words",), max_length=max_length,
                tagged_token=tagged_token)  # fmt: skip


# ---- where a tag stands ----------------------------------------------------------------------------------------------


def by_hand(vocabulary: Vocabulary, sentence: str, which: str, room: int) -> list[int | None]:
    """Of each word the token at which it is tagged, counted from the text's beginning; None: it is cut off."""
    found, at = [], 0
    for word in sentence.split(" "):
        visible = "".join(letter for letter in word if unicodedata.category(letter)[0] != "C")
        parts = re.findall(r"\w+|[^\w]", visible) if vocabulary.has_words else vocabulary.ids(word)
        size = max(len(parts), 1)
        place = at if which == "first" else at + size - 1
        found.append(place if place < room else None)
        at += size
    return found


@pytest.mark.parametrize("which", ["first", "last"])
@pytest.mark.parametrize("max_length", [64, 9])
@pytest.mark.parametrize("layout", ["pair", "traversal", "sentences", "whole words"])
def test_the_token_of_every_word(
    layout: str, max_length: int, which: str, pieces: Vocabulary, spelled: Vocabulary
) -> None:
    vocabulary = spelled if layout == "whole words" else pieces
    made: SequencePair = {"pair": SequencePair(), "traversal": Traversal(60)}.get(layout, Sentences())
    sentences = [*TEXTS, f"Anna {ZERO_WIDTH} met {CONTROL} Anna", CONTROL]
    task = task_of(max_length, which)
    batch = made.batch_of_words(vocabulary, texts_of(vocabulary, sentences), task)
    wanted = [by_hand(vocabulary, sentence, which, max_length - 2) for sentence in sentences]
    offsets = batch["offsets"].tolist()
    first = {int(example): offsets[at] + 1 for at, example in enumerate(batch["example"])}  # one mark before each text
    flat = [(number, place) for number, places in enumerate(wanted) for place in places]
    assert batch["owner"].tolist() == [number for number, _ in flat]
    assert batch["reached"].tolist() == [at for at, (_, place) in enumerate(flat) if place is not None]
    assert batch["tagged"].tolist() == [first[number] + place for number, place in flat if place is not None]
    assert batch["counts"]["task"] == len(batch["tagged"])
    assert (max_length == 9) == (len(batch["tagged"]) < len(flat))
    if "text" in batch:
        assert batch["text"][batch["tagged_text"]].tolist() == batch["tagged"].tolist()


def test_a_word_of_nothing_is_one_unknown_token(pieces: Vocabulary, spelled: Vocabulary) -> None:
    for vocabulary in (pieces, spelled):
        for nothing in (ZERO_WIDTH, CONTROL):
            assert len(vocabulary.ids(CONTROL)) == 0
            (text,) = texts_of(vocabulary, [f"Anna {nothing} Anna"])
            anna = vocabulary.ids("Anna") if len(vocabulary.ids(nothing)) == 0 else None
            if anna is not None:
                assert text.ids.tolist() == [*anna, vocabulary.unk, *anna]
            assert len(text.begins) == 4
            assert (np.diff(text.begins) > 0).all()


def test_who_sees_to_the_left_only_is_asked_at_the_last_token() -> None:
    """The model's own layout says so, whatever lays out its features."""
    for overrides, wanted in (
        ("model=bert_miniature", "first"),
        ("model=bert_miniature model.objective=ltr model.nsp=false", "last"),
        ("model=gpt_miniature", "last"),
        ("model=gpt_miniature transfer=features", "last"),
        ("model=elmo_miniature", "first"),
    ):
        cfg = compose("data=ner", "data.source=miniature", *overrides.split())
        assert instantiate(cfg.data, _convert_="all").task.tagged_token == wanted, overrides


# ---- the heads -------------------------------------------------------------------------------------------------------


def with_tags(batch: dict) -> dict:
    return {**batch, "tags": torch.arange(len(batch["owner"])) % 3}


def bert(vocabulary: Vocabulary, task: Task, depth: int = 2, **transfer: Any) -> Any:
    torch.manual_seed(0)
    sizes = {**SMALL, "num_layers": depth}
    return Bert(OPTIMIZER, OPTIMIZER, vocabulary.size, **sizes).attach(task, transfer).eval()


@torch.no_grad()
@pytest.mark.parametrize("transfer", ["finetune", "bilstm", "features", "probe", "output"])
def test_the_heads_against_numpy_on_each_sentence_alone(transfer: str, pieces: Vocabulary) -> None:
    """A batch gives each word what its sentence gives alone; probes are a linear map of the layer."""
    task = task_of(11)
    settings: dict[str, Any] = {
        "finetune": {},
        "bilstm": {"bilstm": True},
        "features": {"mode": "features", "rnn_size": 5, "words_size": 4},
        "probe": {"mode": "features", "rnn_layers": 0, "words": "none", "layers": 1, "gamma": False},
        "output": {"mode": "features", "rnn_layers": 0, "words_size": 4, "layers": "concat4", "plug": ["output"]},
    }[transfer]
    model = bert(pieces, task, 3, **settings)
    layout = Sentences() if "mode" in settings else SequencePair()
    texts = texts_of(pieces, TEXTS)
    batch = with_tags(layout.batch_of_words(pieces, texts, task))
    _, together = model.read(batch)
    alone = [model.read(layout.batch_of_words(pieces, [text], task))[1] for text in texts]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-4)
    linear = model.head.linear
    assert linear.out_features == 3
    if transfer in ("finetune", "probe"):
        layer = model.encode(batch, (1 if transfer == "probe" else -1,)).layers[0].numpy()
        wanted = layer[batch["tagged"].numpy()] @ linear.weight.numpy().T + linear.bias.numpy()
        np.testing.assert_allclose(together.numpy(), wanted, atol=1e-5)
    if transfer == "output":
        assert linear.in_features == 4 + 4 * 12
    value, count = model.head.loss(together, batch)
    logits, truth = together.double().numpy(), batch["tags"][batch["reached"]].numpy()
    nats = np.log(np.exp(logits).sum(1)) - logits[np.arange(len(truth)), truth]
    assert (float(value), count) == (pytest.approx(nats.sum(), rel=1e-5), len(truth))


@torch.no_grad()
def test_words_that_are_cut_off_are_wrong(pieces: Vocabulary) -> None:
    task = task_of(9)
    model = bert(pieces, task)
    batch = with_tags(SequencePair().batch_of_words(pieces, texts_of(pieces, TEXTS), task))
    _, logits = model.read(batch)
    head: Head = model.head
    told, rows = head.judged(logits, batch)
    reached = set(batch["reached"].tolist())
    assert 0 < len(reached) < len(batch["owner"])
    assert {at for at, tag in enumerate(told[0].tolist()) if tag >= 0} == reached
    ours = [tag for _, tags, _, _ in rows for tag in tags]
    true = [tag for _, _, tags, _ in rows for tag in tags]
    assert (ours, true) == (told[0].tolist(), batch["tags"].tolist())
    assert [len(tags) for _, tags, _, _ in rows] == [len(text.split()) for text in TEXTS]
    assert sum(counts[0] for *_, counts in rows) == sum(a == b for a, b in zip(ours, true, strict=True))
    assert sum(counts[1] for *_, counts in rows) == len(ours)
    assert [named(task.labels, -1), named(("a", "b"), -1), named(task.labels, 2)] == ["O", "-", "I-X"]
    assert head.answered(logits, batch)[0][:2] == (0, rows[0][1])


def test_a_network_of_no_layer_is_for_words_alone() -> None:
    pair = Task("rte", "classification", 2, ("a", "b"), ("accuracy",), "accuracy", columns=("a", "b"))
    model = Bert(OPTIMIZER, OPTIMIZER, 50, **SMALL)
    with pytest.raises(
        Refused, match=r"transfer\.rnn_layers=0 is not possible with rte: .* a whole number from 1 up\."
    ):
        model.attach(pair, {"mode": "features", "rnn_layers": 0})


@pytest.mark.parametrize("kind", ["tags", "span"])
def test_attention_between_two_texts_is_for_what_classifies_them(kind: str) -> None:
    task = Task("x", kind, 2, ("a", "b"), ("f1",), "f1", reading=Reading())
    model = Bert(OPTIMIZER, OPTIMIZER, 50, **SMALL)
    with pytest.raises(Refused, match=r"transfer\.attention=true is not possible with x: .* it may be false\."):
        model.attach(task, {"mode": "features", "attention": True})


# ---- data: a folder in the hub's layout ------------------------------------------------------------------------------

NAMES, PLACES = ("Anna", "Bert", "Carla", "Obermann"), ("Rome", "Oslo", "Oberstadt")


def conll(count: int, seed: int, marks: bool = True) -> datasets.Dataset:
    """Sentences of two to nine words; every few rows a document begins."""
    rng, rows = random.Random(seed), []
    for number in range(count):
        if marks and number % 7 == 0:
            rows.append({"tokens": ["-DOCSTART-"], "ner_tags": [0], "pos_tags": [0]})
        words = [
            f"{rng.choice(NAMES)}",
            "saw",
            rng.choice(PLACES),
            *rng.choices(("and", "then", "x1", "."), k=number % 7),
        ]
        tags = [1, 0, 5] + [0] * (number % 7)
        rows.append({"tokens": words, "ner_tags": tags, "pos_tags": [22] * len(words)})
    features = {name: datasets.List(datasets.ClassLabel(names=list(PUBLISHED[task].labels)))
                for task, name in (("ner", "ner_tags"), ("pos", "pos_tags"))}  # fmt: skip
    return datasets.Dataset.from_list(
        rows, datasets.Features({"tokens": datasets.List(datasets.Value("string")), **features})
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    write(tmp_path, conll(70, 0))
    return tmp_path / "hub"


def write(place: Path, train: datasets.Dataset) -> None:
    write_splits(place, {"train": train, "validation": conll(12, 1), "test": conll(9, 2)})


def write_splits(place: Path, splits: dict[str, datasets.Dataset]) -> None:
    write_dataset(place / "hub/eriktks/conll2003", {"conll2003": splits})


def data_of(folder: Path, tokenizer: Subwords | None = None, task: str = "ner", **settings: Any) -> Tagging:
    sizes: dict[str, Any] = {"max_length": 32, "global_batch_size": 4, "eval_batch_size": 4, "seed": 0}
    place: dict[str, Any] = {"cache_dir": str(folder.parent / "cache")}
    words = tokenizer or WordPiece(vocab_size=40, lowercase=False)
    told: dict[str, Any] = {"source": str(folder), "tokenizer": words, "format": SequencePair()}
    return Tagging(task, SequencePair(), **{**told, **sizes, **place, **settings})


def prepared(folder: Path, *arguments: Any, **settings: Any) -> Tagging:
    data = data_of(folder, *arguments, **settings)
    data.prepare_data()
    data.setup("fit")
    return data


def test_a_folder_is_read(folder: Path) -> None:
    data = prepared(folder)
    rows = conll(70, 0).to_list()
    texts = ["\x1f".join(row["tokens"]) for row in rows]
    held, is_sentence = holdout_mask(texts), np.array([row["tokens"] != ["-DOCSTART-"] for row in rows])
    assert data.val is not data.tests[0]
    assert isinstance(data.val.rows, np.ndarray)
    assert data.val.rows.tolist() == np.flatnonzero(held & is_sentence).tolist()
    assert data.train.rows.tolist() == np.flatnonzero(~held & is_sentence).tolist()
    assert [len(test) for test in data.tests] == [12, 9]
    assert data.task.test_sets == ("validation", "test")
    assert data.card["train_documents"] == 10
    assert data.card["words"]["test"] == sum(len(row["tokens"]) for row in conll(9, 2, marks=False).to_list())
    assert data.card["train_labels"]["B-PER"] == len(data.train)
    batch = data.tests[1].batch(np.array([3, 0]), 0)
    wanted = [conll(9, 2, marks=False).to_list()[row]["ner_tags"] for row in (3, 0)]
    assert batch["tags"].tolist() == [*wanted[0], *wanted[1]]
    first = batch["tokens"][batch["tagged"]].tolist()
    words = [word for row in (3, 0) for word in conll(9, 2, marks=False).to_list()[row]["tokens"]]
    assert first == [int(data.vocabulary().ids(word)[0]) for word in words]


def test_choosing_on_dev_is_labelled_so_and_trains_on_all(folder: Path) -> None:
    data = prepared(folder, selection="paper", train_examples=20)
    assert (data.selection, data.val) == ("selected on dev", data.tests[0])
    assert len(data.train) == 20
    with pytest.raises(Refused, match=r"data\.train_examples=71 is not possible: ner has 70 rows"):
        data_of(folder, selection="paper", train_examples=71).prepare_data()


def test_tasks_on_the_same_rows_share_what_is_prepared(folder: Path) -> None:
    ner, pos = prepared(folder), prepared(folder, task="pos")
    assert ner.tokens_dir == pos.tokens_dir
    assert set(pos.tests[0].tags.tolist()) == {22, -1}
    assert ner.tokens_dir != prepared(folder, document_context=True).tokens_dir  # a frozen encoder's layers are others


def test_what_is_cut_off_is_counted(folder: Path) -> None:
    data = prepared(folder, max_length=8)
    for name, examples in zip(("validation", "test"), data.tests, strict=True):
        batch = examples.batch(np.arange(len(examples)), 0)
        assert data.card["words_cut_off"][name] == len(batch["owner"]) - len(batch["reached"]) > 0
    assert set(prepared(folder, max_length=64).card["words_cut_off"].values()) == {0}


# ---- documents -------------------------------------------------------------------------------------------------------


def test_documents_of_marks() -> None:
    marks = [False, True, False, False, True, True, False]
    assert documents_of(marks).tolist() == [[0, 1], [1, 2], [2, 4], [2, 4], [4, 5], [5, 6], [6, 7]]
    assert documents_of([False, False]).tolist() == [[0, 2], [0, 2]]


@pytest.mark.parametrize("kind", ["pieces", "words"])
@pytest.mark.parametrize("max_length", [8, 24, 200])
def test_the_context_is_all_that_there_is_room_for(folder: Path, kind: str, max_length: int) -> None:
    """Against a search over all windows of whole words of the document around the sentence."""
    tokenizer = Words(vocab_size=9) if kind == "words" else WordPiece(vocab_size=40, lowercase=False)
    layout = Sentences() if kind == "words" else SequencePair()
    data = prepared(folder, tokenizer, document_context=True, max_length=max_length, format=layout)
    rows, vocabulary, room = conll(70, 0).to_list(), data.vocabulary(), max_length - 2
    words = [row["tokens"] for row in rows]

    def size(some: list[str]) -> int:
        return len(some) if kind == "words" else sum(len(vocabulary.ids(word)) for word in some)

    for row in data.train.rows[:25].tolist():
        first = max(at for at in range(row) if words[at] == ["-DOCSTART-"]) + 1
        stop = next((at for at in range(row, len(rows)) if words[at] == ["-DOCSTART-"]), len(rows))
        before, after = (list(chain.from_iterable(some)) for some in (words[first:row], words[row + 1 : stop]))
        text = data.train.text(row)
        own = len(words[row])
        left, right = int(text.asked[0]), len(text.begins) - 1 - int(text.asked[-1]) - 1
        assert len(text.asked) == own
        shown = [*before[len(before) - left :], *words[row], *after[:right]]
        assert text.ids.tolist() == [id for word in shown for id in vocabulary.ids(word).tolist()]
        if size(words[row]) > room:
            assert (left, right) == (0, 0)
            continue
        assert size(shown) <= room
        # nothing more fits where the share of that side is not used up: the sides are alike but for what one lacks
        free = room - size(words[row])
        sides = size(before[len(before) - left :]), size(after[:right])
        if left < len(before) and right < len(after):
            assert free // 2 - size(before[len(before) - left - 1 : len(before) - left]) < sides[0] <= free // 2
            assert free - free // 2 - size(after[right : right + 1]) < sides[1] <= free - free // 2
        elif left < len(before):
            assert size(shown) + size(before[len(before) - left - 1 :][:1]) > room
        elif right < len(after):
            assert size(shown) + size(after[right : right + 1]) > room
    batch = data.train.batch(np.arange(6), 0)
    labels = [tag for row in data.train.rows[:6].tolist() for tag in rows[row]["ner_tags"]]
    assert batch["tags"].tolist() == labels


# ---- bad rows --------------------------------------------------------------------------------------------------------


def test_bad_rows_are_refused(folder: Path, tmp_path: Path) -> None:
    good = conll(20, 0)
    rows = good.to_list()

    def changed(**values: Any) -> datasets.Dataset:
        plain = datasets.Features({"tokens": datasets.List(datasets.Value("string")),
                                   "ner_tags": datasets.List(datasets.Value("int64"))})  # fmt: skip
        three = {key: rows[3][key] for key in plain}
        return datasets.Dataset.from_list(
            [*({key: row[key] for key in plain} for row in rows[:3]), {**three, **values}], plain
        )

    of_pos = [{**row, "pos_tags": [99] * len(row["tokens"])} for row in rows]
    names = ["O", *(f"{letter}-{kind}" for kind in ("LOC", "PER", "ORG", "MISC") for letter in "BI")]
    other = good.cast_column("ner_tags", datasets.List(datasets.ClassLabel(names=names)))
    for train, words in (
        (good.remove_columns("ner_tags"), "ner needs a column 'ner_tags', and there are 'tokens', 'pos_tags'."),
        (other, "its tags are ['O', 'B-LOC'"),
        (changed(tokens=[], ner_tags=[]), "row 3: [] is not possible, a list of words is needed."),
        (changed(tokens=["a", None]), "row 3: ['a', None] is not possible, a list of words is needed."),
        (changed(ner_tags=[0]), f"row 3: 1 tags of {len(rows[3]['tokens'])} words is not possible"),
        (changed(ner_tags=[9] * len(rows[3]["tokens"])), "row 3: the tag 9 is not possible"),
        (changed(ner_tags=[-1] * len(rows[3]["tokens"])), "row 3: the tag -1 is not possible"),
        (changed(ner_tags=[None] * len(rows[3]["tokens"])), "row 3: the tag None is not possible"),
        (datasets.Dataset.from_list(of_pos), "row 1: the tag 99 is not possible"),  # which data=pos would take
    ):
        write_splits(tmp_path, dict.fromkeys(("train", "validation", "test"), train))
        with pytest.raises(Refused) as caught:
            data_of(folder).prepare_data()
        assert words in str(caught.value)
        assert "conll2003/train-00000-of-00001.parquet" in str(caught.value)


def test_a_mark_between_documents_has_no_tag_of_the_task() -> None:
    """The original files say -X- there."""
    rows = datasets.Dataset.from_list(
        [{"tokens": ["-DOCSTART-"], "pos_tags": ["-X-"]}, {"tokens": ["Boats", "sail"], "pos_tags": ["NNS", "VBP"]}]
    )
    task = PUBLISHED["pos"]
    check_rows(rows, task, "here")
    assert tags_of(rows, task) == [[-1], [task.labels.index("NNS"), task.labels.index("VBP")]]


def test_no_rows_are_refused() -> None:
    with pytest.raises(Refused, match=r"^here: there are no rows\.$"):
        check_rows(conll(3, 0).select([]), NER, "here")


@pytest.mark.parametrize("task", ["roles", "senses"])
def test_what_only_the_grammar_knows_is_refused_elsewhere(task: str, folder: Path) -> None:
    with pytest.raises(Refused, match=rf"data={task} is not possible with data\.source=.*miniature, miniature-sweep"):
        data_of(folder, task=task)
    with pytest.raises(Refused, match=r"data\.task='nonsense' is not possible: it may be ner, pos, roles, senses\."):
        data_of(folder, task="nonsense")


# ---- the miniature ---------------------------------------------------------------------------------------------------


def test_the_miniatures_rows_have_the_grammars_tags(tmp_path: Path) -> None:
    rows = tagging("tagged", "validation")
    for name, column in (("ner", "entities"), ("pos", "pos"), ("roles", "roles")):
        data = data_of(Path("miniature"), task=name, cache_dir=str(tmp_path / "cache"))
        data.prepare_data()
        data.setup("fit")
        (test,) = data.tests
        assert [MINIATURE[name].labels[tag] for tag in test.tags] == [tag for row in rows for tag in row[column]]
        began = {number for number, label in enumerate(MINIATURE[name].labels) if not label.startswith("I-")}
        assert began <= set(test.tags.tolist()), "a tag that no word has"
    assert data.parts("validation") == {"seen": list(range(0, 1000, 2)), "unseen": list(range(1, 1000, 2))}
    known = {word for row in tagging("tagged", "train") for word in row["tokens"]}
    people = [
        [word for word, tag in zip(row["tokens"], row["entities"], strict=True) if tag == "B-PER"] for row in rows
    ]
    assert all(person in known for names in people[::2] for person in names)
    assert not any(person in known for names in people[1::2] for person in names)


def test_of_senses_one_word_is_asked_for(tmp_path: Path) -> None:
    rows = tagging("sense", "validation")
    data = data_of(Path("miniature"), task="senses", cache_dir=str(tmp_path / "cache"), max_length=48)
    data.prepare_data()
    data.setup("fit")
    batch = data.tests[0].batch(np.arange(50), 0)
    assert [MINIATURE["senses"].labels[tag] for tag in batch["tags"]] == [row["sense"] for row in rows[:50]]
    targets = [int(data.vocabulary().ids(row["tokens"][row["target"]])[0]) for row in rows[:50]]
    assert batch["tokens"][batch["tagged"]].tolist() == targets
    assert batch["owner"].tolist() == list(range(50))


# ---- layers that are kept --------------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("context", [False, True])
def test_layers_that_are_kept_are_those_of_the_encoder(context: bool, folder: Path, tmp_path: Path) -> None:
    data = prepared(folder, document_context=context, format=Sentences())
    model = bert(data.vocabulary(), data.task, mode="features", words="none", rnn_layers=0)
    data.layers = LayerCache(tmp_path / "layers", model.head.layers, *model.layer_shape)
    fresh = data.tests[0].batch(np.arange(8), 0)
    data.setup("fit")
    fill(model, data.sets_of_examples, torch.device("cpu"), nullcontext, 4)
    kept = data.tests[0].batch(np.arange(8), 0)
    assert kept["layers"].shape[0] == len(model.head.layers) == 3
    torch.testing.assert_close(model.read(kept)[1], model.read(fresh)[1], atol=2e-2, rtol=1e-2)
    assert not torch.allclose(model.read(kept)[1][:1], model.read(kept)[1][1:2], atol=2e-2)


# ---- whole runs ------------------------------------------------------------------------------------------------------

RUN = (
    *TINY,
    "init_from=scratch",
    "trainer.max_epochs=2",
    "logger=csv",
    "model.vocab_size=60",
    "data.global_batch_size=8",
)


def sentences_of(file: Path) -> list[tuple[list[str], list[str], list[str]]]:
    """Of a predictions file each sentence's words, true tags and predicted ones."""
    found = []
    for block in file.read_text().split("\n\n"):
        lines = [line.split("\t") for line in block.splitlines()]
        if lines:
            assert len({line[0] for line in lines}) == 1
            _, words, gold, ours = zip(*lines, strict=True)
            found.append((list(words), list(gold), list(ours)))
    return found


def test_a_run_on_a_folder_is_recorded_and_answers(folder: Path, tmp_path: Path) -> None:
    done = command(
        tmp_path, *RUN, "data=ner", f"data.source={folder}", "data.max_length=12", "model.finetuning.lr=3e-3"
    )
    assert done.status == 0, done.err
    run = the_run(tmp_path)
    assert run.name.startswith("bert_miniature-ner-s0-")
    record = summary(run)
    assert (record["data"], record["headline"]["name"], record["selection"]) == (
        "conll2003/ner", "f1", "selected on a tenth of train"
    )  # fmt: skip
    assert set(record["headline"]["parts"]) == {"LOC", "MISC", "ORG", "PER"}
    assert record["card"]["words_cut_off"]["test"] > 0
    assert record["collapsed"] == (
        len({tag for *_, ours in sentences_of(run / "predictions/validation.tsv") for tag in ours}) == 1
    )
    for name, rows in (("validation", conll(12, 1, marks=False)), ("test", conll(9, 2, marks=False))):
        found = sentences_of(run / f"predictions/{name}.tsv")
        assert [words for words, _, _ in found] == rows["tokens"]
        assert [[NER.labels.index(tag) for tag in gold] for _, gold, _ in found] == rows["ner_tags"]
        chunks = [(spans(ours), spans(gold)) for _, gold, ours in found]
        right = sum(len(ours & true) for ours, true in chunks)
        each = sum(len(ours) for ours, _ in chunks), sum(len(true) for _, true in chunks)
        assert record["metrics"][f"test_{name}/f1"] == pytest.approx(2 * right / (sum(each) or 1))
        counts = table(run / f"predictions/{name}-sentences.tsv")
        assert [int(row["right_chunks"]) for row in counts] == [len(ours & true) for ours, true in chunks]
        assert [int(row["chunks"]) for row in counts] == [len(true) for _, true in chunks]
        assert [int(row["words"]) for row in counts] == [len(words) for words, _, _ in found]
    lines = [" ".join(words) for words in conll(12, 1, marks=False)["tokens"]]
    (tmp_path / "mine.tsv").write_text("".join(f"{line}\n" for line in lines))
    answered = command(tmp_path, f"predict={run}", "input=mine.tsv")
    assert answered.out.splitlines() == [
        " ".join(ours) for _, _, ours in sentences_of(run / "predictions/validation.tsv")
    ]
    model = load_model(run)
    assert model.predict([lines[0]]) == answered.out.splitlines()[:1]
    assert model.predict([]) == []
    assert len(model.predict(["Anna\u00a0Bert  lives"])[0].split()) == 2, "a no-break space is part of a word"
    for wrong, said in (("Anna", "a list"), ([" "], "example 1 has no word to tag")):
        with pytest.raises(Refused, match=said):
            model.predict(wrong)
    (tmp_path / "pair.tsv").write_text("Anna\tBert\n")
    assert "ner expects 1: words" in command(tmp_path, f"predict={run}", "input=pair.tsv").refusal


def spans(tags: list[str]) -> set[tuple[int, int, str]]:
    """First word, last word and type of each chunk."""
    found, begin = set(), None
    for at, (tag, after) in enumerate(zip(tags, [*tags[1:], "O"], strict=True)):
        if tag != "O" and (begin is None or tag[0] == "B"):
            begin = at
        if begin is not None and (after[1:] != tag[1:] or after[0] != "I"):
            found.add((begin, at, tag[2:]))
            begin = None
    return found


@pytest.mark.slow
def test_generated_text_is_called_so_and_has_its_parts(tmp_path: Path) -> None:
    few = ("trainer.limit_train_batches=3", "trainer.max_epochs=1", "model.vocab_size=600", "data.eval_batch_size=200")
    done = command(tmp_path, *RUN, *few, "data=roles", "data.source=miniature")
    assert done.status == 0, done.err
    record = summary(the_run(tmp_path))
    assert (record["data"], record["source"]) == ("miniature/roles", "miniature")
    assert {"seen", "unseen", "A0", "AM-TMP"} <= set(record["headline"]["parts"])
    assert {"test_validation/accuracy", "test_validation/accuracy/seen", "test_validation/f1/A1"} <= set(
        record["metrics"]
    )
    assert "f1: " in done.out
    assert "seen " in done.out
    every = record["metrics"]["test_validation/accuracy"]
    halves = [record["metrics"][f"test_validation/accuracy/{part}"] for part in ("seen", "unseen")]
    assert min(halves) <= every <= max(halves)
    (row, *_) = [row for row in rows_of([record]) if row.metric == "f1"]
    assert row.scores == (record["headline"]["value"],)
