"""Feature-based transfer: what of a text reaches the task's network, what is trained, what is saved."""

from itertools import product
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from datamodules.formats import Sentences
from datamodules.task import Refused, Task
from datamodules.tokenization import Vocabulary, WordPiece, save_tokenizer
from lightning_modules.answering import load_model
from lightning_modules.bert import Bert
from lightning_modules.cost import Cost
from lightning_modules.feature_labels import OfTexts
from lightning_modules.gpt import Gpt

V = 61
OPTIMIZER = {"lr": 1e-3}
SHAPE: dict[str, Any] = {"hidden_size": 12, "num_layers": 3, "num_heads": 3, "intermediate_size": 20, "max_length": 32}
SMALL: dict[str, Any] = {"mode": "features", "rnn_size": 12, "words_size": 4, "classifier_size": 6}
NO_DROPOUT: dict[str, Any] = {**SMALL, "dropout": 0.0, "layers_dropout": 0.0}
ONE = Task("one", "classification", 2, ("a", "b"), ("accuracy",), "accuracy", ("test",), 32, ("text",))
PAIR = Task("pair", "classification", 3, ("a", "b", "c"), ("accuracy",), "accuracy", ("test",), 32, ("one", "two"))
SCORE = Task("score", "regression", 1, (), ("pearson",), "pearson", ("test",), 32, ("one", "two"))
COLUMNS = ("sentence", "beginning", "end0", "end1", "end2")
CHOICE = Task("choice", "choice", 3, ("0", "1", "2"), ("accuracy",), "accuracy", ("test",), 32, COLUMNS)
FIELDS: dict[str, list[tuple[int, ...]]] = {  # lengths of examples' texts
    "one": [(5,), (3,), (5,), (9,)],
    "pair": [(5, 7), (3, 3), (4, 1), (8, 2)],
    "score": [(5, 7), (3, 3), (4, 1), (8, 2)],
    "choice": [(5, 2, 7, 1, 3), (3, 1, 4, 2, 2), (2, 2, 2, 2, 2)],
}
MARKED = Vocabulary({"unk": 0, "cls": 1, "sep": 2}, size=V, continues=np.zeros(V, dtype=bool))
BARE = Vocabulary({"unk": 0}, size=V, continues=np.zeros(V, dtype=bool))
WORDS = ["a", "small", "vocabulary", "of", "words", "every", "text", "is", "made", "and", "no", "other"]


def bert(task: Task = PAIR, **transfer: Any) -> Bert:
    torch.manual_seed(3)
    return Bert(OPTIMIZER, OPTIMIZER, V, **SHAPE).attach(task, {**NO_DROPOUT, **transfer})


def examples(task: Task) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(0)
    return [[rng.integers(3, V, n) for n in lengths] for lengths in FIELDS[task.name]]


def batch_of(task: Task, vocabulary: Vocabulary = MARKED) -> dict:
    batch = Sentences().batch(vocabulary, examples(task), task)
    labels = torch.arange(len(batch["index"])) % task.num_labels
    return {**batch, "labels": labels.float() + 0.5 if task.kind == "regression" else labels}


def head_of(model: Any) -> OfTexts:
    assert isinstance(model.head, OfTexts)
    return model.head


def read_by_network(model: Any) -> list[Any]:
    """The inputs of its task network, from now on."""
    seen: list[Any] = []
    head_of(model).network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    return seen


# ---- what reaches the network ----------------------------------------------------------------------------------------


@torch.no_grad()
@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("task", [ONE, PAIR, SCORE, CHOICE], ids=lambda task: task.name)
def test_a_batch_gives_what_each_example_gives_alone(task: Task, attention: bool) -> None:
    model = bert(task, attention=attention, plug=["input", "output"]).eval()
    together = model.read(batch_of(task))[1]
    assert together.shape == (len(FIELDS[task.name]), task.num_labels)
    alone = [model.read(Sentences().batch(MARKED, [fields], task))[1] for fields in examples(task)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-6, rtol=1e-5)
    assert len({tuple(row) for row in together.tolist()}) == len(together)


