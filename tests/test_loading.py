"""Loaders: every example once on any number of processes, the same global batch, an exact resume at any batch."""

import json
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from torch import nn

from datamodules.corpus_examples import CorpusExamples
from datamodules.loading import BatchLoader, EvaluationLoader, Passes, Share, pick_workers
from datamodules.objectives import MaskedLanguageModel
from datamodules.shards import TokenizedCorpus
from datamodules.task import Refused
from datamodules.tokenization import Vocabulary
from lightning_modules.callbacks import Place

SHARES = [(1, 1), (2, 1), (1, 2), (2, 2), (3, 1), (1, 3), (2, 3)]


class Numbers:
    """Examples that are their own row numbers; counts differ from one to the next; an epoch may have its own size."""

    def __init__(self, *sizes: int) -> None:
        self.sizes = sizes
        self.begun: list[int] = []

    def __len__(self) -> int:
        return self.sizes[min(self.begun[-1], len(self.sizes) - 1)]

    def begin(self, epoch: int) -> None:
        self.begun.append(epoch)

    def batch(self, rows: np.ndarray, epoch: int) -> dict:
        assert epoch == self.begun[-1]
        weights = int((rows % 7).sum())
        return {"rows": torch.from_numpy(rows), "epoch": epoch, "counts": {"examples": len(rows), "weights": weights}}


def loader(
    size: int, global_batch: int, world: int = 1, micro: int = 1, rank: int = 0, seed: int = 0, workers: int = 0
) -> BatchLoader:
    return BatchLoader(Numbers(size), global_batch, seed, Share(rank, world, micro), workers)


def epoch_of(one: BatchLoader) -> list[dict]:
    return list(one)


def steps_of(size: int, global_batch: int, world: int, micro: int) -> list[list[list[int]]]:
    """Of two epochs: each step's global batch, as a sorted list of rows, put together from all ranks."""
    ranks = [loader(size, global_batch, world, micro, rank) for rank in range(world)]
    epochs = []
    for _ in range(2):
        batches = [epoch_of(rank) for rank in ranks]
        assert {len(one) for one in batches} == {len(ranks[0])}
        steps = []
        for first in range(0, len(ranks[0]), micro):
            parts = [batch["rows"].tolist() for one in batches for batch in one[first : first + micro]]
            assert max(map(len, parts)) - min(map(len, parts)) <= 1
            steps.append(sorted(row for part in parts for row in part))
        epochs.append(steps)
    return epochs


