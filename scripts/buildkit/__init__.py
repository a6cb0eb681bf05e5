"""Builds dist/nebula: one file with the program and its libraries for several versions of CPython."""
