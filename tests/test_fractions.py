"""The encoders that a pre-training leaves on its way: the weights that it had there, found and taken by a transfer."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from lightning_modules.cost import Cost
from sweeps.evidence.rows import row_key
from sweeps.planning.pretraining import command_line
from sweeps.runs import fractions
from sweeps.runs.encoders import find_encoder, place_of
from tests.commands import TINY, command, summary, the_run
from tests.test_pretraining import SMALL, TRANSFER, compose, mark, opened

__all__ = ["opened"]  # a fixture
FLAT = ("data=miniature", "data.validation_sequences=20", "trainer.max_steps=6", "trainer.max_epochs=-1", *TINY)
KEPT = "keep_fractions=[0.5,0.9]"  # after 3 and 5 of 6 steps


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a pre-training that has left encoders on its way."""
    place = tmp_path_factory.mktemp("kept")
    done = command(place, *FLAT, KEPT, "logger=csv")
    assert done.status == 0, done.err
    return place


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[int, dict[str, torch.Tensor]]]:
    """A folder with the same pre-training without any, and what its weights were after each step."""
    place, seen = tmp_path_factory.mktemp("plain"), dict[int, dict[str, torch.Tensor]]()

    def look(_: Any, trainer: Any, model: Any, *rest: Any) -> None:
        seen[trainer.global_step] = {name: tensor.clone() for name, tensor in model.state_dict().items()}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Cost, "on_train_batch_end", look)
        done = command(place, *FLAT, "logger=csv")
    assert done.status == 0, done.err
    return place, seen


def test_encoders_on_the_way_are_the_weights_of_their_steps_and_the_whole_one_does_not_notice(
    kept: Path, plain: tuple[Path, dict[int, dict[str, torch.Tensor]]]
) -> None:
    run, (other, seen) = the_run(kept), plain
    assert sorted(path.name for path in run.glob("encoder*")) == ["encoder", "encoder-0.5", "encoder-0.9"]
    marks, costs = set(), dict[int, dict[str, Any]]()
    for name, step in (("encoder", 6), ("encoder-0.5", 3), ("encoder-0.9", 5)):
        told = yaml.safe_load((run / name / "encoder.yaml").read_text())
        assert told["steps"] == told["cost"]["steps"] == step
        costs[step] = told["cost"]
        marks.add(told["fingerprint"])
        tensors = load_file(run / name / "weights.safetensors")
        assert all(torch.equal(tensor, seen[step][key]) for key, tensor in tensors.items())
    for step in (3, 5):
        assert costs[step]["words"] == pytest.approx(costs[6]["words"] * step / 6, abs=1)
        assert 0 < costs[step]["tokens"] < costs[6]["tokens"]
        assert 0 < costs[step]["seconds"] < costs[6]["seconds"]
        ratio = costs[step]["flops"] / costs[6]["flops"]
        assert ratio == pytest.approx(costs[step]["tokens"] / costs[6]["tokens"])
    assert len(marks) == 3, "a cache of one's layers is not the other's"
    assert run.name == the_run(other).name
    assert summary(run)["encoder_fingerprint"] == summary(the_run(other))["encoder_fingerprint"]


def test_a_transfer_takes_the_one_that_it_asks_for(kept: Path) -> None:
    before = {path.name for path in (kept / "outputs").iterdir()}
    for more in (("pretrain.fraction=0.5",), ()):
        done = command(kept, *TRANSFER, *SMALL, KEPT, *more)
        assert done.status == 0, done.err
        assert "pre-trains" not in done.out
    records = [summary(path) for path in (kept / "outputs").iterdir() if path.name not in before]
    starts = {record["config"]["pretrain"]["fraction"]: record for record in records}
    (run,) = before
    for fraction, name in ((0.5, "encoder-0.5"), (1.0, "encoder")):
        told = yaml.safe_load((kept / "outputs" / run / name / "encoder.yaml").read_text())
        assert starts[fraction]["encoder_fingerprint"] == told["fingerprint"]
        assert f"outputs/{run}/{name} " in starts[fraction]["start"]
        assert starts[fraction]["pretraining"] == told["cost"]


def test_what_was_not_kept_is_made_once_more_and_found_then(plain: tuple[Path, Any]) -> None:
    place, _ = plain
    whole, asked = the_run(place), (*TRANSFER, *SMALL, KEPT)
    done = command(place, *asked, "pretrain.fraction=0.5")
    assert done.status == 0, done.err
    (made,) = (place / "encoders").glob("*/encoder-0.5")
    assert f"pre-trains encoders/{made.parent.name} first" in done.out
    first, second = (load_file(run / "encoder" / "weights.safetensors") for run in (whole, made.parent))
    assert all(torch.equal(tensor, second[key]) for key, tensor in first.items())
    again = command(place, *asked, "pretrain.fraction=0.9")
    assert again.status == 0, again.err
    assert "pre-trains" not in again.out


