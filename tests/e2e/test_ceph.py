"""The Ceph driver on a Ceph: a guest on it, its contract, and what happens when the cluster is full or does not answer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.ceph import CephDatastore
from nebula.drivers.datastore.cephcluster import Waits
from nebula.errors import CapacityError, ConflictError, TimedOutError
from nebula.model.storage import DiskSpec, ImageSpec
from tests.contract.datastore import (
    DatastoreContract,
    DatastoreLab,
    InnerSnapshotsContract,
    clone_of,
    os_image,
    take_in,
    volatile,
)
from tests.contract.datastore import create as create_disk
from tests.e2e.handles import handles
from tests.e2e.program import Program
from tests.e2e.test_main_job import create
from tests.e2e.test_snapshots import again, held, keep, opened
from tests.lab.handle import LabHandle, eventually, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]

POOL, VAULT = "nebula", "/var/lib/nebula/ceph-vault"


def settings(lab: LabHandle) -> dict[str, str]:
    """What a datastore of the lab's Ceph is made with."""
    told = lab.status()["ceph"]
    key = Path(told["key_file"]).read_text().strip()
    return {"POOL_NAME": told["pool"], "CEPH_HOST": told["host"], "CEPH_USER": told["user"], "CEPH_KEY": key}


@pytest.fixture(scope="module")
def ceph(session_lab: LabHandle) -> Iterator[LabHandle]:
    session_lab.run("ceph", "up")
    yield session_lab
    session_lab.run("ceph", "down")


@pytest.fixture(scope="module")
def hosts(ceph: LabHandle, session_cluster: Program) -> Iterator[tuple[HostHandle, ...]]:
    """The lab's hosts as drivers know them; the engine made them known to each other."""
    assert session_cluster.json("host", "list", "-c", "name", "-f", "json") == [{"name": "h1"}, {"name": "h2"}]
    with handles(ceph, "h1", "h2") as found:
        yield found


@pytest.fixture(scope="module")
def datastore(ceph: LabHandle) -> CephDatastore:
    """One for all tests: what hosts need of it is brought once. It does not wait long for others to let an image go."""
    return CephDatastore(100, settings(ceph), Waits(busy=5))


@pytest.fixture
def ceph_lab(ceph: LabHandle, datastore: CephDatastore, hosts: tuple[HostHandle, HostHandle]) -> Iterator[DatastoreLab]:
    """The pool is empty after each test, and nothing lies about on the hosts."""

    @contextmanager
    def holding(host: HostHandle, disk: DiskSpec) -> Iterator[None]:
        with writer(ceph, host, datastore.disk_name(disk)):
            yield

    yield DatastoreLab(datastore, *hosts, lambda host, image: stage(datastore, host, image), holding)
    ceph.run("ceph", "admin", "rados", "purge", POOL, "--yes-i-really-really-mean-it")
    for host in hosts:
        host.transport.run(["rm", "-rf", "/var/lib/nebula/datastores/100"], root=True)


def stage(datastore: CephDatastore, host: HostHandle, image: ImageSpec) -> str:
    """A real image with some data in it, where an upload would put it."""
    staged = datastore.staging_path(host, image)
    host.transport.run(["qemu-img", "create", "-q", "-f", image.format, staged, str(image.size)], root=True)
    host.transport.run(["qemu-io", "-f", image.format, "-c", "write -P 65 1M 64k", staged], root=True)
    return staged


_HOLD = """
setsid sh -c 'echo $$ >/run/holder; sleep 100 | qemu-io -f raw "$1"' holder "$1" </dev/null >/dev/null 2>&1 &
"""


@contextmanager
def writer(ceph: LabHandle, host: HostHandle, image: str) -> Iterator[None]:
    """Somebody on the host has the image open to write to it, and closes it in the end."""
    name = f"rbd:{POOL}/{image}:id=nebula:conf=/var/lib/nebula/ceph/nebula-100.conf"
    host.transport.run(["sh", "-c", _HOLD, "hold", name], root=True)
    eventually(lambda: "watcher=" in ceph.run("ceph", "admin", "rbd", "status", f"{POOL}/{image}"), "the other writer")
    yield
    host.transport.run(["sh", "-c", 'pkill -P "$(cat /run/holder)" sleep'], root=True)


@pytest.fixture
def hasty(ceph: LabHandle) -> CephDatastore:
    """Another datastore of the same pool, which gives up sooner."""
    return CephDatastore(101, settings(ceph), Waits(monitor=5, osd=5, busy=2))


