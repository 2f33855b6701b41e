"""Tasks that ask something of a whole text or pair of texts, on features: the GLUE baselines' network.

Shapes: L layers that are read, S sequences, n tokens of their text, B examples, C labels.
"""

from torch import Tensor, nn

from datamodules.task import Task
from lightning_modules.features import FeatureHead, Features
from lightning_modules.heads import Labels, Score
from lightning_modules.networks.task_rnn import TaskRnn


class OfTexts(FeatureHead):
    """words, layers -> task network -> dropout -> linear -> tanh -> dropout -> linear."""

    def __init__(self, features: Features, task: Task, layers: tuple[int, ...], width: int, vocabulary: int) -> None:
        super().__init__(features, layers, width, vocabulary)
        is_choice, is_pair = task.kind == "choice", task.kind == "choice" or len(task.columns) > 1
        self.answers = 1 if is_choice else task.num_labels  # of one text or pair
        size, depth, dropout = features.rnn_size, features.rnn_layers, features.dropout
        self.network = TaskRnn(self.x, self.beside, size, depth, dropout, is_pair, features.attention)
        hidden: list[nn.Module] = []
        if task.kind != "regression":
            hidden = [nn.Dropout(dropout), nn.Linear(self.network.width, features.classifier_size), nn.Tanh()]
            hidden += [nn.Dropout(dropout)]
        self.hidden = nn.Sequential(*hidden)
        top = features.classifier_size if hidden else self.network.width
        self.linear = nn.Linear(top, self.answers, bias=not is_choice)  # of all choices the same: nothing to learn

    def forward(self, layers: tuple[Tensor, ...], summary: Tensor, batch: dict) -> Tensor:
        """L layers of the sequences or of their text -> (B, C); of a choice one score each."""
        x, beside = self.plugged(layers, batch)
        largest = len(summary) + 1
        place = (batch["example"] * largest + batch["choice"]) * 2 + batch["part"]
        u = self.network(x, beside, batch["text_runs"], place.argsort())
        return self.linear(self.hidden(u)).view(batch["num_examples"], -1).float()


class FeatureLabels(Labels, OfTexts):
    """A label for each example, or the likeliest of its choices."""


class FeatureScore(Score, OfTexts):
    """A score for each example; as in the GLUE baselines without a hidden layer."""
