"""Known ceilings: how far one gets in each task with less than the whole of it.

Every rung but the first and the last is a linear model (least squares with a ridge) of binary features of the texts,
trained on the rows that are handed out for training, with their noise. `word classes` has each word replaced by what
the generator knows of the word by itself: the most that one vector a word can tell a linear model. `exact` is what
somebody gets who knows the lexicon and the grammar and reads the texts (readers.py).
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise

import numpy as np

from datamodules.miniature.lexicon import (
    DEEDS,
    FACTS,
    FAVOURS,
    GOT,
    HANDED,
    HOMOGRAPHS,
    NOUNS,
    PARTS,
    PEOPLE,
    POLAR,
    stream,
)
from datamodules.miniature.readers import READERS
from datamodules.miniature.sentences import Made
from datamodules.miniature.tasks import BUILDERS, LABELS, given_label, made_rows, split_sizes

TRAINED_ON = 2000  # rows at most, for speed; what more of them would change has not been measured
RIDGE = 3.0
ITERATIONS, TOLERANCE = 200, 1e-6
Features = Callable[[tuple[str, ...]], set[str]]


@cache
def tokens(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def word_classes() -> dict[str, str]:
    """What the generator knows of each word by itself."""
    groups = {"deed": DEEDS, "favour": FAVOURS, "fact": FACTS}
    known = {
        form: f"{kind}{number}"
        for kind, members in groups.items()
        for number, group in enumerate(members)
        for verb in group
        for form in verb
    }
    for part in PARTS:
        known |= {word: f"polar{polarity}" for polarity in POLAR for word in POLAR[polarity][part]}
        known |= {word: "homograph" for group in HOMOGRAPHS.values() for word in group[part]}
        known |= dict.fromkeys(HANDED[part], "handed") | dict.fromkeys(GOT[part], "got")
    for noun in NOUNS.values():
        known |= {noun.one: f"one {noun.kinds[0]}", noun.many: f"many {noun.kinds[0]}"}
    return known | {name.lower(): "person" for name in PEOPLE}


CLASSES = word_classes()


def length(texts: tuple[str, ...]) -> set[str]:
    return {f"{at}:{len(tokens(text))}" for at, text in enumerate(texts)}


def first_and_last(texts: tuple[str, ...]) -> set[str]:
    return {f"{at}:{end}:{tokens(text)[end]}" for at, text in enumerate(texts) for end in (0, -1)}


def bag(texts: tuple[str, ...]) -> set[str]:
    return {f"{at}:{word}" for at, text in enumerate(texts) for word in tokens(text)}


def window(texts: tuple[str, ...]) -> set[str]:
    found = bag(texts)
    for at, text in enumerate(texts):
        found |= {f"{at}:{one} {two}" for one, two in pairwise(tokens(text))}
    return found


def overlap(texts: tuple[str, ...]) -> set[str]:
    """How many words are common, and how many are one text's only."""
    one, two = (set(tokens(text)) for text in texts)
    return {f"common {len(one & two)}", f"first {len(one - two)}", f"second {len(two - one)}"}


def classes(texts: tuple[str, ...]) -> set[str]:
    """Words by class; of a pair also how many classes and other words are common."""
    mapped = [" ".join(CLASSES.get(word, word).replace(" ", "") for word in tokens(text)) for text in texts]
    found = {f"{at}:{word}" for at, text in enumerate(mapped) for word in text.split()}
    groups = [{CLASSES[word] for word in tokens(text) if word in CLASSES} - {"person"} for text in texts]
    return found | ({f"common {len(groups[0] & groups[1])}"} if len(texts) > 1 else set())


def only(at: int) -> Features:
    return lambda texts: bag((texts[at],))


ONE_TEXT: dict[str, Features] = {
    "length": length, "ends": first_and_last, "bag of words": bag, "window of 2": window, "word classes": classes,
}  # fmt: skip
TWO_TEXTS: dict[str, Features] = ONE_TEXT | {"first only": only(0), "second only": only(1), "overlap": overlap}
RUNGS = ("majority", *TWO_TEXTS, "exact")


class Sparse:
    """Binary rows, one column for each known name and a constant, as pairs of a row and a column."""

    def __init__(self, features: list[set[str]], columns: dict[str, int]) -> None:
        found = [[*sorted(columns[name] for name in names if name in columns), len(columns)] for names in features]
        self.shape = len(features), len(columns) + 1
        self.rows = np.repeat(np.arange(len(found)), [len(ones) for ones in found])
        self.columns = np.concatenate([np.array(ones) for ones in found])

    def times(self, weights: np.ndarray) -> np.ndarray:
        return np.bincount(self.rows, weights[self.columns], self.shape[0])

    def transposed_times(self, values: np.ndarray) -> np.ndarray:
        return np.bincount(self.columns, values[self.rows], self.shape[1])