@torch.no_grad()
def test_marks_are_read_by_the_encoder_alone() -> None:
    """What the encoder makes of them never reaches the network, whose words have none of them either."""
    model, batch = bert(), batch_of(PAIR)
    seen = read_by_network(model)
    model.read(batch)
    marks = torch.isin(batch["tokens"], torch.tensor([1, 2]))
    assert marks.sum() == 16
    layers = torch.stack(model.encode(batch, range(4)).layers).mean(0)[~marks]
    words = head_of(model).words
    assert words is not None
    torch.testing.assert_close(seen[0][0], torch.cat([words(batch["tokens"][~marks]), layers], -1))


@torch.no_grad()
def test_where_layers_are_plugged_in() -> None:
    for plug in ([], ["input"], ["output"], ["input", "output"]):
        model = bert(plug=plug)
        seen = read_by_network(model)
        model.read(batch_of(PAIR))
        (inputs,) = seen
        assert inputs[0].shape[1] == 4 + 12 * ("input" in plug)
        assert (inputs[1] is not None) == ("output" in plug)
        assert list(head_of(model).mixes) == plug


def test_the_baseline_never_runs_the_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bert, "encode", None)
    bert(plug=[]).losses(batch_of(PAIR))


# ---- what is trained -------------------------------------------------------------------------------------------------

WAYS = [
    {"layers": layers, "plug": plug, "words": words, "attention": attention, "gamma": layers != 1}
    for layers, plug, words, attention in product(
        ("last", "average", "mix", 1, "concat4"),
        ([], ["input"], ["output"], ["input", "output"]),
        ("random", "none"),
        (False, True),
    )
    if words == "random" or "input" in plug
]


@pytest.mark.parametrize("task", [ONE, PAIR, SCORE, CHOICE], ids=lambda task: task.name)
def test_a_gradient_reaches_every_trainable_parameter(task: Task) -> None:
    batch, model = batch_of(task), bert(task)
    for way in WAYS:
        model.attach(task, {**NO_DROPOUT, **way}).zero_grad()
        losses, _ = model.losses(batch)
        assert ("mix_l2" in losses) == (way["layers"] == "mix" and way["plug"] != [])
        assert {name: count for name, (_, count) in losses.items()}.items() <= batch["counts"].items()
        torch.stack([value for value, _ in losses.values()]).sum().backward()
        trained = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
        assert [name for name, grad in trained.items() if grad is None or not grad.any()] == [], way
        assert all(name.startswith("head.") for name in trained)
        assert {name for name, p in model.named_parameters() if p.grad is not None} == set(trained)


@pytest.mark.parametrize(("kind", "vocabulary"), [(Bert, MARKED), (Gpt, BARE)])
def test_a_step_changes_the_head_and_not_the_encoder(kind: Any, vocabulary: Vocabulary, tmp_path: Path) -> None:
    model = kind(OPTIMIZER, OPTIMIZER, V, **SHAPE).attach(PAIR, {**SMALL, "optimizer": {"lr": 0.1, "warmup": 0}})
    before = {name: p.clone() for name, p in model.named_parameters()}
    assert not hasattr(model, "masked_lm")
    modes, encode = [], model.encode

    def watched(batch: dict, layers: Any) -> Any:
        modes.append([model.training, model.encoder.training, torch.is_grad_enabled()])
        return encode(batch, layers)

    model.encode = watched
    trainer = L.Trainer(
        max_steps=2, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, log_every_n_steps=1, default_root_dir=tmp_path,
    )  # fmt: skip
    batches: Any = [batch_of(PAIR, vocabulary)] * 2
    trainer.fit(model, torch.utils.data.DataLoader(batches, batch_size=None))
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {name for name in before if name.startswith("head.")}
    assert modes == [[True, False, False]] * 2
    assert {f"mix/input/layer_{n}" for n in range(4)} | {"mix/input/gamma"} <= set(trainer.callback_metrics)
    assert {"train/task", "train/mix_l2"} <= set(trainer.callback_metrics)


