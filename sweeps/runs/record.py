"""What a finished run leaves for comparisons: its encoder or model, its predictions, and last summary.json."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from datamodules.labelled import LabelledData
from datamodules.task import GENERATED, WORD_VECTORS, fingerprint
from lightning_modules.base import LanguageModel
from lightning_modules.callbacks import Convergence, kept
from lightning_modules.cost import spent
from lightning_modules.evaluation import SELECTION, Results
from lightning_modules.features import FeatureHead
from lightning_modules.start import Start
from sweeps.jobs.files import write_json, write_lines
from sweeps.runs.code import git_state, versions
from sweeps.runs.fetched import RECORD, packed
from sweeps.runs.fractions import leave_encoder
from sweeps.runs.places import Diverged, Run
from sweeps.runs.tuning_space import TRIAL
from sweeps.showing.mistakes import show_mistakes
from sweeps.showing.pretrained import show, show_online
from sweeps.showing.word_tables import likeness


@dataclass(frozen=True)
class Finished:
    """A run that has trained and is evaluated.

    Attributes:
        start: where its weights came from.
        tuning: what was tried before, and chosen; empty where nothing was.
    """

    cfg: DictConfig
    run: Run
    start: Start
    trainer: L.Trainer
    model: LanguageModel
    data: Any
    results: Results
    tuning: dict[str, Any]

    @property
    def pretrains(self) -> bool:
        return self.data.task.kind == "pretraining"

    @property
    def is_trial(self) -> bool:
        return self.cfg.tuning == TRIAL


def record(done: Finished) -> dict[str, Any]:
    """Write everything that a finished run leaves; summary.json comes last and says that the rest is whole.

    Raises:
        Diverged: when a pre-training did: nobody is to find such an encoder.
    """
    if done.pretrains:
        check_finite(done.model, done.cfg)
    cfg, run, trainer, data = done.cfg, done.run, done.trainer, done.data
    cost = spent(done.trainer, done.model, done.data)
    left = leave(done, cost) if trainer.is_global_zero else Left()
    summary = {
        "status": "finished",
        "name": run.name,
        **identify(cfg, data, done.start),
        "start": done.start.words,
        **headline(done),
        "metrics": done.results.metrics,
        **done.tuning,
        "cost": cost,
        **({"pretraining": done.start.cost} if done.start.cost else {}),
        **convergence(trainer),
        **features(done.model, data),
        "card": data.card,
        "data_version": fingerprint(data.identity()),  # results on two texts are two results
        "encoder_fingerprint": left.encoder_fingerprint or done.start.fingerprint,
        "seed": cfg.seed,
        "versions": versions(),
        "git": git_state(Path(__file__).parent),
        "config": OmegaConf.to_container(cfg, resolve=True),
        **left.shown,
    }
    if trainer.is_global_zero:
        write_json(run.directory / "summary.json", summary)  # before W&B has it, whose server may be away by now
        if not cfg.keep_checkpoints:
            run.clear_checkpoints()
    finish_logger(trainer, {**summary, "mistakes": left.mistakes}, run.directory)
    return summary


def check_finite(model: LanguageModel, cfg: DictConfig) -> None:
    """Raises Diverged for weights that are no numbers."""
    for name, weight in model.named_parameters():
        if not weight.isfinite().all():
            rate = cfg.model.optimizer.lr
            raise Diverged(
                f"the pre-training diverged ({name} is not finite): model.optimizer.lr={rate} may be smaller."
            )


@dataclass(frozen=True)
class Left:
    """What lies in a run's folder beside its record, in so far as the record tells of it."""

    encoder_fingerprint: str | None = None
    shown: dict[str, Any] = field(default_factory=dict)
    mistakes: list = field(default_factory=list)


def leave(done: Finished, cost: dict[str, Any]) -> Left:
    """Write the encoder or the model, predictions, pictures; a trial leaves none."""
    folder, model, data, results = done.run.directory, done.model, done.data, done.results
    mark, mistakes = None, []
    if done.pretrains:
        mark = leave_encoder(done.cfg, folder, done.start, done.trainer, model, data, cost=cost)
    elif not done.is_trial:
        if data.task.trains:
            model.save(folder / "model", data.tokenizer_file, start=done.start.words)
        write_predictions(folder / "predictions", data, results)
        mistakes = show_mistakes(folder, data, results) if data.task.kind == "span" else []
    is_shown = done.pretrains or data.task.kind == WORD_VECTORS
    return Left(mark, show(folder, model, data, results) if is_shown else {}, mistakes)


