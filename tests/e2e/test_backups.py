"""Backups of a real guest in a real repository on another host: compared byte for byte with what its disk held."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.program import Program
from tests.e2e.soundness import assert_sound, digest, open_jobs
from tests.e2e.test_main_job import create
from tests.e2e.test_snapshots import keep
from tests.lab.gates import Gate
from tests.lab.handle import LabHandle, eventually, guest_facts

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]
VAULT = "/var/lib/nebula/vault"
_NAS = r"""
[ ! -e /run/nas.pid ] || { kill "$(cat /run/nas.pid)"; while [ -e /run/nas.pid ]; do sleep 0.1; done; }
install -d /run/sshd /srv/nas && install -d -o backup /srv/nas/vault && touch /etc/nas_keys || exit 1
[ -e "/root/nas.$1" ] || ssh-keygen -q -t ed25519 -N "" -f "/root/nas.$1" </dev/null || exit 1
/usr/sbin/sshd -f /dev/null -h "/root/nas.$1" -p 2222 -o PidFile=/run/nas.pid -o AuthorizedKeysFile=/etc/nas_keys \
    -o ChrootDirectory=/srv/nas -o ForceCommand=internal-sftp -o "Subsystem=sftp internal-sftp" -o AllowUsers=backup
while [ ! -e /run/nas.pid ]; do sleep 0.1; done
"""


@pytest.fixture(scope="module")
def vault(session_cluster: Program, session_lab: LabHandle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository on h1."""
    secret = tmp_path_factory.mktemp("secret") / "password"
    secret.write_text("a word that nobody guesses\n")
    made = ("datastore", "create", "vault", "--type", "backup", "--path", VAULT, "--host", "h1")
    session_cluster.out(*made, "--password-file", str(secret), "--keep-last", "3")
    yield secret
    session_cluster.out("backup", "remove", *[str(row["id"]) for row in backups(session_cluster)])
    session_cluster.out("datastore", "remove", "vault")
    session_lab.exec("h1", "rm", "-rf", VAULT)


def backups(cluster: Program) -> list[dict[str, Any]]:
    """Oldest first."""
    rows = cluster.json("backup", "list", "-c", "id,kind,state,stored,verified,reason", "--sort", "id", "-f", "json")
    return [dict(row) for row in rows]


@contextmanager
def nas(cluster: Program, lab: LabHandle, secret: Path) -> Iterator[None]:
    """A repository on a server that is no host: an sshd on h1 with keys of its own, which gives an account SFTP in a directory
    and nothing else. Its backups go with it.
    """
    lab.exec("h1", "sh", "-c", _NAS, "nas", "first")
    server = f"backup@{lab.host('h1')['address']}:2222"
    where = ("--server", server, "--path", "/vault", "--password-file", str(secret))
    made = ("datastore", "create", "nas", "--type", "backup", *where)
    other = cluster.run(*made, "--fingerprint", f"SHA256:{'A' * 43}")
    assert (other.returncode, "has no key SHA256:AAAA" in other.stderr) == (4, True), other.stderr
    told = cluster.run(*made, "--accept-new-key").stderr
    key = next(line for line in told.splitlines() if line.startswith("ssh-ed25519 "))
    refused = cluster.run("datastore", "check", "nas")
    assert (refused.returncode, refused.stdout.count(key)) == (1, 2), refused.stdout
    lab.exec("h1", "sh", "-c", 'echo "$1" >/etc/nas_keys', "keys", key)
    assert "can use /vault" in cluster.out("datastore", "check", "nas")
    lab.exec("h1", "sh", "-c", _NAS, "nas", "second")
    changed = cluster.run("datastore", "check", "nas")
    fingerprint = re.findall(r"nebula datastore update \d+ --fingerprint (SHA256:\S+)", changed.stdout)
    assert (changed.returncode, len(fingerprint)) == (1, 2), changed.stdout
    cluster.out("datastore", "update", "nas", "--fingerprint", fingerprint[0])
    cluster.out("datastore", "check", "nas")
    yield
    rows = cluster.json("backup", "list", "datastore=nas", "-c", "id", "-f", "json")
    cluster.out("backup", "remove", *[str(row["id"]) for row in rows])
    cluster.out("datastore", "remove", "nas")
    lab.exec("h1", "sh", "-c", 'kill "$(cat /run/nas.pid)"; rm -r /srv/nas /etc/nas_keys')


