"""How examples are laid out as sequences, and how sequences become a batch (its keys: lightning_modules/base.py).

Sequences travel ragged: end to end, sorted by length, without padding. Equal lengths become neighbours, so that
attention is one dense call per length.
"""

from collections.abc import Iterator
from collections.abc import Sequence as Many
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from tokenizers import Tokenizer

from datamodules.lexicon import in_words
from datamodules.tagged import Words, where_tags_stand, words_of_lines
from datamodules.task import OBJECTIVES, Task, one_of
from datamodules.tokenization import Vocabulary


@dataclass
class Sequence:
    """One laid-out sequence of n tokens.

    Attributes:
        tokens, segments: (n,) integers.
        summary: the position that stands for the whole sequence.
        example: the number, within the batch, of the example that it belongs to.
        choice: which of the example's choices it is.
        part: which text of the example (or choice) it is, where each is a sequence by itself.
    """

    tokens: np.ndarray
    segments: np.ndarray
    summary: int = 0
    example: int = 0
    choice: int = 0
    part: int = 0


@dataclass
class Ragged:
    """A batch under construction: `batch` is what the model reads, `order` the sequences' order in it."""

    batch: dict
    order: list[int] = field(default_factory=list)
    starts: dict[int, int] = field(default_factory=dict)  # sequence number -> its first position in (N,)


def ragged(sequences: Many[Sequence], num_examples: int) -> Ragged:
    """Lay sequences end to end, shortest first; sequences of equal length keep their order."""
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i].tokens))
    lengths = [len(sequences[i].tokens) for i in order]
    offsets = np.zeros(len(order) + 1, dtype=np.int32)
    np.cumsum(lengths, out=offsets[1:])
    starts = offsets[:-1].astype(np.int64)
    tokens = np.concatenate([sequences[i].tokens for i in order]).astype(np.int64)
    batch = {
        "tokens": torch.from_numpy(tokens),
        "positions": torch.from_numpy(np.arange(len(tokens)) - np.repeat(starts, lengths)),
        "segments": torch.from_numpy(np.concatenate([sequences[i].segments for i in order]).astype(np.int64)),
        "offsets": torch.from_numpy(offsets),
        "example": torch.tensor([sequences[i].example for i in order]),
        "choice": torch.tensor([sequences[i].choice for i in order]),
        "part": torch.tensor([sequences[i].part for i in order]),
        "summary": torch.from_numpy(starts + np.array([sequences[i].summary for i in order])),
        "runs": runs_of(np.array(lengths)),
        "max_length": lengths[-1],
        "num_examples": num_examples,
        "counts": {},
    }
    return Ragged(batch, order, dict(zip(order, starts.tolist(), strict=True)))


def runs_of(lengths: np.ndarray) -> list[tuple[int, int]]:
    """Of sequences that lie shortest first, how many have each length: [(count, length)]."""
    values, counts = np.unique(lengths, return_counts=True)
    return list(zip(counts.tolist(), values.tolist(), strict=True))


def pack_pair(vocabulary: Vocabulary, a: np.ndarray, b: np.ndarray | None, example: int = 0) -> Sequence:
    """[CLS] a [SEP], or [CLS] a [SEP] b [SEP] with segments 0...0 1...1."""
    parts = (
        [[vocabulary.cls], a, [vocabulary.sep]]
        if b is None
        else [[vocabulary.cls], a, [vocabulary.sep], b, [vocabulary.sep]]
    )
    tokens = np.concatenate([np.asarray(part, dtype=np.int64) for part in parts])
    segments = np.zeros(len(tokens), dtype=np.int64)
    if b is not None:
        segments[len(a) + 2 :] = 1
    return Sequence(tokens, segments, example=example)


def plain(tokens: np.ndarray, example: int = 0) -> Sequence:
    """Tokens and nothing else; the last one, which has seen all, stands for them."""
    return Sequence(tokens, np.zeros(len(tokens), dtype=np.int64), len(tokens) - 1, example)


def truncate_longest(parts: list[np.ndarray], room: int) -> list[np.ndarray]:
    """Cut the end of the longest part, token by token, until all fit `room` (run_classifier.py; ties cut the last)."""
    lengths = [len(part) for part in parts]
    while sum(lengths) > room:
        longest = max(range(len(lengths)), key=lambda i: (lengths[i], i))
        lengths[longest] -= 1
    return [part[:length] for part, length in zip(parts, lengths, strict=True)]


