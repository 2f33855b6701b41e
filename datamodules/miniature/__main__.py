"""Look at the miniature: `python -m datamodules.miniature show [--seed N]`, or `... ladder` for its ceilings."""

import argparse
from collections.abc import Iterator
from textwrap import fill

from datamodules.miniature import ladder, probe_ladder, tell
from datamodules.miniature.corpus import Document
from datamodules.miniature.grammar import Event
from datamodules.miniature.probes import CUES, GAP, probes
from datamodules.miniature.squad import squad
from datamodules.miniature.tagging import tagging
from datamodules.miniature.tasks import BUILDERS, COLUMNS, PAIR, made_rows, split_sizes

WIDTH = 100
LABEL_NAMES = {
    "cola": ("unacceptable", "acceptable"), "sst2": ("negative", "positive"),
    "mrpc": ("not_equivalent", "equivalent"), "qqp": ("not_duplicate", "duplicate"),
    "mnli": ("entailment", "neutral", "contradiction"), "ax": ("entailment", "neutral", "contradiction"),
    "qnli": ("entailment", "not_entailment"), "rte": ("entailment", "not_entailment"),
    "wnli": ("not_entailment", "entailment"),
}  # fmt: skip


def wrapped(text: str, indent: str = "  ") -> str:
    return fill(text, WIDTH, initial_indent=indent, subsequent_indent=indent + "  ")


def of_document(world: Document) -> Iterator[str]:
    """The text, what it has told, and what holds in the end."""
    yield from ("A document", "", *(wrapped(" ".join(lines)) + "\n" for lines in world.paragraphs), "Its facts", "")
    for line, what in world.told:
        if isinstance(what, Event):
            parts = [what.agent, "/".join(verb.base for verb in what.verbs), what.patient, what.place, what.day]
        else:
            parts = [what.giver, "hand over", f"the {what.thing}", f"to {what.taker}"]
        yield wrapped(f"sentence {line + 1}: {' - '.join(part for part in parts if part)}")
    for noun, owner in world.owners.items():
        yield wrapped(f"in the end the {noun} ({world.kinds[noun]}) belongs to {owner}")


def of_task(task: str, seed: int) -> Iterator[str]:
    """Two rows of each label, with what makes them easy or hard."""
    split = list(split_sizes(task))[min(1, len(split_sizes(task)) - 1)]
    yield f"\n{task} ({', '.join(COLUMNS.get(task, PAIR))}), {split}"
    shown: dict[int, int] = {}
    for row in made_rows(task, split, seed):
        shown[row.label] = shown.get(row.label, 0) + 1
        if shown[row.label] <= (1 if task == "stsb" else 2):
            label = LABEL_NAMES[task][row.label] if task in LABEL_NAMES else f"{row.label}{'.0' * (task == 'stsb')}"
            tags = ", ".join(f"{name}: {value}" for name, value in row.tags.items())
            yield wrapped(f"{label} | {' | '.join(row.texts)} [{tags}]")


def of_reading(seed: int) -> Iterator[str]:
    """Questions, tags and probes."""
    for version in ("v1.1", "v2.0"):
        row = squad("validation", seed, version, limit=1)[0]
        answers = row["answers"]["text"] or ["(no answer)"]
        yield f"\nsquad {version}\n{wrapped(str(row['context']))}\n  {row['question']} -> {answers[0]}"
    yield "\ntagged words"
    row = tagging("tagged", "validation", seed, limit=1)[0]
    for word, *tags in zip(row["tokens"], row["pos"], row["entities"], row["roles"], strict=True):
        yield f"  {word:<14}{tags[0]:<8}{tags[1]:<8}{tags[2]}"
    yield "\nsense of a word that names two kinds"
    for row in tagging("sense", "validation", seed, limit=2):
        (other,) = (kind for kind in row["senses"] if kind != row["sense"])
        yield f"  {' '.join(row['tokens'])} -> {row['sense']}, not {other}"
    yield "\nprobes"
    for probe in probes(seed, limit=2 * len(CUES))[::2]:
        text = probe.text.replace(GAP, f"[{probe.candidates[0]}, not {probe.candidates[1]}]")
        yield wrapped(f"{probe.cue}: {text}")


def show(seed: int) -> Iterator[str]:
    yield from of_document(tell("train", 0, seed))
    for task in BUILDERS:
        yield from of_task(task, seed)
    yield from of_reading(seed)


def ladders(seed: int) -> Iterator[str]:
    yield from (*ladder.table(seed=seed), "", *probe_ladder.table(seed))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m datamodules.miniature", description=__doc__)
    parser.add_argument("what", choices=("show", "ladder"), help="show: look at it; ladder: its known ceilings")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    print("\n".join(ladders(given.seed) if given.what == "ladder" else show(given.seed)))


if __name__ == "__main__":
    main()
