"""The lab's fixtures, and a home whose engine drives its hosts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.lab.conftest import guest_image, lab, make_lab, session_lab
from tests.lab.handle import LabHandle

__all__ = ["guest_image", "lab", "make_lab", "session_lab"]


@pytest.fixture(scope="session")
def session_cluster(session_lab: LabHandle, guest_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A home with both hosts of the lab, the guest's image on both kinds of datastore, and a network on br0."""
    program = Program(tmp_path_factory.mktemp("home"))
    key = program.out("host", "key")
    for name in ("h1", "h2"):
        session_lab.exec(name, "sh", "-c", 'echo "$1" >> /root/.ssh/authorized_keys', "sh", key)
        address = session_lab.host(name)["address"]
        program.out("host", "add", name, "--address", address, "--accept-new-key", "--virt", "qemu")
    program.out("datastore", "create", "shared", "--driver", "shared", "--path", "/srv/nebula-shared")
    program.out("image", "create", "own", "--path", str(guest_image))
    program.out("image", "create", "common", "--path", str(guest_image), "--datastore", "shared")
    span = f"{session_lab.guest_address(100)}-{session_lab.guest_address(150)}"
    program.out("network", "create", "lan", "--bridge", "br0", "--range", span, "--prefix", "24")
    yield program
    program.stop_daemon()


@pytest.fixture
def cluster(session_cluster: Program, lab: LabHandle) -> Iterator[Program]:
    """The session's cluster; VMs that the test left are deleted."""
    yield session_cluster
    session_cluster.stop_daemon()
    lab.mend_all()
    left = session_cluster.json("vm", "list", "-f", "json")
    for vm in left:
        session_cluster.run("vm", "recover", str(vm["id"]), "--delete")
