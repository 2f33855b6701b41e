"""Whatever cannot be run is refused before training, in one sentence: the key, its value, and what it may be."""

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from hydra.errors import HydraException
from hydra.utils import instantiate
from omegaconf import DictConfig
from safetensors.torch import save_file

import run
from datamodules.task import Refused, Task
from datamodules.tokenization import WordPiece, save_tokenizer
from lightning_modules.bert import Bert
from lightning_modules.start import adopt, find_start
from sweeps.jobs.sentences import wrong_key
from sweeps.runs.checks import check_switches
from sweeps.runs.places import Run, plain, refusing
from sweeps.runs.record import identify
from tests.conftest import CPU, ROOT, compose

GLUE = "data=glue data.source=miniature data.task=rte "
WHOLE, POSITIVE = "a whole number from 1 up", "a number from 0 up"

# Overrides -> what the sentence must say.
REFUSED: dict[str, list[str]] = {
    # model
    "model.gelu=relu": ["model.gelu='relu'", "erf, tanh"],
    "model.gelu=[tanh]": ["model.gelu=['tanh']", "erf, tanh"],
    "model.init=xavier": ["model.init='xavier'", "truncated_normal, normal"],
    "model.hidden_size=0": ["model.hidden_size=0", WHOLE],
    "model.hidden_size=-1": ["model.hidden_size=-1", WHOLE],
    "model.hidden_size=x": ["model.hidden_size='x'", WHOLE],
    "model.hidden_size=true": ["model.hidden_size=True", WHOLE],
    "model.hidden_size=128.5": ["model.hidden_size=128.5", WHOLE],
    "model.hidden_size=null": ["model.hidden_size=None", WHOLE],
    "model.num_heads=3": ["model.num_heads=3", "hidden_size=128", "1, 2, 4, 8, 16, 32, 64"],
    "model.num_layers=0": ["model.num_layers=0", WHOLE],
    "model.intermediate_size=x": ["model.intermediate_size='x'", WHOLE],
    "model.max_length=0": ["model.max_length=0", WHOLE],
    "model.vocab_size=0": ["model.vocab_size=0", WHOLE],
    "model.dropout=1.0": ["model.dropout=1.0", "from 0 to below 1"],
    "model.dropout=-0.1": ["model.dropout=-0.1", "from 0 to below 1"],
    "model.dropout=x": ["model.dropout='x'", "from 0 to below 1"],
    "model.dropout=false": ["model.dropout=False", "from 0 to below 1"],
    "model.attention_dropout=1": ["model.attention_dropout=1", "from 0 to below 1"],
    "model.nsp=maybe": ["nsp='maybe'", "True, False"],
    "model.loss_normalization=local": ["model.loss_normalization='local'", "global, per_replica"],
    "+model.colour=red": ["model.colour is said, and lightning_modules.bert.Bert has no such setting"],
    # optimisers
    "model.optimizer.schedule=step": ["model.optimizer.schedule='step'", "jump, linear, cosine, constant"],
    "model.optimizer.lr=-1": ["model.optimizer.lr=-1", POSITIVE],
    "model.optimizer.lr=fast": ["model.optimizer.lr='fast'", POSITIVE],
    "model.optimizer.lr=null": ["model.optimizer.lr=None", POSITIVE],
    "~model.optimizer.lr": ["model.optimizer.lr is missing", POSITIVE],
    "model.optimizer.warmup=-0.1": ["model.optimizer.warmup=-0.1", POSITIVE],
    "model.optimizer.warmup=x": ["model.optimizer.warmup='x'", POSITIVE],
    "model.optimizer.weight_decay=-1": ["model.optimizer.weight_decay=-1", POSITIVE],
    "model.optimizer.eps=-1": ["model.optimizer.eps=-1", POSITIVE],
    "model.optimizer.clip=true": ["model.optimizer.clip=True", POSITIVE],
    "model.optimizer.betas=[0.9]": ["model.optimizer.betas=[0.9]", "two numbers from 0 to below 1"],
    "model.optimizer.betas=[0.9,1]": ["model.optimizer.betas=[0.9, 1]", "two numbers from 0 to below 1"],
    "model.optimizer.betas=0.9": ["model.optimizer.betas=0.9", "two numbers from 0 to below 1"],
    "model.optimizer.bias_correction=maybe": ["model.optimizer.bias_correction='maybe'", "True, False"],
    "+model.optimizer.momentum=1": ["model.optimizer='momentum'", "lr, kind, schedule, warmup"],
    "model.finetuning.lr=-1": ["model.finetuning.lr=-1", POSITIVE],
    GLUE + "model.finetuning.schedule=step": ["model.finetuning.schedule='step'", "jump, linear, cosine, constant"],
    GLUE + "transfer.optimizer={lr:-1}": ["transfer.optimizer.lr=-1", POSITIVE],
    GLUE + "transfer.mode=half": ["transfer.mode='half'", "finetune"],
    # objective and tokenizer
    "text.objective.nsp=maybe": ["text.objective.nsp=maybe", "model.nsp=True"],
    "text.objective.nsp=false": ["text.objective.nsp=False", "model.nsp=True"],
    "text.tokenizer.vocab_size=3000": ["text.tokenizer.vocab_size=3000", "model.vocab_size=4000"],
    "text.objective.pairs=documents": ["text.objective.pairs='documents'", "segment_pair, full_sentences"],
    "text.objective.pairs=full_sentences": ["text.objective.pairs='full_sentences'", "model.nsp may be false"],
    "text.objective.masking=80/20": ["text.objective.masking='80/20'", "80/10/10"],
    "text.objective.masking=50/50/50": ["text.objective.masking='50/50/50'", "sum to 100"],
    "text.objective.masking_rate=0": ["text.objective.masking_rate=0", "above 0 and below 1"],
    "text.objective.masking_rate=x": ["text.objective.masking_rate='x'", "above 0 and below 1"],
    "text.objective.mask_counting=rounded": ["text.objective.mask_counting='rounded'", "capped, bernoulli"],
    "text.objective.max_predictions=0": ["text.objective.max_predictions=0", "from 1 up"],
    "text.objective.max_predictions=x": ["text.objective.max_predictions='x'", "from 1 up"],
    "text.objective.random_words=some": ["text.objective.random_words='some'", "whole, without_specials"],
    "text.objective.whole_word=maybe": ["text.objective.whole_word='maybe'", "True, False"],
    "text.objective.short_probability=2": ["text.objective.short_probability=2", "from 0 to 1"],
    "text.objective.short_probability=x": ["text.objective.short_probability='x'", "from 0 to 1"],
    "text.objective.nsp_sampler=fair": ["text.objective.nsp_sampler='fair'", "reference, balanced"],
    "text.objective.dupe_factor=-1": ["text.objective.dupe_factor=-1", "or more"],
    "text.objective.dupe_factor=x": ["text.objective.dupe_factor='x'", "or more"],
    "+text.objective.colour=red": ["objective.colour is said, and datamodules.", "has no such setting"],
    "text.tokenizer.lowercase=maybe": ["text.tokenizer.lowercase='maybe'", "True, False"],
    "+text.tokenizer.min_frequency=x": ["text.tokenizer.min_frequency='x'", WHOLE],
    "text.tokenizer.file=nowhere.txt": ["nowhere.txt", "tokenizer.json, a vocab.txt"],
    # data
    "data=glue data.source=miniature data.task=ax": ["data.task='ax'", "data.task=mnli", "cola, sst2, mrpc"],
    GLUE + "data.train_examples=0": ["data.train_examples=0", WHOLE],
    GLUE + "data.train_examples=5000": ["data.train_examples=5000", "from 1 to "],
    "data=glue data.source=miniature data.task=squad": ["data.task='squad'", "cola, sst2, mrpc, stsb, qqp, mnli, qnli"],
    GLUE + "data.source=nowhere": ["data.source=nowhere", "no such folder", "hub", "miniature", "DATA_SOURCE"],
    GLUE + "data.source=conf": ["init_from", "no published weights", "an encoder directory"],
    GLUE + "init_from=scratch data.source=nowhere": ["data.source=nowhere", "hub", "miniature"],
    GLUE + "data.selection=test": ["data.selection='test'", "holdout, paper"],
    GLUE + "data.checkpoint=first": ["data.checkpoint='first'", "best, last"],
    GLUE + "data.submission=maybe": ["data.submission='maybe'", "True, False"],
    GLUE + "data.max_length=3": ["data.max_length=3", "a whole number from 8 up"],
    GLUE + "data.max_length=x": ["data.max_length='x'", "a whole number from 8 up"],
    GLUE + "data.max_length=129": ["data.max_length", "129", "model.max_length=128"],
    "data.max_length=3": ["data.max_length=3", "a whole number from 8 up"],
    "data.max_length=x": ["data.max_length='x'", "a whole number from 8 up"],
    "data.max_length=true": ["data.max_length=True", "a whole number from 8 up"],
    "data.max_length=129": ["data.max_length", "129", "model.max_length=128"],
    "data.long_length=512": ["data.long_length", "512", "model.max_length=128"],
    "data.long_length=7": ["data.long_length=7", "a whole number from 8 up"],
    "data.long_share=1": ["data.long_share=1", "above 0 and below 1"],
    "data.long_share=x": ["data.long_share='x'", "above 0 and below 1"],
    "data.validation_sequences=0": ["data.validation_sequences=0", WHOLE],
    "data.validation_sequences=x": ["data.validation_sequences='x'", WHOLE],
    "data.global_batch_size=0": ["data.global_batch_size=0", WHOLE],
    "data.global_batch_size=x": ["data.global_batch_size='x'", WHOLE],
    "data.global_batch_size=true": ["data.global_batch_size=True", WHOLE],
    "data.eval_batch_size=-1": ["data.eval_batch_size=-1", WHOLE],
    "data.num_workers=-1": ["data.num_workers=-1", "a whole number from 0 up"],
    "data=corpus data.corpus=books": ["data.corpus='books'", "wikipedia", "owner/name[:config]"],
    "data=corpus data.source=nowhere": ["data.source=nowhere", "hub", "miniature"],
    "data=corpus data.files=[nowhere.txt]": ["nowhere.txt", "books/*.txt"],
    "data=corpus data.files=[CITATION.cff] data.documents=file": ["no document for train", "at least two"],
    "model.vocab_size=6": ["model.vocab_size", "=6 is too small", "or more"],
    "+data.colour=red": ["data.colour is said, and datamodules.corpus.Corpus has no such setting"],
    "experiment=bert_mini_glue data=squad init_from=scratch": [
        "data.submission is said, and datamodules.squad.Squad has no such"
    ],
    # trainer
    "trainer.precision=half": ["trainer.precision='half'", "auto, 32-true, bf16-mixed"],
    "trainer.precision=16": ["trainer.precision=16", "auto, 32-true, bf16-mixed"],
    "trainer.max_steps=-1 trainer.max_epochs=-1": ["trainer.max_steps=-1", "trainer.max_epochs=-1", "from 1 up"],
    "trainer.max_steps=x": ["trainer.max_steps='x'"],
    "trainer.max_steps=-2": ["trainer.max_steps=-2"],
    "trainer.max_epochs=x": ["trainer.max_epochs='x'"],
    "trainer.max_steps=0": ["trainer.max_steps=0", "-1 or a whole number from 1 up"],
    "trainer.max_epochs=0": ["trainer.max_epochs=0", "-1 or a whole number from 1 up"],
    "trainer.max_steps=null": ["trainer.max_steps=None"],
    "trainer.accelerator=quantum": ["trainer.accelerator='quantum'", "auto, cpu, gpu"],
    "trainer.accelerator=tpu": ["trainer.accelerator='tpu'", "cuda, mps"],
    "trainer.devices=0": ["trainer.devices=0", "from 1 up"],
    "trainer.devices=x": ["trainer.devices=x", "auto"],
    "trainer.devices=[]": ["trainer.devices=[]", "[0,1]"],
    "trainer.devices=1.5": ["trainer.devices=1.5", "auto"],
    "trainer.num_nodes=0": ["trainer.num_nodes=0", WHOLE],
    "trainer.strategy=telepathy": ["trainer", "telepathy", "ddp"],
    "trainer.accumulate_grad_batches=0": ["trainer.accumulate_grad_batches=0", WHOLE],
    "trainer.limit_val_batches=-1": ["trainer", "limit_val_batches", "-1"],
    "+trainer.colour=red": ["trainer.colour is none of the arguments"],
    "+trainer.max_step=5": ["trainer.max_step is none", "trainer.max_steps"],
    "+trainer.callbacks=[]": ["trainer.callbacks is none"],
    # the run
    "seed=-1": ["seed=-1", "a whole number from 0 up"],
    "seed=x": ["seed='x'", "a whole number from 0 up"],
    "seed=true": ["seed=True", "a whole number from 0 up"],
    "seed=0.5": ["seed=0.5", "a whole number from 0 up"],
    "resume=maybe": ["resume='maybe'", "True, False"],
    "rerun=maybe": ["rerun='maybe'", "True, False"],
    "keep_checkpoints=maybe": ["keep_checkpoints='maybe'", "True, False"],
    "prepare=maybe": ["prepare='maybe'", "True, False"],
    "explain=maybe": ["explain='maybe'", "True, False"],
    "input=mine.tsv": ["input=mine.tsv", "predict="],
    "jobs=0": ["jobs=0", WHOLE],
    "jobs=many": ["jobs='many'", WHOLE],
    "model=bert_tiny shape=half": ["shape=half", "model=bert_tiny", "scale=none", "bert, elmo, gpt"],
    "model=gpt_lstm shape=half scale=miniature": ["shape=half", "model=gpt_lstm", "bert, elmo, gpt"],
    "keep_fractions=[1.5]": ["keep_fractions=1.5", "between 0 and 1"],
    GLUE + "pretrain=miniature pretrain.fraction=0.5": ["pretrain.fraction=0.5", "1 (the whole)", "keep_fractions"],
    GLUE + "pretrain=miniature pretrain.seed=x": ["pretrain.seed='x'", "a whole number from 0 up"],
    GLUE + "pretrain=corpus pretrain.data.source=hub pretrain.data.corpus=x": ["data.corpus='x'", "wikipedia"],
    GLUE + "pretrain=miniature pretrain.trainer.precision=half": ["trainer.precision='half'", "auto"],
    # where a run starts
    "init_from=nowhere": ["init_from=nowhere", "does not exist", "an encoder directory"],
    "init_from=conf": ["init_from=conf", "neither", "an encoder directory"],
    "init_from=run.py": ["init_from=run.py", "this is a file", "its folder"],
    "init_from=published": ["init_from=published", "no published weights; it may be scratch, an encoder directory"],
}
# Keys and choices that the configuration does not have: Hydra's errors in our words.
UNKNOWN: dict[str, list[str]] = {
    "model.colour=red": ["there is no key model.colour: model has _target_, vocab_size"],
    "model.optimizer.momentum=1": ["there is no key model.optimizer.momentum", "warmup"],
    "text.objective.colour=red": ["there is no key text.objective.colour"],
    "data.colour=red": ["there is no key data.colour"],
    "trainer.colour=red": ["there is no key trainer.colour", "+trainer.<name>=<value>"],
    "trainer.max_step=5": ["there is no key trainer.max_step (did you mean trainer.max_steps"],
    "modell=bert": ["there is no key modell (did you mean model?)"],
    "colour=red": ["there is no key colour: the configuration has seed"],
    "seed.x=1": ["there is no key seed.x: seed has no keys"],
    "model=bort": ["model=bort is not possible (did you mean bert", "bert_large"],
    "data=glu": ["data=glu is not possible (did you mean glue?)", "miniature"],
    "pretrain=wiki": ["pretrain=wiki is not possible", "wikipedia"],
    "transfer=feature": ["transfer=feature is not possible", "finetune"],
    "trainer=quick": ["trainer=quick is not possible", "smoke"],
    "logger=printer": ["logger=printer is not possible: it may be csv, offline, wandb."],
    "experiment=none_such": ["experiment=none_such is not possible", "bert_mini_wikipedia"],
    "seed": ["'seed' cannot be read", "<key>=<value>"],
    "~colour": ["'colour' does not exist"],
}


