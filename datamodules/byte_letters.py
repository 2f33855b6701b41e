"""A printable character for each byte, so that a vocabulary can hold any bytes as text.

GPT-2's table (Radford et al. 2019, encoder.py), which the tokenizers library's ByteLevel has too: a printable character
of Latin-1 stands for its own code, and what follows Latin-1 for the other bytes, in their order.
"""


def letters() -> list[str]:
    """Of each byte from 0 to 255."""
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = iter(range(256, 512))
    return [chr(byte if byte in plain else next(others)) for byte in range(256)]


LETTERS = letters()
BYTES = {letter: byte for byte, letter in enumerate(LETTERS)}


def as_letters(text: str) -> str:
    """A letter for each byte of the text."""
    return "".join(LETTERS[byte] for byte in text.encode())


def as_bytes(written: str) -> bytes:
    """The bytes that letters stand for."""
    return bytes(BYTES[letter] for letter in written)
