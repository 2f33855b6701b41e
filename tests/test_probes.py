"""Probes: scores against log-softmax by hand, the right candidate's place, and what a run leaves."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate

from datamodules.miniature.probes import CUES, GAP, probes
from datamodules.probes import Probes
from datamodules.task import Refused
from lightning_modules.bert import Bert
from lightning_modules.probing import preferences
from tests.commands import TINY, Done, command, summary, table, the_run
from tests.conftest import CPU, compose

SMALL: dict[str, Any] = {"hidden_size": 32, "num_layers": 2, "num_heads": 2, "intermediate_size": 64, "max_length": 128}


@pytest.fixture(scope="module")
def data(cache: str) -> Probes:
    found = instantiate(compose("data=probes", "model.vocab_size=300", *CPU, cache).data, _convert_="all")
    found.prepare_data()
    found.setup("test")
    return found


def decode(data: Probes, ids: torch.Tensor) -> str:
    return data.load_tokenizer().decode(ids.tolist())


# ---- the score of a candidate ----------------------------------------------------------------------------------------


def by_hand(data: Probes, model: Bert, text: str, word: str) -> tuple[float, int]:
    """Sum of log-probabilities of a word's pieces, all masked, from logits of the whole sequence; number of pieces."""
    tokenizer, vocabulary = data.load_tokenizer(), data.vocabulary()
    left, right, pieces = (tokenizer.encode(part, add_special_tokens=False).ids for part in (*text.split(GAP), word))
    ids = [vocabulary.cls, *left, *[vocabulary.mask] * len(pieces), *right, vocabulary.sep]
    n = len(ids)
    whole: dict[str, Any] = {
        "tokens": torch.tensor(ids),
        "positions": torch.arange(n),
        "segments": torch.zeros(n, dtype=torch.int64),
        "offsets": torch.tensor([0, n], dtype=torch.int32),
        "runs": [(1, n)],
        "summary": torch.tensor([0]),
    }
    logits = model.masked_lm(model.encode(whole).layers[-1], model.encoder.embeddings.token.weight)  # (n, V)
    chances = logits.double().log_softmax(-1)
    return sum(float(chances[1 + len(left) + at, piece]) for at, piece in enumerate(pieces)), len(pieces)


@pytest.mark.parametrize("nsp", [True, False])
def test_a_candidates_score_is_its_mean_log_probability(data: Probes, nsp: bool) -> None:
    torch.manual_seed(0)
    size = data.load_tokenizer().get_vocab_size()
    model = Bert({"lr": 1e-3}, {"lr": 1e-3}, vocab_size=size, nsp=nsp, **SMALL).attach(data.task).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(5)  # so that candidates differ
        rows = np.arange(10)
        _, scores = model.losses(data.examples.batch(rows, 0))
        assert scores is not None
        pieces = []
        for row in rows:
            probe = data.probes[row]
            sums, counts = zip(*(by_hand(data, model, probe.text, w) for w in sorted(probe.candidates)), strict=True)
            expected = [total / count for total, count in zip(sums, counts, strict=True)]
            assert scores[row].tolist() == pytest.approx(expected, abs=1e-4)
            pieces += counts
    assert len(set(pieces)) > 2  # candidates of one piece and of several


def test_only_the_losses_that_count_the_gap_are_read() -> None:
    def losses(batch: dict) -> dict[str, tuple[torch.Tensor, int]]:
        return {"word": (torch.tensor(batch["nats"]), 1), "other": (torch.tensor(99.0), 1)}

    probe = [{"nats": 6.0, "counts": {"word": 3}}, {"nats": 1.0, "counts": {"word": 1}}]
    assert preferences(losses, [probe, probe[::-1]]).tolist() == [[-2, -1], [-1, -2]]


