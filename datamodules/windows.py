"""word2vec's reading of text: each word and those around it (Mikolov et al. 2013a and b).

A sequence is as many whole sentences as begin within `max_length` tokens. Of their words, those outside the vocabulary
and those that sub-sampling drops are left out, as in the C program before windows are looked at; what remains is cut
into blocks of L words that are predicted (centres) and reach `window` words further to both sides. So no list of pairs
is ever made. Blocks of a batch are shuffled: an update sees places all over the batch.
"""

from collections.abc import Sequence as Many

import numpy as np
import torch

from datamodules.huffman import huffman
from datamodules.masking import generator
from datamodules.noise import Noise
from datamodules.shards import TokenizedCorpus, offsets
from datamodules.task import Refused, one_of, real, whole
from datamodules.tokenization import Vocabulary

LOSSES = ("negative_sampling", "hierarchical_softmax")
ARCHITECTURES = ("skip_gram", "cbow")
SUBSAMPLING = ("released", "paper")
BLOCK = {"negative_sampling": 16, "hierarchical_softmax": 8}  # centres; of the first 16 was faster than 32
SHARED = 16  # noise words of a block, each of which counts as `negatives` / SHARED draws for a pair
NEGATIVES, EXPONENT = 5, 0.75  # the C program's
NO_SENTENCE = -1


class Windows:
    """What word2vec reads.

    Args:
        architecture, loss: the model's; see `lightning_modules.word2vec`.
        window: largest number of words to each side.
        dynamic: whether each word's window is drawn, from 1 to `window` (near words count more); else it is `window`.
        sample: t; words more frequent than this share are dropped at random. 0: none.
        subsampling: with t and a word's share f it is kept with a chance of `released` sqrt(t/f) + t/f (the C program),
            `paper` sqrt(t/f) (Mikolov et al. 2013b, equation 5).
        negatives: noise words for each pair.
        noise_exponent: of their frequency.
    """

    def __init__(
        self,
        architecture: str = "skip_gram",
        loss: str = "negative_sampling",
        window: int = 5,
        dynamic: bool = True,
        sample: float = 1e-3,
        subsampling: str = "released",
        negatives: int = NEGATIVES,
        noise_exponent: float = EXPONENT,
    ) -> None:
        self.architecture = one_of("model.architecture", architecture, ARCHITECTURES)
        self.loss = one_of("model.loss", loss, LOSSES)
        self.window, self.negatives = (
            whole("text.objective.window", window),
            whole("text.objective.negatives", negatives),
        )
        self.dynamic = one_of("text.objective.dynamic", dynamic, (True, False))
        self.sample = real("text.objective.sample", sample, "a share from 0 to 1", lambda share: 0 <= share <= 1)
        self.subsampling = one_of("text.objective.subsampling", subsampling, SUBSAMPLING)
        self.noise_exponent = real("text.objective.noise_exponent", noise_exponent, "a number", np.isfinite)
        self.block = BLOCK[loss]
        noise = (("negatives", negatives, NEGATIVES), ("noise_exponent", noise_exponent, EXPONENT))
        for name, value, default in noise if loss == "hierarchical_softmax" else ():
            if value != default:
                raise Refused(
                    f"text.objective.{name}={value} is not possible: model.loss=hierarchical_softmax draws no noise; "
                    f"it may be {default}, which counts for nothing there."
                )

    def yardstick(self) -> "Windows":
        """Every word, whole windows of five, five negatives of the released noise, whatever the training knobs are."""
        return Windows(self.architecture, self.loss, dynamic=False, sample=0.0)

    def with_counts(self, counts: np.ndarray, vocabulary: Vocabulary) -> "CountedWindows":
        """See `objectives.NeedsCounts`."""
        counts = counts[: vocabulary.lexicon.words].copy()
        counts[[vocabulary.bos, vocabulary.eos, vocabulary.unk]] = 0
        return CountedWindows(self, counts)

    def gap(self, vocabulary: Vocabulary, tokens: np.ndarray, first: int, stop: int) -> dict:
        """See `probes.Cloze`: the words that tokens[first:stop] belong to are the only centres, told from nothing else:
        sentence completion by the sum over the words around (Mikolov et al. 2013a, section 5).

        Raises:
            Refused: with hierarchical softmax, whose tree is of a corpus.
        """
        if self.loss != "negative_sampling":
            raise Refused(f"model.loss={self.loss} cannot be asked for a word: it may be negative_sampling.")
        lexicon = vocabulary.lexicon
        begins = lexicon.starts(tokens)
        begins[:1] = True  # of a text that is cut inside a word
        number, words = begins.cumsum() - 1, lexicon.counted(tokens)
        places = np.arange(len(words))
        is_asked = (places >= number[first]) & (places <= number[stop - 1])
        kept = is_asked | (words != lexicon.unk)
        words, reach = words[kept], np.where(is_asked[kept], self.window, 0)
        cut = blocks(words, np.zeros(len(words), dtype=np.int64), reach, self.window, self.block)
        return {
            **{name: torch.from_numpy(values.copy()) for name, values in cut.items()},
            "tokens": torch.from_numpy(words),
            "negatives": torch.zeros(len(cut["around"]), 0, dtype=torch.int64),
            "negatives_weight": 0.0,
            "counts": {self.architecture: max(1, self.predictions(np.zeros(len(words), dtype=np.int64), reach))},
        }

    def predictions(self, owners: np.ndarray, reach: np.ndarray) -> int:
        """How many there are: pairs of a skip-gram, words with at least one beside them of CBOW.

        Args:
            owners: (n,) the number of each word's sentence.
        """
        sizes = np.bincount(owners, minlength=1)
        place = np.arange(len(owners)) - offsets(sizes)[owners]
        beside = np.minimum(place, reach) + np.minimum(sizes[owners] - 1 - place, reach)
        return int(beside.sum() if self.architecture == "skip_gram" else (beside > 0).sum())

    def keep_chances(self, counts: np.ndarray) -> np.ndarray:
        """(V,) of each word's occurrences to be kept; 0 of a word that does not occur."""
        shares = counts / counts.sum()
        ratio = np.divide(self.sample, shares, out=np.zeros(len(shares)), where=shares > 0)
        chances = np.sqrt(ratio) + (ratio if self.subsampling == "released" else 0)
        return np.where(counts > 0, np.minimum(chances, 1) if self.sample else 1.0, 0.0).astype(np.float32)


