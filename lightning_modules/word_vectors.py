"""What vectors of words are worth: likeness of words, and analogies by 3CosAdd (Mikolov et al. 2013a, section 4).

Likeness: Spearman's correlation of the cosines with people's scores, ties as in scipy. Analogies: the candidate whose
unit vector is nearest to b - a + c, none of the three words themselves, as in compute-accuracy.c and in gensim. Of what
the model has no word for there are two conventions, and both figures are here: it is left out (`analogies`; the C
program, gensim's default), or counts as wrong (`analogies_unknown_wrong`; gensim's dummy4unknown).

Shapes: W words, C of them candidates (the first ones), D width, Q questions, P pairs.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional import spearman_corrcoef

from lightning_modules.base import LanguageModel
from lightning_modules.metrics import Mean
from lightning_modules.sampling import evaluating

BLOCK = 1 << 24  # scores at once: all questions by all candidates would be 600 million
PREFIX = "test_words"  # datamodules.word_vectors.TEST_SET


@dataclass
class Judged:
    """What was found of a model's words.

    Attributes:
        metrics: see `of_analogies` and `of_likeness`; shares and correlations, but for "score", in percent.
        answers: "test_analogies": (number, answer, right answer, [cosine]); "test_similarity": (number, cosine, score,
            []), where pairs are numbered through all sets. Only of what the model has the words for.
        vectors: (W, D) unit vectors, on the host.
    """

    metrics: dict[str, float]
    answers: dict[str, list]
    vectors: Tensor


def judge(model: LanguageModel, bench: Any) -> Judged:
    """All figures of a model's word vectors, on its device.

    Args:
        bench: a datamodules.word_vectors.Bench of words as the model reads them.
    """
    with evaluating(model):
        vectors = vectors_of(model, bench.batches())
        answered, analogies = of_analogies(vectors, bench)
        cosines, likeness = of_likeness(vectors, bench)
    metrics = {f"{PREFIX}/{name}": value for name, value in {**analogies, **likeness}.items()}
    for name in ("analogies", "similarity/mean"):
        if f"{PREFIX}/{name}" in metrics:
            metrics[f"{PREFIX}/score"] = 100 * metrics[f"{PREFIX}/{name}"]
            break
    return Judged(metrics, {"test_analogies": answered, "test_similarity": cosines}, vectors.cpu())


def vectors_of(model: LanguageModel, batches: Iterable[dict]) -> Tensor:
    """(W, D) unit vectors: of each word the mean of its tokens' vectors, at length 1."""
    found = []
    for batch in batches:
        batch = model.transfer_batch_to_device(batch, model.device, 0)
        rows = model.word_vectors(batch).float()
        owner = batch["example"].repeat_interleave(batch["offsets"].diff())
        sums = rows.new_zeros(batch["num_examples"], rows.shape[1]).index_add(0, owner, rows)
        found.append(F.normalize(sums / torch.bincount(owner)[:, None], dim=-1))
    return torch.cat(found)


# ---- likeness --------------------------------------------------------------------------------------------------------


def of_likeness(vectors: Tensor, bench: Any) -> tuple[list, dict[str, float]]:
    """Rows of answers; "similarity/<set>", their "similarity/mean", and "coverage/similarity/<set>", shares.

    A set of which the model has no two pairs of different scores has no correlation, and counts in no mean.
    """
    rows, found, before = [], {}, 0
    for name, asked in bench.pairs.items():
        pairs = bench.sets.pairs[name]
        found[f"coverage/similarity/{name}"] = len(asked) / len(pairs)
        at = torch.from_numpy(asked).to(vectors.device)
        cosines = (vectors[at[:, 1]] * vectors[at[:, 2]]).sum(-1).cpu()
        scores = torch.tensor([pairs[number].score for number in asked[:, 0]], dtype=torch.float64)
        if len(scores.unique()) > 1 and len(cosines.unique()) > 1:
            found[f"similarity/{name}"] = float(spearman_corrcoef(cosines.double(), scores))
        numbers = (asked[:, 0] + before).tolist()
        rows += [(*row, []) for row in zip(numbers, cosines.tolist(), scores.tolist(), strict=True)]
        before += len(pairs)
    values = [value for name, value in found.items() if name.startswith("similarity/")]
    return rows, {**found, **({"similarity/mean": share(values)} if values else {})}


# ---- analogies -------------------------------------------------------------------------------------------------------


def of_analogies(vectors: Tensor, bench: Any) -> tuple[list, dict[str, float]]:
    """Rows of answers; "analogies", "analogies/<semantic | syntactic>", "analogies/section/<section>": the accuracies
    on questions whose words are known; the same of "analogies_unknown_wrong" and "coverage/analogies", over all.
    """
    if not bench.sets.questions:
        return [], {}
    asked, same = (torch.from_numpy(rows).to(vectors.device) for rows in (bench.questions, bench.inventory.same))
    answers, cosines = three_cos_add(vectors[: len(same)], same, asked[:, 1:4])
    right = dict(zip(asked[:, 0].tolist(), (same[answers] == asked[:, 4]).tolist(), strict=True))
    words, found = bench.inventory.words, dict[str, float]()
    for part, numbers in parts(bench.sets.questions).items():
        known = [right[number] for number in numbers if number in right]
        found |= {f"analogies{part}": share(known)} if known else {}
        found[f"analogies_unknown_wrong{part}"] = share([right.get(number, False) for number in numbers])
        found[f"coverage/analogies{part}"] = len(known) / len(numbers)
    columns = zip(asked[:, 0].tolist(), answers.tolist(), asked[:, 4].tolist(), cosines.tolist(), strict=True)
    return [(number, words[answer], words[d], [cosine]) for number, answer, d, cosine in columns], found


def three_cos_add(vectors: Tensor, same: Tensor, questions: Tensor) -> tuple[Tensor, Tensor]:
    """(Q,) the candidates with the largest cosine with b - a + c, and these; no form of a, b or c itself.

    Args:
        vectors: (C, D) of length 1.
        same: (C,) of each candidate the first one that is the same but for case.
        questions: (Q, 3) rows of a, b and c, first ones.
    """
    answers, cosines = [], []
    for some in questions.split(max(1, BLOCK // len(vectors))):
        a, b, c = vectors[some].unbind(1)
        scores = F.normalize(b - a + c, dim=-1) @ vectors.T  # (block, C)
        for words in some.unbind(1):
            scores.masked_fill_(same == words[:, None], -torch.inf)
        best = scores.max(-1)
        answers.append(best.indices)
        cosines.append(best.values)
    if not answers:
        return questions.new_zeros(0), vectors.new_zeros(0)
    return torch.cat(answers), torch.cat(cosines)


def parts(questions: Sequence[Any]) -> dict[str, list[int]]:
    """Numbers of questions: "" all, "/semantic" and "/syntactic", and by section."""
    found: dict[str, list[int]] = {"": []}
    for number, question in enumerate(questions):
        for part in ("", f"/{question.half}", f"/section/{question.section}"):
            found.setdefault(part, []).append(number)
    return found


def share(values: Sequence[float]) -> float:
    """The mean, of this process alone: what is judged at a pre-training's end, the first one judges."""
    mean = Mean(sync_on_compute=False)
    mean.update(torch.tensor(values, dtype=torch.float64).sum(), len(values))
    return float(mean.compute())
