"""A shared datastore by NFS, on a kernel's own server and clients: the hosts m1 and m2 mount what m1 exports."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from labkit.enter import argv_inside
from labkit.spec import load

from nebula.drivers.datastore import nfsexport
from nebula.transport.local import LocalTransport
from nebula.transport.outcome import Ended
from tests.e2e.program import Program
from tests.lab.handle import LabHandle, eventually, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(3600)]
OWN = "/srv/own"
EXPORT = "/srv/export"
BOOT_SECONDS = 600


@pytest.fixture(scope="module")
def server(session_machines: LabHandle) -> Iterator[str]:
    """The server's address; what it exports is empty at the end."""
    line = f'mkdir -p {EXPORT}; echo "{EXPORT} *(rw,sync,no_subtree_check,no_root_squash)" >/etc/exports; exportfs -ra'
    session_machines.exec("m1", "sh", "-ec", f"systemctl start nfs-server; {line}")
    yield str(session_machines.host("m1")["address"])
    left = session_machines.exec("m1", "find", EXPORT, "-type", "f")
    session_machines.exec("m1", "sh", "-ec", f"rm -r {EXPORT}; : >/etc/exports; exportfs -ra; systemctl stop nfs-server")
    assert left == ""


@pytest.fixture(scope="module")
def nfs(machine_cluster: Program, session_machines: LabHandle, server: str, guest_image: Path) -> Iterator[str]:
    """The datastore's directory on the hosts, with the guest's image `linux` in it; mounts are gone at the end."""
    machine_cluster.start_daemon()
    machine_cluster.out("datastore", "create", "nfs", "--driver", "shared", "--nfs-host", server, "--nfs-path", EXPORT)
    number = machine_cluster.json("datastore", "show", "nfs", "-f", "json")["id"]
    directory = f"/var/lib/nebula/datastores/{number}"
    machine_cluster.out("image", "create", "linux", "--path", str(guest_image), "--datastore", "nfs")
    yield directory
    machine_cluster.out("image", "remove", "linux")
    machine_cluster.out("datastore", "remove", "nfs")
    for host in ("m1", "m2"):
        assert mounts(session_machines, host) == ""
        session_machines.exec(host, "test", "!", "-e", directory)


def mounts(lab: LabHandle, host: str) -> str:
    """What is mounted by NFS there."""
    return lab.exec(host, "sh", "-c", "grep ' nfs4* ' /proc/mounts || true")


def boot(program: Program, name: str, host: str) -> str:
    """A guest that answers, and its address."""
    program.out("vm", "create", name, "--image", "linux", "--memory", "96M", "--network", "lan", "--host", host)
    address = str(program.vm(name)["addresses"][0])
    eventually(lambda: bool(guest_facts(address)), "the guest's page", seconds=BOOT_SECONDS)
    return address


def test_hosts_mount_it_and_a_check_does_the_whole_round(machines: Program, session_machines: LabHandle, nfs: str) -> None:
    found = machines.json("datastore", "check", "nfs", "-f", "json")
    assert [item["level"] for item in found] == ["ok"] * 4, found
    for host in ("m1", "m2"):
        (line,) = mounts(session_machines, host).splitlines()
        assert line.split()[1] == nfs
        assert {"hard", "nosuid", "nodev", "local_lock=none"} <= set(line.split()[3].split(","))


def test_a_guest_moves_and_outlives_its_server(machines: Program, session_machines: LabHandle, nfs: str) -> None:
    address = boot(machines, "web", "m1")
    before = guest_facts(address)
    session_machines.exec("m2", "umount", nfs)
    machines.migrate_live("web", "m2")
    assert nfs in mounts(session_machines, "m2"), "what is missing is mounted"
    eventually(lambda: bool(guest_facts(address)), "the guest's page", seconds=BOOT_SECONDS)
    session_machines.exec("m1", "systemctl", "stop", "nfs-server")
    try:
        found = machines.run("datastore", "check", "nfs")
        assert "does not reach NFS server" in found.stdout
        job = machines.out("vm", "create", "two", "--image", "linux", "--memory", "96M", "--host", "m1", "--no-wait")
        eventually(lambda: "does not reach NFS server" in machines.out("vm", "log", "two"), f"the reason {job}", seconds=120)
        assert machines.state("two") == "PROLOG"
    finally:
        session_machines.exec("m1", "systemctl", "start", "nfs-server")
    machines.out("vm", "wait", "two", "RUNNING", "--timeout", "10m")
    eventually(lambda: bool(guest_facts(address)), "the guest's page", seconds=BOOT_SECONDS)
    after = guest_facts(address)
    assert after["boot-id"] == before["boot-id"]
    assert int(after["counter"]) > int(before["counter"])


