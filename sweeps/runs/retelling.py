"""A point of a sweep that was run before, told to the W&B run that an agent has for it.

Without that the sweep would show nothing for the point, for there is nothing left to run.
"""

from collections import defaultdict
from pathlib import Path

from omegaconf import DictConfig

from sweeps.jobs.environment import under_agent
from sweeps.jobs.files import read_history, read_record
from sweeps.runs.places import Run


def tell_agent(cfg: DictConfig, run: Run) -> None:
    """Under an agent: the settings, history and results of a run that finished before, as it would have logged them."""
    if not under_agent() or not cfg.logger.get("_target_"):
        return
    from sweeps.runs.loggers import begin_logs, is_first, wandb_logger
    from sweeps.runs.record import close_run

    if is_first():
        logger, record = wandb_logger(cfg, run), read_record(run.directory)
        begin_logs([logger], record["config"])
        for step, values in rows(run.directory):
            logger.log_metrics(values, step)
        close_run(logger, record, run.directory)


def rows(run: Path) -> list[tuple[int, dict[str, float]]]:
    """Step and values of each row that was logged, in the order of the steps: W&B takes no other."""
    together: dict[int, dict[str, float]] = defaultdict(dict)
    for step, epoch, name, value in read_history(run):
        together[step] |= {name: value, "epoch": epoch}
    return sorted(together.items())
