"""The words of the commands that asked for a run's experiment, by which a sweep finds its points.

Hydra keeps those of the last command alone, and two sweeps may share an experiment.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from sweeps.jobs.environment import is_follower

COMMANDS = ".hydra/commands.jsonl"  # of everybody who asked for the experiment of a folder, a list of words each


def note_command(directory: Path, words: Sequence[str]) -> None:
    """Keep a command's words beside a run, each command's once."""
    file, line = directory / COMMANDS, json.dumps(list(words))
    if not is_follower() and not (file.is_file() and line in file.read_text(encoding="utf-8").split("\n")):
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("a", encoding="utf-8") as lines:
            lines.write(f"{line}\n")


def commands_of(directory: Path) -> Iterator[list[str]]:
    """All that are kept there; a line that a kill has torn is passed over."""
    file = directory / COMMANDS
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        with suppress(json.JSONDecodeError):
            yield [str(word) for word in json.loads(line)]
