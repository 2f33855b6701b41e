"""Causal language modelling (Radford et al. 2018, equation 1): each token from those before it."""

from collections.abc import Sequence as Many

import numpy as np
import torch

from datamodules import formats
from datamodules.masking import generator
from datamodules.shards import TokenizedCorpus
from datamodules.task import Refused
from datamodules.tokenization import Vocabulary


class CausalLM:
    """Contiguous blocks of a text whose documents follow each other, with nothing between them.

    GPT's vocabulary has no token for a document's end, and its books are long: what a block holds of two documents is
    read as one text. Each epoch begins its blocks elsewhere; each predicts every token once, but for the first of all.
    """

    causal = True

    def yardstick(self) -> "CausalLM":
        """The same."""
        return self

    def plan(self, corpus: TokenizedCorpus, max_length: int, seed: int, epoch: int) -> np.ndarray:
        """(sequences, 2) int64: [first, stop) of each block; what it predicts lies one to the right."""
        stop = len(corpus.tokens) - 1  # the last token is predicted, and predicts nothing
        begin = int(generator(seed, epoch, corpus.first).integers(1, max_length + 1))
        cuts = np.unique(np.minimum([0, *range(begin, stop, max_length), stop], stop))
        return np.stack([cuts[:-1], cuts[1:]], axis=1)

    def batch(self, corpus: TokenizedCorpus, vocabulary: Vocabulary, rows: np.ndarray, keys: Many[tuple]) -> dict:
        """See `Objective.batch`; nothing is drawn."""
        return next_tokens([np.asarray(corpus.tokens[first : stop + 1], dtype=np.int64) for first, stop in rows])

    def figures(self, rows: np.ndarray, batch: dict, vocabulary: Vocabulary) -> dict[str, float]:
        """Of what is predicted, the share that has at least half a block to be predicted from."""
        return {"half_context_share": half_context(batch)}

    def gap(self, vocabulary: Vocabulary, tokens: np.ndarray, first: int, stop: int) -> dict:
        """See `probes.Cloze`: only what stands to the left is seen, so what stands to the right is left out."""
        if first == 0:
            raise Refused("text.objective=CausalLM fills no gap that opens a text: there is nothing to its left.")
        return next_tokens([tokens[:stop]], first)


def half_context(batch: dict) -> float:
    """Of what is asked for, the share that has at least half of the longest sequence to its left."""
    half = (batch["positions"][batch["next_positions"]] + 1) * 2 >= batch["max_length"]
    return half.float().mean().item()


def following(batch: dict) -> dict[str, torch.Tensor]:
    """Of sequences that are read to their ends: each token but the first, asked for by the one before it."""
    is_asked = torch.ones(len(batch["tokens"]), dtype=torch.bool)
    is_asked[batch["offsets"][1:].long() - 1] = False
    asked = is_asked.nonzero().squeeze(1)
    return {"next_positions": asked, "next_labels": batch["tokens"][asked + 1]}


def next_tokens(texts: Many[np.ndarray], first: int = 1) -> dict:
    """Texts without their last tokens as a batch, in which each token from `first` on is asked for by the one before.

    Args:
        texts: each (n + 1,) tokens, n from `first` up.
    """
    sequences = [formats.plain(text[:-1], i) for i, text in enumerate(texts)]
    ragged = formats.ragged(sequences, len(sequences))
    positions = [np.arange(first - 1, len(texts[i]) - 1) + ragged.starts[i] for i in ragged.order]
    labels = np.concatenate([texts[i][first:] for i in ragged.order])
    return {
        **ragged.batch,
        "next_positions": torch.from_numpy(np.concatenate(positions)),
        "next_labels": torch.from_numpy(labels.astype(np.int64)),
        "counts": {"causal_lm": len(labels)},
    }
