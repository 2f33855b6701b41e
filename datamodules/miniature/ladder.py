"""Known ceilings: how far one gets in each task with less than the whole of it.

Every rung but the first and the last is a linear model (least squares with a ridge) of binary features of the texts,
trained on the rows that are handed out for training, with their noise. `word classes` has each word replaced by what
the generator knows of the word by itself: the most that one vector a word can tell a linear model.
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
from datamodules.miniature.sentences import Made
from datamodules.miniature.tasks import LABELS, TASKS, given_label, made_rows, split_sizes

TRAINED_ON = 2000  # rows at most, for speed; what more of them would change has not been measured
RIDGE = 3.0
Features = Callable[[tuple[str, ...]], set[str]]


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
    groups = [{word for word in text.split() if word != "person"} for text in mapped]
    return found | ({f"common {len(groups[0] & groups[1])}"} if len(texts) > 1 else set())


def only(at: int) -> Features:
    return lambda texts: bag((texts[at],))


ONE_TEXT: dict[str, Features] = {
    "length": length, "ends": first_and_last, "bag of words": bag, "window of 2": window, "word classes": classes,
}  # fmt: skip
TWO_TEXTS: dict[str, Features] = ONE_TEXT | {"first only": only(0), "second only": only(1), "overlap": overlap}
RUNGS = ("majority", *TWO_TEXTS, "exact")


def matrix(features: list[set[str]], columns: dict[str, int]) -> np.ndarray:
    """Binary rows, (len(features), len(columns) + 1), with a constant."""
    found = np.zeros((len(features), len(columns) + 1), dtype=np.float32)
    found[:, -1] = 1
    for row, names in enumerate(features):
        found[row, [columns[name] for name in names if name in columns]] = 1
    return found


def linear(train: list[set[str]], targets: np.ndarray, test: list[set[str]]) -> np.ndarray:
    """Least squares with a ridge: the targets' predictions for `test`, (len(test), targets.shape[1])."""
    counts = Counter(name for names in train for name in sorted(names))
    columns = {name: at for at, name in enumerate(name for name, count in counts.items() if count > 1)}
    known, asked = matrix(train, columns), matrix(test, columns)
    dual = np.linalg.solve(known @ known.T + RIDGE * np.eye(len(known), dtype=np.float32), targets)
    return asked @ (known.T @ dual)


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
    return labels[:, None].astype(np.float32) if task == "stsb" else np.eye(LABELS.get(task, 2))[labels.astype(int)]


@cache
def rows_of(task: str, split: str, seed: int) -> list[Made]:
    return made_rows(task, split, seed)


@cache
def training(task: str, seed: int) -> tuple[list[Made], np.ndarray]:
    """Rows to train on and the labels that were handed out with them. The diagnostic set has mnli's."""
    task = "mnli" if task == "ax" else task
    rng, rows = stream("labels", task, "train", seed, "demo"), rows_of(task, "train", seed)
    return rows[:TRAINED_ON], np.array([given_label(rng, task, "train", row) for row in rows])[:TRAINED_ON]


def evaluation(task: str) -> list[str]:
    """Splits whose labels are public; the diagnostic set, whose true labels are known here."""
    return [name for name in split_sizes(task) if name.startswith("validation") or task == "ax"]


def climb(task: str, split: str, features: Features, seed: int = 0, words: str = "") -> float:
    """The score of a linear model of some features; `words` seen or unseen: on these rows only."""
    train, labels = training(task, seed)
    rows = [row for row in rows_of(task, split, seed) if words in ("", row.tags["words"])]
    predicted = linear(
        [features(row.texts) for row in train], targets_of(task, labels), [features(row.texts) for row in rows]
    )
    return score(task, predicted, np.array([row.label for row in rows]))


@cache
def rungs(task: str, split: str, seed: int = 0) -> dict[str, float]:
    """All rungs of a task, from knowing nothing to knowing the generator."""
    found = {"majority": 0.0 if task == "stsb" else 100 / LABELS.get(task, 2)}
    pair = len(rows_of(task, split, seed)[0].texts) > 1
    found |= {name: climb(task, split, features, seed) for name, features in (TWO_TEXTS if pair else ONE_TEXT).items()}
    return found | {"exact": 100.0}  # every label is a function of the texts, and evaluation has no wrong labels


def table(tasks: Sequence[str] = (*TASKS, "ax"), seed: int = 0) -> list[str]:
    """A row for every task and split whose labels we know."""
    short = [name.replace("bag of words", "bag").replace("word classes", "classes") for name in RUNGS]
    lines = [f"{'':<24}" + "".join(f"{name:>12}" for name in short)]
    for task in tasks:
        for split in evaluation(task):
            found = rungs(task, split, seed)
            name = f"{task} {split.removeprefix('validation').strip('_')}"
            lines.append(f"{name:<24}" + "".join(f"{found[r]:>12.1f}" if r in found else f"{'-':>12}" for r in RUNGS))
    return lines
