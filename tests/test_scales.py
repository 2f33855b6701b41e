"""`scale`: one word for sizes, text and budgets. What it changes, what it leaves alone, and where it stands."""

import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from datamodules.task import Refused
from sweeps.jobs.environment import scaled
from sweeps.planning.pretraining import command_line
from sweeps.runs.checks import check_switches
from sweeps.runs.encoders import pretraining_of
from sweeps.runs.loggers import tags
from sweeps.runs.places import run_name
from tests.commands import command
from tests.conftest import CONF, compose, options

SCALES = [name for name in options("scale") if name != "none"]
MODELS = sorted(path.stem for path in (CONF / "model/paper").glob("*.yaml"))
TASK = ("data=glue", "data.task=rte", "data.source=miniature")


def plain(node: DictConfig) -> Any:
    return OmegaConf.to_container(node)


def holds(node: DictConfig, file: Path) -> None:
    """Everything that stands in a yaml stands in the configuration."""
    own = OmegaConf.load(file)
    assert isinstance(own, DictConfig)
    own.pop("defaults", None)
    assert OmegaConf.merge(node, own) == node, file


def test_scales_are_those_that_the_suite_has() -> None:
    assert SCALES == ["day", "miniature", "paper", "small"]
    for scale in SCALES:
        assert compose(f"scale={scale}").scale == scale
    assert compose().scale is None


@pytest.mark.parametrize("model", MODELS)
def test_without_a_scale_and_at_the_large_ones_a_model_is_the_papers(model: str) -> None:
    ours = compose(f"model={model}")
    holds(ours, CONF / f"model/paper/{model}.yaml")
    for scale in ("day", "paper"):
        other = compose(f"model={model}", f"scale={scale}")
        assert (other.model, other.text, other.published) == (ours.model, ours.text, ours.published)


@pytest.mark.parametrize("scale", ["miniature", "small"])
@pytest.mark.parametrize("model", MODELS)
def test_a_models_size_is_that_of_the_scale(model: str, scale: str) -> None:
    file = CONF / f"model/by_scale/{model}/{scale}.yaml"
    cfg = compose(f"model={model}", f"scale={scale}")
    if file.is_file():
        holds(cfg, file)
    else:
        assert cfg.model == compose(f"model={model}").model
    assert HydraConfig.get().runtime.choices["model"] == model


@pytest.mark.parametrize("model", ["bert_tiny", "bert_large", "gpt_mini", "elmo_small", "word2vec_miniature"])
def test_a_size_that_was_chosen_by_name_stays(model: str) -> None:
    named, scaled_too = compose(f"model={model}"), compose(f"model={model}", "scale=miniature")
    assert (named.model, named.text) == (scaled_too.model, scaled_too.text)


def test_transformers_of_the_miniature_have_four_layers_and_one_shape() -> None:
    """The rows of Devlin et al. 2019, Table 7, read the last four; and BERT and GPT are compared."""
    bert, gpt = (compose(f"model={model}", "scale=miniature").model for model in ("bert", "gpt"))
    shape = ("vocab_size", "hidden_size", "num_layers", "num_heads", "intermediate_size", "dropout")
    assert [bert[key] for key in shape] == [gpt[key] for key in shape]
    assert bert.num_layers == 4


@pytest.mark.parametrize("file", sorted((CONF / "data/by_scale").glob("*.yaml")), ids=lambda file: file.stem)
def test_data_follow_the_scale(file: Path) -> None:
    data, _, scale = file.stem.rpartition("_")
    ours = compose(f"data={data}", f"scale={scale}").data
    holds(ours, file)
    inherited = {"ner": "roles", "glue": "sick", "squad": "squad_v2"}.get(data, data)
    assert compose(f"data={inherited}", f"scale={scale}").data.get("max_length") == ours.get("max_length")


