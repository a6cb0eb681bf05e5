"""Backups: what of a VM goes into one, on which one the next can build, and where they are kept."""
