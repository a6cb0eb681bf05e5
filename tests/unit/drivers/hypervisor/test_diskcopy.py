"""A real guest's disk copied to another place under it: cancelled in the middle, followed by a second engine, gone on with."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from nebula.cancel import ENGINE_STOPPING, CancelToken
from nebula.drivers.base import DiskCopyRequest
from nebula.errors import InterruptedByUser
from nebula.model.domain import DomainDisk, DomainSpec
from tests.contract.hypervisor import wait_for
from tests.unit.drivers.hypervisor.conftest import LibvirtHosts, bare_spec, heartbeat

pytestmark = pytest.mark.lab
HERE, THERE = "/var/lib/nebula/copied.qcow2", "/var/lib/nebula/copied.raw"
READ = "read -P 7 128M 24M"


@pytest.fixture
def guest(hosts: LibvirtHosts, guest_image: Path) -> Iterator[DomainSpec]:
    """It counts on a disk with some data of a known pattern behind its own; its copy is to be raw."""
    run = hosts.handles[0].transport.run
    shutil.copyfile(guest_image, hosts.lab.shared / "copied.qcow2")
    run(["cp", "/srv/nebula-shared/copied.qcow2", HERE])
    run(["qemu-img", "resize", "-q", HERE, "256M"])
    run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 128M 24M", HERE])
    run(["qemu-img", "create", "-q", "-f", "raw", THERE, "256M"])
    disk = DomainDisk(disk_id=0, path=HERE, target="vda", boot_order=1)
    spec = msgspec.structs.replace(bare_spec(9, memory_mib=112), disks=(disk,))
    hosts.drivers[0].start(spec)
    yield spec
    hosts.clear()
    run(["rm", "-f", HERE, THERE])
    (hosts.lab.shared / "copied.qcow2").unlink()


def request(**more: object) -> DiskCopyRequest:
    values = {"uuid": bare_spec(9).uuid, "target": "vda", "path": THERE, "format": "raw"} | more
    return DiskCopyRequest(**values)  # type: ignore[arg-type]


def stopped(hosts: LibvirtHosts, reason: str) -> None:
    """A slow copy is begun, and whoever waits for it is told to stop once some of it is done."""
    token, told, failures = CancelToken(), [], []

    def copy() -> None:
        try:
            hosts.drivers[0].copy_disk(
                request(bandwidth_mib=2), progress=lambda done, total: told.append((done, total)), cancel=token
            )
        except InterruptedByUser as error:
            failures.append(error)

    thread = threading.Thread(target=copy)
    thread.start()
    wait_for(lambda: bool(told) and told[-1][0] > 1 << 20, "the copy to begin")
    token.set(reason)
    thread.join(timeout=60)
    assert len(failures) == 1
    assert told[-1][0] < told[-1][1], "it was whole before anybody stopped it"


def test_a_guest_counts_on_while_its_disk_goes_elsewhere(hosts: LibvirtHosts, guest: DomainSpec) -> None:
    driver, run = hosts.drivers[0], hosts.handles[0].transport.run
    before = heartbeat(driver, guest.uuid)
    stopped(hosts, "cancelled by alice")
    assert driver.uses_disk(guest.uuid, "vda", HERE)
    before = heartbeat(driver, guest.uuid, after=before)
    stopped(hosts, ENGINE_STOPPING)
    run(["virsh", "blockjob", f"one-{guest.vm_id}", "vda", "--bandwidth", "0"])
    driver.copy_disk(request(), progress=None, cancel=None)
    driver.take_copy(request())
    assert driver.uses_disk(guest.uuid, "vda", THERE)
    before = heartbeat(driver, guest.uuid, after=before)
    assert "failed" not in run(["qemu-io", "-U", "-r", "-f", "raw", "-c", READ, THERE]).text
    taken = int(run(["stat", "-c", "%b", THERE]).text) * 512
    assert taken < 128 << 20, "what was never written takes room"
    run(["rm", HERE])
    driver.destroy(guest.uuid)
    driver.start_defined(guest.uuid)
    heartbeat(driver, guest.uuid)
