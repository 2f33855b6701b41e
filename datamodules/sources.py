"""Where tables come from: the hub, a local folder in the hub's layout, or the embedded miniature.

`data.source` says which: "hub", "miniature" (larger: "miniature-sweep", "miniature-gpu"), or the path of a folder
that holds repositories as the hub does (`<folder>/nyu-mll/glue/...`). Whatever cannot be read is refused in one
sentence that names the other ways to get it.
The third-party readers are imported inside the functions: importing this file costs nothing.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

from datamodules.task import GENERATED, Refused, fingerprint
from datamodules.text_files import mark_of

if TYPE_CHECKING:
    import datasets

GLUE, SWAG, SICK = "nyu-mll/glue", "allenai/swag", "sick"
CONLL = "eriktks/conll2003"
HUB_TIMEOUT = 5.0  # seconds to wait for the hub's first answer before it counts as unreachable
MINIATURE_SEED = 0


@dataclass(frozen=True)
class _Table:
    """What is looked for: a repository and its configuration (None: its only one), and in which source."""

    source: str
    repository: str
    config: str | None

    def refused(self, reason: str, split: str | None = None) -> Refused:
        """The one sentence for a table that cannot be read, with the other ways to get it."""
        named = {"config": self.config, "split": split}
        wanted = ", ".join([self.repository, *(f"{key} {name}" for key, name in named.items() if name)])
        ways = {"hub": "hub (needs a network)", "miniature": "miniature (generated text)"}
        own = "miniature" if self.source in GENERATED else self.source
        others = ["a folder in the hub's layout", *(way for source, way in ways.items() if source != own)]
        return Refused(
            f"{wanted} cannot be read with data.source={self.source}: {reason}; "
            f"data.source (or the environment variable DATA_SOURCE) may also be {' or '.join(others)}."
        )


def load_rows(source: str, repository: str, config: str | None, split: str) -> "datasets.Dataset":
    """Read one split of a table, e.g. `load_rows("hub", "nyu-mll/glue", "rte", "train")`.

    The miniature's documents are generated while they are read, so that any number of them needs no memory.

    Raises:
        Refused: the folder, repository, configuration or split does not exist, or the hub cannot be reached.
    """
    table = _Table(source, repository, config)
    _check_splits(table, [split])
    if source in GENERATED:
        return _miniature_rows(table, split)
    builder = _builder(table)
    with _refusing(table, split):
        builder.download_and_prepare()
        return cast("datasets.Dataset", builder.as_dataset(split=split))


def available_splits(source: str, repository: str, config: str | None) -> list[str]:
    """Names of a table's splits, in the publishers' order.

    Raises:
        Refused: the folder, repository or configuration does not exist, or the hub cannot be reached.
    """
    table = _Table(source, repository, config)
    if source in GENERATED:
        return _miniature_splits(table)
    builder = _builder(table)
    files = getattr(builder.config, "data_files", None)  # a copy from the cache knows its splits, but no files
    return [str(split) for split in files or builder.info.splits or ()]


def identity(source: str, repository: str, config: str | None, splits: Sequence[str]) -> dict[str, object]:
    """What these splits would be read from, cheaply: two equal identities stand for the same text.

    The hub: the commit. A folder: each data file's relative name, size and digest (not the folder's own
    place). The miniature: the version of its world, and the seed.

    Raises:
        Refused: as `load_rows`.
    """
    table = _Table(source, repository, config)
    named: dict[str, object] = {"source": source, "repository": repository, "config": config}
    _check_splits(table, splits)
    if source in GENERATED:
        from datamodules import miniature

        return {**named, "world": miniature.WORLD, "seed": MINIATURE_SEED}
    builder = _builder(table)
    if source == "hub":
        return {**named, "revision": builder.hash}
    folder = _folder(table)
    files = sorted({Path(file) for split in splits for file in (builder.config.data_files or {})[split]})
    return {**named, "source": "folder", "files": {os.path.relpath(file, folder): mark_of(file) for file in files}}


def place(source: str, repository: str, config: str | None, split: str) -> str:
    """Where a split's rows stand, for a sentence about one of them: a folder's files, else the source and the names."""
    if source == "hub" or source in GENERATED:
        return f"{source}: {repository} / {config} / {split}"
    files = _builder(_Table(source, repository, config)).config.data_files or {}
    return ", ".join(os.path.relpath(file, Path(source).resolve()) for file in files[split])


def _builder(table: _Table) -> "datasets.DatasetBuilder":
    """The reader of one configuration; nothing but descriptions is downloaded yet."""
    if table.source == "hub":
        return _hub_builder(table)
    folder = _folder(table)
    return _configured(table, str(folder), None, _cache_of(folder, _configured(table, str(folder), None)))


def _cache_of(folder: Path, builder: "datasets.DatasetBuilder") -> str:
    """A cache for these files as they are: that of `datasets` goes by their names, and gives back what once was."""
    from datasets import config

    files = {Path(file) for files in (builder.config.data_files or {}).values() for file in files}
    there = {os.path.relpath(file, folder): [mark_of(file), file.stat().st_mtime_ns] for file in files}
    return str(Path(config.HF_DATASETS_CACHE) / "folders" / fingerprint(there))


def _folder(table: _Table) -> Path:
    root = Path(table.source).expanduser().resolve()
    if (root / table.repository).is_dir():
        return root / table.repository
    raise table.refused(f"the folder has no {table.repository}" if root.is_dir() else "there is no such folder")


@cache  # one question and one commit for a whole process, whatever is pushed meanwhile
def _commit(repository: str) -> str | Exception:
    """The hub's newest commit, or why there is no answer: one request, where `datasets` retries for 23 s."""
    from huggingface_hub import HfApi

    try:
        return str(HfApi().dataset_info(repository, timeout=HUB_TIMEOUT).sha)
    except Exception as error:  # no name server, no route, time-out ...: each version of the client has its classes
        return error


