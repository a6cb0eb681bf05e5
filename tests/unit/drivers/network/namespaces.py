"""Hosts, guests and an outside made of network namespaces, gone with the test."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from nebula.drivers.base import HostHandle
from nebula.errors import CommandError
from nebula.transport.base import Completed

_NUMBERS = itertools.count(1)

ECHO = """
import socket, sys
server = socket.create_server((sys.argv[1], 7000))
print("ready", flush=True)
while True:
    connection, peer = server.accept()
    connection.sendall(peer[0].encode())
    connection.close()
"""
ASK = """
import socket, sys
connection = socket.create_connection((sys.argv[1], 7000), timeout=float(sys.argv[2]))
print(connection.recv(100).decode())
"""


class NamespaceTransport:
    """Commands in a network namespace of this machine."""

    def __init__(self, namespace: str) -> None:
        self.name = namespace

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float = 30,
        check: bool = True,
        root: bool = False,
        **_: Any,
    ) -> Completed:
        done = subprocess.run(
            ["ip", "netns", "exec", self.name, *argv], input=stdin or b"", capture_output=True, timeout=timeout, check=False
        )
        if check and done.returncode:
            raise CommandError(self.name, argv, done.returncode, done.stderr.decode())
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


class Namespace(msgspec.Struct, frozen=True):
    """One namespace; `sh` runs words in it."""

    transport: NamespaceTransport

    @property
    def name(self) -> str:
        return self.transport.name

    def sh(self, line: str) -> str:
        return self.transport.run(line.split()).text

    def start_echo(self, address: str) -> subprocess.Popen[bytes]:
        """A TCP server that tells each caller its address; ready when this returns."""
        argv = ["ip", "netns", "exec", self.name, sys.executable, "-c", ECHO, address]
        server = subprocess.Popen(argv, stdout=subprocess.PIPE)
        assert server.stdout is not None
        assert server.stdout.readline() == b"ready\n"
        return server

    def ask(self, address: str, patience: float = 10) -> str:
        """What the server there answers; empty if nothing."""
        return self.transport.run([sys.executable, "-c", ASK, address, str(patience)], check=False).text.strip()


def cable(one: Namespace, name: str, other: Namespace, other_name: str) -> None:
    """A cable between two namespaces."""
    one.sh(f"ip link add {name} type veth peer name {other_name} netns {other.name}")
    one.sh(f"ip link set {name} up")
    other.sh(f"ip link set {other_name} up")


def make() -> Iterator[Namespace]:
    """A fresh namespace; deleted when the iterator goes on."""
    name = f"nbt{os.getpid()}-{next(_NUMBERS)}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        namespace = Namespace(NamespaceTransport(name))
        namespace.sh("ip link set lo up")
        yield namespace
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def handle(namespace: Namespace, root: Path) -> HostHandle:
    """The namespace as a host."""
    transport: Any = namespace.transport
    return HostHandle(
        host_id=0, name=namespace.name, address="", user="root", port=22, virt="qemu", root=str(root), transport=transport
    )
