"""Answering raw texts with a model that a transfer run left."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_class, instantiate

from datamodules.task import Refused, Task
from lightning_modules import encoder_io

AT_ONCE = 64  # examples in a batch
NO_TASK = "a pre-training has no task to answer"


def load_model(run: Path) -> Any:
    """The model that a finished transfer run left.

    Raises:
        Refused: when there is none.
    """
    folder = run / "model" if (run / "model").is_dir() else run
    if not (folder / encoder_io.DESCRIPTION).is_file():
        raise Refused(f"predict={run}: {no_model(run)}; it may be the folder of a finished run of a task.")
    described = encoder_io.read(folder)
    if "task" not in described:
        raise Refused(f"predict={run}: {NO_TASK}; it may be the folder of a finished run of a task.")
    return get_class(described["model"]["_target_"]).load(folder)


def no_model(run: Path) -> str:
    """Why a path is not a transfer's folder."""
    if (run / "encoder").is_dir():
        return NO_TASK
    if (run / "predictions").is_dir():
        return "the run has trained nothing, and so left no model"
    return "the run has not finished, or is none" if run.is_dir() else "there is no such folder"


def read_texts(path: str | None, task: Task | None = None) -> list[list[str]]:
    """Lines of a .tsv: one example a line, one text a column.

    Args:
        task: of the model that is to answer; where it says how many texts an example has, the first line must, too.

    Raises:
        Refused: naming the file, and the line where one is not as it should be.
    """
    form = "a .tsv, one example a line, one text a column, no header"
    if path is None:
        raise Refused(f"predict needs input=<file>, the texts to answer: it may be {form}.")
    if not Path(path).is_file():
        raise Refused(f"input={path} is no file: it may be {form}.")
    rows: list[list[str]] = []
    for number, line in enumerate(Path(path).read_bytes().removesuffix(b"\n").split(b"\n"), start=1):
        try:
            row = line.decode("utf-8").removesuffix("\r").split("\t")
        except UnicodeDecodeError:
            raise Refused(f"{path}, line {number}: it is not UTF-8.") from None
        rows.append(row)
        if task is not None:
            check_columns(task, row, f"{path}, line {number}:")
        if len(row) != len(rows[0]) or not all(text.strip() for text in row):
            raise Refused(f"{path}, line {number}: {counted(rows[0])}, none empty, are expected; here are {row}.")
    return rows


def counted(texts: Sequence[str]) -> str:
    """How many texts."""
    return f"{len(texts)} text{'s' * (len(texts) != 1)}"


def check_columns(task: Task, example: Sequence[str], where: str) -> None:
    """Raises Refused when an example has not as many texts as the task's, where the task says how many these are."""
    if task.columns and len(example) != len(task.columns):
        raise Refused(
            f"{where} {counted(example)}; {task.name} expects {len(task.columns)}: {', '.join(task.columns)}."
        )


def check_texts(task: Task, example: Sequence[str], where: str) -> None:
    """Raises Refused for what cannot be read: half of a surrogate pair, and where words are tagged none."""
    for text in example:
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise Refused(f"{where} has {text[error.start]!r}, which is no character.") from None
    if task.kind == "tags" and not example[0].strip():
        raise Refused(f"{where} has no word to tag.")


def answers(model: Any, examples: Sequence[Sequence[str] | str]) -> list[str | float]:
    """The label names, scores, or parts of them, that a model gives to raw texts; see `LanguageModel.predict`."""
    if model.head is None:
        raise Refused(f"this {type(model).__name__} has no task: predict needs the model/ directory of a transfer.")
    layout = instantiate(model.text["format"])
    tokenizer = instantiate(model.text["tokenizer"]).load()
    if isinstance(examples, str):
        raise Refused("predict takes a list of examples: it may be [text].")
    texts: list[tuple[str, ...]] = [(example,) if isinstance(example, str) else tuple(example) for example in examples]
    for number, example in enumerate(texts, start=1):
        check_columns(model.task, example, f"example {number} has")
        check_texts(model.task, example, f"example {number}")
    if not texts:
        return []
    rows: list[Any] = []
    with torch.inference_mode():
        for batch in layout.batches_of_texts(tokenizer, texts, model.task, AT_ONCE):
            rows += sorted(model.predict_step(model.transfer_batch_to_device(batch, model.device, 0), 0))
    return model.head.in_words(model.task, rows, texts)
