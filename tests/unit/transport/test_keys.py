from __future__ import annotations

import stat
import subprocess
from pathlib import Path

import pytest

from nebula.errors import DeniedError, HostKeyError
from nebula.transport.keys import ensure_engine_key, put_key
from nebula.transport.loop import TunnelLoop
from tests.unit.transport.conftest import ALLOWED_UID, PASSWORD, Connect, Sshd


def test_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    key = ensure_engine_key(tmp_path)
    assert ensure_engine_key(tmp_path) == key
    assert stat.S_IMODE(key.private_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(key.private_path.parent.stat().st_mode) == 0o700
    derived = subprocess.run(["ssh-keygen", "-y", "-f", key.private_path], capture_output=True, text=True, check=True).stdout
    assert derived.split()[:2] == key.public_line.split()[:2]


def test_lost_public_half_comes_back(tmp_path: Path) -> None:
    key = ensure_engine_key(tmp_path)
    key.private_path.with_suffix(".pub").unlink()
    key.private_path.chmod(0o644)
    assert ensure_engine_key(tmp_path).public_line == key.public_line
    assert stat.S_IMODE(key.private_path.stat().st_mode) == 0o600


def test_password_brings_the_key_there(sshd: Sshd, tunnels: TunnelLoop, connect: Connect, tmp_path: Path) -> None:
    key = ensure_engine_key(tmp_path)
    keys = sshd.home("allowed") / ".ssh" / "authorized_keys"
    for _ in range(2):
        put_key(sshd.address, sshd.port, "allowed", PASSWORD, key.public_line, sshd.host_line, loop=tunnels)
    assert keys.read_text() == key.public_line + "\n"
    assert (stat.S_IMODE(keys.stat().st_mode), keys.stat().st_uid) == (0o600, ALLOWED_UID)
    assert connect(user="allowed", key_path=key.private_path).run(["id", "-un"]).text == "allowed\n"
    keys.unlink()


def test_wrong_password_is_refused_and_not_told(sshd: Sshd, tunnels: TunnelLoop, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    with pytest.raises(DeniedError, match="does not let allowed in by this password") as caught:
        put_key(sshd.address, sshd.port, "allowed", "wr0ng-secret", sshd.host_line, sshd.host_line, loop=tunnels)
    assert "wr0ng-secret" not in str(caught.value) + caught.value.hint + caplog.text


def test_password_goes_to_nobody_else(sshd: Sshd, tunnels: TunnelLoop) -> None:
    other = (sshd.base / "other_key.pub").read_text()
    with pytest.raises(HostKeyError):
        put_key(sshd.address, sshd.port, "allowed", PASSWORD, other, other, loop=tunnels)
