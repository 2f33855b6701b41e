"""The frozen encoder is run once: whoever needs the same layers reads them, and what they give is the same."""

import json
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate

import run
from datamodules.formats import Sentences
from datamodules.layer_cache import LayerCache, text_sizes
from datamodules.squad_windows import SpanExamples
from datamodules.task import Refused, fingerprint
from lightning_modules.bert import Bert
from lightning_modules.start import adopt, find_start
from sweeps.runs import layers as layers_module
from sweeps.runs import record
from sweeps.runs.layers import layer_facts
from sweeps.runs.places import Run, experiment, plain
from tests.conftest import CPU, compose
from tests.test_features import CHOICE, MARKED, PAIR, examples

TASK = ("data=glue", "data.source=miniature", "data.task=rte", "data.eval_batch_size=50", "data.submission=false")
SIZES = ("transfer.rnn_size=8", "transfer.words_size=4", "transfer.classifier_size=8", "transfer.optimizer.lr=1e-2")
STEPS = ("trainer=smoke", "trainer.max_steps=8", "trainer.limit_train_batches=null", "data.train_examples=64")
RUN = ("model=bert_miniature", *TASK, *SIZES, *STEPS, "transfer=features", *CPU)
WIDTH, LAYERS = 128, 3
Execute = Callable[..., tuple[dict, str]]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory: pytest.TempPathFactory, cache: str) -> list[Path]:
    """Two directories of encoders that have learnt nothing."""
    cfg = compose("model=bert_miniature", *TASK, cache)
    data = instantiate(cfg.data, _convert_="all")
    data.prepare_data()
    made = []
    for seed in range(2):
        torch.manual_seed(seed)
        model = instantiate(cfg.model, _convert_="all")
        model.text = {"tokenizer": {"vocab_size": 4000}}
        place = tmp_path_factory.mktemp("encoder") / "encoder"
        made.append(model.save(place, data.tokenizer_file, fingerprint="the same recipe"))
    return made


