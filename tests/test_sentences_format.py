"""Each text of an example as a sequence by itself, as transfer=features reads it."""

from itertools import pairwise

import numpy as np
import pytest

from datamodules.formats import Sentences
from datamodules.tokenization import Vocabulary
from tests.test_features import BARE, CHOICE, MARKED, PAIR, examples


@pytest.mark.parametrize("vocabulary", [MARKED, BARE], ids=["marked", "bare"])
def test_each_text_is_a_sequence_by_itself(vocabulary: Vocabulary) -> None:
    batch, texts = Sentences().batch(vocabulary, examples(PAIR), PAIR), examples(PAIR)
    assert len(batch["part"]) == 8
    where = zip(batch["example"].tolist(), batch["part"].tolist(), pairwise(batch["offsets"].tolist()), strict=True)
    for example, part, (first, stop) in where:
        text = texts[example][part].tolist()
        expected = [1, *text, 2] if vocabulary is MARKED else text
        assert batch["tokens"][first:stop].tolist() == expected
    inner = [texts[e][p] for e, p in zip(batch["example"].tolist(), batch["part"].tolist(), strict=True)]
    assert batch["tokens"][batch["text"]].tolist() == np.concatenate(inner).tolist()
    assert [length for count, length in batch["text_runs"] for _ in range(count)] == [len(text) for text in inner]


def test_a_long_text_is_cut_with_its_marks_and_an_empty_one_is_unknown() -> None:
    texts = [[np.arange(3, 60), np.zeros(0, dtype=np.int64)]]
    for vocabulary, longest in ((MARKED, 30), (BARE, 32)):
        batch = Sentences().batch(vocabulary, texts, PAIR)
        assert batch["tokens"][batch["text"]].tolist() == [0, *range(3, 3 + longest)]
        assert batch["max_length"] == PAIR.max_length


def test_each_choice_is_a_pair() -> None:
    batch, (sentence, beginning, *ends) = Sentences().batch(MARKED, examples(CHOICE), CHOICE), examples(CHOICE)[0]
    found = {}
    for number, (first, stop) in enumerate(pairwise(batch["offsets"].tolist())):
        if batch["example"][number] == 0:
            place = int(batch["choice"][number]), int(batch["part"][number])
            found[place] = batch["tokens"][first + 1 : stop - 1].tolist()
    expected = {(choice, 0): sentence.tolist() for choice in range(3)}
    assert found == expected | {(i, 1): [*beginning.tolist(), *end.tolist()] for i, end in enumerate(ends)}
