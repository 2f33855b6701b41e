"""Running the frozen encoder of transfer=features once: its layers are kept, and every run that needs them reads them.

Whoever holds the lock of a text's folder computes what its run lacks; others wait, and find it there.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import torch
from filelock import FileLock, Timeout

from datamodules.labelled import LabelledData
from datamodules.layer_cache import VERSION, LayerCache
from datamodules.task import Refused, fingerprint
from lightning_modules.base import LanguageModel
from lightning_modules.features import FeatureHead
from lightning_modules.frozen import of_text
from lightning_modules.start import NO_SHAPE, Start

CHUNK = 16  # batches after which what was computed is safe
GB = 1e9
NO_NUMBERS = (
    *NO_SHAPE,
    "dropout",
    "attention_dropout",
    "init",
)  # these change no layer of a frozen encoder


def keep_layers(start: Start, trainer: L.Trainer, model: LanguageModel, data: Any, say: Callable[[str], None]) -> None:
    """Have `data`, which is prepared, bring along what a frozen `model` makes of its texts: computed now, or before.

    Of an encoder from scratch, which no other run has, of data that cannot keep layers, and of a run that does not read
    all of its data, each epoch computes them.

    Raises:
        Refused: when they take more room than they may.
    """
    if model.transfer.features is None or not isinstance(model.head, FeatureHead) or not model.head.layers:
        return
    is_limited = isinstance(trainer.limit_train_batches, int) or trainer.limit_train_batches < 1
    if not model.transfer.features.cache or start.directory is None or not isinstance(data, LabelledData) or is_limited:
        say("layers: computed anew in each epoch")
        return
    folder = data.cache / "layers" / fingerprint(layer_facts(start, str(trainer.precision), model, data))
    data.layers = cache = LayerCache(folder, model.head.layers, *model.layer_shape)
    folder.mkdir(parents=True, exist_ok=True)
    with held(folder / ".lock", say):
        data.setup("fit")
        sets = list(dict.fromkeys(data.sets_of_examples))
        tokens = sum(int(one.kept.sizes(one.rows).sum()) for one in sets)
        lacking = sum(int(one.kept.sizes(one.kept.missing(one.rows)).sum()) for one in sets)
        check_room(cache, tokens, lacking, model.transfer.features.cache_gb)
        size = f"{tokens:,} tokens x {len(cache.layers)} layers x {cache.width}"
        since = time.perf_counter()
        if lacking:
            say(f"layers: {size}, of which {lacking:,} tokens are computed now and kept in {folder}")
            device = trainer.strategy.root_device
            fill(model.to(device), sets, device, trainer.precision_plugin.forward_context, data.eval_batch_size)
        seconds = time.perf_counter() - since
    cache.figures = {"tokens": tokens, "computed_tokens": lacking, "seconds": seconds if lacking else 0.0}
    say(f"layers: computed in {seconds:.1f} s" if lacking else f"layers: {size} read from {folder}")


def layer_facts(start: Start, precision: str, model: LanguageModel, data: Any) -> dict[str, Any]:
    """Everything that decides the layers of a text."""
    return {
        "encoder": start.digest,
        "model": [type(model).__name__, model.ENCODER_VERSION],
        "settings": {key: value for key, value in model.hparams.items() if key not in NO_NUMBERS},
        "tokens": data.tokens_dir.name,  # the text's identity and the tokenizer's
        "max_length": data.max_length,
        **(
            {} if data.task.reading is None else {"windows": [data.task.reading.stride, data.task.reading.max_question]}
        ),
        "format": model.text["format"],
        "precision": precision,
        "version": VERSION,
    }


@contextmanager
def held(path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """One process at a time."""
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        say(f"layers: waits for another process that computes some in {path.parent}")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def check_room(cache: LayerCache, tokens: int, lacking: int, limit: float) -> None:
    """Refuse what is more than `limit` GB, or than is free where it is to be kept."""
    instead = "transfer.cache=false computes the layers anew in each epoch"
    if (size := cache.bytes(tokens) / GB) > limit:
        raise Refused(f"transfer.cache_gb={limit}: this run's layers take {size:.3g} GB; it may be more, or {instead}.")
    free = shutil.disk_usage(cache.folder).free / GB
    if (size := cache.bytes(lacking) / GB) > free:
        raise Refused(
            f"cache_dir: {size:.3g} GB of layers are to be kept where {free:.3g} GB are free; it may be elsewhere, or "
            f"{instead}."
        )


def fill(
    model: LanguageModel,
    sets: Sequence[Any],
    device: torch.device,
    context: Callable[[], AbstractContextManager],
    size: int,
) -> None:
    """Compute and keep what is missing, texts of one length together.

    Args:
        sets: of rows that are read (`LabelledExamples`), each with what is `kept` of it.
        context: in which the trainer lets a model compute.
        size: rows of a batch.
    """

    def layers(one: Any, rows: np.ndarray) -> tuple[dict, list[np.ndarray]]:
        batch = one.laid_out(rows)
        there = model.transfer_batch_to_device(batch, device, 0)
        with context():
            found = of_text(model.frozen(there), there)
        return batch, [layer.to(torch.float16).cpu().numpy() for layer in found]

    for one in sets:
        rows = one.kept.missing(one.rows)
        rows = rows[np.argsort(one.kept.sizes(rows), kind="stable")]
        batches = np.array_split(rows, -(-len(rows) // size)) if len(rows) else []
        for first in range(0, len(batches), CHUNK):
            one.kept.write(layers(one, some) for some in batches[first : first + CHUNK])