class SequencePair:
    """BERT's layout of a task's example: [CLS] text [SEP], or [CLS] text [SEP] other text [SEP].

    Args:
        objective: the model's. [CLS] stands for a sequence; of `ltr`, where it has seen nothing, the last [SEP] does.
    """

    def __init__(self, objective: str = "masked_lm") -> None:
        self.is_causal = one_of("text.format.objective", objective, OBJECTIVES) == "ltr"

    def asked(self, task: Task) -> Task:
        """The task as this layout puts it to a model: the same."""
        return task

    def sequences(
        self, vocabulary: Vocabulary, texts: list[np.ndarray], task: Task, example: int = 0
    ) -> list[Sequence]:
        """The sequences, each of at most `task.room`, of one or two texts' token ids."""
        texts = truncate_longest(texts, task.room - 1 - len(texts))
        sequence = pack_pair(vocabulary, texts[0], texts[1] if len(texts) > 1 else None, example)
        return [replace(sequence, summary=len(sequence.tokens) - 1) if self.is_causal else sequence]

    def margins(self, vocabulary: Vocabulary) -> tuple[int, int]:
        """How many tokens stand before and after a single text."""
        return 1, 1

    def choices(self, fields: list[np.ndarray]) -> list[list[np.ndarray]]:
        """The two texts of each choice, from a sentence, a beginning and its ends: the sentence, and a whole other."""
        sentence, beginning, *ends = fields
        return [[sentence, np.concatenate([beginning, end])] for end in ends]

    def laid_out(self, vocabulary: Vocabulary, examples: Many[list[np.ndarray]], task: Task) -> list[Sequence]:
        """The sequences of examples' token ids, one example after the other."""
        return [
            replace(sequence, choice=choice)
            for i, fields in enumerate(examples)
            for choice, texts in enumerate(self.choices(fields) if task.kind == "choice" else [fields])
            for sequence in self.sequences(vocabulary, texts, task, i)
        ]

    def batch(self, vocabulary: Vocabulary, examples: Many[list[np.ndarray]], task: Task) -> dict:
        """Examples' token ids -> a batch; `index` numbers the examples from 0."""
        batch = ragged(self.laid_out(vocabulary, examples, task), len(examples)).batch
        batch["index"] = torch.arange(len(examples))
        batch["counts"] = {"task": len(examples)}
        return batch

    def batch_of_words(self, vocabulary: Vocabulary, texts: Many[Words], task: Task) -> dict:
        """Texts that come as words -> a batch, with where their tags stand."""
        batch = self.batch(vocabulary, [[text.ids] for text in texts], task)
        return where_tags_stand(vocabulary, batch, texts, self.margins(vocabulary), task)

    def batch_of_texts(self, tokenizer: Tokenizer, examples: Many[tuple[str, ...]], task: Task) -> dict:
        """Raw texts, in the task's columns -> a batch."""
        vocabulary = Vocabulary.of(tokenizer)
        if task.kind == "tags":
            return self.batch_of_words(vocabulary, words_of_lines(tokenizer, [line for (line,) in examples]), task)
        return self.batch(vocabulary, [[vocabulary.ids(text) for text in example] for example in examples], task)

    def batches_of_texts(
        self, tokenizer: Tokenizer, examples: Many[tuple[str, ...]], task: Task, size: int
    ) -> Iterator[dict]:
        """The same in batches of `size`; of spans these are windows, and `asked` numbers the examples."""
        if task.kind == "span":
            from datamodules.squad_windows import batches_of_texts  # it is built on this file

            yield from batches_of_texts(self, tokenizer, examples, task, size)
        else:
            for first in range(0, len(examples), size):
                yield self.batch_of_texts(tokenizer, examples[first : first + size], task)


class Sentences(SequencePair):
    """Each text of an example is a sequence by itself (transfer=features), between its vocabulary's own marks, if any.

    The marks, [CLS] and [SEP] or <S> and </S>, are for the encoder; a task's network reads what is between them. A text
    of no token, which there is in QQP, is one unknown token.
    """

    MARKS = (("cls", "sep"), ("bos", "eos"))

    def __init__(self) -> None:
        super().__init__()

    def marks(self, vocabulary: Vocabulary) -> list[list[int]]:
        """What stands before and after each text."""
        for roles in self.MARKS:
            if set(roles) <= set(vocabulary.specials):
                return [[vocabulary.specials[role]] for role in roles]
        return [[], []]

    def margins(self, vocabulary: Vocabulary) -> tuple[int, int]:
        before, after = self.marks(vocabulary)
        return len(before), len(after)

    def sequences(
        self, vocabulary: Vocabulary, texts: list[np.ndarray], task: Task, example: int = 0
    ) -> list[Sequence]:
        before, after = self.marks(vocabulary)
        found = []
        for part, text in enumerate(texts):
            inner = vocabulary.read(text)[: task.room - len(before) - len(after)]
            tokens = np.concatenate([before, inner, after]).astype(np.int64)
            found.append(replace(plain(tokens, example), summary=0 if before else len(tokens) - 1, part=part))
        return found

    def batch(self, vocabulary: Vocabulary, examples: Many[list[np.ndarray]], task: Task) -> dict:
        """See `SequencePair.batch`; with the positions that are text."""
        batch = super().batch(vocabulary, examples, task)
        if vocabulary.has_words:
            batch = in_words(vocabulary.lexicon, batch)
        before, after = map(len, self.marks(vocabulary))
        offsets = batch["offsets"].numpy()
        is_text = np.ones(offsets[-1], dtype=bool)
        if before:
            is_text[offsets[:-1]] = is_text[offsets[1:] - 1] = False
        batch["text"] = torch.from_numpy(np.flatnonzero(is_text))
        batch["text_runs"] = runs_of(lengths := batch["offsets"].diff().numpy() - before - after)
        if task.kind == "span":
            batch["part_runs"] = tuple(runs_of(lengths[batch["part"].numpy() == part]) for part in (0, 1))
        batch["counts"]["mix_l2"] = len(examples)
        return batch
