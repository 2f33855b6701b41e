"""Exact match and F1 of SQuAD: beside torchmetrics and a second derivation; files with what is missing or foreign."""

import json
import random
import re
import string
from pathlib import Path
from typing import Any

import pytest
from torchmetrics.text import SQuAD

from datamodules.miniature.squad import squad
from datamodules.squad_command import main
from datamodules.squad_score import V1, V2, evaluate, normalised, score
from tests.test_sources import SHARED, needs_shared

SILENT: list[str] = []


def plainly(text: str) -> list[str]:
    """The published normalisation a second time: word by word, character by character."""
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(?:an?|the)\b", " ", kept).split()


def words_shared(a: list[str], b: list[str]) -> int:
    left, shared = list(b), 0
    for word in a:
        if word in left:
            left.remove(word)
            shared += 1
    return shared


def second(prediction: str, golds: list[str], version: str) -> tuple[float, float]:
    """The two scores, derived again."""
    exact, best = 0.0, 0.0
    if version == V2:
        golds = [gold for gold in golds if plainly(gold)] or [""]
    told = plainly(prediction)
    for gold in golds:
        true = plainly(gold)
        exact = max(exact, float(" ".join(told) == " ".join(true)))
        if not told or not true:
            best = max(best, float(version == V2 and told == true))
        elif shared := words_shared(told, true):
            precision, recall = shared / len(told), shared / len(true)
            best = max(best, 2 * precision * recall / (precision + recall))
    return exact, best


CASES = [
    ("The  Cat's hat.", ["cats hat"], (1, 1)),
    ("a an the", ["the"], (1, 0)),  # nothing is left of either: equal, and without a word in common
    ("an apple", ["Apple", "pear"], (1, 1)),
    ("theatre", ["the atre"], (0, 0)),
    ("the the dog dog", ["dog"], (0, 2 * 0.5 / 1.5)),
    ("café", ["cafe"], (0, 0)),
    ("$5", ["5"], (1, 1)),
    ("£5", ["5"], (0, 0)),  # punctuation is ASCII's
    ("", ["x"], (0, 0)),
    ("New\u00a0York\tCity", ["new york city"], (1, 1)),
    ("x" * 50_000, ["x"], (0, 0)),
]


@pytest.mark.parametrize(("prediction", "golds", "expected"), CASES)
def test_cases_worked_out_by_hand(prediction: str, golds: list[str], expected: tuple[float, float]) -> None:
    assert score(prediction, golds, V1) == pytest.approx(expected, abs=1e-15)
    assert second(prediction, golds, V1) == pytest.approx(expected, abs=1e-15)


def test_without_an_answer_only_none_is_right_in_v2() -> None:
    assert score("", [], V2) == score("the", [], V2) == (1, 1)
    assert score("x", [], V2) == (0, 0)
    assert score("", ["x"], V2) == (0, 0)
    assert score("a", ["the", "x"], V2) == (0, 0)  # a gold answer of which nothing is left is none
    assert score("a", ["the"], V2) == (1, 1)


def noisy(rng: random.Random, answer: str) -> str:
    """Something like an answer, or nothing like it."""
    words = answer.split()
    rng.shuffle(words)
    more = rng.choices(["the", "A", "and,", "-", "...", "\u00e9", "NEW", "york"], k=rng.randint(0, 3))
    return rng.choice([answer, f" {answer.upper()}!", " ".join(words[: rng.randint(0, 3)] + more), ""])


def real_golds() -> dict[str, list[str]]:
    import pyarrow.parquet as pq

    (file,) = (SHARED / "rajpurkar/squad/plain_text").glob("validation-*.parquet")
    table = pq.read_table(file, columns=["id", "answers"]).to_pylist()
    return {row["id"]: row["answers"]["text"] for row in table}


def miniature_golds(version: str) -> dict[str, list[str]]:
    return {row["id"]: row["answers"]["text"] for row in squad("validation", 0, version, limit=300)}


