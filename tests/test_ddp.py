"""Two real processes (gloo) against one: the same losses, the same weights, the same evaluation, one record.

Batches do not divide: 33 sequences over two processes, and in them unequal numbers of masked tokens. Without dropout
nothing is drawn that could differ.
"""

import csv
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.commands import NO_DROPOUT, TINY, Done, command, history, launch, summary, table, the_run
from tests.conftest import compose, options

SHARED = (*TINY, *NO_DROPOUT, "trainer.log_every_n_steps=1", "data.eval_batch_size=8")
PRETRAIN = (
    *SHARED,
    "data.global_batch_size=33",
    "data.validation_sequences=51",
    "trainer.max_epochs=-1",
    "trainer.max_steps=6",
    "trainer.val_check_interval=4",
    "trainer.check_val_every_n_epoch=null",
)
# A training set of some 900 examples in batches of 101 at most: steps of 100 or so, of which one process has more.
TUNE = (
    *SHARED,
    "data=glue",
    "data.source=miniature",
    "data.task=rte",
    "data.global_batch_size=101",
    "trainer.max_epochs=2",
)
CURVES = ("train/masked_lm", "train/next_sentence")


def run_alone(place: Path, *overrides: str) -> Path:
    done = command(place, *overrides, "trainer.devices=1", "logger=csv")
    assert done.status == 0, done.err
    return the_run(place)


def curve(run: Path, name: str) -> list[float]:
    values = history(run, name)
    assert [step for step, _ in values] == list(range(len(values)))
    return [value for _, value in values]