def test_a_guest_lives_on_ceph(cluster: Program, ceph: LabHandle, guest_image: Path) -> None:
    told = ceph.status()["ceph"]
    key = Path(told["key_file"]).read_text().strip()
    options = ("--pool-name", told["pool"], "--ceph-host", told["host"], "--ceph-user", told["user"])
    cluster.out("datastore", "create", "rbd", "--driver", "ceph", *options, "--ceph-key-file", told["key_file"])
    assert cluster.out("datastore", "check", "rbd").count("wrote, cloned, read and removed") == 2
    cluster.out("image", "create", "blocks", "--path", str(guest_image), "--datastore", "rbd")
    address = create(cluster, "web", "blocks", "--disk", "size=16M", "--host", "h1")
    before = guest_facts(address)
    keep(address, "before")
    cluster.out("vm", "migrate", "web", "--host", "h2", "--live")
    cluster.out("vm", "disk-attach", "web", "16M")
    cluster.out("vm", "disk-resize", "web", "vdb", "32M")
    now = guest_facts(address)
    assert (now["boot-id"], now["kept"]) == (before["boot-id"], "before")
    disks = set(in_pool(ceph))
    cluster.out("vm", "disk-move", "web", "vda", "default")
    assert len(disks - set(in_pool(ceph))) == 1, "its disk has left the pool"
    keep(address, "moved")
    cluster.out("vm", "disk-move", "web", "vda", "rbd")
    now = guest_facts(address)
    assert (now["boot-id"], now["kept"]) == (before["boot-id"], "moved")
    cluster.out("vm", "stop", "web")
    cluster.out("vm", "deploy", "web", "--host", "h1")
    eventually(lambda: guest_facts(address).get("boot-id") == before["boot-id"], "the guest with its memory")
    cluster.out("vm", "poweroff", "web")
    cluster.out("vm", "disk-saveas", "web", "vda", "golden")
    cluster.out("vm", "migrate", "web", "--host", "h2")
    cluster.out("vm", "resume", "web")
    assert held(cluster, ceph, form="raw", options=by_conf(cluster)) == "moved"
    for host in ("h1", "h2"):
        said = ceph.exec(
            host, "sh", "-c", "ps -eo args; cat /var/log/libvirt/qemu/*.log; virsh dumpxml one-* 2>/dev/null; true"
        )
        assert key not in said
    assert key not in cluster.out("datastore", "show", "rbd", "-f", "json") + cluster.out("event", "list", "-f", "json")
    cluster.out("vm", "terminate", "web", "--hard")
    for name in ("blocks", "golden"):
        cluster.out("image", "remove", name)
    assert in_pool(ceph) == []
    cluster.out("datastore", "remove", "rbd")


def test_a_guests_disk_on_ceph_goes_back_and_is_backed_up_while_it_runs(
    cluster: Program, ceph: LabHandle, guest_image: Path, tmp_path: Path
) -> None:
    told, secret = ceph.status()["ceph"], tmp_path / "password"
    options = ("--pool-name", told["pool"], "--ceph-host", told["host"], "--ceph-user", told["user"])
    cluster.out("datastore", "create", "rbd", "--driver", "ceph", *options, "--ceph-key-file", told["key_file"])
    cluster.out("image", "create", "blocks", "--path", str(guest_image), "--datastore", "rbd")
    address = create(cluster, "web", "blocks", "--host", "h1")
    keep(address, "before")
    cluster.out("vm", "disk-snapshot-create", "web", "vda", "clean")
    keep(address, "after")
    for name in ("later", "last"):
        cluster.out("vm", "disk-snapshot-create", "web", "vda", name)
    cluster.out("vm", "disk-snapshot-delete", "web", "vda", "later")
    secret.write_text("a word that nobody guesses\n")
    cluster.out(
        "datastore", "create", "vault", "--type", "backup", "--path", VAULT, "--host", "h2", "--password-file", str(secret)
    )
    cluster.out("vm", "backup", "web", "--datastore", "vault")
    keep(address, "lost")
    way = by_conf(cluster)
    cluster.out("vm", "poweroff", "web", "--hard")
    assert opened(cluster, ceph, form="raw", options=way) == "lost"
    cluster.out("vm", "disk-snapshot-revert", "web", "vda", "clean")
    assert opened(cluster, ceph, form="raw", options=way) == "before"
    cluster.out("vm", "disk-snapshot-revert", "web", "vda", "last")
    assert opened(cluster, ceph, form="raw", options=way) == "after"
    for name in ("clean", "last"):
        cluster.out("vm", "disk-snapshot-delete", "web", "vda", name)
    disk = next(name for name in in_pool(ceph) if name.endswith("-0"))
    assert "nebula-" not in ceph.run("ceph", "admin", "rbd", "snap", "ls", f"{POOL}/{disk}")
    backup = cluster.json("backup", "list", "-f", "json")[0]["id"]
    cluster.out("vm", "disk-snapshot-create", "web", "vda", "more")
    refused = cluster.run("backup", "restore", str(backup), "--in-place")
    assert "it has snapshots" in refused.stderr
    cluster.out("vm", "disk-snapshot-delete", "web", "vda", "more")
    cluster.out("backup", "restore", str(backup), "--in-place")
    assert again(cluster, address) == "after"
    cluster.out("vm", "disk-snapshot-create", "web", "vda", "end")
    cluster.out("vm", "terminate", "web", "--hard")
    cluster.out("backup", "remove", str(backup))
    cluster.out("datastore", "remove", "vault")
    cluster.out("image", "remove", "blocks")
    assert in_pool(ceph) == []
    given = f"nebula-{cluster.json('datastore', 'show', 'rbd', '-f', 'json')['id']}"
    kept = "ls /var/lib/nebula/ceph; virsh -q secret-list"
    assert given in ceph.exec("h1", "sh", "-c", kept)
    cluster.out("datastore", "remove", "rbd")
    for host in ("h1", "h2"):
        assert given not in ceph.exec(host, "sh", "-c", kept)


