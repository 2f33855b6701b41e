"""Jobs are processes: who runs when, with which variables, and what becomes of those that fail or are stopped.

The program is a small script here, for what is asked is the scheduling; tests/test_multirun.py has the real one.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from datamodules.task import Refused
from sweeps.jobs import board, lease
from sweeps.jobs import pool as jobs
from sweeps.jobs.board import Board
from sweeps.jobs.environment import child_environment, gpus_needed, rank_of, visible_gpus
from sweeps.jobs.failures import report_failures
from sweeps.jobs.job import ELSEWHERE, Job
from sweeps.jobs.pool import Pool, run_jobs

SCRIPT = """
import json, os, sys, time
from pathlib import Path
words = dict(word.split("=", 1) for word in sys.argv[1:])
place = Path(words["place"])
place.mkdir(exist_ok=True)
(place / "began").write_text(json.dumps({"time": time.monotonic(), "environment": dict(os.environ)}))
print("says", words.get("say"), flush=True)
time.sleep(float(words.get("sleep", 0)))
(place / "ended").write_text(str(time.monotonic()))
(place / "count").open("a").write("x")
if words.get("status", "0") == "0":
    (place / "summary.json").write_text('{"status": "finished"}')
sys.exit(int(words.get("status", "0")))
"""


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "program.py"
    script.write_text(SCRIPT)
    monkeypatch.setattr(jobs, "PROGRAM", script)


def job(tmp_path: Path, name: str, *words: str, place: str = "", devices: int = 0) -> Job:
    folder = tmp_path / (place or name)
    return Job(name, (f"place={folder}", *words), folder, devices)


def began(tmp_path: Path, name: str) -> dict:
    return json.loads((tmp_path / name / "began").read_text())


def overlap(tmp_path: Path, a: str, b: str) -> bool:
    """Whether two jobs ran at the same time."""
    ends = {name: float((tmp_path / name / "ended").read_text()) for name in (a, b)}
    return began(tmp_path, a)["time"] < ends[b] and began(tmp_path, b)["time"] < ends[a]


def test_a_failed_job_stops_no_other_and_is_told_with_its_last_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    todo = [job(tmp_path, "a"), job(tmp_path, "b", "status=3", "say=woe"), job(tmp_path, "c")]
    outcomes = run_jobs(todo, 1, tmp_path / "logs", "group")
    assert [outcome.status for outcome in outcomes] == [0, 3, 0]
    assert report_failures(outcomes) == 1
    said = capsys.readouterr().err
    assert "says woe" in said
    assert "says None" not in said
    assert str(outcomes[1].log) in said


def test_jobs_at_once_run_together_and_one_at_a_time_do_not(tmp_path: Path) -> None:
    run_jobs([job(tmp_path, name, "sleep=0.7") for name in "ab"], 2, tmp_path / "logs", "group")
    assert overlap(tmp_path, "a", "b")
    run_jobs([job(tmp_path, name, "sleep=0.1") for name in "cd"], 1, tmp_path / "logs", "group")
    assert not overlap(tmp_path, "c", "d")


def test_finished_jobs_are_skipped_and_run_again_only_if_told(tmp_path: Path) -> None:
    first = job(tmp_path, "a")
    outcomes = [run_jobs([first], 1, tmp_path / "logs", "group")[0] for _ in range(2)]
    assert [outcome.status for outcome in outcomes] == [0, 0]
    assert [outcome.log is None for outcome in outcomes] == [False, True]
    assert (tmp_path / "a" / "count").read_text() == "x"
    run_jobs([Job("a", first.overrides, first.directory, rerun=True)], 1, tmp_path / "logs", "group")
    assert (tmp_path / "a" / "count").read_text() == "xx"


def test_one_place_is_never_two_jobs_at_once(tmp_path: Path) -> None:
    """devices=1,2 are the same experiment: the second finds the first's record."""
    twins = [job(tmp_path, name, "sleep=0.3", place="same") for name in ("one", "two")]
    outcomes = run_jobs([*twins, job(tmp_path, "other")], 3, tmp_path / "logs", "group")
    assert [outcome.status for outcome in outcomes] == [0, 0, 0]
    assert (tmp_path / "same" / "count").read_text() == "x"


