"""`data.train_examples`: nested, seeded subsets of a task's training set, and nothing else that changes with them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from datamodules.formats import SequencePair
from datamodules.glue import Glue
from datamodules.task import Refused
from datamodules.tokenization import WordPiece


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("train-examples")


def rte(place: Path, **settings: Any) -> Glue:
    """The miniature's RTE, prepared."""
    sizes = {"max_length": 64, "global_batch_size": 32, "eval_batch_size": 64, "seed": 0, "cache_dir": str(place)}
    data = Glue(
        "rte", source="miniature", tokenizer=WordPiece(vocab_size=500), format=SequencePair(), **{**sizes, **settings}
    )
    data.prepare_data()
    data.setup("fit")
    return data


def rows(data: Glue) -> list[int]:
    """Row numbers of one epoch's batches, as training sees them."""
    return [int(number) for batch in data.train_dataloader() for number in batch["index"]]


def test_fewer_are_a_part_of_more_and_all_are_the_whole(place: Path) -> None:
    whole = rte(place)
    everything = set(rows(whole))
    smaller: set[int] = set()
    for count in (1, 7, 64, 500, len(everything)):
        seen = rows(rte(place, train_examples=count))
        assert len(seen) == len(set(seen)) == count
        assert smaller < set(seen) <= everything
        smaller = set(seen)
    assert smaller == everything
    assert rows(rte(place, train_examples=len(everything))) == rows(whole)  # in the same order too


def test_the_seed_alone_says_which(place: Path) -> None:
    first, again, other = (set(rows(rte(place, train_examples=100, seed=seed))) for seed in (0, 0, 1))
    assert first == again
    assert 0 < len(first & other) < 40  # of about 900: 11 are expected in both
    longer = set(rows(rte(place, train_examples=100, max_length=32, global_batch_size=7, checkpoint="last")))
    assert longer == first


def test_they_are_drawn_evenly(place: Path) -> None:
    count = len(rows(rte(place)))
    drawn = np.array([number for seed in range(20) for number in rows(rte(place, train_examples=50, seed=seed))])
    assert len(set(drawn)) > 500  # 1,000 draws of about 900 rows: about 610 different ones are expected
    assert abs(drawn.mean() / 1000 - 0.5) < 0.05
    assert count > 800


def test_what_is_chosen_and_tested_on_stays(place: Path) -> None:
    whole, part = rte(place), rte(place, train_examples=40)
    assert np.array_equal(part.val.rows, whole.val.rows)
    assert not set(rows(part)) & set(part.val.rows.tolist())
    assert part.card["train"] == 40
    assert sum(part.card["train_labels"].values()) == 40
    assert {key: part.card[key] for key in ("selection", "validation")} == {
        "selection": len(whole.val),
        "validation": 1000,
    }
    assert part.tokens_dir == whole.tokens_dir
    assert part.tokenizer_file == whole.tokenizer_file


def test_the_papers_selection_draws_from_the_whole_training_set(place: Path) -> None:
    held = set(rte(place).val.rows.tolist())
    drawn = rows(rte(place, train_examples=1000, selection="paper"))
    assert sorted(drawn) == list(range(1000))
    assert held & set(rows(rte(place, train_examples=200, selection="paper")))


@pytest.mark.parametrize("count", [0, -1, 1.5, 5.0, True, "ten"])
def test_no_number_of_examples_is_refused(count: object, place: Path) -> None:
    with pytest.raises(Refused) as caught:
        rte(place, train_examples=count)
    wanted = f"data.train_examples={count!r} is not possible: it may be a whole number from 1 up, or null for all."
    assert str(caught.value) == wanted


def test_more_than_there_are_is_refused_while_preparing(place: Path) -> None:
    there = len(rows(rte(place)))
    assert there < 1000  # a tenth is held out
    data = rte(place)
    data.train_examples = there + 1
    with pytest.raises(Refused) as caught:
        data.prepare_data()
    assert str(caught.value) == (
        f"data.train_examples={there + 1} is not possible: rte has {there} rows to train on; "
        f"it may be a whole number from 1 to {there}, or null for all."
    )
    with pytest.raises(Refused, match="from 1 to 1000"):
        rte(place, train_examples=1001, selection="paper")
