"""GLUE's nine tasks as nine rows of a table, SWAG and SICK as two more, and the check of rows.

A task's validation set, whose labels are public, is our *test* set: what has to be chosen (learning rate, epochs) is
chosen on a fixed tenth of train (selection.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from datamodules.sources import GLUE, SICK, SWAG
from datamodules.task import Refused, Task, one_of

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

UNLABELLED = -1  # the hub's label where the true one is not public


@dataclass(frozen=True)
class ServerSet:
    """A set whose labels only the publishers' server has.

    Attributes:
        file: the server's name for the predictions.
        split: where the hub keeps its text ...
        config: ... and in which configuration of the repository; empty: the task's own.
    """

    file: str
    split: str = "test"
    config: str = ""

    @property
    def name(self) -> str:
        """What it is called beside the task's splits."""
        return self.config or self.split


@dataclass(frozen=True)
class GlueTask(Task):
    """A row of the table: what a model learns of the task, and where the hub keeps its text.

    Attributes:
        server_sets: what is predicted for the server, as far as a source has it.
        may_be_empty: columns in which the published data has empty texts.
        repository, config: where the hub has it; config empty: as the task is called.
    """

    server_sets: tuple[ServerSet, ...] = ()
    may_be_empty: tuple[str, ...] = ()
    repository: str = GLUE
    config: str = ""

    @property
    def configuration(self) -> str:
        """Of the repository, the one with the task's own splits."""
        return self.config or self.name

    @property
    def public_name(self) -> str:
        """What results on the published data are called: "glue/rte"; a data set of one task has no second word."""
        return f"glue/{self.name}" if self.repository == GLUE else self.name


def _task(name: str, columns: str, labels: str, metrics: str, file: str, symmetric: bool = False) -> GlueTask:
    """A row from blank-separated names; the first metric is the headline; without label names it is a regression."""
    return GlueTask(
        name,
        "classification" if labels else "regression",
        len(labels.split()) or 1,
        tuple(labels.split()),
        tuple(metrics.split()),
        headline=metrics.split()[0],
        columns=tuple(columns.split()),
        server_sets=(ServerSet(file),),
        symmetric=symmetric,
    )


def _mnli() -> GlueTask:
    """Two test sets: genres as in train, and genres that train does not have.

    GLUE's diagnostic set, ax, is predicted by this task's model: it has the same labels and no training set of its own
    (Wang et al. 2019, section 4).
    """
    task = _task("mnli", "premise hypothesis", "entailment neutral contradiction", "accuracy", "MNLI-m.tsv")
    matched, mismatched = ServerSet("MNLI-m.tsv", "test_matched"), ServerSet("MNLI-mm.tsv", "test_mismatched")
    return replace(
        task,
        test_sets=("validation_matched", "validation_mismatched"),
        server_sets=(matched, mismatched, ServerSet("AX.tsv", config="ax")),
    )


def _qqp() -> GlueTask:
    """A few of its questions are empty in the published files."""
    task = _task("qqp", "question1 question2", "not_duplicate duplicate", "f1 accuracy", "QQP.tsv", True)
    return replace(task, may_be_empty=task.columns)


def _swag() -> GlueTask:
    """Zellers et al. 2018: which of four endings goes on. No text is empty: its authors made rows of longer ones only.

    An answer is the name of an ending's column; the hub calls the labels 0 to 3.
    """
    endings = "ending0 ending1 ending2 ending3"
    task = _task("swag", f"sent1 sent2 {endings}", endings, "accuracy", "SWAG.csv")
    return replace(task, kind="choice", repository=SWAG, config="regular")


def _sick() -> GlueTask:
    """Marelli et al. 2014: MNLI's three labels, on plain sentences. All of its labels are public.

    Its two further sets are test sets here; the larger one, which the papers report, comes first.
    """
    task = _task("sick", "sentence_A sentence_B", "entailment neutral contradiction", "accuracy", "")
    return replace(task, repository=SICK, config="default", server_sets=(), test_sets=("test", "validation"))


_PAIR = "sentence1 sentence2"

# Labels in the hub's order (Google's MNLI files have another); metrics as in BERT's Table 1, the headline first.
_ROWS = (
    _task("cola", "sentence", "unacceptable acceptable", "matthews", "CoLA.tsv"),
    _task("sst2", "sentence", "negative positive", "accuracy", "SST-2.tsv"),
    _task("mrpc", _PAIR, "not_equivalent equivalent", "f1 accuracy", "MRPC.tsv", symmetric=True),
    _task("stsb", _PAIR, "", "spearman pearson", "STS-B.tsv", symmetric=True),
    _qqp(),
    _mnli(),
    _task("qnli", "question sentence", "entailment not_entailment", "accuracy", "QNLI.tsv"),
    _task("rte", _PAIR, "entailment not_entailment", "accuracy", "RTE.tsv"),
    _task("wnli", _PAIR, "not_entailment entailment", "accuracy", "WNLI.tsv"),
)
TASKS: dict[str, GlueTask] = {task.name: task for task in _ROWS}  # GLUE's nine
ALL_TASKS = TASKS | {"swag": _swag(), "sick": _sick()}


