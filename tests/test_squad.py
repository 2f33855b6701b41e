"""SQuAD as a data module and as whole runs: on a folder in the hub's layout and on generated text."""

import html
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import datasets
import numpy as np
import pytest

from datamodules import sources
from datamodules.formats import SequencePair
from datamodules.miniature import squad as generated
from datamodules.miniature.layouts import SQUAD
from datamodules.squad import Squad
from datamodules.squad_command import main
from datamodules.squad_files import Shown, ranked
from datamodules.task import Refused
from datamodules.tokenization import WordPiece
from lightning_modules.bert import Bert
from sweeps.showing.mistakes import ALL, WRONG, article, chosen, page, pieces, row
from tests.commands import NO_DROPOUT, TINY, command, history, launch, summary, table, the_run
from tests.hub_server import write_dataset

SMALL = (*TINY, "init_from=scratch", "trainer.max_epochs=1", "logger=csv", "model.vocab_size=600")
RAIN = " It rains there on most of the days of the year, and so the river is wide."
NASTY = "<script>alert('\u202e')</script> &amp; \x00 \U0001f355"


def questions(count: int, split: str, may_lack: bool = False) -> datasets.Dataset:
    """Three questions to each context, of which the last may have no answer."""
    rows = []
    for number in range(count):
        name = f"{split} {number // 3}"
        context = f"{NASTY} In {name} lives Ann{number // 3}. She has a red boat\u00a0and a dog." + RAIN * 2
        wanted = ("Ann" + str(number // 3), "a red boat", "a dog")[number % 3]
        told = [] if may_lack and number % 3 == 2 else [wanted]
        answers = {"text": told, "answer_start": [context.index(text) for text in told]}
        rows.append({"id": f"{split}-{number}", "title": name, "context": context, "question": f"What {number % 3}?"})
        rows[-1]["answers"] = answers
    kinds = {
        "text": datasets.Sequence(datasets.Value("string")),
        "answer_start": datasets.Sequence(datasets.Value("int32")),
    }
    features = datasets.Features(
        {name: datasets.Value("string") for name in rows[0] if name != "answers"} | {"answers": kinds}
    )
    return datasets.Dataset.from_list(rows, features=features)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "datasets")
    for repository, config, may_lack in (("squad", "plain_text", False), ("squad_v2", "squad_v2", True)):
        splits = {split: questions(count, split, may_lack) for split, count in (("train", 120), ("validation", 18))}
        write_dataset(tmp_path / "hub/rajpurkar" / repository, {config: splits})
    return tmp_path / "hub"


def prepared(source: str, place: Path, version: str = "v1.1", length: int = 64, **settings: Any) -> Squad:
    sizes = {"max_length": length, "global_batch_size": 8, "eval_batch_size": 8, "seed": 0, "cache_dir": str(place)}
    data = Squad(
        version, source=source, tokenizer=WordPiece(vocab_size=600), format=SequencePair(), **{**sizes, **settings}
    )
    data.prepare_data()
    data.setup("fit")
    return data


def test_nothing_to_choose_on_is_refused_before_training(folder: Path, tmp_path: Path) -> None:
    train = questions(3, "train").select(range(1))
    write_dataset(tmp_path / "one/rajpurkar/squad", {"plain_text": {"train": train, "validation": train}})
    with pytest.raises(Refused, match=r"of the 1 examples .* (held out|learnt).*: data\.(selection|source) may"):
        prepared(str(tmp_path / "one"), tmp_path / "cache")


# ---- the data module -------------------------------------------------------------------------------------------------


def test_no_context_is_on_both_sides(folder: Path, tmp_path: Path) -> None:
    data = prepared(str(folder), tmp_path / "cache")
    rows = data.train.split.rows
    sides = [{rows.of[one.split.asked[window]] for window in one.rows} for one in (data.train, data.val)]
    assert not sides[0] & sides[1]
    assert len(sides[0] | sides[1]) == 40
    assert 1 <= len(sides[1]) <= 12
    assert data.card["train"] + data.card["selection"] == 120
    again = prepared(str(folder), tmp_path / "cache", seed=5, train_examples=20)
    assert again.val.rows.tolist() == data.val.rows.tolist()
    assert again.card["train"] == 20


def test_fewer_questions_are_a_part_of_more(folder: Path, tmp_path: Path) -> None:
    chosen_by = {n: prepared(str(folder), tmp_path / "cache", train_examples=n).train.rows.tolist() for n in (10, 30)}
    assert set(chosen_by[10]) < set(chosen_by[30])
    with pytest.raises(Refused, match=r"data.train_examples=1000 is not possible: squad has \d+ rows to train on"):
        prepared(str(folder), tmp_path / "cache", train_examples=1000)


def test_paper_selects_on_the_published_validation_set(folder: Path, tmp_path: Path) -> None:
    data = prepared(str(folder), tmp_path / "cache", selection="paper")
    assert data.val is data.tests[0]
    assert data.selection == "selected on dev"
    assert data.card["train"] == 120


@pytest.mark.parametrize("version", ["v1.1", "v2.0"])
def test_windows_without_answer_can_be_dropped(version: str, folder: Path, tmp_path: Path) -> None:
    """Of an answered question; one that has none keeps its windows."""
    made = {
        how: prepared(str(folder), tmp_path / "cache", version, 40, stride=4, windows_without_answer=how)
        for how in ("keep", "drop")
    }
    assert len(made["drop"].train) < len(made["keep"].train)
    assert made["drop"].card["train"] == made["keep"].card["train"]
    batch = made["drop"].train.batch(np.arange(len(made["drop"].train)), 0)
    lacking = np.array([passage.lacks for passage in batch["passages"]])
    without = (batch["span"] == batch["no_answer"][:, None]).all(1).numpy()
    assert lacking.any() == (version == "v2.0")
    assert np.array_equal(lacking, without)
    assert len(made["keep"].tests[0]) == len(made["drop"].tests[0])


def test_an_answer_that_is_not_there_is_not_trained_on_but_asked(folder: Path, tmp_path: Path) -> None:
    rows = questions(120, "train").to_list()
    for row_ in rows[::2]:
        row_["answers"]["answer_start"] = [0]
    features = questions(3, "train").features
    splits = {"train": datasets.Dataset.from_list(rows, features=features), "validation": questions(9, "validation")}
    write_dataset(folder / "rajpurkar/squad", {"plain_text": splits})
    data = prepared(str(folder), tmp_path / "cache")
    assert data.card["train_answers_not_found"] == 60
    assert {int(data.train.split.asked[window]) % 2 for window in data.train.rows} == {1}
    assert {int(data.val.split.asked[window]) % 2 for window in data.val.rows} == {0, 1}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"stride": 0}, "data.stride=0 is not possible: it may be a whole number from 1 up."),
        ({"n_best": 1.5}, "data.n_best=1.5"),
        ({"max_question": True}, "data.max_question=True"),
        (
            {"windows_without_answer": "maybe"},
            "data.windows_without_answer='maybe' is not possible: it may be keep, drop.",
        ),
        ({"version": "v3"}, "data.version='v3' is not possible: it may be v1.1, v2.0."),
        ({"train_examples": 0}, "data.train_examples=0"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=re.escape(words)):
        prepared("miniature", tmp_path, **settings)