def assert_close_weights(one: Path, other: Path) -> None:
    first, second = load_file(one / "weights.safetensors"), load_file(other / "weights.safetensors")
    assert first.keys() == second.keys()
    for name, tensor in first.items():
        torch.testing.assert_close(
            second[name], tensor, rtol=0, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_alone(tmp_path_factory.mktemp("one"), *PRETRAIN)


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    place = tmp_path_factory.mktemp("two")
    done = launch(place, *PRETRAIN, "trainer.devices=2")
    assert done.status == 0, done.err
    return the_run(place), done


def test_two_processes_make_one_run(two: tuple[Path, Done], one: Path) -> None:
    run, done = two
    assert run.name == one.name  # devices are no part of the experiment
    assert [path for path in run.parent.parent.iterdir() if path.name != "outputs"] == []
    there = {path.name for path in run.iterdir()}
    assert there == {".hydra", "attention", "encoder", "metrics.csv", "summary.json", "wandb"}
    assert len(list((run / "wandb").glob("offline-run-*"))) == 1
    assert done.out.count("all weights random") == done.out.count("record: ") == 1
    assert "sync_dist" not in done.err


def test_two_processes_take_the_same_steps_as_one(two: tuple[Path, Done], one: Path) -> None:
    for name in CURVES:
        assert len(curve(one, name)) == 6
        assert curve(two[0], name) == pytest.approx(curve(one, name), rel=1e-4)
    assert_close_weights(one / "encoder", two[0] / "encoder")


def test_micro_batches_take_the_same_steps(one: Path, tmp_path: Path) -> None:
    micro = run_alone(tmp_path, *PRETRAIN, "trainer.accumulate_grad_batches=2")
    for name in CURVES:
        assert curve(micro, name) == pytest.approx(curve(one, name), rel=1e-4)
    assert_close_weights(one / "encoder", micro / "encoder")


def test_two_processes_evaluate_and_count_what_one_does(two: tuple[Path, Done], one: Path) -> None:
    records = [summary(one), summary(two[0])]
    evaluated = [{k: v for k, v in record["metrics"].items() if k.startswith("val/")} for record in records]
    assert len(evaluated[0]) == 5
    assert evaluated[1] == pytest.approx(evaluated[0], abs=1e-4)
    costs = [record["cost"] for record in records]
    assert [cost["devices"] for cost in costs] == [1, 2]
    for name in ("steps", "tokens", "parameters"):
        assert costs[1][name] == costs[0][name]
    assert records[1]["encoder_fingerprint"] == records[0]["encoder_fingerprint"]
    assert records[1]["card"] == records[0]["card"]


# ---- a task ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_task_is_trained_and_evaluated_as_by_one_process(tmp_path: Path) -> None:
    places = [tmp_path / name for name in ("one", "two", "micro")]
    for place in places:
        place.mkdir()
    one = run_alone(places[0], *TUNE)
    micro = run_alone(places[2], *TUNE, "trainer.accumulate_grad_batches=3")
    done = launch(places[1], *TUNE, "trainer.devices=2", "logger=csv")
    assert done.status == 0, done.err
    two = the_run(places[1])
    card = summary(one)["card"]
    steps = -(-card["train"] // 101)
    assert card["train"] % steps  # the training set does not divide into equal steps
    assert (card["train"] // steps) % 2 or (card["train"] // steps + 1) % 2  # nor do steps into equal shares
    for other in (two, micro):
        assert len(curve(one, "train/task")) == 2 * steps
        assert curve(other, "train/task") == pytest.approx(curve(one, "train/task"), rel=1e-4)
        assert_close_weights(one / "model", other / "model")
    assert summary(two)["cost"]["tokens"] == summary(one)["cost"]["tokens"]
    assert_same_evaluation(one, two)


BY_THEMSELVES = ("word2vec_miniature",)  # whose processes train on texts of their own for a while, and not on each step
OTHERS = [name for name in options("model") if name.endswith("_miniature") and name != "bert_miniature"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "kind"),
    [(m, k) for m in OTHERS for k in ("pretraining", "task") if k == "task" or m not in BY_THEMSELVES],
)
def test_another_model_takes_the_same_steps_too(model: str, kind: str, tmp_path: Path) -> None:
    """Its own objective; and a task of pairs, in whatever layout, with all the losses that it has there."""
    task = (*TUNE, "data.task=mrpc", "data.train_examples=300", "trainer.max_epochs=1", "data.submission=false")
    has = {f"model.{key}" for key in compose(f"model={model}").model}
    shared = [
        one
        for one in (PRETRAIN if kind == "pretraining" else task)
        if one[:6] != "model." or one.partition("=")[0] in has
    ]
    told = (f"model={model}", "transfer=finetune", *shared)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one = run_alone(tmp_path / "one", *told)
    done = launch(tmp_path / "two", *told, "trainer.devices=2", "logger=csv")
    assert done.status == 0, done.err
    two = the_run(tmp_path / "two")
    names = sorted({row["name"] for row in csv.DictReader((one / "metrics.csv").open()) if row["name"][:6] == "train/"})
    assert names
    for name in names:
        assert curve(two, name) == pytest.approx(curve(one, name), rel=1e-4)
    folder = "encoder" if kind == "pretraining" else "model"
    assert_close_weights(one / folder, two / folder)
    found = [summary(run)["metrics"] for run in (one, two)]
    assert found[1] == pytest.approx(found[0], rel=1e-4)


FREE = ("model=word2vec_miniature", "trainer.max_epochs=2", "data.global_batch_size=32", "data.max_length=100")


KINDS = (  # of word2vec, and how far two processes' loss may be from one's
    ((), 0.01),  # the mean of what both have learnt: 0.053
    (("model.loss=hierarchical_softmax",), 0.003),  # 0.017
    (("model.architecture=cbow", "model.optimizer.lr=0.05"), 0.04),  # 0.18
)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "far"), KINDS)
def test_two_processes_learn_vectors_as_good_as_one_does(kind: tuple[str, ...], far: float, tmp_path: Path) -> None:
    """Each on its own half of the text, made one again now and then: as good after two passes."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one = run_alone(tmp_path / "one", *FREE, *kind)
    done = launch(tmp_path / "two", *FREE, *kind, "trainer.devices=2", "logger=csv")
    assert done.status == 0, done.err
    records = [summary(one), summary(the_run(tmp_path / "two"))]
    name = "val/cbow_loss" if "model.architecture=cbow" in kind else "val/skip_gram_loss"
    losses = [record["metrics"][name] for record in records]
    assert losses[1] == pytest.approx(losses[0], rel=far)
    assert records[1]["cost"]["tokens"] == records[0]["cost"]["tokens"]
    judged = [record["metrics"]["test_words/similarity/mean"] for record in records]
    assert judged[1] > judged[0] - 0.1, judged


def assert_same_evaluation(one: Path, two: Path) -> None:
    """Every example once, and the metrics of one process to 1e-6."""
    for name, number in (("validation.tsv", 1000), ("RTE.tsv", 200)):
        alone, shared = (table(run / "predictions" / name) for run in (one, two))
        assert [int(row["index"]) for row in shared] == list(range(number))
        assert [row["prediction"] for row in shared] == [row["prediction"] for row in alone]
    for name, value in summary(one)["metrics"].items():
        if name.split("/")[0] in ("val", "test_validation", "selection"):
            exact = not name.endswith("_loss")  # losses are sums of rounded numbers
            expected = pytest.approx(value, abs=1e-6) if exact else pytest.approx(value, rel=1e-4)
            assert summary(two)["metrics"][name] == expected, name


# ---- what differs and must differ, and what is refused ---------------------------------------------------------------


@pytest.mark.slow
def test_the_papers_normalization_is_another_one(one: Path, tmp_path: Path) -> None:
    """Ranks have unequal numbers of masked tokens, so the mean of their means is not the mean."""
    done = launch(tmp_path, *PRETRAIN, "trainer.devices=2", "logger=csv", "model.loss_normalization=per_replica")
    assert done.status == 0, done.err
    run = the_run(tmp_path)
    assert run.name != one.name
    first = load_file(one / "encoder/weights.safetensors")
    other = load_file(run / "encoder/weights.safetensors")
    difference = max(float((other[name] - tensor).abs().max()) for name, tensor in first.items())
    assert 1e-4 < difference < 1e-1
    assert curve(run, CURVES[0])[0] == pytest.approx(curve(one, CURVES[0])[0], rel=1e-4)  # what is shown is the mean
    assert curve(run, CURVES[0]) == pytest.approx(curve(one, CURVES[0]), rel=1e-2)


@pytest.mark.slow
def test_torchrun_makes_the_same_run(one: Path, tmp_path: Path) -> None:
    program = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    done = launch(tmp_path, *PRETRAIN, "trainer.devices=2", program=program)
    assert done.status == 0, done.err
    run = the_run(tmp_path)  # the only one
    assert run.name == one.name
    assert len(list((run / "wandb").glob("offline-run-*"))) == 1
    assert done.out.count("record: ") == 1
    assert summary(run)["cost"]["devices"] == 2
    for name in CURVES:
        assert curve(run, name) == pytest.approx(curve(one, name), rel=1e-4)
    assert_close_weights(one / "encoder", run / "encoder")
    again = launch(tmp_path, *PRETRAIN, "trainer.devices=2", program=program)
    assert again.status == 0, again.err
    assert "finished before" in again.out


@pytest.mark.slow
def test_ranks_with_different_configurations_do_not_train(tmp_path: Path) -> None:
    """Each rank reads its own seed from its own environment."""
    seed = "seed='${oc.decode:${oc.env:LOCAL_RANK,0}}'"
    done = launch(tmp_path, *PRETRAIN, seed, "trainer.devices=2", "logger=csv", "hydra.run.dir=outputs/mine")
    assert done.status != 0
    assert "ranks run different configurations" in done.err
    assert not (tmp_path / "outputs/mine/summary.json").exists()
    assert not (tmp_path / "outputs/mine/metrics.csv").exists()


@pytest.mark.slow
def test_a_refusal_by_two_processes_is_still_one_sentence(tmp_path: Path) -> None:
    done = launch(tmp_path, *PRETRAIN, "data.global_batch_size=1", "trainer.devices=2", "logger=csv")
    assert done.status == 2
    lines = [line for line in done.err.splitlines() if line and not line.startswith("Initializing distributed")]
    assert len(lines) == 1, done.err
    assert lines[0].startswith("error: data.global_batch_size=1")
    assert not list((tmp_path / "outputs").iterdir())
