"""Each thing that can be broken is broken, and whole again when mended."""

from __future__ import annotations

import pytest

from .handle import LabHandle, eventually

pytestmark = pytest.mark.lab

VIRSH = ("virsh", "-c", "qemu:///system")
DOMAIN = "<domain type='qemu'><name>kept</name><memory>65536</memory><os><type>hvm</type></os></domain>"


def test_network(lab: LabHandle) -> None:
    lab.damage("h2", "network")
    assert lab.ssh("h2", "true").returncode == 255
    assert lab.host("h2")["libvirtd"]
    lab.mend("h2", "network")
    assert lab.ssh("h2", "true").returncode == 0


def test_libvirtd(lab: LabHandle) -> None:
    lab.damage("h2", "libvirtd")
    assert lab.ssh("h2", *VIRSH, "list").returncode == 1
    assert lab.ssh("h1", *VIRSH, "list").returncode == 0
    lab.mend("h2")
    assert lab.ssh("h2", *VIRSH, "list").returncode == 0


def test_sshd_and_its_sessions(lab: LabHandle) -> None:
    lab.damage("h2", "sshd")
    assert lab.ssh("h2", "true").returncode == 255
    lab.mend("h2")
    assert lab.ssh("h2", "true").returncode == 0


def test_a_full_disk(lab: LabHandle) -> None:
    write = ("dd", "if=/dev/zero", "of=/var/lib/nebula/more", "bs=1M", "count=1", "conv=fsync")
    lab.damage("h1", "disk")
    assert "No space left" in lab.ssh("h1", *write).stderr
    assert lab.ssh("h2", *write).returncode == 0
    lab.mend("h1")
    assert lab.ssh("h1", *write).returncode == 0


def test_power_takes_everything_and_gives_back_disks_and_definitions(lab: LabHandle) -> None:
    before = lab.host("h2")
    (lab.shared / "kept.xml").write_text(DOMAIN)
    lab.exec("h2", *VIRSH, "define", "/srv/nebula-shared/kept.xml")
    lab.exec("h2", "sh", "-c", "echo word > /var/lib/nebula/word; ip link add lost type bridge")
    lab.damage("h2", "power")
    assert lab.host("h2")["power"] is False
    assert lab.ssh("h2", "true").returncode == 255
    lab.mend("h2")
    after = lab.host("h2")
    assert (after["uuid"], after["host_key"], after["address"]) == (before["uuid"], before["host_key"], before["address"])
    assert lab.ssh("h2", "cat", "/var/lib/nebula/word").stdout == "word\n"
    assert "kept" in lab.ssh("h2", *VIRSH, "list", "--all", "--name").stdout
    assert lab.ssh("h2", "ip", "link", "show", "lost").returncode == 1
    lab.exec("h2", *VIRSH, "undefine", "kept")


def test_a_host_that_goes_down_by_itself_is_mended_too(lab: LabHandle) -> None:
    lab.ssh("h2", "kill", "-TERM", "1")
    eventually(lambda: not lab.host("h2")["power"], "the host to go down")
    lab.mend("h2")
    assert lab.ssh("h2", *VIRSH, "list").returncode == 0
