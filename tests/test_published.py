"""Published weights by the real client, from a hub on this machine: found, adopted, cached, refused in a sentence."""

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from datamodules import miniature
from datamodules.task import Refused
from datamodules.tokenization import read_tokenizer
from lightning_modules.bert import Bert
from lightning_modules.start import resolve
from tests.commands import QUIET, command, launch, summary, table, the_run
from tests.hub_server import Hub, serve

transformers = pytest.importorskip("transformers", reason="transformers is a test dependency (extra: peers)")

BERT = "lightning_modules.bert.Bert"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LETTERS = "abcdefghijklmnopqrstuvwxyz"
WORDS = [*SPECIAL, *".,", *LETTERS, *LETTERS.upper(), *(f"##{letter}" for letter in LETTERS), "the", "The", "man"]
TASK = ("data=glue", "data.source=miniature", "data.task=rte", "trainer.max_epochs=1", *QUIET)


def write_bert(folder: Path, binary: bool = False, **changes: Any) -> Path:
    """A very small BERT with random weights as its publishers would upload it."""
    sizes = {"vocab_size": len(WORDS), "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 40, "max_position_embeddings": 130}
    torch.manual_seed(0)
    model = transformers.BertForPreTraining(transformers.BertConfig(**{**sizes, **changes}))
    model.save_pretrained(folder)
    if binary:
        weights = folder / "model.safetensors"
        torch.save(load_file(weights), folder / "pytorch_model.bin")
        weights.unlink()
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    return folder


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    root = tmp_path_factory.mktemp("hub")
    models = root / "models" / "acme"
    write_bert(models / "tiny-bert")
    write_bert(models / "old-bert", binary=True)
    cased = write_bert(models / "cased-bert")
    (cased / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False}))
    (write_bert(models / "no-weights") / "model.safetensors").unlink()
    gpt = write_bert(models / "gpt") / "config.json"
    gpt.write_text(json.dumps({**json.loads(gpt.read_text()), "model_type": "gpt2"}))
    with serve(root) as server:
        yield server


@pytest.fixture
def client(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """This process's client asks that hub, and has an empty cache."""
    connect(hub.endpoint, tmp_path / "home", monkeypatch)
    return hub


def connect(endpoint: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(home))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)


