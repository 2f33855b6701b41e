"""published.yaml: the papers' numbers, each claim, and that every row finds its points in the sweep's own file."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from datamodules.task import Refused
from sweeps.evidence.published import FILE, Claim, Published, Row, published, read
from sweeps.schema.sweep_file import read as read_sweep

TABLES = read()
SWEEPS = ["elmo_layers", "elmo_placement", "elmo_layer_probe", "mlm_masking", "mlm_rate", "nsp", "bert_objective"]
SWEEPS += ["bert_objective_steps", "nsp_squad"]
SWEEPS += ["bert_size", "bert_ner_features", "gpt_auxiliary_lm", "gpt_pretraining", "gpt_layers_transferred"]
SWEEPS += ["word2vec_training", "context", "generations", "generations_flops"]
CLAIMS = [claim for table in TABLES.values() for claim in table.claims]
THERE = [path for path in sorted(FILE.parent.glob("*.yaml")) if path != FILE]


def test_every_sweep_has_a_table() -> None:
    assert sorted(TABLES) == sorted(SWEEPS)
    assert {path.stem for path in THERE} <= set(TABLES)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_rows_do_not_overlap(table: Published) -> None:
    for one, other in combinations(table.rows.values(), 2):
        assert not (one.holds({**other.point, **one.point}) and other.holds({**other.point, **one.point}))


@pytest.mark.parametrize("path", THERE, ids=lambda path: path.stem)
def test_rows_find_their_points(path: Path) -> None:
    """Each row has points, each point at most one row, and a claim's two rows the same seeds and tasks."""
    sweep, table = read_sweep(path), TABLES[path.stem]
    points: dict[str, list[dict[str, Any]]] = {row: [] for row in table.rows}
    for point in sweep.points():
        holding = [row.name for row in table.rows.values() if row.holds(point)]
        assert len(holding) <= 1
        assert table.row_of(point) is (table.rows[holding[0]] if holding else None)
        for row in holding:
            points[row].append({key: value for key, value in point.items() if key not in table.rows[row].point})
    assert not [row for row, found in points.items() if not found]
    assert table.replicate in sweep.parameters
    for claim in table.claims:
        first, second = (points[row] for row in claim.rows)
        assert any(point in second for point in first)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_no_claim_is_judged_on_the_miniature(claim: Claim) -> None:
    assert set(claim.scales) <= {"small", "day", "paper"}
    assert "paper" in claim.scales


def test_numbers_of_the_papers() -> None:
    """A few of each paper, typed a second time."""
    for sweep, row, paper, task, metric, number in [
        ("elmo_layers", "mix_0.001", "elmo", "snli", "accuracy", 89.5),
        ("elmo_placement", "output", "elmo", "srl", "f1", 80.9),
        ("mlm_masking", "100/0/0", "bert", "ner", "f1", 94.0),
        ("nsp", "no_nsp", "bert", "qnli", "accuracy", 84.9),
        ("nsp", "no_nsp_full_sentences", "roberta", "mnli", "accuracy", 84.7),
        ("bert_objective", "ltr_bilstm", "bert", "squad", "f1", 84.9),
        ("bert_objective_steps", "ltr_0.4", "bert", "mnli", "accuracy", 81.7),
        ("bert_size", "24x1024x16", "bert", "mnli", "accuracy", 86.6),
        ("bert_ner_features", "concat4", "bert", "ner", "f1", 96.1),
        ("gpt_pretraining", "scratch", "gpt", "cola", "matthews", 18.9),
        ("word2vec_training", "hs_sub", "nips", "word_vectors", "analogies", 55),
        ("generations", "bert_finetune", "bert", "rte", "accuracy", 66.4),
    ]:
        value = published(sweep).value(row, task, metric, paper)
        assert value is not None
        assert value.value == number
    assert published("nsp").value("nsp", "rte", "accuracy") is None


def test_gpts_table_has_the_averages_that_it_prints() -> None:
    table = published("gpt_pretraining")
    for row, printed in (("pretrained", 74.65), ("scratch", 59.93), ("lstm", 69.16)):
        numbers = [one.value for one in table.values if one.row == row]
        assert sum(numbers) / len(numbers) == pytest.approx(printed, abs=0.01)


def test_a_row_is_a_part_of_a_point() -> None:
    row = Row("r", {"transfer.plug": "[input,output]", "model.nsp": False, "lambda": 1})
    assert row.holds({"transfer.plug": ["input", "output"], "model.nsp": "False", "lambda": 1.0, "seed": 3})
    assert not row.holds({"transfer.plug": ["input"], "model.nsp": False, "lambda": 1})
    assert not row.holds({"model.nsp": False, "lambda": 1})