@pytest.mark.parametrize(("size", "global_batch"), [(24, 6), (25, 6), (29, 6), (23, 7), (7, 50), (31, 31), (6, 6)])
def test_every_example_once_and_the_same_steps_on_any_number_of_processes(size: int, global_batch: int) -> None:
    expected = steps_of(size, global_batch, 1, 1)
    for steps in expected:
        assert sorted(row for step in steps for row in step) == list(range(size))
        lengths = [len(step) for step in steps]
        assert len(steps) == -(-size // global_batch)  # none dropped
        assert max(lengths) <= global_batch
        assert max(lengths) - min(lengths) <= 1
    assert expected[0] != expected[1] or len(expected[0]) == 1
    for world, micro in SHARES:
        if min(len(step) for step in expected[0]) >= world * micro:
            assert steps_of(size, global_batch, world, micro) == expected, (world, micro)


@pytest.mark.parametrize(("world", "micro"), SHARES)
def test_counts_are_summed_over_a_steps_micro_batches(world: int, micro: int) -> None:
    totals: dict[int, int] = {}
    for rank in range(world):
        batches = epoch_of(loader(47, 12, world, micro, rank))
        for step in range(len(batches) // micro):
            parts = batches[step * micro : (step + 1) * micro]
            rows = [row for part in parts for row in part["rows"].tolist()]
            counts = {"examples": len(rows), "weights": sum(row % 7 for row in rows)}
            assert all(part["counts"] == counts for part in parts)
            totals[step] = totals.get(step, 0) + len(rows)
    assert sorted(totals.values()) == [11, 12, 12, 12]


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    one = loader(40, 8)
    epochs = [[row for batch in epoch_of(one) for row in batch["rows"].tolist()] for _ in range(3)]
    assert len({tuple(epoch) for epoch in epochs}) == 3
    assert all(sorted(epoch) == list(range(40)) for epoch in epochs)
    torch.manual_seed(5)
    np.random.seed(5)
    again = loader(40, 8)
    assert [[row for batch in epoch_of(again) for row in batch["rows"].tolist()] for _ in range(3)] == epochs
    assert again.order(1).tolist() == epochs[1]
    assert loader(40, 8, seed=1).order(0).tolist() != epochs[0]
    # a shuffle: where row 0 comes is spread evenly
    places = [loader(40, 8, seed=seed).order(0).tolist().index(0) for seed in range(300)]
    assert np.mean(places) == pytest.approx(19.5, abs=2.5)


def test_each_epoch_is_drawn_anew_and_named() -> None:
    one = loader(10, 5)
    assert [[batch["epoch"] for batch in epoch_of(one)] for _ in range(3)] == [[0, 0], [1, 1], [2, 2]]
    assert one.examples.begun == [0, 0, 1, 2]  # pyright: ignore[reportAttributeAccessIssue]


def test_epochs_of_unequal_sizes_take_the_first_ones_number_of_steps() -> None:
    one = BatchLoader(Numbers(20, 17, 23), 5, 0, Share())
    sizes = [[row for batch in epoch_of(one) for row in batch["rows"].tolist()] for _ in range(3)]
    assert [len(rows) for rows in sizes] == [20, 20, 20]
    assert set(sizes[1]) == set(range(17))  # all of them, three twice
    assert len(set(sizes[2])) == 20
    assert max(sizes[2]) > 19  # of all 23


def masked_steps(world: int, micro: int, workers: int = 0) -> list[list[tuple]]:
    """Each step's sequences of a masked corpus, sorted: tokens, and where they are to be predicted."""
    lengths = np.random.default_rng(0).integers(1, 9, 120)
    places = np.concatenate([[0], np.cumsum(lengths)])
    corpus = TokenizedCorpus(np.arange(places[-1]) % 90 + 5, places, np.arange(0, 121, 12))
    vocabulary = Vocabulary(
        {"pad": 0, "unk": 1, "cls": 2, "sep": 3, "mask": 4}, size=95, continues=np.zeros(95, dtype=bool)
    )
    steps: dict[int, list[tuple]] = {}
    for rank in range(world):
        examples = CorpusExamples([corpus], MaskedLanguageModel(), vocabulary, 24, seed=1)
        one = BatchLoader(examples, 8, 1, Share(rank, world, micro), workers)
        for number, batch in enumerate(chain(one, one)):
            tokens, offsets = batch["tokens"].tolist(), batch["offsets"].tolist()
            masked = set(batch["masked_positions"].tolist())
            for start, stop in pairwise(offsets):
                sequence = (tokens[start:stop], [place in masked for place in range(start, stop)])
                steps.setdefault(number // micro, []).append(sequence)
    return [sorted(steps[number]) for number in sorted(steps)]


def test_masks_do_not_depend_on_processes_micro_batches_or_workers() -> None:
    expected = masked_steps(1, 1)
    assert len(expected) > 6
    for world, micro, workers in ((2, 1, 0), (1, 2, 0), (2, 2, 0), (1, 1, 2)):
        assert masked_steps(world, micro, workers) == expected


def test_loading_leaves_the_global_generators_alone() -> None:
    def draw() -> tuple[float, float]:
        return torch.rand(()).item(), np.random.random()

    for workers in (0, 1):
        torch.manual_seed(3)
        np.random.seed(3)
        expected = draw()
        torch.manual_seed(3)
        np.random.seed(3)
        epoch_of(loader(20, 5, workers=workers))
        assert draw() == expected


# ---- resuming --------------------------------------------------------------------------------------------------------


def take(one: BatchLoader, number: int) -> list[list[int]]:
    """The next `number` batches, epoch after epoch, as a training loop takes them: it knows the length, and does not
    ask for what comes after an epoch's last batch."""
    taken: list[list[int]] = []
    while len(taken) < number:
        left = len(one) - one.position
        taken += [batch["rows"].tolist() for batch in islice(iter(one), min(left, number - len(taken)))]
    return taken


@pytest.mark.parametrize(("world", "micro"), [(1, 1), (1, 3), (2, 2)])
def test_resuming_at_every_position(world: int, micro: int) -> None:
    for rank in range(world):

        def fresh(rank: int = rank) -> BatchLoader:
            return loader(26, 7, world, micro, rank)

        length = len(fresh())
        everything = take(fresh(), 3 * length)
        for position in range(2 * length + 1):
            first = fresh()
            done = take(first, position)
            state = json.loads(json.dumps(first.state_dict()))
            second = fresh()
            second.load_state_dict(state)
            assert done + take(second, 3 * length - position) == everything, position
            assert second.state_dict() == {"epoch": 2, "position": 0, "micro": micro}


def test_resuming_with_worker_processes() -> None:
    everything = take(loader(26, 7), 12)
    for position in (0, 2, 4, 7):
        first = loader(26, 7, workers=2)
        done = take(first, position)
        second = loader(26, 7, workers=2)
        second.load_state_dict(first.state_dict())
        assert done + take(second, 10 - position) == everything[:10], position


def test_resuming_skips_steps_without_making_their_batches() -> None:
    made: list[list[int]] = []

    class Watched(Numbers):
        def batch(self, rows: np.ndarray, epoch: int) -> dict:
            made.append(rows.tolist())
            return super().batch(rows, epoch)

    one = BatchLoader(Watched(40), 5, 0, Share())
    one.load_state_dict({"epoch": 3, "position": 6, "micro": 1})
    rest = [batch["rows"].tolist() for batch in one]
    assert made == rest
    assert len(rest) == 2


class Line(L.LightningModule):
    """A little regression on the row numbers; nothing in it is random."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
        self.seen: list[list[int]] = []
        self.evaluated: list[int] = []

    def loss(self, batch: dict) -> torch.Tensor:
        x = batch["rows"].float()[:, None] / 10
        return (self.net(torch.cat([x, x.sin(), x.cos()], 1)) - x**2).square().sum() / batch["counts"]["examples"]

    def training_step(self, batch: dict, batch_idx: int) -> torch.Tensor:
        self.seen.append(batch["rows"].tolist())
        return self.loss(batch)

    def validation_step(self, batch: dict, batch_idx: int) -> None:
        self.evaluated += batch["rows"].tolist()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.05)


def fit(
    folder: Path,
    micro: int,
    workers: int,
    resume: Path | None = None,
    callbacks: tuple[Callback, ...] = (),
    training: BatchLoader | Passes | None = None,
) -> tuple[Line, L.Trainer]:
    trainer = L.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=2,
        accumulate_grad_batches=micro,
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=bool(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=list(callbacks),
    )
    model = Line()
    training = training or loader(26, 7, micro=micro, workers=workers)
    validation = EvaluationLoader(Numbers(9), 4, Share())
    trainer.fit(model, training, validation, ckpt_path=None if resume is None else str(resume), weights_only=True)
    return model, trainer


def tensors(model: Line, trainer: L.Trainer) -> list[torch.Tensor]:
    moments = [state[name] for state in trainer.optimizers[0].state.values() for name in ("exp_avg", "exp_avg_sq")]
    return [*model.parameters(), *moments]


@pytest.mark.parametrize(("micro", "workers"), [(1, 0), (2, 0), (1, 2)])
@pytest.mark.filterwarnings("ignore")
def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path, micro: int, workers: int) -> None:
    every_step = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    whole, trainer = fit(tmp_path, micro, workers, callbacks=(every_step,))
    assert trainer.global_step == 8
    assert whole.seen == take(loader(26, 7, micro=micro), 8 * micro)
    assert whole.evaluated == [*range(9)] * 2
    for step in (1, 4, 6) if workers == 0 else (3,):  # in the first epoch, at its very end, in the second one
        checkpoint = tmp_path / f"step={step}.ckpt"
        state: dict[str, Any] = torch.load(checkpoint, weights_only=True)
        assert state["global_step"] == step
        resumed, its_trainer = fit(tmp_path, micro, workers, checkpoint)
        assert whole.seen[: step * micro] + resumed.seen == whole.seen, step
        pairs = zip(tensors(whole, trainer), tensors(resumed, its_trainer), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs), step
        assert its_trainer.global_step == 8


def passes(micro: int) -> Passes:
    """Groups of 20, 17, 23 and 9 examples, which take 3, 3, 4 and 2 steps; a pass is said to take 11."""
    return Passes(BatchLoader(Numbers(20, 17, 23, 9), 7, 0, Share(micro=micro), unequal=True), 11, 4)


@pytest.mark.parametrize("micro", [1, 2])
@pytest.mark.filterwarnings("ignore")
def test_a_run_over_groups_resumes_with_the_same_bits(tmp_path: Path, micro: int) -> None:
    every_step = ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=1, save_top_k=-1)
    whole, trainer = fit(tmp_path, micro, 0, callbacks=(every_step, Place()), training=passes(micro))
    assert trainer.global_step == 22  # two epochs
    rows = [sorted(chain(*whole.seen[first:last])) for first, last in pairwise(np.cumsum([0, 3, 3, 4, 2]) * micro)]
    assert rows == [list(range(size)) for size in (20, 17, 23, 9)]
    for step in (2, 5, 11, 12, 17):  # in the first group, in the second one, at the epoch's end, after it
        again = (tmp_path / f"step={step}.ckpt", (Place(),), passes(micro))
        resumed, its_trainer = fit(tmp_path, micro, 0, *again)
        assert whole.seen[: step * micro] + resumed.seen == whole.seen, step
        pairs = zip(tensors(whole, trainer), tensors(resumed, its_trainer), strict=True)
        assert all(torch.equal(one, other) for one, other in pairs), step


@pytest.mark.filterwarnings("ignore")
def test_micro_batches_take_the_same_steps(tmp_path: Path) -> None:
    """Up to rounding, which shows that the bits compared above can differ."""
    one, two = (torch.cat([p.flatten() for p in fit(tmp_path, micro, 0)[0].parameters()]) for micro in (1, 2))
    assert not torch.equal(one, two)
    assert torch.allclose(one, two, atol=1e-4)


# ---- evaluation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("world", range(1, 9))
def test_evaluation_takes_every_example_once(world: int) -> None:
    for batch_size in (1, 3, 17, 100):
        loaders = [EvaluationLoader(Numbers(17), batch_size, Share(rank, world)) for rank in range(world)]
        dealt = [[batch["rows"].tolist() for batch in one] for one in loaders]
        assert [len(one) for one in loaders] == [len(batches) for batches in dealt]
        rows = [[row for batch in batches for row in batch] for batches in dealt]
        assert sorted(chain(*rows)) == list(range(17))
        assert all(own == sorted(own) for own in rows)
        assert max(map(len, rows)) - min(map(len, rows)) <= 1
        assert all(0 < len(batch) <= batch_size for batches in dealt for batch in batches)
        again = [[batch["rows"].tolist() for batch in one] for one in loaders]
        assert again == dealt


def test_evaluation_draws_as_in_epoch_0() -> None:
    examples = Numbers(5)
    assert {batch["epoch"] for batch in EvaluationLoader(examples, 2, Share())} == {0}
    assert examples.begun == [0]


# ---- refusals and settings -------------------------------------------------------------------------------------------


def test_refusals() -> None:
    for size, global_batch, world, micro in ((20, 3, 2, 2), (7, 4, 2, 2), (3, 64, 4, 1), (10, 1, 1, 2)):
        with pytest.raises(Refused, match=f"data.global_batch_size={global_batch} over {size} examples") as caught:
            loader(size, global_batch, world, micro)
        assert f"{world} processes x {micro} micro-batches" in str(caught.value)
    loader(8, 4, 2, 2)
    with pytest.raises(Refused, match="17 examples cannot be evaluated on 18 processes"):
        EvaluationLoader(Numbers(17), 4, Share(0, 18))


def test_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    for gpu, expected in ((False, 0), (True, 4)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        assert pick_workers(None) == expected
        assert pick_workers(0) == 0
        assert pick_workers(3) == 3
