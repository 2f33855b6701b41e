"""One training step of ELMo's biLM, ours beside a plain build from torch's own parts, in one process and by turns.

    python -m benchmarks.elmo_step
    python -m benchmarks.elmo_step --vocabulary 100000 --streams 32 --rounds 5

The peer is what one writes first: convolutions over 50 characters of every word, `nn.LSTM` with proj_size, a softmax
over the whole vocabulary, AdamW. Ours: each different word of the batch once, its characters trimmed, both directions
in one product, sampled softmax, fused AdamW. Both have the sizes of conf/model/elmo_small.yaml; words are drawn by
Zipf's law. Words per second count each word once, though both directions read it. The ratio is the median over rounds.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from datamodules.log_uniform import LogUniform, expected
from lightning_modules.elmo import Elmo

FILTERS = ((1, 32), (2, 32), (3, 64), (4, 128), (5, 256))
WIDTH, UNITS, LAYERS, STEPS, COLUMNS, MARGIN, NEGATIVES = 128, 512, 2, 20, 50, 7, 2048


class Plain(nn.Module):
    """The peer."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        total = sum(count for _, count in FILTERS)
        self.embedding = nn.Embedding(261, 16)
        self.filters = nn.ModuleList(nn.Conv1d(16, count, size) for size, count in FILTERS)
        self.highways = nn.ModuleList(nn.Linear(total, 2 * total) for _ in range(2))
        self.projection = nn.Linear(total, WIDTH)
        ways = (nn.ModuleList(nn.LSTM(WIDTH, UNITS, proj_size=WIDTH) for _ in range(LAYERS)) for _ in range(2))
        self.ways = nn.ModuleList(ways)
        self.softmax = nn.Linear(WIDTH, vocabulary)
        self.dropout = nn.Dropout(0.1)

    def forward(self, characters: Tensor, labels: Tensor) -> Tensor:
        """(2, T, B, C), (2, T, B) -> the sum of both mean losses."""
        letters = self.embedding(characters.flatten(0, 2)).transpose(1, 2)  # (2 T B, 16, C)
        words = torch.cat([conv(letters).amax(-1) for conv in self.filters], dim=-1).relu()
        for highway in self.highways:
            gate, transformed = highway(words).chunk(2, dim=-1)
            words = torch.lerp(words, transformed.relu(), gate.sigmoid())
        x = self.projection(words).view(*labels.shape, WIDTH)
        loss = x.new_zeros(())
        for way, (layers, right) in enumerate(zip(self.ways, labels, strict=True)):
            y = x[way]
            for number, lstm in enumerate(layers):  # pyright: ignore[reportArgumentType]
                read = self.dropout(y)
                y = lstm(read)[0] + (read if number else 0)
            loss = loss + F.cross_entropy(self.softmax(self.dropout(y)).flatten(0, 1), right.flatten())
        return loss


def spelling(vocabulary: int, rng: np.random.Generator) -> np.ndarray:
    """(V, 50) characters of as many made-up words, 1 to 14 letters long."""
    table = np.full((vocabulary, COLUMNS), 260)
    table[:, 0] = 258
    for row, length in enumerate(np.clip(rng.poisson(4.5, vocabulary), 1, 14)):
        table[row, 1 : length + 1] = rng.integers(97, 123, length)
        table[row, length + 1] = 259
    return table


def make_batch(table: np.ndarray, streams: int, rng: np.random.Generator) -> tuple[tuple[Tensor, Tensor], dict]:
    """(the peer's batch, ours) of the same words."""
    sampler = LogUniform(len(table))
    texts = np.exp(rng.random((2, streams, STEPS + 1)) * sampler.log_range).astype(int) - 1
    read, right = texts[:, :, :-1], texts[:, :, 1:]
    theirs = (
        torch.from_numpy(table[read.transpose(0, 2, 1)]),
        torch.from_numpy(np.ascontiguousarray(right.transpose(0, 2, 1))),
    )
    different, rows = np.unique(read, return_inverse=True)
    spelled = table[different]
    columns = min(COLUMNS, int((spelled != 260).sum(1).max()) + MARGIN)
    words = torch.from_numpy(rows.reshape(2, -1))
    labels = torch.from_numpy(right.reshape(2, -1))
    negatives, tries = sampler.draw(NEGATIVES, rng)
    ours = {
        "tokens": words[0],
        "characters": torch.from_numpy(np.ascontiguousarray(spelled[:, :columns])),
        "words": words[0],
        "next_labels": labels[0],
        "backward": {"words": words[1], "next_labels": labels[1]},
        "streams": torch.arange(streams),
        "num_streams": streams,
        "vocabulary": len(table),
        "negatives": torch.from_numpy(negatives),
        "log_expected": expected(sampler, tries),
    }
    return theirs, ours


def make_steps(vocabulary: int) -> tuple[Callable, Callable]:
    """(the peer's step, ours): each takes its batch and trains on it."""
    theirs = Plain(vocabulary).train()
    optimizer = {"lr": 1e-3, "weight_decay": 0.0}
    filters = [list(kind) for kind in FILTERS]
    ours = Elmo(
        optimizer, optimizer, vocabulary, filters=filters, projection_size=WIDTH, lstm_size=UNITS, num_layers=LAYERS
    ).train()
    optimizers = torch.optim.AdamW(theirs.parameters(), 1e-3), torch.optim.AdamW(ours.parameters(), 1e-3, fused=True)

    def their_step(batch: tuple[Tensor, Tensor]) -> None:
        theirs(*batch).backward()
        optimizers[0].step()
        optimizers[0].zero_grad()

    def our_step(batch: dict) -> None:
        torch.stack([value / count for value, count in ours.pretraining_losses(batch).values()]).sum().backward()
        optimizers[1].step()
        optimizers[1].zero_grad()
        ours.keep_states()

    return their_step, our_step


def seconds(step: Callable, batch: object) -> float:
    """Of one step."""
    begin = time.perf_counter()
    step(batch)
    return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocabulary", type=int, default=30_000)
    parser.add_argument("--streams", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=10)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    table, (theirs, ours) = spelling(arguments.vocabulary, rng), make_steps(arguments.vocabulary)
    rates, words = [], arguments.streams * STEPS
    for number in range(arguments.rounds + 1):
        plain, batch = make_batch(table, arguments.streams, rng)
        pair = words / seconds(theirs, plain), words / seconds(ours, batch)
        if number:  # the first round warms up
            rates.append(pair)
    middle = [median(rate[side] for rate in rates) for side in (0, 1)]
    print(
        f"{arguments.streams} streams, vocabulary {arguments.vocabulary:,}: plain torch {middle[0]:,.0f} words/s, ours "
        f"{middle[1]:,.0f}: {median(b / a for a, b in rates):.2f}x (median of {arguments.rounds} rounds)"
    )


if __name__ == "__main__":
    main()