def test_every_data_set_composes_at_every_scale() -> None:
    for data in options("data"):
        for scale in SCALES:
            cfg = compose(f"data={data}", f"scale={scale}")
            assert "by_scale" not in cfg.data
            assert cfg.data.source.startswith("miniature") or scale != "miniature"


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("model", MODELS)
def test_a_pre_training_has_the_text_and_the_budget_of_the_scale(model: str, scale: str) -> None:
    cfg = compose(f"model={model}", *TASK, "pretrain=scale", f"scale={scale}")
    own = CONF / f"pretrain/by_model/{model}_{scale}.yaml"
    if own.is_file():
        holds(cfg.pretrain, own)
    else:
        holds(cfg.pretrain, CONF / f"pretrain/by_scale/{scale}.yaml")
    budget = cfg.pretrain.trainer
    assert (budget.max_steps == -1) != (budget.max_epochs == -1), "steps or passes"
    assert cfg.pretrain.data.max_length <= cfg.model.get("max_length", 1000)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("model", ["bert", "elmo"])
def test_the_pre_training_inside_is_one_of_its_own_at_the_same_scale(model: str, scale: str) -> None:
    from hydra import initialize_config_dir

    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        from tests.test_pretraining import compose as composed

        cfg = composed(f"model={model}", *TASK, "pretrain=scale", f"scale={scale}", "pretrain.seed=3")
        wanted: Any = OmegaConf.to_container(pretraining_of(cfg), resolve=True)
        child: Any = OmegaConf.to_container(composed(*command_line(cfg)), resolve=True)
    for node in ("model", "text", "data", "trainer", "seed", "scale"):
        assert child[node] == wanted[node], node


def test_a_recipe_of_no_scale_says_what_is_possible() -> None:
    with pytest.raises(Refused, match=r"SCALE.*miniature, small, day, paper"):
        check_switches(compose(*TASK, "pretrain=scale"))
    check_switches(compose(*TASK, "pretrain=scale", "scale=miniature"))


def test_a_scale_is_part_of_a_name_and_none_is_not() -> None:
    def name(*more: str) -> str:
        return run_name(compose("model=bert_tiny", "data=miniature", *more), "bert_tiny", "miniature")

    assert name("scale=day", "trainer.max_epochs=3") != name("trainer.max_epochs=3") == name("scale=none")


def test_a_row_is_its_values_under_one_word() -> None:
    def name(*more: str) -> str:
        return run_name(compose("model=bert", *TASK, *more), "bert", "glue")

    assert name("row=no_nsp") == name("model.nsp=false", "text.objective.pairs=segment_pair")
    assert compose("model=bert", "row=no_nsp").row == "no_nsp"
    assert "row" not in compose("model=bert")


def test_the_variable_is_a_word_of_the_command_line_unless_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SCALE", raising=False)
    assert scaled(["model=bert"]) == ["model=bert"]
    monkeypatch.setenv("SCALE", "small")
    assert scaled(["-m", "model=bert", "--cfg", "job"]) == ["-m", "scale=small", "model=bert", "--cfg", "job"]
    assert scaled([]) == ["scale=small"]
    assert scaled(["--help"]) == ["--help", "scale=small"]
    assert scaled(["model=bert", "scale=day"]) == ["model=bert", "scale=day"]
    assert scaled(scaled(["model=bert"])) == scaled(["model=bert"])


def test_an_experiment_runs_the_miniature_and_the_command_line_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compose("experiment=bert_nsp").scale == "miniature"
    assert compose("experiment=bert_nsp").model.hidden_size == 64
    larger = compose("experiment=bert_nsp", "scale=small")
    assert (larger.scale, larger.model.hidden_size, larger.data.source) == ("small", 512, "hub")
    assert larger.pretrain.data.corpus == "wikitext-103"


def test_the_program_heeds_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCALE", "smal")
    before = [*sys.argv]
    done = command(tmp_path, "model=bert")
    assert done.status == 2
    assert "scale=smal is not possible" in done.err
    assert sys.argv == before


def test_tags_are_the_words_of_the_groups_and_the_scale() -> None:
    assert tags(compose("model=bert_tiny", *TASK, "scale=miniature")) == ["bert_tiny", "glue", "rte", "miniature"]
    assert tags(compose("model=bert_tiny", "data=ner")) == ["bert_tiny", "ner"]
