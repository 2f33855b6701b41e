"""Text to pre-train on: documents of sentences, cut into tokens once and read from disk.

Documents and sentences matter: the next-sentence task needs both (a shuffled list of sentences will not do).
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import cast

import numpy as np
from tokenizers import Tokenizer

from datamodules import sources, text_files
from datamodules.base import TextDataModule, once
from datamodules.corpora import SENTENCES, Layout, find, headed, held_out
from datamodules.loading import BatchLoader, Curriculum, EvaluationLoader
from datamodules.objectives import Objective, TokenizedCorpus
from datamodules.task import Refused, Task, real, whole
from datamodules.tokenization import Vocabulary, WordPiece, encode_all


class Corpus(TextDataModule):
    """Documents for pre-training.

    Args:
        corpus: a name of CORPORA, or a repository `owner/name` or `owner/name:config` whose rows have a column `text`,
            one document each.
        files: one's own .txt files instead: UTF-8, one sentence a line, a blank line between documents.
        objective: cuts and corrupts sequences; the model's yaml chooses it.
        max_length: tokens of a sequence, special ones included.
        validation_sequences: at most so many sequences are evaluated, evenly spread; the same ones every time.
        long_length: length of the sequences in the last `long_share` of all steps (BERT: 512 in the last tenth); None:
            `max_length` to the end. Needs trainer.max_steps.
    """

    def __init__(
        self,
        source: str,
        corpus: str,
        tokenizer: WordPiece,
        objective: Objective,
        max_length: int,
        global_batch_size: int,
        eval_batch_size: int,
        seed: int,
        cache_dir: str,
        files: Sequence[str] | str | None = None,
        validation_sequences: int = 2000,
        long_length: int | None = None,
        long_share: float = 0.1,
        num_workers: int | None = None,
    ) -> None:
        super().__init__(source, tokenizer, global_batch_size, eval_batch_size, seed, cache_dir, num_workers)
        self.objective, self.max_length = objective, whole("data.max_length", max_length, 8)
        self.validation_sequences = whole("data.validation_sequences", validation_sequences)
        self.long_length = None if long_length is None else whole("data.long_length", long_length, 8)
        self.long_share = real("data.long_share", long_share, "above 0 and below 1", lambda share: 0 < share < 1)
        self.files = [files] if isinstance(files, str) else list(files or [])
        self.layout = (
            Layout("", sentences="lines", validation=None)
            if self.files
            else find("miniature" if source == "miniature" else corpus)
        )
        self.task = Task("corpus", "pretraining", test_sets=(), max_length=max(max_length, long_length or 0))

    # ---- text --------------------------------------------------------------------------------------------------------

    def identity(self) -> dict:
        if self.files:
            return {"files": text_files.file_identity(self.files)}
        splits = ["train", *([self.layout.validation] if self.layout.validation else [])]
        read = sources.identity(self.source, self.layout.repository, self.layout.config, splits)
        return {**read, "documents": self.layout.documents, "sentences": self.layout.sentences}

    def texts(self, split: str) -> Iterator[str]:
        """Documents of `train` or `validation`, as text."""
        own = self.layout.validation
        if own is not None:
            yield from self.read("train" if split == "train" else own)
            return
        for text in self.read("train"):
            if held_out(text) == (split == "validation"):
                yield text

    def read(self, split: str) -> Iterator[str]:
        """Documents of a split of the source."""
        if self.files:
            yield from text_files.read_texts(self.files)
            return
        layout = self.layout
        rows = sources.load_rows(self.source, layout.repository, layout.config, split)
        if "text" not in rows.column_names:
            raise Refused(f"{layout.repository} has no column 'text', only {', '.join(rows.column_names)}.")
        texts = (
            text_of(row, number, f"{layout.repository} {split}") for number, row in enumerate(cast("Iterable", rows))
        )
        yield from headed(texts) if layout.documents == "heading" else texts

    def sentences(self, text: str) -> list[str]:
        """A document's sentences, without blank ones."""
        parts = chain.from_iterable(SENTENCES[self.layout.sentences](p) for p in text.split("\n\n"))
        return [part for part in parts if part.strip()]

    def training_texts(self) -> Iterator[str]:
        return chain.from_iterable(self.sentences(text) for text in self.texts("train"))

    # ---- tokens ------------------------------------------------------------------------------------------------------

    def prepare_tokens(self, tokenizer: Tokenizer) -> None:
        directory = self.tokens_dir
        for split in ("train", "validation"):
            once(directory / split, lambda path, split=split: self.tokenize(tokenizer, split, path))
            if len(read_tokens(directory / split)) == 0:
                raise Refused(f"the corpus has no document for {split}: documents are separated by a blank line.")

    def tokenize(self, tokenizer: Tokenizer, split: str, directory: Path) -> None:
        """tokens.npy (raw ids), sentences.npy, documents.npy; memory grows with the number of sentences only."""
        lengths, counts = array("q"), array("q")

        def flat() -> Iterator[str]:
            for text in self.texts(split):
                sentences = self.sentences(text)
                counts.append(len(sentences))
                yield from sentences

        with (directory / "tokens.bin").open("wb") as file:
            for ids in encode_all(tokenizer, flat()):
                file.write(ids.tobytes())
                lengths.append(len(ids))
        # Sentences of nothing but unknown white space have no tokens; they and documents without any are left out.
        sizes = np.frombuffer(lengths, dtype=np.int64) if lengths else np.zeros(0, dtype=np.int64)
        owner = np.repeat(np.arange(len(counts)), np.array(counts, dtype=np.int64))
        kept = np.bincount(owner[sizes > 0], minlength=len(counts))
        np.save(directory / "sentences.npy", np.concatenate([[0], np.cumsum(sizes[sizes > 0])]).astype(np.int64))
        np.save(directory / "documents.npy", np.concatenate([[0], np.cumsum(kept[kept > 0])]).astype(np.int64))
        (directory / "dtype").write_text("uint16" if tokenizer.get_vocab_size() <= 1 << 16 else "int32")

    # ---- batches -----------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        vocabulary = self.vocabulary()
        corpus = read_tokens(self.tokens_dir / "train")
        held = read_tokens(self.tokens_dir / "validation")
        self.train_examples = CorpusExamples(corpus, self.objective, vocabulary, self.max_length, self.seed)
        self.val_examples = CorpusExamples(
            held, self.objective.yardstick(), vocabulary, self.max_length, 0, self.validation_sequences
        )
        self.card = describe(corpus, held, vocabulary)

    def train_dataloader(self) -> BatchLoader | Curriculum:
        first, total = self.train_loader(self.train_examples), self.trainer.max_steps if self.trainer else -1
        if self.long_length is None:
            return first
        if total < 1:
            raise Refused(f"data.long_length={self.long_length} needs a number of steps: trainer.max_steps from 1 up.")
        corpus, vocabulary = self.train_examples.corpus, self.train_examples.vocabulary
        long = CorpusExamples(corpus, self.objective, vocabulary, self.long_length, self.seed)
        return Curriculum(first, self.train_loader(long), round(total * (1 - self.long_share)), total)

    def val_dataloader(self) -> EvaluationLoader:
        return self.eval_loader(self.val_examples)


