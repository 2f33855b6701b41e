"""Tasks asked of a language model that was never trained on them (Radford et al. 2018, section 5 and Figure 2, right).

Each heuristic turns an example into candidates, texts of which some tokens are asked for; a candidate's score is the
mean log-probability of these tokens (`lightning_modules.probing`).

    cola    the sentence itself: acceptable if its tokens are likely enough; the threshold is chosen on held-out rows
    sst2    the sentence and "very negative" or "very positive": the likelier last word
    swag    the context and each ending: the likeliest ending, by its own tokens (the paper: RACE)

The paper does not say what stands before a sentence's first word. Here a full stop does, as in running text.
"""

from collections.abc import Sequence as Many
from dataclasses import replace

import numpy as np
import torch

from datamodules.formats import SequencePair
from datamodules.probes import Cloze
from datamodules.task import Refused, Task
from datamodules.tokenization import Vocabulary

POLES = ("negative", "positive")  # in the order of SST-2's labels
HEURISTICS = ("cola", "sst2", "swag")


class ZeroShot(SequencePair):
    """Lays out a task's example as candidates.

    Args:
        gap: the model's own pre-training objective, which says what it sees of a text and how it is asked.
    """

    def __init__(self, gap: Cloze) -> None:
        if not hasattr(gap, "gap"):
            raise Refused(
                f"text.objective={type(gap).__name__} has no `gap`: transfer=zero_shot asks a language model for words."
            )
        self.gap = gap

    def asked(self, task: Task) -> Task:
        """The task as one that trains nothing.

        Raises:
            Refused: when there is no heuristic for it.
        """
        if task.name not in HEURISTICS:
            raise Refused(f"transfer=zero_shot has no heuristic for {task.name}: it may be {', '.join(HEURISTICS)}.")
        if task.name == "cola" and not getattr(self.gap, "causal", False):
            raise Refused(
                "transfer=zero_shot has no heuristic for cola with a model that sees both sides, from which all of a "
                "sentence would be hidden at once: it may be sst2, swag."
            )
        return replace(task, kind="threshold" if task.name == "cola" else "probes")

    def batch(self, vocabulary: Vocabulary, examples: Many[list[np.ndarray]], task: Task) -> dict:
        """See `SequencePair.batch`; of each example its candidates."""
        found = [self.candidates(vocabulary, fields, task) for fields in examples]
        return {"candidates": found, "index": torch.arange(len(examples))}

    def candidates(self, vocabulary: Vocabulary, fields: list[np.ndarray], task: Task) -> list[dict]:
        """Of each answer, in the labels' order, the text with what is asked of it."""
        stop = vocabulary.ids(".")
        if task.name == "cola":
            asked = [(stop, fields[0])]
        elif task.name == "sst2":
            before = np.concatenate([stop, fields[0], vocabulary.ids("very")])
            asked = [(before, vocabulary.ids(word)) for word in POLES]
        else:
            sentence, beginning, *ends = fields
            asked = [(np.concatenate([stop, sentence, beginning]), end) for end in ends]
        return [self.ask(vocabulary, before, after, task.room) for before, after in asked]

    def ask(self, vocabulary: Vocabulary, before: np.ndarray, after: np.ndarray, room: int) -> dict:
        """A batch that asks for `after`; of a text that is too long the beginning of `before` is left out first."""
        after = after[: room - 3]  # a model may need two special tokens, and one to begin with
        before = before[max(0, len(before) + len(after) - room + 2) :]
        tokens = np.concatenate([before, after]).astype(np.int64)
        return self.gap.gap(vocabulary, tokens, len(before), len(tokens))
