"""Measures Nebula: each figure with its spread, beside what limits it or what others take, in the same run."""
