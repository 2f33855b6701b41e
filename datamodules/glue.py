"""GLUE (Wang et al. 2019), SWAG and SICK: eleven tasks, one data module; a task is a row of `glue_tasks.ALL_TASKS`."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from tokenizers import Tokenizer

from datamodules import ceilings, sources
from datamodules.glue_examples import GlueExamples
from datamodules.glue_tasks import GlueTask, ServerSet, check_rows, task_of
from datamodules.labelled import LabelledData, LabelledSettings
from datamodules.selection import holdout_mask
from datamodules.task import GENERATED, TRAIN, Refused, one_of
from datamodules.tokenization import encode_all


class Glue(LabelledData[GlueExamples]):
    """One task of GLUE, SWAG or SICK.

    Args:
        task: a key of ALL_TASKS.
        submission: predict the test sets, whose labels only the GLUE server has.
        settings: see `LabelledData`.
    """

    def __init__(self, task: str, submission: bool = True, **settings: Unpack[LabelledSettings]) -> None:
        super().__init__(**settings)
        self.row: GlueTask = task_of(task)
        further = (ceilings.measure(self.row),) if self.source in GENERATED else ()  # the metric of its ladder
        self.take(replace(self.row, metrics=tuple(dict.fromkeys((*self.row.metrics, *further)))))
        self.hand_in = one_of("data.submission", submission, (True, False))

    # ---- text --------------------------------------------------------------------------------------------------------

    @cached_property
    def server_sets(self) -> list[ServerSet]:
        """The sets to predict for the server: those that the source has."""
        return [one for one in self.row.server_sets if self.hand_in and self.has(one)]

    def has(self, one: ServerSet) -> bool:
        """Whether the source has a set. A task has to be there; a further configuration may be missing."""
        try:
            config = one.config or self.row.configuration
            return one.split in sources.available_splits(self.source, self.row.repository, config)
        except Refused:
            if not one.config:
                raise
            return False

    @property
    def sets(self) -> dict[str, tuple[str, str]]:
        """Everything to read: name -> configuration and split. The training set, the test sets, the server's."""
        own = self.row.configuration
        labelled = {name: (own, name) for name in (TRAIN, *self.row.test_sets)}
        return labelled | {one.name: (one.config or own, one.split) for one in self.server_sets}

    def identity(self) -> dict:
        repository, own = self.row.repository, self.row.configuration
        splits = [split for config, split in self.sets.values() if config == own]
        further = {
            one.config: sources.identity(self.source, repository, one.config, [one.split])
            for one in self.server_sets
            if one.config
        }
        return {**sources.identity(self.source, repository, own, splits), **further}

    def read(self, name: str) -> Any:
        """Checked rows of a set."""
        where = (self.source, self.row.repository, *self.sets[name])
        rows = sources.load_rows(*where)
        labelled = name not in {one.name for one in self.server_sets}
        check_rows(rows, self.row, sources.place(*where), labelled)
        return rows

    def training_texts(self) -> Iterable[str]:
        rows = self.read(TRAIN)
        for column in self.row.columns:
            yield from rows[column]

    # ---- tokens ------------------------------------------------------------------------------------------------------

    def tokenize(self, tokenizer: Tokenizer, name: str, folder: Path) -> None:
        """<column>.npy with all ids, <column>-offsets.npy, labels.npy; of the training set also holdout.npy."""
        rows = self.read(name)
        for column in self.row.columns:
            ids = list(encode_all(tokenizer, rows[column]))
            np.save(folder / f"{column}.npy", np.concatenate(ids))
            np.save(folder / f"{column}-offsets.npy", np.cumsum([0, *map(len, ids)]))
        np.save(folder / "labels.npy", np.array(rows["label"]))
        if name == TRAIN:
            joined = ["\x1f".join(texts) for texts in zip(*(rows[c] for c in self.row.columns), strict=True)]
            np.save(folder / "holdout.npy", holdout_mask(joined))

    def rows_of(self, name: str) -> np.ndarray:
        return np.arange(len(np.load(self.tokens_dir / name / "labels.npy", mmap_mode="r")))

    def held_out(self) -> np.ndarray:
        return np.load(self.tokens_dir / TRAIN / "holdout.npy")

    def examples(self, name: str, rows: np.ndarray) -> GlueExamples:
        collate = partial(self.layout.batch, self.vocabulary(), task=self.task)
        return GlueExamples(self.tokens_dir / name, self.row, collate, rows)

    # ---- what is told ------------------------------------------------------------------------------------------------

    def figures(self) -> dict[str, Any]:
        return {
            "train_labels": self.train.label_counts(),
            "train_tokens": self.train.num_tokens(),
            **ceilings.ceilings(self.source, self.task, self.row.test_sets),
        }

    def parts(self, test_set: str) -> dict[str, list[int]]:
        return ceilings.parts(self.source, self.row.name, test_set)

    def submission(self, name: str, answers: list) -> tuple[str, list[str]]:
        """A file for the server: a header, then row number and label (or score, within 0 and 5)."""
        (file,) = [one.file for one in self.row.server_sets if one.name == name]
        if self.row.kind == "choice":  # as the authors' own csv_predict.py writes it
            return file, [",pred", *(f"{i},{int(answer)}" for i, answer in enumerate(answers))]
        if not self.task.labels:
            words = [f"{min(max(float(answer), 0.0), 5.0):.3f}" for answer in answers]
        elif self.task.name in ("cola", "sst2", "mrpc", "qqp", "wnli"):  # the original files have numbers there
            words = [str(int(answer)) for answer in answers]
        else:
            words = [self.task.labels[int(answer)] for answer in answers]
        return file, ["index\tprediction", *(f"{i}\t{word}" for i, word in enumerate(words))]
