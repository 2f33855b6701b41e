"""Sets of words: how files are read and what is refused; the miniature's own; what is shown of vectors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hydra.utils import instantiate
from matplotlib.image import imread

from datamodules import word_sets
from datamodules.inventory import Inventory, read_list
from datamodules.miniature import lexicon
from datamodules.miniature.word_sets import GROUPS, questions
from datamodules.miniature.word_sets import pairs as generated_pairs
from datamodules.task import Refused, fingerprint
from datamodules.word_sets import Pair, Question, WordSets, read
from datamodules.word_vectors import Bench, WordVectors
from lightning_modules.evaluation import Results
from sweeps.evidence.rows import values
from sweeps.showing import pretrained as showing
from sweeps.showing.projection import COLOURS, beside, draw, overlap
from sweeps.showing.words import flattened, nearest
from tests.commands import cache_of
from tests.conftest import CPU, compose
from tests.test_word_vectors import Table, tokenizer_of


def folder_of(place: Path) -> Path:
    """Two sets in the layout of a source."""
    from pyarrow import Table as Columns
    from pyarrow import parquet

    made = {
        "similarity/men": {"word1": ["sun", "cat"], "word2": ["day", "dog"], "score": [50.0, 31.5]},
        "google-analogy/questions-words": {"section": ["gram1"], "a": ["w"], "b": ["x"], "c": ["y"], "d": ["z"]},
    }
    for name, columns in made.items():
        folder = place / "word-vectors" / name
        folder.mkdir(parents=True)
        parquet.write_table(Columns.from_pydict(columns), folder / "test-00000-of-00001.parquet")
    return place


def data_of(*overrides: str) -> WordVectors:
    return instantiate(compose("data=word_vectors", "model.vocab_size=500", *overrides, *CPU).data, _convert_="all")


# ---- files -----------------------------------------------------------------------------------------------------------


def test_sets_of_a_folder_are_read_and_known_by_their_content(tmp_path: Path) -> None:
    source = str(folder_of(tmp_path / "one"))
    found = read(source, ("men", "questions-words"), ())
    assert found == WordSets(
        {"men": [Pair("sun", "day", 50.0), Pair("cat", "dog", 31.5)]}, [Question("gram1", "w", "x", "y", "z")]
    )
    assert found.questions[0].half == "syntactic"
    names = ("men", "questions-words")
    assert word_sets.identity(source, names, ()) == word_sets.identity(str(folder_of(tmp_path / "two")), names, ())
    assert word_sets.at_hand(source)
    assert not word_sets.at_hand(str(tmp_path))


def test_ones_own_files_are_sets_called_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "mine.tsv").write_text('word1\tword2\tscore\tnote\n"a\tnull\t1\tx\nb\tNA\t2e0\ty\n')
    (tmp_path / "more.tsv").write_text("section\ta\tb\tc\td\nmine\tw\tx\ty\tz\n")
    found = read("hub", (), [f"{tmp_path}/mine.tsv", f"{tmp_path}/more.tsv"])
    assert found.pairs == {"mine": [Pair('"a', "null", 1.0), Pair("b", "NA", 2.0)]}
    assert found.questions == [Question("mine", "w", "x", "y", "z")]
    assert found.questions[0].half == "semantic"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("word1\tword2\tscore\na\tb\t1\nc\td\tmany\n", r"mine\.tsv, row 2: score is 'many'; it may be a number only\."),
        ("word1\tword2\tscore\na\tb\tnan\n", r"row 1: score is 'nan'; it may be a number only\."),
        ("word1\tword2\tscore\na\t \t1\n", r"row 1: word2 is ' '; it may be a word only\."),
        ("word1\tword2\tscore\na\n", r"row 1: score is None; it may be a number only\."),
        ("section\ta\tb\tc\td\ns\tw\tx\ty\n", r"row 1: d is None; it may be a word only\."),
        ("one\ttwo\na\tb\n", r"has the columns one, two: they may be word1, word2, score or section, a, b, c, d\."),
        ("word1\tword2\tscore\n", r"mine\.tsv has no rows: there may be at least one\."),
        ("", r"mine\.tsv has the columns : they may be"),
        (b"\xff\xfe", r"mine\.tsv is not a table: it is not UTF-8 text\."),
    ],
)
def test_a_malformed_file_is_refused_with_its_row(content: str | bytes, words: str, tmp_path: Path) -> None:
    (tmp_path / "mine.tsv").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(Refused, match=words):
        read("hub", (), [str(tmp_path / "mine.tsv")])


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    source = str(folder_of(tmp_path))
    with pytest.raises(Refused, match=r"has no word-vectors/similarity/rw/test-\*\.parquet: data\.sets may leave rw"):
        read(source, ("rw",), ())
    for place in ("hub", str(tmp_path / "word-vectors")):
        with pytest.raises(Refused, match=r"has no sets of words: it .* may be a folder that holds word-vectors/, or"):
            read(place, ("men",), ())
    (tmp_path / "torn.parquet").write_text("torn")
    with pytest.raises(Refused, match=r"torn\.parquet is not a parquet file: "):
        read("hub", (), [str(tmp_path / "torn.parquet")])
    for name, why in (("none.parquet", "is not there"), ("a.csv", "is of another kind")):
        (tmp_path / "a.csv").write_text("")
        with pytest.raises(Refused, match=rf"{name} {why}: each may be a \.parquet, or a \.tsv"):
            read("hub", (), [str(tmp_path / name)])
    (tmp_path / "mine.tsv").write_text("")
    with pytest.raises(Refused, match=r"data\.files has two sets called mine"):
        read("hub", (), [str(tmp_path / "mine.tsv")] * 2)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("data.sets=[men,mien]", r"a name of data\.sets='mien' is not possible: it may be wordsim353, .*phrases\."),
        ("data.sets=[]", r"data\.sets=\[\] leaves nothing to ask"),
        ("data.candidates=3", r"data\.candidates=3 is not possible: it may be a whole number from 4 up\."),
    ],
)
def test_a_wrong_value_is_refused(told: str, words: str) -> None:
    with pytest.raises(Exception, match="Error in call") as raised:
        data_of("data.source=miniature", told)
    assert isinstance(raised.value.__cause__, Refused)
    with pytest.raises(Refused, match=words):
        raise raised.value.__cause__


def test_where_nothing_can_be_asked_a_sentence_says_so(tmp_path: Path) -> None:
    source = str(folder_of(tmp_path))
    data = data_of(f"data.source={source}", "data.sets=[men,questions-words]", "data.candidates=4")
    vars(data)["tokenizer"] = tokenizer_of(["sun", "day", "cat", "dog", "w", "x", "y", "z"])
    with pytest.raises(Refused, match=r"of 1 analogies none has all its words among the model's 4 candidates"):
        data.setup("test")
    data = data_of(f"data.source={source}", "data.sets=men")
    vars(data)["tokenizer"] = tokenizer_of(["sun", "day"])
    with pytest.raises(Refused, match=r"of 2 pairs of words the model has not two in any set"):
        data.setup("test")
    data = data_of(f"data.source={source}", "data.sets=men")
    vars(data)["tokenizer"] = tokenizer_of(["sun", "day", "cat", "dog"])
    data.setup("test")
    assert data.task.headline == "similarity/mean"
    assert data.card == {
        "listed_words": 4, "candidates": 4, "pairs": {"men": 2}, "pairs_covered": {"men": 2}, "questions": 0,
        "questions_covered": 0,
    }  # fmt: skip


def test_a_list_of_words_is_a_text_or_a_vocabulary_of_words(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("dog\n\n  cat \n")
    assert read_list(str(tmp_path / "list.txt")) == ["dog", "cat"]
    (tmp_path / "encoder").mkdir()
    tokenizer_of(["one", "two"]).save(str(tmp_path / "encoder/tokenizer.json"))
    for place in (tmp_path, tmp_path / "encoder", tmp_path / "encoder/tokenizer.json"):
        assert read_list(str(place)) == ["one", "two"]
    (tmp_path / "pieces.json").write_text(data_of("data.source=miniature").subwords.train(["a b"]).to_str())
    (tmp_path / "empty.txt").write_text("\n")
    for name, why in (
        ("pieces.json", "has pieces of words"),
        ("none.txt", "is not there"),
        ("empty.txt", "has no words"),
    ):
        with pytest.raises(Refused, match=rf"data\.vocabulary=.*{name} {why}: it may be an encoder's folder"):
            read_list(str(tmp_path / name))


# ---- the miniature's -------------------------------------------------------------------------------------------------


def test_the_miniature_makes_the_same_sets_every_time() -> None:
    made = {"pairs": generated_pairs(), "questions": [*questions()]}
    assert fingerprint(made) == fingerprint({"pairs": generated_pairs(), "questions": [*questions()]}) == "d737c21dc41a"
    words = {word for one, other, _ in made["pairs"] for word in (one, other)}
    words |= {word for _, *four in made["questions"] for word in four}
    assert {word.lower() for word in words} <= lexicon.KNOWN_FORMS
    assert len({frozenset(pair[:2]) for pair in made["pairs"]}) == len(made["pairs"]) == 4 * 60
    assert len(set(made["questions"])) == len(made["questions"]) == 6 * 150


def known(word: str) -> set[str]:
    """All classes of a word, from the lexicon: kinds, polarities, groups of verbs, and what it is."""
    found = {kind for kind, members in lexicon.KIND_NOUNS.items() if word in members}
    found |= {"thing"} if found else set()
    for polarity, by_part in lexicon.POLAR.items():
        found |= {"adjective", str(polarity)} if any(word in part for part in by_part.values()) else set()
    groups = {f"verb {number}" for number, group in enumerate(GROUPS) for verb in group if verb.past == word}
    return found | groups | ({"verb"} if groups else set()) | ({"town"} if word in lexicon.TOWNS else set())


def test_scores_grade_what_words_have_in_common() -> None:
    for one, other, score in generated_pairs():
        first, second = known(one), known(other)
        classes = {"thing", "adjective", "verb", "town"}
        if score == 1:
            assert first & classes != second & classes
        elif score == 2:
            assert first & second in ({"thing"}, {"adjective"})
        elif score == 3:
            assert len(first & second) == 2
            assert first & second & {"thing", "adjective"}
        else:
            assert [group for group in first & second if group.startswith("verb ")]


def kind_of(thing: str) -> str:
    return next(kind for kind, members in lexicon.KIND_NOUNS.items() if thing in members)


def uses(thing: str) -> tuple[str, ...]:
    """What one does with it."""
    return lexicon.USES_OF[kind_of(thing)][:2]


def test_the_second_half_of_an_analogy_is_as_the_first() -> None:
    people = lexicon.PEOPLE
    verbs = {verb.base: verb.past for group in GROUPS for verb in group}
    told = {
        "thing-kind": kind_of,
        "thing-use": lambda word: next(use for use in uses(word) if " " not in use),
        "person-pronoun": lambda word: people[word].they,
        "gram1-plural": lexicon.plural,
        "gram2-past": verbs.__getitem__,
        "gram3-opposite": lambda word: f"un{word}",
    }
    for section, a, b, c, d in questions():
        assert (b, d) == (told[section](a), told[section](c))
        assert d not in (a, b, c)


# ---- what is shown ---------------------------------------------------------------------------------------------------


def test_nearest_words_are_the_nearest() -> None:
    words = ["dog", "Dog", *(f"w{letter}" for letter in "abcdefgh")]
    vectors = torch.nn.functional.normalize(torch.randn(10, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    bench = Bench(WordSets(), Inventory(tokenizer_of(words), False), False, 10)
    rows = nearest(bench, vectors)
    cosines = {word: float(vectors[0] @ vectors[at]) for at, word in enumerate(words) if at > 1}
    best = sorted(cosines, key=lambda word: -cosines[word])[:5]
    assert rows == [{"word": "dog", "neighbour": word, "cosine": round(cosines[word], 3)} for word in best]


def test_words_are_flattened_along_the_directions_of_most_variance() -> None:
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(30, 5)) * [4, 1, 0.5, 0.2, 0.1] @ np.linalg.qr(draw.normal(size=(5, 5)))[0] + 3
    places, shares = flattened(torch.from_numpy(vectors))
    values = np.linalg.eigvalsh(np.cov(vectors.T))[::-1]
    np.testing.assert_allclose(places.double().numpy().var(0, ddof=1), values[:2], rtol=1e-5)
    assert shares == pytest.approx((values / values.sum())[:2])
    assert abs(np.corrcoef(places.numpy().T)[0, 1]) < 1e-5
    assert (places.max(0).values >= -places.min(0).values).all()


def test_labels_stand_beside_their_points_and_not_on_each_other() -> None:
    points = np.random.default_rng(1).uniform(0, 4, (50, 2))
    words = ["a word"] * 50
    boxes = [(*middle, 0.4, 0.15) for middle in beside(points, words)]
    covered = sum(overlap(one, other) > 0.005 for at, one in enumerate(boxes) for other in boxes[:at])
    assert covered <= 2  # 14 if all were at the right
    assert max(np.hypot(*(np.array(box[:2]) - point)) for box, point in zip(boxes, points, strict=True)) < 0.45


@pytest.mark.filterwarnings("error")
def test_a_group_has_one_colour_and_any_word_is_drawn(tmp_path: Path) -> None:
    places = np.array([[0, 0], [1, 1], [2, 0.5], [0.5, 2]])
    groups = ["one", "one", "other", "other"]
    draw(places, [0.5, 0.25], ["$\\frac$", "\U00013000", "c", "d"], groups, tmp_path / "a/words.png")
    pixels = imread(tmp_path / "a/words.png")[:, :, :3].reshape(-1, 3)
    for colour, there in ((COLOURS[0], True), (COLOURS[1], True), (COLOURS[2], False)):
        wanted = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        assert (np.abs(pixels - wanted).max(-1) < 0.01).any() == there


@pytest.mark.slow
def test_a_pre_training_of_vectors_shows_them_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "neighbours", lambda *_: [])  # of ELMo, whose words these are
    cfg = compose("model=elmo_miniature", f"cache_dir={cache_of(tmp_path)}", *CPU)
    data: Any = instantiate(cfg.data, _convert_="all")
    data.prepare_data()
    data.setup("validate")
    words = data.vocabulary().lexicon.words
    model = Table(np.random.default_rng(0).normal(size=(words - 3, 8)))
    results = Results({"val/loss": 1.0}, {}, {})
    shown = showing.show(tmp_path, model, data, results)
    assert set(shown) == {"neighbours", "word_sets", "nearest", "projection"}
    assert shown["word_sets"]["questions"] == 900
    assert (tmp_path / shown["projection"]).is_file()
    assert {"val/loss", "test_words/analogies", "test_words/similarity/mean"} <= set(results.metrics)


def test_in_a_comparison_likeness_stands_beside_analogies() -> None:
    headline = {"name": "analogies", "value": 40.0, "parts": {"semantic": 30.0, "similarity/men": 60.0}}
    assert dict(values({"headline": headline})) == {
        "analogies": 40.0, "analogies/semantic": 30.0, "similarity/men": 60.0,
    }  # fmt: skip
