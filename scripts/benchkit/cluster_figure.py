"""Figures of a busy machine: each says how busy it was, and few samples do."""

from __future__ import annotations

from collections.abc import Iterable

from . import machine
from .figure import Figure
from .suite import Bench

PEER = "OpenNebula 7.5.80, measured earlier"
ROUNDS = 5


def few(bench: Bench, most: int = ROUNDS) -> int:
    """How often a slow thing is measured."""
    return max(1, min(bench.rounds, most))


def figure(name: str, unit: str, samples: Iterable[float], beside: str = "") -> Figure:
    """A figure with the machine's load beside it."""
    load = f"load {machine.load():.1f}"
    return Figure(name, unit, list(samples), f"{beside}; {load}" if beside else load)
