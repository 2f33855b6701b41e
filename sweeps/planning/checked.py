"""What is refused of a sweep before any of it is started, and where in its file it stands."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from datamodules.task import Refused
from sweeps.jobs.sentences import wrong_key
from sweeps.planning.ahead import alone, row_mark
from sweeps.runs.checks import check_switches
from sweeps.runs.constructing import check_parts
from sweeps.runs.places import refusal_behind
from sweeps.schema.hydra_words import key_of
from sweeps.schema.sweep_file import Sweep


def check_points(sweep: Sweep, configurations: Sequence[DictConfig]) -> None:
    """Refuse what a point would refuse itself, those that differ in their seeds alone once.

    Raises:
        Refused: with the line of the file.
    """
    seen: set[str] = set()
    with located(sweep):
        for cfg in configurations:
            HydraConfig.instance().set_config(cfg)
            check_switches(alone(cfg))
            if (mark := row_mark(cfg)) not in seen:
                seen.add(mark)
                check_parts(alone(cfg))


@contextmanager
def located(sweep: Sweep) -> Iterator[None]:
    """What is refused inside this block says in which line of the sweep's file it stands, if in any."""
    try:
        yield
    except (HydraException, OmegaConfBaseException, ValueError, OSError) as error:
        reason = wrong_key(error) or refusal_behind(error)
        if reason is None:
            raise
        raise Refused(f"{where(sweep, str(reason))}{reason}") from error


def where(sweep: Sweep, reason: str) -> str:
    """File and line of the key that a sentence names first; empty if none of the file's is named."""
    told = {key_of(name): ("parameters", name) for name in sweep.parameters}
    told |= {key_of(str(word)): ("command", str(number)) for number, word in enumerate(sweep.raw["command"])}
    found = [
        (match.start(), -len(key), sweep.lines[place])
        for key, place in told.items()
        if place in sweep.lines and (match := re.search(rf"(?<![\w.]){re.escape(key)}(?![\w.])", reason))
    ]
    return f"{sweep.path}, line {min(found)[2]}: " if found else ""
