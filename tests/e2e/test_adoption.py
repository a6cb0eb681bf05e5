"""A host full of guests that virsh made moves in: nothing of them changes, and none of them notices."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.lab import guests
from tests.lab.handle import LabHandle, eventually, fetch, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(900)]
NAMES = [f"old-{number}" for number in range(10)]


@pytest.fixture
def old(lab: LabHandle, guest_image: Path) -> Iterator[dict[str, str]]:
    """Name -> address of ten guests on h1 that run, made with virsh."""
    found = {name: lab.guest_address(30 + number) for number, name in enumerate(NAMES)}
    for number, (name, address) in enumerate(found.items()):
        guests.define(lab, "h1", guest_image, name=name, address=address, mac=f"02:00:4c:4e:01:{number:02x}")
        lab.exec("h1", "virsh", "start", name)
    for name, address in found.items():
        eventually(lambda address=address: "counter" in guest_facts(address), f"the page of {name}", seconds=180)  # type: ignore[misc]
    yield found
    for name in NAMES:
        lab.ssh("h1", "virsh", "destroy", name)
        lab.ssh("h1", "virsh", "undefine", name)
        for path in lab.shared.glob(f"{name}.*"):
            guests.remove(path)


def heartbeats(lab: LabHandle, name: str) -> list[int]:
    """The numbers that a guest wrote on its serial line, a second each."""
    said = lab.exec("h1", "cat", f"/var/log/libvirt/qemu/{name}-serial.log")
    return [int(number) for number in re.findall(r"nebula-heartbeat (\d+)", said)]


def definition(lab: LabHandle, name: str) -> str:
    return lab.exec("h1", "virsh", "dumpxml", name) + lab.exec("h1", "virsh", "dumpxml", "--inactive", name)


def test_ten_guests_move_in_and_go_on(cluster: Program, lab: LabHandle, old: dict[str, str], tmp_path: Path) -> None:
    before = {name: guest_facts(address) for name, address in old.items()}
    defined = {name: definition(lab, name) for name in NAMES}
    listed = cluster.json("host", "import", "h1", "-f", "json")
    assert {item["name"]: item["state"] for item in listed} == dict.fromkeys(NAMES, "RUNNING")
    assert "adopt domain old-3" in cluster.out("host", "import", "h1", "--all", "--dry-run")
    cluster.out("host", "import", "h1", "--all")
    assert cluster.json("host", "import", "h1", "-f", "json") == []
    cluster.kill_daemon()
    cluster.start_daemon()
    for name, address in old.items():
        shown, facts = cluster.vm(name), guest_facts(address)
        assert (shown["state"], shown["host"], shown["memory_mib"], shown["vcpus"]) == ("RUNNING", "h1", 112, 1)
        assert shown["adopted"]["disks"][0]["path"] == f"{guests.SHARED}/{name}.qcow2"
        assert facts["boot-id"] == before[name]["boot-id"], "it was started anew"
        assert int(facts["counter"]) > int(before[name]["counter"])
        beats = heartbeats(lab, name)
        assert beats == list(range(beats[0], beats[0] + len(beats))), "a heartbeat is missing"
        assert definition(lab, name) == defined[name]

    # every verb that works, works; the domain keeps its name and definition
    inactive = lab.exec("h1", "virsh", "dumpxml", "--inactive", "old-0")
    fetch(old["old-0"], "/cgi-bin/keep?a-word")
    cluster.out("vm", "poweroff", "old-0")
    assert lab.exec("h1", "virsh", "domstate", "old-0").strip() == "shut off"
    cluster.out("vm", "resume", "old-0")
    eventually(lambda: "a-word" in guest_facts(old["old-0"]).get("kept", ""), "old-0 with its disk", seconds=180)
    assert lab.exec("h1", "virsh", "dumpxml", "--inactive", "old-0") == inactive
    cluster.out("vm", "suspend", "old-1")
    assert cluster.state("old-1") == "SUSPENDED"
    cluster.out("vm", "resume", "old-1")
    eventually(lambda: "counter" in guest_facts(old["old-1"]), "old-1 again")
    assert guest_facts(old["old-1"])["boot-id"] == before["old-1"]["boot-id"], "it lost its memory"
    cluster.out("vm", "reboot", "old-2", "--hard")
    refused = cluster.run("vm", "migrate", "old-3", "--host", "h2")
    assert refused.returncode == 5
    assert "can only be migrated live" in refused.stderr
    cluster.out("vm", "migrate", "old-3", "--host", "h2", "--live")
    assert lab.exec("h2", "virsh", "domstate", "old-3").strip() == "running"
    full = cluster.run("vm", "migrate", "old-3", "--host", "h1", "--live")
    assert (full.returncode, "host h1 has no room for VM old-3" in full.stderr) == (1, True), full.stderr
    cluster.out("host", "update", "h1", "--reserved-cpu", "-500%")
    cluster.out("vm", "migrate", "old-3", "--host", "h1", "--live")
    cluster.out("host", "update", "h1", "--reserved-cpu", "0")

    # what virsh does is seen; what is let go of stays; disks go only when somebody says so
    lab.exec("h1", "virsh", "destroy", "old-4")
    eventually(lambda: cluster.state("old-4") == "POWEROFF", "POWEROFF", seconds=30)
    cluster.out("vm", "disown", "old-5")
    assert definition(lab, "old-5") == defined["old-5"]
    assert guest_facts(old["old-5"])["boot-id"] == before["old-5"]["boot-id"]
    cluster.out("vm", "terminate", "old-6", "--hard")
    cluster.out("vm", "terminate", "old-7", "--hard", "--delete-disks")
    left = lab.exec("h1", "virsh", "list", "--all", "--name").split()
    assert set(NAMES) - set(left) == {"old-6", "old-7"}
    assert (lab.shared / "old-6.qcow2").exists()
    assert not (lab.shared / "old-7.qcow2").exists()
    assert (lab.shared / "old-7.iso").exists(), "only what the guest wrote to goes"
    for name in ("old-3", "old-8", "old-9"):
        assert guest_facts(old[name])["boot-id"] == before[name]["boot-id"]

    # what export says of them takes them up again
    told, mine = tmp_path / "moved.yaml", [name for name in NAMES if cluster.state(name) != "gone"]
    cluster.out("vm", "update", "old-9", "--set", "TEAM=office")
    told.write_text(cluster.out("export", "vm"), encoding="utf-8")
    assert cluster.run("apply", "-f", str(told), "--diff").returncode == 0
    for name in mine:
        cluster.out("vm", "disown", name)
    assert cluster.run("apply", "-f", str(told), "--diff").returncode == 1
    cluster.out("apply", "-f", str(told))
    assert [name for name in NAMES if cluster.state(name) != "gone"] == mine
    assert cluster.out("export", "vm") == told.read_text(encoding="utf-8")
    assert guest_facts(old["old-9"])["boot-id"] == before["old-9"]["boot-id"]
    for name in mine:
        cluster.out("vm", "disown", name)
