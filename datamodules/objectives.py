"""What a model is pre-trained on: how a corpus is cut into sequences, and how they are corrupted.

Everything drawn is a pure function of (seed, epoch, document or sequence), so that a run resumes exactly and any number
of processes sees the same data. Reference: create_pretraining_data.py of BERT's release; RoBERTa's Table 2 for the
formats without next sentences.
"""

import random
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Protocol, Self

import numpy as np
import torch

from datamodules import formats
from datamodules.masking import Masking, generator
from datamodules.shards import TokenizedCorpus
from datamodules.task import Refused, one_of, real
from datamodules.tokenization import Vocabulary


class Objective(Protocol):
    """What a pre-training data module needs of an objective."""

    def plan(self, corpus: TokenizedCorpus, max_length: int, seed: int, epoch: int) -> np.ndarray:
        """One row per sequence of this epoch; the columns are the objective's own."""
        ...

    def batch(self, corpus: TokenizedCorpus, vocabulary: Vocabulary, rows: np.ndarray, keys: Sequence[tuple]) -> dict:
        """Rows of the plan -> a batch; `keys` seed each row's corruption."""
        ...

    def figures(self, rows: np.ndarray, batch: dict, vocabulary: Vocabulary) -> dict[str, float]:
        """What the data card says of a sample: rows of the plan, and the batch made of them."""
        ...

    def yardstick(self) -> Self:
        """The objective that validation uses, whatever the training knobs are."""
        ...


# A row of a plan: [first, stop) of segment A and of segment B in `tokens`, and 1 if B is random. No B: first = stop.
Row = tuple[int, int, int, int, int]


def truncate_pair(a: list[int], b: list[int], room: int, rng: random.Random) -> None:
    """Drop tokens of the longer [first, stop) span, in front or at the back with equal chance, until both fit."""
    while (a[1] - a[0]) + (b[1] - b[0]) > room:
        longer = a if a[1] - a[0] > b[1] - b[0] else b
        if rng.random() < 0.5:
            longer[0] += 1
        else:
            longer[1] -= 1


def random_segment(corpus: TokenizedCorpus, document: int, length: int, rng: random.Random) -> list[int]:
    """Sentences from a random place of another document, up to `length` tokens or its end.

    Ten draws try to find another document; the last one is taken even if it is the same. `corpus` is what is planned at
    once, one group of a large corpus.
    """
    other = document
    for _ in range(10):
        other = rng.randrange(len(corpus))
        if other != document:
            break
    starts = corpus.starts(other)
    first = rng.randrange(len(starts) - 1)
    stop = first + 1
    while stop < len(starts) - 1 and starts[stop] - starts[first] < length:
        stop += 1
    return [starts[first], starts[stop]]


def segment_pairs(
    corpus: TokenizedCorpus, document: int, room: int, rng: random.Random, short: float, balanced: bool
) -> Iterator[Row]:
    """A document's pairs of segments, B following A or random (create_instances_from_document).

    A chunk closes when it reaches the document's target length or the document ends. Its first sentences are A. A chunk
    of one sentence always, others half of the time, get a random B, and their unused sentences go back. So more than
    half of all pairs are random; `balanced` draws the others, and where need be takes a second sentence, such that a
    document's pairs even out.
    """
    starts = corpus.starts(document)
    last, lead = len(starts) - 1, 0  # lead: following pairs minus random ones
    target = rng.randint(2, room) if rng.random() < short else room
    first = stop = 0
    while stop < last:
        stop += 1
        wants_two = balanced and lead < 0 and stop - first == 1
        if stop < last and (starts[stop] - starts[first] < target or wants_two):
            continue
        middle = first + (rng.randint(1, stop - first - 1) if stop - first >= 2 else 1)
        coin = rng.random() < 0.5 if not balanced or lead == 0 else lead > 0
        is_random = stop - first == 1 or coin
        a = [starts[first], starts[middle]]
        b = [starts[middle], starts[stop]]
        if is_random:
            b = random_segment(corpus, document, target - (a[1] - a[0]), rng)
            stop = middle
        lead += -1 if is_random else 1
        truncate_pair(a, b, room, rng)
        yield a[0], a[1], b[0], b[1], int(is_random)
        first = stop


