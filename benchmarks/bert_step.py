"""One BERT training step, ours beside transformers', in one process and by turns.

    python -m benchmarks.bert_step                       pre-training lengths, masked LM + next sentence
    python -m benchmarks.bert_step --work glue           GLUE lengths, classification, the peer padded to 128
    python -m benchmarks.bert_step --size mini --precision bf16 --rounds 5
    python -m benchmarks.bert_step --size base --precision bf16 --device cuda --batch 256 --attention-dropout 0

Both sides: the same batch, dropout 0.1, AdamW, fp32 or autocast to bfloat16. The peer is what its users run:
BertForPreTraining or BertForSequenceClassification, sdpa attention, padded. Ours has the head on masked positions
only, no padding, and the fused optimiser. Tokens per second count real tokens. The ratio is the median over rounds.

On CUDA a round is ten steps, and of pre-training the share of the card's arithmetic is told (model FLOPs of the real
tokens, the masked LM on 15 % of them, over the rate of a product of two 8192 x 8192 matrices in bfloat16).
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
import transformers

from datamodules import formats
from datamodules.task import Task
from lightning_modules.bert import Bert
from lightning_modules.interop.transformers import SIZES

SHAPES = {
    "tiny": (2, 128, 32),
    "mini": (4, 256, 16),
    "small": (4, 512, 16),
    "base": (12, 768, 8),
}  # layers, width, batch
VOCABULARY, MASKED = 30522, 0.15
STEPS = {"cpu": 1, "cuda": 10}  # of a round


def lengths_of(work: str, batch: int, padded: int, rng: np.random.Generator) -> np.ndarray:
    """Pre-training: nine in ten at the full length. GLUE: log-normal, mean about 34 tokens (as MNLI's)."""
    if work == "pretraining":
        return np.where(rng.random(batch) < 0.9, padded, rng.integers(8, padded, batch))
    return np.clip(rng.lognormal(3.4, 0.5, batch).astype(int), 6, padded)


def make_batches(work: str, batch: int, padded: int, rng: np.random.Generator) -> tuple[dict, dict, int]:
    """(the peer's padded batch, our ragged one, number of real tokens)."""
    lengths = lengths_of(work, batch, padded, rng)
    sequences = [
        formats.Sequence(rng.integers(1000, VOCABULARY, n), (np.arange(n) > n // 2).astype(int), example=i)
        for i, n in enumerate(lengths)
    ]
    ragged = formats.ragged(sequences, batch)
    theirs = {key: torch.zeros(batch, padded, dtype=torch.long) for key in ("input_ids", "token_type_ids")}
    theirs["attention_mask"] = torch.zeros(batch, padded, dtype=torch.long)
    labels, positions = torch.full((batch, padded), -100), []
    for i, sequence in enumerate(sequences):
        n = lengths[i]
        theirs["input_ids"][i, :n] = torch.from_numpy(sequence.tokens)
        theirs["token_type_ids"][i, :n] = torch.from_numpy(sequence.segments)
        theirs["attention_mask"][i, :n] = 1
        chosen = np.sort(rng.permutation(np.arange(1, n - 1))[: max(1, round(MASKED * n))])
        labels[i, chosen] = torch.from_numpy(sequence.tokens[chosen])
        positions.append(chosen + ragged.starts[i])
    ours = {**ragged.batch, "labels": torch.zeros(batch, dtype=torch.long)}
    ours["masked_positions"] = torch.from_numpy(np.concatenate([positions[i] for i in ragged.order]))
    ours["masked_labels"] = ours["tokens"][ours["masked_positions"]]
    ours["next_sentence"] = torch.zeros(batch, dtype=torch.long)
    if work == "pretraining":
        theirs |= {"labels": labels, "next_sentence_label": torch.zeros(batch, dtype=torch.long)}
    else:
        theirs["labels"] = torch.zeros(batch, dtype=torch.long)
    return theirs, ours, int(lengths.sum())


def to_device(batch: dict, device: str) -> dict:
    return {name: value.to(device) if isinstance(value, torch.Tensor) else value for name, value in batch.items()}


def make_steps(told: argparse.Namespace) -> tuple[Callable, Callable]:
    """(the peer's step, ours): each takes its batch and trains on it."""
    layers, width, _ = SHAPES[told.size]
    sizes: dict[str, Any] = dict(zip(SIZES, (VOCABULARY, width, layers, width // 64, 4 * width, 512), strict=True))
    named = {SIZES[name]: value for name, value in sizes.items()}
    config = transformers.BertConfig(**named, num_labels=3, attention_probs_dropout_prob=told.attention_dropout)  # pyright: ignore[reportCallIssue]
    kind = transformers.BertForPreTraining if told.work == "pretraining" else transformers.BertForSequenceClassification
    theirs = kind(config).train()
    ours = Bert({"lr": 1e-4}, {"lr": 1e-4}, **sizes, attention_dropout=told.attention_dropout).train()
    if told.work == "glue":
        ours.attach(Task("mnli", "classification", 3, ("a", "b", "c"), ("accuracy",), "accuracy"))
    theirs, ours = theirs.to(told.device), ours.to(told.device)
    optimizers = torch.optim.AdamW(theirs.parameters(), 1e-4), torch.optim.AdamW(ours.parameters(), 1e-4, fused=True)

    def step(optimizer: torch.optim.Optimizer, loss_of: Callable[[dict], torch.Tensor]) -> Callable[[dict], None]:
        def run(batch: dict) -> None:
            with torch.autocast(told.device, torch.bfloat16, enabled=told.precision == "bf16"):
                loss = loss_of(batch)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        return run

    return (
        step(optimizers[0], lambda batch: theirs(**batch).loss),
        step(optimizers[1], lambda batch: torch.stack([v / n for v, n in ours.losses(batch)[0].values()]).sum()),
    )


def seconds(work: Callable[[], object], device: str, times: int) -> float:
    """Of so many times `work`, until the device has done them."""
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    wait()
    begin = time.perf_counter()
    for _ in range(times):
        work()
    wait()
    return time.perf_counter() - begin


def flops_of_token(size: str, padded: int) -> float:
    """Multiplications and additions of a pre-training token, forward and twice that backward."""
    layers, width, _ = SHAPES[size]
    encoder = layers * (24 * width**2 + 4 * width * padded)
    return 3 * (encoder + 2 * MASKED * width * (width + VOCABULARY))


def best_rate() -> float:
    """FLOPs a second of a product of two large matrices in bfloat16."""
    one, other = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    seconds(lambda: one @ other, "cuda", 10)
    return 2 * 8192**3 * 50 / seconds(lambda: one @ other, "cuda", 50)


def share_of(told: argparse.Namespace, rates: list[float]) -> str:
    """What part of the card's arithmetic either side's tokens a second are."""
    peak = best_rate()
    shares = [rate * flops_of_token(told.size, told.length) / peak for rate in rates]
    return f"; of {peak / 1e12:.0f} TFLOP/s ({torch.cuda.get_device_name()}) {shares[0]:.1%} and {shares[1]:.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SHAPES, default="mini")
    parser.add_argument("--work", choices=("pretraining", "glue"), default="pretraining")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--batch", type=int, default=None, help="sequences; by default few, for a CPU")
    parser.add_argument("--length", type=int, default=128, help="to which the peer pads")
    parser.add_argument("--attention-dropout", type=float, default=0.1)
    told = parser.parse_args()
    rng, batch, times = np.random.default_rng(0), told.batch or SHAPES[told.size][2], STEPS[told.device]
    theirs, ours = make_steps(told)
    rates = []
    for number in range(told.rounds + 1):
        *batches, tokens = make_batches(told.work, batch, told.length, rng)
        padded, ragged = (to_device(made, told.device) for made in batches)
        took = [seconds(partial(step, made), told.device, times) for step, made in ((theirs, padded), (ours, ragged))]
        if number:  # the first round warms up
            rates.append([times * tokens / second for second in took])
    ratio = median(b / a for a, b in rates)
    middle = [median(rate[side] for rate in rates) for side in (0, 1)]
    print(
        f"{told.size} {told.work} {told.precision} {batch} x {told.length}: transformers {transformers.__version__} "
        f"{middle[0]:,.0f} tokens/s, ours {middle[1]:,.0f}: {ratio:.2f}x (median of {told.rounds} rounds)"
        + (share_of(told, middle) if told.device == "cuda" and told.work == "pretraining" else "")
    )


if __name__ == "__main__":
    main()
