"""What a suite is: a module in `suites`, found by its name, with a docstring and `run(bench)`."""

from __future__ import annotations

import pkgutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from . import suites
from .errors import BenchError
from .figure import Figure


@dataclass(frozen=True)
class Bench:
    """What a suite gets: the file to measure, a directory of its own, how often to repeat, how many VMs, whether the
    long runs are wanted too, where real traces lie (None: there are none), the seed of what is drawn, and how many days are
    simulated where a suite has days (None: all).
    """

    program: Path
    scratch: Path
    rounds: int
    vms: int
    large: bool = False
    data: Path | None = None
    seed: int = 0
    days: int | None = None

    def say(self, text: str) -> None:
        """How a long run goes, for whoever waits: on stderr, so that tables stay tables."""
        print(text, file=sys.stderr, flush=True)


class Suite(Protocol):
    """A module of `suites`."""

    __doc__: str

    def run(self, bench: Bench) -> Iterator[Figure]:
        """Measure; leaves nothing running."""
        ...


def names() -> list[str]:
    """The suites that there are."""
    return sorted(module.name for module in pkgutil.iter_modules(suites.__path__))


def load(name: str) -> Suite:
    """The suite of that name; raises `BenchError`."""
    if name not in names():
        raise BenchError(f"there is no suite {name}; there are {', '.join(names())}", hint="scripts/bench --help")
    try:
        return cast("Suite", import_module(f"{suites.__name__}.{name}"))
    except ModuleNotFoundError as error:
        raise BenchError(f"{sys.executable} lacks {error.name}", hint=".venv/bin/python scripts/bench") from error


def needs_data(name: str) -> bool:
    """Whether the suite runs only where real traces are given."""
    return bool(getattr(load(name), "NEEDS_DATA", False))


def needs_program(name: str) -> bool:
    """Whether the suite measures the built file, and not the sources beside it."""
    return bool(getattr(load(name), "NEEDS_PROGRAM", True))
