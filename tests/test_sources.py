"""Every way to get text and every way to miss it: a local folder, the miniature, one's own files, and the hub for real.

The hub is tests/hub_server.py on a loopback address, asked by the real clients in three fresh processes: while it
serves, after it has gone, and with HF_HUB_OFFLINE set.
"""

import json
import shutil
from pathlib import Path
from typing import Any

import datasets
import pytest

from datamodules import miniature, sources, text_files
from datamodules.task import Refused
from tests.hub_server import ask, commit, serve, write_dataset

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder ../shared/data is absent")
GLUE = sources.GLUE
SPLITS = {"rte": ("train", "validation"), "cola": ("train", "validation", "test"), "mnli": ("validation_matched",)}
ROWS = [
    {"sentence1": "It rains.", "sentence2": "It is wet.", "label": 0, "idx": 0},
    {"sentence1": "He left.", "sentence2": "He stayed.", "label": 1, "idx": 1},
]
TABLE = ("hub", GLUE, "rte")


def small_glue(root: Path) -> Path:
    """Three configurations; the first row's `idx` tells the splits apart: it is the length of the split's name."""
    names = datasets.ClassLabel(names=["entailment", "not_entailment"])
    tables: dict[str, dict[str, datasets.Dataset]] = {config: {} for config in SPLITS}
    for config, split in ((config, split) for config, splits in SPLITS.items() for split in splits):
        rows = datasets.Dataset.from_list([ROWS[0] | {"idx": len(split)}, ROWS[1]])
        tables[config][split] = rows.cast_column("label", names)
    return write_dataset(root / GLUE, tables)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return small_glue(tmp_path / "data").parents[1]


def refusal(function: Any, *arguments: object) -> str:
    with pytest.raises(Refused) as caught:
        function(*arguments)
    return one_sentence(str(caught.value))


def one_sentence(message: str) -> str:
    assert "\n" not in message
    assert message.endswith(".")
    assert ". " not in message
    return message


# ---- a local folder --------------------------------------------------------------------------------------------------


