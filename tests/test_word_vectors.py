"""Figures of word vectors: gensim's own on the same vectors, 3CosAdd by hand, and which words a model has."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from scipy.stats import spearmanr
from tokenizers import Tokenizer
from torch import nn

from datamodules.inventory import Inventory
from datamodules.tokenization import WordPiece
from datamodules.word_sets import Pair, Question, WordSets, read
from datamodules.word_vectors import Bench, WordVectors
from datamodules.words import Words
from lightning_modules import word_vectors
from lightning_modules.base import Encoding, LanguageModel
from lightning_modules.word_vectors import judge, three_cos_add
from tests.commands import TINY, Done, command, summary, table, the_run
from tests.conftest import CPU, compose

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SPECIALS = 3  # <S>, </S>, <UNK>


class Table(LanguageModel):
    """Vectors of words and nothing else."""

    def __init__(self, vectors: np.ndarray) -> None:
        super().__init__({"lr": 1.0}, {"lr": 1.0})
        rows = np.concatenate([np.zeros((SPECIALS, vectors.shape[1])), vectors])
        self.vectors = nn.Embedding.from_pretrained(torch.from_numpy(rows).float())

    def encode(self, batch: dict, layers: Any = (-1,)) -> Encoding:
        return Encoding((self.vectors(batch["tokens"]),), batch["summary"])

    def pretraining_losses(self, batch: dict) -> Any:
        raise NotImplementedError


def tokenizer_of(words: list[str], lowercase: bool = False) -> Tokenizer:
    """Of these words in this order."""
    texts = (" ".join([word] * (len(words) - at)) for at, word in enumerate(words))
    return Words(len(words) + SPECIALS, lowercase).train(texts)


def bench_of(words: list[str], sets: WordSets, limit: int | None = None, lowercase: bool = False) -> Bench:
    return Bench(sets, Inventory(tokenizer_of(words, lowercase), False, limit), False, 50)


# ---- gensim ----------------------------------------------------------------------------------------------------------


def invented(seed: int, count: int) -> list[str]:
    """Words, and some of them in capitals, too."""
    draw = random.Random(seed)
    plain = list(dict.fromkeys("".join(draw.choices("abcdefghij", k=draw.randint(3, 6))) for _ in range(count)))
    return draw.sample(
        [*plain, *(word.title() for word in plain[:40]), *(word.upper() for word in plain[20:60])], count
    )


def related(words: list[str], seed: int) -> tuple[np.ndarray, WordSets]:
    """Vectors of which one analogy in two holds, nearly; sets with unknown words, ties and other cases."""
    draw, numbers = random.Random(seed), np.random.default_rng(seed)
    vectors = numbers.normal(size=(len(words), 12))
    questions, pairs = [], []
    for number in range(300):
        rows = draw.sample(range(len(words)), 4)
        if number % 2:
            a, b, c, d = rows
            vectors[d] = vectors[b] - vectors[a] + vectors[c] + numbers.normal(size=12) / 4
        asked = [draw.choice((words[row], words[row].upper(), words[row].lower())) for row in rows]
        asked[0] = "unheard" if number % 17 == 0 else asked[0]
        questions.append(Question(f"gram{number // 50}" if number > 150 else f"part{number // 50}", *asked))
        pairs.append(Pair(asked[1], asked[2] if number % 13 else "unheard", float(draw.randint(0, 8))))
    return vectors.astype(np.float32), WordSets({"one": pairs[:120], "other": pairs[120:]}, questions)


def as_gensim(words: list[str], vectors: np.ndarray) -> Any:
    models = pytest.importorskip("gensim.models", reason="gensim is a test dependency (extra: peers)")
    keyed = models.KeyedVectors(vectors.shape[1])
    keyed.add_vectors(words, vectors)
    return keyed


def check_against_gensim(words: list[str], vectors: np.ndarray, sets: WordSets, limit: int | None, place: Path) -> dict:
    keyed, judged = as_gensim(words, vectors), judge(Table(vectors), bench_of(words, sets, limit))
    found = {name.removeprefix("test_words/"): value for name, value in judged.metrics.items()}
    lines: list[str] = []
    for question in sorted(sets.questions, key=lambda question: question.section):
        head = f": {question.section}"
        lines += [] if head in lines else [head]
        lines.append(" ".join(question[1:]))
    (place / "questions.txt").write_text("\n".join(lines) + "\n")
    for name, unknown_wrong in (("analogies", False), ("analogies_unknown_wrong", True)):
        told: dict[str, Any] = {"restrict_vocab": limit or len(words), "dummy4unknown": unknown_wrong}
        total, sections = keyed.evaluate_word_analogies(str(place / "questions.txt"), **told)
        assert found[name] == pytest.approx(total, abs=1e-7)
        for section in sections[:-1]:
            right, wrong = len(section["correct"]), len(section["incorrect"])
            own = found.get(f"{name}/section/{section['section']}")
            assert own == (pytest.approx(right / (right + wrong), abs=1e-7) if right + wrong else None)
    for name, pairs in sets.pairs.items():
        (place / "pairs.tsv").write_text("".join(f"{a}\t{b}\t{score}\n" for a, b, score in pairs))
        _, spearman, unknown = keyed.evaluate_word_pairs(str(place / "pairs.tsv"), restrict_vocab=None)
        assert found[f"similarity/{name}"] == pytest.approx(spearman[0], abs=1e-6)
        assert found[f"coverage/similarity/{name}"] == pytest.approx(1 - unknown / 100, abs=1e-9)
    return found


@pytest.mark.parametrize("limit", [None, 250])
def test_random_vectors_are_judged_as_gensim_judges_them(
    limit: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(word_vectors, "BLOCK", 1000)  # several blocks
    words = invented(1, 400)
    vectors, sets = related(words, 2)
    found = check_against_gensim(words, vectors, sets, limit, tmp_path)
    assert 0.1 < found["analogies"] < 0.8
    assert found["analogies_unknown_wrong"] == pytest.approx(found["analogies"] * found["coverage/analogies"])
    assert found["coverage/analogies"] < (0.95 if limit is None else 0.3)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the folder ../shared/data is absent")
def test_published_sets_are_judged_as_gensim_judges_them(tmp_path: Path) -> None:
    sets = read(str(SHARED), ("wordsim353", "simlex999", "questions-words"), ())
    assert Counter(question.half for question in sets.questions) == {"semantic": 8869, "syntactic": 10675}
    counts = Counter(word for question in sets.questions for word in question[1:])
    counts.update(word for pairs in sets.pairs.values() for pair in pairs for word in pair[:2])
    words = [word for word in sorted(counts, key=lambda word: (-counts[word], word)) if word.isalpha()][:1500]
    draw = np.random.default_rng(0)
    vectors, relations = draw.normal(size=(len(words), 20)), dict[str, np.ndarray]()
    at = {word.upper(): row for row, word in reversed([*enumerate(words)])}
    for section, *four in sets.questions[::9]:  # some hold
        relation = relations.setdefault(section, draw.normal(size=20) / 2)
        if all(word.upper() in at for word in four):
            a, b, c, d = (at[word.upper()] for word in four)
            vectors[b], vectors[d] = vectors[a] + relation, vectors[c] + relation
    found = check_against_gensim(words, vectors.astype(np.float32), sets, 200, tmp_path)
    assert 0 < found["coverage/analogies"] < 0.5
    assert found["analogies"] > 0


# ---- by hand ---------------------------------------------------------------------------------------------------------


def test_three_cos_add_is_the_nearest_of_all_others() -> None:
    """Every candidate, one by one; forms of one word are left out together."""
    draw = np.random.default_rng(3)
    vectors = draw.normal(size=(40, 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    same = np.arange(40)
    same[30:36] = np.arange(6)  # other cases of the first six
    vectors[30:36] = vectors[:6] + draw.normal(size=(6, 4)) / 50
    vectors[30:36] /= np.linalg.norm(vectors[30:36], axis=1, keepdims=True)
    questions = np.array([draw.permutation(30)[:3] for _ in range(200)])
    answers, cosines = three_cos_add(*(torch.from_numpy(array) for array in (vectors, same, questions)))
    for (a, b, c), answer, cosine in zip(questions, answers.tolist(), cosines.tolist(), strict=True):
        wanted = vectors[b] - vectors[a] + vectors[c]
        scores = {
            row: vectors[row] @ wanted / np.linalg.norm(wanted) for row in range(40) if same[row] not in (a, b, c)
        }
        assert answer == max(scores, key=scores.__getitem__)
        assert cosine == pytest.approx(scores[answer])


def test_tied_scores_and_tied_cosines_share_their_ranks() -> None:
    words = [f"w{letter}" for letter in "abcdefgh"]
    vectors = np.random.default_rng(0).integers(-1, 2, (8, 2)) + np.array([0.0, 0.25])  # few directions
    pairs = [Pair(a, b, float((i * j) % 3)) for i, a in enumerate(words) for j, b in enumerate(words[:i])]
    judged = judge(Table(vectors), bench_of(words, WordSets({"tied": pairs})))
    cosines = [row[1] for row in judged.answers["test_similarity"]]
    assert len({round(cosine, 6) for cosine in cosines}) < len(cosines) * 0.6
    expected: Any = spearmanr(cosines, [pair.score for pair in pairs])[0]
    assert judged.metrics["test_words/similarity/tied"] == pytest.approx(expected, abs=1e-7)
    assert judged.metrics["test_words/score"] == pytest.approx(100 * expected, abs=1e-5)  # there are no analogies


def test_a_set_without_a_correlation_has_none_and_counts_in_no_mean() -> None:
    pairs = {
        "good": [Pair("aa", "bb", 1.0), Pair("aa", "cc", 2.0), Pair("bb", "cc", 0.0)],
        "unknown": [Pair("aa", "zz", 1.0), Pair("yy", "zz", 2.0)],
        "level": [Pair("aa", "bb", 1.0), Pair("bb", "cc", 1.0)],
    }
    vectors = np.random.default_rng(1).normal(size=(3, 3))
    judged = judge(Table(vectors), bench_of(["aa", "bb", "cc"], WordSets(pairs)))
    metrics = judged.metrics
    assert [row[0] for row in judged.answers["test_similarity"]] == [0, 1, 2, 5, 6]  # through all sets
    assert {name for name in metrics if "/similarity" in name and "coverage" not in name} == {
        "test_words/similarity/good",
        "test_words/similarity/mean",
    }
    assert metrics["test_words/similarity/mean"] == metrics["test_words/similarity/good"]
    assert metrics["test_words/coverage/similarity/unknown"] == 0
    assert not any(np.isnan(value) for value in metrics.values())


# ---- which words a model has -----------------------------------------------------------------------------------------


def texts_of(inventory: Inventory, *words: str) -> list[str | None]:
    return [None if (row := inventory.row(word)) is None else inventory.words[row] for word in words]


def test_a_word_is_looked_up_as_the_tokenizer_reads_it_whatever_its_case() -> None:
    cased = Inventory(tokenizer_of(["Turkey", "turkey", "rome", "Été"]), False)
    assert texts_of(cased, "TURKEY", "turkey", "Rome", "été", "ete", "paris") == [
        "Turkey", "Turkey", "rome", "Été", None, None,
    ]  # fmt: skip
    assert cased.same.tolist() == [0, 0, 2, 3]
    lower = Inventory(tokenizer_of(["turkey", "rome", "été"], lowercase=True), False)
    assert texts_of(lower, "TURKEY", "Été", "ete") == ["turkey", "ete", "ete"]


def test_pairs_may_have_words_that_are_no_candidates() -> None:
    inventory = Inventory(tokenizer_of(["aa", "bb", "cc"]), False, limit=1)
    assert (inventory.candidates, inventory.candidate("bb")) == (1, None)
    assert inventory.row("bb") == inventory.row("BB") == 1
    assert inventory.words == ["aa", "bb"]


@pytest.fixture(scope="module")
def pieces() -> Tokenizer:
    return WordPiece(60, min_frequency=1).train(["dog dogs dog dogs cat walking walks talking talks"] * 3)


def test_of_pieces_the_candidates_are_those_that_begin_and_end_a_word(pieces: Tokenizer) -> None:
    inventory = Inventory(pieces, False)
    whole = set(inventory.words[: inventory.candidates])
    assert "dog" in whole
    assert whole <= set(pieces.get_vocab())
    assert not [word for word in whole if word.startswith(("##", "["))]
    assert texts_of(inventory, "Dog", "catalogs", "zebra") == ["dog", "catalogs", None]  # z is in no word
    assert len(inventory.tokens[inventory.words.index("catalogs")]) > 1


def test_a_word_of_pieces_has_the_mean_of_their_vectors(pieces: Tokenizer) -> None:
    inventory = Inventory(pieces, False)
    rows = [inventory.row(word) or 0 for word in ("catalogs", "cats")]  # the longer one first: a batch sorts them
    assert len({len(inventory.tokens[row]) for row in rows}) == 2
    for name in ("bert", "gpt"):
        settings = dict.fromkeys(("hidden_size", "intermediate_size"), 8) | {"num_layers": 1, "num_heads": 1}
        cfg = compose(
            f"model={name}_miniature", "model.vocab_size=60", *(f"model.{k}={v}" for k, v in settings.items())
        )
        model = instantiate(cfg.model, _convert_="all")
        found = word_vectors.vectors_of(model.eval(), inventory.batches(50))
        embeddings = model.encoder.embeddings.token.weight.detach().double().numpy()
        for at in (*rows, 0, 5):
            mean = embeddings[inventory.tokens[at]].mean(0)
            np.testing.assert_allclose(found[at].detach().numpy(), mean / np.linalg.norm(mean), atol=1e-6)


def test_elmo_spells_any_word_and_answers_with_those_of_its_softmax() -> None:
    words = ["dog", "dogs", "cat"]
    inventory = Inventory(tokenizer_of(words), True)
    assert inventory.words == words
    row = inventory.row("zebra")
    assert row == 3
    assert inventory.candidate("zebra") is None
    small = ("model.filters=[[1,4],[2,4]]", "model.projection_size=6", "model.lstm_size=8", "model.vocab_size=6")
    model = instantiate(compose("model=elmo_miniature", *small).model, _convert_="all").eval()
    found = word_vectors.vectors_of(model, inventory.batches(10))
    assert found.shape == (4, 6)
    lexicon = inventory.vocabulary.lexicon
    for at in range(4):
        alone = model.encoder.characters(torch.from_numpy(lexicon.characters(inventory.tokens[at])))[0]
        torch.testing.assert_close(found[at], nn.functional.normalize(alone, dim=0), atol=1e-5, rtol=0)


def test_one_list_gives_every_model_the_same_candidates(pieces: Tokenizer) -> None:
    listed = ["Dog", "talks", "dog", "zebra", "catalogs"]
    models = (Inventory(pieces, False, 4, listed), Inventory(tokenizer_of(["talks", "Dog"]), False, 4, listed))
    models += (Inventory(tokenizer_of(["talks", "Dog"]), True, 4, listed),)
    found = [one.words[: one.candidates] for one in models]
    assert found == [["dog", "talks", "catalogs"], ["Dog", "talks", "dog"], ["Dog", "talks", "dog", "zebra"]]
    assert models[1].same.tolist() == [0, 1, 0]


# ---- a run -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """Of two processes none is started: there is nothing to share."""
    place = tmp_path_factory.mktemp("looked")
    (place / "list.txt").write_text(
        "\n".join(dict.fromkeys(word for q in read("miniature", (), ()).questions for word in q[1:]))
    )
    told = ("data=word_vectors", "data.source=miniature", "init_from=scratch", "trainer.devices=2")
    done = command(place, *TINY, *told, "data.vocabulary=list.txt")
    assert done.status == 0, done.err
    return the_run(place), done


def test_a_run_leaves_its_figures(looked: tuple[Path, Done]) -> None:
    run, done = looked
    record, sets = summary(run), read("miniature", (), ())
    assert (record["data"], record["start"], record["checkpoint"]) == ("miniature/word_vectors", "scratch", "none")
    assert record["cost"]["steps"] == 0
    assert record["cost"]["devices"] == 1
    assert set(record["headline"]["parts"]) == {"semantic", "syntactic", "similarity/miniature", "similarity/mean"}
    assert record["headline"]["name"] == "analogies"
    assert {path.name for path in run.iterdir()} == {
        ".hydra", "metrics.csv", "predictions", "projection.png", "summary.json", "wandb",
    }  # fmt: skip
    assert record["card"]["questions"] == record["card"]["questions_covered"] == len(sets.questions)
    assert done.out.count("record: ") == 1
    said = [line.split() for line in done.out.splitlines()]
    assert ["all", *[f"{record['headline']['value']:.1f}"] * 2, "100.0"] in said


def test_the_metrics_are_those_of_the_answers(looked: tuple[Path, Done]) -> None:
    run, _ = looked
    metrics, sets = summary(run)["metrics"], read("miniature", (), ())
    rows = table(run / "predictions/analogies.tsv")
    assert [tuple(row[name] for name in ("section", *"abcd")) for row in rows] == [tuple(q) for q in sets.questions]
    for row in rows:
        assert row["answer"] not in [row[name].lower() for name in "abc"]
        assert int(row["right"]) == (row["answer"].lower() == row["d"].lower())
    parts = {"": rows, "/syntactic": rows[450:], "/section/gram2-past": rows[600:750]}
    for part, some in parts.items():
        expected = sum(int(row["right"]) for row in some) / len(some)
        assert metrics[f"test_words/analogies{part}"] == pytest.approx(expected, abs=1e-7)
    rows = table(run / "predictions/similarity.tsv")
    assert [(row["word1"], row["word2"], float(row["score"])) for row in rows] == sets.pairs["miniature"]
    expected = spearmanr([float(row["cosine"]) for row in rows], [float(row["score"]) for row in rows])[0]
    assert metrics["test_words/similarity/miniature"] == pytest.approx(expected, abs=1e-6)


def test_a_run_shows_neighbours_and_a_picture_in_weights_and_biases_too(looked: tuple[Path, Done]) -> None:
    run, _ = looked
    (folder,) = (run / "wandb").glob("offline-run-*")
    assert len([*folder.rglob("nearest*.table.json")]) == 1
    (picture,) = folder.rglob("projection*.png")
    assert picture.read_bytes() == (run / "projection.png").read_bytes()
    nearest = summary(run)["nearest"]
    assert Counter(row["word"] for row in nearest)["fox"] == 5
    assert all(row["neighbour"] != row["word"] and -1 <= row["cosine"] <= 1 for row in nearest)


def test_what_was_not_asked_is_blank() -> None:
    cfg = compose("data=word_vectors", "data.source=miniature", "model=elmo_miniature", *CPU)
    data: Any = instantiate(cfg.data, _convert_="all")
    assert isinstance(data, WordVectors)
    assert data.spells
    data.bench = bench_of(["aa"], WordSets({"own": [Pair("aa", "zz", 1.0)]}, [Question("gram", *"aaaa")]))
    assert data.table("similarity", []) == ["index\tset\tword1\tword2\tscore\tcosine", "0\town\taa\tzz\t1.0\t"]
    assert data.table("analogies", [])[1] == "0\tgram\ta\ta\ta\ta\t\t\t"
    assert data.table("analogies", [(0, "A", "a", [0.5])])[1] == "0\tgram\ta\ta\ta\ta\tA\t0.5\t1"
