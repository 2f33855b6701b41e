"""Run folders that were never run: records with the keys of real ones, and scores that are known."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

LADDER = {"majority": 50.0, "bag of words": 60.6, "exact": 100.0}


def record(
    score: float,
    *,
    task: str = "rte",
    metric: str = "accuracy",
    source: str = "miniature",
    scale: str | None = "miniature",
    seed: int = 0,
    encoder: int | None = None,
    **changes: Any,
) -> dict[str, Any]:
    """What a run on a task leaves as summary.json.

    Args:
        encoder: the seed of its pre-training; None: from scratch.
        changes: further keys; those of `config` are added to it.
    """
    name = f"{source if source.startswith('miniature') else 'glue'}/{task}"
    config = configuration(task, source, scale, seed, encoder) | changes.pop("config", {})
    ladder = {"card": {"ceilings": {f"test_validation/{metric}": LADDER}}} if source == "miniature" else {"card": {}}
    return {
        "status": "finished",
        "model": "bert_miniature",
        "data": name,
        "source": source,
        "start": "scratch" if encoder is None else f"encoder {encoder}",
        "headline": {"name": metric, "value": score},
        "selection": "selected on a tenth of train",
        "checkpoint": "best",
        "collapsed": False,
        "metrics": {f"test_validation/{metric}": score / 100, "test_validation/score": score},
        "cost": {"seconds": 10.0 + seed, "steps": 100, "flops": 2e12, "parameters": 942210, "tokens": 2784},
        **ladder,
        "encoder_fingerprint": None if encoder is None else f"e{encoder}",
        "seed": seed,
        "git": {"commit": "0123456789abcdef", "dirty": False},
        "config": config,
        **changes,
    }


def configuration(task: str, source: str, scale: str | None, seed: int, encoder: int | None) -> dict[str, Any]:
    """The part of a resolved configuration that pages read."""
    return {
        "seed": seed,
        "scale": scale,
        "init_from": "scratch" if encoder is None else None,
        "model": {"_target_": "lightning_modules.bert.Bert", "nsp": True},
        "text": {"tokenizer": {"file": None}, "objective": {"masking": "80/10/10"}},
        "data": {"_target_": "datamodules.glue.Glue", "task": task, "source": source, "seed": seed},
        "trainer": {"max_steps": 100, "limit_test_batches": None},
        "transfer": {"mode": "finetune"},
        "pretrain": {"recipe": None} if encoder is None else {"recipe": "miniature", "seed": encoder},
    }


def run(
    folder: Path,
    told: Mapping[str, Any] | str | None,
    overrides: Sequence[str] = (),
    steps: int = 20,
    examples: int = 0,
    scale: str | None = "miniature",
) -> Path:
    """Write a run's folder.

    Args:
        told: its record; text as it is, for one that is half-written; None: it never finished.
        overrides: of its command.
        steps: of its history.
        examples: in predictions/, as many right as the score says; 0: no predictions.
    """
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra/overrides.yaml").write_text(yaml.safe_dump(list(overrides)))
    (folder / ".hydra/config.yaml").write_text(f"seed: 0\nscale: {scale or 'null'}\n")
    final = told["headline"]["value"] if isinstance(told, Mapping) else 50.0
    with (folder / "metrics.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("step", "epoch", "name", "value"))
        for step in range(1, steps + 1):
            writer.writerow((step, "", "train/task", 1 / step))
            writer.writerow((step, 0, "val/score", 50 + (final - 50) * (1 - np.exp(-3 * step / steps))))
    if isinstance(told, Mapping):
        (folder / "summary.json").write_text(json.dumps({"name": folder.name, **told}))
    elif told is not None:
        (folder / "summary.json").write_text(told)
    if examples:
        predictions(folder / "predictions", final, examples)
    return folder


def predictions(folder: Path, score: float, examples: int) -> None:
    """A table of which the right share of answers is right."""
    folder.mkdir()
    right = round(score / 100 * examples)
    lines = ["index\tprediction\tlabel\tp(a)\tp(b)"]
    lines += [f"{i}\t{i % 2 if i < right else 1 - i % 2}\t{i % 2}\t0.5\t0.5" for i in range(examples)]
    (folder / "validation.tsv").write_text("\n".join(lines) + "\n")


SWEEP = """\
program: run.py
method: grid
name: nsp
parameters:
  model.nsp: {values: [true, false]}
  data.task: {values: [rte, cola]}
  pretrain.seed: {values: [0, 1, 2]}
  seed: {values: [0, 1]}
command: ["${env}", "${interpreter}", "${program}", model=bert_miniature, data=glue, "${args_no_hyphens}"]
"""


def sweep(root: Path, lacking: int = 0, effect: float = 4.0, **more: Any) -> Path:
    """A sweep's file, and runs of its points in `root`/outputs but for the first few.

    Args:
        effect: what model.nsp=true is worth.
    """
    from sweeps.schema.sweep_file import read

    root.mkdir(parents=True, exist_ok=True)
    file = root / "nsp.yaml"
    file.write_text(SWEEP)
    told, draw = read(file), np.random.default_rng(0)
    noise = {key: draw.normal(0, 1.0) for key in range(3)}
    for number, point in enumerate(told.points()):
        if number < lacking:
            continue
        score = 60.0 + effect * point["model.nsp"] + noise[point["pretrain.seed"]] + draw.normal(0, 0.5)
        task, metric = point["data.task"], "accuracy" if point["data.task"] == "rte" else "matthews"
        score = round(score, 1) if metric == "accuracy" else score - 50
        config = {"model": {"_target_": "lightning_modules.bert.Bert", "nsp": point["model.nsp"]}}
        drawn = {"seed": point["seed"], "encoder": point["pretrain.seed"]}
        facts = record(score, task=task, metric=metric, config=config, **drawn, **more)
        examples = 1000 if metric == "accuracy" else 0
        run(root / "outputs" / f"run-{number:03}", facts, told.words(point), examples=examples)
    return file
