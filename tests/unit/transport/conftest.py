"""A real sshd on loopback, in a mount namespace with accounts of its own, so that nothing of the machine is touched."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nebula.clock import SystemClock
from nebula.transport.commands import CommandTransport
from nebula.transport.local import LocalTransport
from nebula.transport.loop import TunnelLoop
from nebula.transport.ssh import SshTransport

PASSWORD = 'correct horse\'s "battery" $taple'
ALLOWED_UID, REFUSED_UID = 64101, 64102
_BINDS = ("passwd", "shadow", "group", "sudoers")
_CONFIG = """
ListenAddress 127.0.0.1
Port {port}
HostKey {base}/host_key
AuthorizedKeysFile {base}/keys-%u .ssh/authorized_keys
PasswordAuthentication yes
PermitRootLogin yes
StrictModes no
UsePAM no
UseDNS no
PidFile none
MaxSessions 10
AcceptEnv none
LogLevel ERROR
"""


class Sshd:
    """The server and what one needs to reach it."""

    def __init__(self, base: Path) -> None:
        self.base, self.address, self.port = base, "127.0.0.1", _free_port()
        self.key_path = base / "client_key"
        self._process: subprocess.Popen[bytes] | None = None
        self._prepare()

    @property
    def host_line(self) -> str:
        return " ".join((self.base / "host_key.pub").read_text().split()[:2])

    def home(self, user: str) -> Path:
        return self.base / "home" / user

    def start(self) -> None:
        binds = " && ".join(f'mount --bind "$1/{name}" /etc/{name}' for name in _BINDS)
        small = 'mount -t tmpfs -o size=1m none "$1/small"'
        script = f'mount --make-rprivate / && {binds} && {small} && exec /usr/sbin/sshd -D -e -f "$1/sshd_config"'
        self._process = subprocess.Popen(["unshare", "-m", "sh", "-c", script, "sh", str(self.base)])
        deadline = time.monotonic() + 20
        while not _answers(self.port):
            assert self._process.poll() is None, "sshd ended at its start"
            assert time.monotonic() < deadline, "sshd does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def drop_connections(self) -> None:
        """End the connections that are open, as a host that restarts does."""
        assert self._process is not None
        listed = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        for pid in listed.split():
            os.kill(int(pid), 9)

    def _prepare(self) -> None:
        base = self.base
        for name in ("host_key", "client_key", "other_key"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(base / name)], check=True)
        (base / "sshd_config").write_text(_CONFIG.format(port=self.port, base=base))
        for user, uid in (("root", 0), ("allowed", ALLOWED_UID), ("refused", REFUSED_UID)):
            self.home(user).mkdir(parents=True)
            os.chown(self.home(user), uid, uid)
            shutil.copy(base / "client_key.pub", base / f"keys-{user}")
        (base / "small").mkdir()
        self._write_accounts()

    def _write_accounts(self) -> None:
        done = subprocess.run(["openssl", "passwd", "-6", "-stdin"], input=PASSWORD, text=True, capture_output=True, check=True)
        people = (("allowed", ALLOWED_UID), ("refused", REFUSED_UID))
        passwd = [line for line in Path("/etc/passwd").read_text().splitlines() if not line.startswith("root:")]
        passwd.append(f"root:x:0:0::{self.home('root')}:/bin/sh")
        passwd += [f"{name}:x:{uid}:{uid}::{self.home(name)}:/bin/sh" for name, uid in people]
        self._etc("passwd", "\n".join(passwd), 0o644)
        self._etc("group", "root:x:0:\n" + "\n".join(f"{name}:x:{uid}:" for name, uid in people), 0o644)
        names = ("root", *(name for name, _ in people))
        self._etc("shadow", "\n".join(f"{name}:{done.stdout.strip()}:19000:0:99999:7:::" for name in names), 0o640)
        self._etc("sudoers", "allowed ALL=(root) NOPASSWD: ALL", 0o440)

    def _etc(self, name: str, text: str, mode: int) -> None:
        (self.base / name).write_text(text + "\n")
        (self.base / name).chmod(mode)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    own_directory = not Path("/run/sshd").exists()
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    base = Path(tempfile.mkdtemp(prefix="nebula-sshd-", dir="/tmp"))
    base.chmod(0o755)
    server = Sshd(base)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(base)
    if own_directory:
        Path("/run/sshd").rmdir()


@pytest.fixture(scope="session")
def tunnels() -> Iterator[TunnelLoop]:
    loop = TunnelLoop()
    loop.start()
    yield loop
    loop.stop()


Connect = Callable[..., SshTransport]


@pytest.fixture
def connect(sshd: Sshd, tunnels: TunnelLoop) -> Iterator[Connect]:
    """Makes transports to the server, by default as root with the right keys."""
    made: list[SshTransport] = []

    def make(**changes: object) -> SshTransport:
        arguments: dict[str, object] = {
            "name": "node1",
            "address": sshd.address,
            "user": "root",
            "port": sshd.port,
            "key_path": sshd.key_path,
            "known_host": sshd.host_line,
            "loop": tunnels,
            "clock": SystemClock(),
        }
        made.append(SshTransport(**{**arguments, **changes}))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for transport in made:
        transport.close()


@pytest.fixture(params=["local", "ssh"])
def transport(request: pytest.FixtureRequest, connect: Connect) -> CommandTransport:
    """Every kind of real transport, as root."""
    return LocalTransport("node1") if request.param == "local" else connect()
