"""What a model is pre-trained on: a corpus's sequences (`segments.py`), and what of them is asked for.

Everything drawn is a pure function of (seed, epoch, document or sequence), so that a run resumes exactly and any number
of processes sees the same data.
"""

import random
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Protocol, Self, runtime_checkable

import numpy as np
import torch

from datamodules import formats
from datamodules.causal import following, half_context, next_tokens
from datamodules.masking import Masking, generator
from datamodules.segments import Row, full_sentences, segment_pairs, tokens_of
from datamodules.shards import TokenizedCorpus
from datamodules.task import OBJECTIVES, Refused, one_of, real
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


@runtime_checkable
class InStreams(Protocol):
    """An objective that is trained on streams: a batch takes up where the one before it ended."""

    def in_streams(self, count: int, vocabulary: Vocabulary) -> Objective:
        """The objective over `count` streams, whose rows are read in their own order."""
        ...


@runtime_checkable
class NeedsCounts(Protocol):
    """An objective that must know how often each word occurs in the training text."""

    def with_counts(self, counts: np.ndarray, vocabulary: Vocabulary) -> Objective:
        """The objective over a text in which the entries of the vocabulary occur so often, (V,)."""
        ...


@runtime_checkable
class Rereads(Protocol):
    """An objective whose pass over a text reads some of it more than once."""

    def tokens_read(self, rows: np.ndarray) -> int:
        """How many tokens of the text the rows of a plan read, repeats counted."""
        ...


PAIRS = ("segment_pair", "full_sentences", "doc_sentences")


class MaskedLanguageModel:
    """BERT's objective: masked tokens, and next sentences where the model has that head; or its ablation, `ltr`.

    Args:
        objective: `masked_lm` | `ltr`: of the same sequences each token from those before it (Table 5). Then nothing is
            masked, and what is said of masking does not count.
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
        objective: str = "masked_lm",
    ) -> None:
        self.objective = one_of("text.objective.objective", objective, OBJECTIVES)
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
        """The same sequences, always masked 15 %, 80/10/10; of `ltr` all of the text, each token once."""
        if self.objective == "ltr":
            return MaskedLanguageModel(False, "full_sentences", objective="ltr")
        return MaskedLanguageModel(self.nsp, self.pairs)

    @property
    def causal(self) -> bool:
        """Whether only what stands to the left is seen."""
        return self.objective == "ltr"

    def drawn(self, epoch: int) -> int:
        """The epoch whose draws are used."""
        return epoch % self.dupe_factor if self.dupe_factor else epoch

    def plan(self, corpus: TokenizedCorpus, max_length: int, seed: int, epoch: int) -> np.ndarray:
        """(sequences, 5) int64, see `Row`."""
        flat = array("q")  # a tenth of the memory of as many Python tuples
        for row in self.rows(corpus, max_length, seed, self.drawn(epoch)):
            flat.extend(row)
        return np.frombuffer(flat, dtype=np.int64).reshape(-1, 5) if flat else np.zeros((0, 5), dtype=np.int64)

    def tokens_read(self, rows: np.ndarray) -> int:
        """A random segment is read besides the document that its pair is of: see `Rereads`."""
        return tokens_of(rows)

    def rows(self, corpus: TokenizedCorpus, max_length: int, seed: int, epoch: int) -> Iterator[Row]:
        if self.pairs != "segment_pair":
            yield from full_sentences(corpus, max_length - 2, cross=self.pairs == "full_sentences")
            return
        for document in range(len(corpus)):
            rng = random.Random(f"{seed}/{epoch}/{corpus.first + document}")
            yield from segment_pairs(corpus, document, max_length - 3, rng, self.short_probability, self.balanced)

    def figures(self, rows: np.ndarray, batch: dict, vocabulary: Vocabulary) -> dict[str, float]:
        """Of pairs, the share of random ones; of all tokens, the share to predict, and what stands in their place."""
        pairs = {"not_next_share": float(rows[:, 4].mean())} if self.pairs == "segment_pair" else {}
        if self.objective == "ltr":
            return {**pairs, "half_context_share": half_context(batch)}
        labels = batch["masked_labels"]
        seen = batch["tokens"][batch["masked_positions"]]
        masked, same = ((seen == other).float().mean().item() for other in (vocabulary.mask, labels))
        return {
            **pairs,
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
        sequences = [replace(self.lay_out(corpus, vocabulary, row), example=place) for place, row in enumerate(rows)]
        if self.objective == "ltr":
            batch = formats.ragged(sequences, len(sequences)).batch
            asked = following(batch)
            return {**batch, **asked, "counts": {"causal_lm": len(asked["next_labels"])}}
        masked = []
        for sequence, (seed, epoch, index) in zip(sequences, keys, strict=True):
            rng = generator(seed, self.drawn(epoch), index)
            sequence.tokens, positions, labels = self.masking.corrupt(sequence.tokens, vocabulary, rng)
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
        """See `probes.Cloze`: every piece of the gap is masked at once, and both sides are seen; of `ltr` the left."""
        if self.objective == "ltr":
            return next_tokens([np.concatenate([[vocabulary.cls], tokens[:stop]])], first + 1)
        sequence = formats.pack_pair(vocabulary, tokens, None)
        sequence.tokens[first + 1 : stop + 1] = vocabulary.mask  # after [CLS]
        batch = {**formats.ragged([sequence], 1).batch, "counts": {"masked_lm": stop - first}}
        batch["masked_positions"] = torch.arange(first + 1, stop + 1)
        batch["masked_labels"] = torch.from_numpy(tokens[first:stop])
        return {**batch, "next_sentence": torch.zeros(1, dtype=torch.int64)}