@pytest.mark.parametrize("devices", ["auto", "1", "-1", "'2'", "[0]", "'0,1'", "'1,'"])
def test_devices_that_some_machine_has(devices: str) -> None:
    check_switches(compose(f"trainer.devices={devices}"))


def test_a_device_that_this_machine_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    cfg = compose("trainer.accelerator=gpu")
    with pytest.raises(Refused, match=r"trainer\.accelerator=gpu .* it may be auto or cpu"):
        check_switches(cfg)


class NotRefusedError(Exception):
    """Training would have begun."""


@pytest.fixture
def refusal(cache: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The sentence with which a command line is refused, before its first training step."""

    def train(*_: object, **__: object) -> None:
        raise NotRefusedError

    def begin(directory: Path, cfg: DictConfig) -> None:
        run.check_switches(cfg)
        run.execute(cfg, Run.open(directory, cfg))

    def refusal(*overrides: str) -> str:
        cfg = compose("trainer=smoke", *CPU, cache, *overrides)
        with pytest.raises(SystemExit) as end, refusing(tmp_path / "run") as directory:
            begin(directory, cfg)
        assert end.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert said.count("\n") == 1, said
        return said

    monkeypatch.setattr("lightning.Trainer.fit", train)
    monkeypatch.chdir(ROOT)
    return refusal


@pytest.mark.parametrize("overrides", REFUSED)
def test_a_wrong_value_is_refused(overrides: str, refusal: Any) -> None:
    said = refusal(*shlex.split(overrides))
    assert [word for word in REFUSED[overrides] if word not in said] == [], said


@pytest.mark.parametrize("overrides", UNKNOWN)
def test_an_unknown_key_or_choice_is_refused(overrides: str) -> None:
    with pytest.raises(HydraException) as caught:
        compose(overrides)
    said = wrong_key(caught.value) or ""
    assert "\n" not in said
    assert [word for word in UNKNOWN[overrides] if word not in said] == [], said


def test_lengths_by_turns_need_a_number_of_steps(cache: str) -> None:
    cfg = compose("data.long_length=128", "trainer.max_steps=-1", cache)
    data = instantiate(cfg.data, _convert_="all")
    data.prepare_data()
    data.setup("fit")
    with pytest.raises(Refused, match=r"data\.long_length=128 .* trainer\.max_steps"):
        data.train_dataloader()


# ---- an encoder decides its architecture and tokenizer ---------------------------------------------------------------

SIZES: dict[str, Any] = {"vocab_size": 90, "hidden_size": 32, "num_layers": 1, "num_heads": 2, "max_length": 64}


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """A small BERT that has learned nothing."""
    save_tokenizer(WordPiece(90).train(["a tokenizer of very few words"] * 9), tmp_path / "tokenizer.json")
    model = Bert({"lr": 1e-3}, {"lr": 1e-3}, intermediate_size=64, **SIZES)
    model.text = plain(compose("model.vocab_size=90").text)
    return model.save(tmp_path / "encoder", tmp_path / "tokenizer.json", fingerprint="0123456789ab")


def describe(encoder: Path, **changes: object) -> None:
    """Change what an encoder directory says of its model."""
    described = yaml.safe_load((encoder / "encoder.yaml").read_text())
    described["model"] |= changes
    (encoder / "encoder.yaml").write_text(yaml.safe_dump(described))


@pytest.mark.parametrize(
    ("override", "own"),
    [
        ("model.hidden_size=64", "hidden_size=32"),
        ("++model.num_layers=3", "num_layers=1"),
        ("model.vocab_size=91", "vocab_size=90"),
        ("model.max_length=128", "max_length=64"),
        ("model.gelu=erf", "gelu='tanh'"),
        ("model.nsp=false", "nsp=True"),
        ("text.tokenizer.lowercase=false", "lowercase=True"),
        ("text.tokenizer.vocab_size=91", "vocab_size=90"),
        ("text.tokenizer.file=vocab.txt", "tokenizer.json"),
    ],
)
def test_an_override_against_the_encoder_is_refused_with_both_values(
    override: str, own: str, encoder: Path, refusal: Any
) -> None:
    said = refusal(*GLUE.split(), "data.max_length=64", f"init_from={encoder}", override)
    assert override in said
    assert str(encoder) in said
    assert own.replace("tokenizer.json", f"file='{encoder}'") in said


@pytest.mark.parametrize("override", ["model.hidden_size=32", "text.tokenizer.lowercase=true", "model.dropout=0"])
def test_an_override_that_agrees_with_the_encoder_is_not_refused(override: str, encoder: Path, refusal: Any) -> None:
    with pytest.raises(NotRefusedError):
        refusal(*GLUE.split(), "data.max_length=64", f"init_from={encoder}", override)


def test_the_weights_size_is_told_where_another_was_chosen(
    encoder: Path, refusal: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NotRefusedError):
        refusal(*GLUE.split(), "data.max_length=64", f"init_from={encoder}")
    (size,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("size: ")]
    its, chosen = "num_layers=1, hidden_size=32, num_heads=2", "num_layers=2, hidden_size=128, num_heads=2"
    assert size == f"size: {its}, as the weights have; the chosen model's {chosen} do not count"
    cfg = compose(*GLUE.split(), f"init_from={encoder}")
    origin = find_start(cfg)
    for model in ("Bert 1x32", "bert_miniature"):  # of a size that agrees, the chosen yaml's name
        adopt(cfg, origin, ())
        assert identify(cfg, SimpleNamespace(task=Task("rte", "")), origin)["model"] == model
        origin = find_start(cfg)


def test_sequences_that_are_too_long_for_the_encoder(encoder: Path, refusal: Any) -> None:
    said = refusal(*GLUE.split(), "data.max_length=65", f"init_from={encoder}")
    assert "data.max_length" in said
    assert "=65" in said
    assert "model.max_length=64" in said


def test_an_encoder_of_another_class(encoder: Path, refusal: Any) -> None:
    describe(encoder, _target_="lightning_modules.other.Other")
    said = refusal(f"init_from={encoder}")
    assert f"init_from={encoder}" in said
    assert "is an encoder of Other, and model= chooses one of Bert" in said


def test_an_encoder_whose_weights_are_cut(encoder: Path, refusal: Any) -> None:
    weights = encoder / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    said = refusal(*GLUE.split(), f"init_from={encoder}")
    assert f"{weights} is damaged" in said


def test_a_bilstm_on_top_of_a_head_that_is_one(refusal: Any) -> None:
    said = refusal(
        *GLUE.split(), "model=elmo_miniature", "init_from=scratch", "transfer=finetune", "transfer.bilstm=true"
    )
    assert "transfer.bilstm=true is not possible: Elmo's head has its own" in said


@pytest.mark.parametrize("name", ["weights.safetensors", "tokenizer.json"])
def test_an_encoder_that_is_not_whole(name: str, encoder: Path, refusal: Any) -> None:
    (encoder / name).unlink()
    said = refusal(f"init_from={encoder}")
    assert f"it has no {name}" in said
    assert str(encoder) in said


def test_tensors_of_another_shape_than_described(encoder: Path, refusal: Any) -> None:
    describe(encoder, intermediate_size=48)
    said = refusal(f"init_from={encoder}", "data.max_length=64")
    assert "encoder.layers.0.inner" in said
    assert "[64, 32]" in said or "[64]" in said
    assert "[48, 32]" in said or "[48]" in said


def test_tensors_of_which_none_fits(encoder: Path, refusal: Any) -> None:
    save_file({"a.stranger": torch.zeros(2)}, encoder / "weights.safetensors")
    said = refusal(f"init_from={encoder}", "data.max_length=64")
    assert "none of its 1 tensors belongs to Bert" in said
