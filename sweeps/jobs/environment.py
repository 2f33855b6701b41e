"""What a process finds around it: its rank, its GPUs; and what a child of it must not find."""

import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import takewhile

from datamodules.task import Refused

PARENT = "SIDE_BY_SIDE_PARENT"  # variable: the process that started a job
HELD = "SIDE_BY_SIDE_LEASE"  # variable: file and token of a claim for which a job works; it goes on without its parent

# A launcher's marks on its processes: a job's own trainer must not take them for its own.
RANKS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "NODE_RANK", "GROUP_RANK", "GROUP_WORLD_SIZE")
RANKS += ("MASTER_ADDR", "MASTER_PORT", "SLURM_NTASKS", "SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID")
RANK_FAMILIES = ("ROLE_", "TORCHELASTIC_", "SLURM_STEP_", "SLURM_NTASKS_", "OMPI_COMM_WORLD_", "PMI_")
# What makes a process part of a W&B run or sweep: a child has a run of its own.
WANDB_OWN = ("WANDB_RUN_ID", "WANDB_RUN_NAME", "WANDB_NAME", "WANDB_RESUME", "WANDB_SERVICE", "WANDB_RUN_DIR")


def rank_of(environment: Mapping[str, str] = os.environ) -> int | None:
    """This process's global rank, if torchrun or SLURM gave it one among several."""
    for rank, world in (("RANK", "WORLD_SIZE"), ("SLURM_PROCID", "SLURM_NTASKS")):
        if rank in environment and int(environment.get(world, "1")) > 1:
            return int(environment[rank])
    return None


def is_follower() -> bool:
    """Whether this is another rank than the first."""
    return any(os.environ.get(name, "0") != "0" for name in ("LOCAL_RANK", "RANK", "NODE_RANK", "SLURM_PROCID"))


def under_agent() -> bool:
    """Whether an agent of W&B's sweeps started this process."""
    return "WANDB_SWEEP_ID" in os.environ


def usual_logger() -> str:
    """The resolver behind conf/config.yaml's logger: an agent's runs are where the agent is, all others offline."""
    return "wandb" if under_agent() else "offline"


def child_environment(group: str, more: Mapping[str, str]) -> dict[str, str]:
    """The variables of a child: no rank, no W&B run or sweep of its parent's; its own runs are of `group`."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in (*RANKS, *WANDB_OWN) and not name.startswith((*RANK_FAMILIES, "WANDB_SWEEP"))
    }
    return {**kept, "WANDB_RUN_GROUP": os.environ.get("WANDB_RUN_GROUP", group), **more}


def visible_gpus(accelerator: str) -> list[str]:
    """The GPUs that jobs may have; no context is made on any of them."""
    if accelerator == "cpu":
        return []
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is not None:  # what stands behind a -1 is hidden
        return list(takewhile(lambda name: name != "-1", (name.strip() for name in told.split(",") if name.strip())))
    import torch

    return [str(number) for number in range(torch.cuda.device_count())]


def gpus_needed(devices: int | str | list, gpus: Sequence[str], at_once: int, key: str = "trainer.devices") -> int:
    """How many of `gpus` a job with this number of devices takes; none where there are none.

    Raises:
        Refused: when `at_once` such jobs do not fit, or certain GPUs are named: they are given out.
    """
    if not gpus:
        return 0
    if isinstance(devices, list) or not str(devices).removeprefix("-").replace("auto", "1").isdigit():
        raise Refused(
            f"{key}={devices} is not possible for a job: its GPUs are given to it; it may be a number or auto."
        )
    count = len(gpus) if str(devices) in ("auto", "-1") else int(devices)
    if count * at_once > len(gpus):
        raise Refused(
            f"jobs={at_once} with {key}={devices} needs {count * at_once} GPUs, and there are {len(gpus)}: "
            f"jobs may be up to {len(gpus) // count}, or {key} fewer."
        )
    return count


def scaled(words: Sequence[str]) -> list[str]:
    """Words of a command line with the variable SCALE among them, unless they choose a scale themselves."""
    told = os.environ.get("SCALE")
    if not told or any(word.startswith("scale=") for word in words):
        return [*words]
    first = next((number for number, word in enumerate(words) if "=" in word and not word.startswith("-")), len(words))
    return [*words[:first], f"scale={told}", *words[first:]]  # overrides stand together


@contextmanager
def following() -> Iterator[None]:
    """As a job: stop when the process that started it is gone without having stopped it (it was killed)."""
    parent, done = os.environ.pop(PARENT, None), threading.Event()

    def watch() -> None:
        while not done.wait(2):
            if str(os.getppid()) != parent:
                os.kill(os.getpid(), signal.SIGTERM)
                return

    if parent is not None and HELD not in os.environ:
        threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()
