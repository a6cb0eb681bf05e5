"""A LUN that hosts have as a block device by two ways, as Fibre Channel gives it: a guest on it, and one of the ways lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.program import Program
from tests.lab.handle import LabHandle, eventually, fetch, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(3000)]

_CONFIG = "defaults { user_friendly_names no\n find_multipaths no\n path_grouping_policy multibus\n polling_interval 2 }"
_JOIN = 'printf "%s\\n" "$1" >/etc/multipath.conf; modprobe dm_multipath && systemctl start multipathd && multipath'
_PART = "systemctl stop multipathd multipathd.socket; multipath -F; rm -f /etc/multipath.conf; true"
_HOSTS = ("m1", "m2")


@pytest.fixture(scope="module")
def joined(session_machines: LabHandle, machine_cluster: Program) -> Iterator[str]:
    """The two ways to `san2` are one device on both hosts: its path. Before that, the datastore's check says what is wrong."""
    machine_cluster.out("datastore", "create", "fc", "--driver", "dev")
    said = machine_cluster.run("datastore", "check", "fc").stdout
    assert said.count("multipath does not join them") == 2, said
    for host in _HOSTS:
        session_machines.exec(host, "sh", "-c", _JOIN, "sh", _CONFIG)
    wwn = next(str(disk["wwn"]) for disk in session_machines.host("m1")["disks"] if disk["paths"] == 2)
    yield f"/dev/mapper/3{wwn.removeprefix('0x')}"
    for host in _HOSTS:
        session_machines.exec(host, "sh", "-c", _PART)


def test_a_guest_does_not_notice_that_a_way_to_its_lun_is_lost(
    machines: Program, session_machines: LabHandle, joined: str, guest_image: Path
) -> None:
    machines.out("image", "create", "lun", "--source", joined, "--path", str(guest_image), "--datastore", "fc")
    by_id = f"/dev/disk/by-id/dm-uuid-mpath-{joined.rpartition('/')[2]}"
    again = machines.run("image", "create", "alias", "--source", by_id, "--datastore", "fc")
    assert "is image lun" in again.stderr, again.stderr
    machines.out("image", "remove", "alias")

    machines.out("vm", "create", "web", "--image", "lun", "--memory", "128M", "--network", "lan", "--host", "m1")
    address = str(machines.vm("web")["addresses"][0])
    eventually(lambda: "counter" in guest_facts(address), "the guest's page", seconds=900)
    before = guest_facts(address)
    write(address, "both")

    session_machines.damage("m1", "san-path")
    for word in ("one", "two", "three"):
        write(address, word)
    now = guest_facts(address)
    assert (now["boot-id"], now["kept"]) == (before["boot-id"], "three")
    assert machines.state("web") == "RUNNING"
    said = machines.run("datastore", "check", "fc").stdout
    assert "of 2 ways to LUN" in said, said

    session_machines.mend("m1", "san-path")
    eventually(lambda: "ways to LUN" not in machines.run("datastore", "check", "fc").stdout, "both ways", seconds=300)
    write(address, "again")
    machines.out("vm", "poweroff", "web", "--hard")

    session_machines.exec("m2", "dmsetup", "create", "taken", "--table", f"0 1024 linear {joined} 0")
    twice = machines.run("vm", "resume", "web")
    session_machines.exec("m2", "dmsetup", "remove", "taken")
    assert "is in use on host m2: part of /dev/dm-" in twice.stderr, twice.stderr
    machines.out("vm", "terminate", "web")
    machines.out("image", "remove", "lun")
    machines.out("datastore", "remove", "fc")


def write(address: str, word: str) -> None:
    """The guest writes the word to its disk, past every cache."""
    fetch(address, f"/cgi-bin/keep?{word}", seconds=120)
    eventually(lambda: guest_facts(address).get("kept") == word, f"{word} on the disk", seconds=300)
