"""Whose a host is."""

from __future__ import annotations

from pathlib import Path

import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.claim import FILE, claim, leave, require
from nebula.errors import ConflictError
from nebula.transport.local import LocalTransport

HOME = "/home/ours on front"


@pytest.fixture
def host(tmp_path: Path) -> HostHandle:
    """A host whose root directory is not there yet."""
    root = str(tmp_path / "it's a root")
    return HostHandle(host_id=1, name="h", address="", user="", port=22, virt="kvm", root=root, transport=LocalTransport())


def files(host: HostHandle) -> list[str]:
    """What lies in its root directory."""
    return sorted(path.name for path in Path(host.root).iterdir())


def test_the_first_engine_has_it(host: HostHandle) -> None:
    require(host, "one")
    claim(host, "one", HOME)
    claim(host, "one", HOME)
    require(host, "one")
    assert (Path(host.root) / FILE).read_text() == f"one\n{HOME}\n"
    assert files(host) == [FILE]


def test_a_second_one_is_told_whose_it_is(host: HostHandle) -> None:
    claim(host, "one", HOME)
    with pytest.raises(ConflictError, match="another engine") as error:
        claim(host, "two", "/elsewhere")
    assert HOME in error.value.cause
    assert "--take-over" in error.value.hint
    with pytest.raises(ConflictError, match="another engine"):
        require(host, "two")
    leave(host, "two")
    require(host, "one")
    assert files(host) == [FILE]


def test_it_is_taken_over_and_left(host: HostHandle) -> None:
    claim(host, "one", HOME)
    claim(host, "two", "/elsewhere\nwith a line", take_over=True)
    assert (Path(host.root) / FILE).read_text() == "two\n/elsewhere with a line\n"
    with pytest.raises(ConflictError):
        require(host, "one")
    leave(host, "two")
    assert files(host) == []
    claim(host, "one", HOME)
    leave(host, "one")
    leave(host, "one")
    assert files(host) == []
