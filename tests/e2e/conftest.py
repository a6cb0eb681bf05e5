"""The lab's fixtures, and a home whose engine drives its hosts."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests.e2e import witness
from tests.e2e.program import Program, add_hosts
from tests.lab.conftest import guest_image, lab, make_lab, make_machines
from tests.lab.gates import install_hook
from tests.lab.handle import LabHandle, MakeLab

__all__ = ["guest_image", "lab", "make_lab", "make_machines", "session_lab"]


@pytest.fixture(scope="session")
def session_lab(make_lab: MakeLab) -> LabHandle:
    """Two hosts whose bridges br0 are joined: h1 has the lab's quick settings, h2 those of Debian, untouched."""
    lab = make_lab(2, "--guest-bridge", "br0", "--stock", "h2")
    for host in ("h1", "h2"):
        install_hook(lab, host)
    return lab


@pytest.fixture(scope="session")
def session_cluster(session_lab: LabHandle, guest_image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    """A home with both hosts of the lab, the guest's image on both kinds of datastore, and a network on br0."""
    program = Program(tmp_path_factory.mktemp("home"))
    add_hosts(program, session_lab, "h1", "h2")
    program.out("datastore", "create", "shared", "--driver", "shared", "--path", "/srv/nebula-shared")
    program.out("image", "create", "own", "--path", str(guest_image))
    program.out("image", "create", "common", "--path", str(guest_image), "--datastore", "shared")
    span = f"{session_lab.guest_address(100)}-{session_lab.guest_address(150)}"
    program.out("network", "create", "lan", "--bridge", "br0", "--range", span, "--prefix", "24")
    yield program
    program.stop_daemon()


@pytest.fixture(scope="session")
def session_machines(make_machines: MakeLab) -> Iterator[LabHandle]:
    """m1 and m2, virtual machines with bridges br0 that are joined, a disk `own1` each, and two that both see.

    `san1` is seen by one path, `san2` by two of one world wide name. Nothing of them is left at the end.
    """
    lab = make_machines(2, "--guest-bridge", "br0", "--disks", "4", "--san", "4,4x2")
    yield lab
    number, pids = lab.status()["number"], [host["pid"] for host in lab.status()["hosts"]]
    lab.run("down")
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
    assert list(Path("/sys/class/net").glob(f"nl[go]{number}h*")) == list(Path("/sys/class/net").glob(f"nl{number}h*")) == []
    assert not lab.root.exists()


@pytest.fixture(scope="session")
def machine_cluster(
    session_machines: LabHandle, guest_image: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Program]:
    """A home with both machines, the guest's image `own` on the datastore that comes with it, and a network on br0."""
    program = Program(tmp_path_factory.mktemp("home"), seconds=1200)
    add_hosts(program, session_machines, "m1", "m2", virt="kvm")
    program.out("image", "create", "own", "--path", str(guest_image))
    span = f"{session_machines.guest_address(100)}-{session_machines.guest_address(150)}"
    program.out("network", "create", "lan", "--bridge", "br0", "--range", span, "--prefix", "24")
    yield program
    program.stop_daemon()


@pytest.fixture
def machines(machine_cluster: Program, session_machines: LabHandle) -> Iterator[Program]:
    """The cluster of machines with a daemon; what a test broke is mended and VMs that it left are deleted."""
    machine_cluster.start_daemon()
    yield machine_cluster
    _clear(machine_cluster, session_machines)


@pytest.fixture
def alone(session_cluster: Program, lab: LabHandle) -> Iterator[Program]:
    """The session's cluster, where each command is its own engine; VMs that the test left are deleted."""
    session_cluster.stop_daemon()
    yield session_cluster
    _clear(session_cluster, lab)


@pytest.fixture
def cluster(session_cluster: Program, lab: LabHandle) -> Iterator[Program]:
    """The session's cluster with a daemon, which goes on from test to test: commands need not look at all hosts anew."""
    session_cluster.start_daemon()
    yield session_cluster
    _clear(session_cluster, lab)


def _clear(cluster: Program, lab: LabHandle) -> None:
    lab.mend_all()
    left = [str(vm["id"]) for vm in cluster.json("vm", "list", "-f", "json")]
    if left:
        cluster.run("vm", "recover", *left, "--delete")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure is shown with what the engine, the hosts and the guests knew when the test failed."""
    report = yield
    used = getattr(item, "funcargs", {})
    program = used.get("alone") or used.get("cluster") or used.get("machines")
    lab = used.get("lab") or used.get("session_lab") or used.get("session_machines")
    if report.failed and isinstance(program, Program):
        report.sections += witness.of_engine(program)
    if report.failed and isinstance(lab, LabHandle):
        report.sections += witness.of_hosts(lab)
    return report
