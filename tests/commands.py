"""The program in tests: in a fresh process (`launch`), or inside this one where that decides nothing (`command`).

Both run in a folder of the test's own; one cache of prepared text serves all tests of a session.
"""

import contextlib
import csv
import io
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from omegaconf import OmegaConf

ROOT = Path(__file__).resolve().parents[1]
QUIET = ("trainer.accelerator=cpu", "trainer.enable_progress_bar=false")
TINY = ("model.hidden_size=32", "model.num_heads=2", "model.num_layers=1", "model.intermediate_size=64", *QUIET)
NO_DROPOUT = ("model.dropout=0", "model.attention_dropout=0")
LAUNCHER = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def refusal(self) -> str:
        """The one sentence of a command that was refused."""
        assert self.status == 2, (self.status, self.out, self.err)
        progress = ("Generating ", "Downloading ", "Fetching ")  # of the hub's clients
        lines = [line for line in self.err.splitlines() if line.strip() and not line.startswith(progress)]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: "), self.err
        assert "Traceback" not in self.out, self.out
        return lines[0].removeprefix("error: ")


def cache_of(place: Path) -> Path:
    """The cache of a whole session, all its processes together: it lies in the folder that holds their folders."""
    folders = (path for path in (place, *place.parents) if path.name.startswith("pytest-"))
    return next(folders, place.parent) / "cache"


def environment(place: Path, more: dict[str, str] | None = None) -> dict[str, str]:
    """Variables for a process of the program: none that this session's own launcher, hub or W&B has left."""
    mine = {k: v for k, v in os.environ.items() if k not in LAUNCHER and not k.startswith(("WANDB_", "HF_", "PL_"))}
    ours = {
        "SIDE_BY_SIDE_CACHE": str(cache_of(place)),
        "WANDB_ERROR_REPORTING": "false",
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
    }
    return {**mine, **ours, **(more or {})}


def start(
    place: Path, *overrides: str, program: Sequence[str] = (), env: dict[str, str] | None = None
) -> subprocess.Popen[str]:
    """`python run.py <overrides>` in the folder `place`; `program` stands between python and run.py."""
    line = [sys.executable, *program, str(ROOT / "run.py"), *overrides]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(line, cwd=place, env=environment(place, env), preexec_fn=heed_interrupts, **pipes)


def heed_interrupts() -> None:
    """As in a terminal: a shell that puts tests in the background has them, and all that they start, ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def launch(place: Path, *overrides: str, program: Sequence[str] = (), env: dict[str, str] | None = None) -> Done:
    """`start`, and wait for the end."""
    with start(place, *overrides, program=program, env=env) as process:
        try:
            out, err = process.communicate(timeout=300)
        finally:
            process.kill()
    return Done(process.returncode, out, err)


def command(place: Path, *overrides: str) -> Done:
    """What `python run.py <overrides>` does in the folder `place`, without a process: seconds instead of tens."""
    for resolver in ("run_dir", "usual_logger"):
        OmegaConf.clear_resolver(resolver)
    out, err, status = io.StringIO(), io.StringIO(), 0
    with contextlib.chdir(place), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _variables():
        os.environ.update(SIDE_BY_SIDE_CACHE=str(cache_of(place)), OMP_NUM_THREADS="1")  # for processes of its own
        sys.argv = ["run.py", *overrides]
        try:
            runpy.run_path(str(ROOT / "run.py"), run_name="__main__")
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
    return Done(status, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def _variables() -> Iterator[None]:
    """The environment and the arguments are afterwards what they were before; one thread, as processes have here."""
    variables, arguments, threads = dict(os.environ), sys.argv, torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        sys.argv = arguments
        os.environ.clear()
        os.environ.update(variables)


def the_run(place: Path) -> Path:
    """The one run in a folder's outputs/."""
    (found,) = (place / "outputs").iterdir()
    return found


def summary(run: Path) -> dict[str, Any]:
    """A run's record."""
    return json.loads((run / "summary.json").read_text())


def history(run: Path, name: str) -> list[tuple[int, float]]:
    """(step, value) of one name in a run's metrics.csv, in the file's order."""
    with (run / "metrics.csv").open(newline="") as file:
        return [(int(row["step"]), float(row["value"])) for row in csv.DictReader(file) if row["name"] == name]


def table(file: Path) -> list[dict[str, str]]:
    """The rows of a .tsv with a header."""
    with file.open(newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
