"""Vectors of words by themselves: how alike people find two words, and analogies (Mikolov et al. 2013, section 4).

Nothing is trained. Of every model the same is asked: of a model of words its vectors, of BERT and GPT the mean of the
input embeddings of a word's pieces, of ELMo what its CNN makes of the letters.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from datamodules import word_sets
from datamodules.base import TextDataModule
from datamodules.inventory import Inventory, read_list
from datamodules.task import GENERATED, WORD_VECTORS, Refused, Task, one_of, whole
from datamodules.tokenization import Subwords
from datamodules.word_sets import DEFAULT, WordSets

CANDIDATES = 30000  # the C program's demo
TEST_SET = "words"


class Bench:
    """Sets of words as a model is asked them: rows of its inventory.

    Attributes:
        pairs: of each set (n, 3) int64: the number of a pair both of whose words the model has, and their rows.
        questions: (n, 5) int64: the number of a question all of whose words are candidates, and their rows.
        is_generated: whether the words are the miniature's.
    """

    def __init__(self, sets: WordSets, inventory: Inventory, is_generated: bool, batch_size: int) -> None:
        self.sets, self.inventory, self.is_generated, self.batch_size = sets, inventory, is_generated, batch_size
        find, answer = inventory.row, inventory.candidate
        self.pairs = {name: covered([map(find, pair[:2]) for pair in pairs]) for name, pairs in sets.pairs.items()}
        self.pairs = {name: rows.reshape(-1, 3) for name, rows in self.pairs.items()}
        self.questions = covered([map(answer, question[1:]) for question in sets.questions]).reshape(-1, 5)

    def batches(self) -> Iterator[dict]:
        """All words of the inventory."""
        return self.inventory.batches(self.batch_size)

    def card(self) -> dict[str, Any]:
        """For the record: what there was to ask, and what of it the model has the words for."""
        return {
            "listed_words": self.inventory.listed,
            "candidates": self.inventory.candidates,
            "pairs": {name: len(pairs) for name, pairs in self.sets.pairs.items()},
            "pairs_covered": {name: len(rows) for name, rows in self.pairs.items()},
            "questions": len(self.sets.questions),
            "questions_covered": len(self.questions),
        }


def covered(asked: Sequence[Iterator[int | None]]) -> np.ndarray:
    """Of each thing that is asked its words' rows -> (number, row, row, ...) of those without None."""
    rows = [(number, *words) for number, words in enumerate(map(tuple, asked)) if None not in words]
    return np.array(rows, dtype=np.int64)


def answered(answer: str, right: str, cosine: list[float]) -> tuple[str, float, int]:
    """The end of an analogy's line; a word is right in any case."""
    return answer, cosine[0], int(answer.upper() == right.upper())


class WordVectors(TextDataModule):
    """Likeness and analogies.

    The headline is the accuracy on all analogies whose words are known, in percent: the number of the papers' tables.
    Without analogies it is the mean of the sets' Spearman correlations.

    Args:
        sets: names of word_sets.SIMILARITY and ANALOGIES; None: DEFAULT. The miniature has its own.
        files: one's own sets instead; the columns say which kind they are.
        reads: the pre-training objective; it says whether the model reads words by their letters (`spells`).
        candidates: an analogy's words and its answer are among the first so many words; None: all.
        vocabulary: whose words are the candidates (see inventory.LISTS), the same for every model; None: the model's.
        eval_batch_size: words at a time.
    """

    def __init__(
        self,
        source: str,
        tokenizer: Subwords,
        reads: Any,
        eval_batch_size: int,
        cache_dir: str,
        sets: Sequence[str] | None = None,
        files: Sequence[str] | str | None = None,
        candidates: int | None = CANDIDATES,
        vocabulary: str | None = None,
    ) -> None:
        super().__init__(source, tokenizer, 1, eval_batch_size, 0, cache_dir)
        self.names = [sets] if isinstance(sets, str) else list(DEFAULT if sets is None else sets)
        for name in self.names:
            one_of("a name of data.sets", name, (*word_sets.SIMILARITY, *word_sets.ANALOGIES))
        if not self.names:
            raise Refused(f"data.sets=[] leaves nothing to ask: it may be null, or some of {', '.join(DEFAULT)}.")
        self.files = [files] if isinstance(files, str) else list(files or [])
        self.spells = bool(getattr(reads, "spells", False))
        self.candidates = None if candidates is None else whole("data.candidates", candidates, 4)
        self.listed = vocabulary
        self.selection, self.checkpoint = "nothing is trained", "none"
        self.task = Task("word_vectors", WORD_VECTORS, headline="analogies", test_sets=(TEST_SET,))

    def identity(self) -> dict:
        return word_sets.identity(self.source, self.names, self.files)

    def training_texts(self) -> Iterator[str]:
        """Of a model from scratch, which has no tokenizer: then any will do, and these words are cut least."""
        sets = word_sets.read(self.source, self.names, self.files)
        yield from (word for pairs in sets.pairs.values() for pair in pairs for word in pair[:2])
        yield from (word for question in sets.questions for word in question[1:])

    def prepare_tokens(self, tokenizer: Tokenizer) -> None:
        """Nothing is kept; but what cannot be asked is refused here."""
        self.setup("test")

    def setup(self, stage: str) -> None:
        if self.card:
            return
        sets = word_sets.read(self.source, self.names, self.files)
        listed = None if self.listed is None else read_list(self.listed)
        inventory = Inventory(self.load_tokenizer(), self.spells, self.candidates, listed)
        self.bench = Bench(sets, inventory, self.source in GENERATED and not self.files, self.eval_batch_size)
        self.card = self.bench.card()
        self.check()
        if not sets.questions:
            self.task = replace(self.task, headline="similarity/mean")

    def table(self, test_set: str, rows: Sequence[tuple]) -> list[str]:
        """See `TextDataModule.table`: all pairs or questions; of those that were not asked the answers are blank."""
        sets, found = self.bench.sets, {row[0]: row[1:] for row in rows}
        if test_set == "similarity":
            head: tuple = ("index", "set", "word1", "word2", "score", "cosine")
            asked = [(name, *pair) for name, pairs in sets.pairs.items() for pair in pairs]
            ends = [(found[number][0],) if number in found else ("",) for number in range(len(asked))]
        else:
            head = ("index", "section", "a", "b", "c", "d", "answer", "cosine", "right")
            asked = [tuple(question) for question in sets.questions]
            ends = [answered(*found[number]) if number in found else ("",) * 3 for number in range(len(asked))]
        lines = [(number, *row, *end) for number, (row, end) in enumerate(zip(asked, ends, strict=True))]
        return ["\t".join(map(str, line)) for line in (head, *lines)]

    def check(self) -> None:
        """Raises Refused where nothing of what is asked can be: no number would come of it."""
        sets, known = self.bench.sets, self.bench.inventory.candidates
        if sets.questions and not len(self.bench.questions):
            raise Refused(
                f"data=word_vectors: of {len(sets.questions):,} analogies none has all its words among the model's "
                f"{known:,} candidates; data.candidates may be more, data.vocabulary another, or data.sets without "
                f"analogies."
            )
        if sets.pairs and max(map(len, self.bench.pairs.values())) < 2:
            number = sum(map(len, sets.pairs.values()))
            raise Refused(
                f"data=word_vectors: of {number:,} pairs of words the model has not two in any set; init_from may be "
                f"a model of these words, or data.sets without {', '.join(sets.pairs)}."
            )