def test_each_job_has_gpus_of_its_own(tmp_path: Path) -> None:
    todo = [job(tmp_path, name, "sleep=0.5", devices=2) for name in "abc"]
    run_jobs(todo, 2, tmp_path / "logs", "group", gpus=["0", "3", "4", "7"])
    held = [began(tmp_path, name)["environment"]["CUDA_VISIBLE_DEVICES"].split(",") for name in "abc"]
    assert all(len(names) == 2 for names in held)
    assert not {*held[0]} & {*held[1]}
    assert overlap(tmp_path, "a", "b")
    assert held[2] in held[:2]


@pytest.mark.parametrize(("devices", "count"), [(1, 1), (4, 4), ("2", 2), ("auto", 8), (-1, 8)])
def test_gpus_of_a_job(devices: int | str | list, count: int) -> None:
    assert gpus_needed(devices, [str(n) for n in range(8)], 1) == count
    assert gpus_needed(devices, [], 5) == 0


def test_more_jobs_than_gpus_are_refused() -> None:
    with pytest.raises(
        Refused, match=r"jobs=8 with trainer.devices=2 needs 16 GPUs, and there are 8: jobs may be up to 4"
    ):
        gpus_needed(2, [str(n) for n in range(8)], 8)


@pytest.mark.parametrize("at_once", [0, -1, 1.5, "two"])
def test_a_wrong_number_of_jobs_is_refused(tmp_path: Path, at_once: int) -> None:
    with pytest.raises(Refused, match="jobs="):
        run_jobs([job(tmp_path, "a")], at_once, tmp_path / "logs", "group")


LEFT_BY_OTHERS = {
    "RANK": "1",
    "LOCAL_RANK": "1",
    "WORLD_SIZE": "2",
    "MASTER_PORT": "1234",
    "TORCHELASTIC_RUN_ID": "x",
    "ROLE_RANK": "1",
    "SLURM_PROCID": "1",
    "SLURM_NTASKS": "2",
    "SLURM_NTASKS_PER_NODE": "2",
    "WANDB_RUN_ID": "parent",
    "WANDB_SWEEP_ID": "sweep",
    "WANDB_SWEEP_PARAM_PATH": "/x.yaml",
    "WANDB_NAME": "parent",
}


def test_a_child_has_no_rank_and_no_run_of_its_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**LEFT_BY_OTHERS, "WANDB_PROJECT": "kept", "SLURM_JOB_ID": "7"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("WANDB_RUN_GROUP", raising=False)
    run_jobs([job(tmp_path, "a")], 1, tmp_path / "logs", "the-group")
    seen = began(tmp_path, "a")["environment"]
    assert not {*LEFT_BY_OTHERS} & {*seen}
    assert seen["WANDB_RUN_GROUP"] == "the-group"
    assert (seen["WANDB_PROJECT"], seen["SLURM_JOB_ID"]) == ("kept", "7")


def test_the_parents_group_is_its_childrens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_RUN_GROUP", "mine")
    assert child_environment("other", {})["WANDB_RUN_GROUP"] == "mine"


def test_jobs_that_share_cores_share_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    run_jobs([job(tmp_path, "a")], 2, tmp_path / "logs", "group")
    assert int(began(tmp_path, "a")["environment"]["OMP_NUM_THREADS"]) == max(1, (os.cpu_count() or 1) // 2)


@pytest.mark.parametrize(
    ("variables", "rank"),
    [
        ({}, None),
        ({"RANK": "1", "WORLD_SIZE": "2"}, 1),
        ({"RANK": "0", "WORLD_SIZE": "2"}, 0),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        ({"SLURM_PROCID": "3", "SLURM_NTASKS": "4"}, 3),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "1"}, None),
    ],
)
def test_rank(variables: dict[str, str], rank: int | None) -> None:
    assert rank_of(variables) == rank


