"""A device node of a test's own."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def device() -> Iterator[Path]:
    """A node that its owner alone may open, in a folder that everybody may enter."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    node = folder / "kvm"
    os.mknod(node, stat.S_IFCHR | 0o600, Path("/dev/null").stat().st_rdev)
    yield node
    shutil.rmtree(folder)
