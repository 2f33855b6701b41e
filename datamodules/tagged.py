"""Texts that come as words, and where in a batch each word's tag stands (the keys: lightning_modules/base.py).

Each word is cut by itself, so that it begins with a token of its own. Its tag stands at its first token (Devlin et al.
2019, section 5.3), or at its last one (`Task.tagged_token`). Words that do not fit into a sequence have none.
"""

import re
from collections.abc import Iterable
from collections.abc import Sequence as Many
from dataclasses import dataclass

import numpy as np
import torch
from tokenizers import Tokenizer

from datamodules.task import Task
from datamodules.tokenization import Vocabulary

BLANKS = re.compile(r"[ \t\r\n]+")


@dataclass(frozen=True)
class Words:
    """A text: a sentence, perhaps with some of its document around it.

    Attributes:
        ids: (n,) tokens as the tokenizer cuts them, of all words.
        begins: (w + 1,) where in `ids` each word begins, and the end.
        asked: (a,) numbers of the words that have a tag.
    """

    ids: np.ndarray
    begins: np.ndarray
    asked: np.ndarray


def cut(words: Iterable[np.ndarray], unknown: int) -> tuple[np.ndarray, np.ndarray]:
    """Tokens of each word -> all tokens, and where each word begins; a word of no token is the unknown one."""
    pieces = [ids if len(ids) else np.array([unknown]) for ids in words]
    return np.concatenate(pieces), np.cumsum([0, *map(len, pieces)])


def read_places(vocabulary: Vocabulary, ids: np.ndarray) -> np.ndarray:
    """(n,) tokens -> (n,) the place of each among what a model reads: tokens, or whole words."""
    if not vocabulary.has_words:
        return np.arange(len(ids))
    begins = vocabulary.lexicon.starts(ids)
    begins[:1] = True
    return begins.cumsum() - 1


def places_of(vocabulary: Vocabulary, ids: np.ndarray, begins: np.ndarray, task: Task) -> np.ndarray:
    """(w,) the place, among what a model reads of a text, at which each of its words has its tag."""
    at = begins[1:] - 1 if task.tagged_token == "last" else begins[:-1]
    return read_places(vocabulary, ids)[at]


def where_tags_stand(
    vocabulary: Vocabulary, batch: dict, texts: Many[Words], margins: tuple[int, int], task: Task
) -> dict:
    """The keys of a batch of tagged words.

    Args:
        batch: of these texts, one sequence each.
        margins: tokens before and after a text.
    """
    room = task.room - sum(margins)
    sequence = batch["example"].numpy().argsort()  # of each text
    starts = batch["offsets"].numpy()[sequence] + margins[0]
    places = [places_of(vocabulary, text.ids, text.begins, task)[text.asked] for text in texts]
    owner = np.repeat(np.arange(len(texts)), [len(own) for own in places])
    place = np.concatenate(places)
    reached = np.flatnonzero(place < room)
    tagged = torch.from_numpy((starts[owner] + place)[reached])
    found = {"tagged": tagged, "reached": torch.from_numpy(reached), "owner": torch.from_numpy(owner)}
    if "text" in batch:  # the positions that are text, in rising order
        found["tagged_text"] = torch.searchsorted(batch["text"], tagged)
    return {**batch, **found, "counts": {**batch["counts"], "task": len(reached)}}


def words_of_lines(tokenizer: Tokenizer, lines: Many[str]) -> list[Words]:
    """Lines of words with blanks between them, all of whose words are asked for; a no-break space is part of one."""
    vocabulary, texts = Vocabulary.of(tokenizer), []
    for line in lines:
        ids, begins = cut((vocabulary.ids(word) for word in BLANKS.split(line) if word), vocabulary.unk)
        texts.append(Words(ids, begins, np.arange(len(begins) - 1)))
    return texts