def test_a_stop_reaches_every_process_of_every_job(tmp_path: Path) -> None:
    """SIGTERM to the parent: its jobs, and what they started, are gone before it is."""
    script = tmp_path / "deep.py"
    script.write_text(
        "import subprocess, sys, time\n"
        "from pathlib import Path\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "place = Path(sys.argv[1].split('=')[1]); place.mkdir()\n"
        "(place / 'pid').write_text(str(child.pid))\n"
        "time.sleep(60)\n"
    )
    parent = (
        "import sys; from pathlib import Path; from sweeps.jobs import pool as jobs\n"
        f"jobs.PROGRAM = Path({str(script)!r})\n"
        f"todo = [jobs.Job(n, (f'place={tmp_path}/' + n,), Path({str(tmp_path)!r}) / n) for n in 'ab']\n"
        f"jobs.run_jobs(todo, 2, Path({str(tmp_path)!r}) / 'logs', 'group')\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", parent], cwd=Path(jobs.__file__).parents[2], stderr=subprocess.PIPE
    )
    pids = [tmp_path / name / "pid" for name in "ab"]
    end = time.monotonic() + 60
    while not all(file.is_file() and file.read_text() for file in pids) and time.monotonic() < end:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode != 0
    time.sleep(0.2)
    for file in pids:
        assert not Path(f"/proc/{file.read_text()}/cmdline").exists() or is_zombie(int(file.read_text()))


def is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"


def test_the_board_says_what_jobs_say_of_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = tmp_path / "told"
    monkeypatch.setenv(board.PROGRESS, str(told))
    board.tell(0.25, "step 5")
    assert told.read_text() == "0.2500 step 5"
    shown = board.Board(2)
    shown.is_terminal = True
    with shown:
        shown.began("a")
        shown.goes_on("a", told)
        bar = shown.lines["a"].bar
        assert bar is not None
        assert bar.n == 0.25
        assert told.read_text() == "0.1250 step 5"  # what this process says to its own parent: of two jobs
        shown.ended("a", 0, 61.0, "")
        assert told.read_text() == "0.5000 1 of 2 jobs"
        assert shown.whole is not None
        assert shown.whole.n == 1
    said = capsys.readouterr().err
    assert "step 5" in said
    assert re.search(r"\[1/2, 00:00:0\d left\] done: a, 00:01:01", said)
    assert "1 of 2 jobs, 00:00:0" in said


def test_the_time_left_of_all_jobs_counts_those_that_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two jobs at once took 100 s; of six one had finished before, so three are left: 150 s."""
    now = [1000.0]
    monkeypatch.setattr(board.time, "monotonic", lambda: now[0])
    shown = board.Board(6)
    shown.is_terminal = False
    shown.ended("done before", 0, 0.0, "finished before")
    assert shown.left is None
    for name in "ab":
        shown.began(name)
    now[0] = 1100.0
    for name in "ab":
        shown.ended(name, 0, 100.0, "")
    assert shown.left == pytest.approx(150)


def test_the_time_left_of_a_job_that_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resumed at 60 %, it did a tenth in 100 s: 300 s are left, not 33."""
    now = [0.0]
    monkeypatch.setattr(board.time, "monotonic", lambda: now[0])
    line = board.Line(None)
    now[0] = 50.0
    line.move(0.6)
    assert line.left is None
    now[0] = 150.0
    line.move(0.7)
    assert line.left == pytest.approx(300)
    line.move(0.0)  # something else begins
    now[0] = 160.0
    line.move(0.01)
    now[0] = 170.0
    line.move(0.02)
    assert line.left == pytest.approx(980)
    assert board.clock(3725.4) == "01:02:05"


def test_a_line_now_and_then_where_there_is_no_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(board, "EVERY", 0.0)
    (tmp_path / "told").write_text("0.5 step 7")
    with board.Board(1) as shown:
        shown.began("a")
        shown.goes_on("a", tmp_path / "told")
    assert "running: a, 50 %" in capsys.readouterr().err


