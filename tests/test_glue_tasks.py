"""The table of GLUE tasks against the data's own descriptions, the refusals of bad rows, and the held-out tenth."""

import random
import time
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as parquet
import pytest
from datasets.table import InMemoryTable

from datamodules import sources
from datamodules.formats import SequencePair
from datamodules.glue import Glue
from datamodules.glue_tasks import ALL_TASKS, TASKS, check_rows, task_of
from datamodules.selection import holdout_mask
from datamodules.task import Refused
from datamodules.tokenization import WordPiece
from tests.commands import TINY, command, table, the_run
from tests.hub_server import write_dataset

GLUE = Path(__file__).resolve().parents[2] / "shared" / "data" / "nyu-mll" / "glue"
needs_glue = pytest.mark.skipif(not GLUE.is_dir(), reason="the folder ../shared/data with GLUE's files is absent")
NAMES = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")
ONE_TEXT = {"sentence": ["a b", "c"], "label": [0, 1]}
TWO_TEXTS = {"sentence1": ["a b", "c"], "sentence2": ["d", "e f"], "label": [0, 1]}


def read(task: str, split: str) -> datasets.Dataset:
    """A published file as it is, without the cache of `datasets`."""
    table = parquet.read_table(GLUE / task / f"{split}-00000-of-00001.parquet")
    return datasets.Dataset(InMemoryTable(table))


def rows(columns: dict[str, list[Any]], **changed: list[Any]) -> datasets.Dataset:
    return datasets.Dataset.from_dict({**columns, **changed})


def refusal(data: datasets.Dataset, task: str, labelled: bool = True) -> str:
    with pytest.raises(Refused) as caught:
        check_rows(data, ALL_TASKS[task], "hub/nyu-mll/glue", labelled)
    message = str(caught.value)
    assert message.startswith("hub/nyu-mll/glue")
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_the_nine_tasks() -> None:
    assert tuple(TASKS) == NAMES
    for name, task in TASKS.items():
        assert task.name == name
        assert task.kind == ("regression" if name == "stsb" else "classification")
        assert task.num_labels == (1 if name == "stsb" else len(task.labels))
        assert task.headline == task.metrics[0]
        assert set(task.metrics) <= {"accuracy", "f1", "matthews", "pearson", "spearman"}
        assert len({one.name for one in task.server_sets}) == len(task.server_sets)
        assert set(task.may_be_empty) <= set(task.columns)
    assert TASKS["mnli"].test_sets == ("validation_matched", "validation_mismatched")
    assert {name: TASKS[name].headline for name in ("cola", "mrpc", "stsb", "qqp", "rte")} == {
        "cola": "matthews",
        "mrpc": "f1",
        "stsb": "spearman",
        "qqp": "f1",
        "rte": "accuracy",
    }
    files = sorted(one.file for task in TASKS.values() for one in task.server_sets)
    wanted = "CoLA SST-2 MRPC STS-B QQP MNLI-m MNLI-mm QNLI RTE WNLI AX"  # the names that the GLUE server asks for
    assert files == sorted(f"{name}.tsv" for name in wanted.split())


def test_the_diagnostic_set_is_no_task_and_the_refusal_says_who_predicts_it() -> None:
    assert [task_of(name) for name in NAMES] == list(TASKS.values())
    with pytest.raises(
        Refused, match=r"^data\.task='ax' .* data\.task=mnli predicts it .*cola, sst2, .* wnli, swag, sick\.$"
    ):
        task_of("ax")
    for other in ("squad", "", None, ["ax"]):
        with pytest.raises(Refused) as caught:
            task_of(other)  # pyright: ignore[reportArgumentType]
        assert str(caught.value) == f"data.task={other!r} is not possible: it may be {', '.join(NAMES)}, swag, sick."


@needs_glue
@pytest.mark.parametrize("file", sorted(GLUE.glob("*/*.parquet")), ids=lambda file: f"{file.parent.name}-{file.name}")
def test_the_table_is_what_the_published_files_say(file: Path) -> None:
    name, split = file.parent.name, file.name.removesuffix("-00000-of-00001.parquet")
    task, data = TASKS["mnli" if name == "ax" else name], read(name, split)
    server = [one.split for one in task.server_sets if (one.config or task.name) == name]
    assert data.column_names == [*task.columns, "label", "idx"]
    assert data.features["label"].names == list(task.labels)
    assert split in (server if name == "ax" else ("train", *task.test_sets, *server))
    check_rows(data, task, "here", labelled=split not in server)
    if split in server:
        assert "the label may be 0, 1" in refusal(data, task.name)


