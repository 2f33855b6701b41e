"""What is on the disk works: every yaml composes and constructs, and every cell of model and data takes a step.

New yaml files are found by themselves. A model's yaml needs a line in PARAMETERS; the steps run on the models named
*_miniature.
"""

import re
import shlex
import warnings
from collections.abc import Collection
from itertools import product
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException
from hydra.utils import instantiate
from lightning.pytorch.loggers import Logger
from omegaconf import DictConfig, OmegaConf

from datamodules.base import TextDataModule
from datamodules.task import Task
from lightning_modules.base import LanguageModel
from lightning_modules.evaluation import evaluate
from lightning_modules.heads import HEADS
from lightning_modules.training import make_trainer
from sweeps.runs.places import plain
from tests.conftest import CONF, CPU, compose, generated, options

# Overrides -> parameters of encoder and pooler (or of words' vectors), and with both heads where that is published.
# Of the release, its README and (small ones) Turc et al. 2019; the miniature's by hand.
PARAMETERS: dict[str, tuple[int, int | None]] = {
    "model=bert": (109_482_240, 110_106_428),
    "model=bert model.vocab_size=28996": (108_310_272, None),  # cased
    "model=bert_large": (335_141_888, 336_226_108),
    "model=bert_medium": (41_373_184, None),
    "model=bert_small": (28_763_648, None),
    "model=bert_mini": (11_170_560, None),
    "model=bert_tiny": (4_385_920, None),
    # (4000 + 128 + 2) * 128 + 256, two layers of 4 * 128 * 129 + 2 * 128 * 512 + 512 + 128 + 512, a pooler of 128 * 129
    "model=bert_miniature": (528_896 + 2 * 198_272 + 16_512, None),
    # The release: 40,478 + 512 rows of 768, 12 layers as BERT's. Nothing but the encoder: its matrix is the softmax's.
    "model=gpt": (116_534_784, 116_534_784),
    # (40478 + 512) * 256, four layers of 4 * 256 * 257 + 2 * 256 * 1024 + 1024 + 256 + 1024
    "model=gpt_mini": (10_493_440 + 4 * 789_760, 13_652_480),
    "model=gpt_tiny": (5_246_720 + 2 * 198_272, 5_643_264),
    "model=gpt_miniature": ((4000 + 128) * 128 + 2 * 198_272, 924_928),
    # No positions; an LSTM of 4 * 2048 * (768 + 2048) and two biases of 4 * 2048, a map of 2048 * 768 + 768
    "model=gpt_lstm": (40478 * 768 + 23_068_672 + 16_384 + 1_573_632, 55_745_792),
    "model=gpt_lstm_miniature": (4000 * 128 + 4 * 256 * (128 + 256) + 8 * 256 + 256 * 128 + 128, 940_160),
    # The release's biLM, and a softmax of 793,471 * (512 + 1).
    "model=elmo": (93_600_848, 93_600_848 + 407_050_623),
    # 261 * 16, five filters, two highways of 2 * (512 * 512 + 512), a projection of 512 * 128 + 128; four LSTMs (two
    # layers, two ways) of (128 + 128) * 4 * 512, a bias, a projection of 512 * 128
    "model=elmo_small": (4176 + 33_792 + 4 * 262_656 + 65_664 + 4 * (524_288 + 2048 + 65_536), None),
    "model=elmo_tiny": (4176 + 16_896 + 4 * 65_792 + 16_448 + 4 * (131_072 + 1024 + 16_384), None),
    "model=elmo_miniature": (4176 + 4448 + 2 * 9312 + 6208 + 4 * (131_072 + 1024 + 16_384), None),
    # Vectors of 100, a hidden layer of (4 * 100 + 1) * 100, the softmax of 30,000 * (100 + 1); with direct connections
    # 4 * 100 more for each word: |V| (1 + n m + h) + h (1 + (n - 1) m), as the paper counts with n = 5.
    "model=nnlm": (3_000_000, 3_000_000 + 40_100 + 3_030_000),
    "model=nnlm model.direct_connections=true": (3_000_000, 30_000 * (1 + 500 + 100) + 100 * (1 + 400)),
    "model=nnlm_miniature": (4000 * 60, 4000 * 60 + 241 * 50 + 4000 * 51),
    # Two tables, of which a transfer keeps the vectors.
    "model=word2vec": (100_000 * 100, 2 * 100_000 * 100),
    "model=word2vec_miniature": (4000 * 64, 2 * 4000 * 64),
    "model=bert_miniature model.objective=ltr model.nsp=false": (528_896 + 2 * 198_272, None),
}
# Pre-trainings of one model that are of different shape: its own cells.
PRETRAININGS: dict[str, list[tuple[str, ...]]] = {
    "bert_miniature": [
        ("model.nsp=true", "text.objective.pairs=segment_pair"),
        ("model.nsp=false", "text.objective.pairs=segment_pair"),
        ("model.nsp=false", "text.objective.pairs=full_sentences"),
        ("model.nsp=false", "text.objective.pairs=doc_sentences"),
        ("model.nsp=false", "model.objective=ltr"),
    ],
    "gpt_miniature": [(), ("model.embedding_dropout=matrix", "model.softmax=everything", "model.dropout=0.1")],
    "word2vec_miniature": [
        (f"model.architecture={architecture}", f"model.loss={loss}", "model.update=16")
        for architecture in ("skip_gram", "cbow")
        for loss in ("negative_sampling", "hierarchical_softmax")
    ],
    "nnlm_miniature": [(), ("model.direct_connections=true", "text.objective.negatives=512")],
}
FEATURES = ("transfer=features", "transfer.rnn_size=16", "transfer.rnn_layers=1", "transfer.words_size=16")
TRANSFERS: dict[str, list[tuple[str, ...]]] = {
    "bert_miniature": [
        ("model.nsp=true",),
        ("model.nsp=false",),
        ("model.nsp=false", "model.objective=ltr"),
        ("model.nsp=false", "model.objective=ltr", "transfer.bilstm=true"),
        (*FEATURES, "transfer.plug=[input,output]"),
    ],
    "gpt_miniature": [(), FEATURES, ("model.softmax=everything", "transfer.transferred_layers=1")],
    "gpt_lstm_miniature": [(), ("transfer.bilstm=true",)],
    "elmo_miniature": [FEATURES, ("transfer=finetune",)],
    "word2vec_miniature": [("transfer=word_vectors", *FEATURES[1:]), ("transfer=finetune",)],
    "nnlm_miniature": [("transfer=word_vectors", *FEATURES[1:]), ("transfer=finetune",)],
}

