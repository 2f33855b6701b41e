"""`python -m datamodules.squad score DATA PREDICTIONS.json`: a file of answers as the publishers' scripts score it."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datamodules import sources
from datamodules.squad import NAMES, REPOSITORIES
from datamodules.squad_score import V1, V2, Golds, evaluate
from datamodules.squad_text import checked
from datamodules.task import GENERATED, Refused

VERSIONS = {name: version for version, name in NAMES.items()}
FORMS = f"the publishers' JSON, or a folder in the hub's layout, hub, {', '.join(GENERATED)}"


def golds_of_file(path: Path) -> tuple[str, dict[str, list[str]]]:
    """Version and gold answers of a file in the publishers' format: data -> paragraphs -> qas.

    It is of v2.0 if it says so, or has a question without answer.

    Raises:
        Refused: when it has another format.
    """
    content = read_json(path)
    try:
        questions = [
            qa for article in content["data"] for paragraph in article["paragraphs"] for qa in paragraph["qas"]
        ]
        golds = {str(qa["id"]): [str(answer["text"]) for answer in qa["answers"]] for qa in questions}
    except (KeyError, TypeError) as error:
        raise Refused(f"{path} is no data of SQuAD (articles, paragraphs, qas): {error!r} in it.") from error
    is_second = str(content.get("version", "")).startswith("v2") or not all(golds.values())
    return (V2 if is_second else V1), golds


def golds_of_table(source: str, version: str, split: str) -> dict[str, list[str]]:
    """Of a split in the hub's layout: of a folder, which may also be the repository itself, or any other source."""
    repository, config = REPOSITORIES[version]
    folder = Path(source)
    if folder.is_dir() and not (folder / repository).is_dir() and str(folder.resolve()).endswith(f"/{repository}"):
        source = str(folder.resolve().parents[1])
    where = (source, repository, config, split)
    try:
        read = sources.load_rows(*where)
    except Refused as refusal:
        reason = str(refusal).partition("; data.source")[0].removesuffix(".").replace("with data.source=", "from ")
        raise Refused(f"{reason}; DATA may be {FORMS} (--name {', '.join(VERSIONS)}; --split).") from refusal
    rows = checked(read, sources.place(*where), version == V2)
    return {name: rows.answers(row) for row, name in enumerate(rows.ids)}


def read_json(path: Path) -> Any:
    """Raises Refused when there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise Refused(f"{path} cannot be read as JSON: {error}.") from error


def mapping(path: Path, kind: type, what: str) -> dict[str, Any]:
    """A file of {id: ...}.

    Raises:
        Refused: when it is something else.
    """
    content = read_json(path)
    kinds = (int, float) if kind is float else kind
    if not isinstance(content, dict) or not all(isinstance(value, kinds) for value in content.values()):
        raise Refused(f"{path} is no file of {what}: it may be one JSON object, from each id to its own.")
    return content


def score(given: argparse.Namespace) -> dict[str, float]:
    """The scores of the command line's files."""
    data = Path(given.data)
    if data.is_file():
        version, golds = golds_of_file(data)
        version = VERSIONS.get(given.name, version)
    else:
        version = VERSIONS.get(given.name, V1)
        golds = golds_of_table(given.data, version, given.split)
    predictions = mapping(given.predictions, str, "predictions (texts)")
    odds = None if given.null_odds is None else mapping(given.null_odds, float, "null odds (numbers)")
    if odds is not None and version == V1:
        raise Refused("--null-odds is of SQuAD v2.0, and this data is v1.1.")
    if odds is not None and (lacking := [name for name in predictions if name in golds and name not in odds]):
        raise Refused(f"{given.null_odds} has no odds of {len(lacking)} predicted questions, as {lacking[0]}.")
    return told(golds, predictions, version, odds, given.threshold)


def told(
    golds: Golds, predictions: dict[str, str], version: str, odds: dict[str, float] | None, threshold: float
) -> dict[str, float]:
    return evaluate(golds, predictions, version, lambda words: print(words, file=sys.stderr), odds, threshold)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m datamodules.squad", description=__doc__)
    command = parser.add_subparsers(required=True).add_parser("score", help="score a file of answers")
    command.add_argument("data", metavar="DATA", help=FORMS)
    command.add_argument(
        "predictions", metavar="PREDICTIONS.json", type=Path, help="{id: answer}, an empty one for none"
    )
    command.add_argument("--name", choices=list(NAMES.values()), help="squad, or what the data's JSON is")
    command.add_argument("--split", default="validation", help="of data that is no JSON")
    command.add_argument("--null-odds", type=Path, help="v2.0: {id: number}, the larger the rather it has no answer")
    command.add_argument("--threshold", type=float, default=1.0, help="of the odds, above which it has none (1.0)")
    try:
        print(json.dumps(score(parser.parse_args(arguments)), indent=2))
    except Refused as refusal:
        print(f"error: {refusal}", file=sys.stderr)
        sys.exit(2)