def disk(lab: LabHandle, cluster: Program) -> str:
    """Of the guest's disk, to which it does not write now."""
    vm = cluster.vm("web")
    path = lab.exec(vm["host"], "sh", "-c", f"ls -d /var/lib/nebula/datastores/*/vms/{vm['id']}/disk.0").strip()
    return digest(lab, vm["host"], path)


def restored(lab: LabHandle, cluster: Program, backup: int, name: str) -> str:
    """Of the disk of another VM that is made of a backup."""
    cluster.out("backup", "restore", str(backup), "--name", name, "--hold")
    image = cluster.json("image", "show", f"{name}-disk-0", "-f", "json")
    host = image["copies_on"][0]
    path = lab.exec(host, "sh", "-c", f"ls /var/lib/nebula/datastores/*/images/{image['uuid']}.qcow2").strip()
    return digest(lab, host, path)


def at_rest(cluster: Program, lab: LabHandle) -> None:
    """Once what need not be kept is forgotten."""
    eventually(lambda: open_jobs(cluster) == [], "the retention")
    assert_sound(cluster, lab)


def remembered(lab: LabHandle, cluster: Program) -> list[str]:
    """The checkpoints that libvirt has of the guest."""
    vm = cluster.vm("web")
    return lab.exec(vm["host"], "virsh", "checkpoint-list", f"one-{vm['id']}", "--name").split()


def test_a_running_guest_is_backed_up_and_comes_back(cluster: Program, lab: LabHandle, vault: Path) -> None:
    address = create(cluster, "web", "own", "--host", "h2")
    truth = []
    for word in ("first", "second"):
        keep(address, word)
        cluster.out("backup", "create", "web")
        truth.append(disk(lab, cluster))
    full, increment = backups(cluster)
    assert (full["kind"], increment["kind"]) == ("full", "increment"), increment
    assert increment["stored"] < full["stored"] / 10
    assert len(remembered(lab, cluster)) == 1
    assert truth[0] != truth[1]
    assert [restored(lab, cluster, row["id"], f"old-{row['id']}") for row in (full, increment)] == truth
    cluster.out("vm", "terminate", f"old-{increment['id']}")
    cluster.out("vm", "release", f"old-{full['id']}")
    again = str(cluster.vm(f"old-{full['id']}")["addresses"][0])
    eventually(lambda: guest_facts(again).get("kept") == "first", "the restored guest's word")
    cluster.out("vm", "terminate", f"old-{full['id']}", "--hard")
    cluster.out("image", "remove", f"old-{full['id']}-disk-0", f"old-{increment['id']}-disk-0")

    cluster.out("vm", "poweroff", "web")
    cluster.out("backup", "restore", str(full["id"]), "--in-place")
    assert disk(lab, cluster) == truth[0]
    cluster.out("vm", "resume", "web")
    eventually(lambda: guest_facts(address).get("kept") == "first", "the word of the first backup")
    cluster.out("vm", "backup", "web")
    assert backups(cluster)[-1]["reason"] == "its disks were restored since"
    at_rest(cluster, lab)

    cluster.out("vm", "migrate", "web", "--host", "h1", "--live")
    keep(address, "third")
    cluster.out("vm", "backup", "web")
    last = backups(cluster)[-1]
    assert (last["kind"], last["reason"]) == ("full", "the VM came to another host since")
    assert len(remembered(lab, cluster)) == 1, "what the guest brought along is forgotten"
    three = [increment["id"], last["id"] - 1, last["id"]]
    eventually(lambda: [row["id"] for row in backups(cluster)] == three, "three that are kept")
    cluster.out("backup", "verify", str(increment["id"]))
    assert restored(lab, cluster, last["id"], "new") == disk(lab, cluster)
    cluster.out("vm", "terminate", "new")
    cluster.out("image", "remove", "new-disk-0")
    cluster.out("vm", "snapshot-create", "web", "clean")
    cluster.out("vm", "snapshot-revert", "web", "clean")
    cluster.out("vm", "snapshot-delete", "web", "clean")
    cluster.out("vm", "backup", "web")
    assert backups(cluster)[-1]["reason"] == "the VM went back to a snapshot since"
    with nas(cluster, lab, vault):
        truth = []
        for word in ("fourth", "fifth"):
            keep(address, word)
            cluster.out("backup", "create", "web", "--datastore", "nas")
            truth.append(disk(lab, cluster))
        full, increment = backups(cluster)[-2:]
        assert (full["kind"], increment["kind"]) == ("full", "increment"), increment
        assert [restored(lab, cluster, row["id"], f"nas-{row['id']}") for row in (full, increment)] == truth
        copies = [f"nas-{row['id']}" for row in (full, increment)]
        cluster.out("vm", "terminate", *copies)
        cluster.out("image", "remove", *[f"{name}-disk-0" for name in copies])
        work = lab.exec("h1", "sh", "-c", "ls /var/lib/nebula/work") + lab.exec("h2", "sh", "-c", "ls /var/lib/nebula/work")
        assert ".key" not in work
    cluster.out("vm", "poweroff", "web")
    cluster.out("vm", "backup", "web")
    assert restored(lab, cluster, backups(cluster)[-1]["id"], "off") == disk(lab, cluster)
    cluster.out("vm", "terminate", "off")
    cluster.out("image", "remove", "off-disk-0")
    at_rest(cluster, lab)


