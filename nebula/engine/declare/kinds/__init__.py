"""A kind of document a file."""
