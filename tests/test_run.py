"""The program as a user starts it: what a run prints and leaves, what it hands to the next, and how it refuses."""

import hashlib
import json
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from lightning.pytorch.loggers import WandbLogger
from safetensors.torch import load_file

from datamodules import miniature
from datamodules.glue_tasks import TASKS
from lightning_modules.bert import Bert
from sweeps.runs.commands import COMMANDS
from sweeps.runs.places import alone
from tests.commands import QUIET, ROOT, TINY, Done, command, history, launch, summary, table, the_run
from tests.hub_server import write_dataset

PRETRAIN = (*TINY, "trainer=smoke")
GLUE = (*TINY, "data=glue", "data.source=miniature", "trainer.max_epochs=1")
BEFORE = ["status", "name", "model", "data", "source", "start", "headline"]
AFTER = ["metrics", "cost", "card", "data_version", "encoder_fingerprint", "seed", "versions", "git", "config"]


def contents(folder: Path) -> dict[str, str]:
    """Every file of a folder, and a digest of what is in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# ---- pre-training ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pretraining(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """The folder of a small pre-training with the default logger, and what the process said."""
    place = tmp_path_factory.mktemp("pretraining")
    done = launch(place, *PRETRAIN)
    assert done.status == 0, done.err
    return place, done


@pytest.fixture(scope="module")
def pretrained(pretraining: tuple[Path, Done]) -> Path:
    return the_run(pretraining[0])


def test_a_run_has_one_folder_named_after_the_experiment(pretrained: Path) -> None:
    assert re.fullmatch(r"bert_miniature-miniature-s0-[0-9a-f]{8}", pretrained.name)
    there = {path.name for path in pretrained.iterdir()}
    assert there == {".hydra", "attention", "encoder", "metrics.csv", "summary.json", "wandb"}  # checkpoints are gone


def test_pretraining_leaves_an_encoder_directory(pretrained: Path) -> None:
    assert {path.name for path in (pretrained / "encoder").iterdir()} == {
        "encoder.yaml",
        "tokenizer.json",
        "weights.safetensors",
    }
    described = yaml.safe_load((pretrained / "encoder" / "encoder.yaml").read_text())
    assert re.fullmatch(r"[0-9a-f]{12}", described["fingerprint"])
    assert described["model"]["_target_"] == "lightning_modules.bert.Bert"
    assert (described["model"]["hidden_size"], described["steps"]) == (32, 4)
    tensors = load_file(pretrained / "encoder" / "weights.safetensors")
    bert = Bert.load(pretrained / "encoder")
    assert {name for name, _ in bert.named_parameters()} == set(tensors)
    assert not bert.training


def test_the_record_is_complete(pretrained: Path) -> None:
    record = summary(pretrained)
    assert list(record) == [*BEFORE, *AFTER, "attention"]
    assert (record["status"], record["name"], record["start"]) == ("finished", pretrained.name, "scratch")
    assert (record["model"], record["data"], record["source"]) == ("bert_miniature", "miniature", "miniature")
    assert record["headline"] == {"name": "val/masked_lm_loss", "value": record["metrics"]["val/masked_lm_loss"]}
    assert record["headline"]["value"] == pytest.approx(record["card"]["ln_vocabulary"], rel=0.05)  # four steps
    described = yaml.safe_load((pretrained / "encoder" / "encoder.yaml").read_text())
    assert record["encoder_fingerprint"] == described["fingerprint"]
    assert record["seed"] == record["config"]["seed"] == 0
    assert record["config"]["text"]["objective"]["nsp"] is True  # resolved, nested
    assert {"python", "torch", "lightning", "wandb"} <= set(record["versions"])
    assert re.fullmatch(r"[0-9a-f]{40}", record["git"]["commit"])
    assert isinstance(record["git"]["dirty"], bool)


def test_the_record_says_what_the_run_cost(pretrained: Path) -> None:
    cost = summary(pretrained)["cost"]
    assert cost["steps"] == 4
    assert 4 * 32 * 8 < cost["tokens"] <= 4 * 32 * 64  # 32 sequences a step, of 64 tokens at most
    assert 0 < cost["seconds"] < 120
    assert cost["tokens_per_second"] == pytest.approx(cost["tokens"] / cost["seconds"])
    assert cost["parameters"] == sum(t.numel() for t in load_file(pretrained / "encoder/weights.safetensors").values())
    dense = 2 * (4 * 32 * 32 + 2 * 32 * 64)  # forward multiplications and additions of one layer, of one token
    assert cost["flops"] > 3 * dense * cost["tokens"]
    assert 1e8 < cost["peak_memory_bytes"] < 1e10
    assert (cost["devices"], cost["device"], cost["precision"]) == (1, "cpu", "32-true")


def test_the_history_has_every_step(pretrained: Path) -> None:
    for name in ("train/masked_lm", "train/next_sentence"):
        assert [step for step, _ in history(pretrained, name)] == [0, 1, 2, 3]
    last = history(pretrained, "val/masked_lm_loss")[-1][1]
    assert last == pytest.approx(summary(pretrained)["headline"]["value"], abs=1e-6)


def test_the_weights_and_biases_run_is_offline_and_there_once(pretrained: Path) -> None:
    (folder,) = [path for path in (pretrained / "wandb").iterdir() if path.is_dir() and not path.is_symlink()]
    assert re.fullmatch(r"offline-run-\d+_\d+-\w+", folder.name)
    records = list(wandb_records(folder))
    (run,) = [record.run for record in records if record.WhichOneof("record_type") == "run"]
    assert folder.name.endswith(f"-{run.run_id}")
    name = f"{summary(pretrained)['model']}-miniature-s0"
    assert (run.project, run.job_type, run.display_name) == ("side-by-side", "pretrain", name)
    config = {item.key: json.loads(item.value_json) for record in records for item in record.config.update}
    assert {**config, "_wandb": None} == {**summary(pretrained)["config"], "_wandb": None}  # nested, resolved
    final = {tuple(item.nested_key) or (item.key,): item.value_json for r in records for item in r.summary.update}
    assert any("headline" in key for key in final)
    assert [record.exit.exit_code for record in records if record.WhichOneof("record_type") == "exit"] == [0]


def wandb_records(folder: Path) -> Iterator[Any]:
    """The records of an offline W&B run: protocol buffers in a LevelDB log, blocks of 32 KiB after 7 bytes."""
    from wandb.proto.wandb_internal_pb2 import Record  # pyright: ignore[reportAttributeAccessIssue]

    (file,) = folder.glob("*.wandb")
    content, at, whole = file.read_bytes(), 7, b""
    while at + 7 <= len(content):
        if (left := 32768 - at % 32768) < 7:  # no room for a header: the block's end is empty
            at += left
            continue
        _, length, kind = struct.unpack("<IHB", content[at : at + 7])
        whole += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # a whole record, or the last part of one
            record = Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def test_what_pretraining_prints(pretraining: tuple[Path, Done]) -> None:
    said = pretraining[1].out
    assert said.splitlines()[0] == "start: scratch, all weights random"
    assert f"record: {the_run(pretraining[0])}/summary.json" in said
    assert "unigram entropy" in said
    assert f"{summary(the_run(pretraining[0]))['headline']['value']:.4f} nats" in said
    for noise in ("Traceback", "anonymous", "LeafSpec", "WARNING"):
        assert noise not in pretraining[1].err


def test_the_same_command_again_says_finished_and_changes_nothing(pretraining: tuple[Path, Done]) -> None:
    place, _ = pretraining
    before = contents(place)
    done = command(place, *PRETRAIN)
    assert done.status == 0
    assert done.out.startswith("finished before")
    assert f"{summary(the_run(place))['headline']['value']:.4f} nats" in done.out
    assert contents(place) == before


def test_other_words_for_a_finished_run_are_kept_beside_the_first(
    pretraining: tuple[Path, Done], tmp_path: Path
) -> None:
    place = tmp_path / "copy"
    shutil.copytree(pretraining[0], place)
    assert command(place, *PRETRAIN, "seed=0").out.startswith("finished before")
    told = [json.loads(line) for line in (the_run(place) / COMMANDS).read_text().splitlines()]
    assert told == [[*PRETRAIN], [*PRETRAIN, "seed=0"]]


@pytest.mark.parametrize("override", ["trainer.devices=two", "data.eval_batch_size=0"])
def test_a_wrong_value_is_refused_also_of_a_finished_run(override: str, pretraining: tuple[Path, Done]) -> None:
    assert override in command(pretraining[0], *PRETRAIN, override).refusal


@pytest.mark.slow
def test_rerun_goes_beside_the_first(pretrained: Path, tmp_path: Path) -> None:
    first = command(tmp_path, *PRETRAIN, "logger=csv", "trainer.max_steps=1", "trainer.limit_val_batches=1")
    again = command(
        tmp_path, *PRETRAIN, "logger=csv", "trainer.max_steps=1", "trainer.limit_val_batches=1", "rerun=true"
    )
    assert (first.status, again.status) == (0, 0)
    names = sorted(path.name for path in (tmp_path / "outputs").iterdir())
    assert names[1] == f"{names[0]}-2"
    assert names[0] != pretrained.name  # other steps, another experiment
    metrics = [summary(tmp_path / "outputs" / name)["metrics"] for name in names]
    assert metrics[0] == metrics[1]


# ---- a transfer from that encoder ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tuning(pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """MNLI from the encoder, without W&B: the folder, and what was said. Of processes: test_published.py."""
    place = tmp_path_factory.mktemp("tuning")
    done = command(place, *GLUE, "data.task=mnli", f"init_from={pretrained}/encoder", "logger=csv")
    assert done.status == 0, done.err
    return place, done


@pytest.fixture(scope="module")
def tuned(tuning: tuple[Path, Done]) -> Path:
    return the_run(tuning[0])


def test_the_first_line_says_where_a_transfer_starts(tuning: tuple[Path, Done], pretrained: Path) -> None:
    first = tuning[1].out.splitlines()[0]
    mark = summary(pretrained)["encoder_fingerprint"]
    number = len(load_file(pretrained / "encoder/weights.safetensors"))
    expected = f"start: encoder {pretrained}/encoder (fingerprint {mark}), {number} of {number} tensors loaded"
    assert first == expected


def test_the_record_of_a_transfer(tuned: Path, pretrained: Path) -> None:
    record = summary(tuned)
    mark = summary(pretrained)["encoder_fingerprint"]
    assert re.fullmatch(r"bert_miniature-glue-mnli-s0-[0-9a-f]{8}", tuned.name)
    assert list(record) == [
        *BEFORE,
        "selection",
        "checkpoint",
        "collapsed",
        *AFTER[:2],
        "pretraining",
        "convergence",
        *AFTER[2:],
    ]
    assert record["start"] == f"encoder {pretrained}/encoder (fingerprint {mark})"
    assert (record["encoder_fingerprint"], record["data"]) == (mark, "miniature/mnli")
    assert record["selection"] == "selected on a tenth of train"
    assert record["headline"]["name"] == "accuracy"
    assert record["headline"]["value"] == record["metrics"]["test_validation_matched/score"]
    card = record["card"]
    assert card["train"] + card["selection"] == 4000
    assert card["validation_matched"] == card["validation_mismatched"] == 1000
    steps = record["cost"]["steps"]
    assert steps == -(-card["train"] // 32)
    final = record["metrics"]["selection/score"]  # of the only epoch
    assert record["convergence"] == {"steps_to_95_percent": steps, "final": final, "scores": [[steps, final]]}


@pytest.mark.parametrize("split", TASKS["mnli"].test_sets)
def test_every_test_example_is_answered_once(tuned: Path, split: str) -> None:
    rows, truth = table(tuned / "predictions" / f"{split}.tsv"), miniature.glue("mnli", split, seed=0)
    assert [int(row["index"]) for row in rows] == list(range(1000))
    assert [int(row["label"]) for row in rows] == [row["label"] for row in truth]
    for row in rows:
        chances = [float(row[f"p({label})"]) for label in TASKS["mnli"].labels]
        assert sum(chances) == pytest.approx(1, abs=1e-5)
        assert int(row["prediction"]) == chances.index(max(chances))
    right = sum(row["prediction"] == row["label"] for row in rows)
    metrics = summary(tuned)["metrics"]
    assert metrics[f"test_{split}/accuracy"] == pytest.approx(right / 1000, abs=1e-6)
    assert metrics[f"test_{split}/score"] == pytest.approx(100 * right / 1000, abs=1e-4)


@pytest.mark.parametrize(
    ("split", "file"),
    [
        ("validation_matched", None),
        ("test_matched", "MNLI-m.tsv"),
        ("test_mismatched", "MNLI-mm.tsv"),
    ],
)
def test_a_loaded_model_gives_the_runs_own_answers(tuned: Path, split: str, file: str | None) -> None:
    texts = [(str(row["premise"]), str(row["hypothesis"])) for row in miniature.glue("mnli", split, seed=0)]
    answers = Bert.load(tuned / "model").predict(texts)
    rows = table(tuned / "predictions" / (file or f"{split}.tsv"))
    assert [int(row["index"]) for row in rows] == list(range(len(texts)))
    labels = TASKS["mnli"].labels
    assert answers == [row["prediction"] if file else labels[int(row["prediction"])] for row in rows]


def test_predict_answers_each_line(tuned: Path, tmp_path: Path) -> None:
    rows = miniature.glue("mnli", "validation_matched", seed=0)[:20]
    (tmp_path / "mine.tsv").write_text("".join(f"{row['premise']}\t{row['hypothesis']}\n" for row in rows))
    done = command(tmp_path, f"predict={tuned}", "input=mine.tsv")
    assert (done.status, done.err) == (0, "")
    labels = TASKS["mnli"].labels
    own = table(tuned / "predictions" / "validation_matched.tsv")[:20]
    assert done.out.splitlines() == [labels[int(row["prediction"])] for row in own]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is no file"),
        ("A man runs.\tHe moves.\nA dog barks.\n", "mine.tsv, line 2: 1 text; mnli expects 2: premise, hypothesis"),
        ("A man runs.\t\n", "mine.tsv, line 1"),
        ("A\tB\tC\n", "mine.tsv, line 1: 3 texts; mnli expects 2: premise, hypothesis"),
    ],
)
def test_predict_refuses_texts_that_it_cannot_read(tuned: Path, tmp_path: Path, text: str | None, words: str) -> None:
    if text is None:
        assert "predict needs input=<file>" in command(tmp_path, f"predict={tuned}").refusal
    else:
        (tmp_path / "mine.tsv").write_text(text)
    assert words in command(tmp_path, f"predict={tuned}", "input=mine.tsv").refusal


def test_predict_refuses_a_run_without_a_task(pretrained: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.tsv").write_text("A man runs.\n")
    for folder, words in ((pretrained, "no task to answer"), (pretrained / "encoder", "no task to answer")):
        assert f"predict={folder}: a pre-training has {words}" in command(tmp_path, f"predict={folder}").refusal
    assert "there is no such folder" in command(tmp_path, "predict=nowhere", "input=mine.tsv").refusal


def test_a_regression_leaves_scores(pretrained: Path, tmp_path: Path) -> None:
    done = command(tmp_path, *GLUE, "data.task=stsb", f"init_from={pretrained}", "logger=csv")
    assert done.status == 0, done.err
    run = the_run(tmp_path)
    rows = table(run / "predictions" / "validation.tsv")
    assert [int(row["index"]) for row in rows] == list(range(1000))
    assert len({row["prediction"] for row in rows}) > 100
    assert all(row["prediction"] == row["p(score)"] for row in rows)
    texts = [(str(row["sentence1"]), str(row["sentence2"])) for row in miniature.glue("stsb", "validation", seed=0)]
    answers = Bert.load(run / "model").predict(texts)
    assert answers == pytest.approx([float(row["prediction"]) for row in rows], abs=1e-4)
    server = table(run / "predictions" / "STS-B.tsv")
    assert [int(row["index"]) for row in server] == list(range(200))
    assert all(0 <= float(row["prediction"]) <= 5 for row in server)
    record = summary(run)
    assert {"test_validation/pearson", "test_validation/spearman"} <= set(record["metrics"])
    assert (record["headline"]["name"], record["collapsed"]) == ("spearman", False)


@pytest.mark.slow
def test_zero_shot_trains_nothing_and_leaves_the_same_record(tmp_path: Path) -> None:
    asked = (*GLUE, "data.task=cola", "transfer=zero_shot", "model=gpt_miniature", "init_from=scratch", "logger=csv")
    done = command(tmp_path, *asked)
    assert done.status == 0, done.err
    record, run = summary(the_run(tmp_path)), the_run(tmp_path)
    assert list(record) == [*BEFORE, "selection", "checkpoint", "collapsed", *AFTER]
    assert (record["selection"], record["checkpoint"]) == ("threshold selected on a tenth of train", "none")
    assert (record["cost"]["steps"], record["headline"]["name"]) == (0, "matthews")
    assert (run / "predictions/validation.tsv").is_file()
    assert not (run / "model").exists()
    rows = table(run / "predictions/validation.tsv")
    right = sum(row["prediction"] == row["label"] for row in rows)
    assert record["metrics"]["test_validation/accuracy"] == pytest.approx(right / len(rows), abs=1e-6)
    assert {row["prediction"] for row in table(run / "predictions/CoLA.tsv")} <= {"0", "1"}
    refused = command(tmp_path, *asked, "data.task=rte").refusal
    assert "transfer=zero_shot has no heuristic for rte" in refused
    both_sides = command(tmp_path, *asked, "model=bert_miniature").refusal
    assert "no heuristic for cola with a model that sees both sides" in both_sides


def test_an_architecture_against_the_encoders_is_refused_with_both_values(pretrained: Path, tmp_path: Path) -> None:
    done = command(tmp_path, *GLUE, "data.task=rte", f"init_from={pretrained}", "model.hidden_size=64")
    assert "model.hidden_size=64" in done.refusal
    assert "hidden_size=32" in done.refusal
    assert not list((tmp_path / "outputs").iterdir())


# ---- refusals --------------------------------------------------------------------------------------------------------

REFUSED = {
    "no task": (["data=glue", "data.source=."], "no task of GLUE can be trained"),
    "unknown task": (["data=glue", "data.task=rte2", "data.source=miniature"], "data.task='rte2'"),
    "unreachable source": (
        ["data=glue", "data.task=rte", "data.source=nowhere", "init_from=scratch"],
        "no such folder",
    ),
    "no start": (["data=glue", "data.task=rte", "data.source=."], "init_from"),
    "no such start": (["data=glue", "data.task=rte", "data.source=miniature", "init_from=nowhere"], "does not exist"),
    "unknown choice": (["text.objective.masking=80/20"], "masking"),
    "unknown precision": (["trainer.precision=half"], "trainer.precision='half'"),
    "endless": (["trainer.max_steps=-1", "trainer.max_epochs=-1"], "would never end"),
    "a bad seed": (["seed=-1"], "seed=-1"),
    "a wrong shape": (["model.num_heads=3"], "model.num_heads=3"),
    "an unknown argument": (["+model.colour=red"], "colour"),
    "no such file": (["data=corpus", "data.files=nowhere.txt"], "nowhere.txt"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_is_one_sentence_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    overrides, words = REFUSED[name]
    assert words in command(tmp_path, *TINY, "trainer=smoke", *overrides).refusal
    assert not list((tmp_path / "outputs").iterdir())


def test_a_pre_training_that_diverges_leaves_its_history_and_no_encoder(tmp_path: Path) -> None:
    """So many draws of noise against the few words of so small a world, at such a rate, end in no numbers."""
    words = ("model=word2vec_miniature", "data=corpus", "data.source=miniature", "data.corpus=miniature", "logger=csv")
    words += ("text.objective.negatives=15", "text.objective.sample=0", "model.optimizer.lr=5")
    more = ("data.max_length=64", "data.global_batch_size=32", "trainer.max_steps=12", "trainer.max_epochs=-1", *QUIET)
    done = command(tmp_path, *words, *more, "data.validation_sequences=20")
    assert (
        "the pre-training diverged (vectors.weight is not finite): model.optimizer.lr=5 may be smaller" in done.refusal
    )
    (folder,) = (tmp_path / "outputs").iterdir()
    assert (folder / "metrics.csv").is_file()
    assert not (folder / "encoder").exists()
    assert not (folder / "summary.json").exists()


def test_an_unfinished_run_is_neither_continued_nor_erased_unasked(tmp_path: Path) -> None:
    command(tmp_path, *PRETRAIN, "trainer.precision=half", "hydra.run.dir=outputs/mine")
    checkpoints = tmp_path / "outputs" / "mine" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "last.ckpt").write_text("half-way")
    (checkpoints.parent / "metrics.csv").write_text("step,epoch,name,value\n")
    before = contents(checkpoints.parent)
    done = command(tmp_path, *PRETRAIN, "hydra.run.dir=outputs/mine")
    assert "resume=true" in done.refusal
    assert contents(checkpoints.parent).items() >= before.items()


def test_a_corpus_with_a_bad_byte_is_refused_by_file_and_line(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_bytes(b"It rains.\nIt pours.\n\nA bad \xff byte.\n")
    done = command(tmp_path, *PRETRAIN, "data=corpus", "data.files=[mine.txt]")
    assert "mine.txt, line 4" in done.refusal
    assert not list((tmp_path / "outputs").iterdir())


def rte(**columns: list[Any]) -> datasets.Dataset:
    good = {"sentence1": ["It rains.", "He left."], "sentence2": ["It is wet.", "He stayed."], "label": [0, 1]}
    return datasets.Dataset.from_dict({name: values for name, values in (good | columns).items() if values})


MALFORMED = {
    "a missing column": ({"sentence2": []}, "needs a column 'sentence2'"),
    "an unknown label": ({"label": [0, 7]}, "row 1: 7 is not possible"),
    "an empty text": ({"sentence1": ["It rains.", " "]}, "row 1"),
    "a missing text": ({"sentence2": [None, "He stayed."]}, "row 0"),
    "a missing label": ({"label": [0, None]}, "row 1"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_table_is_refused_by_file_and_row(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    columns, words = MALFORMED[name]
    splits = {"train": rte(**columns), "validation": rte(**{k: [] for k, values in columns.items() if not values})}
    write_dataset(tmp_path / "hub" / "nyu-mll/glue", {"rte": splits})
    overrides = (*TINY, "data=glue", f"data.source={tmp_path}/hub", "data.task=rte", "init_from=scratch")
    refusal = command(tmp_path, *overrides).refusal
    assert "nyu-mll/glue/rte/train-00000-of-00001.parquet" in refusal
    assert words in refusal
    assert not list((tmp_path / "outputs").iterdir())


def test_the_online_logger_is_the_offline_one_but_for_one_switch(tmp_path: Path) -> None:
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        online, offline = (compose("config", [f"logger={name}"]).logger for name in ("wandb", "offline"))
    assert {**online, "offline": True} == dict(offline)
    logger = instantiate(online, save_dir=str(tmp_path))
    assert isinstance(logger, WandbLogger)
    assert logger._experiment is None  # constructed, and never asked to connect
    assert not logger._offline


@pytest.mark.slow
def test_a_refused_process_says_one_line(tmp_path: Path) -> None:
    assert "no task of GLUE can be trained" in launch(tmp_path, *TINY, "data=glue").refusal
    (tmp_path / "mine.txt").write_bytes(b"It rains.\n\nA bad \xff byte.\n")
    assert "mine.txt, line 3" in launch(tmp_path, *PRETRAIN, "data=corpus", "data.files=[mine.txt]").refusal
    assert not list((tmp_path / "outputs").iterdir())


@pytest.mark.slow
def test_help_names_every_group() -> None:
    done = subprocess.run([sys.executable, str(ROOT / "run.py"), "--help"], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    for group in ("model", "data", "trainer", "logger", "experiment"):
        assert re.search(rf"^{group}: ", done.stdout, re.MULTILINE)


def test_one_process_at_a_time_runs_an_experiment(tmp_path: Path) -> None:
    """A second one touches nothing of the first's."""
    done = command(tmp_path, *GLUE, "data.task=rte", "trainer=smoke", "logger=csv")
    run = the_run(tmp_path)
    (run / "summary.json").unlink()
    (run / "model").rename(run / "kept")
    with alone(run):
        assert (
            "is being run by another process"
            in command(tmp_path, *GLUE, "data.task=rte", "trainer=smoke", "logger=csv").refusal
        )
    assert (run / "kept").is_dir()
    assert (run / "metrics.csv").is_file()
    assert not (run / ".running").exists()
    assert done.status == 0
