"""What holds for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from devkit import marked


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A marker by which scripts/test finds files is named in the file itself: a test that got it elsewhere would never run."""
    texts: dict[Path, str] = {}
    for item in items:
        for marker in marked.AWAY.intersection(mark.name for mark in item.iter_markers()):
            if item.path not in texts:
                texts[item.path] = item.path.read_text("utf-8")
            if not marked.names(texts[item.path], marker):
                raise pytest.UsageError(f"{item.nodeid} has the marker {marker}, which its file does not name")
