"""What a person can look at of a run: pictures, tables of words, the mistakes, the ladder beside a score."""
