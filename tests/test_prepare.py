"""`prepare=true`: everything that a run needs is there afterwards, and the network is not needed any more."""

import json
import re
from pathlib import Path

import datasets
import pytest

from datamodules import miniature, sources
from tests.commands import TINY, command, launch, summary, the_run
from tests.hub_server import serve, write_dataset
from tests.test_published import client_of, write_bert

RTE = ("data=glue", "data.task=rte", "trainer=smoke", "logger=csv", "trainer.accelerator=cpu")


def write_rte(root: Path) -> Path:
    """A small RTE as the hub has it."""
    names = datasets.ClassLabel(names=["entailment", "not_entailment"])
    splits = {
        split: datasets.Dataset.from_list(miniature.glue("rte", split, seed=0)).cast_column("label", names)
        for split in ("train", "validation")
    }
    return write_dataset(root / sources.GLUE, {"rte": splits})


def tree(folder: Path) -> dict[str, int]:
    """Files of the cache with the time of their last change, less locks."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock")
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in files}


@pytest.mark.slow
def test_a_prepared_run_needs_no_network(tmp_path: Path) -> None:
    """Weights, text and tokens come from the caches; the hub's server is gone, and the client does not even ask."""
    pytest.importorskip("transformers", reason="transformers is a test dependency (extra: peers)")
    root, place = tmp_path / "hub", tmp_path / "place"
    place.mkdir()
    write_bert(root / "models/acme/tiny-bert")
    write_rte(root / "datasets")
    words = (*RTE, "model=bert", "init_from=hub:acme/tiny-bert", "cache_dir=cache")
    with serve(root) as server:
        ready = launch(place, *words, "prepare=true", env=client_of(server.endpoint, place))
    assert ready.status == 0, ready.err
    assert "weights: hub:acme/tiny-bert" in ready.out
    assert "prepared: glue, cache/tokens/" in ready.out
    assert not (place / "outputs").exists() or not list((place / "outputs").iterdir())
    made = tree(place / "cache")
    offline = {**client_of(server.endpoint, place), "HF_HUB_OFFLINE": "1"}
    done = launch(place, *words, env=offline)
    assert done.status == 0, done.err
    assert summary(the_run(place))["start"] == "hub:acme/tiny-bert"
    assert tree(place / "cache") == made


TRANSFER = ("data=glue", "data.source=miniature", "data.task=rte", "trainer=smoke", "logger=csv", *TINY)
RECIPE = ("pretrain=miniature", "pretrain.trainer.max_steps=3", "pretrain.trainer.max_epochs=-1")
INNER = (*RECIPE, "pretrain.data.validation_sequences=20", "pretrain.trainer.accelerator=cpu")


def test_the_text_of_a_pre_training_inside_comes_first(tmp_path: Path) -> None:
    """Its tokenizer cuts the task's text too; test_pretraining.py prepares when there is an encoder."""
    ready = command(tmp_path, *TRANSFER, *INNER, "prepare=true")
    assert ready.status == 0, ready.err
    assert "weights: to be made by pretrain=miniature" in ready.out
    assert "not_next_share" in ready.out
    assert not list((tmp_path / "outputs").iterdir())
    places = re.findall(r"^prepared: ([\w=]+), (\S+)$", ready.out, re.MULTILINE)
    assert [name for name, _ in places] == ["pretrain=miniature", "glue"]
    (text, mine), others = ([Path(place) for _, place in places], Path(places[0][1]).parent)
    assert text != mine
    assert text.parent == mine.parent == others
    assert text.is_dir()
    assert mine.is_dir()


@pytest.mark.slow
def test_a_transfer_reads_what_was_prepared_for_it(tmp_path: Path) -> None:
    """The text cut by the pre-training's tokenizer, before there is an encoder and after."""
    words, inner, small = (*TRANSFER, "cache_dir=cache"), RECIPE, INNER[len(RECIPE) :]
    ready = command(tmp_path, *words, *inner, *small, "prepare=true")
    assert ready.status == 0, ready.err
    assert "prepared: pretrain=miniature" in ready.out
    assert "weights: to be made by pretrain=miniature" in ready.out
    assert "not_next_share" in ready.out
    assert not list((tmp_path / "outputs").iterdir())
    tokens = {path.name for path in (tmp_path / "cache/tokens").iterdir()}
    assert len(tokens) == 2
    done = command(tmp_path, *words, *inner, *small)
    assert done.status == 0, done.err
    assert {path.name for path in (tmp_path / "cache/tokens").iterdir()} == tokens
    again = command(tmp_path, *words, *inner, *small, "prepare=true")
    assert "weights: encoder encoders/" in again.out
    assert {path.name for path in (tmp_path / "cache/tokens").iterdir()} == tokens
    assert json.loads((the_run(tmp_path) / "summary.json").read_text())["status"] == "finished"
