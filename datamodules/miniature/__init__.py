"""The miniature: a small generated world of English-like text, so that everything runs without a network.

The same integer gives the same text in every process. What can be learned from the documents (what words mean, which
kinds things are of, how sentences are built) is what the tasks ask for. `python -m datamodules.miniature show` prints
some of it; docs/miniature.md says what it can show and what it cannot.
"""

from collections.abc import Iterator

from datamodules.miniature.choice import as_swag
from datamodules.miniature.corpus import Document, document
from datamodules.miniature.lexicon import WORLD, stream
from datamodules.miniature.tasks import BUILDERS, COLUMNS, PAIR, TASKS, given_label, made_rows, split_sizes
from datamodules.task import one_of

__all__ = ["BUILDERS", "DOCUMENTS", "SIZES", "TASKS", "WORLD", "documents", "glue", "split_sizes", "tell"]

Row = dict[str, object]
# A document has 105 words: about 0.3, 3 and 30 million. Each size begins with the documents of the one before.
DOCUMENTS = {
    "demo": {"train": 2_850, "validation": 120},
    "sweep": {"train": 28_500, "validation": 400},
    "gpu": {"train": 285_000, "validation": 1_000},
}
SIZES = tuple(DOCUMENTS)


def tell(split: str, number: int, seed: int = 0) -> Document:
    """One document, with all that is known of it."""
    return document(split, seed, number)


def documents(split: str, seed: int = 0, size: str = "demo") -> Iterator[str]:
    """Give documents one after the other: one sentence a line, a blank line between paragraphs.

    Raises:
        Refused: if `split` is neither train nor validation, or there is no such size.
    """
    counts = DOCUMENTS[one_of("size", size, SIZES)]
    count = counts[one_of("split", split, counts)]
    return (tell(split, number, seed).text for number in range(count))


def glue(task: str, split: str, seed: int = 0, size: str = "demo") -> list[Row]:
    """Return a task's rows under the hub's column names: text, "label" (-1 in a test split) and "idx", the row number
    (choice has SWAG's columns, which are others).

    Raises:
        Refused: if there is no such task, or no such split of it.
    """
    rng, columns = stream("labels", task, split, seed, size), COLUMNS.get(task, PAIR)
    if task == "choice":
        made = enumerate(made_rows(task, split, seed, size))
        return [as_swag(row, split, at) | {"label": given_label(rng, task, split, row)} for at, row in made]
    return [
        {**dict(zip(columns, row.texts, strict=True)), "label": given_label(rng, task, split, row), "idx": number}
        for number, row in enumerate(made_rows(task, split, seed, size))
    ]
