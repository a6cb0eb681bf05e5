"""Snapshots of a disk of a real guest: made and deleted under it, taken along, and gone back to."""

from __future__ import annotations

import pytest

from tests.e2e.program import Program
from tests.e2e.soundness import assert_sound
from tests.e2e.test_main_job import assert_left_nothing, create, other
from tests.lab.handle import LabHandle, eventually, fetch, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


_WORD = """
qemu-img dd -U -f "$1" -O raw bs=512 skip=129024 count=129025 if="$2" of=/root/word && tr -d '\\0' </root/word | sed 's/ *$//'
"""
"""Prints what the lab's guest keeps at the beginning of its disk's second partition (`count` counts what is skipped, too)."""


def held(cluster: Program, lab: LabHandle, name: str = "web", *, form: str = "qcow2", options: str = "") -> str:
    """The word on the disk that QEMU has open or would open, read on the host: no guest need boot to say it."""
    vm = cluster.vm(name)
    disks = lab.exec(str(vm["host"]), "virsh", "-q", "domblklist", f"one-{vm['id']}").splitlines()
    (source,) = [words[1] for words in map(str.split, disks) if words[0] == "vda"]
    return lab.exec(str(vm["host"]), "sh", "-c", _WORD, "word", form, f"{options and 'rbd:'}{source}{options}").strip()


def opened(cluster: Program, lab: LabHandle, *, form: str = "qcow2", options: str = "") -> str:
    """QEMU starts on the disk, and is ended before the guest is far; the word on what it opened."""
    cluster.out("vm", "resume", "web")
    word = held(cluster, lab, form=form, options=options)
    cluster.out("vm", "poweroff", "web", "--hard")
    return word


def again(cluster: Program, address: str) -> str:
    """The guest is started anew; what it says that it kept."""
    cluster.out("vm", "resume", "web")
    eventually(lambda: "kept" in guest_facts(address), "the guest after its start")
    kept = guest_facts(address)["kept"]
    cluster.out("vm", "poweroff", "web")
    return kept


def keep(address: str, word: str) -> None:
    """The guest writes the word to its disk, past every cache."""
    fetch(address, f"/cgi-bin/keep?{word}")
    eventually(lambda: guest_facts(address).get("kept") == word, "the word on the disk")


def names(cluster: Program) -> list[str]:
    return [row["name"] for row in cluster.json("vm", "disk-snapshot-list", "web", "vda", "-f", "json")]


def tree(cluster: Program) -> dict[str, str]:
    """Each snapshot of the disk, and the one after which it was made."""
    rows = cluster.json("vm", "disk-snapshot-list", "web", "vda", "-f", "json")
    known = {row["id"]: row["name"] for row in rows}
    return {row["name"]: known.get(row["parent"], "-") for row in rows}


