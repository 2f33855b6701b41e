"""From a page to the runs: relative addresses of their records, and what the encoders behind them cost."""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from sweeps.evidence.results import FINISHED, Result, read


class Links:
    """Of one site.

    Args:
        site: the folder of its pages.
        encoders: folders of pre-trainings.
    """

    def __init__(self, site: Path, encoders: Sequence[Path]) -> None:
        self.site, self.encoders = site, encoders

    def record(self, result: Result) -> str:
        """A run's record, or of one without, its folder; begins with "../"."""
        file = result.folder / "summary.json"
        way = os.path.relpath(file if file.is_file() else result.folder, self.site)
        return quote(way)

    @cached_property
    def pretrainings(self) -> dict[str, Result]:
        """Fingerprint -> the run that made the encoder."""
        found = [
            read(place)
            for folder in self.encoders
            if folder.is_dir()
            for place in sorted(folder.iterdir())
            if (place / "encoder/encoder.yaml").is_file()
        ]
        return {
            str(one.record["encoder_fingerprint"]): one
            for one in found
            if one.status == FINISHED and one.is_pretraining
        }

    def encoder_of(self, result: Result) -> Result | None:
        """The pre-training behind a run, if its record is here."""
        return self.pretrainings.get(str(result.record.get("encoder_fingerprint")))

    def flops(self, result: Result) -> tuple[float | None, bool]:
        """What a run's training took, and whether that counts all: with the encoder's, if it has one."""
        own = result.record["cost"].get("flops")
        if not result.reads_encoder or result.is_pretraining:
            return own, True
        encoder = self.encoder_of(result)
        spent = encoder.record["cost"] if encoder else result.pretraining
        if "flops" not in spent or own is None:
            return own, False
        return own + spent["flops"], True
