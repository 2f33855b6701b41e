"""Our GPT against transformers' own class: random weights exchanged both ways give the same numbers to 1e-5."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

from datamodules.byte_pair import BytePair
from datamodules.causal import next_tokens
from datamodules.task import Refused, Task
from datamodules.tokenization import save_tokenizer
from lightning_modules.gpt import Gpt
from lightning_modules.interop import openai_gpt as interop
from lightning_modules.start import resolve

transformers = pytest.importorskip("transformers", reason="transformers is a test dependency (extra: peers)")

OPTIMIZER = {"lr": 1e-3}
SIZES: dict[str, Any] = {"vocab_size": 99, "hidden_size": 32, "num_layers": 3, "num_heads": 4, "max_length": 40}
LENGTHS = (17, 5, 17, 30, 9)  # two of equal length, so that a run of two is tried
TARGET = "lightning_modules.gpt.Gpt"


def config(**changes: object) -> Any:
    return transformers.OpenAIGPTConfig(**{**{interop.SIZES[name]: n for name, n in SIZES.items()}, **changes})


def theirs() -> Any:
    """Weights far from their start: biases and layer norms, too."""
    torch.manual_seed(0)
    model = transformers.OpenAIGPTLMHeadModel(config()).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def texts() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 99, n) for n in LENGTHS]


def compare(ours: Gpt, other: Any) -> None:
    """Hidden states of every layer, logits and loss; theirs a text at a time."""
    read = texts()
    total = 0.0
    for text in read:
        ids = torch.from_numpy(text)[None]
        expected = other(input_ids=ids, labels=ids, output_hidden_states=True)
        batch = next_tokens([text])
        layers = ours.encode(batch, layers=range(4)).layers
        assert len(layers) == len(expected.hidden_states) == 4
        for mine, his in zip(layers, expected.hidden_states, strict=True):
            torch.testing.assert_close(mine, his[0, :-1], atol=1e-5, rtol=1e-5)
        logits = F.linear(layers[-1], ours.encoder.embeddings.token.weight)
        torch.testing.assert_close(logits, expected.logits[0, :-1], atol=1e-5, rtol=1e-5)
        total += float(expected.loss) * (len(text) - 1)
    value, count = ours.pretraining_losses(next_tokens(read))["causal_lm"]
    assert float(value) / count == pytest.approx(total / (sum(LENGTHS) - len(LENGTHS)), abs=1e-5)


@torch.no_grad()
def test_their_weights_give_their_numbers_here() -> None:
    other = theirs()
    ours = Gpt(OPTIMIZER, OPTIMIZER, intermediate_size=128, **SIZES).eval()
    ours.load_state_dict(interop.to_ours(other.state_dict(), 3))
    compare(ours, other)


@torch.no_grad()
def test_our_weights_give_our_numbers_there() -> None:
    ours = Gpt(OPTIMIZER, OPTIMIZER, intermediate_size=128, **SIZES).eval()
    for parameter in ours.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    other = theirs()
    missing, unexpected = other.load_state_dict(interop.to_theirs(ours.state_dict(), 3), strict=False)
    assert not unexpected
    assert set(missing) <= {"lm_head.weight"}  # tied there
    other.tie_weights()
    compare(ours, other)


@pytest.mark.parametrize("layout", ["safetensors", "bin", "without the head"])
def test_a_folder_in_their_layout_is_a_start(tmp_path: Path, layout: str) -> None:
    """Also without their prefix, and with the masks that early files hold."""
    other = theirs()
    state = {name: tensor.clone() for name, tensor in other.state_dict().items()}
    if layout == "without the head":
        state = {name.removeprefix("transformer."): t for name, t in state.items() if not name.startswith("lm_head")}
        state["h.0.attn.bias"] = torch.ones(1, 1, 40, 40)
    if layout == "bin":
        torch.save(state, tmp_path / "pytorch_model.bin")
    else:
        save_file(state, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(config().to_dict()))
    save_tokenizer(
        BytePair(vocab_size=99).train(["a text of some words, and of some letters"]), tmp_path / "tokenizer.json"
    )
    start = resolve(str(tmp_path), None, "hub", False, TARGET)
    model = Gpt(OPTIMIZER, OPTIMIZER, **start.settings).eval()
    total = len(list(interop.names(3)))
    assert f"{total} of {total} tensors loaded" in start.load(model)
    assert start.directory is not None
    assert BytePair(file=str(start.directory)).load().get_vocab_size() <= 99
    with torch.no_grad():
        compare(model, other)
    model.attach(Task("toy", "classification", 3, ("a", "b", "c"), ("accuracy",), "accuracy"))


@pytest.mark.parametrize(
    "changes", [{"afn": "relu"}, {"layer_norm_epsilon": 1e-6}, {"model_type": "gpt2"}], ids=lambda c: next(iter(c))
)
def test_another_architecture_is_refused(changes: dict) -> None:
    with pytest.raises(Refused, match=next(iter(changes))):
        interop.architecture({**config().to_dict(), **changes}, "config.json")


def test_berts_weights_are_none_of_gpts(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(transformers.BertConfig().to_dict()))
    with pytest.raises(Refused, match="model_type='bert' is not possible: it may be openai-gpt"):
        resolve(str(tmp_path), None, "hub", False, TARGET)
