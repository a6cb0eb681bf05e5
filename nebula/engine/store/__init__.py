"""The only truth: typed rows, one writer with group commit, readers beside it."""
