"""A tokenised corpus as sequences, planned a group of shards at a time; and what there is to say of it."""

from typing import Protocol

import numpy as np

from datamodules.masking import generator
from datamodules.objectives import Objective, Rereads
from datamodules.shards import Split, TokenizedCorpus
from datamodules.tokenization import Vocabulary
from datamodules.yardstick import Yardstick

SAMPLE = 1000  # sequences that the data card looks at


class Groups(Protocol):
    """Parts of a corpus that fit in memory, planned: a prepared split, or a list."""

    def __len__(self) -> int: ...

    def __getitem__(self, number: int, /) -> TokenizedCorpus: ...


class CorpusExamples:
    """The sequences of one group. To a loader each group of each pass over the corpus is an epoch of its own.

    A pass takes the groups in an order of its own. What is drawn depends on (seed, pass, document or sequence) alone.

    Args:
        limit: sequences at most, evenly spread.
        equal_words: a pass reads no more words than the text has: where the objective reads some twice, sequences are
            left out, evenly spread.
    """

    def __init__(
        self,
        groups: Groups,
        objective: Objective,
        vocabulary: Vocabulary,
        max_length: int,
        seed: int,
        limit: int | None = None,
        yardstick: Yardstick | None = None,
        equal_words: bool = False,
    ) -> None:
        self.groups, self.objective, self.vocabulary = groups, objective, vocabulary
        self.max_length, self.seed, self.limit, self.yardstick = max_length, seed, limit, yardstick
        self.equal_words = equal_words
        self.epoch, self.group, self.rows = -1, -1, np.zeros((0, 5), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def place(self, epoch: int) -> tuple[int, int]:
        """The pass and the group that a loader's epoch is."""
        number, turn = divmod(epoch, len(self.groups))
        return number, int(generator(self.seed, number, 1).permutation(len(self.groups))[turn])

    def begin(self, epoch: int) -> None:
        if epoch == self.epoch:
            return
        number, group = self.place(epoch)
        if group != self.group:
            self.corpus, self.group = self.groups[group], group
        self.rows = self.objective.plan(self.corpus, self.max_length, self.seed, number)
        most = self.limit or len(self.rows)
        if self.equal_words:
            most = min(most, round(len(self.rows) / self.readings()))
        if len(self.rows) > most:
            self.rows = self.rows[np.linspace(0, len(self.rows) - 1, most).astype(int)]
        self.epoch = epoch

    def readings(self) -> float:
        """How often a pass reads the text's tokens, on average: more than once where random segments are read."""
        if not isinstance(self.objective, Rereads):
            return 1.0
        return self.objective.tokens_read(self.rows) / len(self.corpus.tokens)

    def batch(self, rows: np.ndarray, epoch: int) -> dict:
        number, group = self.place(epoch)
        keys = [(self.seed, number, int(row) + (group << 32)) for row in rows]
        batch = self.objective.batch(self.corpus, self.vocabulary, self.rows[rows], keys)
        if self.yardstick and "next_labels" in batch and "measured" not in batch:
            batch["measured"] = {"causal_lm": self.yardstick(batch["next_labels"].numpy())}
        return batch

    def figures(self) -> dict[str, float]:
        """What the objective makes of the text, measured on a fixed sample of the first epoch."""
        self.begin(0)
        sample = np.unique(np.linspace(0, len(self.rows) - 1, SAMPLE).astype(int))
        batch = self.batch(sample, 0)
        fill = len(batch["tokens"]) / (len(batch["offsets"]) - 1) / self.max_length
        told = {"fill_ratio": fill, "readings": self.readings()}
        return {**told, **self.objective.figures(self.rows[sample], batch, self.vocabulary)}


def describe(train: Split, held: Split, vocabulary: Vocabulary, yardstick: Yardstick) -> dict:
    """The data card: sizes, and the two lines that any loss per token is read against (nats)."""
    counts = train.histogram
    shares = counts[counts > 0] / counts.sum()
    return {
        **{name: train.total(name) for name in ("documents", "sentences", "words", "tokens")},
        "validation_tokens": held.total("tokens"),
        **yardstick.card,
        "vocabulary": vocabulary.words,
        "vocabulary_used": int((counts > 0).sum()),
        "unknown_share": float(counts[vocabulary.unk] / counts.sum()),
        "ln_vocabulary": float(np.log(vocabulary.words)),
        "unigram_entropy": float(-(shares * np.log(shares)).sum()),
    }
