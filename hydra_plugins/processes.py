"""`-m`: every job of Hydra's multirun is a process of its own. Hydra finds launchers only in a package of this name."""

from collections.abc import Sequence
from dataclasses import dataclass

from hydra.core.config_store import ConfigStore
from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


@dataclass
class Processes:
    """conf/config.yaml chooses it: `hydra/launcher: processes`."""

    _target_: str = "hydra_plugins.processes.ProcessLauncher"


ConfigStore.instance().store(group="hydra/launcher", name="processes", node=Processes)


class ProcessLauncher(Launcher):
    """Starts `python run.py <overrides>` for each job, `jobs` at once; see sweeps/jobs/pool.py."""

    config: DictConfig
    hydra_context: HydraContext

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context, self.config = hydra_context, config

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; any that failed makes the whole end with status 1, after the others are done."""
        from sweeps.planning.multirun import run_multirun  # here, because Hydra imports this file at every start

        loader = self.hydra_context.config_loader
        configurations = [loader.load_sweep_config(self.config, list(overrides)) for overrides in job_overrides]
        run_multirun(self.config, list(zip(job_overrides, configurations, strict=True)))
        return [JobReturn(overrides=overrides, status=JobStatus.COMPLETED) for overrides in job_overrides]
