"""Answering raw texts with a model that a transfer run left."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_class, instantiate

from datamodules.task import Refused, Task
from lightning_modules import encoder_io

AT_ONCE = 64  # examples in a batch


def load_model(run: Path) -> Any:
    """The model that a finished transfer run left.

    Raises:
        Refused: when there is none.
    """
    folder = run / "model" if (run / "model").is_dir() else run
    target = encoder_io.read(folder)["model"]["_target_"]
    return get_class(target).load(folder)


def read_texts(path: str | None) -> list[list[str]]:
    """Lines of a .tsv: one example a line, one text a column.

    Raises:
        Refused: naming the file, and the line where one is not like the others.
    """
    if path is None or not Path(path).is_file():
        raise Refused(f"input={path} is no file: it may be a .tsv, one example a line, one text a column, no header.")
    rows = []
    for number, line in enumerate(Path(path).read_bytes().removesuffix(b"\n").split(b"\n"), start=1):
        try:
            row = line.decode("utf-8").removesuffix("\r").split("\t")
        except UnicodeDecodeError:
            raise Refused(f"{path}, line {number}: it is not UTF-8.") from None
        rows.append(row)
        if len(row) != len(rows[0]) or not all(text.strip() for text in row):
            raise Refused(f"{path}, line {number}: {len(rows[0])} texts, none empty, are expected; here are {row}.")
    return rows


def check_columns(task: Task, texts: Sequence[Sequence[str]]) -> None:
    """Raises Refused when an example has not as many texts as the task's, where the task says how many these are."""
    for number, example in enumerate(texts, start=1):
        if task.columns and len(example) != len(task.columns):
            raise Refused(
                f"example {number} has {len(example)} text(s) and {task.name} expects {len(task.columns)}: "
                f"{', '.join(task.columns)}."
            )


def answers(model: Any, examples: Sequence[Sequence[str] | str]) -> list[str | float]:
    """The label names, or scores, that a fine-tuned model gives to raw texts; see `LanguageModel.predict`."""
    if model.head is None:
        raise Refused(f"this {type(model).__name__} has no task: predict needs the model/ directory of a transfer.")
    layout = instantiate(model.text["format"])
    tokenizer = instantiate(model.text["tokenizer"]).load()
    texts = [(example,) if isinstance(example, str) else tuple(example) for example in examples]
    check_columns(model.task, texts)
    found: list[Any] = []
    with torch.inference_mode():
        for first in range(0, len(texts), AT_ONCE):
            batch = layout.batch_of_texts(tokenizer, texts[first : first + AT_ONCE], model.text["max_length"])
            rows = model.predict_step(model.transfer_batch_to_device(batch, model.device, 0), 0)
            found += [answer for _, answer, _ in sorted(rows)]
    names = model.task.labels
    return [names[int(answer)] if names else float(answer) for answer in found]
