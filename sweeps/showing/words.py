"""What a person can look at of a model's word vectors: which words are nearest, and where groups of words lie."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from datamodules import word_sets
from datamodules.corpus import Corpus
from datamodules.inventory import Inventory
from datamodules.miniature import lexicon
from datamodules.task import GENERATED
from datamodules.word_sets import DEFAULT, WordSets
from datamodules.word_vectors import CANDIDATES, Bench
from sweeps.showing.projection import draw

NEIGHBOURS = 5
PICTURE = "projection.png"
GROUPS = {  # English
    "countries": "france germany italy spain japan china russia england",
    "cities": "paris berlin rome madrid tokyo beijing moscow london",
    "animals": "dog cat horse cow lion bear fish bird",
    "people": "king queen man woman boy girl father mother",
    "numbers": "two three four five six seven eight nine",
    "times": "monday friday january july year month week day",
    "the past": "went saw took gave made came knew found",
    "qualities": "good bad big small old new long short",
}
PROBED = ("france", "dog", "king", "three", "monday", "took", "good", "music", "water", "war")
OF_GROUP = 8  # words of each group of the generated world


def groups_of(is_generated: bool) -> dict[str, list[str]]:
    """Words that belong together, by what they are."""
    if not is_generated:
        return {name: words.split() for name, words in GROUPS.items()}
    kinds = {kind: lexicon.KIND_NOUNS[kind] for kind in ("animal", "fruit", "garment", "vehicle")}
    of_people = {"women": lexicon.WOMEN, "men": lexicon.MEN}
    people = {name: [person.name for person in members] for name, members in of_people.items()}
    done = {"deeds": [verb.past for group in lexicon.DEEDS for verb in group], "days": lexicon.DAYS}
    return {name: words[:OF_GROUP] for name, words in {**kinds, **people, **done}.items()}


def probed(is_generated: bool) -> list[str]:
    """The words whose neighbours are shown; of the generated world the first two of each group."""
    return [word for words in groups_of(True).values() for word in words[:2]] if is_generated else list(PROBED)


def bench_of(data: Corpus) -> Bench:
    """The sets that lie beside a corpus, none where none do, for the words that it was read in."""
    sets = word_sets.read(data.source, DEFAULT, ()) if word_sets.at_hand(data.source) else WordSets()
    is_generated = data.source in GENERATED and not data.files
    return Bench(sets, Inventory(data.load_tokenizer(), False, CANDIDATES), is_generated, 1000)


def show_words(directory: Path, bench: Bench, vectors: Tensor) -> dict[str, Any]:
    """The record's `nearest`, rows of a table, and `projection`, a picture's name; neither where no word is known.

    Args:
        vectors: (W, D) unit vectors of the bench's words.
    """
    shown: dict[str, Any] = {}
    if rows := nearest(bench, vectors):
        shown["nearest"] = rows
    found = {
        name: [row for word in words if (row := bench.inventory.candidate(word)) is not None]
        for name, words in groups_of(bench.is_generated).items()
    }
    labelled = [(row, name) for name, rows in found.items() for row in rows]
    if len(labelled) > 2:
        places, shares = flattened(vectors[[row for row, _ in labelled]])
        names = [bench.inventory.words[row] for row, _ in labelled]
        draw(places.numpy(), shares, names, [name for _, name in labelled], directory / PICTURE)
        shown["projection"] = PICTURE
    return shown


def nearest(bench: Bench, vectors: Tensor) -> list[dict[str, Any]]:
    """Rows of a table: a word, one of the candidates with the largest cosine, and this; no other case of the word."""
    inventory = bench.inventory
    same = torch.from_numpy(inventory.same)
    found = []
    for word in probed(bench.is_generated):
        if (row := inventory.candidate(word)) is None:
            continue
        cosines = (vectors[: len(same)] @ vectors[row]).masked_fill(same == row, -1.0)
        best = cosines.topk(min(NEIGHBOURS, len(same) - 1))
        for cosine, other in zip(best.values.tolist(), best.indices.tolist(), strict=True):
            found.append(
                {"word": inventory.words[row], "neighbour": inventory.words[other], "cosine": round(cosine, 3)}
            )
    return found


def flattened(vectors: Tensor) -> tuple[Tensor, list[float]]:
    """(n, D) -> (n, 2) along the two directions in which they vary most, and these directions' shares of all variance.

    Of either direction the sign is free: here the largest coordinate is positive.
    """
    centred = (vectors - vectors.mean(0)).double()
    left, sizes, _ = torch.linalg.svd(centred, full_matrices=False)
    places = left[:, :2] * sizes[:2]
    signs = places.gather(0, places.abs().argmax(0, keepdim=True)).sign()
    shares = sizes.square() / sizes.square().sum().clamp(min=torch.finfo(torch.float64).tiny)
    return (places * signs).float(), shares[:2].tolist()
