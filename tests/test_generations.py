"""The generations on equal terms: the same text, passes, case, head and trials, whatever the model and the scale."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from sweeps.planning.ahead import alone, different, settings_of, tried_first
from sweeps.planning.plan import composing, point
from sweeps.runs.tuning_space import Space
from sweeps.schema.parameters import choices
from sweeps.schema.sweep_file import read
from tests.conftest import ROOT

SWEEPS = {name: read(ROOT / f"sweeps/{name}.yaml") for name in ("generations", "generations_flops")}
MODELS = choices(SWEEPS["generations"].parameters["model"])
SCALES = ["miniature", "small", "day", "paper"]


@pytest.fixture(scope="module", autouse=True)
def opened() -> Iterator[None]:
    with composing():
        yield


def space(*words: str) -> Space:
    found = Space.of(point(words))
    assert found is not None
    return found


def budget_of(cfg: DictConfig) -> str:
    """Everything that decides how much of which text is read before the transfer."""
    told: Any = OmegaConf.to_container(alone(cfg), resolve=True)
    text, trainer = told["pretrain"]["data"], told["pretrain"]["trainer"]
    kept = {key: text[key] for key in ("source", "corpus", "files", "documents", "sentences", "long_length")}
    assert trainer["max_steps"] == -1
    assert text["equal_words"]
    return str((kept, trainer["max_epochs"], trainer["limit_train_batches"]))


@pytest.mark.parametrize("scale", SCALES)
def test_every_model_reads_as_much_of_the_same_text_in_the_same_way(scale: str) -> None:
    """And under `features` all of them have one head."""
    read_by, heads = set(), set()
    for model in MODELS:
        cfg = point(("experiment=generations", f"model={model}", "transfer=features", f"scale={scale}"))
        assert cfg.pretrain.trainer.max_epochs == 1
        told: Any = OmegaConf.to_container(alone(cfg), resolve=True)
        read_by.add((budget_of(cfg), told["text"]["tokenizer"]["lowercase"]))
        heads.add(str({key: value for key, value in told["transfer"].items() if key != "format"}))
    assert len(read_by) == len(heads) == 1


@pytest.mark.parametrize("scale", SCALES)
def test_every_model_that_is_probed_has_read_as_much(scale: str) -> None:
    words = ([f"model={model}", f"scale={scale}"] for model in MODELS)
    assert len({budget_of(point(("experiment=context_by_model", *one))) for one in words}) == 1


def test_every_row_has_as_many_trials() -> None:
    ways = product(MODELS, choices(SWEEPS["generations"].parameters["transfer"]))
    spaces = [space("experiment=generations", f"model={model}", f"transfer={way}") for model, way in ways]
    assert {(len(one.points()), len(one.seeds), one.is_of_pretraining) for one in spaces} == {(2, 1, False)}
    assert len({str(one) for one in spaces}) == 2  # of features, and of fine-tuning


def test_at_equal_cost_all_have_one_grid_and_one_budget() -> None:
    spaces = {str(space("experiment=generations_flops", f"model={model}")) for model in MODELS}
    assert len(spaces) == 1
    one = space("experiment=generations_flops")
    assert len(one.points()) == 4
    assert one.most_flops
    assert one.is_of_pretraining


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("model", MODELS)
def test_half_is_smaller_than_whole(model: str, scale: str) -> None:
    def parameters(shape: str) -> int:
        cfg = point((f"model={model}", f"scale={scale}", f"shape={shape}"))
        with torch.device("meta"):
            made = instantiate(cfg.model, _convert_="all")
        return sum(p.numel() for p in made.parameters())

    assert parameters("half") < 0.6 * parameters("whole")


def test_an_encoder_that_trials_choose_is_not_made_ahead() -> None:
    ahead = point(("experiment=generations", "model=gpt")), point(("experiment=generations", "model=gpt", "seed=5"))
    assert len(different(ahead, [settings_of(cfg) for cfg in ahead])) == 1
    by_trials = point(("experiment=generations_flops", "model=gpt"))
    assert not different([by_trials], [settings_of(by_trials)])


def test_trials_and_their_encoders_are_counted_once_for_all_seeds_of_a_row() -> None:
    rows = [("transfer=features",), ("transfer=finetune",)]
    seeds = [("pretrain.seed=0",), ("pretrain.seed=1",)]
    words = [("model=gpt", *row, *seed) for row in rows for seed in seeds]
    assert tried_first(point(("experiment=generations", *one)) for one in words) == (1, 4)  # two learning rates a row
    assert tried_first(point(("experiment=generations_flops", *one)) for one in words[2:]) == (4 + 2, 4)
    assert tried_first([point(("experiment=bert_nsp",))]) == (0, 0)