README = (CONF.parent / "README.md").read_text()
MINIATURES = [name for name in options("model") if name.endswith("_miniature")]
DATA = [cell for data in options("data") for cell in generated(data)]

# Tasks that are as others for a model, and differ in their rows: tried on the first model alone.
ALIKE = {"qqp": "mrpc", "qnli": "mnli", "rte": "mnli", "wnli": "mnli", "sick": "mnli"}
ALIKE |= {"pos": "ner", "roles": "ner", "senses": "ner"}
# For one more model these are too: a pair is a pair in mnli (in its order) and stsb (in any).
SAME_KIND = {**ALIKE, "sst2": "cola", "mrpc": "stsb", "squad_v2": "squad"}
# A further shape of a model, or way to use it, is tried where it is asked something else: a label, a span, tags.
SAME_SHAPE = {**SAME_KIND, "cola": "mnli", "stsb": "mnli", "swag": "mnli"}
# A size changes numbers alone: a model's smallest stands for it.
SAME_SIZE = {**SAME_SHAPE, "ner": "mnli", "probes": "corpus", "word_vectors": "corpus", "miniature": "corpus"}


def without(data: tuple[str, ...], alike: Collection[str]) -> bool:
    """Whether this data is none of those tasks."""
    return not {f"{key}={task}" for key in ("data", "data.task") for task in alike} & set(data)


def is_own(model: str, data: tuple[str, ...], transfer: str) -> bool:
    """Whether a cell asks for something that no other does."""
    if model == MINIATURES[0]:
        return True
    if model not in MINIATURES:
        return transfer == "finetune" and without(data, SAME_SIZE)
    return without(data, SAME_KIND if transfer == "finetune" else SAME_SHAPE)


CELLS = [cell for cell in product(options("model"), DATA, options("transfer")) if is_own(*cell)]
# Without a warm-up, because its first step has a learning rate of 0.
STEP = ("model.optimizer.warmup=0", "model.finetuning.warmup=0", "data.global_batch_size=8", "data.max_length=32")


def words(overrides: Any) -> str:
    """A test's name."""
    return overrides if isinstance(overrides, str) else " ".join(overrides)


