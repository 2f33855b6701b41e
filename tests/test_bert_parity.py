"""Our BERT against transformers' own class: random weights exchanged both ways give the same numbers to 1e-5."""

import json
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from datamodules import formats
from datamodules.task import Refused, Task
from lightning_modules.bert import Bert
from lightning_modules.interop import transformers as interop
from lightning_modules.start import resolve

transformers = pytest.importorskip("transformers", reason="transformers is a test dependency (extra: peers)")

OPTIMIZER = {"lr": 1e-3}
SIZES: dict[str, Any] = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_layers": 3,
    "num_heads": 4,
    "intermediate_size": 48,
    "max_length": 40,
}
LENGTHS = (17, 5, 17, 30, 9)  # two of equal length, so that a run of two is tried


def config(**changes: object) -> Any:
    theirs = {interop.SIZES[name]: value for name, value in SIZES.items()}
    return transformers.BertConfig(**{**theirs, "hidden_act": "gelu_new", **changes})


def padded_and_ragged() -> tuple[dict, dict]:
    """The same sequences, as transformers takes them (padded, in the given order) and as we do (ragged, by length)."""
    rng = np.random.default_rng(0)
    sequences = [
        formats.Sequence(rng.integers(5, 99, n), (np.arange(n) > n // 2).astype(int), example=i)
        for i, n in enumerate(LENGTHS)
    ]
    ragged = formats.ragged(sequences, len(sequences))
    shape = (len(LENGTHS), max(LENGTHS))
    padded = {name: torch.zeros(shape, dtype=torch.long) for name in ("input_ids", "token_type_ids", "attention_mask")}
    padded["labels"] = torch.full(shape, -100)
    positions, labels = [], []
    for place in ragged.order:
        sequence, n = sequences[place], LENGTHS[place]
        padded["input_ids"][place, :n] = torch.from_numpy(sequence.tokens)
        padded["token_type_ids"][place, :n] = torch.from_numpy(sequence.segments)
        padded["attention_mask"][place, :n] = 1
        for at in (1, n - 2):
            padded["labels"][place, at] = int(rng.integers(5, 99))
            positions.append(ragged.starts[place] + at)
            labels.append(int(padded["labels"][place, at]))
    padded["next_sentence_label"] = torch.tensor([0, 1, 1, 0, 1])
    batch = ragged.batch
    batch["masked_positions"], batch["masked_labels"] = torch.tensor(positions), torch.tensor(labels)
    batch["next_sentence"] = padded["next_sentence_label"][ragged.order]
    return padded, batch


def randomise(module: torch.nn.Module) -> None:
    """Biases and layer norms too: a swapped or forgotten one must show."""
    torch.manual_seed(1)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.2)


def flat(hidden: torch.Tensor, order: list[int] | torch.Tensor) -> torch.Tensor:
    """(B, L, D) padded -> (N, D) in our order."""
    return torch.cat([hidden[i, : LENGTHS[i]] for i in order])


@pytest.mark.parametrize(("gelu", "hidden_act"), [("tanh", "gelu_new"), ("erf", "gelu")])
@torch.no_grad()
def test_their_weights_give_their_numbers_here(gelu: str, hidden_act: str) -> None:
    theirs = transformers.BertForPreTraining(config(hidden_act=hidden_act)).eval()
    randomise(theirs)
    ours = Bert(OPTIMIZER, OPTIMIZER, **SIZES, gelu=gelu).eval()
    ours.load_state_dict(interop.to_ours(theirs.state_dict(), SIZES["num_layers"]))  # strict: every tensor is there
    padded, batch = padded_and_ragged()
    expected = theirs(**padded, output_hidden_states=True)
    order = batch["example"]

    layers = ours.encode(batch, layers=range(4)).layers
    assert len(layers) == len(expected.hidden_states) == 4
    for mine, his in zip(layers, expected.hidden_states, strict=True):
        torch.testing.assert_close(mine, flat(his, order), atol=1e-5, rtol=1e-5)
    logits = ours.masked_lm(layers[-1], ours.encoder.embeddings.token.weight)
    torch.testing.assert_close(logits, flat(expected.prediction_logits, order), atol=1e-5, rtol=1e-5)
    answer = ours.next_sentence(ours.pooler(layers[-1][batch["summary"]]))
    torch.testing.assert_close(answer, expected.seq_relationship_logits[order], atol=1e-5, rtol=1e-5)
    losses = {name: float(value / count) for name, (value, count) in ours.pretraining_losses(batch).items()}
    assert losses["masked_lm"] + losses["next_sentence"] == pytest.approx(float(expected.loss), abs=1e-5)


@torch.no_grad()
def test_our_weights_give_our_numbers_there() -> None:
    ours = Bert(OPTIMIZER, OPTIMIZER, **SIZES).eval()
    randomise(ours)
    theirs = transformers.BertForPreTraining(config()).eval()
    missing, unexpected = theirs.load_state_dict(interop.to_theirs(ours.state_dict(), 3), strict=False)
    assert not unexpected
    assert set(missing) <= {"cls.predictions.decoder.weight", "cls.predictions.decoder.bias"}  # tied there
    theirs.tie_weights()
    padded, batch = padded_and_ragged()
    losses = ours.pretraining_losses(batch)
    expected = float(theirs(**padded).loss)
    assert float(sum(value / count for value, count in losses.values())) == pytest.approx(expected, abs=1e-5)


def test_a_fine_tuned_head_equals_theirs() -> None:
    theirs = transformers.BertForSequenceClassification(config(num_labels=3)).eval()
    randomise(theirs)
    ours = Bert(OPTIMIZER, OPTIMIZER, **SIZES).eval()
    ours.load_state_dict(interop.to_ours(theirs.state_dict(), 3), strict=False)
    ours.attach(Task("toy", "classification", 3, ("a", "b", "c"), ("accuracy",), "accuracy")).eval()
    assert ours.head is not None
    ours.head.linear.load_state_dict(theirs.classifier.state_dict())
    padded, batch = padded_and_ragged()
    for name in ("labels", "next_sentence_label"):
        padded.pop(name)
    with torch.no_grad():
        encoding = ours.encode(batch)
        logits = ours.head(encoding.layers, encoding.summary, batch)
        torch.testing.assert_close(logits, theirs(**padded).logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("layout", ["safetensors", "bin", "old names"])
def test_a_folder_in_their_layout_is_a_start(tmp_path, layout: str) -> None:
    theirs = transformers.BertForPreTraining(config()).eval()
    state = {name: tensor.clone() for name, tensor in theirs.state_dict().items()}
    if layout == "old names":  # the early checkpoints'
        state = {
            name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
            for name, tensor in state.items()
        }
    if layout == "bin":
        torch.save(state, tmp_path / "pytorch_model.bin")
    else:
        save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config().to_dict()))
    start = resolve(str(tmp_path), None, "hub", False, "lightning_modules.bert.Bert")
    model = Bert(OPTIMIZER, OPTIMIZER, **start.settings)
    said = start.load(model)
    total = len(list(interop.names(3)))
    assert f"{total} of {total} tensors loaded" in said
    torch.testing.assert_close(model.pooler.dense.weight, theirs.bert.pooler.dense.weight)
    torch.testing.assert_close(
        model.state_dict()["encoder.layers.1.norm.weight"], theirs.bert.encoder.layer[1].output.LayerNorm.weight
    )


@pytest.mark.parametrize(
    "changes", [{"hidden_act": "relu"}, {"type_vocab_size": 16}, {"model_type": "roberta"}], ids=lambda c: next(iter(c))
)
def test_another_architecture_is_refused(changes: dict) -> None:
    with pytest.raises(Refused, match=next(iter(changes))):
        interop.architecture({**config().to_dict(), **changes}, "config.json")


def test_a_folder_without_a_single_fitting_tensor_is_refused(tmp_path) -> None:
    save_file({"other": torch.zeros(2)}, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config().to_dict()))
    start = resolve(str(tmp_path), None, "hub", False, "lightning_modules.bert.Bert")
    with pytest.raises(Refused, match=r"none|no tensor"):
        start.load(Bert(OPTIMIZER, OPTIMIZER, **start.settings))
