"""A host's root directory when the host is removed."""

from __future__ import annotations

from pathlib import Path

import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.leaving import tidy_root
from nebula.transport.local import LocalTransport


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """As drivers leave it."""
    root = tmp_path / 'it\'s a "root"'
    for place in ("datastores/1/vms", "datastores/1/images", "work"):
        (root / place).mkdir(parents=True)
    (root / "network.lock").touch()
    return root


def tidy(root: Path) -> list[str]:
    """What is there afterwards."""
    tidy_root(
        HostHandle(
            host_id=1,
            name="h",
            address="",
            user="",
            port=22,
            virt="kvm",
            root=str(root),
            transport=LocalTransport(),
            migration_address="",
        )
    )
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_nothing_is_left_where_nothing_is_used(root: Path) -> None:
    assert tidy(root) == []
    assert not root.exists()
    assert tidy(root) == [], "a second time is fine"


def test_what_has_something_in_it_stays(root: Path) -> None:
    (root / "datastores/1/vms/7").mkdir()
    (root / "datastores/1/vms/7/disk.0").write_text("a guest's")
    (root / "staging").mkdir()
    left = ["datastores", "datastores/1", "datastores/1/vms", "datastores/1/vms/7", "datastores/1/vms/7/disk.0", "staging"]
    assert tidy(root) == left
