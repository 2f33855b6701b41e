"""What Hydra takes a word of a command line for, without composing anything."""

from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from datamodules.task import Refused


def key_of(word: str) -> str:
    """What an override is about, whether it is said to be new ("+key=value") or not."""
    return word.partition("=")[0].lstrip("+")


def check_one(override: str) -> None:
    """Refuse what is not one value: an override holds for all points, and which there are is said in the file.

    Raises:
        Refused: for several values, None, which is a word to Hydra, and what Hydra cannot read.
    """
    key, _, value = override.partition("=")
    try:
        is_several = OverridesParser.create().parse_override(override).is_sweep_override()
    except HydraException as error:
        raise Refused(f"{override!r} cannot be read: it may be <key>=<value> ({error}).") from error
    if is_several:
        raise Refused(f"{override} is not possible: it may be one value; without {key}= there are all of the file's.")
    if value == "None":
        raise Refused(f"{override} is a word to Hydra: it may be {key}=null.")


def meaning(override: str) -> Any:
    """What Hydra takes its value for; the words themselves if it is several."""
    found = OverridesParser.create().parse_override(override)
    return override.partition("=")[2] if found.is_sweep_override() else found.value()
