"""Migrations of a guest that counts: disks copied, cancelled halfway, and engines that are killed halfway."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from labkit.enter import argv_inside
from labkit.spec import load

from nebula.cancel import CancelToken
from nebula.drivers.base import ConsoleStream, MigrationRequest
from nebula.drivers.hypervisor.libvirt import migration_route
from nebula.drivers.hypervisor.libvirt.migration_route import LOOPBACK, port_of
from nebula.errors import ConflictError, InterruptedByUser, NebulaError
from nebula.model.domain import DomainDisk, DomainSpec, DomainState
from tests.contract.hypervisor import wait_for
from tests.lab.handle import eventually
from tests.unit.drivers.hypervisor.conftest import LibvirtHosts, bare_spec, heartbeat

pytestmark = pytest.mark.lab
REPOSITORY = Path(__file__).parents[4]
UUID = bare_spec(8).uuid
HERE, THERE = "/var/lib/nebula/here.qcow2", "/var/lib/nebula/there.qcow2"
SHARED = "/srv/nebula-shared/guest.qcow2"
BALLAST = 96
"""MiB of data behind the guest's own, so that copying takes a while."""
_HOLD = """
import socket, sys, time
kept = [socket.create_server((sys.argv[1], int(port))) for port in sys.argv[2:]]
time.sleep(120)
"""
"""Listens at ports of an address."""


@pytest.fixture
def hosts(libvirt_lab: LibvirtHosts) -> LibvirtHosts:
    """The lab's, with whatever the test before left on them."""
    return libvirt_lab


@pytest.fixture(scope="module")
def spec(libvirt_lab: LibvirtHosts, guest_image: Path) -> Iterator[DomainSpec]:
    """What is migrated. Nothing of it is left afterwards."""
    shutil.copyfile(guest_image, libvirt_lab.lab.shared / "guest.qcow2")
    disk = DomainDisk(disk_id=0, path=HERE, target="vda", boot_order=1)
    yield msgspec.structs.replace(bare_spec(8, memory_mib=112), disks=(disk,))
    libvirt_lab.clear()
    for handle, path in zip(libvirt_lab.handles, (HERE, THERE), strict=True):
        handle.transport.run(["rm", "-f", path])
    (libvirt_lab.lab.shared / "guest.qcow2").unlink()


@pytest.fixture
def guest(hosts: LibvirtHosts, spec: DomainSpec) -> DomainSpec:
    """The guest counts on the first host, on a disk that the second one does not see; the second has room for it elsewhere.
    One that is still alive comes back from where the test before left it.
    """
    first, second = (handle.transport for handle in hosts.handles)
    here, there = (driver.lookup(UUID) for driver in hosts.drivers)
    if here is None and there is not None and there.state is DomainState.RUNNING:
        first.run(["qemu-img", "create", "-q", "-f", "qcow2", HERE, "256M"])
        back = request(hosts, disk_paths=(("vda", HERE),), target=hosts.handles[0])
        hosts.drivers[1].migrate(back, progress=None, cancel=None)
    elif here is None or there is not None or here.state is not DomainState.RUNNING:
        _boot(hosts, spec)
    second.run(["qemu-img", "create", "-q", "-f", "qcow2", THERE, "256M"])
    heartbeat(hosts.drivers[0], UUID)
    return spec


def _boot(hosts: LibvirtHosts, spec: DomainSpec) -> None:
    hosts.clear()
    first = hosts.handles[0].transport
    first.run(["cp", SHARED, HERE])
    first.run(["qemu-img", "resize", "-q", HERE, "256M"])
    first.run(["qemu-io", "-f", "qcow2", "-c", f"write -P 7 128M {BALLAST}M", HERE])
    hosts.drivers[0].start(spec)


def request(hosts: LibvirtHosts, **more: object) -> MigrationRequest:
    values = {"target": hosts.handles[1], "copy_targets": ("vda",), "disk_paths": (("vda", THERE),), "tunnel": "plain"} | more
    return MigrationRequest(uuid=UUID, **values)  # type: ignore[arg-type]


