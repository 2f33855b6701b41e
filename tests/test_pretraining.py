"""Pre-training inside a transfer run: which encoder it means, made once, whoever needs it and whoever dies."""

import json
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import hydra
import pytest
import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict

from datamodules.task import fingerprint
from sweeps.planning.pretraining import command_line
from sweeps.runs.encoders import planned_facts, pretraining_of
from sweeps.runs.settings import differences, quoted, typed
from tests.commands import TINY, command, launch, start, summary, the_run
from tests.conftest import CONF, options

BUDGET = ("pretrain=miniature", "pretrain.trainer.max_steps=6", "pretrain.trainer.max_epochs=-1")
TRANSFER = ("data=glue", "data.source=miniature", "data.task=rte", "trainer=smoke", "logger=csv", *TINY)
SMALL = ("pretrain.trainer.accelerator=cpu", "pretrain.data.validation_sequences=20", *BUDGET)
RECIPES = [name for name in options("pretrain") if name != "none"]


def compose(*overrides: str) -> Any:
    """A configuration with its choices, inside an open Hydra: `command_line` composes too."""
    cfg = hydra.compose("config", list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


@pytest.fixture
def opened() -> Iterator[None]:
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        yield


# ---- which encoder ---------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize(
    "more",
    [
        (),
        ("model=bert_mini", "model.vocab_size=8000", "text.objective.masking=100/0/0", "seed=3", "pretrain.seed=5"),
        ("pretrain.data.max_length=32", "data.max_length=64", "pretrain.trainer.max_steps=7", "data.source=a folder"),
        ("pretrain.data.files=[a.txt,'b, c.txt']", "model.optimizer.betas=[0.9,0.98]", "trainer.precision=32-true"),
        ("trainer@pretrain.trainer=smoke", "model.nsp=false", "text.objective.pairs=full_sentences"),
    ],
)
def test_the_child_composes_what_stands_in_the_recipe(recipe: str, more: tuple[str, ...]) -> None:
    """Nested and as a run of its own: the same values, every reference resolved."""
    cfg = compose(f"pretrain={recipe}", "data=glue", "data.task=rte", *more)
    inner = pretraining_of(cfg)
    wanted = OmegaConf.to_container(inner, resolve=True)
    child = compose(*command_line(cfg))
    got = OmegaConf.to_container(child, resolve=True)
    assert isinstance(wanted, dict)
    assert isinstance(got, dict)
    for node in ("model", "text", "data", "trainer", "seed", "init_from"):
        assert got[node] == wanted[node], node
    recipe_says = OmegaConf.to_container(cfg.pretrain, resolve=True)
    assert isinstance(recipe_says, dict)
    assert wanted["data"] == recipe_says["data"]
    assert (wanted["seed"], wanted["data"]["seed"]) == (recipe_says["seed"], recipe_says["seed"])


def mark(*overrides: str) -> str:
    cfg = compose(*TRANSFER, *SMALL, *overrides)
    return fingerprint(planned_facts(pretraining_of(cfg)))


@cache
def plain_mark() -> str:
    return mark()


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize(
    "override",
    [
        "seed=7",
        "data.task=cola",
        "data.max_length=40",
        "model.finetuning.lr=1e-5",
        "pretrain.trainer.devices=2",
        "pretrain.data.eval_batch_size=7",
        "pretrain.trainer.log_every_n_steps=3",
        "cache_dir=elsewhere",
        "trainer.max_epochs=9",
        "logger=offline",
        "pretrain.trainer.limit_val_batches=3",
        "pretrain.trainer.val_check_interval=2",
    ],
)
def test_what_an_encoder_does_not_depend_on(override: str) -> None:
    assert mark(override) == plain_mark()


