"""Hosts that are virtual machines: reached as others are, with a kernel and disks of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.lab.handle import LabHandle

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(3000)]
_KERNEL = ("8021q", "bonding", "dm-thin-pool", "dm-multipath", "openvswitch", "nfsd", "nfsv4", "iscsi_tcp", "target_core_mod")


@pytest.fixture
def lab(session_machines: LabHandle) -> Iterator[LabHandle]:
    """The session's machines, whole again after the test."""
    yield session_machines
    session_machines.mend_all()


def test_they_are_reached_like_other_hosts_and_have_what_this_machine_s_kernel_lacks(lab: LabHandle) -> None:
    for host in ("m1", "m2"):
        assert lab.ssh(host, "hostname").stdout == f"{host}\n"
        assert lab.ssh(host, "sudo", "-n", "id", "-u", user="nebula").stdout == "0\n"
        assert lab.ssh(host, "virsh", "-c", "qemu:///system", "hostname", user="nebula").stdout.strip() == host
        assert lab.exec(host, "cat", "/sys/class/dmi/id/product_uuid").strip() == lab.host(host)["uuid"]
    lab.exec("m1", "modprobe", "-a", *_KERNEL)
    assert lab.exec("m1", "ssh-keyscan", "-t", "ed25519", "m2").split()[1:] == lab.host("m2")["host_key"].split()


def test_they_see_disks_of_their_own_and_a_san_s(lab: LabHandle) -> None:
    seen = [sorted(lab.exec(host, "lsblk", "-dno", "SERIAL,WWN").split("\n")) for host in ("m1", "m2")]
    assert [[line.split()[0] for line in lines if "0x" in line] for lines in seen] == [["own1", "san1", "san2", "san2"]] * 2
    assert [lines[-3:] for lines in seen[:1]] == [lines[-3:] for lines in seen[1:]], "a SAN's disks have one name everywhere"
    disk = f"/dev/disk/by-id/wwn-{lab.host('m1')['disks'][1]['wwn']}"
    lab.exec("m1", "sh", "-c", 'printf written | dd of="$1" oflag=direct bs=512 conv=sync', "sh", disk)
    assert lab.exec("m2", "dd", f"if={disk}", "iflag=direct", "bs=512", "count=1").startswith("written")


def test_what_is_broken_is_mended(lab: LabHandle) -> None:
    lab.damage("m1", "network")
    lab.damage("m1", "libvirtd")
    lab.damage("m1", "san")
    assert lab.ssh("m1", "true").returncode == 255
    broken = lab.host("m1")
    assert (broken["power"], broken["sshd"], broken["libvirtd"]) == (True, True, False)
    disk = f"/dev/disk/by-id/wwn-{broken['disks'][1]['wwn']}"
    lab.exec("m1", "sh", "-c", '! dd if="$1" iflag=direct bs=512 count=1', "sh", disk)
    lab.mend("m1")
    assert lab.ssh("m1", "virsh", "-c", "qemu:///system", "hostname").stdout.strip() == "m1"
    lab.exec("m1", "dd", f"if={disk}", "iflag=direct", "bs=512", "count=1")


def test_a_power_cut_leaves_what_was_written(lab: LabHandle) -> None:
    lab.exec("m2", "sh", "-c", "echo kept >/root/mark; sync")
    lab.damage("m2", "power")
    assert lab.host("m2")["power"] is False
    lab.mend("m2")
    assert lab.exec("m2", "cat", "/root/mark") == "kept\n"