def test_good_rows_pass() -> None:
    check_rows(rows(ONE_TEXT), TASKS["cola"], "", labelled=True)
    check_rows(rows(ONE_TEXT, label=[-1, 1]), TASKS["cola"], "", labelled=False)
    check_rows(rows(TWO_TEXTS, label=[0.0, 4.8]), TASKS["stsb"], "", labelled=True)
    check_rows(rows(TWO_TEXTS, label=[-1.0, -1.0]), TASKS["stsb"], "", labelled=False)
    check_rows(rows({"question1": ["", "a"], "question2": ["b", " "], "label": [0, 1]}), TASKS["qqp"], "", True)


def test_missing_columns_are_named() -> None:
    assert "needs a column 'sentence2', and there are 'sentence', 'label'" in refusal(
        rows(ONE_TEXT).add_column("sentence1", ["a", "b"]).select_columns(["sentence", "label", "sentence1"]), "rte"
    )
    assert "needs a column 'label'" in refusal(rows(ONE_TEXT).remove_columns("label"), "cola", labelled=False)
    assert "no rows" in refusal(rows(ONE_TEXT).select([]), "cola")


@pytest.mark.parametrize(
    ("texts", "row"),
    [(["a", None], "row 1: None"), (["a", ""], "row 1: ''"), ([" \u3000\t", "b"], "row 0: "), ([1, 2], "row 0: 1")],
)
def test_bad_texts_are_refused(texts: list[Any], row: str) -> None:
    message = refusal(rows(TWO_TEXTS, sentence2=texts), "rte")
    assert f"column 'sentence2', {row}" in message


def test_all_missing_texts_are_refused_where_they_may_be_empty() -> None:
    data = rows({"question1": [None, None], "question2": ["a", "b"], "label": [0, 1]})
    assert "column 'question1', row 0: None" in refusal(data, "qqp")


@pytest.mark.parametrize(
    ("task", "labels", "labelled", "said"),
    [
        ("rte", [0, 2], True, "row 1: 2 is not possible, the label may be 0, 1."),
        ("rte", [0, -1], True, "row 1: -1 is not possible, the label may be 0, 1."),
        ("rte", [-2, -1], False, "row 0: -2 is not possible, the label may be 0, 1, -1."),
        ("rte", [1, None], True, "row 1: None is not possible"),
        ("rte", [None, None], False, "row 0: None is not possible"),
        ("rte", ["entailment", "not_entailment"], True, "row 0: 'entailment' is not possible"),
        ("rte", [0.0, 1.0], True, "row 0: 0.0 is not possible"),
        ("stsb", [1.0, float("nan")], True, "row 1: nan is not possible, a score of stsb is a finite number"),
        ("stsb", [1.0, float("inf")], False, "row 1: inf is not possible"),
        ("stsb", [1.0, None], True, "row 1: None is not possible"),
        ("stsb", [1.0, -1.0], True, "row 1: -1.0 is not possible, a score of stsb is a finite number other than -1."),
        ("stsb", ["1.0", "high"], True, "row 0: '1.0' is not possible"),
    ],
)
def test_bad_labels_are_refused(task: str, labels: list[Any], labelled: bool, said: str) -> None:
    assert f"column 'label', {said}" in refusal(rows(TWO_TEXTS, label=labels), task, labelled)


def test_label_names_in_another_order_are_refused() -> None:
    google = ["contradiction", "entailment", "neutral"]
    data = rows({"premise": ["a"], "hypothesis": ["b"], "label": [0]})
    message = refusal(data.cast_column("label", datasets.ClassLabel(names=google)), "mnli")
    assert str(google) in message
    assert str(list(TASKS["mnli"].labels)) in message


def test_only_the_chosen_rows_are_checked() -> None:
    data = rows(ONE_TEXT, label=[7, 1])
    check_rows(data.select([1]), TASKS["cola"], "", labelled=True)
    assert "row 1: 7" in refusal(data.select([1, 0]), "cola")


def test_four_hundred_thousand_rows_take_no_time() -> None:
    count = 400_000
    data = rows({"premise": ["a man walks"] * count, "hypothesis": ["he moves"] * count, "label": [1] * count})
    began = time.perf_counter()
    check_rows(data, TASKS["mnli"], "", labelled=True)
    assert time.perf_counter() - began < 5  # 0.1 s on an idle core


def joined(task: str) -> list[str]:
    columns = read(task, "train").select_columns(list(TASKS[task].columns))
    return ["\x1f".join(row.values()) for row in columns.to_list()]


@needs_glue
@pytest.mark.parametrize("task", ["rte", "cola"])
def test_a_tenth_of_the_real_rows_is_held_out(task: str) -> None:
    texts = joined(task)
    mask = holdout_mask(texts)
    assert mask.dtype == bool
    assert mask.shape == (len(texts),)
    assert 0.08 < mask.mean() < 0.12
    order = random.Random(0).sample(range(len(texts)), len(texts))
    assert np.array_equal(holdout_mask([texts[i] for i in order]), mask[order])


