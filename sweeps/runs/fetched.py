"""Runs of a W&B project as run folders: what a comparison reads, wherever the runs were made.

A run leaves its whole record in its W&B run's summary, as one text: of a mapping W&B would make a column a key. Answers
to single examples and learning curves do not go up: an interval is then of these examples and no others.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import yaml

from datamodules.task import Refused
from sweeps.runs.commands import commands_of, note_command

RECORD = "record"  # in a W&B run's summary
NOT_READ = ("samples", "neighbours", "nearest", "mistakes", "attention", "projection", "word_sets")
MIRROR = "wandb"  # below the runs' own folder
NAME = re.compile(r"\w[\w.+=-]*")


def packed(record: dict[str, Any], directory: Path) -> str:
    """A run's record as one text, with the commands by which a sweep's points find it.

    Args:
        directory: the run's own.
    """
    file = directory / ".hydra/overrides.yaml"
    words = yaml.safe_load(file.read_text()) if file.is_file() else []
    kept = {key: value for key, value in record.items() if key not in NOT_READ}
    return json.dumps({**kept, "overrides": words, "commands": list(commands_of(directory))})


def fetch(place: str, runs: Path) -> Path:
    """Write a folder for each run of the project that has a record; returns the folder that holds them.

    Args:
        place: "<entity>/<project>".
        runs: where this machine's own runs are; a fetched project lies below it, and is fetched anew each time.

    Raises:
        Refused: when there is no such project, or W&B cannot be asked.
    """
    import wandb

    entity, _, project = place.partition("/")
    if not (NAME.fullmatch(entity) and NAME.fullmatch(project)):
        raise Refused(f"--from-wandb {place} is not possible: it may be <entity>/<project>.")
    try:
        found = [(one.id, one.summary_metrics.get(RECORD)) for one in wandb.Api().runs(place)]
    except (wandb.errors.UsageError, wandb.errors.CommError, ValueError) as error:  # pyright: ignore
        reason = " ".join(str(error).split())
        raise Refused(
            f"--from-wandb {place} needs W&B's server: `wandb login`, or WANDB_API_KEY and WANDB_BASE_URL ({reason})."
        ) from error
    root = runs / MIRROR / f"{entity}-{project}"
    shutil.rmtree(root, ignore_errors=True)
    told = {one: json.loads(record) for one, record in found if isinstance(record, str)}
    for one, record in told.items():
        write(root, one, record)
    print(f"{place}: {len(told)} of {len(found)} runs have a record; the others have not finished, or not by this code")
    return root


def write(root: Path, run: str, record: dict[str, Any]) -> None:
    """A run's folder, by the run's own name unless that is taken: W&B may have several runs of one experiment."""
    name = str(record["name"])
    folder = root / (name if NAME.fullmatch(name) and not (root / name).exists() else f"run-{run}")
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra/overrides.yaml").write_text(yaml.safe_dump(record.pop("overrides")))
    for words in record.pop("commands", []):  # a run of before they were kept has none
        note_command(folder, words)
    (folder / ".hydra/config.yaml").write_text(yaml.safe_dump(record["config"]))
    (folder / "summary.json").write_text(json.dumps(record))
