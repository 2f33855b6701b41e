"""Bits per byte: every byte of a text is told once, by its tokens or by what is owed beyond them, whatever cuts it."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

from datamodules.byte_pair import BytePair
from datamodules.causal import CausalLM
from datamodules.corpus import Corpus
from datamodules.shards import Split
from datamodules.tokenization import WordPiece
from datamodules.yardstick import Pieces, Yardstick, choice, text_bytes
from lightning_modules.gpt import Gpt

TEXTS = ["The cat sat on the mat.", "Don't panic, said the dog!", "café naïve ÀÉ", "a  b\tc", "mats cats"]
ALIEN = "The 猫 sat, Ωmega ☃."
KINDS: list[type[BytePair] | type[WordPiece]] = [BytePair, WordPiece]


def trained(kind: type[BytePair] | type[WordPiece]) -> Tokenizer:
    return kind(vocab_size=90).train(TEXTS * 3)


def spelled(text: str) -> int:
    """By hand: lower case, no accents, punctuation and ideographs by themselves, one byte after each word."""
    words = {
        "The cat sat on the mat.": "the cat sat on the mat .",
        "Don't panic, said the dog!": "don ' t panic , said the dog !",
        "café naïve ÀÉ": "cafe naive ae",
        "a  b\tc": "a b c",
        "mats cats": "mats cats",
        ALIEN: "the 猫 sat , ωmega ☃ .",
    }
    return len(f"{words[text]} ".encode())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [*TEXTS, ALIEN])
def test_the_measured_text_is_the_normalised_words(kind: Any, text: str) -> None:
    assert text_bytes(trained(kind), text) == spelled(text)


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_and_unknown_bytes_make_up_the_text(kind: Any) -> None:
    tokenizer = trained(kind)
    pieces = Pieces(tokenizer)
    ids = [np.array(tokenizer.encode(text, add_special_tokens=False).ids) for text in (*TEXTS, ALIEN)]
    *known, alien = pieces.unknown_bytes([*TEXTS, ALIEN], ids)
    assert known == [0] * len(TEXTS)
    assert [int(pieces.bytes[own].sum()) for own in ids[:-1]] == [spelled(text) for text in TEXTS]
    assert alien == spelled(ALIEN) - pieces.bytes[ids[-1]].sum() > 0
    assert pieces.is_stopped([*ids, np.array([], dtype=int)]) == [True, True, False, False, False, True, False]


def test_both_tokenizers_measure_the_same_text() -> None:
    """The unknown included: a byte pair tokenizer does not know symbols, one of word pieces whole words."""
    for text in (*TEXTS, ALIEN):
        totals = set()
        for kind in KINDS:
            tokenizer = trained(kind)
            pieces, ids = Pieces(tokenizer), np.array(tokenizer.encode(text, add_special_tokens=False).ids)
            totals.add(int(pieces.bytes[ids].sum()) + pieces.unknown_bytes([text], [ids])[0])
        assert totals == {spelled(text)}


def test_telling_places_costs_their_entropy() -> None:
    assert choice(0, 10) == choice(10, 10) == choice(0, 0) == 0
    assert choice(3, 12) == pytest.approx(-12 * (0.25 * math.log(0.25) + 0.75 * math.log(0.75)))


def prepared(folder: Path, kind: Any = BytePair) -> Corpus:
    """A corpus whose held-out text has an unknown symbol, and a sentence that no full stop ends."""
    documents = [[f"the cat number {n} sat.", "it ran away", "why? nobody knows!"] for n in range(400)]
    held = [["it ☃ sat.", "it ran away", "why? nobody knows!"]] * 2
    file = folder / "text.txt"
    file.write_text("\n\n".join("\n".join(one) for one in documents))
    data = Corpus(
        source="hub", corpus="", files=[str(file)], tokenizer=kind(vocab_size=80), objective=cast("Any", CausalLM()),
        max_length=16, global_batch_size=4, eval_batch_size=4, seed=0, cache_dir=str(folder / "cache"),
    )  # fmt: skip
    data.load_tokenizer()
    data.write(data.load_tokenizer(), (("validation", "\n".join(one)) for one in held), "validation")
    data.write(data.load_tokenizer(), (("train", "\n".join(one)) for one in documents), "train")
    return data


def test_the_whole_held_out_text_is_paid_for(tmp_path: Path) -> None:
    """From the sentences, by hand: bytes, the unknown symbol at 8 bits a byte, and the two kinds of word ends."""
    data = prepared(tmp_path)
    tokenizer, held = data.load_tokenizer(), Split(data.directory("validation"))
    yardstick = Yardstick.of(tokenizer, held)
    words = ["it", "☃", "sat", ".", "it", "ran", "away", "why", "?", "nobody", "knows", "!"] * 2
    total, unknown = sum(len(word.encode()) + 1 for word in words), 2 * len("☃ ".encode())
    # full stops: "." ends a sentence, "?" does not, "!" does; of 18 other words "away" alone does
    ends = choice(4, 6) + choice(2, 18)
    assert yardstick.card["validation_bytes"] == total
    assert yardstick.card["unknown_bytes_share"] == pytest.approx(unknown / total)
    assert yardstick.card["unknown_bits_per_byte"] == pytest.approx(8 * unknown / total)
    assert yardstick.card["sentence_end_bits_per_byte"] == pytest.approx(ends / math.log(2) / total)
    size, nats = yardstick(held.sample().tokens[:])
    assert size == pytest.approx(total)
    assert nats == pytest.approx(ends + 8 * unknown * math.log(2))


def test_a_model_is_told_bits_per_byte_and_perplexity(tmp_path: Path) -> None:
    """Against the sum of its own surprises over all tokens but the first, which nothing predicts."""
    data = prepared(tmp_path)
    data.prepare_data()
    data.setup("fit")
    torch.manual_seed(0)
    sizes: dict[str, Any] = {
        "hidden_size": 16,
        "num_layers": 1,
        "num_heads": 2,
        "intermediate_size": 16,
        "max_length": 16,
    }
    model = Gpt({"lr": 1e-3}, {"lr": 1e-3}, vocab_size=80, **sizes).eval()
    logged: dict[str, Any] = {}
    model.log_dict = lambda values, **_: logged.update(values)  # pyright: ignore
    with torch.no_grad():
        for batch in data.val_dataloader():
            model.validation_step(batch, 0)
        model.on_validation_epoch_end()
        nats = sum(float(model.pretraining_losses(batch)["causal_lm"][0]) for batch in data.val_dataloader())
    tokens = Split(data.directory("validation")).sample().tokens[:]
    size, owed = Yardstick.of(data.load_tokenizer(), Split(data.directory("validation")))(tokens[1:])
    assert float(logged["val/bits_per_byte"]) == pytest.approx((nats + owed) / math.log(2) / size, rel=1e-5)
    assert float(logged["val/causal_lm_perplexity"]) == pytest.approx(math.exp(nats / (len(tokens) - 1)), rel=1e-5)


def test_a_masked_language_model_has_an_axis_of_its_own() -> None:
    """No target of it is a text's next token, so nothing is measured in bytes."""
    from datamodules.corpus_examples import CorpusExamples
    from datamodules.shards import TokenizedCorpus

    corpus = TokenizedCorpus(np.arange(5, 45), np.array([0, 20, 40]), np.array([0, 1, 2]))
    objective: Any = SimpleNamespace(
        plan=lambda *_: np.zeros((2, 5), dtype=np.int64), batch=lambda *_: {"masked_labels": torch.zeros(1)}
    )
    yardstick = Yardstick(np.ones(50), np.zeros(50), {})
    examples = CorpusExamples([corpus], objective, cast("Any", None), 16, 0, None, yardstick)
    examples.begin(0)
    assert "measured" not in examples.batch(np.array([0]), 0)