def test_named_gpus_are_refused_and_hidden_ones_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    for devices in ([0, 3], "0,1"):
        with pytest.raises(Refused, match=r"trainer.devices=.* it may be a number or auto"):
            gpus_needed(devices, ["0", "1", "2", "3"], 1)
    for told, names in (("-1", []), ("2,5", ["2", "5"]), ("1,-1,3", ["1"]), ("", [])):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", told)
        assert visible_gpus("auto") == names
        assert visible_gpus("cpu") == []


def test_a_job_that_was_stopped_goes_on(tmp_path: Path) -> None:
    one = job(tmp_path, "a")
    assert "resume=true" not in one.words
    (one.directory / "checkpoints").mkdir(parents=True)
    (one.directory / "checkpoints/last.ckpt").touch()
    assert "resume=true" in one.words
    (one.directory / "summary.json").write_text('{"status": "incomplete"}')
    assert not one.finished


def test_ranks_that_outlive_the_first_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would keep the GPUs that the next job is given."""
    script = tmp_path / "leader.py"
    script.write_text(
        "import subprocess, sys\n"
        "from pathlib import Path\n"
        "deaf = 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)'\n"
        "child = subprocess.Popen([sys.executable, '-c', deaf])\n"
        "Path(sys.argv[1].split('=')[1]).write_text(str(child.pid))\n"
        "sys.exit(1)\n"
    )
    monkeypatch.setattr(jobs, "PROGRAM", script)
    (outcome,) = run_jobs([job(tmp_path, "a")], 1, tmp_path / "logs", "group")
    assert outcome.status == 1
    time.sleep(0.2)
    pid = (tmp_path / "a").read_text()
    assert not Path(f"/proc/{pid}").exists() or is_zombie(int(pid))


def test_a_job_whose_parent_was_killed_stops(tmp_path: Path) -> None:
    """Unless it works for a lease, which others wait for."""
    child = (
        "import os, sys, time; from sweeps.jobs.environment import following\n"
        "with following():\n"
        "    open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(60)\n"
    )
    parent = (
        "import os, subprocess, sys, time\n"
        "os.environ['SIDE_BY_SIDE_PARENT'] = str(os.getpid())\n"
        "for name, more in (('a', {}), ('b', {'SIDE_BY_SIDE_LEASE': 'x'})):\n"
        f"    line = [sys.executable, '-c', {child!r}, {str(tmp_path)!r} + '/' + name]\n"
        "    subprocess.Popen(line, env={**os.environ, **more})\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], cwd=Path(jobs.__file__).parents[2])
    files = [tmp_path / name for name in "ab"]
    end = time.monotonic() + 60
    while not all(file.is_file() and file.read_text() for file in files) and time.monotonic() < end:
        time.sleep(0.05)
    process.kill()
    process.wait()
    follows, works = (int(file.read_text()) for file in files)
    while Path(f"/proc/{follows}").exists() and not is_zombie(follows) and time.monotonic() < end:
        time.sleep(0.05)
    assert time.monotonic() < end
    assert Path(f"/proc/{works}").exists()
    os.kill(works, signal.SIGKILL)


# ---- several launchers, and a budget ---------------------------------------------------------------------------------


def test_two_launchers_divide_the_jobs_by_claims(tmp_path: Path) -> None:
    """In two threads, as two machines would; each job runs once, and a claim is given back with its job."""
    names = "abcdef"
    todo = [replace(job(tmp_path, name, "sleep=0.3"), claim=tmp_path / f"{name}.claim") for name in names]
    with ThreadPoolExecutor(2) as pool:
        ended = list(pool.map(lambda logs: by_hand(todo, tmp_path / logs), ("logs1", "logs2")))
    assert [(tmp_path / name / "count").read_text() for name in names] == ["x"] * len(names)
    for both in zip(*ended, strict=True):
        assert {outcome.status for outcome in both} <= {0, ELSEWHERE}
        assert 0 in {outcome.status for outcome in both}
    assert list(tmp_path.glob("*.claim")) == []


def test_what_another_launcher_holds_is_left_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LOST", 0.6)
    todo = [replace(job(tmp_path, name), claim=tmp_path / f"{name}.claim") for name in "ab"]
    with lease.claimed(lease.Lease(tmp_path / "a.claim")):
        outcomes = run_jobs(todo, 1, tmp_path / "logs", "group")
        assert [outcome.status for outcome in outcomes] == [ELSEWHERE, 0]
    assert [outcome.status for outcome in run_jobs(todo, 1, tmp_path / "logs", "group")] == [0, 0]


def by_hand(todo: list[Job], logs: Path) -> list[jobs.Outcome]:
    """`run_jobs` without its signal handlers, which only a main thread may set."""
    logs.mkdir()
    with board.Board(len(todo)) as lines:
        pool = jobs.Pool(lines, 1, logs, logs, "group", [])
        pool.work(todo)
    return [pool.outcomes[number] for number in range(len(todo))]


LAUNCHER = """
import sys
from pathlib import Path
from sweeps.jobs import pool as jobs
from sweeps.jobs.sentences import answering
place = Path(sys.argv[1])
jobs.PROGRAM = place / "program.py"
todo = [
    jobs.Job(name, (f"place={place / name}", f"sleep={seconds}"), place / name, claim=place / f"{name}.claim")
    for name, seconds in (("a", 0), ("b", sys.argv[2]), ("c", 0))
]
with answering():
    print(*(outcome.status for outcome in jobs.run_jobs(todo, 1, place / "logs", "group")))