def test_cut_off_in_the_middle(cluster: Program, lab: LabHandle, vault: Path) -> None:
    del vault
    address = create(cluster, "web", "common", "--host", "h2")
    cluster.out("vm", "backup", "web")
    known = backups(cluster)[-1]
    gate = Gate(lab, "h2", "restic", " backup ")
    keep(address, "cancelled")
    cluster.start_daemon()
    with gate.shut():
        number = cluster.out("vm", "backup", "web", "--no-wait")
        gate.await_reached()
        assert cluster.vm("web")["state"] == "BACKUP"
        cluster.out("job", "cancel", number)
    assert (cluster.vm("web")["state"], backups(cluster)[-1]) == ("RUNNING", known)
    assert len(remembered(lab, cluster)) == 1
    at_rest(cluster, lab)
    keep(address, "killed")
    with gate.shut():
        cluster.out("vm", "backup", "web", "--no-wait")
        gate.await_reached()
        cluster.kill_daemon()
        gate.open()
    cluster.start_daemon()
    cluster.out("vm", "wait", "web", "RUNNING", "--timeout", "2m")
    made = backups(cluster)[-1]
    assert (made["kind"], made["id"] > known["id"]) == ("increment", True), made
    assert len(remembered(lab, cluster)) == 1
    cluster.stop_daemon()
    cluster.out("vm", "migrate", "web", "--host", "h1", "--live")
    cluster.out("vm", "backup", "web")
    assert (backups(cluster)[-1]["kind"], len(remembered(lab, cluster))) == ("full", 1)
    cluster.out("backup", "verify", str(made["id"]))
    at_rest(cluster, lab)
    lab.exec("h1", "cp", "-a", f"{VAULT}/data", "/root/sound")
    damage = 'for f in "$1"/data/*/*; do printf damage | dd of="$f" bs=1 seek=40 conv=notrunc status=none; done'
    lab.exec("h1", "sh", "-c", damage, "damage", VAULT)
    found = cluster.run("backup", "verify", str(made["id"]))
    assert (found.returncode, "is damaged" in found.stderr) == (1, True), found.stderr
    assert "damaged" in [row["state"] for row in backups(cluster)]
    lab.exec("h1", "sh", "-c", 'rm -r "$1/data" && mv /root/sound "$1/data"', "mend", VAULT)
    cluster.out("backup", "verify", str(made["id"]))
    at_rest(cluster, lab)
