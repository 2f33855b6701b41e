"""How the program ends where it does not end well: one sentence and an exit status, never a traceback for a slip.

Hydra answers a wrong key with advice that does not help here, and an interrupted run said nothing. What is left as a
traceback is a fault of the program.
"""

import errno
import os
import re
import select
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from hydra.errors import (
    ConfigCompositionException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
    SearchPathException,
)
from omegaconf import DictConfig
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    OmegaConfBaseException,
)

from datamodules.task import Refused, meant

STDOUT = 1
RESUME = "the same command with resume=true goes on from its last checkpoint, or anew where there is none yet"
AGAIN = "the same command again goes on with what is left"
LIGHTNING = "; other arguments of Lightning's Trainer are added: +trainer.<name>=<value>"
NO_NAME = "Config group override must be a string"  # Hydra's, which does not say of which group
# Faults of a place, not of the program.
PLACE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOSPC, errno.EDQUOT)


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends the program as Ctrl-C does, but for how it says so to who started it."""


def terminated(*_: object) -> None:
    """A signal's handler."""
    raise Terminated


@contextmanager
def answering() -> Iterator[None]:
    """Around the whole program: wrong keys and places that cannot be written end with status 2, Ctrl-C with 130, and
    SIGTERM as if nobody had heeded it."""
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")  # Hydra raises its errors, where it would print them
    try:
        yield
        sys.stdout.flush()
    except Exception as error:
        if isinstance(error, BrokenPipeError) and is_closed():
            sys.exit(141)  # as a program that SIGPIPE ends
        if (reason := wrong_key(error) or wrong_place(error)) is None:
            traceback.print_exc()
            sys.exit(1)
        end(f"error: {reason}", 2)
    except (KeyboardInterrupt, SystemExit) as error:
        if (stop := interrupted(error)) is None:
            raise
        words = f"stopped{'; ' * bool(stop.args)}{stop}"
        if isinstance(stop, Terminated):
            say_last(words)
            die()
        end(words, 130)


def end(words: str, status: int) -> None:
    """The last words, and this status."""
    say_last(words)
    sys.exit(status)


def say_last(words: str) -> None:
    """On the first process only."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(words, file=sys.stderr)


def die() -> NoReturn:
    """By SIGTERM itself (143 in a shell): whoever sent it sees that it was heeded. A status would be a failure, and an
    agent of W&B's sweeps gives up after a few."""
    sys.stdout.flush()
    sys.stderr.flush()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)
    sys.exit(128 + signal.SIGTERM)  # where the signal is blocked


def is_closed() -> bool:
    """Whether nobody reads standard output any more (`| head`); then Python is not to try once more at its end."""
    poll = select.poll()
    poll.register(STDOUT, 0)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False
    os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
    return True


@contextmanager
def advising(words: str) -> Iterator[None]:
    """What to do after a stop inside this block, unless something inside knows better."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit) as error:
        stop = interrupted(error)
        if stop is None or stop.args:
            raise
        raise type(stop)(words) from error


def interrupted(error: BaseException | None) -> KeyboardInterrupt | None:
    """The Ctrl-C behind an end: Lightning turns it into a SystemExit."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error


def wrong_place(error: Exception) -> str | None:
    """A sentence for a file or folder that cannot be made; None for any other error."""
    if not isinstance(error, OSError) or error.errno not in PLACE or error.filename is None:
        return None
    return (
        f"{error.filename} cannot be written ({error.strerror}): outputs/ is made where the program is started "
        f"(or hydra.run.dir), prepared text in cache_dir, encoders in encoders_dir; each may be a folder of one's own."
    )


def wrong_key(error: Exception) -> str | None:
    """A sentence for what Hydra cannot compose: the key, and what was meant or what there is; None for other errors."""
    cause = error.__cause__
    if isinstance(error, MissingConfigException) and error.missing_cfg_file and error.options:
        group, _, option = error.missing_cfg_file.rpartition("/")
        return f"{group}={option} is not possible{meant(option, error.options)}: it may be {', '.join(error.options)}."
    if isinstance(error, ConfigCompositionException) and isinstance(cause, ConfigKeyError | ConfigAttributeError):
        return unknown(str(cause.full_key), cause.parent_node)
    if isinstance(error, OverrideParseException):
        return f"{error.override!r} cannot be read: it may be <key>=<value> ({first_line(error.message)})."
    if isinstance(error, ValueError) and str(error).startswith(NO_NAME):
        return (
            "a group's choice is a number, true, false or null: of model=, data=, scale= it may be a file's name there."
        )
    root = first_cause(error)
    if isinstance(error, InterpolationResolutionError) and not isinstance(root, OmegaConfBaseException):
        return str(root) if isinstance(root, Refused) else None  # a fault inside a resolver is the program's own
    if isinstance(error, ConfigCompositionException | SearchPathException | InterpolationResolutionError):
        return first_line(str(error))
    return None


def first_cause(error: BaseException) -> BaseException:
    """What an error was raised from, at the beginning."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return error


def unknown(key: str, parent: object) -> str:
    """A sentence for a key that the node it would be in does not have."""
    node, _, name = key.rpartition(".")
    there = [str(one) for one in parent if one != "hydra"] if isinstance(parent, DictConfig) else []
    if not there:
        return f"there is no key {key}: {node} has no keys."
    near = meant(name, there, f"{node}." if node else "")
    all_of_them = f": {node or 'the configuration'} has {', '.join(there)}"
    return f"there is no key {key}{near or all_of_them}{LIGHTNING if node.endswith('trainer') else ''}."


def untaken(error: InstantiationException) -> str | None:
    """A sentence for a value of a node that its class does not take, as a recipe has for data of another kind."""
    cause = error.__cause__
    argument = re.search(r"unexpected keyword argument '(\w+)'", str(cause)) if isinstance(cause, TypeError) else None
    place = re.search(r"target '([\w.]+)'.*full_key: (\S+)", str(error), re.DOTALL)
    if argument is None or place is None:
        return None
    target, node = place.groups()
    return f"{node}.{argument[1]} is said, and {target} has no such setting."


def first_line(words: str) -> str:
    """What stands before the first end of a line, less the override that it repeats."""
    return next((line for line in words.splitlines() if not line.startswith("Error parsing")), words)
