"""Next words (Bengio et al. 2003): each word of a sentence, and its end, from those before it.

A sentence is <S> words </S>, as long as it is: how many of the words before it a model looks at is the model's own.
In training the sentences of a pass are shuffled, and all of a step are scored against the same drawn words, whatever
the number of processes and micro-batches. In evaluation all words are scored.
"""

from collections.abc import Sequence as Many

import numpy as np

from datamodules.bilm import LONGEST, ORDER, between
from datamodules.causal import next_tokens
from datamodules.log_uniform import drawn
from datamodules.masking import generator
from datamodules.shards import TokenizedCorpus
from datamodules.task import Refused, whole
from datamodules.tokenization import Vocabulary
from datamodules.yardstick import Yardstick


class NextWord:
    """Each sentence by itself, in the text's order; `in_streams` is what training reads.

    `data.max_length` does not cut a sentence; bilm.LONGEST does.

    Args:
        negatives: words that a training step is scored against beside the right ones, the same for the whole step;
            None: all. Validation always takes all.
    """

    causal = True

    def __init__(self, negatives: int | None = None) -> None:
        self.negatives = None if negatives is None else whole("text.objective.negatives", negatives)

    def yardstick(self) -> "NextWord":
        """The same, against all words."""
        return NextWord(None)

    def in_streams(self, count: int, vocabulary: Vocabulary) -> "Shuffled":
        """As training reads it, `count` sentences a step."""
        return Shuffled(self, count)

    def plan(self, corpus: TokenizedCorpus, max_length: int, seed: int, epoch: int) -> np.ndarray:
        """(sentences, 2) int64: [first, stop) of each."""
        return np.stack([corpus.sentences[:-1], corpus.sentences[1:]], axis=1)

    def batch(self, corpus: TokenizedCorpus, vocabulary: Vocabulary, rows: np.ndarray, keys: Many[tuple]) -> dict:
        """See `Objective.batch`; an unknown word pays for its own spelling."""
        lexicon = vocabulary.lexicon
        texts = [lexicon.forms(np.asarray(corpus.tokens[first:stop]))[:LONGEST] for first, stop in rows]
        measured = Yardstick.of_forms(lexicon, np.concatenate(texts))
        return {**asked(vocabulary, [lexicon.labels(text) for text in texts]), "measured": {"causal_lm": measured}}

    def figures(self, rows: np.ndarray, batch: dict, vocabulary: Vocabulary) -> dict[str, float]:
        """How many words a sentence asks for, its end included: what a batch of sentences is in words."""
        return {"asked_per_sentence": len(batch["next_labels"]) / len(rows)}

    def gap(self, vocabulary: Vocabulary, tokens: np.ndarray, first: int, stop: int) -> dict:
        """See `probes.Cloze`: the words that tokens[first:stop] belong to; what stands to the right is left out."""
        begins, _ = vocabulary.lexicon.spans(tokens)
        first_word, last_word = begins.searchsorted([first, stop - 1], "right").tolist()  # from 1, <S> being 0
        words = vocabulary.lexicon.counted(tokens)
        text = np.concatenate([[vocabulary.lexicon.bos], words[:last_word]])
        return {**next_tokens([text], first_word), "vocabulary": vocabulary.words}


class Shuffled:
    """The sentences of a pass in an order of its own.

    Rows that come in order (`objectives.InStreams`) know their step, and so may draw what is drawn once for all of it.

    Args:
        objective: whose negatives are drawn.
        count: sentences of a step.
    """

    def __init__(self, objective: NextWord, count: int) -> None:
        self.objective, self.count = objective, count

    def plan(self, corpus: TokenizedCorpus, max_length: int, seed: int, epoch: int) -> np.ndarray:
        """(steps * count, 3) int64: [first, stop) of each sentence, and the number of its step.

        What is left when all steps are full is for another pass.

        Raises:
            Refused: when the text has not enough sentences for a step.
        """
        rows = self.objective.plan(corpus, max_length, seed, epoch)
        order = generator(seed, epoch, corpus.first, ORDER).permutation(len(rows))
        steps = len(rows) // self.count
        if not steps:
            raise Refused(
                f"data.global_batch_size={self.count} is more than the text's sentences: it may be up to {len(rows)}."
            )
        return np.column_stack([rows[order[: steps * self.count]], np.arange(steps).repeat(self.count)])

    def batch(self, corpus: TokenizedCorpus, vocabulary: Vocabulary, rows: np.ndarray, keys: Many[tuple]) -> dict:
        """See `Objective.batch`; without a list of all unknown words, which only validation needs."""
        lexicon = vocabulary.lexicon
        texts = [lexicon.counted(np.asarray(corpus.tokens[first:stop]))[:LONGEST] for first, stop, _ in rows]
        seed, number, row = keys[0]
        key = (seed, number, row >> 32, int(rows[0, 2]))  # the pass, the group and the step
        return {**asked(vocabulary, texts), **drawn(self.objective.negatives, lexicon.words, key)}

    def figures(self, rows: np.ndarray, batch: dict, vocabulary: Vocabulary) -> dict[str, float]:
        """See `NextWord.figures`."""
        return self.objective.figures(rows, batch, vocabulary)

    def yardstick(self) -> NextWord:
        """See `NextWord.yardstick`."""
        return self.objective.yardstick()


def asked(vocabulary: Vocabulary, texts: Many[np.ndarray]) -> dict:
    """Sentences, each (n,) of the vocabulary's words, as a batch that asks for all of them and their ends."""
    batch = next_tokens([between(vocabulary.lexicon, text) for text in texts])
    return {**batch, "vocabulary": vocabulary.words}