def convergence(trainer: L.Trainer) -> dict[str, Any]:
    """How soon a task was learnt, where one was."""
    curve = kept(trainer, Convergence)
    return {"convergence": curve.figures()} if curve.scores else {}


def features(model: LanguageModel, data: Any) -> dict[str, Any]:
    """What a frozen encoder's layers weigh, what was computed for this run, and the words they stand beside."""
    if not isinstance(model.head, FeatureHead):
        return {}
    cache = data.layers if isinstance(data, LabelledData) else None
    words = {"words": model.head.origin} if model.head.origin else {}
    return {"mix": model.head.learned(), **({} if cache is None else {"layers": cache.figures}), **words}


def identify(cfg: DictConfig, data: Any, start: Start) -> dict[str, Any]:
    """What was run on what; results on generated text are never called by a real data set's name."""
    choices = HydraConfig.get().runtime.choices
    name = cfg.data.corpus if "corpus" in cfg.data else choices["data"]
    name = cfg.data.source if cfg.data.source in GENERATED else name
    name = "own files" if cfg.data.get("files") else name
    one_of_many = "task" in cfg.data or (cfg.data.source in GENERATED and data.task.kind != "pretraining")
    name = f"{name}/{data.task.name}" if one_of_many else name
    if cfg.data.source not in GENERATED:
        name = getattr(data.task, "public_name", name)
    model = f"{cfg.model._target_.rpartition('.')[2]} {start.size}" if start.instead else choices["model"]
    return {"model": model, "data": name, "source": str(cfg.data.source)}


def headline(done: Finished) -> dict[str, Any]:
    """The one number of a transfer, how its epoch was chosen, and whether the run collapsed."""
    data, results = done.data, done.results
    if done.is_trial:  # of the selection set, and so of no comparison
        return {"headline": {"name": data.task.headline, "value": results.metrics[SELECTION]}}
    if done.pretrains:  # the objective's first loss
        name = next(name for name in results.metrics if name.startswith("val/") and name.endswith("_loss"))
        return {"headline": {"name": name, "value": results.metrics[name]}}
    first = f"test_{data.task.test_sets[0]}"
    metric = f"{first}/{data.task.headline}/"
    parts = {name.removeprefix(metric): 100 * v for name, v in results.metrics.items() if name.startswith(metric)}
    parts = {name: value for name, value in parts.items() if "/" not in name}
    if data.task.kind == WORD_VECTORS:  # two kinds of sets, one of which gives the headline
        parts |= {name: value for name, value in likeness(results.metrics).items() if name != data.task.headline}
    return {
        "headline": {
            "name": data.task.headline,
            "value": results.metrics[f"{first}/score"],
            **({"parts": parts} if parts else {}),
        },
        "selection": data.selection,
        "checkpoint": results.checkpoint,
        "collapsed": results.collapsed,
    }


def write_predictions(folder: Path, data: Any, results: Results) -> None:
    """Per-example answers on the test sets, and the files for the GLUE server or SWAG's."""
    for name, rows in results.answers.items():
        for file, lines in data.prediction_files(name.removeprefix("test_"), rows).items():
            write_lines(folder / file, lines)
    for name, rows in results.unlabelled.items():
        file, lines = data.submission(name, [answer for _, answer, _ in rows])
        write_lines(folder / file, lines)


def finish_logger(trainer: L.Trainer, summary: dict, directory: Path) -> None:
    """Close the W&B run, if there is one."""
    for logger in trainer.loggers:
        if type(logger).__name__ == "WandbLogger" and trainer.is_global_zero:
            close_run(logger, summary, directory)


def close_run(logger: Any, summary: dict, directory: Path) -> None:
    """Close a W&B run with what there is to look at, and the record in its summary."""
    import wandb

    show_online(logger, directory, summary)
    shown = ("status", "name", "start", "headline", "selection", "collapsed", "metrics", "cost", "encoder_fingerprint")
    told = {key: summary[key] for key in shown if key in summary}
    logger.experiment.summary.update({**told, RECORD: packed(summary, directory)})
    wandb.finish()