def only_at(hosts: LibvirtHosts, number: int) -> None:
    found = [driver.lookup(UUID) for driver in hosts.drivers]
    there = found[number]
    assert found[1 - number] is None
    assert there is not None
    assert (there.state, there.persistent, there.incoming) == (DomainState.RUNNING, True, False)


@pytest.mark.parametrize("tunnel", ["plain", "ssh"])
def test_a_disk_goes_along_and_the_guest_counts_on(hosts: LibvirtHosts, guest: DomainSpec, tunnel: str) -> None:
    before = heartbeat(hosts.drivers[0], UUID)
    seen: list[tuple[int, int]] = []
    hosts.drivers[0].migrate(
        request(hosts, tunnel=tunnel, bandwidth_mib=50), progress=lambda *pair: seen.append(pair), cancel=None
    )
    only_at(hosts, 1)
    assert heartbeat(hosts.drivers[1], UUID, after=before) > before
    check = ["qemu-io", "-U", "-r", "-f", "qcow2", "-c", f"read -P 7 128M {BALLAST}M", THERE]
    assert "failed" not in hosts.handles[1].transport.run(check).text
    assert all(0 <= done <= total for done, total in seen)
    assert "libvirtd" not in hosts.lab.exec("h1", "ss", "-Htnp"), "a connection of libvirt's own is left"


def test_ports_that_are_taken_at_the_target_are_passed_over(hosts: LibvirtHosts, guest: DomainSpec) -> None:
    asked = request(hosts, tunnel="ssh")
    wanted = [str(port_of(asked, 0) + part) for part in (0, 1)]
    lab = load(hosts.lab.root)
    argv = argv_inside(lab, lab.host("h2"), ["/usr/bin/python3", "-c", _HOLD, LOOPBACK, *wanted])
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, cwd="/") as holder:
        try:
            wait_for(lambda: f":{wanted[1]} " in hosts.lab.exec("h2", "ss", "-Htnl"), "the ports to be taken")
            hosts.drivers[0].migrate(asked, progress=None, cancel=None)
        finally:
            holder.kill()
    only_at(hosts, 1)


def test_cancelled_halfway_it_stays(hosts: LibvirtHosts, guest: DomainSpec) -> None:
    token = CancelToken()
    failures: list[NebulaError] = []

    def migrate() -> None:
        try:
            hosts.drivers[0].migrate(request(hosts, bandwidth_mib=5), progress=None, cancel=token)
        except NebulaError as error:
            failures.append(error)

    thread = threading.Thread(target=migrate)
    thread.start()
    wait_for(lambda: _copied(hosts) > 1 << 20, "the copy to begin")
    token.set("cancelled by alice")
    thread.join(timeout=60)
    assert isinstance(failures[0], InterruptedByUser)
    only_at(hosts, 0)
    assert heartbeat(hosts.drivers[0], UUID)


def _copied(hosts: LibvirtHosts) -> int:
    found = hosts.drivers[0].migration_progress(UUID)
    return found.done if found else 0


@pytest.mark.parametrize("tunnel", ["plain", "ssh"])
def test_it_outlives_the_engine_and_is_followed_by_the_next(hosts: LibvirtHosts, guest: DomainSpec, tunnel: str) -> None:
    before = heartbeat(hosts.drivers[0], UUID)
    with subprocess.Popen(_engine(hosts, tunnel), cwd=REPOSITORY) as engine:
        try:
            wait_for(lambda: _copied(hosts) > 1 << 20, "the copy to begin")
        finally:
            engine.kill()
    assert hosts.drivers[0].migration_progress(UUID) is not None
    arriving = hosts.drivers[1].lookup(UUID)
    assert arriving is not None
    assert arriving.incoming
    with pytest.raises(ConflictError):
        hosts.drivers[1].start(guest)
    hosts.drivers[0].migrate(request(hosts, tunnel=tunnel), progress=None, cancel=None)
    only_at(hosts, 1)
    assert heartbeat(hosts.drivers[1], UUID, after=before) > before


