"""Which head a task gets on features, of an encoder that is frozen and of one that is trained with it."""

from typing import Any

from datamodules.task import Refused, Task
from lightning_modules.feature_labels import FeatureLabels, FeatureScore
from lightning_modules.feature_spans import FeatureSpans
from lightning_modules.feature_tags import FeatureTags
from lightning_modules.features import FeatureHead, Features

FEATURE_HEADS: dict[str, type[FeatureLabels | FeatureScore | FeatureSpans | FeatureTags]] = {
    "classification": FeatureLabels,
    "regression": FeatureScore,
    "choice": FeatureLabels,
    "span": FeatureSpans,
    "tags": FeatureTags,
}


def on_frozen(model: Any, task: Task, features: Features) -> FeatureHead:
    """transfer=features: what is learnt for a task on top of a model, all of whose parameters are frozen.

    Raises:
        Refused: when the model has not the layers or the words that are to be read, and for a network of no layer where
            a text is to become one vector.
    """
    if not features.rnn_layers and task.kind != "tags":
        raise Refused(
            f"transfer.rnn_layers=0 is not possible with {task.name}: single words alone are tagged without a BiLSTM; "
            f"it may be a whole number from 1 up."
        )
    if features.attention and task.kind in ("span", "tags"):
        raise Refused(
            f"transfer.attention=true is not possible with {task.name}: it is of two texts of which each becomes one "
            f"vector; it may be false."
        )
    model.requires_grad_(False)
    model.train(model.training)  # what is frozen, as in evaluation: see `Featured.train`
    vocabulary = 0 if features.words == "none" else model.hparams.get("vocab_size")
    if vocabulary is None:
        told = f"transfer.words={features.words}"
        raise Refused(f"{told} is not possible: {type(model).__name__} has no model.vocab_size; it may be none.")
    width = model.layer_shape[1] if features.plug else 0
    return FEATURE_HEADS[task.kind](features, task, features.needed(model), width, vocabulary)


def on_trained(model: Any, task: Task, size: int) -> FeatureHead:
    """transfer=finetune of a model without heads of its own: the network of transfer=features, of one layer and `size`
    units, on its top layer; all of it is trained, with the model's own dropout.
    """
    layers, width = model.layer_shape
    dropout = model.hparams["dropout"]
    features = Features(
        "last",
        gamma=False,
        words="none",
        layers_dropout=dropout,
        rnn_size=size,
        rnn_layers=1,
        classifier_size=size,
        dropout=dropout,
    )
    return FEATURE_HEADS[task.kind](features, task, (layers - 1,), width, 0)
