"""One BERT training step, ours beside transformers', in one process and by turns.

    python -m benchmarks.bert_step                       pre-training lengths, masked LM + next sentence
    python -m benchmarks.bert_step --work glue           GLUE lengths, classification, the peer padded to 128
    python -m benchmarks.bert_step --size mini --precision bf16 --rounds 5

Both sides: the same batch, dropout 0.1, AdamW, fp32 or autocast to bfloat16. The peer is what its users run:
BertForPreTraining or BertForSequenceClassification, sdpa attention, padded. Ours has the head on masked positions
only, no padding, and the fused optimiser. Tokens per second count real tokens. The ratio is the median over rounds.
"""

import argparse
import time
from collections.abc import Callable
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
VOCABULARY, PADDED = 30522, 128


def lengths_of(work: str, batch: int, rng: np.random.Generator) -> np.ndarray:
    """Pre-training: nine in ten at 128. GLUE: log-normal, mean about 34 tokens (as MNLI's)."""
    if work == "pretraining":
        return np.where(rng.random(batch) < 0.9, PADDED, rng.integers(8, PADDED, batch))
    return np.clip(rng.lognormal(3.4, 0.5, batch).astype(int), 6, PADDED)


def make_batches(work: str, batch: int, rng: np.random.Generator) -> tuple[dict, dict, int]:
    """(the peer's padded batch, our ragged one, number of real tokens)."""
    lengths = lengths_of(work, batch, rng)
    sequences = [
        formats.Sequence(rng.integers(1000, VOCABULARY, n), (np.arange(n) > n // 2).astype(int), example=i)
        for i, n in enumerate(lengths)
    ]
    ragged = formats.ragged(sequences, batch)
    theirs = {key: torch.zeros(batch, PADDED, dtype=torch.long) for key in ("input_ids", "token_type_ids")}
    theirs["attention_mask"] = torch.zeros(batch, PADDED, dtype=torch.long)
    labels, positions = torch.full((batch, PADDED), -100), []
    for i, sequence in enumerate(sequences):
        n = lengths[i]
        theirs["input_ids"][i, :n] = torch.from_numpy(sequence.tokens)
        theirs["token_type_ids"][i, :n] = torch.from_numpy(sequence.segments)
        theirs["attention_mask"][i, :n] = 1
        chosen = np.sort(rng.permutation(np.arange(1, n - 1))[: max(1, round(0.15 * n))])
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


def make_steps(size: str, work: str, precision: str) -> tuple[Callable, Callable]:
    """(the peer's step, ours): each takes its batch and trains on it."""
    layers, width, _ = SHAPES[size]
    sizes: dict[str, Any] = dict(zip(SIZES, (VOCABULARY, width, layers, width // 64, 4 * width, 512), strict=True))
    config = transformers.BertConfig(**{SIZES[name]: value for name, value in sizes.items()}, num_labels=3)  # pyright: ignore[reportCallIssue]
    kind = transformers.BertForPreTraining if work == "pretraining" else transformers.BertForSequenceClassification
    theirs = kind(config).train()
    ours = Bert({"lr": 1e-4}, {"lr": 1e-4}, **sizes).train()
    if work == "glue":
        ours.attach(Task("mnli", "classification", 3, ("a", "b", "c"), ("accuracy",), "accuracy"))
    optimizers = torch.optim.AdamW(theirs.parameters(), 1e-4), torch.optim.AdamW(ours.parameters(), 1e-4, fused=True)

    def step(optimizer: torch.optim.Optimizer, loss_of: Callable[[dict], torch.Tensor]) -> Callable[[dict], None]:
        def run(batch: dict) -> None:
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                loss = loss_of(batch)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()

        return run

    return (
        step(optimizers[0], lambda batch: theirs(**batch).loss),
        step(optimizers[1], lambda batch: torch.stack([v / n for v, n in ours.losses(batch)[0].values()]).sum()),
    )


def seconds(step: Callable[[dict], None], batch: dict) -> float:
    """Of one step."""
    begin = time.perf_counter()
    step(batch)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=SHAPES, default="mini")
    parser.add_argument("--work", choices=("pretraining", "glue"), default="pretraining")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    theirs, ours = make_steps(arguments.size, arguments.work, arguments.precision)
    rates = []
    for number in range(arguments.rounds + 1):
        padded, ragged, tokens = make_batches(arguments.work, SHAPES[arguments.size][2], rng)
        pair = tokens / seconds(theirs, padded), tokens / seconds(ours, ragged)
        if number:  # the first round warms up
            rates.append(pair)
    ratio = median(b / a for a, b in rates)
    middle = [median(rate[side] for rate in rates) for side in (0, 1)]
    print(
        f"{arguments.size} {arguments.work} {arguments.precision}: transformers {transformers.__version__} "
        f"{middle[0]:,.0f} tokens/s, ours {middle[1]:,.0f}: {ratio:.2f}x (median of {arguments.rounds} rounds)"
    )


if __name__ == "__main__":
    main()
