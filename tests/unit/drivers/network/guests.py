"""Guests on a host's bridge, each a namespace whose cable ends in the host as its card's tap would."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import msgspec

from nebula.model.network import NetworkSpec, NicSpec
from tests.unit.drivers.network.namespaces import Namespace, cable, make

ECHO = """
import socket, sys
server = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM)
server.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    server.sendto(*server.recvfrom(9000))
"""
ASK = """
import socket, sys
address, port, times, patience, source = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), sys.argv[5]
whole = 10, 2  # IP_MTU_DISCOVER, IP_PMTUDISC_DO: in one piece or not at all
question = b"?" * int(sys.argv[6])
answers = 0
for _ in range(times):
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(patience)
        if ":" not in address:
            client.setsockopt(socket.IPPROTO_IP, *whole)
        if source:
            client.bind((source, 0))
        try:
            client.sendto(question, (address, port))
            answers += client.recvfrom(9000)[0] == question
        except OSError:
            pass
print(answers)
"""
SNIFF = """
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
wire.bind(("eth0", 0))
wire.settimeout(30)
print("ready", flush=True)
seen = []
while not seen or seen[-1] != "end":
    frame = wire.recv(2000)
    if frame[:6] != b"\\xff" * 6:
        continue
    seen.append(frame[42:].rstrip(b"\\0").decode("ascii", "replace"))
print(" ".join(seen), flush=True)
"""
SEND = """
import socket, sys
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
wire.bind(("eth0", 0))
for frame in sys.argv[1:]:
    wire.send(bytes.fromhex(frame))
"""
BLIND = 0.3
"""Seconds in which an answer that may come would have come long ago."""


class Guest(msgspec.Struct, frozen=True):
    """A guest and its card."""

    inside: Namespace
    nic: NicSpec

    def with_filter(self, wanted: object) -> NicSpec:
        """Its card with that filter."""
        return msgspec.structs.replace(self.nic, filter=wanted)

    @contextlib.contextmanager
    def serving(self, port: int, address: str = "") -> Iterator[None]:
        """It answers by UDP."""
        argv = ["ip", "netns", "exec", self.inside.name, sys.executable, "-c", ECHO, address or self.nic.ip, str(port)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None
            assert server.stdout.readline() == b"ready\n"
            try:
                yield
            finally:
                server.kill()

    def asks(
        self, other: Guest, port: int, *, times: int = 1, patience: float = BLIND, source: str = "", to: str = "", size: int = 1
    ) -> int:
        """How many of its questions, of so many bytes, are answered."""
        return asks(self.inside, to or other.nic.ip, port, times=times, patience=patience, source=source, size=size)

    @contextlib.contextmanager
    def hearing(self) -> Iterator[list[str]]:
        """What comes to it as a broadcast, by the words behind the first 42 bytes; whole when a frame has said "end"."""
        argv = ["ip", "netns", "exec", self.inside.name, sys.executable, "-c", SNIFF]
        heard: list[str] = []
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as sniffer:
            assert sniffer.stdout is not None
            assert sniffer.stdout.readline() == b"ready\n"
            yield heard
            heard += sniffer.stdout.readline().decode().split()

    def sends(self, *frames: bytes) -> None:
        """Frames as they are."""
        self.inside.transport.run([sys.executable, "-c", SEND, *(frame.hex() for frame in frames)])


def asks(
    inside: Namespace, address: str, port: int, *, times: int = 1, patience: float = BLIND, source: str = "", size: int = 1
) -> int:
    """How many questions by UDP are answered."""
    words = [address, str(port), str(times), str(patience), source, str(size)]
    return int(inside.transport.run([sys.executable, "-c", ASK, *words]).text)


def guest(host: Namespace, network: NetworkSpec, number: int, *, first: int = 0, plugged: bool = True) -> Iterator[Guest]:
    """A guest with the addresses 10.9.0.NUMBER and fd09::NUMBER, of the VM NUMBER from `first` on; `plugged`: its card is a
    port of the network's bridge.
    """
    vm_id = first + number
    nic = NicSpec(
        vm_id=vm_id, nic_id=0, tap=f"one-{vm_id}-0", mac=f"02:00:0a:09:00:{number:02x}", network=network,
        ip=f"10.9.0.{number}", ip6=f"fd09::{number:x}",
    )  # fmt: skip
    for inside in make():
        inside.sh("sysctl -qw net.ipv6.conf.default.accept_dad=0")
        cable(host, nic.tap, inside, "eth0")
        inside.sh(f"ip link set eth0 address {nic.mac}")
        inside.sh(f"ip address add {nic.ip}/24 dev eth0")
        inside.sh(f"ip address add {nic.ip6}/64 dev eth0 nodad")
        if plugged:
            host.sh(f"ip link set {nic.tap} master {network.bridge}")
        yield Guest(inside, nic)
