"""What the tests of whole cells share: composing as the program does, one cache of prepared text, generated data."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
import torch
from hydra._internal.config_repository import ConfigRepository
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

import run  # registers the resolver behind hydra.run.dir
from datamodules import miniature
from tests.commands import cache_of

ROOT = Path(run.__file__).parent
CONF = ROOT / "conf"
CPU = ("trainer.accelerator=cpu", "trainer.enable_progress_bar=false", "logger=csv")

# What a data set needs beyond data.source=miniature to be generated text: one cell for each line.
GENERATED: dict[str, list[tuple[str, ...]]] = {
    "corpus": [("data.corpus=miniature",)],
    "glue": [(f"data.task={task}",) for task in miniature.TASKS],
    "squad": [("data.max_length=128",)],  # of models as small as this text
    "squad_v2": [("data.max_length=128",)],
}


def options(group: str) -> list[str]:
    """The choices of a group: what is on the disk."""
    return sorted(path.stem for path in (CONF / group).glob("*.yaml"))


def generated(data: str) -> list[tuple[str, ...]]:
    """The overrides that choose a conf/data yaml with generated text, once for each of its tasks."""
    chosen = (f"data={data}", "data.source=miniature")
    return [(*chosen, *more) for more in GENERATED.get(data, [()])]


def compose(*overrides: str) -> DictConfig:
    """The configuration that run.py's `main` would get; HydraConfig (choices, overrides) is set as it would be."""
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        cfg = hydra.compose("config", list(overrides), return_hydra_config=True)
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    return cfg


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The override that names this session's own cache of prepared text: a second test finds what a first one made."""
    return f"cache_dir={cache_of(tmp_path_factory.getbasetemp())}"


@pytest.fixture(scope="session", autouse=True)
def files_read_once() -> Iterator[None]:
    """Each composition reads some twenty yaml files; a session of hundreds reads each file once."""
    load, known = ConfigRepository.load_config, {}

    def load_once(self: ConfigRepository, config_path: str) -> Any:
        key = (config_path, *(source.path for source in self.sources))
        if key not in known:
            known[key] = load(self, config_path)
        return copy.deepcopy(known[key])  # composing changes it

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConfigRepository, "load_config", load_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    """The same numbers on any machine of a kind; and where others compute too, threads wait for each other for long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
