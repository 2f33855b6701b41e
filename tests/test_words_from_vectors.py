"""transfer.words=<place>: the words beside a frozen encoder's layers are another model's, looked up once and kept."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from safetensors.torch import load_file

import run
from datamodules import miniature
from datamodules.lexicon import Lexicon
from datamodules.spelling import spelled_by
from datamodules.task import Refused
from datamodules.tokenization import save_tokenizer
from lightning_modules.elmo import Elmo
from lightning_modules.interop import word2vec
from lightning_modules.word2vec import Word2Vec
from sweeps.runs import given_words, record
from sweeps.runs.given_words import rows_of, transfer_of
from sweeps.runs.places import Run, run_name
from tests.conftest import CPU, compose
from tests.test_features import PAIR, batch_of, bert, head_of
from tests.test_tokenization import google_words

TASK = ("data=glue", "data.source=miniature", "data.task=rte", "data.submission=false", "transfer=features")
STEPS = ("trainer=smoke", "trainer.max_steps=8", "trainer.limit_train_batches=1.0", "data.train_examples=64")
SIZES = ("transfer.rnn_size=8", "transfer.classifier_size=8", "transfer.optimizer.lr=1e-2", "model.lstm_size=16")
RUN = ("model=elmo_miniature", *TASK, *STEPS, *SIZES, *CPU)
WORDS = ["the", "is", "a", "nothing", "."]
WIDTH = 6
Execute = Callable[..., tuple[Path, dict, str]]


def encoder_of(folder: Path, words: list[str] = WORDS) -> Path:
    """A word2vec's pre-training: a run's folder with its encoder directory."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(spelled_by(words, False), folder / "tokenizer.json")
    torch.manual_seed(5)
    model = Word2Vec({"lr": 0.1}, {"lr": 0.1}, vocab_size=3 + len(words) + 2, size=WIDTH)
    model.text = {"tokenizer": {"_target_": "datamodules.words.Words", "lowercase": False}}
    model.save(folder / "encoder", folder / "tokenizer.json", fingerprint="0123456789ab")
    return folder


def table_of(folder: Path) -> dict[str, list[float]]:
    """Word -> its vector."""
    rows = load_file(folder / "encoder/weights.safetensors")["vectors.weight"][3:-2]
    return dict(zip(WORDS, rows.tolist(), strict=True))


@pytest.fixture(scope="module")
def elmo(tmp_path_factory: pytest.TempPathFactory, cache: str) -> Path:
    """An ELMo that has learnt nothing, cased; its tokenizer is the task's."""
    cfg = compose(*RUN, cache)
    data = instantiate(cfg.data, _convert_="all")
    data.prepare_data()
    torch.manual_seed(0)
    model = instantiate(cfg.model, _convert_="all")
    model.text = {"tokenizer": {"vocab_size": 4000}}
    return model.save(tmp_path_factory.mktemp("elmo") / "encoder", data.tokenizer_file, fingerprint="abcdef012345")


@pytest.fixture
def execute(elmo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Execute:
    """Run an experiment to its record: the run's folder, summary.json, what is said. Its cache is the test's own."""
    monkeypatch.setattr(record, "git_state", lambda folder: {})

    def execute(*overrides: str) -> tuple[Path, dict, str]:
        cfg = compose(*RUN, f"init_from={elmo}", f"cache_dir={tmp_path / 'cache'}", *overrides)
        opened = Run.open(Path(tempfile.mkdtemp(dir=tmp_path)), cfg)
        run.execute(cfg, opened)
        return opened.directory, json.loads((opened.directory / "summary.json").read_text()), capsys.readouterr().out

    return execute


# ---- looking up ------------------------------------------------------------------------------------------------------


def test_a_word_is_looked_up_as_it_is_and_then_in_lower_case() -> None:
    marks = ["<S>", "</S>", "<UNK>"]
    there = [*marks, "the", "The", "us", "É", "é", "<s>"]
    wanted = [*marks, "The", "THE", "the", "US", "us", "É", "none", "<S>".lower(), "x"]
    assert rows_of(wanted, there).tolist() == [-1, -1, -1, 4, 3, 3, 5, 5, 6, -1, 8, -1]


# ---- in a model ------------------------------------------------------------------------------------------------------


def test_given_words_are_read_and_never_learnt() -> None:
    model, batch = bert(words="given"), batch_of(PAIR)
    head = head_of(model)
    assert head.words is not None
    assert not head.words.weight.any()
    with torch.no_grad():
        head.words.weight.copy_(torch.randn_like(head.words.weight))
    seen: list[Any] = []
    head.network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs))
    losses, _ = model.losses(batch)
    assert torch.equal(seen[0][0][:, :4], head.words.weight[batch["tokens"][batch["text"]]])
    torch.stack([value for value, _ in losses.values()]).sum().backward()
    learnt = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert learnt == {name for name, p in model.named_parameters() if p.requires_grad}
    assert "head.words.weight" not in learnt
    assert model.transfer.shape["words"] == "given"