@cache
def _hub_builder(table: _Table) -> "datasets.DatasetBuilder":
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError

    commit = _commit(table.repository)
    if isinstance(commit, RepositoryNotFoundError):
        raise table.refused("the hub has no such data set, or does not show it to you") from commit
    if isinstance(commit, OfflineModeIsEnabled):
        return _cached_builder(table, "HF_HUB_OFFLINE is set")
    if isinstance(commit, Exception):
        return _cached_builder(table, f"the hub gives no answer ({_reason(commit)})")
    return _configured(table, table.repository, commit)


def _cached_builder(table: _Table, why: str) -> "datasets.DatasetBuilder":
    """The newest copy that `datasets` has in its cache: what it falls back to itself, without the retries."""
    from datasets.packaged_modules.cache.cache import Cache

    name = table.repository.split("/")[-1]
    try:
        return Cache(repo_id=table.repository, dataset_name=name, config_name=table.config, version="auto", hash="auto")
    except (ValueError, OSError) as error:  # no copy, or copies of several configurations to choose from
        raise table.refused(f"{why}, and the cache has no copy of it") from error


def _configured(table: _Table, path: str, revision: str | None, cache: str | None = None) -> "datasets.DatasetBuilder":
    import datasets

    with _refusing(table):
        try:
            return datasets.load_dataset_builder(path, table.config, revision=revision, cache_dir=cache)
        except ValueError:
            configs = datasets.get_dataset_config_names(path, revision=revision)
            if table.config in configs:
                raise
            raise table.refused(f"its configurations are {', '.join(configs)}") from None


@contextmanager
def _refusing(table: _Table, split: str | None = None) -> Iterator[None]:
    """Whatever the third-party reader raises becomes the one sentence; its own error stays attached as the cause."""
    try:
        yield
    except Refused:
        raise
    except Exception as error:
        raise table.refused(_reason(error), split) from error


def _reason(error: BaseException) -> str:
    """The innermost error's class and first sentence: the outer ones only say that something failed."""
    while error.__cause__:
        error = error.__cause__
    return f"{type(error).__name__}: {' '.join(str(error).split()).partition('. ')[0].rstrip('.')}"


def _check_splits(table: _Table, wanted: Sequence[str]) -> None:
    there = available_splits(table.source, table.repository, table.config)
    for split in wanted:
        if split not in there:
            raise table.refused(f"it has only the split{'s' * (len(there) != 1)} {', '.join(there)}", split)


def _miniature_splits(table: _Table) -> list[str]:
    from datamodules import miniature
    from datamodules.miniature.layouts import LAYOUTS

    size = GENERATED[table.source]
    if table.repository in LAYOUTS:
        return list(LAYOUTS[table.repository](str(table.config), MINIATURE_SEED, size))
    if table.repository not in (GLUE, SWAG):
        return list(miniature.DOCUMENTS[size])
    task = _miniature_task(table)
    if task not in miniature.BUILDERS:
        raise table.refused(f"its configurations are {', '.join(miniature.BUILDERS)}")
    return list(miniature.split_sizes(task, size))


def _miniature_task(table: _Table) -> str | None:
    """Which of the miniature's tasks stands for a configuration: of the same name, but for SWAG's."""
    from datamodules.miniature.tasks import STANDS_FOR

    return STANDS_FOR["swag"] if table.repository == SWAG else table.config


def _miniature_rows(table: _Table, split: str) -> "datasets.Dataset":
    import datasets

    from datamodules import miniature
    from datamodules.miniature.layouts import LAYOUTS

    size = GENERATED[table.source]
    if table.repository in LAYOUTS:
        return datasets.Dataset.from_list(LAYOUTS[table.repository](str(table.config), MINIATURE_SEED, size)[split]())
    if table.repository in (GLUE, SWAG) and (task := _miniature_task(table)):
        return datasets.Dataset.from_list(miniature.glue(task, split, MINIATURE_SEED, size))
    texts = datasets.IterableDataset.from_generator(
        lambda: ({"text": text} for text in miniature.documents(split, MINIATURE_SEED, size)),
        features=datasets.Features({"text": datasets.Value("string")}),
    )
    return cast("datasets.Dataset", texts)  # read once from end to end, as a table is
