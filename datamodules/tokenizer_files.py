"""The files that hold a tokenizer: where they are, and what they say."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from datamodules.task import Refused

FILES = ("tokenizer.json", "vocab.txt")  # what a directory may hold, the one that says more first
KINDS = "a tokenizer.json, a vocab.txt, or a directory that holds one of them"


def find(path: Path, lowercase: bool) -> tuple[Path, bool | None]:
    """The file that `path` means and whether it lowers the case; None if the file itself says so."""
    if path.is_dir():
        held = [path / name for name in FILES if (path / name).is_file()]
        if not held:
            raise Refused(f"{path} is not a tokenizer: the directory holds neither {' nor '.join(FILES)}.")
        path, lowercase = held[0], _configured_case(path / "tokenizer_config.json", lowercase)
    if not path.is_file():
        raise Refused(f"{path} is not there: a tokenizer is {KINDS}.")
    return path, None if path.suffix == ".json" else lowercase


def _configured_case(file: Path, otherwise: bool) -> bool:
    if not file.is_file():
        return otherwise
    try:
        return bool(json.loads(file.read_text(encoding="utf-8")).get("do_lower_case", otherwise))
    except (ValueError, AttributeError) as error:
        raise Refused(f"{file} is not a tokenizer's configuration: {error}.") from error


def from_json(text: str, file: Path) -> Tokenizer:
    """Parse a tokenizer.json and keep only what cuts text into ids."""
    try:
        known = Tokenizer.from_str(text).get_vocab(with_added_tokens=False)
        settings = json.loads(text)
        # a special token that the vocabulary has needs no entry of its own, which would make it readable in a text
        added = [token for token in settings["added_tokens"] if not token["special"] or token["content"] not in known]
        settings.update(added_tokens=added, post_processor=None, truncation=None, padding=None)
        return Tokenizer.from_str(json.dumps(settings))
    except Exception as error:  # the library raises nothing narrower
        raise Refused(f"{file} is not a tokenizer: {error}.") from error


def lines_of(text: str, file: Path, specials: Sequence[str]) -> list[str]:
    """The lines of a vocab.txt, which has the special tokens; the line number is the id."""
    lines = text.removesuffix("\n").split("\n")  # not splitlines(), for which U+2028 or U+0085 ends a line
    lacking = [token for token in specials if token not in lines]
    if lacking:
        raise Refused(f"{file} is not a WordPiece vocabulary: it lacks {', '.join(lacking)}.")
    repeated = [piece for piece, count in Counter(lines).items() if count > 1]
    if repeated:
        raise Refused(f"{file} is not a WordPiece vocabulary: it has {repeated[0]!r} more than once.")
    return lines
