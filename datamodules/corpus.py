"""Text to pre-train on: documents of sentences, cut into tokens once and read from disk.

Documents and sentences matter: the next-sentence task needs both (a shuffled list of sentences will not do).
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import cast

from tokenizers import Tokenizer

from datamodules import sources, text_files
from datamodules.base import TextDataModule
from datamodules.corpora import PUNCTUATION, choose, divided, headed, sentences
from datamodules.corpus_examples import CorpusExamples, Groups, describe
from datamodules.loading import BatchLoader, Curriculum, EvaluationLoader, Passes
from datamodules.objectives import InStreams, Objective
from datamodules.preparation import Cutter, prepare, progress, watched
from datamodules.shards import ShardWriter, Split
from datamodules.task import GENERATED, Refused, Task, real, whole
from datamodules.tokenization import Subwords, Vocabulary, id_type, kind_of
from datamodules.yardstick import Yardstick

SHARDS = "shards-2"  # the layout's version: another one is prepared anew
WAYS = {  # what to do about too few documents, for rows and for one's own files
    False: "it may have at least two, one a row",
    True: "data.documents says where they end (blank_line, line or file), and there may be at least two",
}


class Corpus(TextDataModule):
    """Documents for pre-training.

    Args:
        corpus: a name of CORPORA, or a repository `owner/name` or `owner/name:config` whose rows have a column `text`,
            one document each.
        files: one's own .txt files instead: UTF-8.
        documents: where a document ends, None: as docs/formats.md says of the corpus. Rows: row | heading. One's own
            files: blank_line | line | file.
        sentences: the rule that splits documents, None: the corpus's own. lines | punctuation | words.
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
        tokenizer: Subwords,
        objective: Objective,
        max_length: int,
        global_batch_size: int,
        eval_batch_size: int,
        seed: int,
        cache_dir: str,
        files: Sequence[str] | str | None = None,
        documents: str | None = None,
        sentences: str | None = None,
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
        self.layout = choose("miniature" if source in GENERATED else corpus, bool(self.files), documents, sentences)
        self.task = Task("corpus", "pretraining", test_sets=(), max_length=max(max_length, long_length or 0))

    # ---- text --------------------------------------------------------------------------------------------------------

    def identity(self) -> dict:
        rule = self.layout.sentences
        read = {"documents": self.layout.documents, "sentences": rule, "validation": self.layout.validation}
        if rule == "punctuation":
            read["sentences"] = f"{rule} {PUNCTUATION}"
        if self.files:
            return {"files": text_files.file_identity(self.files), **read}
        splits = ["train", *([self.layout.validation] if self.layout.validation else [])]
        return {**sources.identity(self.source, self.layout.repository, self.layout.config, splits), **read}

    def read(self, split: str, what: str) -> Iterator[str]:
        """Documents of a split of the source; a progress bar says `what` that is for."""
        if self.files:
            bar = progress(what, "B", text_files.size_of(self.files))
            texts = text_files.read_texts(self.files, self.layout.documents)
            yield from watched(texts, bar, lambda text: len(text.encode()))
            return
        layout = self.layout
        rows = sources.load_rows(self.source, layout.repository, layout.config, split)
        if "text" not in rows.column_names:
            raise Refused(f"{layout.repository} has no column 'text', only {', '.join(rows.column_names)}.")
        bar = progress(what, "row", getattr(rows, "num_rows", None))  # generated rows: nobody knows
        texts = (
            text_of(row, number, f"{layout.repository} {split}")
            for number, row in enumerate(watched(cast("Iterable", rows), bar))
        )
        yield from headed(texts) if layout.documents == "heading" else texts

    def training_texts(self) -> Iterator[str]:
        texts = self.read("train", "learning the vocabulary")
        if self.layout.validation:
            return texts
        training = (text for split, text in divided(texts) if split == "train")
        if (first := next(training, None)) is None:
            raise self.lacking("train")
        return chain([first], training)

    # ---- tokens ------------------------------------------------------------------------------------------------------

    def prepare_tokens(self, tokenizer: Tokenizer) -> None:
        """Splits that lie apart are read one by one; one that is held out of the other is written beside it."""
        own, what = self.layout.validation, "cutting into tokens"
        if own is None:
            self.write(tokenizer, divided(self.read("train", what)), "train", "validation")
        else:
            self.write(tokenizer, (("train", text) for text in self.read("train", what)), "train")
            self.write(tokenizer, (("validation", text) for text in self.read(own, what)), "validation")
        for split in ("train", "validation"):
            if not Split(self.directory(split)).shards:
                raise self.lacking(split)

    def lacking(self, split: str) -> Refused:
        """The sentence for text of too few documents: one of them is always held out."""
        return Refused(f"the corpus has no document for {split}: {WAYS[bool(self.files)]}.")

    def write(self, tokenizer: Tokenizer, documents: Iterator[tuple[str, str]], *splits: str) -> None:
        """Leave the splits in the cache, if they are not there yet."""
        if all((self.directory(split) / "index.json").exists() for split in splits):
            return
        dtype = id_type(tokenizer)
        size = tokenizer.get_vocab_size()
        counted = Vocabulary.of(tokenizer).lexicon if kind_of(tokenizer) == "Words" else None
        writers = {split: ShardWriter(self.directory(split), dtype.__name__, size, counted) for split in splits}
        prepare(documents, writers, Cutter(tokenizer, partial(sentences, rule=self.layout.sentences), dtype))

    def directory(self, split: str) -> Path:
        """Where a split's shards are."""
        return self.tokens_dir / SHARDS / split

    # ---- batches -----------------------------------------------------------------------------------------------------

    def setup(self, stage: str) -> None:
        """Lightning asks for each stage; what is planned once serves all."""
        if self.card:
            return
        vocabulary = self.vocabulary()
        train, held = Split(self.directory("train")), Split(self.directory("validation"))
        self.held_out = held.sample()
        self.train_examples = self.to_train(train, self.max_length)
        yardstick, same = Yardstick.of(self.load_tokenizer(), held), self.objective.yardstick()
        self.val_examples = CorpusExamples(
            [self.held_out], same, vocabulary, self.max_length, 0, self.validation_sequences, yardstick
        )
        self.card = {**describe(train, held, vocabulary, yardstick), **self.train_examples.figures()}

    def to_train(self, groups: Groups, length: int) -> CorpusExamples:
        """Sequences of at most so many tokens."""
        objective, vocabulary = self.objective, self.vocabulary()
        if isinstance(objective, InStreams):
            objective = objective.in_streams(self.global_batch_size, vocabulary)
        return CorpusExamples(groups, objective, vocabulary, length, self.seed)

    def train_dataloader(self) -> BatchLoader | Passes | Curriculum:
        examples, total = self.train_examples, self.trainer.max_steps if self.trainer else -1
        large, ordered = len(examples.groups) > 1, isinstance(self.objective, InStreams)
        first = self.train_loader(examples, large, ordered)
        if self.long_length is not None:
            if total < 1:
                raise Refused(
                    f"data.long_length={self.long_length} needs a number of steps: trainer.max_steps from 1 up."
                )
            second = self.train_loader(self.to_train(examples.groups, self.long_length), large, ordered)
            return Curriculum(first, second, round(total * (1 - self.long_share)), total)
        share = len(examples.corpus.tokens) / self.card["tokens"]  # of the group that has been planned
        return Passes(first, round(first.num_steps / share)) if large else first

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
