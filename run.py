"""One experiment: compose -> data -> model -> attach -> fit -> evaluate -> record.

python run.py                                                    pre-train on the embedded miniature
python run.py model=bert data=glue data.task=rte                 fine-tune a task of GLUE
python run.py predict=outputs/<run> input=mine.tsv               use what was trained
python run.py --help                                             every group and key
"""

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from sweeps.runs import Run, check_followers, plain, refusing, run_directory

OmegaConf.register_new_resolver("run_dir", run_directory)


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> None:
    with refusing(Path(HydraConfig.get().runtime.output_dir)) as directory:
        if cfg.predict is not None:
            predict(cfg.predict, cfg.input)
            return
        run = Run.open(directory, cfg)
        if run.finished:
            print(f"finished before: {run.directory}/summary.json (rerun=true runs it once more)")
            return
        execute(cfg, run)


def execute(cfg: DictConfig, run: Run) -> None:
    """Run the experiment that `cfg` describes in the folder of `run`."""
    import lightning as L
    from hydra.utils import instantiate

    from datamodules.task import fingerprint
    from lightning_modules.evaluation import evaluate
    from lightning_modules.start import adopt, find_start
    from lightning_modules.training import make_trainer
    from sweeps.loggers import make_loggers
    from sweeps.record import record, show

    start = find_start(cfg)
    adopt(cfg, start, HydraConfig.get().overrides.task)
    check_followers(cfg)
    L.seed_everything(cfg.seed, verbose=False)

    data = instantiate(cfg.data, _convert_="all")
    model = instantiate(cfg.model, _convert_="all")
    model.text = {**plain(cfg.text), "max_length": cfg.data.max_length}
    print_once(start.load(model))
    model.attach(data.task, plain(cfg.transfer))

    loggers = make_loggers(cfg, run)
    trainer = make_trainer(plain(cfg.trainer), run.directory, data.task, fingerprint(plain(cfg)), loggers)
    data.prepare_data()  # here too, so that bad data is refused before any other process or a W&B run starts
    for logger in loggers:
        logger.log_hyperparams(plain(cfg))
    if run.last is not None:
        print_once(f"continues from {run.last}")
    trainer.fit(model, datamodule=data, ckpt_path=run.last)
    results = evaluate(trainer, model, data)
    summary = record(cfg, run, start, trainer, model, data, results)
    show(summary, run)


def predict(folder: str, texts: str | None) -> None:
    """Answer a .tsv of texts with a finished run's model, on standard output."""
    from lightning_modules.evaluation import load_model, read_texts

    for answer in load_model(Path(folder)).predict(read_texts(texts)):
        print(answer)


def print_once(line: str) -> None:
    """On the first process only."""
    from lightning.fabric.utilities import rank_zero_only

    rank_zero_only(print)(line, flush=True)


if __name__ == "__main__":
    main()