def check_against_others(golds: dict[str, list[str]], version: str) -> None:
    rng = random.Random(0)
    predictions = {name: noisy(rng, rng.choice(told or ["some words"])) for name, told in golds.items()}
    pairs = [second(predictions[name], golds[name], version) for name in golds]
    wanted = [100.0 * sum(pair[side] for pair in pairs) / len(golds) for side in (0, 1)]
    found = evaluate(golds, predictions, version, SILENT.append)
    names = ("exact_match", "f1") if version == V1 else ("exact", "f1")
    assert [found[name] for name in names] == wanted  # to the last digit
    assert 20 < wanted[0] < wanted[1] < 90
    if version == V1:
        full = {name: text for name, text in predictions.items() if plainly(text)}  # of none, it follows v2.0
        metric = SQuAD()
        metric.update(
            [{"prediction_text": text, "id": name} for name, text in full.items()],
            [{"id": n, "answers": {"answer_start": [0] * len(golds[n]), "text": golds[n]}} for n in full],
        )
        ours = evaluate({name: golds[name] for name in full}, full, V1, SILENT.append)
        theirs = {name: float(value) for name, value in metric.compute().items()}
        assert theirs == pytest.approx({"exact_match": ours["exact_match"], "f1": ours["f1"]}, rel=1e-5)


@pytest.mark.parametrize("version", [V1, V2])
def test_random_answers_to_the_miniature(version: str) -> None:
    check_against_others(miniature_golds(version), version)


@pytest.mark.slow
@needs_shared
def test_random_answers_to_the_published_validation_set() -> None:
    golds = real_golds()
    assert len(golds) == 10_570
    check_against_others(golds, V1)
    perfect = evaluate(golds, {name: told[-1] for name, told in golds.items()}, V1, SILENT.append)
    nothing = sum(not plainly(told[-1]) for told in golds.values())  # is left of them: equal, but without F1
    assert nothing == 1
    assert perfect == {"exact_match": 100.0, "f1": 100.0 * (10_570 - nothing) / 10_570}


# ---- files -----------------------------------------------------------------------------------------------------------

GOLDS = {"one": ["Denver Broncos", "the Broncos"], "two": ["7 February"], "three": ["gold"], "none": [], "naught": []}


def official(golds: dict[str, list[str]], version: str) -> dict[str, Any]:
    """The publishers' format, each question in a paragraph of its own."""
    qas = [
        [{"id": name, "question": "?", "answers": [{"text": t, "answer_start": 0} for t in told]}]
        for name, told in golds.items()
    ]
    return {"version": version, "data": [{"title": "t", "paragraphs": [{"context": "c", "qas": one} for one in qas]}]}


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[dict[str, float], str]:
    main(["score", *arguments])
    out, err = capsys.readouterr()
    return json.loads(out), err


def written(place: Path, **contents: Any) -> list[str]:
    for name, content in contents.items():
        (place / f"{name}.json").write_text(json.dumps(content))
    return [str(place / f"{name}.json") for name in contents]


def test_of_v1_a_missing_answer_scores_nothing_and_a_foreign_one_is_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    golds = {name: told for name, told in GOLDS.items() if told}
    files = written(tmp_path, data=official(golds, "1.1"), mine={"one": "Broncos", "two": "7 May", "other": "x"})
    found, err = printed(capsys, *files)
    assert found == {"exact_match": 100.0 * 1 / 3, "f1": 100.0 * 1.5 / 3}
    assert "1 questions have no prediction and score 0: three" in err
    assert "1 predictions are of no question of this data and are ignored: other" in err


def test_of_v2_a_missing_answer_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = {"one": "Denver", "two": "", "none": "", "naught": "something", "other": "x"}
    files = written(tmp_path, data=official(GOLDS, "v2.0"), mine=mine)
    found, err = printed(capsys, *files)
    one = 2 * 1 * 0.5 / 1.5  # "denver" of "denver broncos"; none of "broncos"
    assert found == pytest.approx(
        {
            "exact": 25.0, "f1": 25 * (one + 1), "total": 4,
            "HasAns_exact": 0.0, "HasAns_f1": 50 * one, "HasAns_total": 2,
            "NoAns_exact": 50.0, "NoAns_f1": 50.0, "NoAns_total": 2,
        }
    )  # fmt: skip
    assert "have no prediction and are left out: three" in err


