"""The server on loopback, with clients that mean well and such that do not."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from nebula.engine.api.values import GateView
from nebula.errors import UnreachableError
from nebula.onegate.exchange import MAX_BODY, MAX_HEAD
from nebula.onegate.server import PER_ADDRESS, Gate
from tests.support.sim import CALL, Sim, until

from .conftest import Guest


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def listen() -> str:
    return f"127.0.0.1:{free_port()}"


@pytest.fixture
def gate(sim: Sim, listen: str) -> Iterator[Gate]:
    made = Gate(sim.engine, sim.engine.onegate.heard, seconds=2.0)
    sim.engine.onegate.set(listen, CALL)
    made.start()
    until(lambda: sim.engine.onegate.show().listening)
    yield made
    made.stop()


@pytest.fixture
def guest(sim: Sim, gate: Gate) -> Guest:
    sim.add_vm("one", CONTEXT={"REPORT_READY": "YES"})
    return Guest(sim, "one")


def raw(listen: str, data: bytes, *, end: bool = True) -> bytes:
    """All that the server says to these bytes."""
    host, _, port = listen.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(data)
        if end:
            connection.shutdown(socket.SHUT_WR)
        said = b""
        try:
            while piece := connection.recv(65536):
                said += piece
        except ConnectionResetError:
            pass
        return said


def head(guest: Guest, *more: str, method: str = "GET") -> bytes:
    lines = [f"{method} /vm HTTP/1.1", "Host: gate", *(f"{name}: {value}" for name, value in guest.headers.items()), *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def test_a_guest_reports_with_what_its_cd_says(sim: Sim, guest: Guest, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert sim.engine.vms.show("one").body["ready"] is False
    endpoint = guest.told["ONEGATE_ENDPOINT"]
    done = httpx.put(f"{endpoint}/vm", content="READY=YES", headers=guest.headers)
    assert (done.status_code, done.content) == (200, b"")
    assert sim.engine.vms.show("one").body["ready"] is True
    shown = httpx.get(f"{endpoint}/vm", headers=guest.headers)
    assert shown.json()["VM"]["USER_TEMPLATE"] == {"READY": "YES"}
    assert guest.token not in caplog.text


def test_a_body_may_come_when_it_is_asked_for_and_in_pieces(sim: Sim, guest: Guest, listen: str) -> None:
    """Older curls ask before they send more than 1 KiB."""
    host, _, port = listen.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head(guest, "Expect: 100-continue", "Transfer-Encoding: chunked", method="PUT"))
        assert connection.recv(100).startswith(b"HTTP/1.1 100")
        for piece in (b"5\r\nREADY\r\n", b"4\r\n=YES\r\n", b"0\r\n\r\n"):
            connection.sendall(piece)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 OK")
    assert sim.engine.vms.show("one").body["ready"] is True


@pytest.mark.parametrize(
    ("more", "status"),
    [
        (["X: " + "a" * (MAX_HEAD + 8192)], b"431"),
        ([f"X{number}: a" for number in range(4000)], b"431"),
        (["Content-Length: 99999999999"], b"413"),
        (["Content-Length: x"], b"400"),
        (["Content-Length: 1", "Content-Length: 2"], b"400"),
        (["Transfer-Encoding: gzip"], b"501"),
        (["X\x00: a"], b"400"),
        ([" folded: a", "X : b"], b"400"),
        (["X-ONEGATE-TOKEN: 0"], b"401"),
    ],
)
def test_strange_heads_are_refused(guest: Guest, listen: str, more: list[str], status: bytes) -> None:
    answer = raw(listen, head(guest, *more, method="PUT") + b"A=1" * 40000)
    assert answer.split()[1] == status, answer[:200]
    assert answer.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    "data", [b"\x16\x03\x01\x02\x00\x01\x00", b"GET\r\n\r\n", b"\r\n" * 100, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
)
def test_what_is_no_http_at_all(guest: Guest, listen: str, data: bytes) -> None:
    answer = raw(listen, data)
    assert answer == b"" or answer.split()[1] in {b"400", b"401"}, answer


def test_a_huge_body_is_refused_before_it_is_here(sim: Sim, guest: Guest, listen: str) -> None:
    body = b"A=" + b"x" * (MAX_BODY + 1)
    told = head(guest, f"Content-Length: {len(body)}", method="PUT")
    assert raw(listen, told + body).split()[1] == b"413"
    chunks = b"".join(b"10000\r\n" + b"x" * 0x10000 + b"\r\n" for _ in range(3))
    assert raw(listen, head(guest, "Transfer-Encoding: chunked", method="PUT") + chunks).split()[1] == b"413"
    assert "reported" not in sim.engine.vms.show("one").body


def test_who_is_slow_is_cut_off_and_holds_up_nobody(guest: Guest, listen: str) -> None:
    host, _, port = listen.rpartition(":")
    slow = [socket.create_connection((host, int(port)), timeout=20) for _ in range(PER_ADDRESS - 2)]
    ended = threading.Event()

    def drip() -> None:
        while not ended.wait(0.2):
            for connection in slow:
                try:
                    connection.send(b"X")
                except OSError:
                    ended.set()

    dripping = threading.Thread(target=drip)
    dripping.start()
    try:
        assert raw(listen, head(guest), end=False).split()[1] == b"200"
        end = time.monotonic() + 20
        assert all(_closed(connection, end) for connection in slow), "each connection ends after its time"
    finally:
        ended.set()
        dripping.join()
        for connection in slow:
            connection.close()


def _closed(connection: socket.socket, end: float) -> bool:
    while time.monotonic() < end:
        try:
            if connection.recv(1000) == b"":
                return True
        except ConnectionResetError:
            return True
    return False


def test_one_address_takes_no_more_than_its_connections(guest: Guest, listen: str) -> None:
    host, _, port = listen.rpartition(":")
    held = [socket.create_connection((host, int(port)), timeout=20) for _ in range(PER_ADDRESS)]
    try:
        assert raw(listen, head(guest)) == b""
    finally:
        for connection in held:
            connection.close()
    until(lambda: raw(listen, head(guest)).startswith(b"HTTP/1.1 200"))


def test_it_moves_when_it_is_told_and_ends_when_it_is_told(sim: Sim, gate: Gate, guest: Guest, listen: str) -> None:
    other = f"127.0.0.1:{free_port()}"
    sim.engine.onegate.set(other, CALL)
    gate.changed()
    until(lambda: _answers(other))
    assert not _answers(listen)
    sim.engine.onegate.set("", CALL)
    gate.changed()
    until(lambda: not _answers(other))
    assert sim.engine.onegate.show().listen == ""


def _answers(listen: str) -> bool:
    host, _, port = listen.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=20):
            return True
    except ConnectionRefusedError:
        return False


def test_settings_that_cannot_be_read_are_read_again(
    sim: Sim, gate: Gate, guest: Guest, listen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A database on a server may be away for a while."""
    show, failed = sim.engine.onegate.show, threading.Event()

    def away() -> GateView:
        if failed.is_set():
            return show()
        failed.set()
        raise UnreachableError("the database does not answer")

    monkeypatch.setattr("nebula.onegate.server._AGAIN", 0.05)
    monkeypatch.setattr(sim.engine.onegate, "show", away)
    gate.changed()
    assert failed.wait(20)
    until(lambda: _answers(listen))
    assert raw(listen, head(guest)).split()[1] == b"200"


def test_an_address_that_is_taken_is_said_and_tried_again(sim: Sim, gate: Gate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        sim.engine.onegate.set(f"127.0.0.1:{taken.getsockname()[1]}", CALL)
        gate.changed()
        until(lambda: sim.engine.onegate.show().problem)
        found = sim.engine.onegate.show()
        assert (found.listening, "in use" in found.problem) == (False, True)
    gate.changed()
    until(lambda: sim.engine.onegate.show().listening)
