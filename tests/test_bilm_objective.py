"""What ELMo's biLM reads: streams and single sentences, against the sentences themselves."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch

from datamodules.bilm import BiLM, Streams, asked
from datamodules.corpus import Corpus
from datamodules.loading import BatchLoader, Share
from datamodules.task import Refused
from datamodules.words import Words

STREAMS, LENGTH = 6, 5
TEXT = "\n\n".join(
    "\n".join(f"the {noun} {number} saw a {noun} ." + " really" * (number % 4) for number in range(8))
    for noun in ("cat", "dog", "unforeseeable", "naïve", "cat")
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Forty sentences; some words are unknown to the softmax."""
    place = tmp_path_factory.mktemp("bilm")
    (place / "mine.txt").write_text(TEXT)
    told: dict[str, Any] = {"files": [str(place / "mine.txt")], "sentences": "lines", "documents": "blank_line"}
    sizes: dict[str, Any] = {"max_length": 8, "global_batch_size": STREAMS, "eval_batch_size": 4, "seed": 0}
    tokenizer = Words(vocab_size=16)
    data = Corpus("hub", "", tokenizer, BiLM(None), cache_dir=str(place / "cache"), **told, **sizes)
    data.prepare_data()
    data.setup("fit")
    return data


def sentences(data: Corpus) -> list[list[int]]:
    """<S> words </S> of each sentence of the training split, as forms."""
    lexicon, tokens = data.vocabulary().lexicon, data.train_examples.corpus
    spans = pairwise(tokens.sentences.tolist())
    return [[lexicon.bos, *lexicon.forms(np.asarray(tokens.tokens[a:b])).tolist(), lexicon.eos] for a, b in spans]