def client_of(endpoint: str, place: Path) -> dict[str, str]:
    """Variables of a process that asks that hub."""
    ours = {"HF_ENDPOINT": endpoint, "HF_HOME": str(place / "home"), "HF_HUB_OFFLINE": "0"}
    return {**ours, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def refusal(init_from: str | None, published: str | None = None, source: str = "hub") -> str:
    began = time.perf_counter()
    with pytest.raises(Refused) as caught:
        resolve(init_from, published, source, False, BERT)
    assert time.perf_counter() - began < 20
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_weights_are_told_apart_by_what_they_are_and_not_by_where_they_lie(client: Hub, tmp_path: Path) -> None:
    here, there, others = (write_bert(tmp_path / name) for name in ("here", "there", "others"))
    path = others / "model.safetensors"
    tensors = load_file(path)
    next(iter(tensors.values())).view(-1)[0] += 1
    save_file(tensors, path, {"format": "pt"})
    places = ("hub:acme/tiny-bert", str(here), str(there), str(others))
    same, *rest, other = (resolve(place, None, "hub", True, BERT).identity for place in places)
    assert set(rest) == {same}
    assert other != same
    assert resolve("scratch", None, "hub", True, BERT).identity is None


# ---- the whole program -----------------------------------------------------------------------------------------------


# At its end a process leaves the names of the modules that it has imported.
SITE = """
import atexit, pathlib, sys
atexit.register(lambda: pathlib.Path({file!r}).write_text(" ".join(sys.modules)))
"""


@pytest.fixture(scope="module")
def tuned(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, set[str]]:
    """A run from published weights without W&B, what it printed, and the modules that its process imported."""
    place, site = tmp_path_factory.mktemp("tuned"), tmp_path_factory.mktemp("site")
    (site / "sitecustomize.py").write_text(SITE.format(file=str(site / "modules")))
    variables = {**client_of(hub.endpoint, place), "PYTHONPATH": str(site)}
    done = launch(place, *TASK, "init_from=hub:acme/tiny-bert", "logger=csv", env=variables)
    assert done.status == 0, done.err
    return the_run(place), done.out, set((site / "modules").read_text().split())


@pytest.mark.slow
def test_a_run_without_wandb_does_not_import_it(tuned: tuple[Path, str, set[str]]) -> None:
    run, _, modules = tuned
    assert "lightning" in modules
    assert not {module for module in modules if module.split(".")[0] == "wandb"}
    assert not (run / "wandb").exists()


@pytest.mark.slow
def test_a_task_starts_from_published_weights(tuned: tuple[Path, str, set[str]], hub: Hub) -> None:
    run, said, _ = tuned
    assert said.splitlines()[0] == "start: hub:acme/tiny-bert, 26 of 26 tensors loaded"
    assert re.search(r"GET /acme/tiny-bert/resolve/\w+/model.safetensors", " ".join(hub.requests))
    record = summary(run)
    assert (record["start"], record["encoder_fingerprint"]) == ("hub:acme/tiny-bert", None)
    adopted = {
        key: record["config"]["model"][key] for key in ("vocab_size", "hidden_size", "num_layers", "gelu", "nsp")
    }
    assert adopted == {"vocab_size": len(WORDS), "hidden_size": 24, "num_layers": 1, "gelu": "erf", "nsp": True}


@pytest.mark.slow
def test_its_model_directory_needs_no_hub(tuned: tuple[Path, str, set[str]]) -> None:
    run, _, _ = tuned
    texts = [(str(row["sentence1"]), str(row["sentence2"])) for row in miniature.glue("rte", "validation", seed=0)]
    model = Bert.load(run / "model")
    rows = table(run / "predictions" / "validation.tsv")
    assert model.predict(texts) == [model.task.labels[int(row["prediction"])] for row in rows]


# ---- finding and adopting --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tiny-bert", "old-bert"])
def test_either_kind_of_weights_file(name: str, client: Hub) -> None:
    start = resolve(f"hub:acme/{name}", None, "hub", False, BERT)
    assert start.words == f"hub:acme/{name}"
    assert start.settings["hidden_size"] == 24
    model = Bert({"lr": 1e-3}, {"lr": 1e-3}, **start.settings)
    assert start.load(model).endswith("26 of 26 tensors loaded")
    assert start.directory is not None
    assert read_tokenizer(start.directory).encode("The man.").tokens == ["the", "man", "."]


def test_a_cased_vocabulary_stays_cased(client: Hub) -> None:
    start = resolve("hub:acme/cased-bert", None, "hub", False, BERT)
    assert start.directory is not None
    assert read_tokenizer(start.directory).encode("The man.").tokens == ["The", "man", "."]


def test_published_is_the_models_own_repository(client: Hub) -> None:
    start = resolve("published", "acme/tiny-bert", "hub", False, BERT)
    assert start.words == "published acme/tiny-bert"
    assert resolve(None, "acme/tiny-bert", "hub", False, BERT).words == start.words
    assert resolve(None, "acme/tiny-bert", "miniature", False, BERT).words == "scratch"
    assert resolve(None, "acme/tiny-bert", "hub", True, BERT).words == "scratch"


def test_what_was_fetched_once_needs_no_hub(client: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    resolve("hub:acme/tiny-bert", None, "hub", False, BERT)
    connect("http://127.0.0.1:9", tmp_path / "home", monkeypatch)
    began = time.perf_counter()
    assert resolve("hub:acme/tiny-bert", None, "hub", False, BERT).settings["hidden_size"] == 24
    assert time.perf_counter() - began < 20


def test_a_run_from_published_weights_in_this_process(client: Hub, tmp_path: Path) -> None:
    done = command(tmp_path, *TASK, "init_from=published", "published=acme/old-bert", "logger=csv")
    assert done.status == 0, done.err
    assert done.out.splitlines()[0] == "start: published acme/old-bert, 26 of 26 tensors loaded"


# ---- refusals --------------------------------------------------------------------------------------------------------


def test_an_unknown_repository(client: Hub) -> None:
    assert "acme/nobody" in refusal("hub:acme/nobody")


def test_a_repository_without_weights(client: Hub) -> None:
    assert refusal("hub:acme/no-weights") == "acme/no-weights has none of model.safetensors, pytorch_model.bin."


def test_another_kind_of_model(client: Hub) -> None:
    message = refusal("hub:acme/gpt")
    assert "model_type='gpt2'" in message


def test_a_model_without_published_weights() -> None:
    assert refusal("published").startswith("init_from=published: this model has no published weights")
    assert refusal(None).startswith("init_from says where a transfer starts")


def test_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect("http://127.0.0.1:9", tmp_path / "home", monkeypatch)
    message = refusal("hub:acme/tiny-bert")
    assert message.startswith("the weights of acme/tiny-bert were looked for on the hub and are not to be had")
    assert "scratch" in message


def test_a_hub_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        connect(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path / "home", monkeypatch)
        assert "are not to be had" in refusal("hub:acme/tiny-bert")


def test_an_override_against_the_weights(client: Hub, tmp_path: Path) -> None:
    done = command(tmp_path, *TASK, "init_from=hub:acme/tiny-bert", "model.hidden_size=48")
    assert "model.hidden_size=48" in done.refusal
    assert "hidden_size=24" in done.refusal
    assert not list((tmp_path / "outputs").iterdir())


@pytest.mark.slow
def test_a_process_without_a_hub_is_refused_soon(tmp_path: Path) -> None:
    began = time.perf_counter()
    done = launch(tmp_path, *TASK, "init_from=hub:acme/tiny-bert", env=client_of("http://127.0.0.1:9", tmp_path))
    assert "acme/tiny-bert" in done.refusal
    assert time.perf_counter() - began < 60  # most of it imports
    assert not list((tmp_path / "outputs").iterdir())