# ---- whole runs ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_run_with_vectors_and_what_it_leaves(execute: Execute, tmp_path: Path) -> None:
    """Frozen and saved; the model directory answers when the vectors' folder is gone; layers are those of any run."""
    folder = encoder_of(tmp_path / "vectors")
    vectors = table_of(folder)
    directory, told, said = execute(f"transfer.words={folder}")
    texts = [(str(row["sentence1"]), str(row["sentence2"])) for row in miniature.glue("rte", "validation", seed=0)]
    shutil.rmtree(folder)
    model = Elmo.load(directory / "model")
    answers = [line.split("\t")[1] for line in (directory / "predictions/validation.tsv").read_text().splitlines()[1:]]
    assert model.predict(texts[: len(answers)]) == [model.task.labels[int(answer)] for answer in answers]

    tokenizer = instantiate(model.text["tokenizer"]).load()
    pieces = Lexicon(tokenizer).words  # from there on
    kept = load_file(directory / "model/weights.safetensors")["head.words.weight"]
    assert kept.shape == (4000, WIDTH)
    for word, number in tokenizer.get_vocab().items():
        wanted = vectors.get(word, vectors.get(word.lower(), [0.0] * WIDTH))
        assert number >= pieces or kept[number].tolist() == wanted, word
    found = sum(bool(row.any()) for row in kept)
    assert found > 2

    words = told["words"]
    share = words.pop("found_share")
    assert words == {"from": str(folder), "size": WIDTH, "found": found, "of": words["of"]}
    assert f"words: vectors of {folder} for {found} of" in said
    assert told["config"]["transfer"]["words_size"] == WIDTH
    assert 0 < share < 1
    _, plain, _ = execute("transfer.words=random")
    assert (plain["layers"]["computed_tokens"], plain["layers"]["tokens"]) == (0, told["layers"]["tokens"])
    assert "words" not in plain


def test_the_share_of_the_text_that_has_a_vector(cache: str, elmo: Path, tmp_path: Path) -> None:
    """Counted anew, from the rows as they are written."""
    folder = encoder_of(tmp_path / "vectors")
    cfg = compose(*RUN, cache, f"transfer.words={folder}", f"text.tokenizer.file={elmo}")
    data = instantiate(cfg.data, _convert_="all")
    data.prepare_data()
    model = instantiate(cfg.model, _convert_="all").attach(data.task, transfer_of(cfg, data))
    given_words.give_words(cfg, model, data, lambda said: None)
    rows = miniature.glue("rte", "train", seed=0)
    texts = [str(rows[int(n)][name]) for n in data.training_rows() for name in ("sentence1", "sentence2")]
    words = [word for text in texts for word in google_words(text, False)]
    has = sum(word in WORDS or word.lower() in WORDS for word in words)
    assert head_of(model).origin["found_share"] == pytest.approx(has / len(words))
    assert 0.05 < has / len(words) < 0.95


@pytest.mark.parametrize("ending", ["bin", "txt"])
def test_vectors_from_a_file(ending: str, cache: str, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((len(WORDS), WIDTH)).astype(np.float32)
    word2vec.write(tmp_path / f"v.{ending}", WORDS, rows)
    cfg = compose(*RUN, cache, f"transfer.words={tmp_path}/v.{ending}", "transfer.words_size=null", "transfer.plug=[]")
    data = instantiate(cfg.data, _convert_="all")
    data.prepare_data()
    model = instantiate(cfg.model, _convert_="all").attach(data.task, transfer_of(cfg, data))
    given_words.give_words(cfg, model, data, lambda said: None)
    head = head_of(model)
    assert head.words is not None
    number = data.tokenizer.token_to_id("the")
    assert head.words.weight[number].tolist() == rows[0].tolist()
    assert head.network.lstm.input_size == WIDTH


# ---- refused ---------------------------------------------------------------------------------------------------------


def refusal(cache: str, *overrides: str) -> str:
    own = [told for told in RUN if not told.startswith("model.")]
    cfg = compose(*own, cache, *overrides)
    with pytest.raises(Refused) as caught:
        transfer_of(cfg, instantiate(cfg.data, _convert_="all"))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_plugged_into_is_refused(cache: str, elmo: Path, tmp_path: Path) -> None:
    folder = encoder_of(tmp_path / "vectors")
    ways = "it may be random, none, the folder of a word2vec's"
    assert ways in refusal(cache, "transfer.words=glove")
    assert "no vector for each word" in (said := refusal(cache, f"transfer.words={elmo}"))
    assert ways in said
    said = refusal(cache, f"transfer.words={folder}", "transfer.words_size=300")
    assert said.startswith("transfer.words_size=300 is not possible")
    assert said.endswith(f"have {WIDTH}; it may be null.")
    said = refusal(cache, "model=bert_miniature", f"transfer.words={folder}")
    assert "cuts words into pieces; transfer.words may be random or none" in said
    with pytest.raises(Refused, match=r"transfer\.words='glove' .* random, none, given"):
        bert(words="glove")


def test_a_size_that_is_the_vectors_own_may_be_said(cache: str, tmp_path: Path) -> None:
    folder = encoder_of(tmp_path / "vectors")
    cfg = compose(*RUN, cache, f"transfer.words={folder}", f"transfer.words_size={WIDTH}")
    node = transfer_of(cfg, instantiate(cfg.data, _convert_="all"))
    assert (node["words"], node["words_size"]) == ("given", WIDTH)


def test_a_runs_name_stands_for_the_vectors_and_not_for_their_place(tmp_path: Path) -> None:
    cfg = compose(*RUN)

    def name(words: Path | str) -> str:
        cfg.transfer.words = str(words)
        return run_name(cfg, "elmo", "glue")

    one, other = (encoder_of(tmp_path / place) for place in ("one", "other"))
    assert name(one) == name(other) == name(one / "encoder")
    changed = tmp_path / "one/encoder/encoder.yaml"
    changed.write_text(changed.read_text().replace("0123456789ab", "0123456789ac"))
    files = [tmp_path / file for file in ("v.bin", "w.bin", "x.bin")]
    for number, file in enumerate(files):
        word2vec.write(file, ["a"], np.full((1, 3), number // 2, np.float32))
    assert name(files[0]) == name(files[1])
    assert len({name(words) for words in ("random", "none", one, other, files[0], files[2])}) == 6
