"""A run's name stands for the experiment: the same text in another place has the same name, another text another."""

from pathlib import Path

import pytest

from sweeps.runs.places import run_name
from tests.conftest import compose
from tests.test_prepare import write_rte


def name(*overrides: str) -> str:
    return run_name(compose(*overrides), "bert", "data")


@pytest.mark.parametrize("node", ["", "pretrain."])
def test_a_name_stands_for_ones_own_text_wherever_it_lies(
    node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.txt").write_text("It rains.\n")
    recipe = ["pretrain=corpus", "data=glue", "data.source=miniature", "data.task=rte"] if node else ["data=corpus"]
    whole = name(*recipe, f"{node}data.files=[{tmp_path}/mine.txt]")
    monkeypatch.chdir(tmp_path)
    assert name(*recipe, f"{node}data.files=mine.txt") == whole
    assert name(*recipe, f"{node}data.files=[m*.txt]") == whole
    (tmp_path / "mine.txt").write_text("It rains.\nIt pours.\n")
    assert name(*recipe, f"{node}data.files=[{tmp_path}/mine.txt]") != whole
    assert name(*recipe, f"{node}data.files=[none.txt]") not in ("", whole)  # refused when it is to be read


def test_a_name_stands_for_a_local_folders_table(tmp_path: Path) -> None:
    names = []
    for folder in ("one", "other", "changed"):
        table = write_rte(tmp_path / folder)
        if folder == "changed":
            (table / "rte/train-00000-of-00001.parquet").write_bytes(b"torn")
        names.append(name("data=glue", f"data.source={tmp_path / folder}", "data.task=rte"))
    assert names[0] == names[1] != names[2]
    (tmp_path / "other/nyu-mll/glue/unread.txt").write_text("")
    assert name("data=glue", f"data.source={tmp_path}/other", "data.task=rte") == names[0]
