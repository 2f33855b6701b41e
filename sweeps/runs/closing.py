"""What a person reads when a run ends, and again when it is asked for once more."""

from pathlib import Path
from typing import Any

from sweeps.runs.settings import typed
from sweeps.showing.ladders import ladders, probe_table, result
from sweeps.showing.mistakes import PAGE
from sweeps.showing.word_tables import WORDS, nearest_words, word_table


def training(summary: dict[str, Any]) -> list[str]:
    """All metrics, what they are to be read against, and the cost."""
    nats = "" if "selection" in summary else " nats"  # of a task it may be an error squared
    lines = [
        f"{name} {value:.4f}{nats * name.endswith('_loss')}"
        for name, value in sorted(summary["metrics"].items())
        if name.startswith(("val/", "test_")) and not name.startswith(WORDS)
    ]
    if "unigram_entropy" in summary["card"]:
        card = summary["card"]
        entropy = f"unigram entropy {card['unigram_entropy']:.2f} nats"
        lines.append(f"to compare: ln(vocabulary) {card['ln_vocabulary']:.2f}, {entropy}")
    figures = summary["cost"]
    speed = f"{figures['tokens_per_second']:,.0f} tokens/s"
    lines.append(f"{figures['steps']} steps, {figures['seconds']:.0f} s, {speed}")
    return [*lines, *soon(summary.get("convergence", {}))]


def soon(curve: dict[str, Any]) -> list[str]:
    """When a task's score had nearly got to where it ended, if it was looked at more than once."""
    if curve.get("steps_to_95_percent") is None or len(curve["scores"]) < 2:
        return []
    return [f"95 % of its last selection score, {curve['final']:.1f}, by step {curve['steps_to_95_percent']}"]


def score(summary: dict[str, Any], trained: bool) -> list[str]:
    """A transfer's headline, how its epoch was chosen, and what of it is known before any model has run."""
    epoch = f", {summary['checkpoint']} epoch" if trained else ""
    lines = [f"{result(summary['headline'])}  ({summary['selection']}{epoch})", *chosen(summary)]
    if summary["collapsed"]:
        lines.append("COLLAPSED: every example got the same label")
    has_words = any(name.startswith(WORDS) for name in summary["metrics"])  # all of which are always asked
    if summary["config"]["trainer"]["limit_test_batches"] is not None and not has_words:
        lines.append("scored on a part of the test set only (trainer.limit_test_batches)")
    is_probed = any(name.startswith("test_probes/") for name in summary["metrics"])
    return lines + (probe_table(summary) if is_probed else ladders(summary))


def chosen(summary: dict[str, Any]) -> list[str]:
    """Which of the values that were tried the selection set preferred."""
    if "tuning" not in summary:
        return []
    told = ", ".join(f"{key}={value}" for key, value in summary["tuning"]["chosen"].items())
    return [f"chosen in {len(summary['tuning']['trials'])} trials on the selection set: {told}"]


def closing_words(summary: dict[str, Any], directory: Path) -> str:
    """A run's result, a line each: the score, the metrics, and where its record and its encoder are."""
    trained = summary.get("checkpoint") != "none"
    lines = score(summary, trained) if "selection" in summary else []
    lines += training(summary) if trained else []
    lines += word_table(summary["metrics"]) + nearest_words(summary.get("nearest", []))
    lines += [f"{one['prompt']!r} goes on {one['continuation']!r}" for one in summary.get("samples", [])[:1]]
    lines = [f"{summary['model']} on {summary['data']}, start: {summary['start']}", *(f"  {line}" for line in lines)]
    lines.append(f"record: {directory}/summary.json")
    if "attention" in summary:
        lines.append(f"attention: {directory}/attention ({len(summary['attention'])} pictures)")
    if "projection" in summary:
        lines.append(f"words in two dimensions: {directory}/{summary['projection']}")
    if (directory / PAGE).is_file():
        lines.append(f"mistakes to read: {directory}/{PAGE}")
    if (directory / "encoder").is_dir():
        lines.append(f"encoder: {directory}/encoder (use it: {typed('init_from', f'{directory}/encoder')})")
    return "\n".join(lines)
