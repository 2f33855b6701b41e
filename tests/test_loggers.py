"""Which W&B run a run gets: where it is, and by which words it is found."""

import hydra
import pytest
from hydra.core.hydra_config import HydraConfig
from wandb.errors import UsageError

from datamodules.task import Refused
from sweeps.planning.pretraining import command_line
from sweeps.runs.loggers import about, group, reaching
from tests.conftest import CONF, compose

TASK = ("data=glue", "data.source=miniature", "data.task=rte", "model=bert_miniature")


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep0")


def test_runs_are_offline_unless_told_otherwise() -> None:
    assert compose(*TASK).logger.offline is True
    assert compose(*TASK, "logger=wandb").logger.offline is False


def test_an_agents_runs_are_online_unless_told_otherwise(agent: None) -> None:
    assert compose(*TASK).logger.offline is False
    assert compose(*TASK, "logger=offline").logger.offline is True
    assert compose(*TASK, "logger=csv").logger._target_ is None


def test_so_is_the_pre_training_inside_them(agent: None) -> None:
    """Its process is not the agent's any more, and has to be told."""
    cfg = compose(*TASK, "pretrain=miniature")
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        line = command_line(cfg)
    assert "logger=wandb" in line
    assert compose(*line).logger.offline is False


def test_a_run_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compose(*TASK).logger.project == "side-by-side"
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    assert compose(*TASK).logger.project == "mine"


def test_a_run_is_found_by_the_words_of_its_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_TAGS", "mine,theirs")
    assert about(compose(*TASK, "seed=3", "scale=miniature")) == {
        "name": "bert_miniature-glue/rte-s3",
        "job_type": "transfer",
        "tags": ["bert_miniature", "glue", "rte", "miniature", "mine", "theirs"],
    }
    told = about(compose("data=corpus", "model=elmo_tiny"))
    assert (told["name"], told["job_type"]) == ("elmo_tiny-corpus-s0", "pretrain")


def test_a_run_is_of_its_experiments_group_unless_it_is_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_RUN_GROUP", raising=False)
    assert group(compose(*TASK)) is None
    cfg = compose("experiment=bert_mini_glue", "data.task=rte")
    assert HydraConfig.get().runtime.choices["experiment"] == "bert_mini_glue"
    assert group(cfg) == "bert_mini_glue"
    monkeypatch.setenv("WANDB_RUN_GROUP", "some-sweep")
    assert group(cfg) == "some-sweep"


def test_wandbs_own_errors_are_refused_and_no_others() -> None:
    with pytest.raises(Refused, match=r"No key; ask.*logger=offline needs neither"), reaching():
        raise UsageError("No key; ask\nfor one")
    with pytest.raises(ValueError, match="ours"), reaching():
        raise ValueError("ours")
