"""The miniature in the columns of data sets that are none of GLUE's: their splits, and how their rows are made."""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from datamodules.miniature.lexicon import stream
from datamodules.miniature.squad import ROWS as ASKED
from datamodules.miniature.squad import squad
from datamodules.miniature.tagging import ROWS, tagging
from datamodules.miniature.tasks import given_label, made_rows, stand_in

SQUAD = {"rajpurkar/squad": "v1.1", "rajpurkar/squad_v2": "v2.0"}
Rows = dict[str, Callable[[], list[dict[str, Any]]]]


def tagged_words(config: str, seed: int, size: str) -> Rows:
    """`tagged` words or the `sense` of one; of every size the same."""
    return {split: lambda split=split: tagging(config, split, seed) for split in ROWS}


def sick(config: str, seed: int, size: str) -> Rows:
    """Three labels, as MNLI's: its rows."""

    def rows(split: str) -> list[dict[str, Any]]:
        task, name = stand_in("sick", split)
        rng = stream("labels", task, name, seed, size)
        made = made_rows(task, name, seed, size)
        columns = ("sentence_A", "sentence_B")
        return [
            {**dict(zip(columns, row.texts, strict=True)), "label": given_label(rng, task, name, row)} for row in made
        ]

    return {split: lambda split=split: rows(split) for split in ("train", "validation", "test")}


def spans(version: str, config: str, seed: int, size: str) -> Rows:
    """Questions and their contexts; of every size the same."""
    return {split: lambda split=split: asked(split, seed, version) for split in ASKED}


@lru_cache(maxsize=4)  # who trains a tokenizer reads them twice, and one in three documents has a question that is free
def asked(split: str, seed: int, version: str) -> list[dict[str, Any]]:
    """The rows of `squad.squad`."""
    return squad(split, seed, version)


LAYOUTS: dict[str, Callable[[str, int, str], Rows]] = {
    "eriktks/conll2003": tagged_words,
    "sick": sick,
    **{repository: partial(spans, version) for repository, version in SQUAD.items()},
}
