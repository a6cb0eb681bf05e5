"""The engine's own key pair, and how its public half comes to a host that knows only a password."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from nebula.clock import SystemClock
from nebula.errors import UsageError
from nebula.transport.authorized import ensure_line
from nebula.transport.hostkeys import host_key, host_keys, public_line
from nebula.transport.login import Login
from nebula.transport.loop import TunnelLoop
from nebula.transport.ssh import SshTransport


class KeyPair(msgspec.Struct, frozen=True):
    """A key pair as text: the private half as OpenSSH keeps it in a file, the public half as one line."""

    private: str
    public_line: str


class EngineKey(msgspec.Struct, frozen=True):
    """The engine's key pair: where the private half lies (0600), and the public half as one line."""

    private_path: Path
    public_line: str


def ensure_engine_key(home: Path) -> EngineKey:
    """The key pair in `home`/ssh, made (ed25519) if there is none."""
    directory = home / "ssh"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    private, public = directory / "id_ed25519", directory / "id_ed25519.pub"
    if not (private.exists() and public.exists()):
        with _locked(directory):
            _make(private, public)
    private.chmod(0o600)
    return EngineKey(private, public.read_text().strip())


def new_key_pair(comment: str) -> KeyPair:
    """A new pair (ed25519) without a passphrase."""
    import asyncssh

    key = asyncssh.generate_private_key("ssh-ed25519", comment=comment)
    return KeyPair(key.export_private_key("openssh").decode(), public_line(key))


def put_key(
    address: str, port: int, user: str, password: str, key_line: str, known_host: str, *, loop: TunnelLoop | None = None
) -> None:
    """Add a public key to the user's authorized_keys on a host, logged in by password. There already: nothing.

    The password goes into the encrypted login and nowhere else. Raises DeniedError if the host does not take it,
    HostKeyError if the host is not the one that `known_host` (lines "TYPE BASE64") describes, UnreachableError.
    """
    host_key(key_line)
    if "\n" in key_line.strip():
        raise UsageError("a public key is one line")
    login = Login(name=address, address=address, port=port, user=user, pinned=host_keys(known_host), password=password)
    own = loop or TunnelLoop()
    own.start()
    transport = SshTransport.with_password(login, own, SystemClock())
    try:
        ensure_line(transport, key_line.strip())
    finally:
        transport.close()
        if loop is None:
            own.stop()


def _make(private: Path, public: Path) -> None:
    """Write both halves; a private half that lost its public one keeps its key."""
    import asyncssh

    if private.exists():
        key = asyncssh.read_private_key(private)
    else:
        key = asyncssh.generate_private_key("ssh-ed25519", comment=f"nebula@{socket.gethostname()}")
        _write(private, key.export_private_key("openssh"))
    _write(public, key.export_public_key("openssh"))


def _write(path: Path, data: bytes) -> None:
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
