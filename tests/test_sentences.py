"""However the program ends, it says so in one line."""

import os
import signal
import sys
from pathlib import Path

import pytest

from sweeps.jobs import sentences
from sweeps.jobs.job import Job
from sweeps.jobs.pool import run_jobs
from sweeps.jobs.sentences import advising, answering
from sweeps.runs.stopping import heeding
from tests.commands import TINY, command

SMOKE = (*TINY, "trainer=smoke", "logger=csv")


def last_words(error: BaseException, capsys: pytest.CaptureFixture[str]) -> tuple[object, str]:
    """Status and words of a program in which this happens."""
    with pytest.raises(SystemExit) as ended, answering():
        raise error
    return ended.value.code, capsys.readouterr().err


def as_lightning_does() -> None:
    """What becomes of Ctrl-C in a trainer."""
    try:
        raise KeyboardInterrupt
    except KeyboardInterrupt:
        sys.exit(1)


def test_a_stop_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended, answering(), advising(sentences.RESUME):
        as_lightning_does()
    assert ended.value.code == 130
    assert capsys.readouterr().err == f"stopped; {sentences.RESUME}\n"
    assert last_words(KeyboardInterrupt(), capsys) == (130, "stopped\n")


def test_sigterm_is_passed_on_and_nothing_else_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """To whoever started the program it has died of the signal; a status would be a failure."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(sentences.os, "kill", lambda *told: sent.append(told))
    with heeding(), pytest.raises(SystemExit), answering(), advising(sentences.RESUME):
        signal.raise_signal(signal.SIGTERM)
    assert sent == [(os.getpid(), signal.SIGTERM)]
    assert capsys.readouterr().err == f"stopped; {sentences.RESUME}\n"
    with pytest.raises(SystemExit), answering():
        as_lightning_does()
    assert len(sent) == 1


def test_a_stop_of_many_jobs_says_that_the_same_command_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sweeps.jobs.pool.Pool.begin", stop)
    with pytest.raises(SystemExit) as ended, answering(), advising(sentences.RESUME):
        run_jobs([Job("a", (), tmp_path)], 1, tmp_path / "logs", "group")
    assert ended.value.code == 130
    assert capsys.readouterr().err == "stopped; the same command again goes on with what is left\n"


def test_a_fault_of_the_program_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    status, said = last_words(BrokenPipeError(32, "a worker's pipe"), capsys)
    assert status == 1
    assert "Traceback" in said
    assert last_words(SystemExit(3), capsys) == (3, "")


def test_no_reader_no_words(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    out, into = os.pipe()
    os.close(out)
    monkeypatch.setattr(sentences, "STDOUT", into)
    assert last_words(BrokenPipeError(32, "Broken pipe"), capsys) == (141, "")
    os.write(into, b"python's own last flush")
    os.close(into)


def test_a_file_where_the_runs_would_be(tmp_path: Path) -> None:
    (tmp_path / "outputs").touch()
    assert "outputs/bert_miniature-miniature-s0-" in command(tmp_path, *SMOKE).refusal


def test_a_cache_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = command(tmp_path, *SMOKE, "cache_dir=file/cache").refusal
    assert "file/cache cannot be written (Not a directory)" in said
    assert "cache_dir" in said
    assert not list((tmp_path / "outputs").iterdir())