@pytest.mark.usefixtures("opened")
@pytest.mark.parametrize(
    "override",
    [
        "pretrain.seed=7",
        "pretrain.trainer.max_steps=7",
        "+pretrain.trainer.overfit_batches=2",
        "+pretrain.trainer.fast_dev_run=true",
        "pretrain.trainer.precision=bf16-mixed",
        "pretrain.data.max_length=32",
        "pretrain.data.global_batch_size=16",
        "model.dropout=0.2",
        "model.optimizer.lr=1e-2",
        "text.objective.masking=100/0/0",
        "text.tokenizer.lowercase=false",
    ],
)
def test_what_an_encoder_depends_on(override: str) -> None:
    assert mark(override) != plain_mark()


@pytest.mark.usefixtures("opened")
def test_the_text_itself_decides(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"

    def mark_of(text: str) -> str:
        file.write_text(text)
        cfg = compose(*TRANSFER, "pretrain=corpus", f"pretrain.data.files=[{file}]", "pretrain.trainer.max_steps=5")
        return fingerprint(planned_facts(pretraining_of(cfg)))

    first = mark_of("One.\n\nTwo.\n")
    assert mark_of("One.\n\nThree.\n") != first
    file = tmp_path / "elsewhere" / "a.txt"  # the same file in another place
    file.parent.mkdir()
    assert mark_of("One.\n\nTwo.\n") == first


@pytest.mark.usefixtures("opened")
def test_the_tokenizer_itself_decides(tmp_path: Path) -> None:
    def mark_of(folder: str, *pieces: str) -> str:
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "vocab.txt").write_text("\n".join(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces)))
        return mark(f"text.tokenizer.file={tmp_path / folder}")

    assert mark_of("one", "a", "b") == mark_of("two", "a", "b")
    assert mark_of("one", "a", "c") != mark_of("two", "a", "b")


def test_values_survive_the_command_line() -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    values = [
        None,
        True,
        1,
        1e-05,
        "",
        "a b",
        "it's",
        "x=y",
        "(a)",
        "80/10/10",
        "null",
        "1",
        [1, "b,c"],
        {"a": [None]},
    ]
    for value in values:
        (parsed,) = OverridesParser.create().parse_overrides([f"k={quoted(value)}"])
        assert parsed.value() == value, value


@pytest.mark.parametrize("path", ["outputs/a-b_c.1/encoder", "my runs/x", "a=b,c/it's (1)"])
def test_what_a_run_says_to_type_can_be_typed(path: str) -> None:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (word,) = shlex.split(typed("init_from", path))
    (parsed,) = OverridesParser.create().parse_overrides([word])
    assert parsed.value() == path
    assert (word == f"init_from={path}") == ("(" not in path and " " not in path)


def test_differences_name_the_key_and_both_values() -> None:
    lines = differences({"a": {"b": 1, "c": 2}, "d": None}, {"a": {"b": 1, "c": 3}})
    assert lines == ["a.c: 2 here, 3 there", "d: None here, 'nothing' there"]


# ---- made once -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the encoder of TRANSFER and SMALL has been made by a transfer run."""
    place = tmp_path_factory.mktemp("workplace")
    done = command(place, *TRANSFER, *SMALL)
    assert done.status == 0, done.err
    assert "pre-trains encoders/" in done.out
    return place


def test_a_transfer_pre_trains_first_and_says_where_it_starts(workplace: Path) -> None:
    (encoder,) = (workplace / "encoders").glob("*/encoder")
    told = yaml.safe_load((encoder / "encoder.yaml").read_text())
    record = summary(the_run(workplace))
    assert encoder.parent.name == told["fingerprint"] == record["encoder_fingerprint"]
    assert record["start"] == f"encoder encoders/{told['fingerprint']}/encoder (fingerprint {told['fingerprint']})"
    assert told["steps"] == 6
    assert summary(encoder.parent)["cost"]["steps"] == 6


def test_the_same_encoder_is_not_made_twice(workplace: Path) -> None:
    done = command(workplace, *TRANSFER, *SMALL, "seed=1")
    assert done.status == 0, done.err
    assert "pre-trains" not in done.out
    assert len(list((workplace / "encoders").glob("*/encoder"))) == 1


