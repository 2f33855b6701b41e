"""What is known of the miniature's tasks before any model has run: their ceilings, and which rows have unseen words.

A world is frozen by its digest, so a task's ladder is a constant. It is kept in ceilings.json, where a result finds it
in no time; computing it takes seconds a task. A new world or ladder: `python -m datamodules.ceilings` writes it again.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from datamodules.sources import MINIATURE_SEED
from datamodules.task import GENERATED, Task

FILE = Path(__file__).with_suffix(".json")
PROBES = "probes"


def measure(task: Task) -> str:
    """The metric that a ladder is in, whatever the task's headline is."""
    return "spearman" if task.kind == "regression" else "accuracy"


def ceilings(source: str, task: Task, asked: Sequence[str]) -> dict[str, Any]:
    """For a data card, {"ceilings": {metric as the record names it: {rung: per cent}}}; empty for real data.

    Args:
        asked: the test sets, or of one test set the parts, whose ladders are wanted.
    """
    if source not in GENERATED:
        return {}
    from datamodules.miniature import WORLD
    from datamodules.miniature.tasks import stand_in

    kept = json.loads(FILE.read_text())
    assert (kept["world"], kept["seed"]) == (WORLD, MINIATURE_SEED), f"{FILE.name} is of another world"
    if task.name == PROBES:
        (name,), ladders = task.test_sets, kept["ladders"][PROBES]
        return {"ceilings": {f"test_{name}/{measure(task)}/{part}": ladders[part] for part in asked}}
    own = {name: stand_in(task.name, name) for name in asked}
    return {"ceilings": {f"test_{name}/{measure(task)}": kept["ladders"][of][at] for name, (of, at) in own.items()}}


def parts(source: str, task: str, split: str) -> dict[str, list[int]]:
    """Row numbers by the words that decide them: seen in the training set, or unseen there; empty for real data."""
    if source not in GENERATED:
        return {}
    from datamodules.miniature.tasks import made_rows, stand_in

    found: dict[str, list[int]] = {"seen": [], "unseen": []}
    for number, row in enumerate(made_rows(*stand_in(task, split), MINIATURE_SEED, GENERATED[source])):
        found[row.tags["words"]].append(number)
    return found


def computed() -> Iterator[tuple[str, str, dict[str, float]]]:
    """Task, split (of probes: place of the cue) and rungs, of everything whose labels we know."""
    from datamodules.miniature import probe_ladder
    from datamodules.miniature.ladder import evaluation, rungs
    from datamodules.miniature.probes import CUES
    from datamodules.miniature.tasks import STANDS_FOR, TASKS

    for task in dict.fromkeys((*TASKS, *STANDS_FOR.values())):
        for split in evaluation(task):
            yield task, split, rungs(task, split, MINIATURE_SEED)
    for cue in CUES:
        yield PROBES, cue, probe_ladder.rungs(cue, MINIATURE_SEED)


def main() -> None:
    from datamodules.miniature import WORLD

    ladders: dict[str, dict[str, dict[str, float]]] = {}
    for task, split, rungs in computed():
        ladders.setdefault(task, {})[split] = {name: round(value, 1) for name, value in rungs.items()}
    FILE.write_text(json.dumps({"world": WORLD, "seed": MINIATURE_SEED, "ladders": ladders}, indent=1) + "\n")


if __name__ == "__main__":
    main()