def test_the_held_out_rows_never_change() -> None:
    texts = [f"text {number}" for number in range(60)]
    assert np.flatnonzero(holdout_mask(texts)).tolist() == [2, 3, 6, 18, 33, 38, 43, 44, 58]


def test_equal_texts_fall_on_one_side_and_a_larger_share_contains_a_smaller() -> None:
    texts = [f"text {number % 500}" for number in range(1000)]
    small, large = holdout_mask(texts), holdout_mask(texts, 0.5)
    assert np.array_equal(small[:500], small[500:])
    assert not (small & ~large).any()
    assert 0.4 < large.mean() < 0.6
    assert not holdout_mask(texts, 0.0).any()
    assert holdout_mask(texts, 1.0).all()


# ---- the diagnostic set ----------------------------------------------------------------------------------------------


def nli(count: int, word: str, label: int | None = None) -> datasets.Dataset:
    """Rows of MNLI's columns; `word` tells the sets apart."""
    names = datasets.ClassLabel(names=["entailment", "neutral", "contradiction"])
    premises = [f"{word} number {i} walks ." for i in range(count)]
    labels = [i % 3 if label is None else label for i in range(count)]
    data = rows({"premise": premises, "hypothesis": premises[::-1], "label": labels, "idx": list(range(count))})
    return data.cast_column("label", names)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the hub's layout with MNLI and the diagnostic set."""
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    ends = ("matched", "mismatched")
    mnli = {"train": nli(90, "man"), **{f"validation_{end}": nli(9, end) for end in ends}}
    mnli |= {f"test_{end}": nli(6 + len(end), end, -1) for end in ends}
    write_dataset(tmp_path / "hub" / "nyu-mll/glue", {"mnli": mnli, "ax": {"test": nli(25, "dog", -1)}})
    return tmp_path / "hub"


def mnli(hub: Path, place: Path, **settings: Any) -> Glue:
    """The folder's MNLI, prepared."""
    sizes = {"max_length": 32, "global_batch_size": 32, "eval_batch_size": 64, "seed": 0, "cache_dir": str(place)}
    data = Glue(
        "mnli", source=str(hub), tokenizer=WordPiece(vocab_size=200), format=SequencePair(), **sizes, **settings
    )
    data.prepare_data()
    data.setup("fit")
    return data


def test_the_mnli_run_predicts_the_diagnostic_set(hub: Path, tmp_path: Path) -> None:
    small = (*TINY, "model.vocab_size=200", "init_from=scratch", "trainer.max_epochs=1", "logger=csv")
    done = command(tmp_path, *small, "data=glue", "data.task=mnli", f"data.source={hub}")
    assert done.status == 0, done.err
    for name, count in (("AX", 25), ("MNLI-m", 13), ("MNLI-mm", 16)):
        answers = table(the_run(tmp_path) / "predictions" / f"{name}.tsv")
        assert [row["index"] for row in answers] == [str(i) for i in range(count)]
        assert {row["prediction"] for row in answers} <= {"entailment", "neutral", "contradiction"}


@pytest.mark.slow
def test_a_source_without_the_diagnostic_set_is_as_good(hub: Path, tmp_path: Path) -> None:
    full, quiet = mnli(hub, tmp_path / "cache"), mnli(hub, tmp_path / "cache", submission=False)
    assert {name: len(examples) for name, examples in full.unlabelled.items()} == {
        "test_matched": 13,
        "test_mismatched": 16,
        "ax": 25,
    }
    assert quiet.unlabelled == {}
    identity = full.identity()
    readme = hub / "nyu-mll/glue/README.md"
    kept = readme.read_text().partition("- config_name: ax")[0]
    readme.write_text(f"{kept}---")
    without = mnli(hub, tmp_path / "cache")
    assert list(without.unlabelled) == ["test_matched", "test_mismatched"]
    assert without.identity() == {name: value for name, value in identity.items() if name != "ax"}
    splits = [*TASKS["mnli"].test_sets, "train", "test_matched", "test_mismatched"]
    assert without.identity() == sources.identity(str(hub), "nyu-mll/glue", "mnli", splits)  # its cache stays good


def test_bad_rows_of_the_diagnostic_set_are_refused_by_its_own_file(hub: Path, tmp_path: Path) -> None:
    nli(3, "dog", -1).rename_column("premise", "text").to_parquet(hub / "nyu-mll/glue/ax/test-00000-of-00001.parquet")
    done = command(tmp_path, *TINY, "init_from=scratch", "data=glue", "data.task=mnli", f"data.source={hub}")
    assert "nyu-mll/glue/ax/test-00000-of-00001.parquet: mnli needs a column 'premise'" in done.refusal
