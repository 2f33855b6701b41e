"""What every data module shares: a tokenizer made or read once, text prepared by one process, exact loaders for all."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Required, TypedDict

import lightning as L
from filelock import FileLock
from tokenizers import Tokenizer

from datamodules.loading import BatchLoader, EvaluationLoader, Examples, Share, pick_workers
from datamodules.task import Refused, Task, fingerprint, whole
from datamodules.tokenization import Subwords, Vocabulary, digest, read_tokenizer, save_tokenizer


class TextSettings(TypedDict, total=False):
    """The arguments of `TextDataModule`, for a data set that hands them on."""

    source: Required[str]
    tokenizer: Required[Subwords]
    global_batch_size: Required[int]
    eval_batch_size: Required[int]
    seed: Required[int]
    cache_dir: Required[str]
    num_workers: int | None


class TextDataModule(L.LightningDataModule, ABC):
    """Text -> token ids -> batches.

    Preparing (reading, training a tokenizer, cutting text into tokens) happens once, in one process, into `cache_dir`;
    then every process reads what is there.

    Args:
        source: `hub`, a local folder in the hub's layout, or `miniature` (`miniature-sweep`, `miniature-gpu`).
        tokenizer: how to cut text; trained on this data's training text if it names no file.
        global_batch_size: examples per optimiser step over all devices and micro-batches.
        eval_batch_size: examples per evaluation batch of one device.
        num_workers: processes per device that prepare batches; None: 4 with a GPU, 0 without.
    """

    def __init__(
        self,
        source: str,
        tokenizer: Subwords,
        global_batch_size: int,
        eval_batch_size: int,
        seed: int,
        cache_dir: str,
        num_workers: int | None = None,
    ) -> None:
        super().__init__()
        self.source, self.subwords, self.seed = str(source), tokenizer, seed
        self.global_batch_size = whole("data.global_batch_size", global_batch_size)
        self.eval_batch_size = whole("data.eval_batch_size", eval_batch_size)
        self.cache = Path(cache_dir)
        self.workers = None if num_workers is None else whole("data.num_workers", num_workers, 0)
        self.task = Task("", "")
        self.card: dict = {}  # figures of the prepared data, for the record
        self.selection = ""  # in words, how the evaluated epoch is chosen
        self.checkpoint = "best"  # which epoch is evaluated, of a task: best | last | none
        self.unlabelled: Mapping[str, Examples] = {}  # sets to predict, by name

    # ---- to be written by a data set ---------------------------------------------------------------------------------

    @abstractmethod
    def identity(self) -> dict:
        """What decides the text that is read: source, files, sizes, digests."""

    @abstractmethod
    def training_texts(self) -> Iterable[str]:
        """The text that a tokenizer may be trained on."""

    @abstractmethod
    def prepare_tokens(self, tokenizer: Tokenizer) -> None:
        """Cut the text into tokens and leave them in the cache."""

    def parts(self, test_set: str) -> Mapping[str, Sequence[int]]:
        """Parts of a test set that are scored by themselves as well: their row numbers, by name."""
        return {}

    def prediction_files(self, test_set: str, rows: Sequence[tuple]) -> dict[str, list[str]]:
        """What predictions/ has of a test set: the lines of each file, by name."""
        return {f"{test_set}.tsv": self.table(test_set, rows)}

    def table(self, test_set: str, rows: Sequence[tuple]) -> list[str]:
        """The lines of predictions/<test_set>.tsv: of each example its number, answer, label and probabilities."""
        head = ("index", "prediction", "label", *(f"p({label})" for label in self.task.labels or ["score"]))
        lines = [head, *((index, answer, label, *chances) for index, answer, label, chances in rows)]
        return ["\t".join(map(str, line)) for line in lines]

    def submission(self, name: str, answers: list) -> tuple[str, list[str]]:
        """File name and lines that hand in the answers to an unlabelled set."""
        return f"{name}.tsv", [str(answer) for answer in answers]

    # ---- tokenizer ---------------------------------------------------------------------------------------------------

    @cached_property
    def facts(self) -> dict:
        """`identity`, asked once: of a folder it describes every file anew."""
        return self.identity()

    @property
    def tokenizer_file(self) -> Path:
        """Where this data's tokenizer.json is, or will be once prepared."""
        key = fingerprint({"tokenizer": self.subwords.identity(), **({} if self.subwords.file else self.facts)})
        return self.cache / "tokenizers" / key / "tokenizer.json"

    def load_tokenizer(self) -> Tokenizer:
        """The tokenizer, trained first if need be."""
        return self.tokenizer

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """See `load_tokenizer`."""
        path = self.tokenizer_file
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            made = self.subwords.load() if self.subwords.file else self.subwords.train(self.training_texts())
            save_tokenizer(made, path)
        tokenizer = read_tokenizer(path)
        if (entries := self.subwords.entries(tokenizer)) > self.subwords.vocab_size:
            raise Refused(
                f"model.vocab_size={self.subwords.vocab_size} is too small for {self.subwords.file}, which has "
                f"{entries} entries: it may be that number or more."
            )
        return tokenizer

    # ---- Lightning ---------------------------------------------------------------------------------------------------

    def prepare_data(self) -> None:
        """In one process of each node: everything that is slow, into the cache."""
        self.cache.mkdir(parents=True, exist_ok=True)
        with FileLock(self.cache / f"{fingerprint(self.facts)}.lock"):
            self.prepare_tokens(self.load_tokenizer())
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # worker processes fork after this

    @cached_property
    def tokens_dir(self) -> Path:
        """Where this text's tokens lie, cut by this tokenizer."""
        facts = {**self.facts, "tokenizer": digest(self.load_tokenizer()), **self.token_facts}
        return self.cache / "tokens" / fingerprint(facts)

    @property
    def token_facts(self) -> dict:
        """What else makes prepared tokens others, for a data set to say."""
        return {}

    def vocabulary(self) -> Vocabulary:
        """Special tokens and sizes of the tokenizer; always the same one, whose lexicon numbers words as they come."""
        return self.entries

    @cached_property
    def entries(self) -> Vocabulary:
        """See `vocabulary`."""
        return Vocabulary.of(self.load_tokenizer())

    @property
    def share(self) -> Share:
        """This process's share of every batch."""
        if self.trainer is None:
            return Share()
        return Share(self.trainer.global_rank, self.trainer.world_size, self.trainer.accumulate_grad_batches)

    def train_loader(self, examples: Examples, unequal: bool = False, ordered: bool = False) -> BatchLoader:
        """Batches for training; see `BatchLoader`."""
        workers = pick_workers(self.workers)
        size, seed, pin = self.global_batch_size, self.seed, workers > 0
        return BatchLoader(examples, size, seed, self.share, workers, pin, unequal, ordered)

    def eval_loader(self, examples: Examples) -> EvaluationLoader:
        """Each example once."""
        return EvaluationLoader(examples, self.eval_batch_size, self.share)


def once(path: Path, build: Callable[[Path], None]) -> Path:
    """Build `path` (a folder) through a neighbour that is renamed when complete; nothing to do if it is there."""
    if not path.exists():
        partial = path.with_name(f"{path.name}.partial-{os.getpid()}")
        partial.mkdir(parents=True, exist_ok=True)
        build(partial)
        partial.rename(path)
    return path
