"""What a pre-training reads by: passes over a corpus in groups, and two lengths one after the other.

Each is a loader over `BatchLoader`s, and its position is part of the checkpoint as theirs is.
"""

from collections.abc import Iterator
from itertools import chain, repeat
from typing import Any

from datamodules.loading import BatchLoader


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
