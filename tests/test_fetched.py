"""The records of a W&B project's runs, through the real client, against the stand-in for W&B's server."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

import sweeps.dashboard as dashboard
from datamodules.task import Refused
from sweeps.evidence import published
from sweeps.runs.commands import commands_of, note_command
from sweeps.runs.fetched import fetch, packed, write
from sweeps.runs.record import close_run
from tests import synthetic
from tests.wandb_records import ENTITY
from tests.wandb_server import Server, serve

PLACE = f"{ENTITY}/mine"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """This process is logged in there; published tables are of no concern."""
    import wandb

    monkeypatch.setattr(published, "read", lambda: {})
    with serve() as running:
        for name, value in running.environment(tmp_path / "home").items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("WANDB_SILENT", "true")
        monkeypatch.setenv("WANDB_MODE", "online")
        wandb.teardown()  # a client that an earlier test has started keeps that test's settings
        yield running
        wandb.teardown()
        assert running.records.unknown == []


def send(folder: Path) -> None:
    """A run's folder to W&B, as the run itself would have sent it."""
    import wandb

    run = wandb.init(project="mine", entity=ENTITY, dir=folder)
    close_run(SimpleNamespace(experiment=run), json.loads((folder / "summary.json").read_text()), folder)


def test_tables_of_fetched_runs_are_those_of_the_folders(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """But for what needs each example's score, which does not go up; a run without a record is counted."""
    import wandb

    file, runs = synthetic.sweep(tmp_path, lacking=18), tmp_path / "outputs"
    for folder in sorted(runs.iterdir()):
        shutil.rmtree(folder / "predictions", ignore_errors=True)
        send(folder)
    wandb.init(project="mine", entity=ENTITY, dir=tmp_path).finish()
    assert len(server.records.runs) == 7
    dashboard.main([str(file), "--csv", "--runs", str(runs)])
    here = capsys.readouterr().out
    dashboard.main([str(file), "--csv", "--runs", str(runs), "--from-wandb", PLACE])
    said, _, there = capsys.readouterr().out.partition("\n")
    assert said.startswith(f"{PLACE}: 6 of 7 runs have a record")
    assert there == here
    assert "run-018" in there
    dashboard.main([str(file), "--runs", str(runs), "--from-wandb", PLACE, "--out", str(tmp_path / "pages")])
    assert "run-018" in (tmp_path / "pages/nsp-miniature.html").read_text()


def test_all_commands_that_asked_for_a_run_go_up_and_come_back(tmp_path: Path) -> None:
    asked = [["experiment=bert_nsp", "row=nsp"], ["experiment=mlm_rate", "text.objective.masking_rate=0.15"]]
    for words in asked:
        note_command(tmp_path / "here", words)
    told = json.loads(packed({"name": "x-s0", "config": {"scale": "small"}}, tmp_path / "here"))
    write(tmp_path / "root", "a", told)
    assert list(commands_of(tmp_path / "root/x-s0")) == asked
    assert "commands" not in json.loads((tmp_path / "root/x-s0/summary.json").read_text())


def test_of_two_runs_of_one_name_both_are_there(tmp_path: Path) -> None:
    for run, name in (("a", "x-s0"), ("b", "x-s0"), ("c", "../x")):
        told = json.loads(packed({"name": name, "config": {"scale": "small"}, "samples": [1]}, tmp_path))
        assert "samples" not in told
        write(tmp_path / "root", run, told)
    assert sorted(path.name for path in (tmp_path / "root").iterdir()) == ["run-b", "run-c", "x-s0"]
    assert "scale: small\n" in (tmp_path / "root/x-s0/.hydra/config.yaml").read_text()


@pytest.mark.slow  # the client tries for twenty seconds
def test_without_an_account_it_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_API_KEY", "WANDB_ENTITY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "WANDB_CONFIG_DIR", "NETRC"):
        monkeypatch.setenv(name, str(tmp_path / "nobody"))
    with pytest.raises(Refused, match="wandb login"):
        fetch(PLACE, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", ["mine", "a/b/c", "../mine", "a/.."])
def test_what_is_no_project_is_refused(place: str, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="it may be <entity>/<project>"):
        fetch(place, tmp_path)