@pytest.mark.parametrize("image", ["own", "common"])
def test_a_disk_goes_back_to_what_it_held(cluster: Program, lab: LabHandle, image: str) -> None:
    start = "h1" if image == "common" else "h2"
    address = create(cluster, "web", image, "--disk", "size=32M,format=qcow2", "--host", start)
    vm_id, before = int(cluster.vm("web")["id"]), guest_facts(address)
    keep(address, "before")
    cluster.out("vm", "disk-snapshot-create", "web", "vda", "clean")
    keep(address, "after")
    for name in ("later", "last"):
        cluster.out("vm", "disk-snapshot-create", "web", "vda", name)
    cluster.out("vm", "disk-snapshot-create", "web", "vdb", "second")
    cluster.out("vm", "disk-snapshot-rename", "web", "vdb", "second", "other")
    refused = cluster.run("vm", "disk-snapshot-delete", "web", "vda", "later")
    assert (refused.returncode, "lies on it" in refused.stderr) == (5, True), refused.stderr
    cluster.out("vm", "disk-snapshot-delete", "web", "vda", "last")
    cluster.out("vm", "disk-snapshot-delete", "web", "vdb", "other")
    if image == "common":
        cluster.out("vm", "update", "web", "--context", "WORD=later")
        for host in ("h2", "h1", "h2"):  # from a host whose QEMU is root to one whose is not, and on
            cluster.out("vm", "migrate", "web", "--host", host, "--live")
        refused = cluster.run("vm", "disk-snapshot-delete", "web", "vda", "later")
        assert (refused.returncode, "a live migration brought it" in refused.stderr) == (5, True), refused.stderr
    assert names(cluster) == ["clean", "later"], "snapshots are lost"
    now = guest_facts(address)
    assert (now["boot-id"], int(now["counter"]) > int(before["counter"])) == (before["boot-id"], True)
    cluster.out("vm", "poweroff", "web")
    command = (str(cluster.vm("web")["host"]), "virsh", "domblklist", f"one-{vm_id}")
    defined = lab.exec(*command)
    cluster.out("vm", "disk-snapshot-create", "web", "vda", "off")
    assert lab.exec(*command) != defined, "whoever starts it by hand writes to a snapshot"
    cluster.out("vm", "disk-snapshot-delete", "web", "vda", "off")
    assert held(cluster, lab) == "after"
    cluster.out("vm", "disk-snapshot-revert", "web", "vda", "clean")
    assert opened(cluster, lab) == "before"
    cluster.out("vm", "disk-snapshot-create", "web", "vda", "branch")
    assert tree(cluster) == {"clean": "-", "later": "clean", "branch": "clean"}
    cluster.out("vm", "disk-snapshot-revert", "web", "vda", "later")
    cluster.out("vm", "disk-snapshot-delete", "web", "vda", "branch")
    cluster.out("vm", "disk-snapshot-delete", "web", "vda", "later")
    assert opened(cluster, lab) == "after"
    cluster.out("vm", "migrate", "web", "--host", other(str(cluster.vm("web")["host"])))
    cluster.out("vm", "disk-snapshot-delete", "web", "vda", "clean")
    assert names(cluster) == []
    assert again(cluster, address) == "after"
    assert_sound(cluster, lab)
    cluster.out("vm", "terminate", "web")
    assert_left_nothing(lab, vm_id)


def test_memory_and_disks_go_back_together(cluster: Program, lab: LabHandle) -> None:
    address = create(cluster, "web", "own")
    keep(address, "before")
    before = guest_facts(address)
    cluster.out("vm", "snapshot-create", "web", "first")
    cluster.out("vm", "snapshot-rename", "web", "first", "clean")
    keep(address, "after")
    refused = cluster.run("vm", "migrate", "web", "--live")
    assert (refused.returncode, "it has snapshots" in refused.stderr) == (5, True), refused.stderr
    cluster.out("vm", "snapshot-revert", "web", "clean")
    eventually(lambda: guest_facts(address).get("kept") == "before", "the word in the guest's memory")
    now = guest_facts(address)
    assert (now["boot-id"], int(now["counter"]) >= int(before["counter"])) == (before["boot-id"], True)
    cluster.out("vm", "snapshot-delete", "web", "clean")
    cluster.out("vm", "migrate", "web", "--live")
    cluster.out("vm", "poweroff", "web")
    assert opened(cluster, lab) == "before", "the disk went back, too"
    assert_sound(cluster, lab)


def test_a_vm_like_it_is_made_of_a_vm(cluster: Program, lab: LabHandle) -> None:
    address = create(cluster, "web", "own")
    keep(address, "kept-word")
    cluster.out("vm", "disk-snapshot-create", "web", "vda", "clean")
    keep(address, "later")
    cluster.out("vm", "disk-saveas", "web", "vda", "golden", "--snapshot", "clean")
    cluster.out("vm", "create", "other", "--image", "golden", "--memory", "128M", "--network", "lan")
    assert held(cluster, lab, "other") == "kept-word"
    cluster.out("vm", "poweroff", "other", "--hard")
    cluster.out("vm", "poweroff", "web")
    cluster.out("vm", "save", "web", "shop")
    cluster.out("template", "instantiate", "shop", "--name", "fourth", "--dry-run")
    cluster.out("vm", "clone", "web", "third")
    third = str(cluster.vm("third")["addresses"][0])
    eventually(lambda: guest_facts(third).get("kept") == "later", "the clone's guest")
    assert_sound(cluster, lab)
    for name in ("web", "other", "third"):
        cluster.out("vm", "terminate", name, "--hard")
    cluster.out("template", "remove", "shop")
    for name in ("golden", "shop-disk-0", "third-disk-0"):
        cluster.out("image", "remove", name)
