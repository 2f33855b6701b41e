"""Each task of which published.yaml has a claim is reached from the sweep's file, in words that its heading tells."""

from collections.abc import Iterator
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig

from sweeps.evidence.published import read
from sweeps.planning.ahead import settings_of
from sweeps.planning.plan import composing, point
from sweeps.runs.checks import check_followers, check_switches
from sweeps.schema.overrides import with_overrides
from sweeps.schema.sweep_file import Point, Sweep
from sweeps.schema.sweep_file import read as read_sweep
from tests.conftest import ROOT, options
from tests.test_sweeps import check_constructs, heading

TABLES = read()
PAIRS = sorted({f"{name} {claim.task}" for name, table in TABLES.items() for claim in table.claims})
FIRST = {pair.split()[0]: pair for pair in reversed(PAIRS)}.values()  # of each sweep
# What a claim asks for besides its task, where that is not the sweep's own.
BESIDES = {"mlm_masking": ["transfer=finetune"], "gpt_auxiliary_lm": ["data.train_examples=null"]}


@pytest.fixture(scope="module", autouse=True)
def opened() -> Iterator[None]:
    with composing():
        yield


def task_of(cfg: DictConfig) -> str:
    """As a record names it."""
    return instantiate(cfg.data, _convert_="all").task.name


def words_for(sweep: Sweep, task: str) -> list[str]:
    """What stands behind the command for this task; nothing where some point has it as shipped."""
    shipped: dict[str, Any] = {}
    for one in {str([one.get("data"), one.get("data.task")]): one for one in sweep.points()}.values():
        cfg = point(sweep.words(one))
        shipped[task_of(cfg)] = HydraConfig.get().runtime.choices["data"]
    if task in shipped:
        return []
    if task in options("data"):
        return [f"data={task}", *BESIDES.get(sweep.name, ())]
    return [*(() if "glue" in shipped.values() else ["data=glue"]), f"data.task={task}", *BESIDES.get(sweep.name, ())]


def rows_of(sweep: Sweep, task: str) -> dict[str, Point]:
    """The first point of each row of the first claim about this task."""
    table, found = TABLES[sweep.name], dict[str, Point]()
    claim = next(claim for claim in table.claims if claim.task == task)
    for one in sweep.points():
        row = table.row_of(one)
        if row and row.name in claim.rows and all(one.get(key, task) == task for key in ("data", "data.task")):
            found.setdefault(row.name, one)
    assert sorted(found) == sorted(claim.rows)
    return found


@pytest.mark.parametrize("pair", [pytest.param(one, marks=[] if one in FIRST else pytest.mark.slow) for one in PAIRS])
def test_a_claims_rows_can_be_run(pair: str) -> None:
    """As a run would begin: composed, checked, constructed, attached; from the encoders of the sweep's own points."""
    name, task = pair.split()
    shipped = read_sweep(ROOT / f"sweeps/{name}.yaml")
    words, told = words_for(shipped, task), heading(ROOT / f"sweeps/{name}.yaml")
    for word in words:
        key, _, value = word.partition("=")
        assert f"{key}=" in told
        assert value in told
    for one in rows_of(with_overrides(shipped, words), task).values():
        cfg = point(with_overrides(shipped, words).words(one))
        check_switches(cfg)
        check_followers(cfg)
        check_constructs(cfg)
        assert task_of(cfg) == task
        own = {key: value for key, value in one.items() if key != "data.task"}
        same = next(other for other in shipped.points() if own.items() <= other.items())
        assert settings_of(cfg) == settings_of(point(shipped.words(same)))
