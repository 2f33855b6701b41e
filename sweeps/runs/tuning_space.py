"""What a run tries before it trains: `tuning={values: {<key>: [...], ...}, seeds: [...]}`."""

from dataclasses import dataclass
from itertools import product
from typing import Any

from omegaconf import DictConfig, OmegaConf

from datamodules.task import Refused, meant, real, whole

TRIAL = "trial"  # `tuning` of a run that is tried
KEYS = ("values", "seeds")
MOST = "most_flops"
OWN = ("seed", "pretrain.seed", "tuning", "rerun", "resume", "trials_dir")  # keys that the trials' own settings have
TRANSFER = ("transfer.", "model.finetuning.", "model.auxiliary_lm", "data.", "trainer.")  # keys that change no encoder
SHAPE = "it may be null, or {values: {<key>: [<value>, ...]}, seeds: [<whole number>, ...]}, also with most_flops"


@dataclass(frozen=True)
class Space:
    """What is tried.

    Attributes:
        values: keys, as on the command line -> what each may be.
        seeds: of the trials, both of their training and of the pre-training inside; none is a reported run's.
        most_flops: of a pre-training; what takes more is tried too, for rows have equally many trials, but not taken.
    """

    values: dict[str, list[Any]]
    seeds: list[int]
    most_flops: float | None = None

    @classmethod
    def of(cls, cfg: DictConfig) -> "Space | None":
        """A configuration's; None where nothing is tried.

        Raises:
            Refused: for what is no space, and for a run whose own seed the trials have.
        """
        node: Any = OmegaConf.to_container(cfg.tuning, resolve=True) if OmegaConf.is_config(cfg.tuning) else cfg.tuning
        if node is None or node == TRIAL:
            return None
        if not isinstance(node, dict):
            raise Refused(f"tuning={node!r} is not possible: {SHAPE}.")
        if odd := [key for key in node if key not in (*KEYS, MOST)]:
            raise Refused(f"tuning.{odd[0]} is no key of tuning{meant(str(odd[0]), KEYS)}: {SHAPE}.")
        space = cls(node.get("values") or {}, node.get("seeds") or [], node.get(MOST))
        space.check(reported(cfg))
        return space

    @property
    def is_of_pretraining(self) -> bool:
        """Whether the encoder may depend on what is chosen."""
        return not all(key.lstrip("+").startswith(TRANSFER) for key in self.values)

    def check(self, reported: dict[str, int]) -> None:
        """Refuse what cannot be tried; `reported` are the run's own seeds."""
        for name in KEYS:
            if not getattr(self, name):
                raise Refused(f"tuning.{name} is empty: {SHAPE}.")
        for key, values in self.values.items():
            if key in OWN:
                raise Refused(f"tuning.values has {key}, which is not to be chosen: it may have any other key.")
            if not isinstance(values, list) or not values:
                raise Refused(f"tuning.values: {key}={values!r} is not possible: it may be a list of values to try.")
        for seed in self.seeds:
            whole("tuning.seeds", seed, 0)
            for key in (key for key, own in reported.items() if own == seed):
                raise Refused(f"{key}={seed} is one of tuning.seeds, of which no run is reported: it may be another.")

        if self.most_flops is not None:
            real(f"tuning.{MOST}", self.most_flops, "a number above 0", lambda number: number > 0)
            if "pretrain.seed" not in reported:
                raise Refused(f"tuning.{MOST} is of a pre-training: it needs pretrain=<recipe>.")

    def points(self) -> list[dict[str, Any]]:
        """Every value of every key with every other's."""
        return [dict(zip(self.values, point, strict=True)) for point in product(*self.values.values())]


def reported(cfg: DictConfig) -> dict[str, int]:
    """The seeds of a run, and of the pre-training inside."""
    return {"seed": cfg.seed, **({"pretrain.seed": cfg.pretrain.seed} if cfg.pretrain.recipe else {})}
