"""Tokens that are not text, of each kind of tokenizer."""

ROLES: dict[str, dict[str, str]] = {  # a kind of tokenizer -> its tokens, by what they are for
    "WordPiece": {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"},
    "BPE": {"unk": "<unk>"},
    "Words": {"bos": "<S>", "eos": "</S>", "unk": "<UNK>"},
}
