"""A reader whose question and context attend to each other (Seo et al. 2017), on whatever stands for their words.

x -> BiLSTM, the same for both -> h -> attention both ways -> linear -> ReLU -> g -> modelling BiLSTM -> m. A token of
the context begins the answer by its score w . [g; m]. The end knows of the start as in that paper's code: a is the mean
of the m, weighted by the softmax of the starts; one more BiLSTM reads [g; m; a; m * a] -> e, and a token ends the
answer by w . [g; e]. Dropout stands before each of these, none between a BiLSTM's layers.

Otherwise than there: no highway layers before the first BiLSTM; what is plugged in beside h is attended with it, and
the attention's result is mapped to the BiLSTMs' width (both as Clark & Gardner 2018 do); and there may be no answer.
The scores of that are a hidden layer's, of what the starts and the ends weigh, as Clark & Gardner's are; here two, for
a softmax of the starts and one of the ends.

Shapes: S = 2 W texts, n tokens of all of them, c of the contexts; W windows, J and T tokens of their longest question
and context, H units of a direction, D = 2 H and what is plugged in beside.
"""

import torch
from torch import Tensor, nn

from lightning_modules.networks.attention import Runs
from lightning_modules.networks.padding import Padding
from lightning_modules.networks.recurrent import read


class BothWays(nn.Module):
    """Attention of a context to its question, and of the question to the context, by one similarity of two tokens.

    It is w . [x; y; x * y], of x in the context and y in the question: as a sum of three products, so that nobody makes
    a (T, J, 3 D) of it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.similarity = nn.Linear(3 * width, 1, bias=False)

    def forward(self, context: Tensor, question: Tensor, contexts: Padding, is_question: Tensor) -> Tensor:
        """Attend.

        Args:
            context: (W, T, D).
            question: (W, J, D), of the same windows.
            contexts: the padding of `context`.
            is_question: (W, J), which are tokens.

        Returns:
            (W, T, 4 D), [x; u; x * u; x * v]: u what the token sees of the question; v, the same for all of a context,
            the tokens of the context that are likest to one of the question's.
        """
        alone, theirs, both = self.similarity.weight[0].chunk(3)
        scores = (context * both) @ question.mT + (context @ alone)[..., None] + (question @ theirs)[:, None]
        scores = scores.float().masked_fill(~is_question[:, None], -torch.inf)  # (W, T, J)
        u = scores.softmax(-1).to(question.dtype) @ question  # (W, T, D)
        v = contexts.softmax(scores.amax(-1)).to(context.dtype)[:, None] @ context  # (W, 1, D)
        return torch.cat([context, u, context * u, context * v], dim=-1)


class Windows:
    """Which of a batch's texts is the question and which the context of each window.

    Args:
        runs: of all texts.
        part_runs: of the questions alone, and of the contexts, as these lie among the texts.
        part: (S,) 0: it is a question, 1: a context.
        window: (S,) which window's.

    Attributes:
        contexts: their padding, in the order in which they lie.
    """

    def __init__(self, runs: Runs, part_runs: tuple[Runs, Runs], part: Tensor, window: Tensor) -> None:
        self.runs, (question_runs, self.context_runs) = runs, part_runs
        self.longest_question = question_runs[-1][1]
        self.texts, self.contexts = Padding(runs, part.device), Padding(self.context_runs, part.device)
        asked, self.read = part.argsort(stable=True).chunk(2)  # the texts that are questions, and contexts: (W,) each
        self.window = window[self.read]  # of each context
        self.asked = asked[window[asked].argsort()][self.window]  # of each context its question

    def pair(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(n, D) -> the contexts (W, T, D), their questions (W, J, D), and what of these is tokens (W, J)."""
        padded, questions = self.texts.padded(h), slice(self.longest_question)
        context = padded[self.read, : self.contexts.longest]
        return context, padded[self.asked, questions], self.texts.is_token[self.asked, questions]

    def weighted(self, scores: Tensor, x: Tensor) -> Tensor:
        """(c, 1) scores, (c, D) -> (W, D): the mean of each context's x by the softmax of its scores."""
        weights = self.contexts.softmax(self.contexts.padded(scores).squeeze(-1))
        return (weights[:, None].to(x.dtype) @ self.contexts.padded(x)).squeeze(1)

    def columns(self, no_answer: Tensor, scores: Tensor) -> Tensor:
        """(W, 2) of no answer, (c, 2) of tokens -> (W, 1 + T, 2), by window; -inf where a context has no token."""
        padded = self.contexts.padded(scores.float()).masked_fill(~self.contexts.is_token[..., None], -torch.inf)
        return torch.cat([no_answer.float()[:, None], padded], dim=1)[self.window.argsort()]


class Reader(nn.Module):
    """Representations of questions' and contexts' tokens -> scores of where an answer begins and ends.

    Args:
        width: of x with what is plugged in beside it.
        plugged: width of what is plugged in beside h; 0: nothing is.
        size: H.
        layers: of the modelling BiLSTM.
    """

    def __init__(self, width: int, plugged: int, size: int, layers: int, dropout: float) -> None:
        super().__init__()
        states = 2 * size
        self.contextual = nn.LSTM(width, size, bidirectional=True)
        self.attention = BothWays(states + plugged)
        self.merge = nn.Linear(4 * (states + plugged), states)
        self.modelling = nn.LSTM(states, size, layers, bidirectional=True)
        self.start = nn.Linear(2 * states, 1)
        self.ending = nn.LSTM(4 * states, size, bidirectional=True)
        self.end = nn.Linear(2 * states, 1)
        self.weighing = nn.Linear(2 * states, size)
        self.no_answer = nn.Linear(size, 2)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, plugged: Tensor | None, windows: Windows) -> Tensor:
        """(n, width), (n, plugged) or None -> (W, 1 + T, 2): of starts and ends; first that of no answer."""
        runs = windows.context_runs
        h = read(self.contextual, self.dropout(x), windows.runs)
        h = h if plugged is None else torch.cat([h, plugged], dim=-1)  # (n, D)
        context, question, is_question = windows.pair(h)  # (W, T, D), (W, J, D)
        seen = windows.contexts.ragged(self.attention(context, question, windows.contexts, is_question))  # (c, 4 D)
        g = self.merge(self.dropout(seen)).relu()  # (c, 2 H)
        m = read(self.modelling, self.dropout(g), runs)
        start = self.start(self.dropout(torch.cat([g, m], dim=-1)))  # (c, 1)
        begun = windows.weighted(start, m)  # (W, 2 H)
        a = windows.contexts.spread(begun)  # (c, 2 H)
        e = read(self.ending, self.dropout(torch.cat([g, m, a, m * a], dim=-1)), runs)
        end = self.end(self.dropout(torch.cat([g, e], dim=-1)))
        weighed = torch.cat([begun, windows.weighted(end, e)], dim=-1)  # (W, 4 H)
        no_answer = self.no_answer(self.weighing(self.dropout(weighed)).relu())  # (W, 2)
        return windows.columns(no_answer, torch.cat([start, end], dim=-1))
