"""Disks, cards and sizes that change while a guest runs, as the guest itself sees them."""

from __future__ import annotations

from pathlib import Path

import pytest

from nebula.cli.verbs.export import yaml_of
from nebula.cli.yamlfile import parse
from tests.e2e.program import Program
from tests.e2e.soundness import assert_sound
from tests.e2e.test_main_job import create, other
from tests.lab.handle import LabHandle, eventually, fetch, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def lines(address: str, key: str) -> list[list[str]]:
    """Every line of the guest's page with that key, in words."""
    found = [line.partition(": ") for line in (fetch(address) or "").splitlines()]
    return [value.split() for name, _, value in found if name == key]


def disks(address: str) -> dict[str, int]:
    """The guest's disks and their MiB."""
    return {name: int(sectors) >> 11 for name, sectors in lines(address, "disk")}


@pytest.mark.parametrize("image", ["own", "common"])
def test_disks_come_grow_and_go_while_a_guest_runs(cluster: Program, lab: LabHandle, image: str, tmp_path: Path) -> None:
    address = create(cluster, "web", image)
    boot = guest_facts(address)["boot-id"]
    cluster.out("vm", "disk-attach", "web", "16M")
    eventually(lambda: disks(address).get("vdb") == 16, "the new disk in the guest")
    cluster.out("vm", "disk-resize", "web", "vdb", "32M")
    eventually(lambda: disks(address).get("vdb") == 32, "its new size in the guest")
    here = str(cluster.vm("web")["host"])
    cluster.out("vm", "migrate", "web", "--host", other(here), "--live")
    assert disks(address).get("vdb") == 32
    cluster.out("vm", "disk-detach", "web", "vdb")
    eventually(lambda: "vdb" not in disks(address), "the disk to be gone from the guest")
    assert "disk.1" not in lab.exec(other(here), "find", "/var/lib/nebula/datastores", "/srv/nebula-shared", "-name", "disk.*")
    cluster.out("vm", "disk-attach", "web", "size=16M,dev_prefix=sd")
    eventually(lambda: 16 in disks(address).values(), "a SCSI disk in the guest")
    assert guest_facts(address)["boot-id"] == boot, "it was started anew"
    cluster.out("vm", "poweroff", "web")
    cluster.out("vm", "disk-resize", "web", "vda", "300M")
    cluster.out("vm", "disk-attach", "web", "8M")
    cluster.out("vm", "resume", "web")
    eventually(lambda: disks(address).get("vda") == 300 and 8 in disks(address).values(), "what changed while it was off")
    assert_sound(cluster, lab)
    refused = cluster.run("vm", "disk-resize", "web", "vda", "100M")
    assert (refused.returncode, "cannot shrink" in refused.stderr) == (5, True), refused.stderr
    told = tmp_path / "web.yaml"
    told.write_text(cluster.out("export", "vm"), encoding="utf-8")
    assert cluster.run("apply", "-f", str(told), "--diff").returncode == 0
    [document] = parse(told.read_text(encoding="utf-8"), "it")
    document["disk"][-1]["size"] = "24M"
    told.write_text(yaml_of([{**document, "disk": [*document["disk"], {"size": "12M"}]}]), encoding="utf-8")
    cluster.out("apply", "-f", str(told))
    eventually(lambda: {24, 12} <= set(disks(address).values()), "a disk that grew and one more, as the document says")
    assert_sound(cluster, lab)


def test_a_cd_is_read_in_the_guest(cluster: Program, lab: LabHandle, guest_image: object, tmp_path: Path) -> None:
    disc = cluster.home / "disc.iso"
    disc.write_bytes(bytes(3 << 20))
    cluster.out("image", "create", "disc", "--path", str(disc), "--type", "cdrom", "--format", "raw")
    cluster.out("image", "create", "empty-disc", "--size", "1M", "--type", "cdrom", "--format", "raw")
    address = create(cluster, "web", "own", "--disk", "image=disc")
    boot = guest_facts(address)["boot-id"]
    cluster.out("vm", "cd-eject", "web")
    host, domain = str(cluster.vm("web")["host"]), f"one-{cluster.vm('web')['id']}"
    drive = next(disk["target"] for disk in cluster.vm("web")["disks"] if disk["kind"] == "cdrom")
    assert f"{drive}      -" in lab.exec(host, "virsh", "domblklist", domain)
    told = tmp_path / "drive.yaml"
    told.write_text(cluster.out("export", "vm"), encoding="utf-8")
    cluster.out("vm", "cd-insert", "web", "empty-disc")
    assert f"{drive}      -" not in lab.exec(host, "virsh", "domblklist", domain)
    cluster.out("apply", "-f", str(told))
    assert f"{drive}      -" in lab.exec(host, "virsh", "domblklist", domain), "the document says that the drive is empty"
    assert guest_facts(address)["boot-id"] == boot
    cluster.out("vm", "terminate", "web", "--hard")
    cluster.out("apply", "-f", str(told))
    host, domain = str(cluster.vm("web")["host"]), f"one-{cluster.vm('web')['id']}"
    assert f"{drive}      -" in lab.exec(host, "virsh", "domblklist", domain), "made with an empty drive"
    cluster.out("vm", "terminate", "web", "--hard")
    for name in ("disc", "empty-disc"):
        cluster.out("image", "remove", name)


