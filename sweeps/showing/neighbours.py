"""Nearest neighbours in context of words with two senses (Peters et al. 2018, Table 4).

A word of a held-out sentence is looked up by the top layer's vector; its neighbours are the words of other held-out
sentences with the nearest vectors, by cosine. The two places of a word that are shown are those farthest apart.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from datamodules.bilm import asked
from datamodules.corpus import Corpus
from datamodules.excerpts import spread
from datamodules.miniature.lexicon import HOMOGRAPHS
from datamodules.task import GENERATED
from lightning_modules.base import LanguageModel

SENSES = ("play", "bank", "match", "left", "second", "fall", "light", "lead", "state", "party", "board", "close")
SENTENCES, LONGEST, BATCH = 2000, 60, 50  # that are searched, words of each, sentences at a time
WORDS, OCCURRENCES, NEIGHBOURS = 4, 4, 2  # shown at most, of each at least, of each place


def neighbours(model: LanguageModel, data: Corpus) -> list[dict[str, Any]]:
    """Rows of a table: a word, its sentence, a neighbour, its sentence, and their cosine."""
    lexicon, corpus = data.vocabulary().lexicon, data.held_out
    chosen = spread(np.arange(len(corpus.sentences) - 1), SENTENCES)
    spans = [corpus.sentences[number : number + 2] for number in chosen]
    forms = [lexicon.forms(np.asarray(corpus.tokens[first:stop]))[:LONGEST] for first, stop in spans]
    texts = [lexicon.spelling(sentence) for sentence in forms]
    vectors = vectors_of(model, lexicon, forms)
    places = [(number, at) for number, text in enumerate(texts) for at in range(len(text))]
    owners = torch.tensor([number for number, _ in places])
    found: list[dict[str, Any]] = []
    for word in with_two_senses(data):
        here = [row for row, (number, at) in enumerate(places) if texts[number][at] == word]
        if len(here) < OCCURRENCES:
            continue
        if len(found) == WORDS * 2 * NEIGHBOURS:
            break
        for row in farthest(vectors[here]):
            likeness = vectors @ vectors[here[row]]
            likeness[owners == owners[here[row]]] = -1.0  # not in its own sentence
            for other in likeness.topk(NEIGHBOURS).indices.tolist():
                (number, _), (near, at) = places[here[row]], places[other]
                found.append(
                    {
                        "word": word,
                        "sentence": " ".join(texts[number]),
                        "neighbour": texts[near][at],
                        "its sentence": " ".join(texts[near]),
                        "cosine": round(float(likeness[other]), 3),
                    }
                )
    return found


def with_two_senses(data: Corpus) -> tuple[str, ...]:
    """English words, or the generated world's own homographs."""
    if data.source not in GENERATED:
        return SENSES
    return tuple(sorted({form for words in HOMOGRAPHS.values() for part in words.values() for form in part}))


def vectors_of(model: LanguageModel, lexicon: Any, forms: list[np.ndarray]) -> Tensor:
    """(words of all sentences, D) unit vectors of the top layer, in the order of the text; on the host."""
    found = []
    for first in range(0, len(forms), BATCH):
        some = forms[first : first + BATCH]
        batch = model.transfer_batch_to_device(asked(lexicon, some), model.device, 0)
        top = model.encode(batch).layers[-1].float().cpu()
        starts, owners = batch["offsets"][:-1].tolist(), batch["example"].tolist()
        inner = {
            owner: top[start + 1 : start + 1 + len(some[owner])] for start, owner in zip(starts, owners, strict=True)
        }
        found += [inner[number] for number in range(len(some))]
    return torch.nn.functional.normalize(torch.cat(found), dim=-1)


def farthest(vectors: Tensor) -> list[int]:
    """The two rows of unit vectors with the smallest cosine."""
    first, second = divmod(int((vectors @ vectors.T).argmin()), len(vectors))
    return [first, second]
