"""GPT's layout of a task's example (Radford et al. 2018, section 3.3 and Figure 1): one ordered sequence of tokens.

    start text extract                    one text
    start text delimiter other extract    two; where neither comes first, in the other order as well
    start context delimiter end extract   each end of a choice

The three tokens are new with a task: their rows follow those of the vocabulary. What has been read at `extract` stands
for the sequence; the two orders of an example are added there (`heads.py`).
"""

from collections.abc import Sequence as Many

import numpy as np
import torch

from datamodules.causal import following
from datamodules.formats import Sequence, SequencePair, plain, truncate_longest
from datamodules.task import Task, whole
from datamodules.tokenization import Vocabulary

SPECIALS = ("start", "delimiter", "extract")


class Traversal(SequencePair):
    """GPT's format.

    Args:
        first_special: the id of `start`; the other two follow it. The number of the model's own token rows.
    """

    def __init__(self, first_special: int) -> None:
        super().__init__("ltr")  # sees to the left only
        first = whole("text.format.first_special", first_special)
        self.start, self.delimiter, self.extract = range(first, first + len(SPECIALS))

    def sequences(
        self, vocabulary: Vocabulary, texts: list[np.ndarray], task: Task, example: int = 0
    ) -> list[Sequence]:
        texts = truncate_longest(texts, task.room - 1 - len(texts))
        orders = [texts, texts[::-1]] if task.symmetric else [texts]
        return [plain(self.traverse(order), example) for order in orders]

    def choices(self, fields: list[np.ndarray]) -> list[list[np.ndarray]]:
        """The context, and each end."""
        sentence, beginning, *ends = fields
        return [[np.concatenate([sentence, beginning]), end] for end in ends]

    def traverse(self, texts: list[np.ndarray]) -> np.ndarray:
        """One or two texts between the special tokens."""
        first, *second = texts
        between = [np.concatenate([[self.delimiter], text]) for text in second]
        return np.concatenate([[self.start], first, *between, [self.extract]])

    def batch(self, vocabulary: Vocabulary, examples: Many[list[np.ndarray]], task: Task) -> dict:
        """See `SequencePair.batch`; with the targets of the auxiliary LM, whose loss is a mean over sequences of each
        one's mean over its tokens (the released code)."""
        batch = super().batch(vocabulary, examples, task)
        lengths = np.diff(batch["offsets"].numpy()) - 1
        batch |= following(batch)
        batch["next_weights"] = torch.from_numpy(np.repeat(1 / lengths, lengths).astype(np.float32))
        batch["counts"]["auxiliary_lm"] = len(lengths)
        return batch