def test_a_guest_gets_cards_and_more_while_it_runs(cluster: Program, lab: LabHandle, tmp_path: Path) -> None:
    limits = ("--set", "VCPU_MAX=2", "--set", "MEMORY_MAX=192", "--set", "MEMORY_RESIZE_MODE=BALLOONING")
    address = create(cluster, "web", "own", *limits)
    cards_come_and_go(cluster, lab, address, tmp_path)
    gets_more(cluster, lab, address, tmp_path)


def cards_come_and_go(cluster: Program, lab: LabHandle, address: str, tmp_path: Path) -> None:
    """As it is told, and as documents say."""
    boot = guest_facts(address)["boot-id"]
    second, first = lab.guest_address(149), tmp_path / "one-card.yaml"
    first.write_text(cluster.out("export", "vm"), encoding="utf-8")
    cluster.out("vm", "nic-attach", "web", f"lan:ip={second}")
    eventually(lambda: len(lines(address, "nic")) == 2, "the new card in the guest")
    mac = cluster.vm("web")["nics"][1]["mac"]
    assert lines(address, "nic")[1][1] == mac
    eventually(lambda: fetch(address, "/context/ETH1_IP") == second, "the context of the new card in the guest")
    eventually(lambda: "counter" in guest_facts(second), "the guest at its second address")
    changed = cluster.run("vm", "nic-update", "web", "1", "--set", "OUTBOUND_AVG_BW=5000")
    host, domain = str(cluster.vm("web")["host"]), f"one-{cluster.vm('web')['id']}"
    assert ("5000" in lab.exec(host, "virsh", "dumpxml", domain)) == (changed.returncode == 0)
    assert changed.returncode == 0 or "modprobe" in changed.stderr, "refused by kernels that cannot limit what a card sends"
    told = tmp_path / "two-cards.yaml"
    told.write_text(cluster.out("export", "vm"), encoding="utf-8")
    assert second in told.read_text(encoding="utf-8")
    assert cluster.run("apply", "-f", str(told), "--diff").returncode == 0
    cluster.out("vm", "nic-detach", "web", "1")
    eventually(lambda: len(lines(address, "nic")) == 1, "the card to be gone from the guest")
    cluster.out("apply", "-f", str(told))
    eventually(lambda: len(lines(address, "nic")) == 2, "the card that the document says in the guest")
    assert second in cluster.vm("web")["addresses"]
    cluster.out("apply", "-f", str(first))
    eventually(lambda: len(lines(address, "nic")) == 1, "the card that no document says to be gone from the guest")
    assert guest_facts(address)["boot-id"] == boot
    assert_sound(cluster, lab)


def gets_more(cluster: Program, lab: LabHandle, address: str, tmp_path: Path) -> None:
    """Processors and memory within its limits while it runs, all others while it is off."""
    before = guest_facts(address)
    cluster.out("vm", "resize", "web", "--memory", "192M", "--cpus", "2")
    eventually(lambda: guest_facts(address)["cpus"] == "0-1", "the second CPU in the guest")
    eventually(
        lambda: int(guest_facts(address)["memory-kib"]) > int(before["memory-kib"]) + (48 << 10), "the memory in the guest"
    )
    assert guest_facts(address)["boot-id"] == before["boot-id"]
    refused = cluster.run("vm", "resize", "web", "--memory", "256M")
    assert (refused.returncode, "MEMORY_MAX is 192" in refused.stderr) == (5, True), refused.stderr
    cluster.out("vm", "poweroff", "web")
    cluster.out("vm", "resize", "web", "--memory", "256M", "--cpus", "1")
    (tmp_path / "more.one").write_text('VIDEO = [ TYPE = "vga", VRAM = "16384" ]\n')
    cluster.out("vm", "update", "web", "--file", str(tmp_path / "more.one"))
    cluster.out("vm", "resume", "web")
    host, domain = str(cluster.vm("web")["host"]), f"one-{cluster.vm('web')['id']}"
    assert "type='vga' vram='16384'" in lab.exec(host, "virsh", "dumpxml", domain)
    eventually(lambda: guest_facts(address).get("cpus") == "0", "the guest with its new size")
    assert int(guest_facts(address)["memory-kib"]) > 200 << 10
    assert_sound(cluster, lab)