def test_a_frozen_encoder_costs_its_forward_pass_alone(tmp_path: Path) -> None:
    """Against the flops of the encoder, and of all, counted one by one."""
    model, batch = bert(), batch_of(PAIR)
    counted = {}
    for name, run in {"all": lambda: model.losses(batch), "encoder": lambda: model.encode(batch, (0, 1, 2, 3))}.items():
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            run()
        counted[name] = counter.get_total_flops()
    cost = Cost()
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    trainer = L.Trainer(accelerator="cpu", max_steps=1, enable_model_summary=False, default_root_dir=tmp_path, **quiet)
    cost.on_train_batch_start(trainer, model, batch, 0)
    expected = counted["encoder"] + 3 * (counted["all"] - counted["encoder"])
    assert cost.flops_per_token * len(batch["tokens"]) == pytest.approx(expected)


def test_dropout_is_of_training_alone() -> None:
    model = Bert(OPTIMIZER, OPTIMIZER, V, **SHAPE).attach(PAIR, SMALL)
    first, second = (model.train().read(batch_of(PAIR))[1] for _ in range(2))
    assert not torch.equal(first, second)
    first, second = (model.eval().read(batch_of(PAIR))[1] for _ in range(2))
    assert torch.equal(first, second)


def test_the_penalty_is_a_loss_of_its_own() -> None:
    model, batch = bert(mix_l2=0.5, plug=["input", "output"]), batch_of(PAIR)
    for mix in head_of(model).each():
        assert mix.weight is not None
        torch.nn.init.constant_(mix.weight, 3.0)
    losses, _ = model.train().losses(batch)
    assert float(losses["mix_l2"][0].detach()) / losses["mix_l2"][1] == pytest.approx(0.5 * 2 * 4 * 9)
    assert set(model.eval().losses(batch)[0]) == {"task"}


# ---- what is saved, what is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize("layers", ["mix", "concat4", 1])
def test_a_model_directory_answers_as_the_model_does(layers: Any, tmp_path: Path) -> None:
    save_tokenizer(WordPiece(V).train([" ".join(WORDS)] * 9), tmp_path / "tokenizer.json")
    model = bert(layers=layers, attention=True, plug=["input", "output"]).eval()
    tokenizer = {"_target_": "datamodules.tokenization.WordPiece", "vocab_size": V, "file": str(tmp_path)}
    model.text = {"format": {"_target_": "datamodules.formats.Sentences"}, "tokenizer": tokenizer}
    rng = np.random.default_rng(2)
    asked = [tuple(" ".join(rng.choice(WORDS, rng.integers(1, 9))) for _ in range(2)) for _ in range(20)]
    with torch.no_grad():
        for parameter in head_of(model).parameters():
            parameter.add_(torch.randn_like(parameter))
    answers = model.predict(asked)
    loaded = load_model(model.save(tmp_path / "model", tmp_path / "tokenizer.json"))
    assert loaded.predict(asked) == answers
    assert len(set(answers)) > 1
    assert head_of(loaded).learned() == head_of(model).learned()
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in model.state_dict().items())


WRONG = {
    "layers": ["top", -1, 4, True, 1.5],
    "plug": [["states"], ["output", "input"], "input", ["input", "input"]],
    "words": ["glove", None],
    "gamma": ["yes"],
    "attention": [None],
    "mix_l2": [-1],
    "dropout": [1.0],
    "layers_dropout": [-0.1],
    "rnn_size": [0],
    "rnn_layers": [1.5],
    "cache": ["no"],
    "cache_gb": [0],
    "bilstm": [False],
    "auxiliary_lm": [0.5],
    "transferred_layers": [1],
}


@pytest.mark.parametrize("key", WRONG)
def test_a_wrong_setting_is_refused(key: str) -> None:
    for value in WRONG[key]:
        with pytest.raises(Refused, match=rf"transfer.*{key}.*may be "):
            bert(**{key: value})


def test_a_network_needs_something_to_read_and_a_model_tells_its_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Refused, match=r"transfer\.words=none with transfer\.plug=\['output'\]"):
        bert(words="none", plug=["output"])
    monkeypatch.delitem(SHAPE, "hidden_size")
    model = Bert(OPTIMIZER, OPTIMIZER, V, num_heads=1, num_layers=1)
    del model.hparams["hidden_size"]
    with pytest.raises(Refused, match=r"Bert does not tell its `layer_shape`"):
        model.attach(PAIR, SMALL)
