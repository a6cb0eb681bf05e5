from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from nebula.errors import UnreachableError, UsageError
from nebula.transport.hostkeys import host_key, host_keys, scan
from nebula.transport.loop import TunnelLoop
from tests.unit.transport.conftest import Sshd, _free_port


def _fingerprint(path: Path) -> str:
    """What OpenSSH itself says."""
    return subprocess.run(["ssh-keygen", "-lf", str(path)], capture_output=True, text=True, check=True).stdout.split()[1]


@pytest.mark.parametrize("own_loop", [True, False])
def test_scan_shows_what_the_server_has(sshd: Sshd, tunnels: TunnelLoop, own_loop: bool) -> None:
    keys = scan(sshd.address, sshd.port, loop=None if own_loop else tunnels)
    assert [key.line for key in keys] == [sshd.host_line]
    assert keys[0].fingerprint == _fingerprint(sshd.base / "host_key.pub")


def test_scan_of_a_dead_port(tunnels: TunnelLoop) -> None:
    with pytest.raises(UnreachableError, match="shows no host key"):
        scan("127.0.0.1", _free_port(), loop=tunnels)


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_fingerprints_are_opensshs(tmp_path: Path, kind: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", str(tmp_path / "key")], check=True)
    key = host_key((tmp_path / "key.pub").read_text())
    assert key.fingerprint == _fingerprint(tmp_path / "key.pub")
    assert key.matches(f"  {key.fingerprint}= ")
    assert key.matches(key.fingerprint.removeprefix("SHA256:"))
    assert not key.matches(key.fingerprint.swapcase())


def test_comments_and_empty_lines_are_no_keys(sshd: Sshd) -> None:
    assert [key.line for key in host_keys(f"\n# node1\n{sshd.host_line} comment\n")] == [sshd.host_line]


@pytest.mark.parametrize("line", ["", "ssh-ed25519", "ssh-ed25519 !!!", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAA"])
def test_what_is_no_key(line: str) -> None:
    with pytest.raises(UsageError, match="no public key"):
        host_key(line)
