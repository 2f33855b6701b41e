"""Tasks of tagged words as rows of a table, and the check of a data set's rows.

CoNLL-2003 (Tjong Kim Sang and De Meulder 2003) has entities and parts of speech, in the hub's layout. The miniature,
whose grammar knows the truth, has these, the roles of an event's parts, and the sense of words that name two kinds.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from datamodules.miniature.tagging import ROLES, SENSES
from datamodules.sources import CONLL
from datamodules.task import GENERATED, Refused, Task, one_of

if TYPE_CHECKING:
    import datasets

UNASKED = -1  # of a word that has no tag
TOKENS, TARGET = "tokens", "target"  # columns: the words; the number of the only word that is asked for
DOCUMENT = ["-DOCSTART-"]  # CoNLL's row before a document's first sentence


@dataclass(frozen=True)
class TagTask(Task):
    """A row of the table.

    Attributes:
        column: the rows' tags.
        config: of the repository.
    """

    column: str = ""
    config: str = "conll2003"
    repository: str = CONLL

    @property
    def public_name(self) -> str:
        """What results on the published data are called."""
        return f"{self.config}/{self.name}"


def _task(name: str, column: str, labels: str, metrics: str, config: str = "conll2003") -> TagTask:
    """A row from blank-separated names; the first metric is the headline."""
    return TagTask(
        name,
        "tags",
        len(labels.split()),
        tuple(labels.split()),
        tuple(metrics.split()),
        headline=metrics.split()[0],
        test_sets=("validation", "test") if config == "conll2003" else ("validation",),
        columns=("words",),
        column=column,
        config=config,
    )


def _chunks(types: str, begin: str = "BI") -> str:
    """O, and of each type B- and I-, or B- alone."""
    return " ".join(["O", *(f"{letter}-{name}" for name in types.split() for letter in begin)])


CHUNKS = "f1 precision recall"
PENN = (
    "\" '' # $ ( ) , . : `` CC CD DT EX FW IN JJ JJR JJS LS MD NN NNP NNPS NNS NN|SYM PDT POS PRP PRP$ RB RBR RBS RP "
    "SYM TO UH VB VBD VBG VBN VBP VBZ WDT WP WP$ WRB"
)
# Labels in the hub's order. Published validation sets are test sets here, and so are the test sets.
PUBLISHED = {
    "ner": _task("ner", "ner_tags", _chunks("PER ORG LOC MISC"), CHUNKS),
    "pos": _task("pos", "pos_tags", PENN, "accuracy"),
}
MINIATURE = {
    "ner": _task("ner", "entities", _chunks("PER LOC TIME", "B"), CHUNKS, "tagged"),
    "pos": _task("pos", "pos", "DET NOUN ADJ VERB PROPN AUX PART ADP PUNCT", "accuracy", "tagged"),
    "roles": _task("roles", "roles", _chunks(" ".join(ROLES.values())), f"{CHUNKS} accuracy", "tagged"),
    "senses": _task("senses", "sense", " ".join(SENSES), "accuracy", "sense"),
}


def task_of(name: str, source: str) -> TagTask:
    """The row of `data.task`.

    Raises:
        Refused: when there is none, or none with this source.
    """
    if one_of("data.task", name, MINIATURE) not in PUBLISHED and source not in GENERATED:
        raise Refused(
            f"data={name} is not possible with data.source={source}: the grammar of generated text alone knows the "
            f"truth; data.source may be {', '.join(GENERATED)}."
        )
    return (MINIATURE if source in GENERATED else PUBLISHED)[name]


def tables_of(task: TagTask) -> list[TagTask]:
    """The tasks on the rows of a task, itself among them."""
    return [one for one in (*PUBLISHED.values(), *MINIATURE.values()) if one.config == task.config]


def is_document(words: list[str]) -> bool:
    """Whether a row says that a document begins."""
    return words == DOCUMENT


def tags_of(rows: "datasets.Dataset", task: TagTask) -> list[list[int]]:
    """The tags of checked rows, as numbers; UNASKED of a word that has none."""
    numbers = {label: number for number, label in enumerate(task.labels)} | {n: n for n in range(task.num_labels)}
    documents = map(is_document, rows[TOKENS])
    told = zip(documents, _told(rows, task), strict=True)
    values = [[UNASKED] if is_mark else [numbers[tag] for tag in tags] for is_mark, tags in told]
    if TARGET not in rows.column_names:
        return values
    words, places = rows[TOKENS], rows[TARGET]
    return [
        [tag if at == place else UNASKED for at in range(len(row))]
        for row, place, (tag,) in zip(words, places, values, strict=True)
    ]


def _told(rows: "datasets.Dataset", task: TagTask) -> list[list[Any]]:
    """The column of tags; of one word's a list of one."""
    return [tags if isinstance(tags, list) else [tags] for tags in rows[task.column]]


def check_rows(rows: "datasets.Dataset", task: TagTask, where: str) -> None:
    """Refuse rows that would train or score something else than `task`.

    Args:
        where: source, repository, configuration and split, for the message.

    Raises:
        Refused: naming `where`, the row (counted from 0) and what is wrong: no rows, a missing column, a row without
            words, words that are no text, not as many tags as words, an unknown tag, or tags in another order.
    """
    there = rows.column_names
    if not len(rows):
        raise Refused(f"{where}: there are no rows.")
    for name in (TOKENS, task.column):
        if name not in there:
            raise Refused(f"{where}: {task.name} needs a column {name!r}, and there are {', '.join(map(repr, there))}.")
    names = getattr(getattr(rows.features[task.column], "feature", None), "names", None)
    if names is not None and list(names) != list(task.labels):
        raise Refused(f"{where}: its tags are {names}, and those of {task.name} are {list(task.labels)}.")
    allowed = {*range(task.num_labels), *task.labels}
    for number, (words, tags) in enumerate(zip(rows[TOKENS], _told(rows, task), strict=True)):
        wanted = 1 if TARGET in there else len(words or ())
        if words == DOCUMENT:  # whose tag is none of the task's
            continue
        wrong = [tag for tag in tags if tag not in allowed]
        if not words or not all(isinstance(word, str) for word in words):
            raise Refused(f"{where}, row {number}: {words!r} is not possible, a list of words is needed.")
        if len(tags) != wanted or wrong:
            told = f"the tag {wrong[0]!r}" if wrong else f"{len(tags)} tags of {wanted} words"
            raise Refused(f"{where}, row {number}: {told} is not possible, a word has one of {task.num_labels} tags.")
