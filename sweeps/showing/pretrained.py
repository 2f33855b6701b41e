"""What a person can look at after a pre-training: texts that it continues, what attends to what, which words are alike.

All are of held-out text and always of the same places, or always of the same words, so that runs can be laid side by
side.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from datamodules import excerpts, formats
from datamodules.bilm import BiLM
from datamodules.corpus import Corpus
from datamodules.tokenization import Vocabulary
from lightning_modules.base import LanguageModel
from lightning_modules.evaluation import Results
from lightning_modules.networks.transformer import Transformer
from lightning_modules.sampling import Continues, continuations, evaluating
from lightning_modules.word_vectors import judge
from sweeps.showing.attention import draw
from sweeps.showing.neighbours import neighbours
from sweeps.showing.words import bench_of, show_words

SAMPLES, PROMPT, CONTINUATION = 4, 16, 32  # texts, tokens of each, tokens after it
TEMPERATURE = 1.0  # the distribution that the loss measures
TABLES = ("samples", "neighbours", "nearest", "mistakes")
SENTENCES, SHORTEST, LONGEST = 3, 8, 24  # sentences, tokens of each


def show(directory: Path, model: LanguageModel, data: Any, results: Results) -> dict[str, Any]:
    """The record's `samples`, of a model that can continue a text, `attention`, the pictures of one that attends, and
    `neighbours` in context, of one that reads whole words from both sides; of words by themselves `nearest` and
    `projection`, where these are what was evaluated or pre-trained.

    On one process: nothing is gathered.

    Args:
        directory: the run's own.
        data: the data module of the run.
        results: what the evaluation found; of a model of word vectors, which has `vectors` of whole words, the figures
            of its vectors are added.
    """
    if results.vectors is not None:
        return show_words(directory, data.bench, results.vectors)
    shown: dict[str, Any] = {}
    if not isinstance(data, Corpus):
        return shown
    with evaluating(model):
        if isinstance(model, Continues):
            shown["samples"] = samples(model, data)
        if isinstance(encoder := getattr(model, "encoder", None), Transformer):
            shown["attention"] = pictures(directory, model, encoder, data)
        if isinstance(data.objective, BiLM):
            shown["neighbours"] = neighbours(model, data)
    if isinstance(getattr(model, "vectors", None), nn.Embedding) and data.vocabulary().has_words:
        bench = bench_of(data)
        judged = judge(model, bench)
        results.metrics.update(judged.metrics)
        shown |= {"word_sets": bench.card(), **show_words(directory, bench, judged.vectors)}
    return shown


def samples(model: Any, data: Corpus) -> list[dict[str, str]]:
    """Held-out beginnings and what the model makes of them; together they are the text."""
    tokenizer, vocabulary = data.load_tokenizer(), data.vocabulary()
    prompts = torch.from_numpy(excerpts.beginnings(data.held_out, SAMPLES, PROMPT)).to(model.device)
    text = torch.from_numpy(np.setdiff1d(np.arange(vocabulary.size), vocabulary.all_ids)).to(model.device)
    room = data.task.max_length  # positions that pre-training has seen
    drawn = continuations(model.next_token, prompts, CONTINUATION, text, room, TEMPERATURE)
    found = []
    for prompt, both in zip(prompts.tolist(), torch.cat([prompts, drawn], dim=1).tolist(), strict=True):
        begun, whole = written(tokenizer, prompt), written(tokenizer, both)
        found.append({"prompt": begun, "continuation": whole[len(begun) :]})
    return found


def pictures(directory: Path, model: LanguageModel, encoder: Transformer, data: Corpus) -> list[str]:
    """Draw the attention in a few held-out sentences; the files' names, from the run's folder."""
    tokenizer, vocabulary, files = data.load_tokenizer(), data.vocabulary(), []
    longest = min(LONGEST, data.task.max_length - 2)
    for number, tokens in enumerate(excerpts.sentences(data.held_out, SENTENCES, SHORTEST, longest), start=1):
        batch = model.transfer_batch_to_device(laid_out(vocabulary, tokens), model.device, 0)
        inputs = model.encode(batch, range(len(encoder.layers))).layers
        names = [written(tokenizer, [token]) for token in batch["tokens"].tolist()]
        files.append(f"attention/{number}.png")
        weights = encoder.attention_weights(inputs).cpu().numpy()
        draw(weights, names, written(tokenizer, tokens.tolist()), directory / files[-1])
    return files


def laid_out(vocabulary: Vocabulary, tokens: np.ndarray) -> dict:
    """A sentence as it is pre-trained on: between [CLS] and [SEP] where the vocabulary has them, else by itself."""
    has_marks = "cls" in vocabulary.specials
    sequence = formats.pack_pair(vocabulary, tokens, None) if has_marks else formats.plain(tokens)
    return formats.ragged([sequence], 1).batch


def written(tokenizer: Tokenizer, tokens: list[int]) -> str:
    return tokenizer.decode(tokens, skip_special_tokens=False)


def show_online(logger: Any, directory: Path, shown: dict[str, Any]) -> None:
    """The same in a W&B run: a table, and an image each, for W&B wants those of one name to be of one size."""
    for name in TABLES:
        if rows := shown.get(name):
            logger.log_table(name, list(rows[0]), [list(row.values()) for row in rows])
    for file in (*shown.get("attention", ()), *([shown["projection"]] if "projection" in shown else ())):
        logger.log_image(file.removesuffix(".png"), [str(directory / file)])