def test_it_is_made_beside_one_that_has_not_kept_it(tmp_path: Path) -> None:
    def leave(name: str) -> None:
        (tmp_path / "abc" / name).mkdir(parents=True)
        (tmp_path / "abc" / name / "encoder.yaml").write_text("fingerprint: abc")

    assert place_of("abc", tmp_path, [0.5]) == tmp_path / "abc"
    leave("encoder")
    assert find_encoder("abc", tmp_path, [0.5]) is None
    assert place_of("abc", tmp_path, [0.5]) == tmp_path / "abc-0.5"
    assert place_of("abc", tmp_path, []) == tmp_path / "abc"
    leave("encoder-0.5")
    assert find_encoder("abc", tmp_path, [1.0, 0.5]) == tmp_path / "abc" / "encoder"
    assert find_encoder("abc", tmp_path, [0.9]) is None


def test_a_fraction_that_is_not_kept_is_refused_in_a_sentence(tmp_path: Path) -> None:
    for told in ("pretrain.fraction=0.4", "pretrain.fraction=0", "pretrain.fraction=half"):
        refusal = command(tmp_path, *TRANSFER, *SMALL, KEPT, told).refusal
        assert "it may be 1 (the whole), or one of keep_fractions=[0.5, 0.9]" in refusal
    for told in ("0.5", "[0]", "[1]", "[half]"):
        assert "between 0 and 1" in command(tmp_path, *FLAT, f"keep_fractions={told}").refusal


@pytest.mark.usefixtures("opened")
def test_what_is_kept_on_the_way_is_told_to_the_pre_training_and_makes_no_other_encoder() -> None:
    words = (*TRANSFER, *SMALL)
    assert compose(*command_line(compose(*words, KEPT))).keep_fractions == [0.5, 0.9]
    assert mark(KEPT, "pretrain.fraction=0.5") == mark()


class Left:
    """Which fractions are left after which steps."""

    def __init__(self, patch: pytest.MonkeyPatch, steps: int, *told: float) -> None:
        self.found: list[tuple[float, int]] = []
        self.asked: list[int] = []  # for what it has cost until there
        patch.setattr(fractions, "spent", lambda trainer, *_: self.asked.append(trainer.global_step))
        self.cost = Cost()
        patch.setattr(fractions, "leave_encoder", self.leave)
        cfg: Any = SimpleNamespace(keep_fractions=told)
        self.callback, self.steps = fractions.Fractions(cfg, Path(), None, None), steps  # pyright: ignore

    def leave(self, *words: Any, cost: Any) -> None:
        assert self.cost.since == 0, "writing is no training: the clock stands still"
        self.found.append((words[-1], words[3].global_step))

    def train(self, begin: int, end: int, rank: int = 0) -> None:
        """Steps of two batches each."""
        trainer: Any = SimpleNamespace(global_step=begin, estimated_stepping_batches=self.steps)
        trainer.is_global_zero, trainer.callbacks = rank == 0, [self.cost]
        self.cost.on_train_start(trainer, None)  # pyright: ignore
        self.callback.on_train_start(trainer, None)  # pyright: ignore
        for batch in range(2 * begin, 2 * end):
            trainer.global_step = (batch + 1) // 2
            self.callback.on_train_batch_end(trainer, None)  # pyright: ignore
            assert self.cost.since > 0


def test_each_is_left_once_by_the_first_process_and_not_again_after_a_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    left = Left(monkeypatch, 150, 0.4, 0.05, 0.001)
    left.train(0, 20, rank=1)
    assert left.found == []
    assert left.asked == [1, 8], "its cost is the sum over all processes: each has to ask"
    left.train(0, 20)
    left.train(10, 150)
    assert left.found == [(0.001, 1), (0.05, 8), (0.4, 60)]


def test_the_whole_goes_without_saying_and_a_fraction_is_a_row_of_its_own() -> None:
    """Of a comparison; records that were made before there were fractions stay in the row of the whole."""

    def row(**told: float) -> tuple[str, str, dict[str, Any]]:
        config = {"seed": 0, "pretrain": {"recipe": "scale", "seed": 0, **told}, "keep_fractions": list(told.values())}
        return row_key({"data": "glue/rte", "model": "bert", "selection": "last", "config": config})

    assert row() == row(fraction=1.0)
    assert row(fraction=0.5) not in (row(), row(fraction=0.9))