def construct(cfg: DictConfig) -> tuple[TextDataModule, LanguageModel]:
    """Data and model of a configuration, without weights."""
    data = instantiate(cfg.data, _convert_="all")
    with torch.device("meta"):
        model = instantiate(cfg.model, _convert_="all")
        return data, model.attach(data.task, plain(cfg.transfer))


def is_asked(cfg: DictConfig) -> bool:
    """Whether zero_shot can put this data to a model: all that is no task, and the tasks of Figure 2's kind."""
    both_sides = "masking" in cfg.text.objective or "window" in cfg.text.objective
    if cfg.data._target_ == "datamodules.squad.Squad":  # spans are no candidates
        return False
    return cfg.data.get("task") in (None, "sst2", "swag", *(() if both_sides else ("cola",)))


def count(*modules: torch.nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


# ---- every model, data set and transfer ------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "data", "transfer"), CELLS, ids=words)
def test_a_cell_composes_and_constructs(model: str, data: tuple[str, ...], transfer: str) -> None:
    cfg = compose(f"model={model}", *data, f"transfer={transfer}")
    chosen = HydraConfig.get().runtime.choices
    assert [chosen[group] for group in ("model", "transfer")] == [model, transfer]
    assert f"data={chosen['data']}" == data[0]
    if transfer == "zero_shot" and not is_asked(cfg):
        with pytest.raises(InstantiationException, match="no heuristic for"):
            construct(cfg)
        return
    module, network = construct(cfg)
    assert isinstance(module, TextDataModule)
    assert cfg.text.tokenizer.vocab_size == cfg.model.vocab_size
    assert all(p.is_meta for p in network.parameters())
    if module.task.kind not in HEADS:
        assert network.head is None
    else:
        assert network.head is not None
        assert network.head.linear.out_features == (1 if module.task.kind == "choice" else module.task.num_labels)
        assert not [name for name in network.PRETRAINING_ONLY if hasattr(network, name)]


def test_every_model_has_its_number_of_parameters_here() -> None:
    assert {f"model={name}" for name in options("model")} <= set(PARAMETERS)


@pytest.mark.parametrize("overrides", PARAMETERS)
def test_a_model_has_exactly_the_published_number_of_parameters(overrides: str) -> None:
    encoder, with_heads = PARAMETERS[overrides]
    cfg = compose(*overrides.split(), *generated("miniature")[0])
    _, model = construct(cfg)
    assert (
        count(*(part for name, part in model.named_children() if name in ("encoder", "pooler", "vectors"))) == encoder
    )
    if with_heads:
        assert count(model) == with_heads


@pytest.mark.parametrize("model", options("model"))
def test_a_model_yaml_tells_the_true_number_of_parameters(model: str) -> None:
    encoder, with_heads = PARAMETERS[f"model={model}"]
    told = re.findall(r"([\d,]+) parameters with(out)?", (CONF / f"model/{model}.yaml").read_text())
    for number, without in told:
        assert int(number.replace(",", "")) == (encoder if without else with_heads)
    if compose(f"model={model}").published is not None:
        assert told, f"conf/model/{model}.yaml says what is published, but not how many parameters that has"


# ---- one step --------------------------------------------------------------------------------------------------------


def cells() -> list[tuple[str, ...]]:
    """Every miniature model, in all of its shapes, on all kinds of generated data."""
    found = []
    trained = [data for data in DATA if not {"data=probes", "data=word_vectors"} & set(data)]
    for model, data in product(MINIATURES, trained):
        shapes = PRETRAININGS if {"data=corpus", "data=miniature"} & set(data) else TRANSFERS
        for number, more in enumerate(shapes.get(model, [()])):
            alike = SAME_SHAPE if number else SAME_KIND if model != MINIATURES[0] else ()
            if without(data, alike) and not (number and "data=miniature" in data):  # the same text as data=corpus
                found.append((f"model={model}", *data, *more))
    return found


def marked(cell: tuple[str, ...]) -> Any:
    """A cell; slowly, of the worlds that take longest to generate all but one."""
    takes_long = "data=squad_v2" in cell or ("data=squad" in cell and f"model={MINIATURES[0]}" not in cell)
    return pytest.param(cell, marks=pytest.mark.slow) if takes_long else cell


@pytest.mark.parametrize("cell", [marked(cell) for cell in cells()], ids=words)
def test_a_step_changes_every_trainable_parameter(cell: tuple[str, ...], cache: str, tmp_path: Path) -> None:
    cfg = compose(*cell, *STEP, *CPU, cache)
    L.seed_everything(0, verbose=False)
    data = instantiate(cfg.data, _convert_="all")
    model = instantiate(cfg.model, _convert_="all").attach(data.task, plain(cfg.transfer))
    before = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
    trainer = one_step(tmp_path)
    trainer.fit(model, datamodule=data)
    metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    losses = [name for name in metrics if name.startswith("train/")]
    assert losses
    assert all(torch.isfinite(torch.tensor(value)) for value in metrics.values()), metrics
    after = dict(model.named_parameters())
    assert [name for name, old in before.items() if torch.equal(old, after[name])] == []
    if model.head is not None:
        trainer.test(model, datamodule=data, verbose=False)
        scores = {f"test_{name}/score" for name in data.task.test_sets}
        assert scores <= set(trainer.callback_metrics)
    check_gradients(model, next(iter(data.train_dataloader())))


@pytest.mark.parametrize("model", MINIATURES)
def test_probes_are_answered_and_change_no_parameter(model: str, cache: str, tmp_path: Path) -> None:
    cfg = compose(f"model={model}", *generated("probes")[0], "data.eval_batch_size=4", *CPU, cache)
    data = instantiate(cfg.data, _convert_="all")
    network = instantiate(cfg.model, _convert_="all").attach(data.task, plain(cfg.transfer))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items() if not name.startswith("averages.")}
    trainer = one_step(tmp_path)
    trainer.test(network, datamodule=data, verbose=False)
    assert float(trainer.callback_metrics["test_probes/score"]) in (0, 25, 50, 75, 100)
    after = network.state_dict()
    assert [
        name for name, old in before.items() if not name.startswith("metrics.") and (old != after[name]).any()
    ] == []


