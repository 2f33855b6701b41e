"""A run's name and place. The same experiment has the same place, on every rank and on every machine.

`<model>-<data>[-<task>]-s<seed>-<8 hex>`: the digits stand for the configuration without devices, paths and logger.
"""

import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from datamodules import text_files
from datamodules.task import GENERATED, Refused, fingerprint
from sweeps.jobs.environment import is_follower, under_agent
from sweeps.jobs.files import HISTORY, has_finished
from sweeps.jobs.sentences import untaken, wrong_place
from sweeps.runs.checks import check_task

# What says where and how a run is computed and shown, not what it computes.
ELSEWHERE = ("hydra", "logger", "resume", "rerun", "keep_checkpoints", "cache_dir", "encoders_dir", "predict", "input")
ELSEWHERE += ("keep_fractions", "jobs", "prepare", "explain", "row", "shape", "trials_dir")
DEVICES = ("accelerator", "devices", "num_nodes", "strategy", "enable_progress_bar", "log_every_n_steps")
LOCK = ".running"  # held by the process that runs the experiment of a folder
WORKPLACE = ("cache_dir", "num_workers", "eval_batch_size")


def stands_for(path: str | None) -> str | None:
    """A digest in place of a file's or encoder's path; other words as they are."""
    if path is None:
        return None
    for candidate in (Path(path) / "encoder/encoder.yaml", Path(path) / "encoder.yaml", Path(path)):
        if candidate.suffix in (".yaml", ".json") and candidate.is_file():
            return hashlib.sha256(candidate.read_bytes()).hexdigest()[:12]
        if candidate.is_file():  # word vectors take gigabytes
            return fingerprint(text_files.mark_of(candidate))
    return path


def plain(node: DictConfig) -> dict[str, Any]:
    """A node as ordinary values, interpolations resolved."""
    values = OmegaConf.to_container(node, resolve=True)
    assert isinstance(values, dict)
    return {str(key): value for key, value in values.items()}


def experiment(cfg: DictConfig) -> dict[str, Any]:
    """The part of a configuration that decides the numbers, resolved."""
    everything: Any = {**OmegaConf.to_container(cfg), "hydra": None}  # pyright: ignore
    if OmegaConf.is_missing(cfg.data, "task"):  # all of them
        everything["data"]["task"] = None
    resolved: Any = OmegaConf.to_container(OmegaConf.create(everything), resolve=True)
    kept = {key: value for key, value in resolved.items() if key not in ELSEWHERE}
    kept["transfer"].pop("cache_gb", None)  # room, that is
    for key in ("scale", "tuning"):  # what a scale chose is in the other keys; but scales are never one experiment
        if kept.get(key) is None:
            kept.pop(key, None)
    if "words" in kept["transfer"]:
        kept["transfer"]["words"] = stands_for(kept["transfer"]["words"])
    kept["text"]["tokenizer"]["file"] = stands_for(kept["text"]["tokenizer"]["file"])
    for node in (kept, kept["pretrain"]) if kept["pretrain"]["recipe"] else (kept,):
        strip_places(node)
    kept["pretrain"] = but_for_whole(kept["pretrain"])
    return {**kept, "init_from": stands_for(kept["init_from"]), **world(resolved)}


def world(resolved: dict[str, Any]) -> dict[str, int]:
    """Of generated text, which: results on two worlds are two results."""
    sources = {resolved["data"]["source"], resolved["pretrain"].get("data", {}).get("source")}
    if not sources & set(GENERATED):
        return {}
    from datamodules.miniature.lexicon import WORLD

    return {"world": WORLD}


def but_for_whole(pretrain: dict[str, Any]) -> dict[str, Any]:
    """A pre-training's settings; that all of it is taken goes without saying."""
    return {key: value for key, value in pretrain.items() if key != "fraction" or value != 1}


def own_text(data: dict[str, Any]) -> Any:
    """What stands for one's own text, wherever it lies: names, sizes and digests of the files that would be read.

    None where they cannot be: whoever reads them refuses that in a sentence of its own, which no name does.
    """
    from hydra.utils import instantiate

    with suppress(Refused, InstantiationException, OSError):
        if data.get("files"):
            paths = data["files"]
            return text_files.file_identity([paths] if isinstance(paths, str) else paths)
        if data["source"] not in ("hub", *GENERATED):
            return instantiate(data, _convert_="all").identity()
    return None


