from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from nebula.transport.forward import LONGEST_PATH, SocketPlace
from nebula.transport.local import LocalTransport
from nebula.transport.ssh import SshTransport
from tests.unit.transport.conftest import Connect

Real = SshTransport | LocalTransport


def _echo(listener: socket.socket) -> None:
    while True:
        try:
            peer, _ = listener.accept()
        except OSError:
            return
        with peer:
            while data := peer.recv(1 << 16):
                peer.sendall(data.upper())


@pytest.fixture(params=["unix", "tcp"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[socket.socket]:
    """A server that answers in capitals."""
    family = socket.AF_UNIX if request.param == "unix" else socket.AF_INET
    listener = socket.socket(family)
    listener.bind(str(tmp_path / "server.sock") if request.param == "unix" else ("127.0.0.1", 0))
    listener.listen()
    thread = threading.Thread(target=_echo, args=(listener,))
    thread.start()
    yield listener
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def _talk(where: str) -> bytes:
    unix = where.startswith("/")
    with socket.socket(socket.AF_UNIX if unix else socket.AF_INET) as client:
        client.settimeout(20)
        host, _, port = where.rpartition(":")
        client.connect(where if unix else (host, int(port)))
        client.sendall(b"hello")
        return client.recv(100)


@pytest.mark.parametrize("kind", ["local", "ssh"])
def test_leads_there_until_closed(kind: str, connect: Connect, server: socket.socket) -> None:
    transport: Real = LocalTransport() if kind == "local" else connect()
    forward = (
        transport.forward_socket(server.getsockname())
        if server.family == socket.AF_UNIX
        else transport.forward_tcp(*server.getsockname())
    )
    assert [_talk(forward.local) for _ in range(3)] == [b"HELLO"] * 3
    forward.close()
    forward.close()
    if kind == "ssh":
        assert not forward.local.startswith("/") or not Path(forward.local).parent.exists()
        with pytest.raises((FileNotFoundError, ConnectionRefusedError)):
            _talk(forward.local)


def test_closing_a_port_ends_the_connections_through_it(connect: Connect, server: socket.socket) -> None:
    if server.family == socket.AF_UNIX:
        return
    forward = connect().forward_tcp(*server.getsockname())
    host, _, port = forward.local.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(b"hello")
        assert client.recv(100) == b"HELLO"
        forward.close()
        assert client.recv(100) == b""


def test_a_port_where_nobody_listens_ends_the_connection(connect: Connect) -> None:
    forward = connect().forward_tcp("127.0.0.1", 1)
    host, _, port = forward.local.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        assert client.recv(100) == b""
    forward.close()


def test_socket_is_ours_alone_and_short(connect: Connect, tmp_path: Path) -> None:
    forward = connect().forward_socket(str(tmp_path / "any"))
    place = Path(forward.local)
    assert len(os.fsencode(place)) <= LONGEST_PATH
    assert stat.S_IMODE(place.parent.stat().st_mode) == 0o700
    forward.close()


def test_tunnels_take_no_sessions(connect: Connect, tmp_path: Path) -> None:
    transport = connect()
    forwards = [transport.forward_socket(str(tmp_path / "any")) for _ in range(12)]
    assert transport.run(["echo", "fine"]).text == "fine\n"
    for forward in forwards:
        forward.close()


@pytest.mark.parametrize("runtime", ["", "relative", "/no/such/directory", "/tmp/" + "x" * 120])
def test_unfit_runtime_directory_is_passed_over(monkeypatch: pytest.MonkeyPatch, runtime: str) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    place = SocketPlace()
    assert place.path.startswith(("/run/nebula-", "/tmp/nebula-"))
    place.remove()
    assert not Path(place.path).parent.exists()


def test_runtime_directory_is_first_choice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    place = SocketPlace()
    assert Path(place.path).parent.parent == tmp_path
    place.remove()


KILLED = """
import os, signal, socket
from nebula.transport.forward import SocketPlace
place = SocketPlace()
socket.socket(socket.AF_UNIX).bind(place.path)
print(place.path, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_taken_away_and_nothing_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    place = SocketPlace()
    killed = subprocess.run([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, check=False)
    left = Path(killed.stdout.strip()).parent
    used, fresh = tmp_path / "nebula-somebody", tmp_path / "nebula-newcomer"
    for other in (used, fresh):
        other.mkdir(mode=0o700)
    (used / "file").touch()
    for directory in (Path(place.path).parent, left, used):
        os.utime(directory, (0, 0))
    later = subprocess.run([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True, check=False)
    assert set(tmp_path.iterdir()) == {Path(place.path).parent, Path(later.stdout.strip()).parent, used, fresh}
    place.remove()
