"""States, and the one table of what leads from which to which."""