def test_the_label_is_the_right_candidate(data: Probes) -> None:
    batch = data.examples.batch(np.arange(60), 0)
    for probe, candidates, label in zip(data.probes, batch["candidates"], batch["labels"].tolist(), strict=False):
        found = [decode(data, candidate["masked_labels"]) for candidate in candidates]
        assert (found[label], found[1 - label]) == probe.candidates
        for candidate, word in zip(candidates, found, strict=True):
            shown = candidate["tokens"].clone()
            assert (shown[candidate["masked_positions"]] == data.vocabulary().mask).all()
            shown[candidate["masked_positions"]] = candidate["masked_labels"]
            text = probe.text.replace(GAP, word).lower()
            assert decode(data, shown[1:-1]).replace(" ", "") == text.replace(" ", "")
    assert 20 < int(batch["labels"].sum()) < 40  # one who always says the same is right half of the time


# ---- a run -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    place = tmp_path_factory.mktemp("probes")
    done = command(place, *TINY, "data=probes", "init_from=scratch", "logger=csv")
    assert done.status == 0, done.err
    return the_run(place), done


@pytest.mark.slow
def test_random_weights_are_at_chance_everywhere(asked: tuple[Path, Done]) -> None:
    record = summary(asked[0])
    assert (record["data"], record["start"], record["checkpoint"]) == ("miniature/probes", "scratch", "none")
    assert set(record["headline"]["parts"]) == {*CUES, "seen", "unseen"}
    assert record["headline"]["value"] == pytest.approx(50, abs=6)
    for part, value in record["headline"]["parts"].items():
        assert value == pytest.approx(50, abs=12), part
    assert record["cost"]["steps"] == 0
    assert not record["collapsed"]


@pytest.mark.slow
def test_the_metrics_are_those_of_the_answers(asked: tuple[Path, Done]) -> None:
    rows, known, metrics = table(asked[0] / "predictions/probes.tsv"), probes(), summary(asked[0])["metrics"]
    assert [int(row["index"]) for row in rows] == list(range(len(known)))
    right, total = Counter[str](), Counter[str]()
    for row, probe in zip(rows, known, strict=True):
        answer = sorted(probe.candidates)[int(row["prediction"])]
        for part in ("", f"/{probe.cue}", f"/{probe.words}", f"/{probe.cue}/{probe.words}"):
            right[part] += answer == probe.candidates[0]
            total[part] += 1
    assert len(total) == 1 + len(CUES) + 2 + 2 * len(CUES)
    for part, count in total.items():
        assert metrics[f"test_probes/accuracy{part}"] == pytest.approx(right[part] / count, abs=1e-6)


@pytest.mark.slow
def test_nothing_is_trained_and_a_table_is_shown(asked: tuple[Path, Done]) -> None:
    assert {path.name for path in asked[0].iterdir()} == {".hydra", "metrics.csv", "predictions", "summary.json"}
    lines = [line.split() for line in asked[1].out.splitlines()]
    (head,) = [number for number, line in enumerate(lines) if line[:4] == ["cue", "all", "seen", "unseen"]]
    assert [line[0] for line in lines[head + 1 : head + 7]] == [*CUES, "all"]
    parts = summary(asked[0])["headline"]["parts"]
    assert [float(line[1]) for line in lines[head + 1 : head + 6]] == [round(parts[cue], 1) for cue in CUES]
    assert lines[head][4] == "frequency"
    exact = lines[head].index("exact") - len(lines[head])
    assert [line[exact] for line in lines[head + 1 : head + 6]] == ["100.0"] * 5


# ---- refusals --------------------------------------------------------------------------------------------------------


def test_a_probe_is_never_cut(data: Probes, tmp_path: Path) -> None:
    short = Probes("miniature", data.subwords, data.gap, 16, 8, str(tmp_path))
    with pytest.raises(Refused, match=r"data\.max_length=16 .* from \d\d up"):
        short.prepare_data()


def test_an_objective_that_lays_out_no_gap_is_refused(data: Probes, tmp_path: Path) -> None:
    no_gap: Any = object()
    with pytest.raises(Refused, match=r"text\.objective=object has no `gap`"):
        Probes("miniature", data.subwords, no_gap, 64, 8, str(tmp_path))


def test_only_the_miniature_has_probes(data: Probes, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=r"data\.source='hub' .* may be miniature\."):
        Probes("hub", data.subwords, data.gap, 64, 8, str(tmp_path))
