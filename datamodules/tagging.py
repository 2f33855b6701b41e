"""Tagging: one label for each word of a text; a task is a row of `tagging_tasks`.

What has to be chosen is chosen on a tenth of the training set, fixed by a hash of the sentence, and both published
further sets are test sets: CoNLL's validation set, which BERT's and ELMo's ablations report, and its test set.
`selection: paper` chooses on the validation set, as the papers did, and is labelled so wherever it is shown.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from datamodules import sources
from datamodules.base import TextDataModule, once
from datamodules.formats import SequencePair
from datamodules.glue import COUNTED, SELECTIONS, some_of
from datamodules.glue_tasks import holdout_mask
from datamodules.layer_cache import LayerCache
from datamodules.loading import BatchLoader, EvaluationLoader, Examples
from datamodules.tagged import cut
from datamodules.tagged_examples import TaggedExamples, documents_of
from datamodules.tagging_tasks import TOKENS, TagTask, check_rows, is_document, tables_of, tags_of, task_of
from datamodules.task import GENERATED, fingerprint, named, one_of, real, whole
from datamodules.tokenization import Subwords, digest, encode_all

SCORED = ("index", "right_words", "words", "right_chunks", "predicted_chunks", "chunks")


class Tagging(TextDataModule):
    """One task of tagged words.

    Args:
        task: ner, pos, roles or senses; with generated text all of them, else the first two.
        format: lays a text out as a sequence; the model's yaml and transfer choose it.
        own_format: the model's own: where it sees to the left only, a word is tagged at its last token.
        max_length: tokens of a sequence, special ones included; what is longer is cut, and words that are cut off
            count as wrong.
        document_context: whether a sentence is read with as much of its document around it as there is room for. Where
            a split does not mark documents, it is read as one.
        selection: `holdout` | `paper`, see above.
        checkpoint: which epoch is evaluated, the `best` one of the selection set or the `last`.
        train_examples: train on so many sentences; None: on all. See `Glue`.
    """

    def __init__(
        self,
        task: str,
        source: str,
        tokenizer: Subwords,
        format: SequencePair,
        own_format: SequencePair,
        max_length: int,
        global_batch_size: int,
        eval_batch_size: int,
        seed: int,
        cache_dir: str,
        document_context: bool = False,
        selection: str = "holdout",
        checkpoint: str = "best",
        train_examples: int | None = None,
        num_workers: int | None = None,
    ) -> None:
        super().__init__(source, tokenizer, global_batch_size, eval_batch_size, seed, cache_dir, num_workers)
        self.layout, self.max_length = format, whole("data.max_length", max_length, 8)
        at = "last" if own_format.is_causal else "first"
        self.row: TagTask = replace(task_of(task, self.source), max_length=max_length, tagged_token=at)
        self.task = format.asked(self.row)
        self.context = one_of("data.document_context", document_context, (True, False))
        self.selection = SELECTIONS[one_of("data.selection", selection, SELECTIONS)]
        self.checkpoint = one_of("data.checkpoint", checkpoint, ("best", "last"))
        self.layers: LayerCache | None = None  # of a frozen encoder (sweeps/layers.py)
        self.train_examples = train_examples
        if train_examples is not None:
            real("data.train_examples", train_examples, COUNTED.format("1 up"), lambda n: isinstance(n, int) and n > 0)

    # ---- text --------------------------------------------------------------------------------------------------------

    @property
    def splits(self) -> tuple[str, ...]:
        """Everything to read: the training set, the test sets."""
        return (self.row.train, *self.row.test_sets)

    def identity(self) -> dict:
        return sources.identity(self.source, self.row.repository, self.row.config, self.splits)

    def read(self, split: str) -> Any:
        """Checked rows."""
        where = self.where(split)
        rows = sources.load_rows(*where)
        check_rows(rows, self.row, sources.place(*where))
        return rows

    def where(self, split: str) -> tuple[str, str, str, str]:
        """Source, repository, configuration and split."""
        return self.source, self.row.repository, self.row.config, split

    def training_texts(self) -> Iterable[str]:
        return (" ".join(words) for words in self.read(self.row.train)[TOKENS] if not is_document(words))

    # ---- tokens ------------------------------------------------------------------------------------------------------

    @cached_property
    def tokens_dir(self) -> Path:
        """See `TextDataModule.tokens_dir`; with its document around it a sentence is another text."""
        facts = {**self.facts, "tokenizer": digest(self.load_tokenizer()), "document_context": self.context}
        return self.cache / "tokens" / fingerprint(facts)

    def prepare_tokens(self, tokenizer: Tokenizer) -> None:
        for split in self.splits:
            once(self.tokens_dir / split, lambda path, split=split: self.tokenize(tokenizer, split, path))
        self.training_rows()  # here too, so that a wrong number is refused before training begins

    def tokenize(self, tokenizer: Tokenizer, split: str, directory: Path) -> None:
        """The files of `tagged_examples`, with the tags of every task on these rows; of the training set also
        holdout.npy."""
        rows = self.read(split)
        sentences = rows[TOKENS]
        ids, words = cut(encode_all(tokenizer, (word for words in sentences for word in words)), self.vocabulary().unk)
        arrays = {"ids": ids, "words": words, "sentences": np.cumsum([0, *map(len, sentences)])}
        arrays["documents"] = documents_of([is_document(words) for words in sentences])
        for task in tables_of(self.row):
            if task.column in rows.column_names:
                check_rows(rows, task, sources.place(*self.where(split)))  # which another run takes as it is
                arrays[task.name] = np.array([tag for tags in tags_of(rows, task) for tag in tags])
        arrays["is_sentence"] = np.array([not is_document(words) for words in sentences])
        if split == self.row.train:
            arrays["holdout"] = holdout_mask(["\x1f".join(words) for words in sentences])
        for name, array in arrays.items():
            np.save(directory / f"{name}.npy", array)

    def rows_of(self, split: str) -> np.ndarray:
        """The rows of a split that are sentences."""
        return np.flatnonzero(np.load(self.tokens_dir / split / "is_sentence.npy"))

    def held_out(self) -> np.ndarray:
        """Which rows of the training set are held out for choices, when `selection` is `holdout`."""
        return np.load(self.tokens_dir / self.row.train / "holdout.npy")

    def training_rows(self) -> np.ndarray:
        """The rows to train on, in the set's order."""
        rows, held = self.rows_of(self.row.train), self.held_out()
        return some_of(
            rows if self.chooses_on_test else rows[~held[rows]], self.train_examples, self.seed, self.row.name
        )

    # ---- batches -----------------------------------------------------------------------------------------------------

    def examples(self, split: str, rows: np.ndarray) -> TaggedExamples:
        """Some rows of a split."""
        vocabulary = self.vocabulary()
        room = self.task.room - sum(self.layout.margins(vocabulary))
        lay_out = partial(self.layout.batch_of_words, vocabulary, task=self.task)
        made = TaggedExamples(self.tokens_dir / split, self.row, vocabulary, lay_out, rows, room, self.context)
        if self.layers is not None:
            made.keep(self.layers, split)
        return made

    def setup(self, stage: str) -> None:
        self.tests = [self.examples(name, self.rows_of(name)) for name in self.row.test_sets]
        self.train = self.examples(self.row.train, self.training_rows())
        rows, held = self.rows_of(self.row.train), self.held_out()
        self.val = self.tests[0] if self.chooses_on_test else self.examples(self.row.train, rows[held[rows]])
        named_sets = {"train": self.train, "selection": self.val}
        named_sets |= dict(zip(self.row.test_sets, self.tests, strict=True))
        self.card = {
            **{name: len(examples) for name, examples in named_sets.items()},
            "train_labels": self.train.label_counts(),
            "train_tokens": self.train.num_tokens(),
            "words": {name: len(examples.all_asked()) for name, examples in named_sets.items()},
            "words_cut_off": {name: examples.cut_off() for name, examples in named_sets.items()},
            "train_documents": len(np.unique(self.train.documents[self.rows_of(self.row.train)], axis=0)),
        }

    @property
    def sets_of_examples(self) -> list[Examples]:
        """All that a run reads, once set up."""
        return [self.train, self.val, *self.tests]

    def parts(self, test_set: str) -> dict[str, list[int]]:
        """Of generated text every second row has words of no training row."""
        if self.source not in GENERATED:
            return {}
        rows = self.rows_of(test_set).tolist()
        return {"seen": rows[::2], "unseen": rows[1::2]}

    def train_dataloader(self) -> BatchLoader:
        return self.train_loader(self.train)

    def val_dataloader(self) -> EvaluationLoader:
        return self.eval_loader(self.val)

    def test_dataloader(self) -> list[EvaluationLoader]:
        return [self.eval_loader(test) for test in self.tests]

    # ---- answers -----------------------------------------------------------------------------------------------------

    def prediction_files(self, test_set: str, rows: Sequence[tuple]) -> dict[str, list[str]]:
        """Of words, and of sentences the counts that a paired test needs."""
        counts = [SCORED, *((index, *own) for index, _, _, own in rows)]
        lines = ["\t".join(map(str, line)) for line in counts]
        return {**super().prediction_files(test_set, rows), f"{test_set}-sentences.tsv": lines}

    def table(self, test_set: str, rows: Sequence[tuple]) -> list[str]:
        """A line for each word (the sentence's number, the word, the true tag, the predicted one), a blank one after a
        sentence: what conlleval reads, with `-d '\\t'`."""
        words, lines = self.read(test_set)[TOKENS], []
        examples = self.tests[self.row.test_sets.index(test_set)]
        for index, predicted, gold, _ in rows:
            asked = examples.asked(index) - examples.sentences[index]
            for at, ours, true in zip(asked.tolist(), predicted, gold, strict=True):
                word = "_".join(words[index][at].split()) or "_"
                lines.append(f"{index}\t{word}\t{named(self.row.labels, true)}\t{named(self.row.labels, ours)}")
            lines.append("")
        return lines