def test_a_pre_training_of_its_own_has_the_same_fingerprint_and_is_found(workplace: Path, tmp_path: Path) -> None:
    flat = ("data=miniature", "data.validation_sequences=20", "trainer.max_steps=6", "trainer.max_epochs=-1")
    done = command(tmp_path, *flat, *TINY, "logger=csv")
    assert done.status == 0, done.err
    (encoder,) = (workplace / "encoders").glob("*/encoder")
    assert summary(the_run(tmp_path))["encoder_fingerprint"] == encoder.parent.name
    explained = command(tmp_path, *TRANSFER, *SMALL, "explain=true").out
    assert explained.strip() == f"encoder {encoder.parent.name}: there, outputs/{the_run(tmp_path).name}/encoder"


def test_explain_says_what_differs_and_trains_nothing(workplace: Path) -> None:
    before = sorted(path.name for path in (workplace / "outputs").iterdir())
    out = command(workplace, *TRANSFER, *SMALL, "explain=true", "model.dropout=0.3", "pretrain.seed=4").out
    assert "model.dropout: 0.3 here, 0.0 there" in out
    assert "seed: 4 here, 0 there" in out
    assert out.count(" here, ") == 2
    assert sorted(path.name for path in (workplace / "outputs").iterdir()) == before


def test_explain_of_a_run_without_pre_training_is_refused(tmp_path: Path) -> None:
    assert "explain=true" in command(tmp_path, *TRANSFER, "explain=true").refusal


def test_two_starts_are_refused(tmp_path: Path) -> None:
    refusal = command(tmp_path, *TRANSFER, *SMALL, "init_from=published").refusal
    assert "init_from=published and pretrain=miniature" in refusal


def test_a_pre_training_that_is_there_is_not_prepared(workplace: Path) -> None:
    (encoder,) = (workplace / "encoders").glob("*/encoder")
    done = command(workplace, *TRANSFER, *SMALL, "prepare=true")
    assert done.status == 0, done.err
    assert f"weights: encoder encoders/{encoder.parent.name}/encoder" in done.out
    assert "prepared: pretrain=" not in done.out
    assert "prepared: glue, " in done.out


