"""Real libvirtds for the driver's tests: two lab hosts, reached over ssh as the product reaches them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.hypervisor.libvirt.driver import LibvirtHypervisor
from nebula.model.domain import DomainSpec
from nebula.transport import peers
from nebula.transport.loop import TunnelLoop
from tests.lab.conftest import guest_image
from tests.lab.handle import LabHandle
from tests.unit.drivers.hypervisor.migrating import handle

__all__ = ["guest_image"]


@dataclass(frozen=True)
class LibvirtHosts:
    """Two hosts with their drivers, and keys for each other."""

    lab: LabHandle
    handles: tuple[HostHandle, HostHandle]
    drivers: tuple[LibvirtHypervisor, LibvirtHypervisor]

    def clear(self) -> None:
        """Not a domain is left."""
        for driver in self.drivers:
            for found in driver.domains():
                driver.destroy(found.uuid)
                driver.undefine(found.uuid)


@pytest.fixture(scope="session")
def libvirt_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LibvirtHosts]:
    lab = LabHandle(tmp_path_factory.mktemp("hypervisor"), "hv")
    lab.run("up", "2")
    loop = TunnelLoop()
    loop.start()
    known = [(str(lab.host(name)["address"]), str(lab.host(name)["host_key"])) for name in ("h1", "h2")]
    first, second = (handle(loop, number, address, lab.root / "key", key) for number, (address, key) in enumerate(known, 1))
    for source, target in ((first, second), (second, first)):
        _introduce(lab, source, target)
    hosts = LibvirtHosts(lab, (first, second), (LibvirtHypervisor(first), LibvirtHypervisor(second)))
    yield hosts
    for driver in hosts.drivers:
        driver.close()
    for one in hosts.handles:
        one.transport.close()
    loop.stop()
    lab.run("down")


@pytest.fixture
def hosts(libvirt_lab: LibvirtHosts) -> Iterator[LibvirtHosts]:
    libvirt_lab.clear()
    yield libvirt_lab
    libvirt_lab.clear()


def _introduce(lab: LabHandle, source: HostHandle, target: HostHandle) -> None:
    key = peers.ensure_peer_key(source.transport, source.root)
    peers.write_known_hosts(source.transport, source.root, {target.address: str(lab.host(target.name)["host_key"])})
    accepted = Path(lab.root / "hosts" / target.name / "root/.ssh/authorized_keys")
    accepted.write_text(f"{accepted.read_text()}{peers.peer_limits([source.address])} {key}\n")


def heartbeat(driver: LibvirtHypervisor, uuid: str, *, after: int = 0) -> int:
    """The lab guest's counter as its console says it, once it is beyond `after`; fails after two minutes."""
    console, said, end = driver.console(uuid), b"", time.monotonic() + 120
    try:
        while time.monotonic() < end:
            said = (said + console.read(0.5))[-4000:]
            found = [int(number) for number in re.findall(rb"nebula-heartbeat (\d+) ", said)]
            if found and found[-1] > after:
                return found[-1]
    finally:
        console.close()
    raise AssertionError(f"no heartbeat beyond {after} in {said!r}")


def bare_spec(vm_id: int, *, memory_mib: int = 32) -> DomainSpec:
    """A domain without a disk: it runs as far as its BIOS, which is all that most tests need."""
    return DomainSpec(
        vm_id=vm_id,
        uuid=f"00000000-0000-4000-8000-{vm_id:012d}",
        name=f"one-{vm_id}",
        title=f"test {vm_id}",
        memory_mib=memory_mib,
        vcpus=1,
        cpu_share=100,
        virt="qemu",
    )