class TestCeph(DatastoreContract, InnerSnapshotsContract):
    @pytest.fixture
    def lab(self, ceph_lab: DatastoreLab) -> DatastoreLab:
        return ceph_lab


def test_a_disk_that_another_host_writes_to_is_not_free(ceph: LabHandle, ceph_lab: DatastoreLab, hasty: CephDatastore) -> None:
    disk = volatile()
    hasty.create_disk(ceph_lab.source, disk, job="1-disk", progress=None, cancel=None)
    ceph_lab.datastore.usage(ceph_lab.target)
    with writer(ceph, ceph_lab.target, "nebula-101-7-1"), pytest.raises(ConflictError, match="two writers") as refused:
        hasty.require_unused(ceph_lab.source, disk)
    assert ceph_lab.target.address in refused.value.cause
    CephDatastore(101, settings(ceph)).require_unused(ceph_lab.source, disk)


def test_a_file_system_is_made_in_an_empty_disk_and_what_is_half_made_is_begun_anew(
    ceph: LabHandle, ceph_lab: DatastoreLab
) -> None:
    disk = volatile(filesystem="ext4")
    ceph.run("ceph", "admin", "rbd", "create", "--size", "1M", f"{POOL}/nebula-100-7-1.part")
    for _ in range(2):
        create_disk(ceph_lab, disk)
    magic = 'rbd --id nebula -c "$1" export --no-progress "$2" - | od -An -tx2 -j1080 -N2'
    conf = "/var/lib/nebula/ceph/nebula-100.conf"
    told = ceph_lab.source.transport.run(["sh", "-c", magic, "magic", conf, f"{POOL}/nebula-100-7-1"], root=True)
    assert told.text.strip() == "ef53"
    assert in_pool(ceph) == ["nebula-100-7-1"]
    assert ceph_lab.source.transport.run(["ls", "/var/lib/nebula/datastores/100"], root=True).text == ""


def test_what_is_removed_goes_to_the_trash_where_that_is_wanted(ceph: LabHandle, ceph_lab: DatastoreLab) -> None:
    careful = CephDatastore(101, {**settings(ceph), "CEPH_TRASH": "yes"})
    disk = clone_of(take_in(ceph_lab, os_image()))
    careful.create_disk(ceph_lab.source, disk, job="1-disk", progress=None, cancel=None)
    careful.remove_disk(ceph_lab.source, disk)
    for _ in range(2):
        careful.remove_image(ceph_lab.source, os_image())
    assert in_pool(ceph) == []
    trash = ceph.run("ceph", "admin", "rbd", "trash", "ls", POOL)
    assert os_image().uuid in trash, trash


