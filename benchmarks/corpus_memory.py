"""Does the memory that preparing a corpus takes depend on the corpus? Text of 1, 10 and 100 times a size, one by one.

    python -m benchmarks.corpus_memory                        300,000 words and 10 and 100 times as many: some minutes
    python -m benchmarks.corpus_memory --words 30000 --cores 1

Generated .txt files: Zipf's words without an end of new ones, sentences of 20 words, documents of about 400. Each size
is prepared in a fresh process (learning a vocabulary, then cutting into tokens), and another fresh process plans the
first group of sequences and makes a hundred batches, as a training does. Peak memory is the resident set of the process
and what those that it started have for themselves, read every 50 ms; importing the suite alone takes some 400 MB.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np

PART = 1_000_000  # words a file, at most
LETTERS = np.array(list("etaoinshrdlcumwfgypbvk"))


def spell(ranks: np.ndarray) -> list[str]:
    """A word for each rank, the shorter the more frequent."""
    words = {rank: "".join(LETTERS[[int(digit, 20) for digit in np.base_repr(rank, 20)]]) for rank in set(ranks)}
    return [words[rank] for rank in ranks]


def generate(folder: Path, words: int) -> None:
    """Files of documents: one sentence a line, a blank line between documents."""
    folder.mkdir()
    for number, first in enumerate(range(0, words, PART)):
        rng = np.random.default_rng(number)
        drawn = spell(np.minimum(rng.zipf(1.35, min(PART, words - first)), 10**9).tolist())
        with (folder / f"{number:03d}.txt").open("w") as file:
            for start in range(0, len(drawn), 20):
                last = "\n\n" if rng.random() < 0.05 else "\n"
                file.write(" ".join(drawn[start : start + 20]).capitalize() + "." + last)


def work(stage: str, folder: str, cache: str) -> None:
    """In a process of its own."""
    from datamodules.corpus import Corpus
    from datamodules.objectives import MaskedLanguageModel
    from datamodules.tokenization import WordPiece

    corpus = Corpus(
        "hub", "", WordPiece(8000), MaskedLanguageModel(), 128, 32, 32, seed=0, cache_dir=cache, files=f"{folder}/*.txt"
    )
    if stage == "prepare":
        corpus.prepare_data()
        return
    corpus.setup("fit")
    for _ in islice(iter(corpus.train_dataloader()), 100):
        pass
    print(corpus.card["tokens"], corpus.card["sentences"])


def tree(pid: int) -> list[int]:
    """A process and all that it started, and so on."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    return [pid, *(below for child in children for below in tree(int(child)))]


def resident(pid: int) -> int:
    """All pages of a process, in bytes."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def private(pid: int) -> int:
    """The pages that a process shares with no other, in bytes."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Private"))


def measure(stage: str, folder: Path, cache: Path, cores: int | None) -> tuple[float, float, str]:
    """(peak MB, seconds, what it printed) of a stage in a fresh process."""
    line = [sys.executable, "-m", "benchmarks.corpus_memory", "--stage", stage, str(folder), str(cache)]
    chosen = sorted(os.sched_getaffinity(0))[:cores]
    since, peak = time.perf_counter(), 0
    with subprocess.Popen(
        line, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: os.sched_setaffinity(0, chosen)
    ) as process:
        while process.poll() is None:
            peak = max(peak, resident(process.pid) + sum(map(private, tree(process.pid)[1:])))
            time.sleep(0.05)
        printed = process.stdout.read() if process.stdout else ""
    if process.returncode:
        raise SystemExit(f"{stage} ended with status {process.returncode}")
    return peak / 1e6, time.perf_counter() - since, printed


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--words", type=int, default=300_000)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--cores", type=int, help="that the processes may use; default: all")
    parser.add_argument("--stage", nargs=3, help=argparse.SUPPRESS)
    told = parser.parse_args()
    if told.stage:
        work(*told.stage)
        return
    print("| size | words | tokens | sentences | preparing: peak MB | seconds | words/s | training starts: peak MB |")
    print("|--:|--:|--:|--:|--:|--:|--:|--:|")
    for times in told.times:
        with tempfile.TemporaryDirectory() as place:
            text, cache, words = Path(place) / "text", Path(place) / "cache", told.words * times
            generate(text, words)
            peak, seconds, _ = measure("prepare", text, cache, told.cores)
            start, _, printed = measure("start", text, cache, told.cores)
            tokens, sentences = (f"{int(count):,}" for count in printed.split()[-2:])
            row = f"| {times}x | {words:,} | {tokens} | {sentences} | {peak:.0f} | {seconds:.0f}"
            print(f"{row} | {words / seconds:,.0f} | {start:.0f} |", flush=True)


if __name__ == "__main__":
    main()