"""


def launcher(tmp_path: Path, sleep: float) -> "subprocess.Popen[str]":
    """A process that runs the jobs a, b, which takes so many seconds, and c."""
    line = [sys.executable, "-c", LAUNCHER, str(tmp_path), str(sleep)]
    variables = {**os.environ, "SIDE_BY_SIDE_LEASE_SECONDS": "1.5"}
    house = Path(jobs.__file__).parents[2]
    pipe = subprocess.PIPE
    return subprocess.Popen(line, cwd=house, env=variables, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_a_launcher_that_ends_early_loses_nothing_that_was_finished(tmp_path: Path, end: signal.Signals) -> None:
    """It is stopped in the middle of b. The next one skips a, and takes b although a killed one has left its claim."""
    with launcher(tmp_path, 60) as first:
        began_b, until = tmp_path / "b" / "began", time.monotonic() + 60
        while not (began_b.is_file() and began_b.read_text()) and time.monotonic() < until:
            time.sleep(0.05)
        first.send_signal(end)
        said = first.communicate(timeout=30)[1] if end is signal.SIGINT else ""
    assert "again goes on with what is left" in said or end is signal.SIGKILL
    assert (tmp_path / "b.claim").exists() == (end is signal.SIGKILL)
    with launcher(tmp_path, 0) as second:
        out, _ = second.communicate(timeout=60)
    assert out.split() == ["0", "0", "0"]
    assert [(tmp_path / name / "count").read_text() for name in "abc"] == ["x"] * 3
    assert list(tmp_path.glob("*.claim")) == []


# ---- what jobs need of others ----------------------------------------------------------------------------------------


def test_what_needs_a_job_that_failed_is_not_begun_and_all_else_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made, lost = job(tmp_path, "made", "sleep=0.4"), job(tmp_path, "lost", "status=3", "say=woe")
    todo = [made, lost, *(replace(job(tmp_path, name), needs=tmp_path / "lost") for name in "ab")]
    todo.append(replace(job(tmp_path, "c"), needs=tmp_path / "made"))
    done = replace(job(tmp_path, "d"), needs=tmp_path / "lost")  # it has finished before: it needs nothing
    run_jobs([done], 1, tmp_path / "logs", "group")
    outcomes = run_jobs([*todo, done], 2, tmp_path / "logs", "group")
    assert [outcome.status for outcome in outcomes] == [0, 3, 3, 3, 0, 0]
    assert not any((tmp_path / name).exists() for name in "ab")
    assert not overlap(tmp_path, "made", "c")
    assert report_failures(outcomes) == 3
    said = capsys.readouterr().err
    assert said.count("says woe") == 1
    assert said.count("not begun, for lost failed") == 2


def test_within_a_budget_only_whole_jobs_are_begun(tmp_path: Path) -> None:
    todo = [job(tmp_path, name, "sleep=0.8") for name in "abcd"]
    since = time.monotonic()
    outcomes = run_jobs(todo, 1, tmp_path / "logs", "group", until=since + 2.6)
    assert 1 <= len(outcomes) < 4
    assert [outcome.status for outcome in outcomes] == [0] * len(outcomes)
    assert time.monotonic() - since < 3.5
    assert not (tmp_path / "d").exists()
    again = run_jobs(todo, 1, tmp_path / "logs", "group")
    assert [outcome.log is None for outcome in again] == [True] * len(outcomes) + [False] * (4 - len(outcomes))


def test_while_a_job_waits_for_what_it_needs_others_begin(tmp_path: Path) -> None:
    slow, quick = job(tmp_path, "slow", "sleep=0.8"), job(tmp_path, "quick", "sleep=0.1")
    todo = [slow, replace(job(tmp_path, "its"), needs=slow.directory), quick]
    outcomes = run_jobs(todo, 2, tmp_path / "logs", "group")
    assert [outcome.status for outcome in outcomes] == [0] * 3
    assert overlap(tmp_path, "slow", "quick")
    assert not overlap(tmp_path, "slow", "its")


def test_a_long_pre_training_does_not_keep_short_points_out_of_a_budget(tmp_path: Path) -> None:
    encoder = replace(job(tmp_path, "encoder"), kind="encoder")
    point = replace(job(tmp_path, "point"), needs=encoder.directory, kind="point")
    with Board(2) as board:
        pool = Pool(board, 1, tmp_path, tmp_path, "group", [])
        pool.longest = {("encoder",): 100.0}
        of_any = pool.would_end(point) - time.monotonic()
        pool.expected = {"encoder": 7.0, "point": 2.0}  # of encoders more is known
        as_expected = pool.would_end(encoder, [point]) - time.monotonic()
        pool.longest["point",] = 1.0
        ends = [pool.would_end(one) - time.monotonic() for one in (encoder, point)]
        with_its_point = pool.would_end(encoder, [point, point]) - time.monotonic()
    assert of_any == pytest.approx(100, abs=1)
    assert as_expected == pytest.approx(102, abs=0.9)
    assert ends == pytest.approx([100, 1], abs=1)
    assert with_its_point == pytest.approx(101, abs=0.9)


def test_a_job_takes_as_long_as_all_that_it_sees_to(tmp_path: Path) -> None:
    """And one that had as much to do, once it has run, tells better than the sum."""
    trial, encoder = replace(job(tmp_path, "trial"), kind="point"), replace(job(tmp_path, "encoder"), kind="encoder")
    whole = replace(job(tmp_path, "whole"), kind="point", within=(trial, encoder))
    with Board(1) as board:
        pool = Pool(board, 1, tmp_path, tmp_path, "group", [])
        pool.expected = {"encoder": 70.0, "point": 20.0}
        expected = pool.seconds_of(whole.kinds)
        pool.longest[whole.kinds] = 90.0
        learnt = pool.seconds_of(whole.kinds)
        encoder.directory.mkdir(parents=True)
        (encoder.directory / "summary.json").write_text('{"status": "finished"}')
        left = pool.seconds_of(whole.kinds)
    assert (expected, learnt, left) == (110, 90, 40)


def test_what_does_not_fit_into_a_budget_keeps_out_what_needs_it_and_nothing_else(tmp_path: Path) -> None:
    encoder, made = replace(job(tmp_path, "encoder"), kind="encoder"), job(tmp_path, "made")
    todo = [encoder, *(replace(job(tmp_path, name), needs=encoder.directory, kind="point") for name in "ab")]
    todo.append(replace(job(tmp_path, "c"), needs=made.directory, kind="point"))
    with Board(4) as board:
        pool = Pool(board, 1, tmp_path, tmp_path, "group", [])
        pool.longest = {("encoder",): 100.0, ("point",): 1.0}
        pool.work(todo, until=time.monotonic() + 30)
    assert [outcome.job.name for outcome in pool.outcomes.values()] == ["c"]
    assert not any((tmp_path / name).exists() for name in ("encoder", "a", "b"))
