"""ELMo's pre-training (Peters et al. 2018, section 3.1): each word from those before it, and from those after it.

In training, as the release has it: the sentences of a pass are shuffled and laid end to end, <S> words </S>, and this
text is cut into as many streams as a batch has sequences. Each batch takes the next `max_length` words of every stream,
and the model goes on from the state that it left the stream in. The backward direction reads streams of its own, the
same sentences with their words reversed. In evaluation each sentence stands by itself.
"""

from collections.abc import Sequence as Many

import numpy as np
import torch

from datamodules import formats
from datamodules.lexicon import Lexicon, in_words, spelled
from datamodules.log_uniform import drawn
from datamodules.masking import generator
from datamodules.shards import TokenizedCorpus, offsets
from datamodules.task import Refused, whole
from datamodules.tokenization import Vocabulary
from datamodules.yardstick import Yardstick

LONGEST = 400  # words of a sentence; of a longer one the rest is left out where it stands by itself
ORDER = 3  # the last part of random keys, apart from the loader's (0), the order of groups (1) and negatives (2)
CHUNK = 1 << 22  # tokens that are looked at together


class BiLM:
    """Both language models of each sentence by itself; `in_streams` is what training reads.

    Args:
        negatives: words that a training batch is scored against beside the right ones, the same for the whole batch;
            None: all. Validation always takes all.
    """

    causal = True  # each word is asked for from one side
    spells = True  # words are read by their letters: there is none that the model does not have

    def __init__(self, negatives: int | None = 8192) -> None:
        self.negatives = None if negatives is None else whole("text.objective.negatives", negatives)

    def yardstick(self) -> "BiLM":
        """The same, against all words."""
        return BiLM(None)

    def in_streams(self, count: int, vocabulary: Vocabulary) -> "Streams":
        """As training reads it, `count` sequences a batch."""
        return Streams(self, count, vocabulary.lexicon)

    def plan(self, corpus: TokenizedCorpus, max_length: int, seed: int, epoch: int) -> np.ndarray:
        """(sequences, 2) int64: [first, stop) of each sentence."""
        return np.stack([corpus.sentences[:-1], corpus.sentences[1:]], axis=1)

    def batch(self, corpus: TokenizedCorpus, vocabulary: Vocabulary, rows: np.ndarray, keys: Many[tuple]) -> dict:
        """See `Objective.batch`."""
        lexicon = vocabulary.lexicon
        texts = [lexicon.forms(np.asarray(corpus.tokens[first:stop]))[:LONGEST] for first, stop in rows]
        return asked(lexicon, texts)

    def figures(self, rows: np.ndarray, batch: dict, vocabulary: Vocabulary) -> dict[str, float]:
        """Of a sample's words, the share of different ones: the char-CNN reads each of them once."""
        return {"distinct_words_share": len(batch["characters"]) / len(batch["tokens"])}

    def gap(self, vocabulary: Vocabulary, tokens: np.ndarray, first: int, stop: int) -> dict:
        """See `probes.Cloze`: the words that tokens[first:stop] belong to, from the left and from the right."""
        lexicon = vocabulary.lexicon
        begins = lexicon.starts(tokens)
        begins[:1] = True  # of a text that is cut inside a word
        number = begins.cumsum()
        return asked(lexicon, [lexicon.forms(tokens)], slice(int(number[first]) - 1, int(number[stop - 1])))