def test_what_lies_in_the_trash_is_taken_back_and_keeps_nobody_from_its_image(ceph: LabHandle, ceph_lab: DatastoreLab) -> None:
    careful, image = CephDatastore(101, {**settings(ceph), "CEPH_TRASH": "yes"}), take_in(ceph_lab, os_image())
    disk = clone_of(image)
    careful.create_disk(ceph_lab.source, disk, job="1-disk", progress=None, cancel=None)
    careful.remove_disk(ceph_lab.source, disk)
    owner = DiskSpec(vm_id=8, disk_id=0, kind="persistent", format="raw", image=image)
    for _ in range(2):
        careful.create_disk(ceph_lab.source, owner, job="2-disk", progress=None, cancel=None)
    assert in_pool(ceph) == [f"nebula-{image.uuid}"]
    assert "base " not in ceph.run("ceph", "admin", "rbd", "snap", "ls", f"{POOL}/nebula-{image.uuid}"), "what it was"
    number = ceph.run("ceph", "admin", "rbd", "trash", "ls", POOL).split()[0]
    ceph.run("ceph", "admin", "rbd", "trash", "restore", f"{POOL}/{number}")
    assert careful.has_disk(ceph_lab.source, disk)
    careful.create_disk(ceph_lab.source, clone_of(image, 9), job="3-disk", progress=None, cancel=None)
    for vm_id in (7, 9):
        ceph_lab.datastore.remove_vm(ceph_lab.source, vm_id, [clone_of(image, vm_id)])
    ceph_lab.datastore.remove_image(ceph_lab.source, image)
    assert in_pool(ceph) == []
    assert ceph.run("ceph", "admin", "rbd", "trash", "ls", POOL) == ""


def test_a_disk_that_is_flattened_outlives_its_image(ceph: LabHandle, ceph_lab: DatastoreLab) -> None:
    whole, image = CephDatastore(101, {**settings(ceph), "CEPH_FLATTEN": "yes"}), take_in(ceph_lab, os_image())
    disk = clone_of(image, size=2 * image.size)
    ceph.run("ceph", "admin", "rbd", "create", "--size", "1M", f"{POOL}/nebula-{image.uuid}-7-0.part")
    for _ in range(2):
        whole.create_disk(ceph_lab.source, disk, job="1-disk", progress=None, cancel=None)
    assert "parent" not in ceph.run("ceph", "admin", "rbd", "info", f"{POOL}/nebula-{image.uuid}-7-0")
    whole.remove_image(ceph_lab.source, image)
    assert in_pool(ceph) == [f"nebula-{image.uuid}-7-0"]
    assert ceph.run("ceph", "admin", "rbd", "trash", "ls", POOL) == ""
    read = 'rbd --id nebula -c "$1" export --no-progress "$2" - | od -An -tu1 -j1048576 -N2'
    conf = "/var/lib/nebula/ceph/nebula-101.conf"
    argv = ["sh", "-c", read, "read", conf, f"{POOL}/nebula-{image.uuid}-7-0"]
    assert ceph_lab.source.transport.run(argv, root=True).text.split() == ["65", "65"]
    assert not whole.capabilities.linked_clones


def test_a_full_pool_is_said_to_be_full_and_nothing_half_made_stays(
    ceph: LabHandle, ceph_lab: DatastoreLab, hasty: CephDatastore
) -> None:
    image = take_in(ceph_lab, os_image())
    ceph.run("ceph", "admin", "ceph", "osd", "pool", "set-quota", POOL, "max_objects", "1")
    eventually(lambda: "POOL_FULL" in ceph.run("ceph", "admin", "ceph", "health", "detail"), "a full pool")
    other = os_image(2)
    staged = ceph_lab.stage(ceph_lab.source, other)
    with pytest.raises(CapacityError, match="is full"):
        hasty.take_in(ceph_lab.source, other, staged, job="1-full", progress=None, cancel=None)
    assert hasty.has_image(ceph_lab.source, image)
    hasty.remove_image(ceph_lab.source, other)
    ceph.run("ceph", "admin", "ceph", "osd", "pool", "set-quota", POOL, "max_objects", "0")
    eventually(lambda: "POOL_FULL" not in ceph.run("ceph", "admin", "ceph", "health", "detail"), "a pool with room")
    assert in_pool(ceph) == [f"nebula-{image.uuid}"]


def test_a_dead_osd_is_told_of_in_time_and_costs_nothing(ceph: LabHandle, ceph_lab: DatastoreLab, hasty: CephDatastore) -> None:
    image = take_in(ceph_lab, os_image())
    ceph.run("ceph", "stop-osd")
    try:
        with pytest.raises(TimedOutError, match="does not answer host h1"):
            hasty.create_disk(ceph_lab.source, clone_of(image), job="1-dead", progress=None, cancel=None)
    finally:
        ceph.run("ceph", "start-osd")
    create_disk(ceph_lab, clone_of(image))
    assert sorted(in_pool(ceph)) == [f"nebula-{image.uuid}", f"nebula-{image.uuid}-7-0"]


def by_conf(cluster: Program) -> str:
    """How QEMU's tools on a host reach the datastore's images: behind their names."""
    return f":id=nebula:conf=/var/lib/nebula/ceph/nebula-{cluster.json('datastore', 'show', 'rbd', '-f', 'json')['id']}.conf"


def in_pool(ceph: LabHandle) -> list[str]:
    return ceph.run("ceph", "admin", "rbd", "ls", POOL).split()
