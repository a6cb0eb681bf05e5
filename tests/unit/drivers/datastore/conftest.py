"""Two hosts on one machine: two roots, reached through an sshd of the test's own on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from nebula.clock import SystemClock
from nebula.drivers.base import HostHandle
from nebula.drivers.datastore.shared import SharedDatastore
from nebula.drivers.datastore.ssh import SshDatastore
from nebula.model.storage import ImageSpec
from nebula.transport.local import LocalTransport
from nebula.transport.loop import TunnelLoop
from nebula.transport.ssh import SshTransport
from tests.contract.datastore import DatastoreLab

SSHD_OPTIONS = [
    "UsePAM=no",
    "PidFile=none",
    "StrictModes=no",
    "PermitRootLogin=yes",
    "PasswordAuthentication=no",
    "MaxStartups=100",
]
_WITH_ACCOUNTS = 'mount --bind "$1" /etc/passwd && shift && exec "$@"'


class Peers:
    """An sshd on 127.0.0.1 that lets one key in, and hosts whose roots hold that key. Its root has a shell and a home of the
    test's own: what this machine's root has its shell do at each login would be done for every command.
    """

    def __init__(self, directory: Path, *more: str) -> None:
        self._dir = directory
        for name in ("host", "client"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / name], check=True)
        shutil.copy(directory / "client.pub", directory / "authorized")
        self.port = free_port()
        options = [f"AuthorizedKeysFile={directory / 'authorized'}", "ListenAddress=127.0.0.1", *more, *SSHD_OPTIONS]
        words = [word for option in options for word in ("-o", option)]
        Path("/run/sshd").mkdir(exist_ok=True)
        argv = ["/usr/sbin/sshd", "-D", "-e", "-f", "/dev/null", "-h", str(directory / "host"), "-p", str(self.port), *words]
        accounts = ["unshare", "--mount", "--propagation", "slave", "sh", "-c", _WITH_ACCOUNTS, "sh", str(_accounts(directory))]
        self._log = (directory / "sshd.log").open("wb")
        self._process = subprocess.Popen([*accounts, *argv], stderr=self._log)
        wait_for_port(self.port)

    def public(self, name: str) -> str:
        """The public line of `host` or `client`."""
        return (self._dir / f"{name}.pub").read_text().strip()

    def host(self, number: int, root: Path) -> HostHandle:
        """A host whose root is `root`."""
        keys = root / "ssh"
        keys.mkdir(parents=True)
        shutil.copy(self._dir / "client", keys / "id_ed25519")
        host_key = (self._dir / "host.pub").read_text().rsplit(" ", 1)[0]
        (keys / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {host_key}\n")
        return HostHandle(
            host_id=number,
            name=f"node{number}",
            address="127.0.0.1",
            user="root",
            port=self.port,
            virt="qemu",
            root=str(root),
            transport=LocalTransport(f"node{number}"),
        )

    @contextmanager
    def talking(self) -> Iterator[None]:
        """Whatever runs on the hosts has words of a login before its own on stderr."""
        script = self._dir / "home" / ".ssh" / "rc"
        script.parent.mkdir(mode=0o700, exist_ok=True)
        script.write_text("echo 'rehash: no lock was to be had' >&2\n")
        yield
        script.unlink()

    def over_ssh(self, host: HostHandle, loop: TunnelLoop) -> HostHandle:
        """The same host, reached as an engine reaches a host that is not its own machine."""
        transport = SshTransport(
            name=host.name,
            address="127.0.0.1",
            user="root",
            port=self.port,
            key_path=self._dir / "client",
            known_host=(self._dir / "host.pub").read_text().rsplit(" ", 1)[0],
            loop=loop,
            clock=SystemClock(),
        )
        return msgspec.structs.replace(host, transport=transport)

    def close(self) -> None:
        """End the sshd."""
        self._process.terminate()
        self._process.wait(10)
        self._log.close()


def _accounts(directory: Path) -> Path:
    """This machine's accounts with another root."""
    (directory / "home").mkdir(mode=0o700)
    others = [line for line in Path("/etc/passwd").read_text().splitlines() if not line.startswith("root:")]
    accounts = directory / "passwd"
    accounts.write_text("\n".join([f"root:x:0:0::{directory / 'home'}:/bin/sh", *others, ""]))
    return accounts


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nothing listens on port {port}")


def stage_with_qemu_img(datastore: SharedDatastore | SshDatastore, host: HostHandle, image: ImageSpec) -> str:
    """A real image with some data in it, where an upload would put it."""
    staged = datastore.staging_path(host, image)
    subprocess.run(["qemu-img", "create", "-q", "-f", image.format, staged, str(image.size)], check=True)
    subprocess.run(["qemu-io", "-f", image.format, "-c", "write -P 65 1M 64k", staged], check=True, stdout=subprocess.DEVNULL)
    return staged


@contextmanager
def held_by_qemu(path: str) -> Iterator[None]:
    """A QEMU has the qcow2 file open to write to it, and no other one may."""
    holder = subprocess.Popen(["qemu-io", "-f", "qcow2", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.read(9) == b"qemu-io> "
    assert subprocess.run(["qemu-img", "info", "-f", "qcow2", path], capture_output=True, check=False).returncode
    yield
    holder.communicate(timeout=60)


def lab_on(datastore: SharedDatastore | SshDatastore, source: HostHandle, target: HostHandle) -> DatastoreLab:
    return DatastoreLab(
        datastore, source, target, lambda host, image: stage_with_qemu_img(datastore, host, image),
        lambda host, disk: held_by_qemu(datastore.disk_path(host, disk)),
        lambda: sorted({found for host in (source, target) for found in lying(datastore, host)}),
    )  # fmt: skip


def lying(datastore: SharedDatastore | SshDatastore, host: HostHandle) -> list[str]:
    """Files of the datastore on the host, and what long commands left there."""
    places = [Path(datastore.base(host)), Path(host.root, "work")]
    return [str(path) for place in places for path in place.rglob("*") if not path.is_dir()]


@pytest.fixture(scope="session")
def peers() -> Iterator[Peers]:
    with tempfile.TemporaryDirectory(prefix="nebula-peers-") as directory:
        Path(directory).chmod(0o755)
        peers = Peers(Path(directory))
        yield peers
        peers.close()


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory through which QEMU's user could pass, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="nebula-datastore-") as directory:
        Path(directory).chmod(0o711)
        yield Path(directory)


@pytest.fixture
def hosts(peers: Peers, place: Path) -> tuple[HostHandle, HostHandle]:
    old = os.umask(0o066)
    try:
        return peers.host(1, place / "one"), peers.host(2, place / "two")
    finally:
        os.umask(old)


@pytest.fixture
def ssh_lab(hosts: tuple[HostHandle, HostHandle]) -> DatastoreLab:
    return lab_on(SshDatastore(100, {}), *hosts)


@pytest.fixture
def remote_lab(peers: Peers, ssh_lab: DatastoreLab) -> Iterator[DatastoreLab]:
    loop = TunnelLoop()
    loop.start()
    source, target = (peers.over_ssh(host, loop) for host in (ssh_lab.source, ssh_lab.target))
    yield replace(ssh_lab, source=source, target=target)
    source.transport.close()
    target.transport.close()
    loop.stop()


@pytest.fixture
def shared_lab(hosts: tuple[HostHandle, HostHandle], place: Path) -> DatastoreLab:
    (place / "share").mkdir(mode=0o711)
    return lab_on(SharedDatastore(101, {"path": str(place / "share")}), *hosts)