def test_nothing_is_written_where_nothing_is_mounted(machines: Program, session_machines: LabHandle, nfs: str) -> None:
    machines.stop_daemon()  # which would mount it again, looking at how full it is
    session_machines.exec("m2", "umount", nfs)
    session_machines.exec("m2", "sh", "-c", '! touch "$1/there"', "sh", nfs)
    session_machines.exec("m2", "sh", "-ec", 'chattr -i "$1"; touch "$1/there"', "sh", nfs)
    machines.start_daemon()
    found = machines.run("datastore", "check", "nfs").stdout
    assert "the directory is not empty" in found
    assert f"ssh m2 ls -la {nfs}" in found
    session_machines.exec("m2", "rm", f"{nfs}/there")
    machines.out("datastore", "check", "nfs")
    assert nfs in mounts(session_machines, "m2")


class Inside(LocalTransport):
    """A host of the lab as one's own machine."""

    def __init__(self, lab: LabHandle, host: str) -> None:
        super().__init__(host)
        self._lab, self._host = load(lab.root), host

    def _execute(self, argv: Sequence[str], **options: Any) -> Ended:
        return super()._execute(argv_inside(self._lab, self._lab.host(self._host), argv), **options)


def test_an_export_is_for_those_whom_it_names(session_machines: LabHandle, server: str) -> None:
    here, address = Inside(session_machines, "m1"), str(session_machines.host("m2")["address"])
    mount = ("timeout", "60", "mount", "-t", "nfs", "-o", "retry=0", f"{server}:{OWN}", "/mnt")
    nfsexport.export(here, "test", OWN, [address])
    session_machines.exec("m2", "sh", "-ec", '"$@"; touch /mnt/there; umount /mnt', "sh", *mount)
    session_machines.exec("m1", "sh", "-c", '! "$@"', "sh", *mount)
    nfsexport.export(here, "test", OWN, [server])
    session_machines.exec("m2", "sh", "-c", '! "$@"', "sh", *mount)
    nfsexport.take_back(here, "test")
    assert OWN not in session_machines.exec("m1", "exportfs", "-s")
    session_machines.exec("m1", "rm", "-r", OWN)


_AT_HOME = """
import sys
from pathlib import Path
from nebula.cli.entry import main
from nebula.transport import local
from tests.e2e.test_machines_nfs import Inside
from tests.lab.handle import LabHandle
directory, name, host = sys.argv[1:4]
class Here(Inside):
    def __init__(self, _: str = "") -> None:
        super().__init__(LabHandle(Path(directory), name), host)
local.LocalTransport = Here
sys.exit(main(sys.argv[4:]))
"""
"""The program, whose own machine is a host of the lab."""


def at_home(program: Program, lab: LabHandle, *argv: str) -> None:
    """A command that is its own engine, as if typed on m1."""
    program.stop_daemon()
    words = [sys.executable, "-c", _AT_HOME, str(lab.directory), lab.name, "m1", *argv]
    environment = {**program.environment, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=BOOT_SECONDS, check=False, input="")
    assert done.returncode == 0, done.stderr


def test_this_machine_exports_to_its_hosts_alone(machines: Program, session_machines: LabHandle, server: str) -> None:
    lab, addresses = session_machines, [str(session_machines.host(host)["address"]) for host in ("m1", "m2")]
    options = ("--driver", "shared", "--export", "--path", OWN, "--nfs-host", server)
    at_home(machines, lab, "datastore", "create", "exported", *options)
    shown = [line.split() for line in lab.exec("m1", "exportfs", "-s").splitlines() if line.startswith(OWN)]
    assert sorted(client.partition("(")[0] for _, client in shown) == addresses
    found = machines.json("datastore", "check", "exported", "-f", "json")
    assert [item["level"] for item in found] == ["ok"] * 4, found
    at_home(machines, lab, "datastore", "remove", "exported")
    assert OWN not in lab.exec("m1", "exportfs", "-s")
    assert [OWN in mounts(lab, host) for host in ("m1", "m2")] == [False, False]
    lab.exec("m1", "rm", "-r", OWN)
