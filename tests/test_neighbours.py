"""Nearest neighbours in context: against every pair of words, one by one."""

import numpy as np
import pytest
import torch

from datamodules.bilm import asked
from datamodules.corpus import Corpus
from sweeps.showing import neighbours
from sweeps.showing.neighbours import farthest
from tests.test_bilm_objective import corpus
from tests.test_elmo import elmo

__all__ = ["corpus"]  # a fixture


@torch.no_grad()
def test_neighbours_are_the_nearest_words_of_other_sentences(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "with_two_senses", lambda data: ("saw", "unheard-of"))
    monkeypatch.setattr(neighbours, "BATCH", 3)
    model, lexicon, held = elmo(), corpus.vocabulary().lexicon, corpus.held_out
    rows = neighbours.neighbours(model, corpus)
    assert len(rows) == 2 * neighbours.NEIGHBOURS
    words: list[tuple[int, str, np.ndarray]] = []
    texts = []
    for number, (first, stop) in enumerate(zip(held.sentences[:-1], held.sentences[1:], strict=True)):
        forms = lexicon.forms(np.asarray(held.tokens[first:stop]))
        texts.append(" ".join(lexicon.spelling(forms)))
        top = model.encode(asked(lexicon, [forms])).layers[0].double().numpy()[1:-1]
        words += [(number, *pair) for pair in zip(lexicon.spelling(forms), top, strict=True)]

    def cosine(a: np.ndarray, b: np.ndarray) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    places = [word for word in words if word[1] == "saw"]
    pairs = [(cosine(a[2], b[2]), a[0], b[0]) for a in places for b in places]
    shown = {texts.index(row["sentence"]) for row in rows}
    lowest = min(pairs)[0]
    assert min(pair[0] for pair in pairs if {*pair[1:]} == shown) == pytest.approx(lowest, abs=1e-6)
    for row in rows:
        assert row["word"] == "saw"
        own = texts.index(row["sentence"])
        (vector,) = [word[2] for word in places if word[0] == own]
        best = sorted((cosine(vector, other) for number, _, other in words if number != own), reverse=True)
        assert row["cosine"] in [round(value, 3) for value in best[: neighbours.NEIGHBOURS]]
        assert row["neighbour"] in row["its sentence"].split()
        assert row["its sentence"] != row["sentence"]


def test_the_two_places_are_those_farthest_apart() -> None:
    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0.1], [1.0, 0.0], [0.5, 1.0], [0.9, 0.2]]), dim=-1)
    assert set(farthest(vectors)) == {1, 2}
