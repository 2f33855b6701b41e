"""One run: its place, its settings, the encoder that it starts from, what it writes while it runs and when it ends."""