def streams(data: Corpus, epoch: int = 0) -> tuple[Streams, list[dict]]:
    """The batches of a pass."""
    objective = BiLM(None).in_streams(STREAMS, data.vocabulary())
    tokens = data.train_examples.corpus
    rows = objective.plan(tokens, LENGTH, 3, epoch)
    steps = np.split(np.arange(len(rows)), len(rows) // STREAMS)
    return objective, [
        objective.batch(tokens, data.vocabulary(), rows[step], [(3, epoch, int(row)) for row in step]) for step in steps
    ]


def joined(batches: list[dict], part: Any) -> np.ndarray:
    """(streams, steps * LENGTH) what each stream reads over all batches."""
    return np.concatenate([np.asarray(part(batch)).reshape(STREAMS, LENGTH) for batch in batches], axis=1)


def test_streams_are_the_shuffled_sentences_end_to_end_in_both_directions(corpus: Corpus) -> None:
    objective, batches = streams(corpus)
    lexicon, own = corpus.vocabulary().lexicon, sentences(corpus)
    assert sorted(objective.order.tolist()) == list(range(len(own)))
    assert objective.order.tolist() != list(range(len(own)))
    for reverse, part in ((False, lambda batch: batch), (True, lambda batch: batch["backward"])):
        text = [form for number in objective.order for form in (own[number][::-1] if reverse else own[number])]
        whole = len(batches) * LENGTH
        assert len(text) - 1 - whole * STREAMS < STREAMS * LENGTH  # no more is left for another pass
        characters = lexicon.characters(np.array(text))
        labels = lexicon.labels(np.array(text)).reshape(-1)
        asked_for = joined(batches, lambda batch, part=part: part(batch)["next_labels"])
        for stream in range(STREAMS):
            begin = stream * whole
            assert asked_for[stream].tolist() == labels[begin + 1 : begin + whole + 1].tolist()
        for step, batch in enumerate(batches):
            read = batch["characters"][part(batch)["words"]].reshape(STREAMS, LENGTH, -1)
            for stream in range(STREAMS):
                begin = stream * whole + step * LENGTH
                told = characters[begin : begin + LENGTH]
                width = min(read.shape[-1], told.shape[-1])
                assert (read[stream].numpy()[:, :width] == told[:, :width]).all()
                assert (read[stream].numpy()[:, width:] == 260).all()


def test_each_different_word_is_spelled_once(corpus: Corpus) -> None:
    for batch in streams(corpus)[1]:
        assert len(batch["characters"]) == len({tuple(row) for row in batch["characters"].tolist()})
        assert set(torch.cat([batch["words"], batch["backward"]["words"]]).tolist()) == set(
            range(len(batch["characters"]))
        )


def test_another_pass_has_another_order(corpus: Corpus) -> None:
    first, second = (streams(corpus, epoch)[0].order.tolist() for epoch in (0, 1))
    assert first != second
    assert streams(corpus, 1)[0].order.tolist() == second


@pytest.mark.parametrize("micro", [1, 2])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_a_process_always_reads_the_same_streams_and_draws_what_all_draw(
    corpus: Corpus, world: int, micro: int
) -> None:
    """A step's streams are all there, dealt out in the same way at every step."""
    examples = corpus.to_train(corpus.train_examples.groups, LENGTH)
    examples.objective.objective = BiLM(negatives=4)  # pyright: ignore[reportAttributeAccessIssue]
    loaders = [BatchLoader(examples, STREAMS, 3, Share(rank, world, micro), ordered=True) for rank in range(world)]
    ranks = [list(loader) for loader in loaders]
    for batches in ranks:
        for later, batch in enumerate(batches):
            assert batch["streams"].tolist() == batches[later % micro]["streams"].tolist()
    for step in range(len(ranks[0]) // micro):
        parts = [batch for batches in ranks for batch in batches[step * micro : (step + 1) * micro]]
        assert sorted(stream for batch in parts for stream in batch["streams"].tolist()) == list(range(STREAMS))
        assert len({tuple(batch["negatives"].tolist()) for batch in parts}) == 1
        assert sum(ranks[rank][step * micro]["counts"]["forward_lm"] for rank in range(world)) == STREAMS * LENGTH


def test_a_sentence_by_itself_is_asked_for_all_of_it(corpus: Corpus) -> None:
    lexicon = corpus.vocabulary().lexicon
    texts = [lexicon.forms(corpus.vocabulary().ids(text)) for text in ("the cat saw a zebra .", "a cat")]
    batch = asked(lexicon, texts)
    assert batch["offsets"].tolist() == [0, 4, 12]  # the shorter one first
    forms = [[0, *texts[1], 1], [0, *texts[0], 1]]
    flat = np.concatenate(forms)
    assert batch["tokens"].tolist() == lexicon.labels(flat).tolist()
    assert lexicon.unk in batch["tokens"].tolist()
    following = dict(zip(batch["next_positions"].tolist(), batch["next_labels"].tolist(), strict=True))
    previous = dict(zip(batch["previous_positions"].tolist(), batch["previous_labels"].tolist(), strict=True))
    labels = batch["tokens"].tolist()
    assert following == {at: labels[at + 1] for at in range(12) if at not in (3, 11)}
    assert previous == {at: labels[at - 1] for at in range(12) if at not in (0, 4)}
    assert batch["counts"] == {"forward_lm": 10, "backward_lm": 10}
    size = len(b"the cat saw a zebra . a cat ")
    assert batch["measured"]["forward_lm"][0] == size
    assert batch["measured"]["backward_lm"] == batch["measured"]["forward_lm"]
    unknown = sum(
        len(word) + 1
        for word, form in zip(("the", "cat", "saw", "a", "zebra", "."), texts[0], strict=True)
        if lexicon.labels(np.array([form]))[0] == lexicon.unk
    )
    unknown += sum(
        len(word) + 1
        for word, form in zip(("a", "cat"), texts[1], strict=True)
        if lexicon.labels(np.array([form]))[0] == lexicon.unk
    )
    assert batch["measured"]["forward_lm"][1] == pytest.approx(unknown * 8 * np.log(2))


def test_a_gap_is_asked_for_from_both_sides(corpus: Corpus) -> None:
    """Of a spelled word all pieces count as the word."""
    vocabulary = corpus.vocabulary()
    lexicon, tokens = vocabulary.lexicon, corpus.vocabulary().ids("the zebra saw a cat")
    starts = np.flatnonzero(lexicon.starts(tokens))
    assert len(tokens) > 5, "the zebra is spelled"
    batch = BiLM(None).gap(vocabulary, tokens, int(starts[1]), int(starts[2]))
    assert batch["counts"] == {"forward_lm": 1, "backward_lm": 1}
    assert (batch["next_positions"].tolist(), batch["previous_positions"].tolist()) == ([1], [3])
    assert batch["next_labels"].tolist() == batch["previous_labels"].tolist() == [lexicon.unk]


def test_a_gap_of_a_text_that_begins_inside_a_word(corpus: Corpus) -> None:
    """Its first pieces are a word, as far as one can tell."""
    vocabulary = corpus.vocabulary()
    lexicon, tokens = vocabulary.lexicon, corpus.vocabulary().ids("zebra saw a cat")[2:]
    assert not lexicon.starts(tokens)[0]
    (saw,) = vocabulary.ids("saw").tolist()
    at = tokens.tolist().index(saw)
    batch = BiLM(None).gap(vocabulary, tokens, at, at + 1)
    assert batch["next_labels"].tolist() == batch["previous_labels"].tolist() == [saw]


def test_all_of_a_step_share_their_negatives_in_each_group(corpus: Corpus) -> None:
    """Rows of another group of shards are numbered from 2^32 on; no two groups share all of their draws."""
    tokens, vocabulary = corpus.train_examples.corpus, corpus.vocabulary()
    objective = BiLM(negatives=4).in_streams(STREAMS, vocabulary)
    rows = objective.plan(tokens, LENGTH, 0, 0)
    drawn = []
    for group in range(3):
        keys = [(0, 0, row + (group << 32)) for row in range(2 * STREAMS)]
        parts = [objective.batch(tokens, vocabulary, rows[[at]], [keys[at]]) for at in range(2 * STREAMS)]
        found = [tuple(part["negatives"].tolist()) for part in parts]
        assert len(set(found[:STREAMS])) == len(set(found[STREAMS:])) == 1
        drawn += [found[0], found[-1]]
    assert len(set(drawn)) > 2


def test_too_many_streams_or_negatives_are_refused(corpus: Corpus) -> None:
    tokens, vocabulary = corpus.train_examples.corpus, corpus.vocabulary()
    with pytest.raises(Refused, match=r"data.global_batch_size=1000 .* may be fewer"):
        BiLM(None).in_streams(1000, vocabulary).plan(tokens, LENGTH, 0, 0)
    objective = BiLM(negatives=16).in_streams(STREAMS, vocabulary)
    rows = objective.plan(tokens, LENGTH, 0, 0)[:STREAMS]
    with pytest.raises(Refused, match=r"text.objective.negatives=16 .* 16 words"):
        objective.batch(tokens, vocabulary, rows, [(0, 0, row) for row in range(STREAMS)])
    with pytest.raises(Refused, match=r"text.objective.negatives"):
        BiLM(negatives=0)