@pytest.fixture
def execute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Execute:
    """Run an experiment to its record, as run.py does: summary.json, and what is said. Its cache is the test's own."""
    monkeypatch.setattr(record, "git_state", lambda folder: {})

    def execute(encoder: Path, *overrides: str) -> tuple[dict, str]:
        cfg = compose(*RUN, f"init_from={encoder}", f"cache_dir={tmp_path / 'cache'}", *overrides)
        opened = Run.open(Path(tempfile.mkdtemp(dir=tmp_path)), cfg)
        run.execute(cfg, opened)
        return json.loads((opened.directory / "summary.json").read_text()), capsys.readouterr().out

    return execute


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Tokens that the encoder has read, marks included, a number for each batch."""
    seen: list[int] = []
    encode = Bert.encode

    def counted(model: Bert, batch: dict, layers: Any = (-1,)) -> Any:
        seen.append(len(batch["tokens"]))
        return encode(model, batch, layers)

    monkeypatch.setattr(Bert, "encode", counted)
    return seen


# ---- whole runs ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_second_run_computes_nothing_and_the_scores_are_the_same(
    execute: Execute, encoders: list[Path], computed: list[int]
) -> None:
    first, said = execute(encoders[0])
    assert "are computed now and kept in" in said
    figures = first["layers"]
    assert figures["computed_tokens"] == figures["tokens"] < sum(computed) < 2 * figures["tokens"]
    weights = first["mix"]["input"]["weights"]
    assert len(weights) == LAYERS
    assert sum(weights) == pytest.approx(1)
    computed.clear()
    second, said = execute(encoders[0])
    assert computed == []
    assert f"{figures['tokens']:,} tokens x {LAYERS} layers x {WIDTH} read from" in said
    assert second["layers"] == {"tokens": figures["tokens"], "computed_tokens": 0, "seconds": 0.0}
    assert second["metrics"] == first["metrics"]
    anew, said = execute(encoders[0], "transfer.cache=false")
    assert len(computed) > 8
    assert "layers: computed anew in each epoch" in said
    assert "layers" not in anew
    for name, value in anew["metrics"].items():
        assert value == pytest.approx(first["metrics"][name], rel=1e-2, abs=2e-2), name


@pytest.mark.slow
def test_only_what_is_missing_is_computed(execute: Execute, encoders: list[Path], computed: list[int]) -> None:
    """Rows, and layers."""
    top, _ = execute(encoders[0], "transfer.layers=last")
    everything, _ = execute(encoders[0], "transfer.plug=[output]")
    assert top["layers"] == {**everything["layers"], "seconds": top["layers"]["seconds"]}
    computed.clear()
    more, _ = execute(encoders[0], "data.train_examples=80")
    grown = more["layers"]["tokens"] - everything["layers"]["tokens"]
    assert more["layers"]["computed_tokens"] == grown
    assert grown < sum(computed) < 2 * grown
    computed.clear()
    execute(encoders[0], "transfer.plug=[]")
    assert computed == []
    other, _ = execute(encoders[1])
    assert other["layers"]["computed_tokens"] == other["layers"]["tokens"]


def test_what_is_kept_depends_on_all_that_decides_it(encoders: list[Path], cache: str) -> None:
    """And on nothing else: two runs of one encoder on one text have one folder."""

    def folder(encoder: Path, *overrides: str, precision: str = "32-true") -> str:
        cfg = compose(*RUN, f"init_from={encoder}", cache, *overrides)
        start = find_start(cfg)
        adopt(cfg, start, ())
        data, model = instantiate(cfg.data, _convert_="all"), instantiate(cfg.model, _convert_="all")
        model.text = {"format": plain(cfg.transfer.format)}
        return fingerprint(layer_facts(start, precision, model, data))

    first, second = encoders
    one = folder(first)
    same = ("seed=1", "transfer.layers=last", "model.dropout=0.1", "data.train_examples=9", "transfer.rnn_size=5")
    assert one == folder(first, *same)
    others = [folder(second), folder(first, "data.max_length=16"), folder(first, precision="bf16-mixed")]
    others += [
        folder(first, "data.task=mrpc"),
        folder(first, "transfer.format._target_=datamodules.formats.SequencePair"),
    ]
    assert len({one, *others}) == 1 + len(others)


def test_too_much_is_refused(execute: Execute, encoders: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = r"cache_gb=1e-05: this run's layers take 0\.\d+ GB; it may be more, or transfer\.cache=false"
    with pytest.raises(Refused, match=sizes):
        execute(encoders[0], "transfer.cache_gb=1e-5")
    full = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(layers_module.shutil, "disk_usage", lambda folder: full)
    with pytest.raises(Refused, match=r"cache_dir: 0\.\d+ GB .* where 1e-06 GB are free.* transfer\.cache=false"):
        execute(encoders[0])


def test_its_size_is_no_part_of_an_experiment_and_scratch_has_nothing_to_keep(execute: Execute, tmp_path: Path) -> None:
    ways = ((), ("transfer.cache_gb=1",), ("transfer.cache=false",))
    one, other, without = (experiment(compose(*RUN, *more)) for more in ways)
    assert one == other != without
    summary, said = execute(Path("scratch"))
    assert "layers: computed anew in each epoch" in said
    assert "layers" not in summary
    assert not (tmp_path / "cache/layers").exists()


@torch.no_grad()
def test_windows_bring_the_layers_of_their_stretch_along(cache: str, tmp_path: Path) -> None:
    """A context that is read in several windows has layers in each; they give what computed ones do."""
    told = ("data=squad", "data.source=miniature", "data.max_length=96", "data.stride=40")
    ways = ("transfer=features", "transfer.rnn_size=8", "transfer.words_size=4", "transfer.plug=[input,output]")
    cfg = compose("model=bert_miniature", *told, *ways, *CPU, cache)
    data = instantiate(cfg.data, _convert_="all")
    data.prepare_data()
    model = instantiate(cfg.model, _convert_="all").attach(data.task, plain(cfg.transfer)).eval()
    split = data.prepared("validation")
    some = SpanExamples(split, np.arange(7, 25))
    assert len(set(split.asked[some.rows])) < len(some)
    asked = np.array([11, 0, 4, 5])
    computed = model.read(some.batch(asked, 0))[1]
    some.keep(LayerCache(tmp_path, model.head.layers, *model.layer_shape), "validation")
    layers_module.fill(model, [some], torch.device("cpu"), nullcontext, 5)
    batch = some.batch(asked, 0)
    assert batch["layers"].shape == (LAYERS, len(batch["text"]), WIDTH)
    torch.testing.assert_close(model.read(batch)[1], computed, atol=2e-3, rtol=2e-3)
    assert some.kept is not None
    assert len(some.kept.missing(some.rows)) == 0


# ---- the files -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", [PAIR, CHOICE], ids=lambda task: task.name)
def test_any_batch_reads_what_each_row_was_given(task: Any, tmp_path: Path) -> None:
    """Rows are written in one order and read in another; every token has its own layers."""
    rows = examples(task)
    cache = LayerCache(tmp_path, (0, 2), 3, 2)

    def batch_of(numbers: list[int]) -> dict:
        batch = Sentences().batch(MARKED, [rows[number] for number in numbers], task)
        return {**batch, "index": torch.tensor(numbers)}

    def layers(batch: dict) -> list[np.ndarray]:
        """Of each token its id and its place in the text, which nothing else has."""
        at = batch["text"]
        values = torch.stack([batch["tokens"][at], batch["positions"][at]], -1).numpy()
        return [values, 100 + values]

    every = np.arange(len(rows))
    kept = cache.open("train", lambda: text_sizes(batch_of(every.tolist())))
    assert kept.sizes(every).sum() == len(batch_of(every.tolist())["text"])
    assert kept.missing(every).tolist() == every.tolist()
    kept.write((batch, layers(batch)) for batch in (batch_of([2]), batch_of([1, 0])))
    assert kept.missing(every).tolist() == every[3:].tolist()
    for numbers in ([0, 1, 2], [2, 0], [1]):
        batch = batch_of(numbers)
        found = cache.open("train", lambda: np.zeros(0)).read(batch)
        assert found.dtype == torch.float16
        np.testing.assert_array_equal(found.numpy(), np.stack(layers(batch)))
    more = replace(cache, layers=(0, 1, 2)).open("train", lambda: np.zeros(0))
    assert more.missing(every).tolist() == every.tolist()
    assert cache.bytes(10) == 10 * 2 * 2 * 2
