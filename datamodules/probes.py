"""Probes: which of two words fits a gap. They ask what a model has learned already, and train nothing.

Each is tagged with the place of the word that decides it (datamodules/miniature/probes.py). A candidate is put into the
gap and the whole text is cut, so that any tokenizer will do; the objective of the model hides it again, in its own way.
"""

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from tokenizers import Tokenizer

from datamodules.base import TextDataModule
from datamodules.ceilings import PROBES, ceilings
from datamodules.loading import EvaluationLoader
from datamodules.miniature import WORLD
from datamodules.miniature.probes import CUES, GAP, Probe, probes
from datamodules.sources import MINIATURE_SEED
from datamodules.task import Refused, Task, one_of, whole
from datamodules.tokenization import Subwords, Vocabulary


class Cloze(Protocol):
    """What probes need of a pre-training objective."""

    def gap(self, vocabulary: Vocabulary, tokens: np.ndarray, first: int, stop: int) -> dict:
        """A batch whose only targets are tokens[first:stop], in what the model may see of the others.

        Its `counts` name the losses that are about these targets.
        """
        ...


class Probes(TextDataModule):
    """The miniature's probes.

    Args:
        gap: the pre-training objective, which lays out a gap; the model's yaml chooses it.
        max_length: tokens of a sequence, special ones included; a longer probe is refused, for a cut may take its cue.
    """

    def __init__(
        self,
        source: str,
        tokenizer: Subwords,
        gap: Cloze,
        max_length: int,
        eval_batch_size: int,
        cache_dir: str,
    ) -> None:
        super().__init__(one_of("data.source", source, ("miniature",)), tokenizer, 1, eval_batch_size, 0, cache_dir)
        if not hasattr(gap, "gap"):
            raise Refused(
                f"text.objective={type(gap).__name__} has no `gap`: data=probes needs one that lays out a gap."
            )
        self.gap, self.max_length = gap, whole("data.max_length", max_length, 8)
        self.task = Task(
            PROBES, "probes", 2, ("first", "second"), ("accuracy",), "accuracy", (PROBES,), max_length=max_length
        )
        self.selection, self.checkpoint = "nothing is trained", "none"
        self.probes = probes(MINIATURE_SEED)

    def identity(self) -> dict:
        return {"source": "miniature", "repository": PROBES, "world": WORLD, "seed": MINIATURE_SEED}

    def training_texts(self) -> Iterator[str]:
        """Of a model from scratch, which has no tokenizer: then any will do, and these words are cut least."""
        return (probe.text.replace(GAP, word) for probe in self.probes for word in probe.candidates)

    def prepare_tokens(self, tokenizer: Tokenizer) -> None:
        """Nothing is kept: cutting them takes a moment. A probe that is too long is refused here."""
        texts = [probe.text.replace(GAP, word) for probe in self.probes for word in probe.candidates]
        longest = 2 + max(len(one) for one in tokenizer.encode_batch_fast(texts, add_special_tokens=False))
        if longest > self.max_length:
            raise Refused(f"data.max_length={self.max_length} cuts the longest probe: it may be from {longest} up.")

    def setup(self, stage: str) -> None:
        self.examples = ProbeExamples(self.probes, self.gap, self.load_tokenizer(), self.vocabulary())
        self.card = {PROBES: len(self.probes), **ceilings(self.source, self.task, CUES)}

    def parts(self, test_set: str) -> dict[str, list[int]]:
        """Places of the cue, words of the training sets of other tasks and words of none, and both at once."""
        found: dict[str, list[int]] = {cue: [] for cue in CUES}
        for number, probe in enumerate(self.probes):
            for part in (probe.cue, probe.words, f"{probe.cue}/{probe.words}"):
                found.setdefault(part, []).append(number)
        return found

    def test_dataloader(self) -> list[EvaluationLoader]:
        return [self.eval_loader(self.examples)]


class ProbeExamples:
    """Probes as batches of one candidate each, the candidates of a probe in the order of the alphabet."""

    def __init__(self, probes: list[Probe], gap: Cloze, tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
        self.probes, self.objective, self.tokenizer, self.vocabulary = probes, gap, tokenizer, vocabulary

    def __len__(self) -> int:
        return len(self.probes)

    def begin(self, epoch: int) -> None:
        """Nothing is drawn."""

    def candidate(self, probe: Probe, word: str) -> dict:
        """The text with a word in its gap, of which the tokens that overlap the gap are asked for."""
        start = probe.text.index(GAP)
        cut = self.tokenizer.encode(probe.text.replace(GAP, word), add_special_tokens=False)
        inside = [at for at, (a, b) in enumerate(cut.offsets) if a < start + len(word) and b > start]
        return self.objective.gap(self.vocabulary, np.array(cut.ids), inside[0], inside[-1] + 1)

    def batch(self, rows: np.ndarray, epoch: int) -> dict:
        asked = [self.probes[row] for row in rows]
        ordered = [sorted(probe.candidates) for probe in asked]
        return {
            "candidates": [
                [self.candidate(p, word) for word in words] for p, words in zip(asked, ordered, strict=True)
            ],
            "labels": torch.tensor([words.index(p.candidates[0]) for p, words in zip(asked, ordered, strict=True)]),
            "index": torch.from_numpy(rows),
        }
