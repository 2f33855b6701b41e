"""Batches of one process, in an order that is a pure function of (seed, epoch): exact, and resumable at any batch.

Lightning's own loaders repeat examples to even out the ranks, and replay an epoch's first batches after a resume. Here
every example of an epoch is used once, whatever the number of processes, and the position is part of the checkpoint.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from datamodules.masking import generator
from datamodules.task import Refused


class Examples(Protocol):
    """What a loader draws from."""

    def __len__(self) -> int: ...

    def begin(self, epoch: int) -> None:
        """Make ready for an epoch's draws."""
        ...

    def batch(self, rows: np.ndarray, epoch: int) -> dict:
        """The examples of these rows as a batch (lightning_modules/base.py)."""
        ...


@dataclass(frozen=True)
class Share:
    """A process's place among `world` ones, and the micro-batches that it takes per step."""

    rank: int = 0
    world: int = 1
    micro: int = 1


def same(item: Any) -> Any:
    return item


class Steps(Dataset):
    """Step number -> this rank's micro-batches of it."""

    def __init__(self, steps: Sequence[np.ndarray], share: Share, collate: Callable[[np.ndarray], dict]) -> None:
        self.steps, self.share, self.collate = steps, share, collate

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, step: int) -> list[dict]:
        share = self.share
        parts = [
            self.steps[step][m * share.world + share.rank :: share.world * share.micro] for m in range(share.micro)
        ]
        batches = [self.collate(rows) for rows in parts]
        counts = {name: sum(batch["counts"][name] for batch in batches) for name in batches[0]["counts"]}
        return [{**batch, "counts": counts} for batch in batches]


