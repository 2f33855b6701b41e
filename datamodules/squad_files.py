"""What a run leaves of its answers to SQuAD's questions, each file named after the test set.

.json              {id: answer}, what the publishers' script reads; "" for none
.null_odds.json    v2.0: {id: how much rather than the best span it has no answer}
.nbest.json        {id: [{text, score, probability}]}, the best first, probabilities among these
.tsv               id, prediction, exact_match, f1 of each question, for paired tests
"""

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from datamodules.squad_golds import place
from datamodules.squad_text import Rows

LARGEST = 1e9  # what stands for an infinite number, which JSON has not


def written(test_set: str, rows: Rows, answers: Sequence[Any], may_lack: bool) -> dict[str, list[str]]:
    """File name -> lines.

    Args:
        answers: `lightning_modules.span_scores.Answer`s.
    """
    texts = {answer.asked: rows.contexts[rows.of[answer.asked]] for answer in answers}
    told = {rows.ids[answer.asked]: texts[answer.asked][answer.start : answer.stop] for answer in answers}
    best = {rows.ids[answer.asked]: ranked(texts[answer.asked], answer.candidates) for answer in answers}
    scores = [("id", "prediction", "exact_match", "f1")]
    scores += [
        (name, one_line(text), f"{answer.exact_match:.0f}", repr(answer.f1))
        for answer, (name, text) in zip(answers, told.items(), strict=True)
    ]
    files = {
        f"{test_set}.json": in_json(told),
        f"{test_set}.nbest.json": in_json(best),
        f"{test_set}.tsv": ["\t".join(line) for line in scores],
    }
    if may_lack:
        odds = {rows.ids[answer.asked]: min(max(answer.margin, -LARGEST), LARGEST) for answer in answers}
        files[f"{test_set}.null_odds.json"] = in_json(odds)
    return files


class Shown(NamedTuple):
    """A question for people.

    Attributes:
        predicted: [from, to) of the context's characters; twice the same where it has no answer.
        golds: the same of the gold answers.
        answers: the gold answers' texts.
    """

    id: str
    question: str
    context: str
    predicted: tuple[int, int]
    golds: list[tuple[int, int]]
    answers: list[str]
    exact_match: float
    f1: float

    @property
    def prediction(self) -> str:
        return self.context[slice(*self.predicted)]


def shown(rows: Rows, answer: Any) -> Shown:
    """An `Answer` beside its question, its context and the truth."""
    row = answer.asked
    context, golds = rows.contexts[rows.of[row]], dict.fromkeys(rows.golds[row])
    places = [found for text, at in golds if (found := place(context, text, at))]
    told = list(dict.fromkeys(rows.answers(row)))
    spans = ((answer.start, answer.stop), places, told)
    return Shown(rows.ids[row], rows.questions[row], context, *spans, answer.exact_match, answer.f1)


def in_json(content: dict[str, Any]) -> list[str]:
    """One question a line."""
    lines = [f"{json.dumps(name)}: {json.dumps(value)}" for name, value in content.items()]
    return ["{", *(line + "," for line in lines[:-1]), *lines[-1:], "}"]


def one_line(text: str) -> str:
    """White space as blanks, for a table of lines and tabs."""
    return " ".join(text.split())


def ranked(context: str, candidates: Sequence[tuple[float, int, int]]) -> list[dict[str, Any]]:
    """Different answers, each with its best span's score."""
    scores: dict[str, float] = {}
    for score, start, stop in candidates:
        scores.setdefault(context[start:stop], score)
    if not scores:
        return []
    top = max(scores.values())
    weights = [math.exp(score - top) for score in scores.values()]
    total = sum(weights)
    return [
        {"text": text, "score": score, "probability": weight / total}
        for (text, score), weight in zip(scores.items(), weights, strict=True)
    ]