class CountedWindows:
    """Windows over words whose frequencies are known.

    Args:
        counts: (V,), 0 of what is no word.
    """

    def __init__(self, objective: Windows, counts: np.ndarray) -> None:
        self.objective, self.counts = objective, counts
        self.keep = objective.keep_chances(counts)
        sampled = objective.loss == "negative_sampling"
        self.noise = Noise(counts, objective.noise_exponent) if sampled else None
        self.tree = None if sampled else huffman(counts)

    def plan(self, corpus: TokenizedCorpus, max_length: int, seed: int, epoch: int) -> np.ndarray:
        """(sequences, 2) int64: [first, stop) of sentences."""
        begins = np.flatnonzero(np.diff(corpus.sentences[:-1] // max_length, prepend=-1))
        return np.stack([begins, np.append(begins[1:], len(corpus.sentences) - 1)], axis=1)

    def batch(self, corpus: TokenizedCorpus, vocabulary: Vocabulary, rows: np.ndarray, keys: Many[tuple]) -> dict:
        """See `Objective.batch`."""
        random = generator(*keys[0])
        words, sentences, lengths = read_words(corpus, vocabulary, rows)
        kept = random.random(len(words), dtype=np.float32) < self.keep[words]
        window, block = self.objective.window, self.objective.block
        centres, owners = words[kept], sentences[kept]
        reach = (
            random.integers(1, window + 1, len(centres)) if self.objective.dynamic else np.full(len(centres), window)
        )
        cut = blocks(centres, owners, reach, window, block)
        order = random.permutation(len(cut["around"]))
        batch = {name: torch.from_numpy(values[order]) for name, values in cut.items()}
        told = {
            "tokens": torch.from_numpy(words),
            "offsets": torch.from_numpy(offsets(lengths).astype(np.int32)),
            "num_examples": len(rows),
            "counts": {self.objective.architecture: self.objective.predictions(owners, reach)},
        }
        return {**told, **batch, **self.outputs(batch["around"].numpy()[:, window : window + block], random)}

    def outputs(self, centres: np.ndarray, random: np.random.Generator) -> dict:
        """What centres (blocks, L) are told from: noise words, or the branches on the way to each."""
        if self.noise is not None:
            negatives = self.noise.draw((len(centres), SHARED), random)
            return {"negatives": torch.from_numpy(negatives), "negatives_weight": self.objective.negatives / SHARED}
        assert self.tree is not None
        different, rows = np.unique(centres, return_inverse=True)
        nodes, codes = (table[different] for table in self.tree)
        depth = int((nodes >= 0).sum(axis=1).max(initial=1))
        return {
            "ways": torch.from_numpy(rows.reshape(centres.shape)),
            "nodes": torch.from_numpy(nodes[:, :depth]),
            "codes": torch.from_numpy(codes[:, :depth]),
        }

    def figures(self, rows: np.ndarray, batch: dict, vocabulary: Vocabulary) -> dict[str, float]:
        """Of a sample's words, the share that sub-sampling leaves; and of these the predictions of each."""
        kept = int((batch["reach"] > 0).sum())
        asked = batch["counts"][self.objective.architecture]
        return {"kept_share": kept / max(len(batch["tokens"]), 1), "predictions_per_word": asked / max(kept, 1)}

    def yardstick(self) -> "CountedWindows":
        """See `Windows.yardstick`."""
        return CountedWindows(self.objective.yardstick(), self.counts)


def read_words(
    corpus: TokenizedCorpus, vocabulary: Vocabulary, rows: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The words of some sequences, unknown ones among them, the number of each one's sentence, and of each sequence how
    many words it has."""
    lexicon = vocabulary.lexicon
    spans = [corpus.sentences[first : stop + 1] for first, stop in rows]
    tokens = np.concatenate([corpus.tokens[int(span[0]) : int(span[-1])] for span in spans])
    sizes = np.concatenate([np.diff(span) for span in spans])
    first, is_spelled = lexicon.spans(tokens)
    words = np.where(is_spelled, lexicon.unk, tokens[first].astype(np.int64))
    sentences = np.repeat(np.arange(len(sizes)), sizes)[first]
    sequences = np.repeat(np.arange(len(spans)), [len(span) - 1 for span in spans])
    return words, sentences, np.bincount(sequences[sentences], minlength=len(spans))


def blocks(
    words: np.ndarray, sentences: np.ndarray, reach: np.ndarray, window: int, block: int
) -> dict[str, np.ndarray]:
    """Words in the order of a text -> blocks of L = `block` centres; J = L + 2 `window`.

    Returns:
        around: (blocks, J) words; the centres are the L in the middle.
        sentences: (blocks, J) int32, NO_SENTENCE where there is no word.
        reach: (blocks, L), how far each centre's window reaches; 0 where there is no centre.
    """
    number = max(1, -(-len(words) // block))
    room = number * block + 2 * window
    padded = np.zeros(room, dtype=np.int64), np.full(room, NO_SENTENCE, dtype=np.int32)
    for values, own in zip(padded, (words, sentences), strict=True):
        values[window : window + len(words)] = own
    far = np.zeros(number * block, dtype=np.int32)
    far[: len(words)] = reach
    around, owners = (np.lib.stride_tricks.sliding_window_view(v, block + 2 * window)[::block] for v in padded)
    return {"around": around, "sentences": owners, "reach": far.reshape(number, block)}
