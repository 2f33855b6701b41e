"""What is trained on and what is chosen on: a tenth of the training set is held out, or the published set is looked at.

The published validation sets are our test sets. What has to be chosen (the epoch, a threshold) is chosen on a tenth of
the training set, fixed by a hash of the text: `selection: holdout`. `selection: paper` chooses on the published
validation set, as the papers did, and is labelled so wherever it is shown.
"""

import hashlib
from collections.abc import Sequence

import numpy as np

from datamodules.masking import generator
from datamodules.task import Refused, real

PAPER = "paper"
SELECTIONS = {"holdout": "selected on a tenth of train", PAPER: "selected on dev"}  # in words, for records
SUBSET = 1  # the last part of a random key, apart from the loader's (seed, epoch, 0)
COUNTED = "a whole number from {}, or null for all"


def holdout_mask(rows: Sequence[str], share: float = 0.1) -> np.ndarray:
    """Which rows of train are held out for choices: decided by each text alone, so by no seed, order or machine.

    Args:
        rows: the texts of each row, joined with the unit separator "\\x1f"; equal texts fall on the same side.
        share: expected part of the different texts that is held out, 0 to 1.

    Returns:
        Booleans, (len(rows),), True for a held-out row.
    """
    bound = int(share * 2**64)
    digests = (hashlib.blake2b(row.encode(), digest_size=8).digest() for row in rows)
    return np.fromiter((int.from_bytes(digest) < bound for digest in digests), dtype=bool, count=len(rows))


def counted(wanted: int | None) -> int | None:
    """`data.train_examples`, where it is one; raises Refused as `real`."""
    if wanted is None:
        return None
    return real("data.train_examples", wanted, COUNTED.format("1 up"), lambda n: isinstance(n, int) and n > 0)


def some_of(rows: np.ndarray, wanted: int | None, seed: int, name: str) -> np.ndarray:
    """`data.train_examples` of the rows to train on, in their order; of one seed, fewer are a part of more.

    Raises:
        Refused: when there are not so many.
    """
    if wanted is None:
        return rows
    if wanted > len(rows):
        raise Refused(
            f"data.train_examples={wanted} is not possible: {name} has {len(rows)} rows to train on; it may be "
            f"{COUNTED.format(f'1 to {len(rows)}')}."
        )
    return np.sort(rows[generator(seed, 0, SUBSET).permutation(len(rows))[:wanted]])
