"""Tagging: one label for each word of a text; a task is a row of `tagging_tasks`.

Both published further sets are test sets: CoNLL's validation set, which BERT's and ELMo's ablations report, and its
test set.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

import numpy as np
from tokenizers import Tokenizer

from datamodules import sources
from datamodules.formats import SequencePair
from datamodules.labelled import LabelledData, LabelledSettings
from datamodules.selection import holdout_mask
from datamodules.tagged import cut
from datamodules.tagged_examples import TaggedExamples, documents_of
from datamodules.tagging_tasks import TOKENS, TagTask, check_rows, is_document, tables_of, tags_of, task_of
from datamodules.task import GENERATED, TRAIN, named, one_of
from datamodules.tokenization import encode_all

SCORED = ("index", "right_words", "words", "right_chunks", "predicted_chunks", "chunks")


class Tagging(LabelledData[TaggedExamples]):
    """One task of tagged words. Words that are cut off a long text count as wrong.

    Args:
        task: ner, pos, roles or senses; with generated text all of them, else the first two.
        own_format: the model's own: where it sees to the left only, a word is tagged at its last token.
        document_context: whether a sentence is read with as much of its document around it as there is room for. Where
            a split does not mark documents, it is read as one.
        settings: see `LabelledData`.
    """

    def __init__(
        self, task: str, own_format: SequencePair, document_context: bool = False, **settings: Unpack[LabelledSettings]
    ) -> None:
        super().__init__(**settings)
        self.row: TagTask = task_of(task, self.source)
        self.take(replace(self.row, tagged_token="last" if own_format.is_causal else "first"))
        self.context = one_of("data.document_context", document_context, (True, False))
        self.checked: dict[str, Any] = {}  # see `read`

    # ---- text --------------------------------------------------------------------------------------------------------

    def identity(self) -> dict:
        return sources.identity(self.source, self.row.repository, self.row.config, list(self.sets))

    def read(self, name: str) -> Any:
        """Checked rows of a split, read once: a run asks for words again when it writes its answers."""
        if name not in self.checked:
            rows = sources.load_rows(*self.where(name))
            check_rows(rows, self.row, sources.place(*self.where(name)))
            self.checked[name] = rows
        return self.checked[name]

    def where(self, name: str) -> tuple[str, str, str, str]:
        """Source, repository, configuration and split."""
        return self.source, self.row.repository, self.row.config, name

    def training_texts(self) -> Iterable[str]:
        return (" ".join(words) for words in self.read(TRAIN)[TOKENS] if not is_document(words))

    # ---- tokens ------------------------------------------------------------------------------------------------------

    @property
    def token_facts(self) -> dict:
        """With its document around it a sentence is another text."""
        return {"document_context": self.context}

    def tokenize(self, tokenizer: Tokenizer, name: str, folder: Path) -> None:
        """The files of `tagged_examples`, with the tags of every task on these rows; of the training set also
        holdout.npy."""
        rows = self.read(name)
        sentences = rows[TOKENS]
        ids, words = cut(encode_all(tokenizer, (word for words in sentences for word in words)), self.vocabulary().unk)
        arrays = {"ids": ids, "words": words, "sentences": np.cumsum([0, *map(len, sentences)])}
        arrays["documents"] = documents_of([is_document(words) for words in sentences])
        for task in tables_of(self.row):
            if task.column in rows.column_names:
                if task.name != self.row.name:  # another run takes its tags as they are
                    check_rows(rows, task, sources.place(*self.where(name)))
                arrays[task.name] = np.array([tag for tags in tags_of(rows, task) for tag in tags])
        arrays["is_sentence"] = np.array([not is_document(words) for words in sentences])
        if name == TRAIN:
            arrays["holdout"] = holdout_mask(["\x1f".join(words) for words in sentences])
        for array_name, array in arrays.items():
            np.save(folder / f"{array_name}.npy", array)

    def rows_of(self, name: str) -> np.ndarray:
        """The rows of a split that are sentences."""
        return np.flatnonzero(np.load(self.tokens_dir / name / "is_sentence.npy"))

    def held_out(self) -> np.ndarray:
        return np.load(self.tokens_dir / TRAIN / "holdout.npy")

    def examples(self, name: str, rows: np.ndarray) -> TaggedExamples:
        vocabulary = self.vocabulary()
        room = self.task.room - sum(self.layout.margins(vocabulary))
        collate = partial(self.layout.batch_of_words, vocabulary, task=self.task)
        return TaggedExamples(self.tokens_dir / name, self.task, vocabulary, collate, rows, room, self.context)

    # ---- what is told ------------------------------------------------------------------------------------------------

    def figures(self) -> dict[str, Any]:
        named_sets = {
            "train": self.train,
            "selection": self.val,
            **dict(zip(self.task.test_sets, self.tests, strict=True)),
        }
        return {
            "train_labels": self.train.label_counts(),
            "train_tokens": self.train.num_tokens(),
            "words": {name: len(examples.all_asked()) for name, examples in named_sets.items()},
            "words_cut_off": {name: examples.cut_off() for name, examples in named_sets.items()},
            "train_documents": len(np.unique(self.train.documents[self.rows_of(TRAIN)], axis=0)),
        }

    def parts(self, test_set: str) -> dict[str, list[int]]:
        """Of generated text every second row has words of no training row."""
        if self.source not in GENERATED:
            return {}
        rows = self.rows_of(test_set).tolist()
        return {"seen": rows[::2], "unseen": rows[1::2]}

    def prediction_files(self, test_set: str, rows: Sequence[tuple]) -> dict[str, list[str]]:
        """Of words, and of sentences the counts that a paired test needs."""
        counts = [SCORED, *((index, *own) for index, _, _, own in rows)]
        lines = ["\t".join(map(str, line)) for line in counts]
        return {**super().prediction_files(test_set, rows), f"{test_set}-sentences.tsv": lines}

    def table(self, test_set: str, rows: Sequence[tuple]) -> list[str]:
        """A line for each word (the sentence's number, the word, the true tag, the predicted one), a blank one after a
        sentence: what conlleval reads, with `-d '\\t'`."""
        words, lines = self.read(test_set)[TOKENS], []
        examples = self.tests[self.task.test_sets.index(test_set)]
        for index, predicted, gold, _ in rows:
            asked = examples.asked(index) - examples.sentences[index]
            for at, ours, true in zip(asked.tolist(), predicted, gold, strict=True):
                word = "_".join(words[index][at].split()) or "_"
                lines.append(f"{index}\t{word}\t{named(self.row.labels, true)}\t{named(self.row.labels, ours)}")
            lines.append("")
        return lines
