"""Sets of words by which vectors of words are judged: pairs with people's scores of likeness, and analogies.

They lie in a local folder, `<source>/word-vectors/similarity/<set>/test-*.parquet` with the columns word1, word2, score
and `<source>/word-vectors/google-analogy/<set>/test-*.parquet` with section, a, b, c, d; or in one's own files with
these columns; or the miniature makes them.
"""

import csv
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from datamodules.task import GENERATED, Refused
from datamodules.text_files import mark_of

SIMILARITY = (
    "wordsim353", "wordsim353-sim", "wordsim353-rel", "simlex999", "men", "rw", "mturk287", "mturk771", "rg65",
    "simverb3500", "yp130", "verb143",
)  # fmt: skip
ANALOGIES = ("questions-words", "questions-phrases")
DEFAULT = (*SIMILARITY, ANALOGIES[0])
FOLDER = "word-vectors"
COLUMNS = {"likeness": ("word1", "word2", "score"), "analogies": ("section", "a", "b", "c", "d")}
FORMS = "a .parquet, or a .tsv whose first line names its columns: word1, word2, score or section, a, b, c, d"
SYNTACTIC = re.compile(r"gram\d")


class Pair(NamedTuple):
    """Two words, and how alike people find them, on whatever scale."""

    first: str
    second: str
    score: float


class Question(NamedTuple):
    """a is to b as c is to d, which is to be found."""

    section: str
    a: str
    b: str
    c: str
    d: str

    @property
    def half(self) -> str:
        """semantic | syntactic; Mikolov et al. 2013, Table 1, by the sections' names."""
        return "syntactic" if SYNTACTIC.match(self.section) else "semantic"


@dataclass
class WordSets:
    """Pairs by the name of their set, and the questions of all sets together."""

    pairs: dict[str, list[Pair]] = field(default_factory=dict)
    questions: list[Question] = field(default_factory=list)


def at_hand(source: str) -> bool:
    """Whether a source has such sets."""
    return source in GENERATED or (Path(source).expanduser() / FOLDER).is_dir()


def read(source: str, names: Sequence[str], files: Sequence[str]) -> WordSets:
    """The sets of these names in a source, or those in one's own files; of the miniature its own.

    Raises:
        Refused: a file is missing, or is not what it should be: with the file and the row.
    """
    if not files and source in GENERATED:
        from datamodules.miniature import word_sets

        made = [Question(*words) for words in word_sets.questions()]
        return WordSets({"miniature": [Pair(*pair) for pair in word_sets.pairs()]}, made)
    found = WordSets()
    for name, paths in places(source, names, files).items():
        for path in paths:
            rows = rows_of(path)
            if isinstance(rows[0], Pair):
                found.pairs.setdefault(name, []).extend(rows)
            else:
                found.questions += rows
    return found


def identity(source: str, names: Sequence[str], files: Sequence[str]) -> dict[str, Any]:
    """What stands for the sets, wherever they lie; raises Refused as `read`."""
    if not files and source in GENERATED:
        from datamodules.miniature import WORLD

        return {"source": "miniature", "repository": FOLDER, "world": WORLD}
    found = places(source, names, files)
    return {"sets": {name: [mark_of(path) for path in paths] for name, paths in found.items()}}


def places(source: str, names: Sequence[str], files: Sequence[str]) -> dict[str, list[Path]]:
    """The files of each set, by its name."""
    if files:
        return own_places(files)
    if not at_hand(source):
        raise Refused(
            f"data.source={source} has no sets of words: it (or the variable DATA_SOURCE) may be a folder that holds "
            f"{FOLDER}/, or {', '.join(GENERATED)}; or data.files names one's own."
        )
    found = {}
    for name in names:
        folder = Path(FOLDER) / ("similarity" if name in SIMILARITY else "google-analogy") / name
        found[name] = sorted((Path(source).expanduser() / folder).glob("test-*.parquet"))
        if not found[name]:
            raise Refused(f"data.source={source} has no {folder}/test-*.parquet: data.sets may leave {name} out.")
    return found


def own_places(files: Sequence[str]) -> dict[str, list[Path]]:
    """One's own files, a set each, called as the file is."""
    found: dict[str, list[Path]] = {}
    for file in files:
        path = Path(file).expanduser()
        if not path.is_file() or path.suffix not in (".parquet", ".tsv"):
            why = "is of another kind" if path.is_file() else "is not there"
            raise Refused(f"data.files={file} {why}: each may be {FORMS}.")
        if path.stem in found:
            raise Refused(f"data.files has two sets called {path.stem}: each may have a name of its own.")
        found[path.stem] = [path]
    return found


# ---- files -----------------------------------------------------------------------------------------------------------


def rows_of(path: Path) -> list[Any]:
    """A file's rows, all of them a Pair or all a Question.

    Raises:
        Refused: naming the file, the row (from 1) and what is wrong.
    """
    columns, rows = table(path)
    kind = next((kind for kind, wanted in COLUMNS.items() if set(wanted) <= set(columns)), None)
    if kind is None:
        told = " or ".join(", ".join(wanted) for wanted in COLUMNS.values())
        raise Refused(f"{path} has the columns {', '.join(columns)}: they may be {told}.")
    make: Callable[[dict, str], Any] = pair if kind == "likeness" else question
    found = [make(row, f"{path}, row {number}") for number, row in enumerate(rows, start=1)]
    if not found:
        raise Refused(f"{path} has no rows: there may be at least one.")
    return found


def table(path: Path) -> tuple[list[str], Iterator[dict[str, Any]]]:
    """Names of the columns, and rows."""
    if path.suffix == ".tsv":
        try:
            head, *rest = path.read_text(encoding="utf-8").splitlines() or [""]
        except UnicodeDecodeError as error:
            raise Refused(f"{path} is not a table: it is not UTF-8 text.") from error
        names = head.split("\t")
        return names, csv.DictReader(rest, names, delimiter="\t", quoting=csv.QUOTE_NONE)
    from pyarrow import ArrowException, parquet

    try:
        read = parquet.read_table(path)
    except (ArrowException, OSError) as error:
        raise Refused(f"{path} is not a parquet file: {str(error).partition('.')[0]}.") from error
    return read.column_names, iter(read.to_pylist())


def pair(row: dict[str, Any], where: str) -> Pair:
    try:
        score = float(row["score"])
    except (TypeError, ValueError):
        score = math.nan
    if not math.isfinite(score):
        raise Refused(f"{where}: score is {row['score']!r}; it may be a number only.")
    return Pair(text(row, "word1", where), text(row, "word2", where), score)


def question(row: dict[str, Any], where: str) -> Question:
    return Question(*(text(row, name, where) for name in COLUMNS["analogies"]))


def text(row: dict[str, Any], name: str, where: str) -> str:
    if isinstance(row[name], str) and row[name].strip():
        return row[name].strip()
    raise Refused(f"{where}: {name} is {row[name]!r}; it may be a word only.")
