"""Cross entropy over a sample of the words, and over all in chunks: second implementations of both."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from lightning_modules.networks.sampled_softmax import full_loss, sampled_loss

M, D, V, K = 7, 5, 23, 9


class Case:
    """Random numbers; some labels are among the negatives, and some occur twice."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.hidden, self.weight, self.bias = torch.randn(M, D), torch.randn(V, D), torch.randn(V)
        self.labels = torch.tensor([3, 22, 3, 0, 11, 5, 22])
        self.negatives = torch.tensor([0, 1, 2, 3, 6, 8, 11, 15, 20])
        self.of_labels, self.of_negatives = torch.randn(M), torch.randn(K)
        for tensor in (self.hidden, self.weight, self.bias):
            tensor.requires_grad_()

    def sampled(self) -> torch.Tensor:
        model, drawn = (self.hidden, self.weight, self.bias), (self.labels, self.negatives)
        return sampled_loss(*model, *drawn, self.of_labels, self.of_negatives)

    def gradients(self, loss: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad((loss * torch.arange(1, M + 1)).sum(), (self.hidden, self.weight, self.bias))


def second(case: Case) -> np.ndarray:
    """A prediction and a word at a time, in double precision."""
    hidden, weight, bias = (x.detach().double().numpy() for x in (case.hidden, case.weight, case.bias))
    losses = []
    for row, label in enumerate(case.labels.tolist()):
        right = hidden[row] @ weight[label] + bias[label] - float(case.of_labels[row])
        scores = [right]
        for word, log_expected in zip(case.negatives.tolist(), case.of_negatives.tolist(), strict=True):
            if word != label:
                scores.append(hidden[row] @ weight[word] + bias[word] - log_expected)
        losses.append(np.log(np.exp(scores).sum()) - right)
    return np.array(losses)


def test_the_sampled_loss_is_a_second_implementations() -> None:
    case = Case()
    assert set(case.labels.tolist()) & set(case.negatives.tolist())  # some are left out
    np.testing.assert_allclose(case.sampled().detach().numpy(), second(case), rtol=1e-5)


def test_with_all_words_as_negatives_it_is_the_loss_over_all_words() -> None:
    case = Case()
    case.negatives = torch.arange(V)
    case.of_labels, case.of_negatives = torch.zeros(M), torch.zeros(V)
    whole = F.cross_entropy(case.hidden @ case.weight.T + case.bias, case.labels, reduction="none")
    torch.testing.assert_close(case.sampled(), whole)
    for mine, expected in zip(case.gradients(case.sampled()), case.gradients(whole), strict=True):
        torch.testing.assert_close(mine, expected)


def test_only_words_that_were_drawn_get_a_gradient_and_it_is_dense() -> None:
    case = Case()
    hidden, weight, bias = case.gradients(case.sampled())
    assert {tensor.layout for tensor in (hidden, weight, bias)} == {torch.strided}
    drawn = sorted({*case.labels.tolist(), *case.negatives.tolist()})
    assert weight.any(1).nonzero().flatten().tolist() == drawn
    assert bias.nonzero().flatten().tolist() == drawn


def test_a_label_that_is_the_only_negative_costs_nothing() -> None:
    """And its gradient is a number."""
    case = Case()
    case.labels, case.negatives = torch.full((M,), 4), torch.tensor([4])
    case.of_negatives = torch.zeros(1)
    assert case.sampled().tolist() == [0.0] * M
    assert not any(gradient.any() for gradient in case.gradients(case.sampled()))


class Largest(TorchDispatchMode):
    """Numbers in the largest tensor that any operation made."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.numbers = max(self.numbers, out.numel())
        return out


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_the_loss_over_all_words_is_the_same_in_chunks(chunk: int) -> None:
    case = Case()
    model = case.hidden, case.weight, case.bias, case.labels
    whole = F.cross_entropy(case.hidden @ case.weight.T + case.bias, case.labels, reduction="none")
    torch.testing.assert_close(full_loss(*model, chunk=chunk), whole)
    for mine, expected in zip(case.gradients(full_loss(*model, chunk=chunk)), case.gradients(whole), strict=True):
        torch.testing.assert_close(mine, expected)
    with torch.no_grad(), Largest() as largest:
        full_loss(*model, chunk=chunk)
    assert largest.numbers == max(min(chunk, M) * V, V * D)  # the second: the weight itself, transposed


def test_both_run_in_bfloat16() -> None:
    """The sums of exponentials stay in single precision."""
    case = Case()
    model = case.hidden, case.weight, case.bias, case.labels
    exact = case.sampled().detach(), full_loss(*model).detach()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = case.sampled(), full_loss(*model)
    for mine, expected in zip(found, exact, strict=True):
        assert mine.dtype == torch.float32
        torch.testing.assert_close(mine, expected, atol=0.1, rtol=0.02)
        assert all(gradient.isfinite().all() for gradient in case.gradients(mine))