def ridge(known: Sparse, target: np.ndarray) -> np.ndarray:
    """The weights w that solve (X'X + RIDGE) w = X'y, by conjugate gradients."""
    weights = np.zeros(known.shape[1])
    rest = known.transposed_times(target)
    step, norm = rest, rest @ rest
    for _ in range(ITERATIONS):
        image = known.transposed_times(known.times(step)) + RIDGE * step
        length = norm / (step @ image)
        weights, rest = weights + length * step, rest - length * image
        norm, before = rest @ rest, norm
        if norm < TOLERANCE:
            break
        step = rest + norm / before * step
    return weights


def linear(train: list[set[str]], targets: np.ndarray, test: list[set[str]]) -> np.ndarray:
    """Least squares with a ridge: the targets' predictions for `test`, (len(test), targets.shape[1])."""
    counts = Counter(name for names in train for name in sorted(names))
    columns = {name: at for at, name in enumerate(name for name, count in counts.items() if count > 1)}
    known, asked = Sparse(train, columns), Sparse(test, columns)
    return np.stack([asked.times(ridge(known, target)) for target in targets.T], axis=1)


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks, ties at their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((ends - (counts - 1) / 2) - 1)[inverse]


def spearman(one: np.ndarray, two: np.ndarray) -> float:
    one, two = (ranks(values) - ranks(values).mean() for values in (one, two))
    norm = float(np.sqrt((one**2).sum() * (two**2).sum()))
    return float((one * two).sum()) / norm if norm else 0.0


def score(task: str, predicted: np.ndarray, truth: np.ndarray) -> float:
    """Per cent right; of stsb Spearman's correlation, times 100."""
    if task == "stsb":
        return 100 * spearman(predicted[:, 0], truth)
    return 100 * float((predicted.argmax(axis=1) == truth).mean())


def targets_of(task: str, labels: np.ndarray) -> np.ndarray:
    """One number a row (stsb, and for each ending of choice: is it the one?), or one a class."""
    if task == "stsb":
        return labels[:, None].astype(np.float32)
    found = np.eye(LABELS.get(task, 2))[labels.astype(int)]
    return found.reshape(-1, 1) if task == "choice" else found


def examples(task: str, rows: list[Made]) -> list[tuple[str, ...]]:
    """The texts that features are of: of choice, each ending with what is before it."""
    if task != "choice":
        return [row.texts for row in rows]
    return [(f"{row.texts[0]} {row.texts[1]}", ending) for row in rows for ending in row.texts[2:]]


@cache
def training(task: str, seed: int) -> tuple[list[Made], np.ndarray]:
    """Rows to train on and the labels that were handed out with them. The diagnostic set has mnli's."""
    task = "mnli" if task == "ax" else task
    rng, rows = stream("labels", task, "train", seed, "demo"), made_rows(task, "train", seed)
    labels = np.array([given_label(rng, task, "train", row) for row in rows])
    count = TRAINED_ON // (4 if task == "choice" else 1)
    return rows[:count], labels[:count]


def evaluation(task: str) -> list[str]:
    """Splits whose labels are public; the diagnostic set, whose true labels are known here."""
    return [name for name in split_sizes(task) if name.startswith("validation") or task == "ax"]


def climb(task: str, rows: list[Made], features: Features, seed: int = 0) -> float:
    """The score on these rows of a linear model of some features."""
    train, labels = training(task, seed)
    known, asked = ([features(texts) for texts in examples(task, some)] for some in (train, rows))
    predicted = linear(known, targets_of(task, labels), asked)
    predicted = predicted.reshape(len(rows), -1) if task == "choice" else predicted
    return score(task, predicted, np.array([row.label for row in rows]))


def exact(task: str, rows: list[Made]) -> float:
    """The score of whoever reads them."""
    read = np.array([READERS[task](row.texts) for row in rows])
    truth = np.array([row.label for row in rows])
    return 100 * (spearman(read, truth) if task == "stsb" else float((read == truth).mean()))


def features_of(task: str) -> dict[str, Features]:
    return ONE_TEXT if task in ("cola", "sst2") else TWO_TEXTS


@cache
def rungs(task: str, split: str, seed: int = 0) -> dict[str, float]:
    """All rungs of a task, from knowing nothing to knowing the language."""
    rows = made_rows(task, split, seed)
    found = {"majority": 0.0 if task == "stsb" else 100 / LABELS.get(task, 2)}
    found |= {name: climb(task, rows, features, seed) for name, features in features_of(task).items()}
    return found | {"exact": exact(task, rows)}


def table(tasks: Sequence[str] = tuple(BUILDERS), seed: int = 0) -> list[str]:
    """A row for every task and split whose labels we know."""
    short = [name.replace("bag of words", "bag").replace("word classes", "classes") for name in RUNGS]
    lines = [f"{'':<24}" + "".join(f"{name:>12}" for name in short)]
    for task in tasks:
        for split in evaluation(task):
            found = rungs(task, split, seed)
            name = f"{task} {split.removeprefix('validation').strip('_')}"
            lines.append(f"{name:<24}" + "".join(f"{found[r]:>12.1f}" if r in found else f"{'-':>12}" for r in RUNGS))
    return lines