@pytest.mark.parametrize("model", MINIATURES)
def test_word_vectors_are_judged_and_not_changed(model: str, cache: str, tmp_path: Path) -> None:
    cfg = compose(f"model={model}", *generated("word_vectors")[0], *CPU, cache)
    data = instantiate(cfg.data, _convert_="all")
    data.prepare_data()
    network = instantiate(cfg.model, _convert_="all").attach(data.task, plain(cfg.transfer))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    results = evaluate(make_trainer(plain(cfg.trainer), tmp_path, data.task, "digest", []), network, data)
    assert results.checkpoint == "none"
    assert results.metrics["test_words/coverage/analogies"] > 0.6  # from scratch, its words are those of the sets
    assert 0 <= results.metrics["test_words/score"] < 70  # by its letters alone, a random ELMo gets half of them right
    assert results.vectors is not None
    assert len(results.vectors) == len(data.bench.inventory.words)
    assert [name for name, old in before.items() if not torch.equal(old, network.state_dict()[name])] == []


@pytest.mark.parametrize("task", ["cola", "sst2", "swag"])
def test_zero_shot_answers_and_chooses_its_threshold(task: str, cache: str, tmp_path: Path) -> None:
    """GPT, as a run would; every answer is one of the labels, and the threshold lies among the scores."""
    told = ("transfer=zero_shot", f"data.task={task}", "data.eval_batch_size=4", "data.submission=false")
    limits = ("trainer.limit_val_batches=3", "trainer.limit_test_batches=3")
    cfg = compose("model=gpt_miniature", "data=glue", "data.source=miniature", *told, *limits, *CPU, cache)
    data = instantiate(cfg.data, _convert_="all")
    model = instantiate(cfg.model, _convert_="all").attach(data.task, plain(cfg.transfer))
    results = evaluate(make_trainer(plain(cfg.trainer), tmp_path, data.task, "digest", []), model, data)
    assert results.checkpoint == "none"
    answers = results.answers["test_validation"]
    assert len(answers) == 12
    assert {answer for _, answer, _, _ in answers} <= set(range(data.task.num_labels))
    assert ("selection/threshold" in results.metrics) == (task == "cola")
    assert (model.threshold < 0) == (task == "cola")  # log-probabilities are


def one_step(directory: Path) -> L.Trainer:
    """A trainer of one step and one batch of each evaluation, on the CPU."""
    return L.Trainer(
        fast_dev_run=1, accelerator="cpu", logger=False, log_every_n_steps=1, enable_progress_bar=False,
        enable_model_summary=False, use_distributed_sampler=False, default_root_dir=directory,
    )  # fmt: skip


