"""Datastores made of files: `shared` (every host sees the same path) and `ssh` (each host holds its own copy)."""