class Streams:
    """The biLM's text as streams; a batch is the next part of every one.

    Args:
        objective: whose negatives are drawn.
        count: streams, B.
    """

    def __init__(self, objective: BiLM, count: int, lexicon: Lexicon) -> None:
        self.objective, self.count, self.lexicon = objective, count, lexicon
        self.sizes: tuple[TokenizedCorpus, np.ndarray] | None = None  # words of each sentence of the corpus at hand

    def plan(self, corpus: TokenizedCorpus, max_length: int, seed: int, epoch: int) -> np.ndarray:
        """(steps * B, 2) int64, all streams of the first step, of the second ...: the stream, its place in the text.

        What is left when every stream has taken as many whole steps is for another pass.

        Raises:
            Refused: when the text has no step for all streams.
        """
        if self.sizes is None or self.sizes[0] is not corpus:
            self.sizes = corpus, words_of_sentences(corpus, self.lexicon)
        self.order = generator(seed, epoch, corpus.first, ORDER).permutation(len(self.sizes[1]))
        self.begins = offsets(self.sizes[1][self.order] + 2)  # where each sentence begins in this pass's text
        self.length = max_length
        words = int(self.begins[-1]) - 1  # the last one is predicted, and predicts nothing
        steps = words // (self.count * max_length)
        if not steps:
            raise Refused(
                f"data.global_batch_size={self.count} streams of data.max_length={max_length} words need more than "
                f"the text's {words} words: they may be fewer, or shorter."
            )
        streams = np.tile(np.arange(self.count), steps)
        return np.stack([streams, (streams * steps + np.arange(steps).repeat(self.count)) * max_length], axis=1)

    def batch(self, corpus: TokenizedCorpus, vocabulary: Vocabulary, rows: np.ndarray, keys: Many[tuple]) -> dict:
        """See `Objective.batch`; all micro-batches of a step, and all ranks, draw the same negatives."""
        texts = self.windows(corpus, rows[:, 1])  # (2, B, length + 1)
        lexicon, (forward, backward) = self.lexicon, texts
        read = formats.ragged([formats.plain(text[:-1], i) for i, text in enumerate(forward)], len(rows)).batch
        characters, (words, other_words) = spelled(lexicon, forward[:, :-1].ravel(), backward[:, :-1].ravel())
        size = len(words)
        *key, row = keys[0]
        return {
            **read,
            "tokens": torch.from_numpy(lexicon.labels(forward[:, :-1].ravel())),
            "words": words,
            "characters": characters,
            "next_labels": torch.from_numpy(lexicon.labels(forward[:, 1:].ravel())),
            "streams": torch.from_numpy(rows[:, 0]),
            "num_streams": self.count,
            "vocabulary": lexicon.words,
            "backward": {
                "words": other_words,
                "next_labels": torch.from_numpy(lexicon.labels(backward[:, 1:].ravel())),
            },
            "counts": {"forward_lm": size, "backward_lm": size},
            **drawn(
                self.objective.negatives, lexicon.words, (*key, row >> 32, (row & 0xFFFFFFFF) // self.count)
            ),  # group, step
        }

    def windows(self, corpus: TokenizedCorpus, places: np.ndarray) -> np.ndarray:
        """(2, B, length + 1) forms: of each place of the text so many words on, of both directions' texts."""
        found = np.empty((2, len(places), self.length + 1), dtype=np.int64)
        for row, place in enumerate(places.tolist()):
            stop = place + self.length + 1
            first, last = self.begins.searchsorted([place, stop - 1], "right") - 1
            texts = [self.sentence(corpus, int(number)) for number in self.order[first : last + 1]]
            cut = slice(place - self.begins[first], stop - self.begins[first])
            found[0, row] = np.concatenate(texts)[cut]
            found[1, row] = np.concatenate([text[::-1] for text in texts])[cut]
        return found

    def sentence(self, corpus: TokenizedCorpus, number: int) -> np.ndarray:
        """<S> words </S>, as forms."""
        first, stop = corpus.sentences[number : number + 2]
        return between(self.lexicon, self.lexicon.forms(np.asarray(corpus.tokens[first:stop])))

    def figures(self, rows: np.ndarray, batch: dict, vocabulary: Vocabulary) -> dict[str, float]:
        """See `BiLM.figures`."""
        return self.objective.figures(rows, batch, vocabulary)

    def yardstick(self) -> BiLM:
        """See `BiLM.yardstick`."""
        return self.objective.yardstick()


def between(lexicon: Lexicon, forms: np.ndarray) -> np.ndarray:
    """<S> and </S> around a sentence."""
    return np.concatenate([[lexicon.bos], forms, [lexicon.eos]])


def asked(lexicon: Lexicon, texts: Many[np.ndarray], part: slice | None = None) -> dict:
    """Sentences as a batch in which both directions are asked for the words in `part` of each.

    None: for all words and the end, which is </S> to the forward direction and <S> to the backward one.
    """
    sequences = [formats.plain(between(lexicon, text), i) for i, text in enumerate(texts)]
    ragged = formats.ragged(sequences, len(sequences))
    batch, forms = ragged.batch, ragged.batch["tokens"].numpy()
    labels = lexicon.labels(forms)
    inner = np.concatenate(
        [np.arange(len(text))[part or slice(None)] + ragged.starts[i] + 1 for i, text in enumerate(texts)]
    )
    measured = Yardstick.of_forms(lexicon, forms[inner])
    offsets = ragged.batch["offsets"].numpy().astype(np.int64)
    following = np.concatenate([inner, offsets[1:] - 1]) if part is None else inner
    previous = np.concatenate([inner, offsets[:-1]]) if part is None else inner
    return {
        **in_words(lexicon, batch),
        "next_positions": torch.from_numpy(following - 1),
        "next_labels": torch.from_numpy(labels[following]),
        "previous_positions": torch.from_numpy(previous + 1),
        "previous_labels": torch.from_numpy(labels[previous]),
        "vocabulary": lexicon.words,
        "counts": {"forward_lm": len(following), "backward_lm": len(previous)},
        "measured": {"forward_lm": measured, "backward_lm": measured},
    }


def words_of_sentences(corpus: TokenizedCorpus, lexicon: Lexicon) -> np.ndarray:
    """(sentences,) how many words each has."""
    before = np.zeros(len(corpus.sentences), dtype=np.int64)  # up to each sentence's begin
    total = 0
    for first in range(0, len(corpus.tokens), CHUNK):
        starts = lexicon.starts(np.asarray(corpus.tokens[first : first + CHUNK]))
        counts = np.concatenate([[0], starts.cumsum()]) + total
        inside = slice(*corpus.sentences.searchsorted([first, first + len(starts)]))
        before[inside] = counts[corpus.sentences[inside] - first]
        total = int(counts[-1])
    before[corpus.sentences == len(corpus.tokens)] = total
    return np.diff(before)