def full_sentences(corpus: TokenizedCorpus, room: int, cross: bool) -> Iterator[Row]:
    """Whole sentences packed up to `room` tokens, across documents or not; a sentence longer than that is cut.

    Crossing a document's end costs one token, for the [SEP] that marks it.
    """
    first = stop = length = 0
    for document in range(len(corpus)):
        starts = corpus.starts(document)
        for begin, end in pairwise(starts):
            boundary = int(begin == starts[0] and begin > first)
            if stop > first and (length + boundary + end - begin > room or (boundary and not cross)):
                yield first, stop, stop, stop, 0
                first = stop = begin
                length = boundary = 0
            length += boundary + end - begin
            stop = end
            if length > room:  # only a sentence that is too long by itself
                yield first, first + room, stop, stop, 0
                first, length = stop, 0
    if stop > first:
        yield first, stop, stop, stop, 0


PAIRS = ("segment_pair", "full_sentences", "doc_sentences")


class MaskedLanguageModel:
    """BERT's objective: masked tokens, and next sentences where the model has that head.

    Args:
        nsp: whether the model has the next-sentence task; needs pairs: segment_pair.
        pairs: `segment_pair` (BERT; also without nsp, as in its Table 5), `full_sentences`, `doc_sentences` (RoBERTa).
        masking: "mask/same/random" in percent of the chosen tokens.
        masking_rate, mask_counting, max_predictions, random_words, whole_word: see `masking.Masking`.
        short_probability: share of documents, drawn at each epoch, whose pairs have a random shorter target length.
        nsp_sampler: `reference` (57 % random on Wikipedia) | `balanced`.
        dupe_factor: 0 draws anew at each epoch; k > 0 repeats the first k epochs' draws, as a data set built k times.
    """

    def __init__(
        self,
        nsp: bool = True,
        pairs: str = "segment_pair",
        masking: str = "80/10/10",
        masking_rate: float = 0.15,
        mask_counting: str = "capped",
        max_predictions: int | None = None,
        random_words: str = "whole",
        whole_word: bool = False,
        short_probability: float = 0.1,
        nsp_sampler: str = "reference",
        dupe_factor: int = 0,
    ) -> None:
        self.nsp = one_of("text.objective.nsp", nsp, (True, False))
        self.pairs = one_of("text.objective.pairs", pairs, PAIRS)
        if nsp and pairs != "segment_pair":
            raise Refused(f"text.objective.pairs={pairs!r} has no next sentences: with it, model.nsp may be false.")
        self.balanced = one_of("text.objective.nsp_sampler", nsp_sampler, ("reference", "balanced")) == "balanced"
        self.short_probability = real(
            "text.objective.short_probability", short_probability, "from 0 to 1", lambda share: 0 <= share <= 1
        )
        allowed = "a whole number, 0 (dynamic) or more (static)"
        self.dupe_factor = real(
            "text.objective.dupe_factor", dupe_factor, allowed, lambda n: isinstance(n, int) and n >= 0
        )
        self.masking = Masking(masking_rate, masking, mask_counting, max_predictions, random_words, whole_word)

    def yardstick(self) -> "MaskedLanguageModel":
        """The same sequences, always masked 15 %, 80/10/10."""
        return MaskedLanguageModel(self.nsp, self.pairs)

    def drawn(self, epoch: int) -> int:
        """The epoch whose draws are used."""
        return epoch % self.dupe_factor if self.dupe_factor else epoch

    def plan(self, corpus: TokenizedCorpus, max_length: int, seed: int, epoch: int) -> np.ndarray:
        """(sequences, 5) int64, see `Row`."""
        flat = array("q")  # a tenth of the memory of as many Python tuples
        for row in self.rows(corpus, max_length, seed, self.drawn(epoch)):
            flat.extend(row)
        return np.frombuffer(flat, dtype=np.int64).reshape(-1, 5) if flat else np.zeros((0, 5), dtype=np.int64)

    def rows(self, corpus: TokenizedCorpus, max_length: int, seed: int, epoch: int) -> Iterator[Row]:
        if self.pairs != "segment_pair":
            yield from full_sentences(corpus, max_length - 2, cross=self.pairs == "full_sentences")
            return
        for document in range(len(corpus)):
            rng = random.Random(f"{seed}/{epoch}/{corpus.first + document}")
            yield from segment_pairs(corpus, document, max_length - 3, rng, self.short_probability, self.balanced)

    def figures(self, rows: np.ndarray, batch: dict, vocabulary: Vocabulary) -> dict[str, float]:
        """Of pairs, the share of random ones; of all tokens, the share to predict, and what stands in their place."""
        labels = batch["masked_labels"]
        seen = batch["tokens"][batch["masked_positions"]]
        masked, same = ((seen == other).float().mean().item() for other in (vocabulary.mask, labels))
        return {
            **({"not_next_share": float(rows[:, 4].mean())} if self.pairs == "segment_pair" else {}),
            "masked_share": len(labels) / len(batch["tokens"]),
            "chosen_mask_share": masked,
            "chosen_same_share": same,
            "chosen_random_share": 1 - masked - same,
        }

    def lay_out(self, corpus: TokenizedCorpus, vocabulary: Vocabulary, row: np.ndarray) -> formats.Sequence:
        """A row's tokens between the special ones."""
        a = np.asarray(corpus.tokens[row[0] : row[1]], dtype=np.int64)
        if self.pairs == "segment_pair":
            return formats.pack_pair(vocabulary, a, np.asarray(corpus.tokens[row[2] : row[3]], dtype=np.int64))
        ends = corpus.ends
        inside = ends[np.searchsorted(ends, row[0], "right") : np.searchsorted(ends, row[1], "left")] - row[0]
        return formats.pack_pair(vocabulary, np.insert(a, inside, vocabulary.sep), None)

    def batch(self, corpus: TokenizedCorpus, vocabulary: Vocabulary, rows: np.ndarray, keys: Sequence[tuple]) -> dict:
        """See `Objective.batch`: `keys` are (seed, epoch, number of the sequence)."""
        sequences, masked = [], []
        for place, (row, (seed, epoch, index)) in enumerate(zip(rows, keys, strict=True)):
            sequence = self.lay_out(corpus, vocabulary, row)
            rng = generator(seed, self.drawn(epoch), index)
            sequence.tokens, positions, labels = self.masking.corrupt(sequence.tokens, vocabulary, rng)
            sequence.example = place
            sequences.append(sequence)
            masked.append((positions, labels))
        ragged = formats.ragged(sequences, len(sequences))
        batch = ragged.batch
        positions = np.concatenate([masked[i][0] + ragged.starts[i] for i in ragged.order])
        batch["masked_positions"] = torch.from_numpy(positions)
        batch["masked_labels"] = torch.from_numpy(np.concatenate([masked[i][1] for i in ragged.order]))
        batch["counts"] = {"masked_lm": len(positions)}
        if self.nsp:
            batch["next_sentence"] = torch.from_numpy(rows[ragged.order, 4].copy())
            batch["counts"]["next_sentence"] = len(rows)
        return batch

    def gap(self, vocabulary: Vocabulary, tokens: np.ndarray, first: int, stop: int) -> dict:
        """See `probes.Cloze`: every piece of the gap is masked at once, and both sides are seen."""
        sequence = formats.pack_pair(vocabulary, tokens, None)
        sequence.tokens[first + 1 : stop + 1] = vocabulary.mask  # after [CLS]
        batch = {**formats.ragged([sequence], 1).batch, "counts": {"masked_lm": stop - first}}
        batch["masked_positions"] = torch.arange(first + 1, stop + 1)
        batch["masked_labels"] = torch.from_numpy(tokens[first:stop])
        return {**batch, "next_sentence": torch.zeros(1, dtype=torch.int64)}
