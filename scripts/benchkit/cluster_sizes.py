"""How many objects a suite makes."""

from __future__ import annotations

from .suite import Bench


def sizes(bench: Bench, *usual: int, large: tuple[int, ...]) -> tuple[int, ...]:
    """The usual numbers; with --large the long runs too."""
    return (*usual, *large) if bench.large else usual