def test_the_child_finds_private_configurations_and_its_last_words_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the place of the program a script that leaves its command line and fails."""
    (tmp_path / "mine/model").mkdir(parents=True)
    lines = ("# @package _global_", "defaults: [bert_miniature, _self_]", "model: {num_layers: 3}")
    (tmp_path / "mine/model/mine.yaml").write_text("\n".join(lines) + "\n")
    program = tmp_path / "program.py"
    program.write_text(
        "import pathlib, sys\n"
        f"pathlib.Path({str(tmp_path / 'said')!r}).write_text('\\n'.join(sys.argv[1:]))\n"
        "sys.exit('error: woe')\n"
    )
    monkeypatch.setattr("sweeps.jobs.pool.PROGRAM", program)
    place, search = tmp_path / "place", f"hydra.searchpath=[file://{tmp_path}/mine]"
    place.mkdir()
    done = command(place, search, *TRANSFER, *SMALL, "model=mine")
    assert done.status == 2
    assert "error: woe" in done.err
    assert "pretrain=miniature failed" in done.err
    assert not list((place / "encoders").glob("*.lease"))
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        child = compose(*(tmp_path / "said").read_text().splitlines())
    assert (child.model.num_layers, child.trainer.max_steps) == (1, 6)  # TINY has the last word
    assert HydraConfig.get().runtime.choices["model"] == "mine"


@pytest.mark.parametrize("word", ["pretrain.data.max_length=500", "transfer.layers=lst", "trainer.max_epochs=foo"])
def test_nothing_is_pre_trained_for_what_would_be_refused(word: str, tmp_path: Path) -> None:
    refusal = command(tmp_path, *TRANSFER, *SMALL, "transfer=features", word).refusal
    assert word.partition("=")[0] in refusal
    assert not list((tmp_path / "encoders").glob("*/*"))


# ---- many at once ----------------------------------------------------------------------------------------------------


def until(condition: Any, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "in vain"
        time.sleep(0.02)


def children_of(process: subprocess.Popen[str]) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def said_until(process: subprocess.Popen[str], words: str) -> str:
    """What a process has printed up to the line with these words."""
    assert process.stdout is not None
    said = ""
    while words not in said:
        line = process.stdout.readline()
        assert line, (said, process.stderr and process.stderr.read())
        said += line
    return said


@pytest.mark.slow
def test_many_jobs_make_one_encoder_and_the_first_may_be_killed(tmp_path: Path) -> None:
    """Ten runs need it at once. The one that makes it is killed with all of its processes; another goes on."""
    env = {"SIDE_BY_SIDE_LEASE_SECONDS": "3"}
    budget = ("pretrain.trainer.max_steps=1400", "pretrain.data.global_batch_size=2", "pretrain.data.max_length=16")
    words = (*TRANSFER, *SMALL, *budget)
    first = start(tmp_path, *words, "seed=0", env=env)
    until(lambda: list(tmp_path.glob("encoders/*/checkpoints/last.ckpt")))  # written at step 500
    (child,) = children_of(first)
    os.kill(child, signal.SIGSTOP)  # so that it does not end before the others have come
    others = [start(tmp_path, *words, f"seed={seed}", env=env) for seed in range(1, 10)]
    (lease,) = tmp_path.glob("encoders/*.lease")
    assert json.loads(lease.read_text())["pid"] == first.pid
    waits = f"which is being pre-trained by {json.loads(lease.read_text())['host']}, process {first.pid}"
    heard = [said_until(process, waits) for process in others]
    for pid in (first.pid, child):
        os.kill(pid, signal.SIGKILL)
    first.communicate()
    ended = [process.communicate(timeout=400) for process in others]
    assert [process.returncode for process in others] == [0] * 9, ended
    said = [before + after for before, (after, _) in zip(heard, ended, strict=True)]
    assert sum("pre-trains encoders/" in out for out in said) == 1
    (record,) = tmp_path.glob("encoders/*/summary.json")
    assert json.loads(record.read_text())["cost"]["steps"] == 1400
    assert "continues from" in next(record.parent.glob("logs/*.log")).read_text()
    runs = list((tmp_path / "outputs").glob("*/summary.json"))
    assert len(runs) == 9
    assert {summary(run.parent)["encoder_fingerprint"] for run in runs} == {record.parent.name}


@pytest.mark.slow
def test_work_goes_on_when_only_its_holder_is_killed(tmp_path: Path) -> None:
    env = {"SIDE_BY_SIDE_LEASE_SECONDS": "3"}
    budget = ("pretrain.trainer.max_steps=1400", "pretrain.data.global_batch_size=2", "pretrain.data.max_length=16")
    first = start(tmp_path, *TRANSFER, *SMALL, *budget, env=env)
    until(lambda: list(tmp_path.glob("encoders/*/metrics.csv")))
    (child,) = children_of(first)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    second = start(tmp_path, *TRANSFER, *SMALL, *budget, "seed=1", env=env)
    while not (beats := os.path.exists(f"/proc/{child}")) or second.poll() is None:
        if not beats:
            break
        time.sleep(0.1)
    out, err = second.communicate(timeout=300)
    assert second.returncode == 0, err
    assert "pre-trains" not in out
    (record,) = tmp_path.glob("encoders/*/summary.json")
    assert "continues from" not in next(record.parent.glob("logs/*.log")).read_text()  # by the first child, in one go


@pytest.mark.slow
def test_under_torchrun_the_first_process_pre_trains_and_all_use_it(tmp_path: Path) -> None:
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    done = launch(tmp_path, *TRANSFER, *SMALL, "trainer.devices=2", program=torchrun)
    assert done.status == 0, done.err
    assert done.out.count("pre-trains encoders/") == 1
    (encoder,) = (tmp_path / "encoders").glob("*/encoder")
    record = summary(the_run(tmp_path))
    assert record["encoder_fingerprint"] == encoder.parent.name
    assert record["cost"]["devices"] == 2
    assert summary(encoder.parent)["cost"]["devices"] == 1