def _engine(hosts: LibvirtHosts, tunnel: str) -> list[str]:
    """A program of its own that migrates slowly."""
    words = [hosts.handles[0].address, hosts.handles[1].address, UUID, THERE, tunnel]
    keys = [str(hosts.lab.host(name)["host_key"]) for name in ("h1", "h2")]
    program = "tests.unit.drivers.hypervisor.migrating"
    return [sys.executable, "-m", program, str(hosts.lab.root / "key"), *words, *keys]


def test_a_target_that_refuses_leaves_the_guest_alone(hosts: LibvirtHosts, guest: DomainSpec) -> None:
    with pytest.raises(NebulaError) as caught:
        hosts.drivers[0].migrate(request(hosts, tunnel="tls"), progress=None, cancel=None)
    assert "/etc/pki" in caught.value.cause
    only_at(hosts, 0)
    with pytest.raises(ConflictError):
        hosts.drivers[0].migrate(request(hosts, copy_targets=(), disk_paths=()), progress=None, cancel=None)
    only_at(hosts, 0)


def test_what_an_earlier_attempt_left_there_is_taken_away(hosts: LibvirtHosts, guest: DomainSpec) -> None:
    stale = msgspec.structs.replace(bare_spec(8), memory_mib=64)
    hosts.drivers[1].start(stale)
    with pytest.raises(ConflictError):
        hosts.drivers[0].migrate(request(hosts), progress=None, cancel=None)
    hosts.drivers[1].destroy(UUID)
    hosts.drivers[0].migrate(request(hosts), progress=None, cancel=None)
    only_at(hosts, 1)


def test_a_panic_is_a_crash(hosts: LibvirtHosts, guest: DomainSpec) -> None:
    console = hosts.drivers[0].console(UUID)
    console.write(b"\rcrash\r")
    wait_for(lambda: _state(hosts) is DomainState.SHUTOFF, "the crash")
    found = hosts.drivers[0].lookup(UUID)
    assert found is not None
    assert found.reason == "crashed"
    with pytest.raises(EOFError):
        _read_to_the_end(console)
    console.close()


def _read_to_the_end(console: ConsoleStream) -> None:
    while True:
        console.read(1)


def _state(hosts: LibvirtHosts) -> DomainState | None:
    found = hosts.drivers[0].lookup(UUID)
    return found.state if found else None


def test_there_and_back_leaves_no_connection(hosts: LibvirtHosts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(migration_route, "IDLE_SECONDS", 10)
    hosts.clear()
    hosts.drivers[0].start(msgspec.structs.replace(bare_spec(8, memory_mib=64), disks=()))
    for number in (0, 1, 0):
        _go(hosts, number)
    eventually(lambda: not any(_connections(hosts, name) for name in ("h1", "h2")), "the end of all connections")
    hosts.lab.exec("h2", "sh", "-c", "touch -d '5 minutes ago' /var/lib/nebula/ssh/to-*")
    _go(hosts, 1)
    left = hosts.lab.exec("h2", "find", "/var/lib/nebula/ssh", "-name", "to-*").split()
    assert len(left) == 1, "the names of former ones go with the next"


def _connections(hosts: LibvirtHosts, name: str) -> str:
    """Of a host to its peers' ssh."""
    return hosts.lab.exec(name, "ss", "-Htn", "state", "established", "dport", "=", ":22")


def _go(hosts: LibvirtHosts, number: int) -> None:
    arriving = MigrationRequest(uuid=UUID, target=hosts.handles[1 - number])
    hosts.drivers[number].migrate(arriving, progress=None, cancel=None)
    only_at(hosts, 1 - number)
