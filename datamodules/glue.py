"""GLUE (Wang et al. 2019): nine tasks, one data module; a task is a row of `glue_tasks.TASKS`.

The published validation sets are our test sets. What has to be chosen (the epoch, a learning rate) is chosen on a
tenth of the training set, fixed by a hash of the text: `selection: holdout`. `selection: paper` chooses on the
published validation set, as the papers did, and is labelled so wherever it is shown.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from datamodules import sources
from datamodules.base import TextDataModule, once
from datamodules.formats import SequencePair
from datamodules.glue_tasks import TASKS, GlueTask, check_rows, holdout_mask
from datamodules.loading import BatchLoader, EvaluationLoader
from datamodules.task import one_of, whole
from datamodules.tokenization import WordPiece, encode_all

REPOSITORY = "nyu-mll/glue"
SELECTIONS = {"holdout": "selected on a tenth of train", "paper": "selected on dev"}


class Glue(TextDataModule):
    """One task of GLUE.

    Args:
        task: a key of TASKS.
        format: lays an example out as sequences; the model's yaml chooses it.
        max_length: tokens of a sequence, special ones included; longer texts are cut.
        selection: `holdout` | `paper`, see above.
        checkpoint: which epoch is evaluated, the `best` one of the selection set or the `last`.
        submission: predict the test sets, whose labels only the GLUE server has.
    """

    def __init__(
        self,
        task: str,
        source: str,
        tokenizer: WordPiece,
        format: SequencePair,
        max_length: int,
        global_batch_size: int,
        eval_batch_size: int,
        seed: int,
        cache_dir: str,
        selection: str = "holdout",
        checkpoint: str = "best",
        submission: bool = True,
        num_workers: int | None = None,
    ) -> None:
        super().__init__(source, tokenizer, global_batch_size, eval_batch_size, seed, cache_dir, num_workers)
        self.row: GlueTask = TASKS[one_of("data.task", task, TASKS)]
        self.layout, self.max_length = format, whole("data.max_length", max_length, 8)
        self.task = replace(self.row, max_length=max_length)
        self.selection = SELECTIONS[one_of("data.selection", selection, SELECTIONS)]
        self.checkpoint = one_of("data.checkpoint", checkpoint, ("best", "last"))
        self.hand_in = one_of("data.submission", submission, (True, False))

    # ---- text --------------------------------------------------------------------------------------------------------

    @property
    def splits(self) -> list[str]:
        """Splits to read: the training set, the test sets, and those of the server that the source has."""
        there = sources.available_splits(self.source, REPOSITORY, self.row.name)
        server = [split for split in self.row.submission_sets if self.hand_in and split in there]
        return [self.row.train, *self.row.test_sets, *server]

    def identity(self) -> dict:
        return sources.identity(self.source, REPOSITORY, self.row.name, self.splits)

    def read(self, split: str) -> Any:
        """Checked rows of a split."""
        rows = sources.load_rows(self.source, REPOSITORY, self.row.name, split)
        where = sources.place(self.source, REPOSITORY, self.row.name, split)
        check_rows(rows, self.row, where, labelled=split not in self.row.submission_sets)
        return rows

    def training_texts(self) -> Iterable[str]:
        rows = self.read(self.row.train)
        for column in self.row.columns:
            yield from rows[column]

    # ---- tokens ------------------------------------------------------------------------------------------------------

    def prepare_tokens(self, tokenizer: Tokenizer) -> None:
        for split in self.splits:
            once(self.tokens_dir / split, lambda path, split=split: self.tokenize(tokenizer, split, path))

    def tokenize(self, tokenizer: Tokenizer, split: str, directory: Path) -> None:
        """<column>.npy with all ids, <column>-offsets.npy, labels.npy; of the training set also holdout.npy."""
        rows = self.read(split)
        for column in self.row.columns:
            ids = list(encode_all(tokenizer, rows[column]))
            np.save(directory / f"{column}.npy", np.concatenate(ids))
            np.save(directory / f"{column}-offsets.npy", np.cumsum([0, *map(len, ids)]))
        np.save(directory / "labels.npy", np.array(rows["label"]))
        if split == self.row.train:
            joined = ["\x1f".join(texts) for texts in zip(*(rows[c] for c in self.row.columns), strict=True)]
            np.save(directory / "holdout.npy", holdout_mask(joined))

    # ---- batches -----------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        vocabulary = self.vocabulary()

        def examples(split: str, rows: np.ndarray | None = None) -> GlueExamples:
            batch = partial(self.layout.batch, vocabulary, max_length=self.max_length)
            return GlueExamples(self.tokens_dir / split, self.row, batch, rows)

        held = np.load(self.tokens_dir / self.row.train / "holdout.npy")
        self.tests = [examples(name) for name in self.row.test_sets]
        if self.selection == SELECTIONS["paper"]:
            self.train, self.val = examples(self.row.train), self.tests[0]
        else:
            self.train = examples(self.row.train, np.flatnonzero(~held))
            self.val = examples(self.row.train, np.flatnonzero(held))
        self.unlabelled = {name: examples(name) for name in self.splits[1 + len(self.tests) :]}
        self.card = {
            "train": len(self.train),
            "selection": len(self.val),
            **{name: len(test) for name, test in zip(self.row.test_sets, self.tests, strict=True)},
            "train_labels": self.train.label_counts(),
            "train_tokens": self.train.num_tokens(),
        }

    def train_dataloader(self) -> BatchLoader:
        return self.train_loader(self.train)

    def val_dataloader(self) -> EvaluationLoader:
        return self.eval_loader(self.val)

    def test_dataloader(self) -> list[EvaluationLoader]:
        return [self.eval_loader(test) for test in self.tests]

    def predict_dataloader(self) -> list[EvaluationLoader]:
        return [self.eval_loader(examples) for examples in self.unlabelled.values()]

    def submission(self, name: str, answers: list) -> tuple[str, list[str]]:
        """A file for the GLUE server: a header, then row number and label (or score, within 0 and 5)."""
        file = self.row.submission_files[self.row.submission_sets.index(name)]
        if not self.task.labels:
            words = [f"{min(max(float(answer), 0.0), 5.0):.3f}" for answer in answers]
        elif self.task.name in ("cola", "sst2", "mrpc", "qqp", "wnli"):  # the original files have numbers there
            words = [str(int(answer)) for answer in answers]
        else:
            words = [self.task.labels[int(answer)] for answer in answers]
        return file, ["index\tprediction", *(f"{i}\t{word}" for i, word in enumerate(words))]


class GlueExamples:
    """Rows of one split, as token ids."""

    def __init__(
        self,
        directory: Path,
        task: GlueTask,
        lay_out: Callable[[list[list[np.ndarray]]], dict],
        rows: np.ndarray | None,
    ) -> None:
        self.task, self.lay_out = task, lay_out
        self.fields = [np.load(directory / f"{c}.npy", mmap_mode="r") for c in task.columns]
        self.offsets = [np.load(directory / f"{c}-offsets.npy") for c in task.columns]
        self.labels = np.load(directory / "labels.npy")
        self.rows = np.arange(len(self.labels)) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    def begin(self, epoch: int) -> None:
        """Nothing is drawn."""

    def texts(self, row: int) -> list[np.ndarray]:
        """Token ids of each column of a row of the split."""
        return [ids[at[row] : at[row + 1]] for ids, at in zip(self.fields, self.offsets, strict=True)]

    def batch(self, rows: np.ndarray, epoch: int) -> dict:
        numbers = self.rows[rows]
        batch = self.lay_out([self.texts(row) for row in numbers])
        batch["index"] = torch.from_numpy(numbers)
        dtype = torch.float32 if self.task.kind == "regression" else torch.int64
        batch["labels"] = torch.from_numpy(self.labels[numbers]).to(dtype)
        return batch

    def label_counts(self) -> dict[str, int] | None:
        """Rows of each label."""
        if not self.task.labels:
            return None
        counts = np.bincount(self.labels[self.rows], minlength=self.task.num_labels)
        return dict(zip(self.task.labels, counts.tolist(), strict=True))

    def num_tokens(self) -> int:
        """Tokens of these rows, before truncation and without special ones."""
        return int(sum(np.diff(at)[self.rows].sum() for at in self.offsets))
