"""Chunks of tags are counted as the official script does: re-derived here word by word, on thousands of sequences."""

import random
from typing import Any

import pytest
import torch

from datamodules.task import Task
from lightning_modules.chunks import Chunks
from lightning_modules.metrics import task_metrics

LABELS = ("O", "B-PER", "I-PER", "I-LOC", "B-LOC", "B-MISC", "I-MISC")
METRICS = ("f1", "precision", "recall", "accuracy")
TASK = Task("any", "tags", len(LABELS), LABELS, METRICS, "f1")
Sentence = tuple[list[int], list[int]]


# ---- the script's counting, one word after the other -----------------------------------------------------------------


def ends(before: str, now: str) -> bool:
    """Whether a chunk that `before` is in is over before `now`."""
    if before == "O":
        return False
    return now == "O" or now[0] == "B" or before[2:] != now[2:]


def begins(before: str, now: str) -> bool:
    """Whether a chunk begins with `now`."""
    if now == "O":
        return False
    return now[0] == "B" or before == "O" or before[2:] != now[2:]


def counted(sentences: list[Sentence]) -> dict[str, list[int]]:
    """Type -> right, predicted and true chunks; the running state of the script, which sees a sentence's end as O."""
    table = {name: [0, 0, 0] for name in ("LOC", "MISC", "PER")}
    for predicted, gold in sentences:
        in_right, old, truth_before = False, "O", "O"
        for ours, true in zip([*predicted, 0], [*gold, 0], strict=True):
            guess, truth = LABELS[ours] if ours >= 0 else "O", LABELS[true]
            if in_right:
                both = ends(old, guess), ends(truth_before, truth)
                if all(both):
                    table[truth_before[2:]][0] += 1
                in_right = not any(both)
            starts = begins(old, guess), begins(truth_before, truth)
            in_right = in_right or (all(starts) and guess[2:] == truth[2:])
            if starts[0]:
                table[guess[2:]][1] += 1
            if starts[1]:
                table[truth[2:]][2] += 1
            old, truth_before = guess, truth
    return table


def expected(sentences: list[Sentence]) -> dict[str, float]:
    table = counted(sentences)
    right, found, there = (sum(row[column] for row in table.values()) for column in range(3))
    words = [pair for ours, true in sentences for pair in zip(ours, true, strict=True)]
    scores = {
        "precision": right / found if found else 0.0,
        "recall": right / there if there else 0.0,
        "accuracy": sum(ours == true for ours, true in words) / len(words),
    }
    total = scores["precision"] + scores["recall"]
    scores["f1"] = 2 * scores["precision"] * scores["recall"] / total if total else 0.0
    return scores | {f"f1/{name}": 2 * r / (f + t) if f + t else 0.0 for name, (r, f, t) in table.items()}


def drawn(rng: random.Random, share_wrong: float) -> Sentence:
    """Any tags, also ill-formed ones; the prediction is the truth but for a share of words, of which some have none."""
    gold = [rng.randrange(len(LABELS)) for _ in range(rng.randint(1, 9))]
    ours = [rng.randrange(-1, len(LABELS)) if rng.random() < share_wrong else tag for tag in gold]
    return ours, gold


def told(sentences: list[Sentence]) -> tuple[Any, ...]:
    columns = [torch.tensor([tag for pair in sentences for tag in pair[column]]) for column in (0, 1)]
    sizes = torch.tensor([len(gold) for _, gold in sentences])
    return (*columns, torch.arange(len(sizes)).repeat_interleave(sizes))


# ---- against it ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share_wrong", [0.0, 0.1, 0.4, 1.0])
def test_the_counts_are_the_scripts(share_wrong: float) -> None:
    """A few sentences at a time, so that a single wrong chunk shows."""
    rng, metrics = random.Random(int(10 * share_wrong)), task_metrics(TASK, "val/")
    for _ in range(600):
        sentences = [drawn(rng, share_wrong) for _ in range(rng.randint(1, 4))]
        metrics.reset()
        metrics.update(*told(sentences))
        found = metrics.compute()
        wanted = {f"val/{name}": value for name, value in expected(sentences).items()}
        assert {name: float(value) for name, value in found.items()} == pytest.approx(wanted, abs=1e-6), sentences


def test_cases_by_hand() -> None:
    """Ill-formed beginnings begin chunks, B- ends one, and a chunk does not go on in the next sentence."""
    chunks = Chunks(LABELS)
    for sentences, begin, stop in (
        (["I-PER I-PER O"], [0], [2]),
        (["B-PER B-PER I-PER"], [0, 1], [1, 3]),
        (["B-PER I-LOC I-LOC"], [0, 1], [1, 3]),
        (["O I-MISC B-MISC"], [1, 2], [2, 3]),
        (["B-LOC", "I-LOC O"], [0, 1], [1, 2]),
    ):
        tags = torch.tensor([LABELS.index(tag) for words in sentences for tag in words.split()])
        owner = torch.tensor([at for at, words in enumerate(sentences) for _ in words.split()])
        found = chunks.find(tags, owner)
        assert found.begins.nonzero().flatten().tolist() == begin, sentences
        assert found.stop[found.begins].tolist() == stop, sentences


def test_processes_add_their_counts() -> None:
    """Two metrics with unequal shares, their states added as all-reduce does, against one that has seen all."""
    rng = random.Random(5)
    sentences = [drawn(rng, 0.3) for _ in range(41)]
    whole, parts = task_metrics(TASK, ""), [task_metrics(TASK, "") for _ in range(2)]
    whole.update(*told(sentences))
    parts[0].update(*told(sentences[:7]))
    parts[1].update(*told(sentences[7:20]))
    parts[1].update(*told(sentences[20:]))
    for name, metric in parts[0].items():
        for state, reduce in metric._reductions.items():
            assert reduce is not None
            both = torch.stack([getattr(part[name], state) for part in parts])
            setattr(metric, state, reduce(both))  # pyright: ignore[reportCallIssue]
    assert {name: float(value) for name, value in parts[0].compute().items()} == {
        name: float(value) for name, value in whole.compute().items()
    }


def test_what_is_measured_is_what_the_task_says() -> None:
    labels = ('"', "''", "NN|SYM", "B")
    task = Task("pos", "tags", 4, labels, ("accuracy",), "accuracy")
    found = task_metrics(task, "val/")(torch.tensor([0, 1, -1]), torch.tensor([0, 2, 3]), torch.tensor([0, 0, 1]))
    assert {name: float(value) for name, value in found.items()} == {"val/accuracy": pytest.approx(1 / 3)}
    assert Chunks(labels).types == []
