"""transfer.words=<place>: what a frozen encoder's layers stand beside are vectors that another model has learnt.

It is the x of Peters et al. 2018, section 3.2. Vectors are looked up once and go into the task's head, where they stay
as they are: a word of the encoder's vocabulary gets the vector of the same word, else of itself in lower case, else
zeros. An encoder of pieces is refused: what stands beside a layer has a place for each piece, and a batch does not tell
which pieces are a word, let alone which one.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from datamodules.spelling import SPECIALS
from datamodules.task import Refused
from datamodules.words import Words
from lightning_modules.base import LanguageModel
from lightning_modules.features import GIVEN, FeatureHead, Features
from sweeps.runs.places import plain
from sweeps.vectors import Place

KEY, SIZE = "transfer.words", "transfer.words_size"
LEARNT = ("random", "none", None)  # None: the model refuses it


def transfer_of(cfg: DictConfig, data: Any) -> dict[str, Any]:
    """conf/transfer's node as a model takes it: of vectors, that they are given, and how wide they are.

    Raises:
        Refused: when there are none, when they are wider or narrower than they are said to be, and for an encoder whose
            tokens are not words.
    """
    node = plain(cfg.transfer)
    if node.get("mode") != "features" or node.get("words") in LEARNT:
        return node
    told = f"{KEY}={node['words']}"
    if not isinstance(data.subwords, Words):
        raise Refused(f"{told} is not possible: text.tokenizer cuts words into pieces; {KEY} may be random or none.")
    place, size = place_of(cfg), node["words_size"]
    is_said = any(override.lstrip("+").startswith(f"{SIZE}=") for override in HydraConfig.get().overrides.task)
    if size not in (None, place.width) and (is_said or size != Features.words_size):
        raise Refused(f"{SIZE}={size} is not possible: the vectors of {told} have {place.width}; it may be null.")
    cfg.transfer.words_size = place.width
    return {**node, "words": GIVEN, "words_size": place.width}


def place_of(cfg: DictConfig) -> Place:
    return Place.of(str(cfg.transfer.words), KEY, Path(cfg.cache_dir), "random, none, ")


def give_words(cfg: DictConfig, model: LanguageModel, data: Any, say: Callable[[str], None]) -> None:
    """Look the words of `data`, which is prepared, up for the head of a model that asks for it."""
    head, features = model.head, model.transfer.features
    if not isinstance(head, FeatureHead) or head.words is None or features is None or features.words != GIVEN:
        return
    place, entries = place_of(cfg), data.vocabulary().lexicon.entries
    rows = rows_of(entries, place.words())
    found = np.flatnonzero(rows >= 0)
    with torch.no_grad():
        head.words.weight[torch.from_numpy(found)] = torch.from_numpy(place.table()[rows[found]])
    data.setup("fit")
    share = share_of(data.train_dataloader(), torch.from_numpy(found))
    words = len(entries) - len(SPECIALS)
    head.origin = {"from": str(cfg.transfer.words), "size": place.width, "found": len(found), "of": words}
    head.origin["found_share"] = share
    say(f"words: vectors of {cfg.transfer.words} for {len(found):,} of {words:,}, {share:.1%} of the text to train on")


def rows_of(wanted: Sequence[str], words: Sequence[str]) -> np.ndarray:
    """Of each word its own number among `words`, or that of itself in lower case; -1: neither is there.

    Both begin with SPECIALS, which are no words.
    """
    numbers = {word: number for number, word in enumerate(words)}
    found = [numbers.get(word, numbers.get(word.lower(), -1)) for word in wanted[len(SPECIALS) :]]
    return np.array([-1] * len(SPECIALS) + found)


def share_of(batches: Any, found: torch.Tensor) -> float:
    """Share of all tokens of text that are among `found`."""
    there = total = 0
    for batch in batches:
        tokens = batch["tokens"][batch["text"]]
        there, total = there + int(torch.isin(tokens, found).sum()), total + len(tokens)
    return there / total