def test_a_folder_in_the_hubs_layout(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert sources.available_splits(str(folder), GLUE, "rte") == ["train", "validation"]
    rows = sources.load_rows(str(folder), GLUE, "rte", "validation")
    assert rows.to_list() == [ROWS[0] | {"idx": len("validation")}, ROWS[1]]
    assert rows.features["label"].names == ["entailment", "not_entailment"]
    monkeypatch.chdir(folder.parent)
    assert len(sources.load_rows("data", GLUE, "rte", "train")) == 2


@pytest.mark.parametrize(
    ("place", "repository", "config", "split", "said"),
    [
        ("none", GLUE, "rte", "train", "there is no such folder"),
        ("data", "rajpurkar/squad", None, "train", "the folder has no rajpurkar/squad"),
        ("data", GLUE, "qqp", "train", "its configurations are rte, cola, mnli"),
        ("data", GLUE, None, "train", "its configurations are rte, cola, mnli"),
        ("data", GLUE, "mnli", "train", "it has only the split validation_matched"),
        ("data", GLUE, "rte", "train[:1]", "it has only the splits train, validation"),
    ],
)
def test_what_a_folder_has_not(
    folder: Path, place: str, repository: str, config: str | None, split: str, said: str
) -> None:
    source = str(folder.parent / place)
    message = refusal(sources.load_rows, source, repository, config, split)
    assert repository in message
    assert f"data.source={source}: {said}; data.source (or the environment variable DATA_SOURCE) may also be" in message
    assert all(way in message for way in ("a folder in the hub's layout", "hub (", "miniature (", config or ""))


def test_a_file_that_has_changed_is_read_anew(folder: Path, tmp_path: Path) -> None:
    """Not from a cache that goes by names; nor is another folder's file of the same name taken for it."""

    def texts(place: Path) -> list[str]:
        return sources.load_rows(str(place), GLUE, "rte", "train")["sentence1"][:]

    assert texts(folder) == ["It rains.", "He left."]
    other = shutil.copytree(folder, tmp_path / "other")
    for place, word in ((other, "It snows."), (folder, "It hails.")):
        file = place / GLUE / "rte/train-00000-of-00001.parquet"
        rows = datasets.Dataset.from_list([ROWS[0] | {"sentence1": word}, ROWS[1]])
        rows.cast_column("label", datasets.ClassLabel(names=["entailment", "not_entailment"])).to_parquet(file)
    assert texts(other) == ["It snows.", "He left."]
    assert texts(folder) == ["It hails.", "He left."]


def test_a_damaged_file_is_refused(folder: Path) -> None:
    file = folder / GLUE / "rte" / "train-00000-of-00001.parquet"
    file.write_bytes(file.read_bytes()[:300])
    assert "Parquet" in refusal(sources.load_rows, str(folder), GLUE, "rte", "train")


def test_a_folders_identity_is_its_files(folder: Path) -> None:
    def identity(place: Path, splits: list[str]) -> dict[str, Any]:
        return sources.identity(str(place), GLUE, "rte", splits)

    before, both = identity(folder, ["train"]), identity(folder, ["train", "validation"])
    assert list(before["files"]) == ["rte/train-00000-of-00001.parquet"]
    assert len(both["files"]) == 2
    moved = shutil.copytree(folder, folder.parent / "elsewhere")
    assert identity(moved, ["train"]) == before
    file = moved / GLUE / "rte" / "train-00000-of-00001.parquet"
    content = bytearray(file.read_bytes())
    content[10] ^= 1
    file.write_bytes(content)
    assert identity(moved, ["train"]) != before
    assert identity(moved, ["validation"]) == identity(folder, ["validation"])
    assert "it has only" in refusal(identity, folder, ["test"])


@needs_shared
def test_the_real_files() -> None:
    assert len(sources.load_rows(str(SHARED), GLUE, "rte", "train")) == 2490
    assert len(sources.load_rows(str(SHARED), "wikipedia-pages-en", None, "validation")) == 204
    assert sources.available_splits(str(SHARED), GLUE, "cola") == ["train", "validation", "test"]
    for task, there in (("mnli", "the split validation_matched"), ("qnli", "the splits validation, test")):
        message = refusal(sources.load_rows, str(SHARED), GLUE, task, "train")
        assert f"{GLUE}, config {task}, split train cannot be read" in message
        assert f"it has only {there}; " in message
    assert "config qqp" in refusal(sources.available_splits, str(SHARED), GLUE, "qqp")


# ---- the miniature ---------------------------------------------------------------------------------------------------


def test_the_miniature() -> None:
    for task in (*miniature.TASKS, "ax"):
        for split in sources.available_splits("miniature", GLUE, task):
            assert sources.load_rows("miniature", GLUE, task, split).to_list() == miniature.glue(task, split)
    documents = sources.load_rows("miniature", "wikimedia/wikipedia", "20231101.en", "validation")
    assert list(documents) == [{"text": text} for text in miniature.documents("validation")]
    assert documents.column_names == ["text"]
    larger = sources.load_rows("miniature-sweep", GLUE, "mnli", "train")
    assert (len(larger), sources.available_splits("miniature-gpu", GLUE, "ax")) == (20_000, ["test"])
    identity = sources.identity("miniature", GLUE, "rte", ["train"])
    assert identity == {"source": "miniature", "repository": GLUE, "config": "rte", "world": miniature.WORLD, "seed": 0}


def test_what_the_miniature_has_not() -> None:
    assert "its configurations are cola, sst2" in refusal(sources.load_rows, "miniature", GLUE, "squad", "train")
    message = refusal(sources.load_rows, "miniature", GLUE, "rte", "dev")
    assert "it has only the splits train, validation, test" in message
    assert message.count("miniature") == 1
    assert "train, validation" in refusal(sources.load_rows, "miniature", "miniature", None, "test")


# ---- one's own files -------------------------------------------------------------------------------------------------


def test_documents_of_own_files(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_bytes("\ufeffÄ first.\r\nA second.\r\n \r\n\r\n\r\nAnother.".encode())
    (tmp_path / "a.txt").write_text("\n\nOne\u0085line.\n")
    texts = list(text_files.read_texts([str(tmp_path / "*.txt"), str(tmp_path / "b.txt")]))
    assert texts == ["One\u0085line.", "Ä first.\nA second.", "Another.", "Ä first.\nA second.", "Another."]
    before = text_files.file_identity([str(tmp_path / "*.txt")])
    assert [file["name"] for file in before] == ["a.txt", "b.txt"]
    (tmp_path / "b.txt").write_text("Another.")
    assert text_files.file_identity([str(tmp_path / "*.txt")]) != before


def test_a_change_at_either_end_of_a_long_file_is_seen(tmp_path: Path) -> None:
    long = bytearray(text_files.SMALL + 1)
    marks = []
    for place in (None, 0, -1):
        if place is not None:
            long[place] = 1
        (tmp_path / "long.txt").write_bytes(long)
        marks.append(text_files.mark_of(tmp_path / "long.txt")["sha256"])
    assert len(set(marks)) == 3


def test_own_files_that_cannot_be_read(tmp_path: Path) -> None:
    for missing in (tmp_path / "none.txt", tmp_path / "*.txt", tmp_path):
        assert f"no text file {missing}" in refusal(text_files.read_texts, [str(missing)]).replace("*.txt.", "")
    file = tmp_path / "latin.txt"
    file.write_bytes("Fine.\nÜber.\n".encode("latin-1"))
    assert f"{file}, line 2: byte 1 is not UTF-8" in refusal(list, text_files.read_texts([str(file)]))
    file.write_text(" \n\n")
    assert f"{file}, line 1: the file holds no text" in refusal(list, text_files.read_texts([str(file)]))


# ---- the hub ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the three processes were told, and what the server was asked."""
    root, home = tmp_path_factory.mktemp("hub"), tmp_path_factory.mktemp("home")
    repository = small_glue(root / "datasets")
    model = root / "models" / "somebody" / "bert"
    model.mkdir(parents=True)
    (model / "config.json").write_text('{"hidden_size": 2}')
    read = "datamodules.sources:load_rows"
    known = [
        [read, *TABLE, "train"],
        ["datamodules.sources:available_splits", *TABLE],
        ["datamodules.sources:identity", *TABLE, ["train"]],
    ]
    nothing = ("somebody/nothing", None)
    wrong = [[read, "hub", GLUE, "sst2", "train"], [read, *TABLE, "test"], [read, "hub", *nothing, "train"]]
    never_read = [read, "hub", GLUE, "cola", "train"]
    file = ["huggingface_hub:hf_hub_download", "somebody/bert", "config.json"]
    with serve(root) as server:
        served = ask(server.environment(home), [*known, *wrong, file])
    gone = ask(server.environment(home), [*known, never_read])
    offline = ask(server.environment(home, HF_HUB_OFFLINE="1"), [*known, never_read])
    answers = {"served": served, "gone": gone, "offline": offline}
    return {**answers, "requests": server.requests, "commit": commit(repository)}


@pytest.mark.parametrize("when", ["served", "gone", "offline"])
def test_the_hub_and_the_copy_of_it(hub: dict[str, Any], when: str) -> None:
    rows, splits, identity, *_ = hub[when]
    assert "datasets" not in rows["imported"]  # importing sources.py costs nothing
    assert rows["answer"] == [ROWS[0] | {"idx": len("train")}, ROWS[1]]
    assert splits["answer"] == ["train", "validation"]
    assert identity["answer"] == {"source": "hub", "repository": GLUE, "config": "rte", "revision": hub["commit"]}


def test_what_the_hub_has_not(hub: dict[str, Any]) -> None:
    config, split, repository, _ = hub["served"][3:]
    wanted = {
        "its configurations are rte, cola, mnli": config,
        "it has only the splits train, validation": split,
        "the hub has no such data set": repository,
    }
    for said, got in wanted.items():
        assert f"cannot be read with data.source=hub: {said}" in one_sentence(got["answer"]["refused"])
        assert got["seconds"] < 10


@pytest.mark.parametrize(
    ("when", "said"), [("gone", "the hub gives no answer (Conn"), ("offline", "HF_HUB_OFFLINE is")]
)
def test_no_hub_and_no_copy(hub: dict[str, Any], when: str, said: str) -> None:
    got = hub[when][-1]
    message = one_sentence(got["answer"]["refused"])
    assert f"{GLUE}, config cola cannot be read with data.source=hub: {said}" in message
    assert "the cache has no copy of it" in message
    assert all(way in message for way in ("a folder in the hub's layout", "DATA_SOURCE", "miniature ("))
    assert got["seconds"] < 10


def test_one_commit_is_read(hub: dict[str, Any]) -> None:
    asked = [line for line in hub["requests"] if f"/datasets/{GLUE}" in line]
    assert asked[0] == f"GET /api/datasets/{GLUE}"
    assert asked.count(asked[0]) == 1  # one commit for all configurations and calls
    assert all(hub["commit"] in line for line in asked if line != asked[0])
    assert sum("rte/train" in line for line in asked if line.startswith("GET")) == 1


def test_the_server_has_models_too(hub: dict[str, Any]) -> None:
    file = Path(hub["served"][-1]["answer"])
    assert file.name == "config.json"
    assert json.loads(file.read_text()) == {"hidden_size": 2}