def check_gradients(model: LanguageModel, batch: dict) -> None:
    """The losses reach every trainable parameter, and nothing else."""
    model.train()
    model.zero_grad(set_to_none=True)
    losses, _ = model.losses(batch)
    free = model.head is None or model.head.penalty() is None  # nothing is mixed, so that no mix has a cost
    counts = {name: count for name, count in batch["counts"].items() if not (free and name == "mix_l2")}
    assert {name: count for name, (_, count) in losses.items()} == counts
    torch.stack([value for value, _ in losses.values()]).sum().backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.requires_grad}
    assert [name for name, grad in gradients.items() if grad is None] == []
    assert [name for name, grad in gradients.items() if grad is not None and not grad.isfinite().all()] == []
    assert [name for name, grad in gradients.items() if grad is not None and not grad.any()] == []


# ---- recipes ---------------------------------------------------------------------------------------------------------


def heading(path: Path) -> str:
    """The comment that opens a yaml, as one text."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# @package")]
    opening = []
    for line in lines:
        if not line.startswith("#"):
            break
        opening.append(line.removeprefix("#").strip())
    return " ".join(opening)


def command(experiment: str) -> list[str]:
    """The overrides that an experiment tells, less those that the reader fills in; of a multirun the first job's."""
    told = re.search(r"Command: python run\.py (.*?)(?: Cost:|$)", heading(CONF / f"experiment/{experiment}.yaml"))
    assert told, f"conf/experiment/{experiment}.yaml tells no command"
    words = shlex.split(re.sub(r"\S+=<[^>]*>", "", told[1]))
    return [word.partition(",")[0] for word in words[1:]] if words[0] == "-m" else words


@pytest.mark.parametrize("experiment", options("experiment"))
def test_an_experiment_says_what_it_is(experiment: str) -> None:
    opening = heading(CONF / f"experiment/{experiment}.yaml")
    assert re.search(r"[A-Z]\w+ et al\. \d{4}", opening), "which paper?"
    assert re.search(r"section \d|Table \d|Figure \d|A\.\d", opening), "which place in the paper?"
    assert re.search(r"Cost: \S", opening)
    assert "TODO" not in opening
    for heading_told in re.findall(r'README, "([^"]+)"', opening):
        assert f"## {heading_told}" in README, f"the README has no {heading_told!r}"
    assert re.search(r"Expected[^:]*: \S", opening)
    assert command(experiment)[0] == f"experiment={experiment}"


@pytest.mark.parametrize("experiment", options("experiment"))
def test_an_experiments_command_composes_and_constructs(experiment: str) -> None:
    cfg = compose(*command(experiment))
    assert HydraConfig.get().runtime.choices["experiment"] == experiment
    data, model = construct(cfg)
    assert (model.head is not None) == (data.task.kind in HEADS)
    own, recipe = f"experiment/{experiment}.yaml", f"pretrain/{cfg.pretrain.recipe}.yaml"
    if cfg.scale:  # it has the budgets, then
        own, recipe = f"scale/{cfg.scale}.yaml", f"pretrain/by_scale/{cfg.scale}.yaml"
    budget = OmegaConf.load(CONF / (own if data.task.trains else recipe)).trainer
    assert {"max_steps", "max_epochs"} <= set(budget), "a recipe says both"


# ---- the other groups ------------------------------------------------------------------------------------------------


CHOSEN = {  # by the tests of their groups, which see what was chosen
    f"{group}/{option}.yaml"
    for group in ("data", "experiment", "logger", "model", "trainer", "transfer", "transfer/on")
    for option in options(group)
}
FOLLOW = ("by_scale", "by_model", "paper", "by_shape", "passes")  # what others take in: test_scales, test_generations
FOLLOW += ("by_data", "by_transfer")  # of an experiment: test_claims_reached


QUICKLY = ("bert_paper_pretraining", "bert_nsp", "context", "gpt_paper_pretraining")