class BatchLoader:
    """The training batches of one rank.

    Args:
        examples: what to draw from.
        global_batch_size: examples per optimiser step, over all ranks and micro-batches. An epoch's last batch is not
            dropped: the epoch is divided into as many steps as it takes, of sizes that differ by one at most.
        workers: processes that prepare batches ahead.
        unequal: epochs have their own numbers of steps (see `Passes`); else the first one's number holds for all.
        ordered: rows come in their own order, a step's worth after the other; else shuffled at each epoch.
    """

    def __init__(
        self,
        examples: Examples,
        global_batch_size: int,
        seed: int,
        share: Share,
        workers: int = 0,
        pin: bool = False,
        unequal: bool = False,
        ordered: bool = False,
    ) -> None:
        self.examples, self.seed, self.share, self.workers, self.pin = examples, seed, share, workers, pin
        self.global_batch_size, self.unequal, self.ordered = global_batch_size, unequal, ordered
        examples.begin(0)
        self.divide()
        self.epoch, self.position = -1, 0

    @property
    def passes(self) -> float:
        """How often all examples have been read."""
        return self.epoch + (self.position / len(self) if self.position else 1)

    def divide(self) -> None:
        """Into steps: the epoch that has begun."""
        self.size = len(self.examples)
        self.num_steps = max(1, -(-self.size // self.global_batch_size))
        if self.size // self.num_steps < self.share.world * self.share.micro:
            raise Refused(
                f"data.global_batch_size={self.global_batch_size} over {self.size} examples gives no example to some "
                f"of {self.share.world} processes x {self.share.micro} micro-batches: it may be larger, or the "
                f"processes fewer."
            )

    def __len__(self) -> int:
        return self.num_steps * self.share.micro

    def order(self, epoch: int) -> np.ndarray:
        """Row numbers of an epoch; where epochs draw unequal numbers of rows, the first one's number holds for all."""
        number = len(self.examples)
        rows = np.arange(number) if self.ordered else generator(self.seed, epoch, 0).permutation(number)
        return np.resize(rows, self.size)

    def __iter__(self) -> Iterator[dict]:
        if self.position == 0:  # at the start of an iteration: code after its last yield would not run
            self.epoch += 1
        self.examples.begin(self.epoch)
        if self.unequal:
            self.divide()
        epoch, skip = self.epoch, self.position
        steps = Steps(
            np.array_split(self.order(epoch), self.num_steps), self.share, lambda rows: self.examples.batch(rows, epoch)
        )
        first = skip // self.share.micro
        loader = DataLoader(
            steps,
            batch_size=None,
            sampler=range(first, self.num_steps),
            num_workers=self.workers,
            collate_fn=same,
            pin_memory=self.pin,
            generator=torch.Generator(),  # leaves the global one, and so dropout, alone
            multiprocessing_context="fork" if self.workers else None,
        )
        batches = (batch for step in loader for batch in step)
        for number, batch in enumerate(batches, start=first * self.share.micro):
            if number >= skip:
                self.position = (number + 1) % len(self)
                yield batch

    def state_dict(self) -> dict[str, int]:
        return {"epoch": self.epoch, "position": self.position, "micro": self.share.micro}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """A checkpoint falls on a step, so that a run may go on with other numbers of processes and micro-batches."""
        self.epoch, self.position = state["epoch"], state["position"] * self.share.micro // state["micro"]


class Passes:
    """A large corpus, whose groups follow each other as epochs of `loader`, as epochs of a fixed number of steps.

    Lightning wants to know an epoch's length, and how many sequences all groups have is known only when all have been
    planned. So it is told an estimate, and an epoch begins where the one before has ended, be that inside a group.

    Args:
        steps: about as many as a pass over the corpus takes.
        groups: of the corpus.
    """

    def __init__(self, loader: BatchLoader, steps: int, groups: int) -> None:
        self.loader, self.length, self.position = loader, steps * loader.share.micro, 0
        self.groups = groups

    def __len__(self) -> int:
        return self.length

    @property
    def passes(self) -> float:
        """How often all groups have been read, as far as they are of one size."""
        return self.loader.passes / self.groups

    def __iter__(self) -> Iterator[dict]:
        for place, batch in zip(
            range(self.position, self.length), chain.from_iterable(repeat(self.loader)), strict=False
        ):
            self.position = (place + 1) % self.length
            yield batch

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position, "micro": self.loader.share.micro, "loader": self.loader.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.position = state["position"] * self.loader.share.micro // state["micro"]
        self.loader.load_state_dict(state["loader"])


class Curriculum:
    """One loader up to a step, another from there on: BERT's 90 % of steps at length 128, then 512 (section A.2).

    To Lightning the whole run is one epoch; passes over the data are the two loaders' own.

    Args:
        switch: the first step of the second loader.
        total: steps of the run.
    """

    def __init__(self, first: BatchLoader, second: BatchLoader, switch: int, total: int) -> None:
        micro = first.share.micro
        self.first, self.second, self.switch, self.total = first, second, switch * micro, total * micro
        self.position = 0

    def __len__(self) -> int:
        return self.total

    @property
    def passes(self) -> float:
        """Of both loaders, which read the same text."""
        return self.first.passes + self.second.passes

    def __iter__(self) -> Iterator[dict]:
        while self.position < self.total:
            is_first = self.position < self.switch
            end = self.switch if is_first else self.total
            for batch in self.first if is_first else self.second:
                self.position += 1
                yield batch
                if self.position == end:
                    break

    def state_dict(self) -> dict[str, Any]:
        return {"position": self.position, "loaders": [self.first.state_dict(), self.second.state_dict()]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.position = state["position"]
        for loader, own in zip((self.first, self.second), state["loaders"], strict=True):
            loader.load_state_dict(own)


class EvaluationLoader:
    """Every example once, in order, dealt out to the ranks; draws are those of epoch 0."""

    def __init__(self, examples: Examples, batch_size: int, share: Share) -> None:
        examples.begin(0)
        self.examples, self.rows = examples, np.arange(len(examples))[share.rank :: share.world]
        if len(examples) < share.world:
            raise Refused(
                f"{len(examples)} examples cannot be evaluated on {share.world} processes: take fewer devices."
            )
        self.batches = np.array_split(self.rows, -(-len(self.rows) // batch_size))

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[dict]:
        for rows in self.batches:
            yield self.examples.batch(rows, 0)


def pick_workers(workers: int | None) -> int:
    """`data.num_workers`: None takes 4 where there is a GPU to feed, else none."""
    return (4 if torch.cuda.is_available() else 0) if workers is None else workers