def best_of_all(scores: dict[str, float], odds: dict[str, float], golds: dict[str, list[str]]) -> float:
    """Every threshold tried: each question below or at it is answered."""
    found = []
    for place in [min(odds.values()) - 1, *odds.values()]:
        found.append(sum(scores[n] if odds[n] <= place else float(not golds[n]) for n in odds) / len(odds))
    return 100 * max(found)


def test_thresholds_of_the_odds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(1)
    golds = miniature_golds(V2)
    mine = {name: noisy(rng, rng.choice(told or ["some words"])) or "words" for name, told in golds.items()}
    odds = {name: rng.gauss(0 if told else 1.5, 1) for name, told in golds.items()}
    files = written(tmp_path, data=official(golds, "v2.0"), mine=mine, odds=odds)
    found, _ = printed(capsys, *files[:2], "--null-odds", files[2], "--threshold", "0.5")
    own = {name: second(mine[name], golds[name], V2) for name in golds}
    for side, name in enumerate(("exact", "f1")):
        scores = {one: pair[side] for one, pair in own.items()}
        assert found[f"best_{name}"] == pytest.approx(best_of_all(scores, odds, golds), rel=1e-12)
        at = {n: scores[n] if odds[n] <= 0.5 else float(not golds[n]) for n in golds}
        assert found[name] == pytest.approx(100 * sum(at.values()) / len(at), rel=1e-12)
        place = found[f"best_{name}_thresh"]
        again = {n: scores[n] if odds[n] <= place else float(not golds[n]) for n in golds}
        assert 100 * sum(again.values()) / len(again) == pytest.approx(found[f"best_{name}"], rel=1e-12)


@pytest.mark.slow
def test_a_folder_and_the_miniature_are_data_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = squad("validation", 0, "v2.0")
    mine = {row["id"]: (row["answers"]["text"] or [""])[0] for row in rows}
    (file,) = written(tmp_path, mine=mine)
    found, err = printed(capsys, "miniature", file, "--name", "squad_v2")
    assert (found["exact"], found["total"], err) == (100.0, 1000, "")


@pytest.mark.parametrize(
    ("contents", "words"),
    [
        ({"data": [1, 2], "mine": {}}, "data.json is no data of SQuAD"),
        ({"data": {"data": [{"paragraphs": [{}]}]}, "mine": {}}, "'qas'"),
        ({"data": official(GOLDS, "v2.0"), "mine": ["a"]}, "mine.json is no file of predictions"),
        ({"data": official(GOLDS, "v2.0"), "mine": {"one": 3}}, "mine.json is no file of predictions"),
    ],
)
def test_other_files_are_refused(
    contents: dict[str, Any], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["score", *written(tmp_path, **contents)])
    err = capsys.readouterr().err
    assert caught.value.code == 2
    assert err.startswith("error: ")
    assert len(err.splitlines()) == 1
    assert words in err


def test_json_without_end_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = written(tmp_path, data=official(GOLDS, "v2.0"), mine={})
    Path(files[1]).write_text("[" * 200_000)
    with pytest.raises(SystemExit):
        main(["score", *files])
    assert "mine.json cannot be read as JSON" in capsys.readouterr().err


def test_a_name_wins_over_what_the_file_looks_like(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golds = {name: told for name, told in GOLDS.items() if told}
    files = written(tmp_path, data={"data": official(golds, "")["data"]}, mine=dict.fromkeys(golds, "Denver"))
    assert set(printed(capsys, *files)[0]) == {"exact_match", "f1"}
    assert {"exact", "HasAns_f1"} <= set(printed(capsys, *files, "--name", "squad_v2")[0])


def test_a_place_that_is_none_is_refused_in_the_commands_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (file,) = written(tmp_path, mine={})
    with pytest.raises(SystemExit):
        main(["score", str(tmp_path), file])
    err = capsys.readouterr().err
    assert "DATA may be" in err
    assert "--name squad, squad_v2" in err
    assert "data.source" not in err


def test_normalised_text_is_what_is_compared() -> None:
    assert normalised("The  quick, brown-fox's\nAN end") == "quick brownfoxs end"