@pytest.mark.parametrize(
    "experiment",
    [one if one in QUICKLY else pytest.param(one, marks=pytest.mark.slow) for one in options("experiment")],
)
def test_any_recipe_is_small_with_the_trainer_for_it(experiment: str) -> None:
    cfg = compose(f"experiment={experiment}", "trainer=smoke")
    for trainer in (cfg.trainer, *([cfg.pretrain.trainer] if cfg.pretrain.recipe else [])):
        assert (trainer.max_steps, trainer.max_epochs, trainer.limit_val_batches) == (4, -1, 2)
        assert (trainer.val_check_interval, trainer.check_val_every_n_epoch) == (1.0, 1)
    assert compose(f"experiment={experiment}", "trainer=smoke", "trainer.max_steps=9").trainer.max_steps == 9


@pytest.mark.parametrize("name", sorted({str(path.relative_to(CONF)) for path in CONF.rglob("*.yaml")} - CHOSEN))
def test_no_yaml_is_an_orphan(name: str) -> None:
    """Every file can be chosen under the name of its folder."""
    if name == "config.yaml" or set(FOLLOW) & set(Path(name).parts):
        return
    group, option = name.removesuffix(".yaml").rsplit("/", 1)
    compose(f"{group}={option}")
    assert HydraConfig.get().runtime.choices[group] == option


@pytest.mark.parametrize("data", options("transfer/on"))
def test_data_has_its_own_settings_of_features(data: str) -> None:
    """They are chosen with the data, and a line of the command still wins."""
    own: Any = OmegaConf.load(CONF / f"transfer/on/{data}.yaml")
    own = OmegaConf.load(CONF / f"transfer/on/{own.defaults[0]}.yaml") if "defaults" in own else own
    cfg = compose(*generated(data)[0], "transfer=features", "transfer.dropout=0.3")
    assert OmegaConf.merge(cfg.transfer, own) == cfg.transfer
    assert cfg.transfer.dropout == 0.3
    other = compose(*generated("glue")[0], "transfer=features")
    assert OmegaConf.merge(other.transfer, own) != other.transfer


@pytest.mark.parametrize("kind", ["pretraining", "classification"])
@pytest.mark.parametrize("name", options("trainer"))
def test_a_trainer_yaml_makes_a_trainer(name: str, kind: str, tmp_path: Path) -> None:
    settings = plain(compose(f"trainer={name}", *CPU).trainer)
    assert HydraConfig.get().runtime.choices["trainer"] == name
    trainer = make_trainer(settings, tmp_path, Task("any", kind), "digest", [])
    assert (trainer.max_steps, trainer.precision) == (settings["max_steps"], "32-true")
    for key in ("limit_train_batches", "limit_val_batches", "limit_test_batches"):
        assert getattr(trainer, key) == (1.0 if settings[key] is None else settings[key])
    keepers: list[Any] = trainer.checkpoint_callbacks
    assert [keeper.filename for keeper in keepers] == ["last"] if kind == "pretraining" else ["best", "last"]


def test_a_trainer_is_quiet_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No bar and none of the libraries' advice that no user can follow; any other warning is heard."""
    settings = plain(compose("trainer.accelerator=cpu").trainer)
    for told, is_terminal, bars in (("auto", False, 0), ("auto", True, 1), (True, False, 1), (False, True, 0)):
        with monkeypatch.context() as changed:
            changed.setattr("sys.stdout.isatty", lambda answer=is_terminal: answer)
            made = make_trainer({**settings, "enable_progress_bar": told}, tmp_path, Task("any", ""), "digest", [])
        assert (made.progress_bar_callback is not None) == bool(bars)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        make_trainer(settings, tmp_path, Task("any", ""), "digest", [])
        heard.clear()
        for words in (
            "`isinstance(treespec, LeafSpec)` is deprecated, use ...",
            f"Checkpoint directory {tmp_path} exists and is not empty.",
            "It is recommended to use `self.log('val/score', ...)` when logging on epoch level in distributed setting",
            "a warning of another kind",
        ):
            warnings.warn(words, stacklevel=1)
    assert [str(one.message) for one in heard] == ["a warning of another kind"]


@pytest.mark.parametrize("name", options("logger"))
def test_a_logger_yaml_makes_a_logger_or_says_none(name: str, tmp_path: Path) -> None:
    node = compose(f"logger={name}").logger
    assert HydraConfig.get().runtime.choices["logger"] == name
    if node._target_ is None:
        assert set(node) == {"_target_"}, "keys of a logger that is not there"
    else:
        assert isinstance(instantiate(node, save_dir=str(tmp_path), name="a name", id="an id"), Logger)
