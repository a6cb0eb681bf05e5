"""Two accounts of one machine play two hosts: the key of one lets it in at the other, for commands, from its address."""

from __future__ import annotations

import stat
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.errors import NotFoundError, UsageError
from nebula.transport.peers import authorize_peer, ensure_peer_key, revoke_peer, write_known_hosts
from tests.unit.transport.conftest import ALLOWED_UID, Connect, Sshd

_OTHERS = "# mine\nssh-ed25519 AAAA somebody@else \n\nssh-rsa BBBB no-newline-at-the-end"


@pytest.fixture
def keys(sshd: Sshd) -> Iterator[Path]:
    path = sshd.home("allowed") / ".ssh" / "authorized_keys"
    yield path
    path.unlink(missing_ok=True)


def _ssh(sshd: Sshd, root: Path, *command: str) -> subprocess.CompletedProcess[str]:
    options = {
        "IdentityFile": root / "ssh/id_ed25519",
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": root / "ssh/known_hosts",
        "GlobalKnownHostsFile": "/dev/null",
        "BatchMode": "yes",
    }
    flags = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    argv = ["ssh", "-F", "none", *flags, "-p", str(sshd.port), f"allowed@{sshd.address}", *command]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)


def test_key_is_made_once_and_stays(connect: Connect, tmp_path: Path) -> None:
    root = tmp_path / "nebula"
    line = ensure_peer_key(connect(user="allowed"), str(root))
    assert ensure_peer_key(connect(), str(root)) == line
    assert stat.S_IMODE(root.stat().st_mode) == 0o755
    private = root / "ssh" / "id_ed25519"
    assert (stat.S_IMODE(private.stat().st_mode), private.stat().st_uid) == (0o600, 0)
    assert stat.S_IMODE(private.parent.stat().st_mode) == 0o700


def test_peer_comes_in_and_is_let_out(connect: Connect, sshd: Sshd, keys: Path, tmp_path: Path) -> None:
    here, there = connect(), connect(user="allowed")
    line = ensure_peer_key(here, str(tmp_path))
    write_known_hosts(here, str(tmp_path), {sshd.address: sshd.host_line})
    authorize_peer(there, "node1", line, [sshd.address], "allowed")
    assert _ssh(sshd, tmp_path, "id -un").stdout == "allowed\n"
    authorize_peer(there, "node1", line, ["192.0.2.7"], "allowed")
    assert _ssh(sshd, tmp_path, "true").returncode == 255
    revoke_peer(there, "node1")
    assert keys.read_text() == ""


def test_known_hosts_are_pinned(connect: Connect, sshd: Sshd, keys: Path, tmp_path: Path) -> None:
    here = connect()
    authorize_peer(connect(user="allowed"), "node1", ensure_peer_key(here, str(tmp_path)), [sshd.address], "allowed")
    write_known_hosts(here, str(tmp_path), {sshd.address: (sshd.base / "other_key.pub").read_text()})
    done = _ssh(sshd, tmp_path, "true")
    assert done.returncode == 255
    assert "verification failed" in done.stderr


def test_entry_is_restricted_and_renewed(connect: Connect, sshd: Sshd, keys: Path) -> None:
    there = connect(user="allowed")
    for _ in range(2):
        authorize_peer(there, "node1", sshd.host_line, ["10.0.0.1", "fe80::1"], "allowed")
    sockets = ',permitopen="[/run/libvirt/virtqemud-sock]:*",permitopen="[/run/libvirt/libvirt-sock]:*"'
    limits = f'restrict,port-forwarding,permitopen="127.0.0.1:*"{sockets},from="10.0.0.1,fe80::1"'
    assert keys.read_text() == f"{limits} {sshd.host_line} nebula-peer:node1\n"


def test_names_are_resolved_where_they_are_compared(connect: Connect, sshd: Sshd, keys: Path) -> None:
    there = connect(user="allowed")
    authorize_peer(there, "node1", sshd.host_line, ["localhost"], "allowed")
    assert keys.read_text().partition("from=")[2].startswith(('"127.0.0.1', '"::1'))
    with pytest.raises(NotFoundError, match="cannot resolve"):
        authorize_peer(there, "node1", sshd.host_line, ["no-such-host.invalid"], "allowed")


@pytest.mark.parametrize("login", ["root", "allowed"])
def test_other_lines_stay_as_they_are(connect: Connect, sshd: Sshd, keys: Path, login: str) -> None:
    there = connect(user=login)
    keys.parent.mkdir(exist_ok=True)
    keys.parent.chmod(0o700)
    keys.write_text(_OTHERS)
    keys.chmod(0o640)
    for path in (keys.parent, keys):
        subprocess.run(["chown", str(ALLOWED_UID), str(path)], check=True)
    authorize_peer(there, "node1", sshd.host_line, ["10.0.0.1"], "allowed")
    authorize_peer(there, "node10", sshd.host_line, ["10.0.0.2"], "allowed")
    revoke_peer(there, "node1")
    text = keys.read_text()
    assert text.startswith(_OTHERS + "\n")
    assert [line.split()[-1] for line in text.splitlines()[4:]] == ["nebula-peer:node10"]
    assert (stat.S_IMODE(keys.stat().st_mode), keys.stat().st_uid) == (0o640, ALLOWED_UID)
    assert [entry.name for entry in keys.parent.iterdir()] == ["authorized_keys"]


def test_edits_at_the_same_time_all_count(connect: Connect, sshd: Sshd, keys: Path) -> None:
    there = connect(user="allowed")

    def authorize(number: int) -> None:
        authorize_peer(there, f"node{number}", sshd.host_line, ["10.0.0.1"], "allowed")

    threads = [threading.Thread(target=authorize, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {line.split()[-1] for line in keys.read_text().splitlines()} == {f"nebula-peer:node{n}" for n in range(12)}


def test_revoking_a_stranger_is_nothing(connect: Connect, sshd: Sshd, keys: Path) -> None:
    there = connect(user="allowed")
    revoke_peer(there, "node99")
    assert not keys.exists()
    authorize_peer(there, "node9", sshd.host_line, ["10.0.0.9"], "allowed")
    before = keys.read_bytes(), keys.stat().st_mtime_ns
    revoke_peer(there, "node99")
    assert (keys.read_bytes(), keys.stat().st_mtime_ns) == before


@pytest.mark.parametrize(
    ("name", "address"), [("a b", "10.0.0.1"), ("", "10.0.0.1"), ("node1", '1"'), ("node1", "-x"), ("node1", "")]
)
def test_words_that_would_break_the_entry(connect: Connect, sshd: Sshd, name: str, address: str) -> None:
    with pytest.raises(UsageError):
        authorize_peer(connect(user="allowed"), name, sshd.host_line, [address], "allowed")