@pytest.mark.slow
def test_the_miniature_is_served_in_the_hubs_columns() -> None:
    for repository, version in SQUAD.items():
        rows = sources.load_rows("miniature", repository, None, "validation")
        assert rows.to_list() == generated.squad("validation", 0, version)
        assert sources.available_splits("miniature", repository, None) == ["train", "validation"]


# ---- whole runs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["squad", "squad_v2"])
def test_a_run_on_a_folder_is_recorded_and_answers(
    data: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sizes = ("data.max_length=48", "data.stride=8", "model.max_length=64")
    done = command(tmp_path, *SMALL, f"data={data}", f"data.source={folder}", *sizes)
    assert done.status == 0, done.err
    run = the_run(tmp_path)
    record = summary(run)
    assert run.name.startswith(f"bert_miniature-{data}-s0-")
    assert (record["data"], record["headline"]["name"]) == (data, "f1")
    card = record["card"]
    assert (card["validation_lost"], card["validation"]) == (0, 18)
    assert (card["validation_answers"], card["validation_answers_lost"]) == (18 if data == "squad" else 12, 0)
    assert card["validation_answers_lost_of"] == {}
    assert card["validation_too_long_ids"] == []
    assert record["card"]["validation_windows"] > 18
    rows = table(run / "predictions/validation.tsv")
    assert [row["id"] for row in rows] == [f"validation-{number}" for number in range(18)]
    main(["score", str(folder), str(run / "predictions/validation.json"), "--name", data])
    scored = json.loads(capsys.readouterr().out)
    exact = scored["exact_match" if data == "squad" else "exact"]
    for metric, official in (("f1", scored["f1"]), ("exact_match", exact)):
        assert 100 * record["metrics"][f"test_validation/{metric}"] == pytest.approx(official, rel=1e-6)
        assert 100 * np.mean([float(row[metric]) for row in rows]) == pytest.approx(official, rel=1e-12)
    assert record["metrics"]["test_validation/score"] == pytest.approx(scored["f1"], rel=1e-6)
    if data == "squad_v2":
        check_threshold(run, record, scored)
    answered(run, tmp_path, data)


def check_threshold(run: Path, record: dict[str, Any], scored: dict[str, float]) -> None:
    """Answers and odds agree with the threshold, which travels with the model."""
    threshold = record["metrics"]["selection/threshold"]
    told = json.loads((run / "predictions/validation.json").read_text())
    odds = json.loads((run / "predictions/validation.null_odds.json").read_text())
    best = json.loads((run / "predictions/validation.nbest.json").read_text())
    assert all((not text) == (odds[name] > threshold) for name, text in told.items())
    assert all(not text or text == best[name][0]["text"] for name, text in told.items())
    assert all(sum(one["probability"] for one in own) == pytest.approx(1) for own in best.values())
    assert float(Bert.load(run / "model").head.threshold) == pytest.approx(threshold, rel=1e-6)  # type: ignore[union-attr]
    metrics = record["metrics"]
    parts = {"has_answer": scored["HasAns_f1"], "no_answer": scored["NoAns_f1"]}
    assert record["headline"]["parts"] == pytest.approx(parts, rel=1e-6)
    assert {"test_validation/f1_at_0", "test_validation/exact_match_at_0"} <= set(metrics)


def answered(run: Path, place: Path, data: str) -> None:
    """The saved model says of raw text what it said in the run."""
    told = json.loads((run / "predictions/validation.json").read_text())
    rows = questions(18, "validation", data == "squad_v2").to_list()
    pairs = [(row["question"], row["context"]) for row in rows]
    model = Bert.load(run / "model")
    assert model.predict(pairs) == list(told.values())
    assert model.predict([]) == []
    for wrong, said in (("What 0?", "a list"), ([("\ud800 x", "y")], "example 1 has '.ud800', which is no character")):
        with pytest.raises(Refused, match=said):
            model.predict(wrong)
    plain = [(question, " ".join(context.split())) for question, context in pairs]
    (place / "mine.tsv").write_text("".join(f"{q}\t{c}\n" for q, c in plain))
    done = command(place, f"predict={run}", "input=mine.tsv")
    assert done.out.splitlines() == Bert.load(run / "model").predict(plain), done.err
    shown = (run / "mistakes.html").read_text()
    assert "<script" not in shown
    assert html.escape("<script>alert(") in shown


TWO = (
    *SMALL, *NO_DROPOUT, "model=gpt_miniature", "data=squad_v2", "data.source=miniature", "data.max_length=64",
    "data.stride=30", "data.train_examples=101", "data.global_batch_size=25", "trainer.log_every_n_steps=1",
    "trainer.limit_test_batches=null",
)  # fmt: skip


@pytest.mark.slow
def test_two_processes_train_and_answer_as_one(tmp_path: Path) -> None:
    """Windows of one question are on both: every question counts once, with the same threshold."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    alone = command(tmp_path / "one", *TWO, "trainer.devices=1")
    shared = launch(tmp_path / "two", *TWO, "trainer.devices=2")
    assert (alone.status, shared.status) == (0, 0), shared.err
    runs = [the_run(tmp_path / name) for name in ("one", "two")]
    curves = [[value for _, value in history(run, "train/task")] for run in runs]
    assert curves[1] == pytest.approx(curves[0], rel=1e-4)
    tables = [table(run / "predictions/validation.tsv") for run in runs]
    assert [row["id"] for row in tables[1]] == [f"validation-{number}" for number in range(1000)]
    assert tables[1] == tables[0]
    first, second = (summary(run) for run in runs)
    assert second["card"] == first["card"]
    assert second["metrics"] == pytest.approx(first["metrics"], rel=1e-4, abs=1e-6)


# ---- the page of mistakes --------------------------------------------------------------------------------------------


def example(**changed: Any) -> Shown:
    told = {"id": "x", "question": "Who?", "context": NASTY + " Ann and Bob.", "predicted": (0, 8), "golds": [(3, 20)]}
    return Shown(**{**told, "answers": ["Ann"], "exact_match": 0.0, "f1": 0.25, **changed})


def read_back(page_of: str) -> str:
    """The text of a page's only context."""
    (inner,) = re.findall(r'<p class="text" dir="auto">(.*?)</p>', page_of, re.DOTALL)
    return html.unescape(re.sub(r"</?mark[^>]*>", "", inner))


def test_nothing_of_a_text_is_markup_and_nothing_is_lost() -> None:
    made = article(example(question=NASTY, id='"><img src=x>', answers=["<b>"]))
    assert set(re.findall(r"<(\w+)", made)) == {"article", "h2", "p", "mark"}
    assert read_back(made) == NASTY.replace("\x00", "\u2400").replace("\u202e", "\ufffd") + " Ann and Bob."
    assert "lone \ufffd" in article(example(question="lone \ud800"))
    page("title", [example(context="\ud83d")]).encode()


def test_the_predicted_and_the_gold_span_are_marked() -> None:
    made = example()
    parts = pieces(made)
    assert "".join(text for text, _ in parts) == made.context
    marked = {kind: "".join(text for text, kinds in parts if kind in kinds) for kind in ("predicted", "gold")}
    assert marked == {"predicted": made.context[0:8], "gold": made.context[3:20]}
    assert row(made)["context"].replace("[[", "").replace("]]", "").replace("{{", "").replace("}}", "") == made.context
    none = example(predicted=(0, 0), golds=[], answers=[], context="")
    assert article(none).count("no answer") == 2
    assert page("t", []).endswith("</html>\n")


def test_wrong_answers_come_first_and_the_page_is_not_endless() -> None:
    answers = [SimpleNamespace(exact_match=float(n % 3 == 0), f1=n % 7 / 7, asked=n) for n in range(3000)]
    shown = chosen(answers)
    assert len(shown) == ALL
    assert [one.exact_match for one in shown] == [0.0] * WRONG + [1.0] * (ALL - WRONG)
    assert [one.f1 for one in shown[:WRONG]] == sorted(one.f1 for one in shown[:WRONG])
    assert max(one.asked for one in shown[:WRONG]) > 2900  # of the whole set
    assert len(chosen(answers[:9])) == 9


def test_different_candidates_with_their_probabilities() -> None:
    found = ranked("aa bb aa", [(2.0, 0, 2), (1.0, 6, 8), (1.0, 3, 5)])
    assert [one["text"] for one in found] == ["aa", "bb"]
    assert [one["probability"] for one in found] == pytest.approx([np.e / (1 + np.e), 1 / (1 + np.e)])
    assert ranked("aa", []) == []