GOOD = """
nsp:
  title: Is it needed?
  papers: {bert: "Devlin et al. 2019, Table 5"}
  rows: {nsp: {model.nsp: true}, no_nsp: {model.nsp: false}}
  reference: nsp
  replicate: pretrain.seed
  differs: {bert: other text}
  values:
    - {row: nsp, paper: bert, task: qnli, split: dev, metric: accuracy, value: 88.4}
    - {row: no_nsp, paper: bert, task: qnli, split: dev, metric: accuracy, value: 84.9, differs: more}
  claims:
    - {id: a, rows: [nsp, no_nsp], task: qnli, metric: accuracy, says: greater, published: 3.5, scales: [small],
       paper: bert}
    - {id: b, rows: [nsp, no_nsp], task: mnli, metric: accuracy, says: equivalent, margin: 1, scales: [day],
       paper: bert}
"""


def test_what_differs_is_said_once_for_a_paper(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(GOOD)
    found = published("nsp", tmp_path / "p.yaml")
    assert [one.differs for one in found.values] == ["other text", "more"]
    assert found.differs == {"bert": "other text"}
    assert found.claims[1] == Claim("b", ("nsp", "no_nsp"), "mnli", "accuracy", "equivalent", ("day",), "bert", 1)
    with pytest.raises(Refused, match="it may be nsp"):
        published("nps", tmp_path / "p.yaml")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title:", "titel:", "titel.*title, papers"),
        ("  reference: nsp\n", "", "has no reference"),
        ("reference: nsp", "reference: nps", "reference='nps'.*nsp, no_nsp"),
        ("reference: nsp", "reference: nsp\n  as_published: [nps]", "as_published='nps'.*nsp, no_nsp"),
        ("replicate: pretrain.seed", "replicate: encoder", "replicate='encoder'.*pretrain.seed, seed"),
        ("{nsp: {model.nsp: true}, no_nsp: {model.nsp: false}}", "[nsp]", "rows is not possible"),
        ("row: nsp,", "row: nps,", r"values\[0\].row='nps'.*nsp, no_nsp"),
        ("paper: bert, task: qnli", "paper: brt, task: qnli", r"values\[0\].paper='brt'.*bert"),
        ("split: dev", "split: train", "split='train'.*dev, test"),
        ("88.4", "high", "value='high'.*a number"),
        ("differs: more", "about: more", "about.*row, paper"),
        ("differs: {bert: other", "differs: {brt: other", "differs='brt'.*bert"),
        ("says: greater", "says: higher", "claim a: says='higher'.*greater, equivalent"),
        ("rows: [nsp, no_nsp], task: qnli", "rows: [nsp], task: qnli", r"rows=\['nsp'\].*two of nsp, no_nsp"),
        ("rows: [nsp, no_nsp], task: qnli", "rows: [nsp, none], task: qnli", "rows='none'.*nsp, no_nsp"),
        ("rows: [nsp, no_nsp], task: qnli", "rows: [no_nsp, nsp], task: qnli", "differ by -3.5"),
        ("scales: [small]", "scales: [miniature]", "scales='miniature'.*small, day, paper"),
        ("scales: [small]", "scales: small", "scales='small'.*a list of small, day, paper"),
        ("published: 3.5", "published: 5.3", "published=5.3.*differ by 3.5"),
        ("published: 3.5, ", "", "published=None.*differ by 3.5"),
        ("task: mnli, metric", "task: mnli, published: 1.5, metric", "published=1.5.*within the margin"),
        ("task: qnli, metric: accuracy, says", "task: rte, metric: accuracy, says", None),
        ("margin: 1,", "margin: 0,", "margin=0.*above 0"),
        ("margin: 1,", "", "margin=None.*above 0"),
        ("says: greater,", "says: greater, margin: 1,", "margin=1.*says: greater"),
        ("id: b", "id: a", "two have one id"),
        ("{id: b, ", "{", r"claims\[1\] has no id"),
        ("nsp:\n  title", "nsp: [\n  title", "cannot be read"),
        ("nsp:\n", "nsp: a word\nother:\n", "nsp is not possible"),
    ],
)
def test_what_is_wrong_is_refused_in_a_sentence(tmp_path: Path, old: str, new: str, said: str | None) -> None:
    assert old in GOOD
    (tmp_path / "p.yaml").write_text(GOOD.replace(old, new, 1))
    if said is None:
        assert read(tmp_path / "p.yaml")
        return
    with pytest.raises(Refused, match=said) as told:
        read(tmp_path / "p.yaml")
    assert "\n" not in str(told.value)


def test_no_file_and_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="cannot be read"):
        read(tmp_path / "none.yaml")
    (tmp_path / "empty.yaml").write_text("")
    with pytest.raises(Refused, match="has no sweeps"):
        read(tmp_path / "empty.yaml")


def test_no_line_says_the_same_cell_twice() -> None:
    for table in TABLES.values():
        cells = [(one.row, one.paper, one.task, one.split, one.metric) for one in table.values]
        assert len(cells) == len(set(cells))
    assert yaml.safe_load(FILE.read_text(encoding="utf-8")).keys() == TABLES.keys()
