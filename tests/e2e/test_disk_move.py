"""A real guest's disk goes from datastore to datastore while it goes on; cancelled, or the engine killed, in the middle."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.program import Program
from tests.e2e.soundness import OWN, SHARED, assert_sound
from tests.e2e.test_main_job import assert_left_nothing, create
from tests.e2e.test_snapshots import keep, opened
from tests.lab.gates import Gate
from tests.lab.handle import LabHandle, eventually, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def where(lab: LabHandle, host: str, vm_id: int) -> set[str]:
    """The files that a running guest's QEMU has as its disks, asked of libvirt."""
    said = lab.exec(host, "virsh", "domblklist", f"one-{vm_id}").split()
    return {word.rpartition("/vms/")[0] for word in said if "/vms/" in word and "disk." in word}


def own(cluster: Program) -> str:
    """The directory of the datastore that each host has for itself."""
    return f"{OWN}/{cluster.json('datastore', 'show', 'default', '-f', 'json')['id']}"


def alive(address: str, before: dict[str, str]) -> dict[str, str]:
    """The guest counts on, was not started anew, and reads what it wrote."""
    eventually(lambda: int(guest_facts(address).get("counter", 0)) > int(before["counter"]), "the guest to count on")
    now = guest_facts(address)
    assert (now["boot-id"], now.get("kept")) == (before["boot-id"], before.get("kept"))
    return now


@pytest.mark.parametrize("host", ["h1", "h2"])  # QEMU is root on the one, and a user of its own on the other
def test_a_disk_moves_under_a_guest_that_goes_on(cluster: Program, lab: LabHandle, host: str) -> None:
    address = create(cluster, "web", "common", "--host", host)
    vm_id = int(cluster.vm("web")["id"])
    keep(address, "first")
    before = guest_facts(address)
    for datastore, place in (("default", own(cluster)), ("shared", SHARED), ("default", own(cluster))):
        cluster.out("vm", "disk-move", "web", "vda", datastore)
        assert where(lab, host, vm_id) == {place}
        before = alive(address, before)
        keep(address, f"in-{datastore}-{before['counter']}")
        before = guest_facts(address)
    assert_sound(cluster, lab)
    cluster.out("vm", "migrate", "web", "--live")
    before = alive(address, before)
    cluster.out("vm", "disk-move", "web", "vda", "shared")
    before = alive(address, before)
    cluster.out("vm", "poweroff", "web")
    cluster.out("vm", "disk-move", "web", "vda", "default")
    assert opened(cluster, lab) == before["kept"], "what the guest wrote"
    assert_sound(cluster, lab)
    cluster.out("vm", "terminate", "web")
    assert_left_nothing(lab, vm_id)


@pytest.fixture
def slowly(cluster: Program) -> Iterator[None]:
    """Copies take 1 MiB/s: there is a middle."""
    cluster.out("cluster", "update", "default", "--migration-bandwidth", "1")
    yield
    cluster.out("cluster", "update", "default", "--migration-bandwidth", "0")


def begun(cluster: Program, lab: LabHandle, vm_id: int, datastore: str) -> str:
    """The number of a job that moves the disk, once QEMU copied some of it."""
    job = cluster.out("vm", "disk-move", "web", "vda", datastore, "--no-wait")
    command = ("h1", "virsh", "blockjob", f"one-{vm_id}", "vda", "--raw")
    eventually(lambda: "cur=" in lab.exec(*command) and "cur=0" not in lab.exec(*command).split(), "QEMU's copy")
    return job


def test_a_move_is_cancelled_and_the_next_one_goes_on_when_its_engine_is_killed(
    cluster: Program, lab: LabHandle, slowly: None
) -> None:
    address = create(cluster, "web", "common", "--host", "h1")
    vm_id = int(cluster.vm("web")["id"])
    keep(address, "first")
    before = guest_facts(address)
    job = begun(cluster, lab, vm_id, "default")
    assert cluster.state("web") == "HOTPLUG"
    cluster.run("job", "cancel", job)
    cluster.run("job", "wait", job)
    assert cluster.json("job", "show", job, "-f", "json")["state"] == "cancelled"
    assert (where(lab, "h1", vm_id), cluster.state("web")) == ({SHARED}, "RUNNING")
    before = alive(address, before)
    assert_sound(cluster, lab)
    assert lab.exec("h1", "find", own(cluster), "-path", "*/vms/*") == ""

    job = begun(cluster, lab, vm_id, "default")
    cluster.kill_daemon()
    before = alive(address, before)
    lab.exec("h1", "virsh", "blockjob", f"one-{vm_id}", "vda", "--bandwidth", "0")
    with Gate(lab, "h1", "rm", "/vms/", "before").shut():  # the guest went on at the new place, and the old one is still there
        cluster.start_daemon()
        eventually(lambda: where(lab, "h1", vm_id) == {own(cluster)}, "the guest at the new place", seconds=120)
        cluster.kill_daemon()
    cluster.start_daemon()
    cluster.out("job", "wait", job)
    alive(address, before)
    assert_sound(cluster, lab)
    cluster.out("vm", "poweroff", "web")
    cluster.out("vm", "resume", "web")
    eventually(lambda: guest_facts(address).get("kept") == "first", "what the guest wrote")
    cluster.out("vm", "terminate", "web", "--hard")
    assert_left_nothing(lab, vm_id)
