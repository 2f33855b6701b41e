"""SQuAD's exact match and F1, v1.1 and v2.0, as the publishers' two scripts count them.

They compare answers in lower case, without punctuation, articles and superfluous white space; of several gold answers
the best counts. They differ in what becomes of a question without a prediction (v1.1: it scores 0; v2.0: their script
ends with an error, where here the question is left out), and of answers of which nothing is left (v1.1: an exact match
without any F1; v2.0: equal is equal).
"""

import re
import string
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

V1, V2 = "v1.1", "v2.0"
ARTICLES = re.compile(r"\b(a|an|the)\b")
NO_PUNCTUATION = str.maketrans("", "", string.punctuation)  # of ASCII alone
Golds = Mapping[str, Sequence[str]]  # question -> its gold answers; none: it has no answer
Scores = tuple[float, float]  # exact match, F1


def normalised(answer: str) -> str:
    """What is compared of an answer."""
    return " ".join(ARTICLES.sub(" ", answer.lower().translate(NO_PUNCTUATION)).split())


def overlap(prediction: Sequence[str], gold: Sequence[str], version: str) -> float:
    """F1 of two bags of words."""
    if version == V2 and not (prediction and gold):
        return float(prediction == gold)
    shared = sum((Counter(prediction) & Counter(gold)).values())
    if not shared:
        return 0.0
    precision, recall = 1.0 * shared / len(prediction), 1.0 * shared / len(gold)
    return (2 * precision * recall) / (precision + recall)


def score(prediction: str, golds: Sequence[str], version: str) -> Scores:
    """Exact match and F1 of an answer, "" for none, against the gold answers of its question."""
    told = normalised(prediction)
    known = [normalised(gold) for gold in golds]
    if version == V2:
        known = [gold for gold in known if gold] or [""]
    best = max((overlap(told.split(), gold.split(), version) for gold in known), default=0.0)
    return float(told in known), best


def evaluate(
    golds: Golds,
    predictions: Mapping[str, str],
    version: str,
    note: Callable[[str], None],
    null_odds: Mapping[str, float] | None = None,
    threshold: float = 1.0,
) -> dict[str, float]:
    """What the publishers' script of that version prints, in per cent.

    Args:
        note: told what is missing or foreign.
        null_odds: of v2.0, how much rather than the prediction each question has no answer; above `threshold` it has
            none. With them come the best thresholds.
    """
    if foreign := [name for name in predictions if name not in golds]:
        note(f"{len(foreign)} predictions are of no question of this data and are ignored: {some(foreign)}")
    if missing := [name for name in golds if name not in predictions]:
        how = "score 0" if version == V1 else "are left out"
        note(f"{len(missing)} questions have no prediction and {how}: {some(missing)}")
    there = [name for name in golds if name in predictions]
    scores = {name: score(predictions[name], golds[name], version) for name in there}
    if version == V1:
        return dict(zip(("exact_match", "f1"), means(scores.values(), len(golds)), strict=True))
    odds = dict.fromkeys(there, 0.0)
    if null_odds is not None:  # in the order of their file, which decides between equal ones
        odds = {name: value for name, value in null_odds.items() if name in scores}
    has_answer = {name: bool(golds[name]) for name in there}
    none: dict[bool, Scores] = {True: (0.0, 0.0), False: (1.0, 1.0)}  # by whether there is an answer
    counted = {name: none[has_answer[name]] if odds[name] > threshold else own for name, own in scores.items()}
    found = part(counted, "")
    for name, wanted in (("HasAns_", True), ("NoAns_", False)):
        if some_of := {one: own for one, own in counted.items() if has_answer[one] == wanted}:
            found |= part(some_of, name)
    if null_odds is not None:
        for side, name in enumerate(("exact", "f1")):
            own = {one: pair[side] for one, pair in scores.items()}
            best, place = best_threshold(own, predictions, odds, has_answer)
            found |= {f"best_{name}": best, f"best_{name}_thresh": place}
    return found


def some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + ", ..." * (len(names) > 3)


def means(scores: Iterable[Scores], total: int) -> tuple[float, float]:
    """In per cent; the order of the sums, and so their last digit, is that of the questions."""
    both = list(scores)
    exact, f1 = (100.0 * sum(one[side] for one in both) / max(total, 1) for side in (0, 1))
    return exact, f1


def part(scores: Mapping[str, Scores], name: str) -> dict[str, float]:
    exact, f1 = means(scores.values(), len(scores))
    return {f"{name}exact": exact, f"{name}f1": f1, f"{name}total": len(scores)}


def best_threshold(
    scores: Mapping[str, float],
    predictions: Mapping[str, str],
    odds: Mapping[str, float],
    has_answer: Mapping[str, bool],
) -> tuple[float, float]:
    """The best score that a threshold of the odds reaches, in per cent, and the odds of the last question answered.

    Questions are answered one after the other, the surest first; at first none is.
    """
    now = best = sum(not answered for answered in has_answer.values())
    place = 0.0
    for name in sorted(odds, key=odds.__getitem__):
        now += scores[name] if has_answer[name] else -1 if predictions[name] else 0
        if now > best:
            best, place = now, odds[name]
    return 100.0 * best / max(len(scores), 1), place
