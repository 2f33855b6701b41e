"""word2vec: ours beside gensim's fastest path (`corpus_file`), by turns in one process, on the same words.

    python -m benchmarks.word2vec --source <folder in the hub's layout>                            # speed and quality
    python -m benchmarks.word2vec --source <folder> --words 3000000 --rounds 5                     # speed, on a part

The text is a corpus as the suite cuts it, its vocabulary words alone; both sides train for the same epochs, with the
same settings and threads. What is timed is training as a user gets it, ours in Lightning's Trainer with its loader;
reading the text for a vocabulary is timed on neither side. Each round has a seed of its own. Quality is Spearman's
correlation on word-similarity sets of the same folder. Ratios are of the best round of each side, and the median.

Both have the same mean learning rate. gensim's falls with a worker's own sentences as a part of all of them: with n
workers and E epochs it ends at (1 - 1/n)/E of the first rate. Ours falls to zero, from 1 + (1 - 1/n)/E times that rate;
--same-first-rate begins at gensim's. What ours reads was cut into tokens before the clock starts; gensim splits lines
and looks words up while it trains. With --words our sub-sampling and noise are still of the whole corpus.
All sets, and analogies, of either side's vectors: --vectors v, then for each file of v
`python run.py model=word2vec data=word_vectors data.source=<folder> init_from=v/gensim-0.bin`.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory
from typing import Any

import lightning as L
import numpy as np
import torch
from datasets import load_dataset
from gensim.models import Word2Vec as Gensim
from lightning.pytorch.callbacks import Callback
from scipy.stats import spearmanr

from datamodules.corpus import Corpus
from datamodules.shards import TokenizedCorpus
from datamodules.windows import Windows
from datamodules.words import Words
from lightning_modules.interop.word2vec import write
from lightning_modules.word2vec import Word2Vec

SETS = ("wordsim353", "simlex999")
SIDES = ("gensim", "ours")
Vectors = dict[str, np.ndarray]


@dataclass
class Settings:
    """Of both sides."""

    size: int
    architecture: str
    loss: str
    window: int
    negatives: int
    lr: float
    epochs: int
    threads: int
    same_first_rate: bool = False

    @property
    def our_lr(self) -> float:
        """The first rate of one that falls to zero: with the mean of gensim's, or gensim's own first one."""
        return self.lr * (1 if self.same_first_rate else 1 + (1 - 1 / self.threads) / self.epochs)


class Clock(Callback):
    """Seconds from the first batch to the last."""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.begin = time.perf_counter()

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.seconds = time.perf_counter() - self.begin


class Part:
    """The first words of a prepared split, as its only group."""

    def __init__(self, corpus: TokenizedCorpus, words: int) -> None:
        sentences = corpus.sentences[: corpus.sentences.searchsorted(words, "right")]
        documents = np.array([0, len(sentences) - 1])
        self.corpus = TokenizedCorpus(corpus.tokens, sentences, documents)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, number: int, /) -> TokenizedCorpus:
        return self.corpus


def data_of(arguments: argparse.Namespace, settings: Settings, seed: int) -> Corpus:
    """The corpus, planned; of `--words` its first so many tokens."""
    objective = Windows(settings.architecture, settings.loss, settings.window, negatives=settings.negatives)
    data = Corpus(
        arguments.source,
        arguments.corpus,
        Words(200_000, lowercase=True, min_frequency=5),
        objective,
        max_length=1000,
        global_batch_size=32,
        eval_batch_size=32,
        seed=seed,
        cache_dir=arguments.cache,
        num_workers=0,  # they would be threads beside --threads
    )
    data.prepare_data()
    data.setup("fit")
    if arguments.words:
        data.train_examples = data.to_train(Part(data.train_examples.groups[0], arguments.words), data.max_length)
    return data


def write_text(data: Corpus, path: Path) -> int:
    """One sentence a line, shuffled, words of the vocabulary alone; how many they are.

    Ours shuffles by itself. gensim reads in order, and learns far less where a corpus ends with texts of another kind.
    """
    lexicon, total, lines = data.vocabulary().lexicon, 0, []
    names, groups = lexicon.entries, data.train_examples.groups
    for corpus in (groups[number] for number in range(len(groups))):
        for first, stop in zip(corpus.sentences[:-1], corpus.sentences[1:], strict=True):
            words = lexicon.counted(np.asarray(corpus.tokens[first:stop]))
            known = words[words != lexicon.unk]
            total += len(known)
            lines.append(" ".join([names[word] for word in known.tolist()]) + "\n")
    np.random.default_rng(0).shuffle(lines)
    path.write_text("".join(lines), encoding="utf-8")
    return total


def train_gensim(path: Path, settings: Settings, seed: int) -> tuple[float, Vectors]:
    """Seconds, and the vectors."""
    sampled = settings.loss == "negative_sampling"
    model = Gensim(
        vector_size=settings.size,
        window=settings.window,
        min_count=1,
        sg=int(settings.architecture == "skip_gram"),
        hs=int(not sampled),
        negative=settings.negatives if sampled else 0,
        alpha=settings.lr,
        workers=settings.threads,
        seed=seed,
    )
    model.build_vocab(corpus_file=str(path))
    begin = time.perf_counter()
    model.train(
        corpus_file=str(path),
        total_examples=model.corpus_count,
        total_words=model.corpus_total_words,
        epochs=settings.epochs,
    )
    seconds = time.perf_counter() - begin
    return seconds, dict(zip(model.wv.index_to_key, model.wv.vectors, strict=True))  # pyright: ignore


def train_ours(data: Corpus, settings: Settings, seed: int) -> tuple[float, Vectors]:
    """Seconds, and the vectors."""
    L.seed_everything(seed, verbose=False)
    torch.set_num_threads(settings.threads)
    optimizer: dict[str, Any] = {"lr": settings.our_lr, "schedule": "linear", "warmup": 0}
    vocabulary = data.vocabulary()
    model = Word2Vec(
        optimizer,
        {"lr": 1e-3},
        vocabulary.size,
        settings.size,
        architecture=settings.architecture,
        loss=settings.loss,
    ).attach(data.task)
    clock = Clock()
    quiet: dict[str, Any] = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    quiet |= {"enable_model_summary": False, "limit_val_batches": 0, "num_sanity_val_steps": 0}
    trainer = L.Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=settings.epochs,
        use_distributed_sampler=False,
        callbacks=[clock],
        **quiet,
    )
    trainer.fit(model, train_dataloaders=data.train_dataloader())
    lexicon, table = vocabulary.lexicon, model.vectors.weight.detach().numpy()
    return clock.seconds, dict(zip(lexicon.entries, table, strict=False))  # the table's last rows are of no word


def similarity(source: str, name: str, vectors: Vectors) -> float:
    """Spearman's correlation of cosines and people's judgements, over the pairs that have both words."""
    rows = load_dataset("parquet", data_files=f"{source}/word-vectors/similarity/{name}/*.parquet", split="train")
    told, found = [], []
    for row in rows:
        pair = [vectors.get(row[key].lower()) for key in ("word1", "word2")]  # pyright: ignore
        if pair[0] is not None and pair[1] is not None:
            told.append(row["score"])  # pyright: ignore
            found.append(pair[0] @ pair[1] / np.linalg.norm(pair[0]) / np.linalg.norm(pair[1]))
    return float(spearmanr(told, found).statistic)  # pyright: ignore


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--source", required=True)
    parser.add_argument("--corpus", default="wikipedia-pages-en+english-novels")
    parser.add_argument("--cache", default="cache")
    parser.add_argument("--words", type=int, default=0, help="tokens of the corpus to train on; 0: all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--architecture", default="skip_gram")
    parser.add_argument("--loss", default="negative_sampling")
    for name, default in (("size", 100), ("window", 5), ("negatives", 5), ("epochs", 1), ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--lr", type=float, default=0.025, help="gensim's first learning rate")
    parser.add_argument("--vectors", type=Path, help="a folder for each round's vectors, gensim-0.bin, ours-0.bin, ...")
    parser.add_argument("--same-first-rate", action="store_true", help="ours begins with it, too")
    arguments = parser.parse_args()
    settings = Settings(**{name: getattr(arguments, name) for name in Settings.__dataclass_fields__})
    rates, qualities = [], []
    if arguments.vectors:
        arguments.vectors.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "text.txt"
        words = write_text(data_of(arguments, settings, 0), path) * settings.epochs
        for seed in range(arguments.rounds):
            sides = (
                train_gensim(path, settings, seed + 1),
                train_ours(data_of(arguments, settings, seed), settings, seed),
            )
            rates.append([words / seconds for seconds, _ in sides])
            for side, (_, vectors) in zip(SIDES, sides, strict=True):
                if arguments.vectors:
                    write(arguments.vectors / f"{side}-{seed}.bin", list(vectors), np.stack(list(vectors.values())))
            qualities.append([[similarity(arguments.source, name, vectors) for name in SETS] for _, vectors in sides])
            told = "; ".join(
                f"{side} {rate:,.0f} words/s" + "".join(f", {n} {v:.3f}" for n, v in zip(SETS, values, strict=True))
                for side, rate, values in zip(SIDES, rates[-1], qualities[-1], strict=True)
            )
            print(f"round {seed}: {told}", flush=True)
    best = [max(rate[side] for rate in rates) for side in (0, 1)]
    print(
        f"{words:,} words: gensim {best[0]:,.0f} words/s, ours {best[1]:,.0f}: {best[1] / best[0]:.2f}x by best, "
        f"{median(b / a for a, b in rates):.2f}x by median of {arguments.rounds} rounds"
    )
    for column, name in enumerate(SETS):
        theirs, ours = (mean(quality[side][column] for quality in qualities) for side in (0, 1))
        print(f"{name}: gensim {theirs:.3f}, ours {ours:.3f} (mean of {arguments.rounds} seeds)")


if __name__ == "__main__":
    main()
