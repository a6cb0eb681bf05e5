"""The LVM driver on real volume groups, in hosts that are virtual machines: each one's own, and one on a disk that both see."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.lvm import LvmDatastore
from nebula.errors import CapacityError, ConflictError
from nebula.model.storage import ImageSpec
from tests.contract.datastore import DatastoreContract, DatastoreLab, clone_of, os_image, take_in, volatile
from tests.contract.datastore import create as create_disk
from tests.e2e.handles import handles
from tests.e2e.program import Program
from tests.lab.handle import LabHandle, eventually, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(3000)]

BOOT_SECONDS = 900
# LVM remembers in which disks it has found a group, and so does not find one that another host made since: --nohints.
_LEFT = 'lvs --nohints --noheadings -o lv_name "$1" 2>/dev/null | grep nebula; ls /dev/mapper | grep nebula'
_CLEAN = """
for name in $(lvs --nohints --noheadings -o lv_name "$1" | grep nebula); do
    for try in 1 2 3 4 5 6 7 8 9 10; do lvchange --nohints -an "$1/$name" && break; sleep 0.5; done # udev may read it
    [ "$2" = keep ] || lvremove --nohints -y "$1/$name"
done
rm -rf /var/lib/nebula/datastores/100
"""


@pytest.fixture(scope="module")
def groups(session_machines: LabHandle, machine_cluster: Program) -> LabHandle:
    """Group `own` on each machine, with a thin pool in it, and group `san` on the disk that both see; the engine made the
    machines known to each other.
    """
    assert len(machine_cluster.json("host", "list", "-f", "json")) == 2
    lab = session_machines
    for host in ("m1", "m2"):
        lab.exec(host, "vgcreate", "own", _disk(lab, host, 0))
        lab.exec(host, "lvcreate", "--type", "thin-pool", "-L", "256M", "-n", "pool", "own")
    lab.exec("m1", "vgcreate", "--setautoactivation", "n", "san", _disk(lab, "m1", 1))
    return lab


def _disk(lab: LabHandle, host: str, number: int) -> str:
    return f"/dev/disk/by-id/wwn-{lab.host(host)['disks'][number]['wwn']}"


def left(lab: LabHandle, group: str) -> list[str]:
    """What is ours in the group or active, on either machine."""
    return [line for host in ("m1", "m2") for line in lab.exec(host, "sh", "-c", f"{_LEFT}; true", "left", group).split()]


def test_a_guest_lives_on_a_group_that_both_hosts_see(machines: Program, groups: LabHandle, guest_image: Path) -> None:
    machines.out("datastore", "create", "san", "--driver", "lvm", "--vg-name", "san", "--shared-group")
    assert machines.out("datastore", "check", "san").count("made, wrote, read and removed") == 2
    machines.out("image", "create", "blocks", "--path", str(guest_image), "--datastore", "san")
    machines.out(
        "vm", "create", "web", "--image", "blocks", "--disk", "size=16M", "--memory", "128M", "--network", "lan", "--host", "m1"
    )
    address = str(machines.vm("web")["addresses"][0])
    eventually(lambda: "counter" in guest_facts(address), "the guest's page", seconds=BOOT_SECONDS)
    before = guest_facts(address)
    machines.migrate_live("web", "m2")
    eventually(lambda: guest_facts(address).get("boot-id") == before["boot-id"], "the guest on the other host", seconds=300)
    assert "nebula" not in groups.exec("m1", "ls", "/dev/mapper")
    machines.out("vm", "disk-resize", "web", "vdb", "32M")
    number = machines.json("vm", "list", "-f", "json")[0]["id"]
    volume = next(name for name in left(groups, "san") if name.endswith(f"-{number}-1"))
    assert groups.exec("m2", "blockdev", "--getsize64", f"/dev/san/{volume}").strip() == str(32 << 20)
    machines.out("vm", "terminate", "web", "--hard")
    machines.out("image", "remove", "blocks")
    assert left(groups, "san") == []
    machines.out("datastore", "remove", "san")


@pytest.fixture(scope="module")
def hosts(groups: LabHandle) -> Iterator[tuple[HostHandle, ...]]:
    with handles(groups, "m1", "m2") as found:
        yield found


def lab_of(datastore: LvmDatastore, groups: LabHandle, hosts: tuple[HostHandle, ...]) -> Iterator[DatastoreLab]:
    """Nothing of ours is in the group after each test, nor active."""
    yield DatastoreLab(
        datastore, hosts[0], hosts[1], lambda host, image: stage(datastore, host, image),
        lambda host, disk: holding(host, datastore.disk_path(host, disk)),
    )  # fmt: skip
    group, shared = datastore.group.settings.group, datastore.capabilities.shared
    groups.exec("m2", "sh", "-c", _CLEAN, "clean", group, "keep" if shared else "remove")
    groups.exec("m1", "sh", "-c", _CLEAN, "clean", group, "remove")
    assert left(groups, group) == []


def stage(datastore: LvmDatastore, host: HostHandle, image: ImageSpec) -> str:
    """A real image with some data in it, where an upload would put it."""
    staged = datastore.staging_path(host, image)
    host.transport.run(["qemu-img", "create", "-q", "-f", image.format, staged, str(image.size)], root=True)
    host.transport.run(["qemu-io", "-f", image.format, "-c", "write -P 65 1M 64k", staged], root=True)
    return staged


@contextmanager
def holding(host: HostHandle, path: str) -> Iterator[None]:
    """A process on the host has the volume open to write to it."""
    hold = 'setsid sleep 60 <>"$1" >/dev/null 2>&1 & echo $! >/run/holder'
    host.transport.run(["sh", "-c", hold, "hold", path], root=True)
    yield
    host.transport.run(["sh", "-c", 'kill "$(cat /run/holder)"'], root=True)


@pytest.fixture
def san_lab(groups: LabHandle, hosts: tuple[HostHandle, ...]) -> Iterator[DatastoreLab]:
    yield from lab_of(LvmDatastore(100, {"VG_NAME": "san", "SHARED": "yes"}), groups, hosts)


@pytest.fixture
def thin_lab(groups: LabHandle, hosts: tuple[HostHandle, ...]) -> Iterator[DatastoreLab]:
    yield from lab_of(LvmDatastore(100, {"VG_NAME": "own", "LVM_THIN_ENABLE": "yes"}), groups, hosts)


@pytest.fixture
def thick_lab(groups: LabHandle, hosts: tuple[HostHandle, ...]) -> Iterator[DatastoreLab]:
    yield from lab_of(LvmDatastore(100, {"VG_NAME": "own"}), groups, hosts)


def test_a_volume_is_one_hosts_until_it_is_handed_on(san_lab: DatastoreLab) -> None:
    datastore, disk = san_lab.datastore, volatile()
    create_disk(san_lab, disk)
    with pytest.raises(ConflictError, match="belongs to host 1"):
        datastore.activate(san_lab.target, disk)
    datastore.prepare_incoming(san_lab.target, [disk], None)
    datastore.remove_vm(san_lab.source, 7, [disk], keep_persistent=False)
    datastore.activate(san_lab.target, disk)
    with pytest.raises(ConflictError, match="belongs to host 2"):
        datastore.activate(san_lab.source, disk)


def test_a_full_group_is_said_to_be_full_and_nothing_half_made_stays(san_lab: DatastoreLab, groups: LabHandle) -> None:
    with pytest.raises(CapacityError, match="is full"):
        create_disk(san_lab, volatile(size=64 << 30))
    assert left(groups, "san") == []


def test_what_is_half_made_is_begun_anew(san_lab: DatastoreLab, groups: LabHandle) -> None:
    """As an engine finds it that follows one which was killed between two steps."""
    disk = clone_of(take_in(san_lab, os_image()))
    name = san_lab.datastore.disk_path(san_lab.source, disk).rpartition("/")[2]
    groups.exec("m1", "lvcreate", "-y", "-an", "-Wn", "-Zn", "-L", "4M", "-n", f"{name}.part", "san")
    create_disk(san_lab, disk)
    assert [line for line in left(groups, "san") if line.endswith(".part")] == []


def test_above_its_limit_a_thin_pool_takes_nothing_more(thin_lab: DatastoreLab) -> None:
    take_in(thin_lab, os_image())
    careful = LvmDatastore(100, {"VG_NAME": "own", "THIN_POOL": "pool", "THIN_POOL_LIMIT": "1"})
    assert careful.usage(thin_lab.source).free == 0
    assert any("nothing more is placed" in finding.text for finding in careful.check(thin_lab.source))


class TestSan(DatastoreContract):
    @pytest.fixture
    def lab(self, san_lab: DatastoreLab) -> DatastoreLab:
        return san_lab


class TestThin(DatastoreContract):
    @pytest.fixture
    def lab(self, thin_lab: DatastoreLab) -> DatastoreLab:
        return thin_lab


class TestThick(DatastoreContract):
    @pytest.fixture
    def lab(self, thick_lab: DatastoreLab) -> DatastoreLab:
        return thick_lab
