"""Hosts are apart from each other and from the machine, and are reached as real ones are."""

from __future__ import annotations

from pathlib import Path

import pytest

from .handle import LabHandle, MakeLab, run_lab

pytestmark = pytest.mark.lab


def test_ssh_reaches_each_host_as_root_and_as_a_user_with_sudo(lab: LabHandle) -> None:
    for host in ("h1", "h2"):
        assert lab.ssh(host, "hostname").stdout == f"{host}\n"
        assert lab.ssh(host, "sudo", "-n", "id", "-u", user="nebula").stdout == "0\n"
        assert lab.ssh(host, "virsh", "-c", "qemu:///system", "hostname", user="nebula").stdout.strip() == host


def test_hosts_have_a_uuid_a_host_key_and_files_of_their_own(lab: LabHandle) -> None:
    first, second = lab.status()["hosts"]
    assert first["uuid"] != second["uuid"]
    assert first["host_key"] != second["host_key"]
    for name in ("/root/mark", "/tmp/mark", "/etc/mark", "/var/lib/nebula/mark", "/var/lib/libvirt/images/mark"):
        lab.exec("h1", "touch", name)
        assert lab.ssh("h2", "test", "-e", name).returncode == 1
        assert not Path(name).exists()
        lab.exec("h1", "rm", name)


def test_the_shared_directory_is_seen_by_all(lab: LabHandle) -> None:
    lab.exec("h1", "touch", "/srv/nebula-shared/mark")
    assert lab.ssh("h2", "test", "-e", "/srv/nebula-shared/mark").returncode == 0
    (lab.shared / "mark").unlink()


def test_hosts_reach_each_other_by_name(lab: LabHandle) -> None:
    assert lab.exec("h1", "ssh-keyscan", "-t", "ed25519", "h2").split()[1:] == lab.host("h2")["host_key"].split()


def test_a_second_lab_of_a_limited_host_runs_beside_the_first_and_leaves_nothing(lab: LabHandle, make_lab: MakeLab) -> None:
    other = make_lab(1, "--memory", "1024", "--cpus", "0.5", "--stock", "h1")
    assert other.status()["number"] != lab.status()["number"]
    assert other.exec("h1", "sed", "-n", "s/^MemTotal: *//p", "/proc/meminfo") == "1048576 kB\n"
    pid, number = other.host("h1")["pid"], other.status()["number"]
    other.run("down")
    assert not Path(f"/proc/{pid}").exists()
    assert not Path(f"/sys/class/net/nl{number}").exists()
    assert str(other.directory) not in Path("/proc/self/mountinfo").read_text()
    assert not list(Path("/sys/fs/cgroup").glob(f"**/nebula-lab-{number}"))
    assert not other.root.exists()
    assert lab.ssh("h1", "true").returncode == 0


def test_a_lab_that_is_up_is_not_made_again(lab: LabHandle) -> None:
    refused = run_lab(lab.directory, lab.name, "up", "1")
    assert refused.returncode == 1
    assert "is up already" in refused.stderr
    assert "down" in refused.stderr


def test_what_does_not_exist_is_named(lab: LabHandle, tmp_path: Path) -> None:
    assert "h1, h2" in run_lab(lab.directory, lab.name, "exec", "h9", "true").stderr
    assert "no lab runs" in run_lab(tmp_path, "lab", "status").stderr
    assert "no name for a lab" in run_lab(tmp_path, "../lab", "status").stderr
