"""What only a GPU does: attention over sequences of all lengths in one kernel, in half precision, without dropout."""

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.attention import varlen

from datamodules import formats
from lightning_modules.bert import Bert
from lightning_modules.networks import attention
from lightning_modules.networks.transformer import SelfAttention
from lightning_modules.row_descent import RowDescent
from lightning_modules.word2vec import Word2Vec
from tests.test_word2vec import batch_of

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
DEVICE = "cuda"
LENGTHS = (17, 5, 17, 61, 9, 128, 1)


def runs_and_offsets() -> tuple[attention.Runs, torch.Tensor]:
    lengths = sorted(LENGTHS)
    runs = [(lengths.count(length), length) for length in sorted(set(lengths))]
    offsets = torch.from_numpy(np.cumsum([0, *lengths], dtype=np.int32))
    return runs, offsets.cuda()


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_the_kernel_is_attention(dtype: torch.dtype, causal: bool) -> None:
    """Against dense calls in single precision, values and gradients."""
    runs, offsets = runs_and_offsets()
    torch.manual_seed(0)
    exact = [torch.randn(sum(LENGTHS), 4, 64, device="cuda", requires_grad=True) for _ in range(3)]
    rounded = [x.detach().to(dtype).requires_grad_() for x in exact]
    weight = torch.randn(sum(LENGTHS), 4 * 64, device="cuda")
    expected, got = (attention.attend(q, k, v, runs, offsets, causal=causal) for q, k, v in (exact, rounded))
    assert got.dtype == dtype
    torch.testing.assert_close(got.float(), expected, atol=2e-2, rtol=2e-2)
    (expected * weight).sum().backward()
    (got.float() * weight).sum().backward()
    for one, other in zip(exact, rounded, strict=True):
        assert one.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(other.grad.float(), one.grad, atol=5e-2, rtol=5e-2)


def batch() -> dict[str, Any]:
    rng = np.random.default_rng(0)
    sequences = [
        formats.Sequence(rng.integers(5, 99, n), np.zeros(n, dtype=int), example=i) for i, n in enumerate(LENGTHS)
    ]
    made = formats.ragged(sequences, len(sequences)).batch
    return {name: value.cuda() if isinstance(value, torch.Tensor) else value for name, value in made.items()}


def test_bert_is_the_same_on_either_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """bf16-mixed without attention dropout takes the kernel, with it dense calls: the same encoding to 1e-2."""
    torch.manual_seed(0)
    bert = Bert({"lr": 1e-3}, {"lr": 1e-3}, vocab_size=99, hidden_size=128, num_layers=2, num_heads=2, dropout=0.0,
                attention_dropout=0.0, intermediate_size=256, max_length=128).cuda()  # fmt: skip
    assert bert.training
    kernel, calls = varlen.varlen_attn, []
    monkeypatch.setattr(varlen, "varlen_attn", lambda *arguments: calls.append(1) or kernel(*arguments))
    with torch.autocast("cuda", torch.bfloat16), torch.no_grad():
        by_kernel = bert.encode(batch()).layers[-1]
        assert len(calls) == 2  # once a layer
        for module in bert.modules():
            if isinstance(module, SelfAttention):
                module.dropout = 1e-30  # not zero, and nothing is dropped
        by_dense_calls = bert.encode(batch()).layers[-1]
    assert len(calls) == 2
    torch.testing.assert_close(by_kernel.float(), by_dense_calls.float(), atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("loss", ["negative_sampling", "hierarchical_softmax"])
def test_an_update_of_word2vec_is_the_one_that_a_cpu_makes(loss: str) -> None:
    """From the same blocks, which share rows."""
    made, _, vocabulary = batch_of(["a b c d e f g h i j", "a a b a c a d a e"] * 40, loss=loss, sample=0.0)
    torch.manual_seed(0)
    model = Word2Vec({"lr": 0.1}, {"lr": 0.1}, vocabulary.size, 20, loss=loss)
    torch.nn.init.normal_(model.outputs.weight, std=0.1)
    first, there = copy.deepcopy(model.state_dict()), copy.deepcopy(model).to(DEVICE)
    curvatures = []
    for one in (model, there):
        told = {name: v.to(one.device) if isinstance(v, torch.Tensor) else v for name, v in made.items()}
        optimizer = RowDescent([one.vectors.weight, one.outputs.weight], 0.1, 64)
        optimizer.step(lambda one=one, told=told: (one.changes(part, curved=True) for part in one.parts(told)))
        curvatures.append([curvature.cpu() for curvature in optimizer.curvatures])
    torch.testing.assert_close(*curvatures, atol=1e-4, rtol=1e-4)
    for name, weight in model.state_dict().items():
        torch.testing.assert_close(there.state_dict()[name].cpu(), weight, atol=1e-4, rtol=1e-4)
        assert (weight - first[name]).abs().max() > 0.01
