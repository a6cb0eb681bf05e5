"""Which files have tests with a marker: to collect all of the tests takes longer than many of them take to run."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

AWAY = frozenset({"lab", "slow", "databases"})
"""Markers whose tests no phase collects but from the files that name them; `tests/conftest.py` sees to it that these do."""


def names(text: str, marker: str) -> bool:
    """Whether a file's text gives the marker to tests."""
    return f"pytest.mark.{marker}" in text


def files(tests: Path, markers: Collection[str]) -> list[Path]:
    """All files below `tests` that give one of the markers to tests, sorted."""
    return [path for path in sorted(tests.rglob("test_*.py")) if any(names(path.read_text("utf-8"), one) for one in markers)]
