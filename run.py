"""One experiment: compose -> data -> model -> attach -> fit -> evaluate -> record.

python run.py                                                    pre-train on the embedded miniature
python run.py model=bert data=glue data.task=rte                 fine-tune a task of GLUE
python run.py model=bert data=glue                               all of its tasks, and the table
python run.py -m model=bert_tiny,bert_mini data=glue data.task=rte seed=0,1,2
python run.py predict=outputs/<run> input=mine.tsv               use what was trained
python run.py --help                                             every group and key
"""

import sys
from pathlib import Path
from typing import Any

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from sweeps.jobs.environment import following, scaled, usual_logger
from sweeps.jobs.files import read_record
from sweeps.jobs.lease import kept_alive
from sweeps.jobs.sentences import RESUME, advising, answering
from sweeps.planning.pretraining import begin
from sweeps.planning.suite import is_suite, run_suite
from sweeps.runs.checks import check_switches
from sweeps.runs.closing import closing_words
from sweeps.runs.commands import note_command
from sweeps.runs.encoders import explain
from sweeps.runs.errands import predict, prepare
from sweeps.runs.places import Run, alone, plain, refusing, run_directory
from sweeps.runs.retelling import tell_agent
from sweeps.runs.stopping import heeding, recording_stops
from sweeps.runs.tuning_space import TRIAL

OmegaConf.register_new_resolver("run_dir", run_directory)
OmegaConf.register_new_resolver("usual_logger", usual_logger)


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> None:
    with refusing(Path(HydraConfig.get().runtime.output_dir)) as directory:
        status = 0
        check_switches(cfg)
        if cfg.predict is not None:
            predict(Path(cfg.predict), cfg.input)
        elif cfg.explain:
            print("\n".join(explain(cfg)))
        elif is_suite(cfg):
            status = run_suite(directory, cfg)
        elif cfg.prepare:
            prepare(cfg)
        else:
            with alone(directory), advising(RESUME), heeding(), following(), kept_alive():
                run = Run.open(directory, cfg)
                note_command(directory, HydraConfig.get().overrides.task)
                with recording_stops(cfg, run):
                    execute(cfg, run)
    if status:
        sys.exit(status)


def parts(cfg: DictConfig) -> tuple[Any, Any]:
    """The data and the model, each by itself."""
    from hydra.utils import instantiate

    data, model = instantiate(cfg.data, _convert_="all"), instantiate(cfg.model, _convert_="all")
    model.text = {**plain(cfg.text), "format": plain(cfg.transfer.format)}  # as the data read it
    return data, model


def execute(cfg: DictConfig, run: Run) -> None:
    """Run the experiment that `cfg` describes in the folder of `run`, unless that was done before."""
    if run.finished:
        print("finished before (rerun=true runs it once more)")
        print(closing_words(read_record(run.directory), run.directory))
        tell_agent(cfg, run)
        return

    import lightning as L
    from lightning.fabric.utilities import rank_zero_only

    from datamodules.task import fingerprint
    from lightning_modules.evaluation import evaluate
    from lightning_modules.training import make_trainer
    from sweeps.planning.tuning import tuned
    from sweeps.runs.fractions import asked_for
    from sweeps.runs.given_words import give_words, transfer_of
    from sweeps.runs.layers import keep_layers
    from sweeps.runs.loggers import begin_logs, make_loggers
    from sweeps.runs.record import Finished, record

    cfg, tuning = tuned(cfg)
    start = begin(cfg)
    L.seed_everything(cfg.seed, verbose=False)

    data, model = parts(cfg)
    say = rank_zero_only(print)  # on the first process only
    say(start.load(model), flush=True)
    model.attach(data.task, transfer_of(cfg, data))

    loggers = make_loggers(cfg, run)
    more = asked_for(cfg, run.directory, start, data)
    trainer = make_trainer(plain(cfg.trainer), run.directory, data.task, fingerprint(plain(cfg)), loggers, more)
    data.prepare_data()  # here too, so that bad data is refused before any other process or a W&B run starts
    give_words(cfg, model, data, say)
    keep_layers(start, trainer, model, data, say)
    begin_logs(loggers, plain(cfg))
    if cfg.resume or run.last:
        say(f"continues from {run.last}" if run.last else "begins anew: there is no checkpoint to continue from")
    if data.task.trains:
        trainer.fit(model, datamodule=data, ckpt_path=run.last)
    results = evaluate(trainer, model, data, tests=cfg.tuning != TRIAL)
    summary = record(Finished(cfg, run, start, trainer, model, data, results, tuning))
    say(f"\n{closing_words(summary, run.directory)}")


if __name__ == "__main__":
    with answering():
        sys.argv[1:] = scaled(sys.argv[1:])  # here, because ranks are started with the words that stand there
        main()
