"""How long the dashboard takes for many runs that were never run.

python -m benchmarks.dashboard                 2,000 runs of one sweep: 8 tasks, 10 rows, 5 encoders, 5 seeds
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

import sweeps.dashboard as dashboard
from sweeps.evidence import published
from sweeps.schema.sweep_file import read
from tests import synthetic

TASKS = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte")
FILE = """\
program: run.py
method: grid
name: many
parameters:
  text.objective.masking_rate: {{values: [0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55]}}
  data.task: {{values: [{tasks}]}}
  pretrain.seed: {{values: [0, 1, 2, 3, 4]}}
  seed: {{values: [0, 1, 2, 3, 4]}}
command: ["${{env}}", "${{interpreter}}", "${{program}}", model=bert_miniature, data=glue, "${{args_no_hyphens}}"]
"""


def make(root: Path, steps: int, examples: int) -> Path:
    """The sweep's file, and all of its runs."""
    file = root / "many.yaml"
    file.write_text(FILE.format(tasks=", ".join(TASKS)))
    told, draw = read(file), np.random.default_rng(0)
    for number, point in enumerate(told.points()):
        config = {"text": {"objective": {"masking_rate": point["text.objective.masking_rate"]}}}
        score = 60.0 + point["pretrain.seed"] + round(float(draw.normal()), 1)
        drawn = {"seed": point["seed"], "encoder": point["pretrain.seed"], "task": point["data.task"]}
        one = synthetic.record(score, config=config, **drawn)
        synthetic.run(root / "outputs" / f"run-{number:04}", one, told.words(point), steps=steps, examples=examples)
    return file


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--steps", type=int, default=200, help="rows of each run's history, twice")
    parser.add_argument("--examples", type=int, default=1000, help="rows of each run's predictions")
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        file = make(Path(root), told.steps, told.examples)
        published.read = lambda: {}  # pyright: ignore[reportAttributeAccessIssue]
        since, spent = time.perf_counter(), time.process_time()
        dashboard.main([str(file), "--runs", f"{root}/outputs"])
        took, worked = time.perf_counter() - since, time.process_time() - spent
        page = Path(root, "outputs/dashboard/many-miniature.html").stat().st_size
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{took:.1f} s ({worked:.1f} s of one core), {memory:.0f} MB, page {page / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