def text_of(row: dict, number: int, where: str) -> str:
    """A row's text.

    Raises:
        Refused: when it has none.
    """
    if not isinstance(row["text"], str):
        raise Refused(f"{where}, row {number}: 'text' is {row['text']!r}; it may be text only.")
    return row["text"]


class CorpusExamples:
    """A tokenised corpus as the sequences of one epoch."""

    def __init__(
        self,
        corpus: TokenizedCorpus,
        objective: Objective,
        vocabulary: Vocabulary,
        max_length: int,
        seed: int,
        limit: int | None = None,
    ) -> None:
        self.corpus, self.objective, self.vocabulary = corpus, objective, vocabulary
        self.max_length, self.seed, self.limit = max_length, seed, limit
        self.epoch, self.rows = -1, np.zeros((0, 5), dtype=np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def begin(self, epoch: int) -> None:
        if epoch != self.epoch:
            self.rows = self.objective.plan(self.corpus, self.max_length, self.seed, epoch)
            if self.limit and len(self.rows) > self.limit:
                self.rows = self.rows[np.linspace(0, len(self.rows) - 1, self.limit).astype(int)]
            self.epoch = epoch

    def batch(self, rows: np.ndarray, epoch: int) -> dict:
        keys = [(self.seed, epoch, int(row)) for row in rows]
        return self.objective.batch(self.corpus, self.vocabulary, self.rows[rows], keys)


def read_tokens(directory: Path) -> TokenizedCorpus:
    """What `Corpus.tokenize` wrote, memory-mapped."""
    file, dtype = directory / "tokens.bin", (directory / "dtype").read_text()
    tokens = np.memmap(file, dtype=dtype, mode="r") if file.stat().st_size else np.zeros(0, dtype=dtype)
    return TokenizedCorpus(tokens, np.load(directory / "sentences.npy"), np.load(directory / "documents.npy"))


def describe(train: TokenizedCorpus, held: TokenizedCorpus, vocabulary: Vocabulary) -> dict:
    """The data card: sizes, and the two lines that any masked-LM loss is read against (nats per token)."""
    counts = np.bincount(train.tokens, minlength=vocabulary.size)
    shares = counts[counts > 0] / counts.sum()
    return {
        "documents": len(train),
        "sentences": len(train.sentences) - 1,
        "tokens": len(train.tokens),
        "validation_tokens": len(held.tokens),
        "vocabulary": vocabulary.size,
        "vocabulary_used": int((counts > 0).sum()),
        "unknown_share": float(counts[vocabulary.unk] / counts.sum()),
        "ln_vocabulary": float(np.log(vocabulary.size)),
        "unigram_entropy": float(-(shares * np.log(shares)).sum()),
    }
