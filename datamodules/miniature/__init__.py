"""The miniature: a small generated world of English-like text, so that everything runs without a network.

The same integer gives the same text in every process. What can be learned from the documents (synonyms, the passive,
agreement, whether an adjective is good or bad) is what the tasks ask for.
"""

from datamodules.miniature.corpus import document
from datamodules.miniature.lexicon import WORLD, stream
from datamodules.miniature.tasks import BUILDERS, Row, split_sizes, unseen_rows
from datamodules.task import one_of

__all__ = ["TASKS", "WORLD", "documents", "glue"]

TASKS: tuple[str, ...] = tuple(BUILDERS)
CORPUS_WORDS = {"train": 300_000, "validation": 12_000}


def documents(split: str, seed: int = 0) -> list[str]:
    """Return documents: one sentence a line, a blank line between paragraphs.

    Raises:
        Refused: if `split` is neither train nor validation.
    """
    wanted = CORPUS_WORDS[one_of("split", split, CORPUS_WORDS)]
    rng = stream("corpus", split, seed)
    texts: list[str] = []
    while wanted > 0:
        texts.append(document(rng))
        wanted -= len(texts[-1].split())
    return texts


def glue(task: str, split: str, seed: int = 0) -> list[Row]:
    """Return a task's rows under the hub's column names: text, "label" (-1 in a test split) and "idx", the row number.

    Raises:
        Refused: if there is no such task, or no such split of it.
    """
    sizes = split_sizes(one_of("task", task, TASKS))
    one_of("split", split, sizes)
    seen: set[tuple[object, ...]] = set()
    rows: list[Row] = []
    for name, size in sizes.items():
        rows = unseen_rows(stream(task, name, seed), task, name, size, seen)
        if name == split:
            break
    for idx, row in enumerate(rows):
        if split.startswith("test"):
            row["label"] = -1.0 if task == "stsb" else -1
        row["idx"] = idx
    return rows
