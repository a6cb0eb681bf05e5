"""What hosts and clusters are set to, and what it does to live migrations; whose a host is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.e2e.test_main_job import other
from tests.lab.handle import LabHandle

KEYS = "cat /var/lib/nebula/ssh/id_ed25519 /var/lib/nebula/ssh/known_hosts"
pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


def test_a_host_is_one_engine_s(cluster: Program, lab: LabHandle, tmp_path: Path) -> None:
    """The second engine is told whose it is, and takes nothing away when it gives up."""
    second = Program(tmp_path / "second")
    key = second.out("host", "key")
    lab.exec("h1", "sh", "-c", 'echo "$1" >> /root/.ssh/authorized_keys', "sh", key)
    keys = lab.exec("h1", "sh", "-c", KEYS)
    words = ("host", "add", "mine", "--address", lab.host("h1")["address"], "--accept-new-key", "--virt", "qemu")
    refused = second.run(*words)
    assert refused.returncode == 5
    assert "host mine is managed by another engine" in refused.stderr
    assert f"that of {cluster.home} on " in refused.stderr
    assert "nebula host update mine --take-over" in refused.stderr
    second.out("host", "remove", "mine")
    assert lab.exec("h1", "sh", "-c", KEYS) == keys

    second.out(*words, "--take-over")
    taken = cluster.run("host", "check", "h1")
    assert (taken.returncode, f"that of {second.home} on " in taken.stdout) == (1, True)
    cluster.out("host", "update", "h1", "--take-over")
    assert cluster.run("host", "check", "h1").returncode == 0
    second.out("host", "remove", "mine")
    assert cluster.run("host", "check", "h1").returncode == 0


def test_an_sshd_that_forwards_nothing_is_found(cluster: Program, lab: LabHandle) -> None:
    """It breaks live migrations and, at the host itself, libvirt's connection."""
    _with_sshd(lab, "1i AllowTcpForwarding no")
    asked = {host: cluster.run("host", "check", host) for host in ("h1", "h2")}
    _with_sshd(lab, "1d")
    assert [asked[host].returncode for host in ("h1", "h2")] == [1, 1]
    assert "peer h2: sshd on h2 forwards no ports" in asked["h1"].stdout
    assert "its sshd has allowtcpforwarding no" in asked["h2"].stdout
    assert "/etc/ssh/sshd_config.d/00-nebula.conf" in asked["h2"].stdout
    assert cluster.run("host", "check", "h1").returncode == 0


def _with_sshd(lab: LabHandle, edit: str) -> None:
    """h2's sshd with its configuration edited."""
    lab.exec("h2", "sed", "-i", edit, "/etc/ssh/sshd_config")
    lab.damage("h2", "sshd")
    lab.mend("h2", "sshd")


def test_a_cluster_says_how_guests_migrate(cluster: Program, lab: LabHandle) -> None:
    cluster.out("vm", "create", "quick", "--image", "common", "--memory", "128M")
    start = str(cluster.vm("quick")["host"])
    refused = cluster.run("cluster", "update", "default", "--migration-tunnel", "smoke")
    assert refused.returncode == 2
    cluster.out("cluster", "update", "default", "--migration-tunnel", "plain", "--migration-bandwidth", "200")
    assert cluster.json("cluster", "show", "default", "-f", "json")["migration"] == {"tunnel": "plain", "bandwidth_mib": 200}
    cluster.out("vm", "migrate", "quick", "--live", "--host", other(start))
    cluster.out("cluster", "update", "default", "--migration-tunnel", "tls", "--migration-bandwidth", "0")
    refused = cluster.run("vm", "migrate", "quick", "--live", "--host", start)
    cluster.out("cluster", "update", "default", "--migration-tunnel", "ssh")
    assert "ca-cert.pem" in refused.stderr
    assert "--migration-tunnel ssh" in refused.stderr
    assert cluster.vm("quick")["host"] == other(start)
