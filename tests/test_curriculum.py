"""BERT's two lengths in one run: the switch comes at its step, and a resume continues on its side of it."""

import numpy as np
import pytest

from datamodules.loading import BatchLoader, Share
from datamodules.passes import Curriculum


class Numbers:
    """Examples that are their own row numbers, under a name."""

    def __init__(self, name: str, size: int) -> None:
        self.name, self.size = name, size

    def __len__(self) -> int:
        return self.size

    def begin(self, epoch: int) -> None: ...

    def batch(self, rows: np.ndarray, epoch: int) -> dict:
        return {"seen": (self.name, epoch, tuple(rows.tolist())), "counts": {"task": len(rows)}}


def loader(micro: int) -> Curriculum:
    share = Share(micro=micro)
    first = BatchLoader(Numbers("short", 10), 4, seed=1, share=share)  # 3 steps an epoch
    second = BatchLoader(Numbers("long", 8), 4, seed=1, share=share)  # 2 steps an epoch
    return Curriculum(first, second, switch=7, total=12)


@pytest.mark.parametrize("micro", [1, 2])
def test_the_switch_comes_at_its_step(micro: int) -> None:
    seen = [batch["seen"] for batch in loader(micro)]
    names = [name for name, _, _ in seen]
    assert names == ["short"] * 7 * micro + ["long"] * 5 * micro
    epochs = [epoch for name, epoch, _ in seen[::micro] if name == "short"]
    assert epochs == [0, 0, 0, 1, 1, 1, 2]
    first_epoch = sorted(row for _, _, rows in seen[: 3 * micro] for row in rows)
    assert first_epoch == list(range(10))


@pytest.mark.parametrize("stop", range(1, 12))
def test_a_resume_continues_where_it_stopped(stop: int) -> None:
    whole = [batch["seen"] for batch in loader(1)]
    stopped = loader(1)
    for _, batch in zip(range(stop), stopped, strict=False):
        assert batch
    resumed = loader(1)
    resumed.load_state_dict(stopped.state_dict())
    assert [batch["seen"] for batch in resumed] == whole[stop:]