def strip_places(node: dict[str, Any]) -> None:
    """Take devices and paths out of the data and the trainer of a run, or of the pre-training inside it."""
    if (text := own_text(node["data"])) is not None:
        node["data"] |= {"files": text} if node["data"].get("files") else {"text": text}
    for key in DEVICES:
        node["trainer"].pop(key, None)
    for key in WORKPLACE:
        node["data"].pop(key, None)
    if not node["data"].get("phrases"):  # then how they are found decides nothing
        for key in ("phrases", "phrase_threshold", "phrase_min_count"):
            node["data"].pop(key, None)
    if node["data"]["source"] not in ("hub", *GENERATED):
        node["data"]["source"] = "local"
    node["data"]["tokenizer"]["file"] = stands_for(node["data"]["tokenizer"]["file"])
    if "vocabulary" in node["data"]:
        node["data"]["vocabulary"] = stands_for(node["data"]["vocabulary"])


def run_name(cfg: DictConfig, model: str, data: str) -> str:
    """The name of the run that `cfg` describes; `model` and `data` are the chosen options of these groups."""
    facts = experiment(cfg)
    task = facts["data"].get("task")
    task = f"-{task}" if task and task != data else ""  # data=swag is its only task
    return f"{model}-{data}{task}-s{facts['seed']}-{fingerprint(facts, 8)}"


def run_directory(*, _root_: DictConfig) -> str:
    """The resolver behind `hydra.run.dir`: outputs/<name>; with rerun=true the first unfinished outputs/<name>-2 ..."""
    choices = _root_.hydra.runtime.choices
    if _root_.predict:
        return f"outputs/predict-{Path(_root_.predict).name}"
    first = f"outputs/{run_name(_root_, choices['model'], choices['data'])}"
    directory, number = first, 1
    while _root_.rerun and has_finished(Path(directory)):
        number += 1
        directory = f"{first}-{number}"
    return directory


@dataclass(frozen=True)
class Run:
    """An opened run's folder.

    Attributes:
        last: the checkpoint to continue from, if any.
    """

    directory: Path
    last: Path | None = None

    @property
    def name(self) -> str:
        return self.directory.name

    @property
    def finished(self) -> bool:
        return has_finished(self.directory)

    @classmethod
    def open(cls, directory: Path, cfg: DictConfig) -> "Run":
        """Look at what is there. Under an agent, which nobody can tell so, an unfinished run goes on.

        Raises:
            Refused: when an unfinished run is there and nobody said what to do with it.
        """
        check_task(cfg)
        last, goes_on = directory / "checkpoints" / "last.ckpt", cfg.resume or under_agent()
        run = cls(directory, last if goes_on and last.is_file() else None)
        if last.is_file() and not goes_on and not run.finished:
            raise Refused(
                f"{directory} holds an unfinished run of this experiment: resume=true continues it; to begin anew, "
                f"remove the folder."
            )
        return run

    def clear_checkpoints(self) -> None:
        """They are for resuming; a finished run needs none."""
        shutil.rmtree(self.directory / "checkpoints", ignore_errors=True)


class Busy(Refused):
    """Another process has this run's folder: nothing in it may be touched."""


class Diverged(Refused):
    """Training ended in weights that are no numbers: its history stays, to be looked at."""


@contextmanager
def alone(directory: Path) -> Iterator[None]:
    """Only one process at a time runs an experiment in its place; the ranks that it starts belong to it.

    Raises:
        Busy: when another does.
    """
    if is_follower():
        yield
        return
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Busy(f"{directory} is being run by another process: wait for it, or stop it.") from None
    try:
        yield
    finally:
        (directory / LOCK).unlink(missing_ok=True)
        lock.release()


@contextmanager
def refusing(directory: Path) -> Iterator[Path]:
    """Turn a refusal into one sentence and exit status 2, and leave no folder of a run that never began."""
    try:
        yield directory
    except (Refused, InstantiationException, OSError) as error:
        if (refusal := refusal_behind(error)) is None:
            raise
        if os.environ.get("LOCAL_RANK", "0") == "0":
            print(f"error: {refusal}", file=sys.stderr)
            if not isinstance(refusal, Busy | Diverged):
                remove_unbegun(directory, {".hydra", "wandb", HISTORY, LOCK})
        sys.exit(2)
    else:
        remove_unbegun(directory, {".hydra"})  # predict= trains nothing


def refusal_behind(error: Exception) -> Exception | None:
    """The sentence in an error, also where Hydra has wrapped it; None for a fault of the program."""
    refusal = error.__cause__ if isinstance(error, InstantiationException) else error
    if isinstance(error, InstantiationException) and (reason := untaken(error)):
        refusal = Refused(reason)
    if isinstance(refusal, OSError) and (reason := wrong_place(refusal)):
        refusal = Refused(reason)
    # TypeError: an argument that the class needs
    return refusal if isinstance(refusal, Refused | TypeError) else None


def remove_unbegun(directory: Path, traces: set[str]) -> None:
    """Remove a folder that holds nothing but these."""
    if directory.is_dir() and {path.name for path in directory.iterdir()} <= traces:
        shutil.rmtree(directory)
