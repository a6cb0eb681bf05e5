"""The main job on real hosts with real guests, proven from inside the guest."""

from __future__ import annotations

import pytest

from tests.e2e.program import Program
from tests.lab.handle import LabHandle, eventually, fetch, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def create(cluster: Program, name: str, image: str, *options: str) -> str:
    """A guest that answers; returns its address."""
    cluster.out("vm", "create", name, "--image", image, "--memory", "128M", "--network", "lan", *options)
    address = str(cluster.vm(name)["addresses"][0])
    eventually(lambda: "counter" in guest_facts(address), f"{name}'s page")
    return address


def other(host: str) -> str:
    """The lab's other host."""
    return "h2" if host == "h1" else "h1"


def assert_left_nothing(lab: LabHandle, vm_id: int) -> None:
    """No domain, no file, no tap of the VM on any host."""
    for host in ("h1", "h2"):
        assert f"one-{vm_id}" not in lab.exec(host, "virsh", "list", "--all", "--name")
        found = lab.exec(host, "find", "/var/lib/nebula", "/srv/nebula-shared", "-path", f"*/vms/{vm_id}*")
        assert found == "", found
        assert f"one-{vm_id}-" not in lab.exec(host, "ip", "-br", "link")


def test_guests_live_move_and_leave_nothing(alone: Program, lab: LabHandle) -> None:
    """One on its host's own datastore, one on the shared one: each moves alive to and fro, both flee, each moves cold."""
    key, images = _key(alone), {"web": "own", "shop": "common"}
    addresses = {name: create(alone, name, image, "--host", "h1", "--ssh-key", key) for name, image in images.items()}
    ids = {name: int(alone.vm(name)["id"]) for name in images}
    boots = {name: lives_and_moves(alone, lab, name, address) for name, address in addresses.items()}

    alone.out("host", "evacuate", "h1")
    assert {alone.vm(name)["host"] for name in images} == {"h2"}
    assert {name: guest_facts(address)["boot-id"] for name, address in addresses.items()} == boots
    assert lab.exec("h1", "virsh", "list", "--all", "--name").strip() == ""
    alone.out("host", "enable", "h1")

    for name, address in addresses.items():
        alone.out("vm", "poweroff", name)
        assert alone.vm(name)["state"] == "POWEROFF"
        assert fetch(address, seconds=1.0) is None
        alone.out("vm", "migrate", name, "--host", "h1")
        alone.out("vm", "resume", name)
    for name, address in addresses.items():
        eventually(lambda address=address: "counter" in guest_facts(address), f"{name} after its cold move")  # type: ignore[misc]
        assert "a-word" in guest_facts(address)["kept"], "its disk came along"
        assert guest_facts(address)["boot-id"] != boots[name]

    alone.out("vm", "terminate", *images)
    assert alone.json("vm", "list", "-f", "json") == []
    for number in ids.values():
        assert_left_nothing(lab, number)


def lives_and_moves(cluster: Program, lab: LabHandle, name: str, address: str) -> str:
    """A guest on h1 is what it was made as, and the same one on h2 and after its way back; its boot."""
    before = guest_facts(address)
    assert before["hostname"] == name
    assert "it's-a-key" in before["ssh-key"]
    fetch(address, "/cgi-bin/keep?a-word")

    cluster.out("vm", "migrate", name, "--host", "h2", "--live")
    after, vm = guest_facts(address), cluster.vm(name)
    assert vm["host"] == "h2"
    assert after["boot-id"] == before["boot-id"], "it was started anew"
    assert int(after["counter"]) > int(before["counter"])
    assert f"one-{vm['id']}" not in lab.exec("h1", "virsh", "list", "--all", "--name")

    cluster.out("vm", "migrate", name, "--host", "h1", "--live")
    assert guest_facts(address)["boot-id"] == before["boot-id"], "it was started anew on the way back"
    return before["boot-id"]


def _key(cluster: Program) -> str:
    path = cluster.home / "key.pub"
    path.write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl it's-a-key\n")
    return str(path)
