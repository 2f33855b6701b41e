"""Which shapes a Transformer may have: refused in the words of the model's yaml."""

from datamodules.task import Refused, real, whole


def check_shape(
    vocab_size: int, hidden_size: int, num_layers: int, num_heads: int, intermediate_size: int, max_length: int
) -> None:
    """Refuse sizes that are no numbers from 1 up, and heads that do not divide the width."""
    for key, value in locals().copy().items():
        whole(f"model.{key}", value)
    if hidden_size % num_heads:
        divisors = [n for n in range(1, hidden_size + 1) if hidden_size % n == 0 and n <= 64]
        raise Refused(f"model.num_heads={num_heads} does not divide hidden_size={hidden_size}: it may be {divisors}.")


def check_dropout(dropout: float, attention_dropout: float) -> None:
    """Refuse what is no probability, or drops everything."""
    for key, value in locals().copy().items():
        real(f"model.{key}", value, "from 0 to below 1", lambda share: 0 <= share < 1)
