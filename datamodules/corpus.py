"""Text to pre-train on: documents of sentences, cut into tokens once and read from disk.

Documents and sentences matter: the next-sentence task needs both (a shuffled list of sentences will not do).
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, cast

from tokenizers import Tokenizer

from datamodules import sources, text_files
from datamodules.base import TextDataModule
from datamodules.corpora import PUNCTUATION, Layout, choose, divided, headed, sentences, text_of
from datamodules.corpus_examples import CorpusExamples, Groups, describe
from datamodules.loading import BatchLoader, EvaluationLoader
from datamodules.objectives import InStreams, NeedsCounts, Objective
from datamodules.passes import Curriculum, Passes
from datamodules.phrases import Phrases, Search, Splitter, card
from datamodules.preparation import Cutter, prepare, progress, watched
from datamodules.shards import ShardWriter, Split
from datamodules.task import GENERATED, Refused, Task, fingerprint, one_of, real, whole
from datamodules.tokenization import Subwords, Vocabulary, id_type, kind_of
from datamodules.words import Words
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
            one document each; several, one after the other, with a + between them.
        files: one's own .txt files instead: UTF-8.
        documents: where a document ends, None: as docs/formats.md says of the corpus. Rows: row | heading. One's own
            files: blank_line | line | file.
        sentences: the rule that splits documents, None: the corpus's own. lines | punctuation | words.
        objective: cuts and corrupts sequences; the model's yaml chooses it.
        max_length: tokens of a sequence, special ones included.
        validation_sequences: at most so many sequences are evaluated, evenly spread; the same ones every time.
        phrases, phrase_threshold, phrase_min_count: see `phrases.Search`; of a tokenizer of whole words.
        long_length: length of the sequences in the last `long_share` of all steps (BERT: 512 in the last tenth); None:
            `max_length` to the end. Needs trainer.max_steps.
        equal_words: a pass reads no more words than the text has, also where the objective reads some of them twice.
    """

    def __init__(
        self,
        source: str,
        corpus: str,
        tokenizer: Subwords,
        objective: Objective | NeedsCounts,
        max_length: int,
        global_batch_size: int,
        eval_batch_size: int,
        seed: int,
        cache_dir: str,
        files: Sequence[str] | str | None = None,
        documents: str | None = None,
        sentences: str | None = None,
        phrases: int = 0,
        phrase_threshold: float = 100,
        phrase_min_count: int = 5,
        validation_sequences: int = 2000,
        long_length: int | None = None,
        long_share: float = 0.1,
        equal_words: bool = False,
        num_workers: int | None = None,
    ) -> None:
        super().__init__(source, tokenizer, global_batch_size, eval_batch_size, seed, cache_dir, num_workers)
        self.objective: Any = objective  # one that needs counts has them from `setup` on
        self.max_length = whole("data.max_length", max_length, 8)
        self.validation_sequences = whole("data.validation_sequences", validation_sequences)
        self.long_length = None if long_length is None else whole("data.long_length", long_length, 8)
        self.equal_words = one_of("data.equal_words", equal_words, (True, False))
        self.long_share = real("data.long_share", long_share, "above 0 and below 1", lambda share: 0 < share < 1)
        self.files = [files] if isinstance(files, str) else list(files or [])
        self.layouts = choose("miniature" if source in GENERATED else corpus, bool(self.files), documents, sentences)
        self.search = Search(phrases, phrase_threshold, phrase_min_count)
        if phrases and not isinstance(tokenizer, Words):
            raise Refused(f"data.phrases={phrases} joins words, and text.tokenizer cuts them into pieces: it may be 0.")
        self.task = Task("corpus", "pretraining", test_sets=(), max_length=max(max_length, long_length or 0))

    # ---- text --------------------------------------------------------------------------------------------------------

    def identity(self) -> dict:
        parts = [self.identity_of(layout) for layout in self.layouts]
        return {**(parts[0] if len(parts) == 1 else {"corpora": parts}), **self.search.identity()}

    def identity_of(self, layout: Layout) -> dict:
        """Of one corpus."""
        rule = layout.sentences
        read = {"documents": layout.documents, "sentences": rule, "validation": layout.validation}
        if rule == "punctuation":
            read["sentences"] = f"{rule} {PUNCTUATION}"
        if self.files:
            return {"files": text_files.file_identity(self.files), **read}
        splits = ["train", *([layout.validation] if layout.validation else [])]
        return {**sources.identity(self.source, layout.repository, layout.config, splits), **read}

    def read(self, layout: Layout, split: str, what: str) -> Iterator[str]:
        """Documents of a split of the source; a progress bar says `what` that is for."""
        if self.files:
            bar = progress(what, "B", text_files.size_of(self.files))
            texts = text_files.read_texts(self.files, layout.documents)
            yield from watched(texts, bar, lambda text: len(text.encode()))
            return
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
        texts = self.to_learn_from("learning the vocabulary")
        return texts if self.phrases is None else ("\n".join(self.split(text)) for text in texts)

    def to_learn_from(self, what: str) -> Iterator[str]:
        """All training texts, as they are written."""
        texts = (text for layout in self.layouts for text in self.training(layout, what))
        if (first := next(texts, None)) is None:
            raise self.lacking("train")
        return chain([first], texts)

    def training(self, layout: Layout, what: str) -> Iterator[str]:
        """One corpus's."""
        texts = self.read(layout, "train", what)
        return texts if layout.validation else (text for split, text in divided(texts) if split == "train")

    def split(self, text: str) -> list[str]:
        """A document's sentences; their phrases are joined."""
        found = sentences(text, self.layouts[0].sentences)
        return found if self.phrases is None else list(map(self.phrases, found))

    @cached_property
    def phrases(self) -> Phrases | None:
        """Of the training text, found first if need be."""
        if not isinstance(self.subwords, Words) or not self.search.passes:
            return None
        cut, what = partial(sentences, rule=self.layouts[0].sentences), "finding phrases"
        splitter = Splitter(self.subwords.normalizer())
        file = self.cache / "phrases" / fingerprint({**self.facts, **splitter.settings}) / "phrases.json"
        return self.search.kept(file, lambda: chain.from_iterable(map(cut, self.to_learn_from(what))), splitter)

    # ---- tokens ------------------------------------------------------------------------------------------------------

    def prepare_tokens(self, tokenizer: Tokenizer) -> None:
        """Splits of one corpus that lie apart are read one by one; one that is held out of the other with it."""
        if all(layout.validation for layout in self.layouts):
            for split in ("train", "validation"):
                self.write(tokenizer, (each for layout in self.layouts for each in self.apart(layout, split)), split)
        else:
            self.write(
                tokenizer, (each for layout in self.layouts for each in self.both(layout)), "train", "validation"
            )
        for split in ("train", "validation"):
            if not Split(self.directory(split)).shards:
                raise self.lacking(split)

    def apart(self, layout: Layout, split: str) -> Iterator[tuple[str, str]]:
        """(split, text) of a split that lies by itself."""
        name = "train" if split == "train" else str(layout.validation)
        return ((split, text) for text in self.read(layout, name, "cutting into tokens"))

    def both(self, layout: Layout) -> Iterator[tuple[str, str]]:
        """(split, text) of all of a corpus."""
        if layout.validation:
            return chain(self.apart(layout, "train"), self.apart(layout, "validation"))
        return divided(self.read(layout, "train", "cutting into tokens"))

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
        prepare(documents, writers, Cutter(tokenizer, self.split, dtype))

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
        if isinstance(self.objective, NeedsCounts):
            self.objective = self.objective.with_counts(train.histogram, vocabulary)
        self.train_examples = self.to_train(train, self.max_length)
        yardstick, same = Yardstick.of(self.load_tokenizer(), held), self.objective.yardstick()
        self.val_examples = CorpusExamples(
            [self.held_out], same, vocabulary, self.max_length, 0, self.validation_sequences, yardstick
        )
        joined = card(vocabulary.lexicon.entries, train.histogram) if self.search.passes else {}
        self.card = {**describe(train, held, vocabulary, yardstick), **joined, **self.train_examples.figures()}

    def to_train(self, groups: Groups, length: int) -> CorpusExamples:
        """Sequences of at most so many tokens."""
        objective, vocabulary = self.objective, self.vocabulary()
        if isinstance(objective, InStreams):
            objective = objective.in_streams(self.global_batch_size, vocabulary)
        return CorpusExamples(groups, objective, vocabulary, length, self.seed, equal_words=self.equal_words)

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
        return Passes(first, round(first.num_steps / share), len(examples.groups)) if large else first

    def val_dataloader(self) -> EvaluationLoader:
        return self.eval_loader(self.val_examples)
