"""A real guest's disk goes between datastores of all kinds while the guest goes on: files, Ceph, and off a LUN."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.e2e.soundness import SHARED
from tests.e2e.test_ceph import ceph, in_pool
from tests.e2e.test_disk_move import alive, own
from tests.e2e.test_iscsi import GUEST, lun, san
from tests.e2e.test_main_job import create
from tests.e2e.test_snapshots import keep
from tests.lab.handle import LabHandle, guest_facts

__all__ = ["ceph", "san"]

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]


@pytest.fixture
def pool(cluster: Program, ceph: LabHandle) -> str:
    """A datastore on the lab's Ceph."""
    told = ceph.status()["ceph"]
    options = ("--pool-name", told["pool"], "--ceph-host", told["host"], "--ceph-user", told["user"])
    cluster.out("datastore", "create", "rbd", "--driver", "ceph", *options, "--ceph-key-file", told["key_file"])
    return str(told["pool"])


def source(lab: LabHandle, host: str, vm_id: int) -> str:
    """What a running guest's QEMU has as its first disk, asked of libvirt."""
    disks = lab.exec(host, "virsh", "-q", "domblklist", f"one-{vm_id}").splitlines()
    (found,) = [words[1] for words in map(str.split, disks) if words[0] == "vda"]
    return found


def tour(cluster: Program, lab: LabHandle, address: str, ways: dict[str, str]) -> None:
    """The first disk goes to each of these datastores, where QEMU has it at a place that begins so, and the guest goes on."""
    number, before = int(cluster.vm("web")["id"]), guest_facts(address)
    for datastore, place in ways.items():
        cluster.out("vm", "disk-move", "web", "vda", datastore)
        assert source(lab, "h1", number).startswith(place), datastore
        before = alive(address, before)
        keep(address, f"in-{datastore}")
        before = guest_facts(address)


def test_a_clone_goes_between_shared_files_and_ceph(cluster: Program, lab: LabHandle, pool: str) -> None:
    address = create(cluster, "web", "common", "--host", "h1")
    keep(address, "first")
    tour(cluster, lab, address, {"rbd": f"{pool}/", "shared": SHARED})
    assert in_pool(lab) == []
    cluster.out("vm", "migrate", "web", "--host", "h2", "--live")
    assert guest_facts(address)["kept"] == "in-shared"
    cluster.out("vm", "terminate", "web", "--hard")
    cluster.out("datastore", "remove", "rbd")


def test_a_disk_leaves_its_lun_and_goes_everywhere(cluster: Program, san: LabHandle, pool: str, guest_image: Path) -> None:
    told = san.status()["iscsi"]
    login = ("--iscsi-host", told["host"], "--iscsi-user", told["user"], "--iscsi-password-file", told["password_file"])
    cluster.out("datastore", "create", "san", "--driver", "iscsi_libvirt", *login)
    cluster.out("image", "create", "disk", "--source", lun(san, GUEST), "--path", str(guest_image), "--datastore", "san")
    address = create(cluster, "web", "disk", "--host", "h1")
    keep(address, "first")
    tour(cluster, san, address, {"shared": SHARED})
    assert (san.root / "iscsi" / f"lun-{GUEST}").exists()
    cluster.out("image", "create", "found-again", "--source", lun(san, GUEST), "--datastore", "san")
    refused = cluster.run("vm", "disk-move", "web", "vda", "san")
    assert "in datastore san no disk comes from another datastore" in refused.stderr
    tour(cluster, san, address, {"rbd": f"{pool}/", "default": own(cluster), "shared": SHARED})
    cluster.out("vm", "terminate", "web", "--hard")
    for name in ("disk", "found-again"):
        cluster.out("image", "remove", name)
    assert in_pool(san) == []
    for name in ("rbd", "san"):
        cluster.out("datastore", "remove", name)
