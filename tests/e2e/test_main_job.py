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


@pytest.mark.parametrize("image", ["own", "common"])
def test_a_guest_lives_moves_and_leaves_nothing(alone: Program, lab: LabHandle, image: str) -> None:
    address = create(alone, "web", image, "--ssh-key", _key(alone))
    vm = alone.vm("web")
    before = guest_facts(address)
    assert before["hostname"] == "web"
    assert "it's-a-key" in before["ssh-key"]
    fetch(address, "/cgi-bin/keep?a-word")

    alone.out("vm", "migrate", "web", "--host", other(vm["host"]), "--live")
    after = guest_facts(address)
    assert alone.vm("web")["host"] == other(vm["host"])
    assert after["boot-id"] == before["boot-id"], "it was started anew"
    assert int(after["counter"]) > int(before["counter"])
    assert f"one-{vm['id']}" not in lab.exec(vm["host"], "virsh", "list", "--all", "--name")

    alone.out("vm", "migrate", "web", "--host", vm["host"], "--live")
    assert guest_facts(address)["boot-id"] == before["boot-id"], "it was started anew on the way back"

    alone.out("vm", "poweroff", "web")
    assert alone.vm("web")["state"] == "POWEROFF"
    assert fetch(address, seconds=1.0) is None
    alone.out("vm", "migrate", "web", "--host", other(vm["host"]))
    alone.out("vm", "resume", "web")
    eventually(lambda: "counter" in guest_facts(address), "the guest after its cold move")
    assert "a-word" in guest_facts(address)["kept"], "its disk came along"
    assert guest_facts(address)["boot-id"] != before["boot-id"]

    alone.out("vm", "terminate", "web")
    assert alone.json("vm", "list", "-f", "json") == []
    assert_left_nothing(lab, vm["id"])


def _key(cluster: Program) -> str:
    path = cluster.home / "key.pub"
    path.write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl it's-a-key\n")
    return str(path)


def test_evacuation_moves_every_guest_alive(alone: Program, lab: LabHandle) -> None:
    first = create(alone, "one", "own", "--host", "h1")
    second = create(alone, "two", "common", "--host", "h1")
    boots = {address: guest_facts(address)["boot-id"] for address in (first, second)}
    alone.out("host", "evacuate", "h1")
    assert {alone.vm(name)["host"] for name in ("one", "two")} == {"h2"}
    assert {address: guest_facts(address)["boot-id"] for address in boots} == boots
    assert lab.exec("h1", "virsh", "list", "--all", "--name").strip() == ""
    alone.out("host", "enable", "h1")
