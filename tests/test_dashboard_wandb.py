"""`--wandb` through the real client, against the stand-in for W&B's server."""

import json
from pathlib import Path

import pytest

import sweeps.dashboard as dashboard
from datamodules.task import Refused
from sweeps.evidence import published
from tests import synthetic
from tests.wandb_records import ENTITY
from tests.wandb_server import serve


@pytest.fixture(autouse=True)
def _no_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(published, "read", lambda: {})


def test_a_report_and_a_workspace_are_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = synthetic.sweep(tmp_path)
    with serve() as server:
        for name, value in server.environment(tmp_path).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("WANDB_ENTITY", ENTITY)
        dashboard.main([str(file), "--wandb", "--runs", str(tmp_path / "outputs")])
        report, workspace = server.records.views
        assert not server.records.unknown
    assert (report["displayName"], workspace["displayName"]) == ("nsp (scale=miniature)", "nsp-miniature")
    tables = [block["content"] for block in json.loads(report["spec"])["blocks"] if "content" in block]
    assert any("model.nsp=True" in table for table in tables)
    out = capsys.readouterr().out
    assert "report: http" in out
    assert "workspace: http" in out


@pytest.mark.slow
def test_without_an_account_it_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = synthetic.sweep(tmp_path)
    for name in ("WANDB_API_KEY", "WANDB_ENTITY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "WANDB_CONFIG_DIR", "NETRC"):
        monkeypatch.setenv(name, str(tmp_path / "nobody"))
    with pytest.raises(Refused, match="wandb login"):
        dashboard.main([str(file), "--wandb", "--runs", str(tmp_path / "outputs")])
