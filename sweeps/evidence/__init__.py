"""From runs to verdicts: which runs are a row, what their differences may be said to be, what the papers claim."""
