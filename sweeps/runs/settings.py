"""Settings as plain mappings and as words of a command line."""

import json
import re
import shlex
from typing import Any


def without(node: dict[str, Any], *keys: str) -> dict[str, Any]:
    """A mapping less some of its keys."""
    return {key: value for key, value in node.items() if key not in keys}


def leaves(node: Any, key: str = "") -> dict[str, Any]:
    """Nested mappings as dotted keys."""
    if not isinstance(node, dict) or not node:
        return {key: node}
    inner = (leaves(value, f"{key}.{name}" if key else str(name)) for name, value in node.items())
    return {name: value for part in inner for name, value in part.items()}


def differences(ours: dict, theirs: dict) -> list[str]:
    """Lines "key: ours, theirs" for every fact that is not the same."""
    mine, others = leaves(ours), leaves(theirs)
    return [
        f"{key}: {mine.get(key, 'nothing')!r} here, {others.get(key, 'nothing')!r} there"
        for key in sorted({*mine, *others})
        if mine.get(key, "nothing") != others.get(key, "nothing")
    ]


def quoted(value: Any) -> str:
    """A value as Hydra's command line takes it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{quoted(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(quoted, value)) + "]"
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    return repr(value)


def typed(key: str, value: str) -> str:
    """An override as a person types it into a shell."""
    is_plain = re.fullmatch(r"[-\w/.+@:~]+", value)
    return shlex.quote(f"{key}={value if is_plain else quoted(value)}")