def task_of(name: str) -> GlueTask:
    """The row of `data.task`.

    Raises:
        Refused: when there is none; of a set that another task predicts, the sentence says which.
    """
    for task in TASKS.values():
        for one in task.server_sets:
            if one.config and one.config == name:
                raise Refused(
                    f"data.task={name!r} is not possible: it has no training set, and data.task={task.name} predicts "
                    f"it ({one.file}); it may be {', '.join(ALL_TASKS)}."
                )
    return ALL_TASKS[one_of("data.task", name, ALL_TASKS)]


def check_rows(rows: "datasets.Dataset", task: GlueTask, where: str, labelled: bool) -> None:
    """Refuse rows that would train or score something else than `task`; whole columns at a time (400k rows: < 1 s).

    Args:
        where: source, repository, configuration and split, for the message.
        labelled: whether every row must have its label; otherwise -1 may stand for it.

    Raises:
        Refused: naming `where`, the row (counted from 0) and what is wrong: no rows, a missing column, a text that is
            missing, blank or no text, an unknown label, or label names in another order than `task.labels`.
    """
    there, wanted = rows.column_names, [*task.columns, "label"]
    if not len(rows):
        raise Refused(f"{where}: there are no rows.")
    for name in wanted:
        if name not in there:
            raise Refused(f"{where}: {task.name} needs a column {name!r}, and there are {', '.join(map(repr, there))}.")
    table: pa.Table = rows.select_columns(wanted).with_format("arrow")[:]
    for name in task.columns:
        _check_texts(table.column(name), f"{where}: column {name!r}", name in task.may_be_empty)
    _check_label_names(getattr(rows.features["label"], "names", None), task, where)
    check = _check_scores if task.kind == "regression" else _check_labels
    check(table.column("label"), task, f"{where}: column 'label'", labelled)


def _check_texts(column: "pa.ChunkedArray", where: str, may_be_empty: bool) -> None:
    import pyarrow as pa
    import pyarrow.compute as pc

    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    _refuse_first(column.is_null() if is_text else _all(column), column, where, "a text is needed")
    if not may_be_empty:
        trimmed = pc.call_function("utf8_trim_whitespace", [column])
        blank = np.asarray(pc.call_function("binary_length", [trimmed])) == 0
        _refuse_first(blank, column, where, "the text may not be blank")


def _check_label_names(names: Sequence[str] | None, task: GlueTask, where: str) -> None:
    wanted = [str(number) for number in range(task.num_labels)] if task.kind == "choice" else list(task.labels)
    if names is not None and list(names) != wanted:
        raise Refused(f"{where}: its labels are {list(names)}, and those of {task.name} are {wanted}.")


def _check_labels(column: "pa.ChunkedArray", task: GlueTask, where: str, labelled: bool) -> None:
    import pyarrow as pa

    allowed = [*range(task.num_labels), *([] if labelled else [UNLABELLED])]
    # a missing label becomes NaN, which is in no list
    unknown = ~np.isin(column.to_numpy(), allowed) if pa.types.is_integer(column.type) else _all(column)
    _refuse_first(unknown, column, where, f"the label may be {', '.join(map(str, allowed))}")


def _check_scores(column: "pa.ChunkedArray", task: GlueTask, where: str, labelled: bool) -> None:
    import pyarrow as pa

    rule = f"a score of {task.name} is a finite number" + (f" other than {UNLABELLED}" if labelled else "")
    if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
        _refuse_first(_all(column), column, where, rule)
    scores = np.asarray(column.to_numpy(), dtype=np.float64)  # a missing score becomes NaN
    _refuse_first(~np.isfinite(scores) | (labelled & (scores == UNLABELLED)), column, where, rule)


def _all(column: "pa.ChunkedArray") -> np.ndarray:
    return np.ones(len(column), dtype=bool)


def _refuse_first(wrong: "np.ndarray | pa.ChunkedArray", column: "pa.ChunkedArray", where: str, rule: str) -> None:
    """Refuse the first row that is marked in `wrong`, if one is."""
    marked = np.flatnonzero(np.asarray(wrong))
    if len(marked):
        row = int(marked[0])
        raise Refused(f"{where}, row {row}: {column[row].as_py()!r} is not possible, {rule}.")
