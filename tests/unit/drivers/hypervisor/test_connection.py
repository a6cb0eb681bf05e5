"""The gate: deadlines, dead connections, event loops, and what libvirt's errors become."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import libvirt
import msgspec
import pytest

from nebula.drivers.base import HostHandle
from nebula.drivers.hypervisor.libvirt import connection
from nebula.drivers.hypervisor.libvirt.connection import Lanes, Link, Session, load_library, refuse_event_loops
from nebula.drivers.hypervisor.libvirt.eventloop import LOOP
from nebula.drivers.hypervisor.libvirt.failures import translate
from nebula.drivers.hypervisor.libvirt.preflight import Preflight
from nebula.drivers.hypervisor.libvirt.relay import Relay
from nebula.errors import (
    ConflictError,
    MissingLibraryError,
    NebulaError,
    NotFoundError,
    TimedOutError,
    UnreachableError,
)
from nebula.transport.local import LocalTransport
from tests.contract.hypervisor import wait_for
from tests.unit.drivers.hypervisor.conftest import LibvirtHosts, bare_spec

HERE = HostHandle(
    host_id=1, name="here", address="", user="root", port=22, virt="qemu", root="/nowhere", transport=LocalTransport("here")
)


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[str]:
    """A socket that says everything back, until its caller goes."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "echo"))
    listener.listen()

    def serve() -> None:
        caller = listener.accept()[0]
        while data := caller.recv(1 << 16):
            caller.sendall(data)
        caller.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield str(tmp_path / "echo")
    thread.join(timeout=10)
    listener.close()


def test_a_relay_carries_everything_and_ends_at_a_word(echo: str) -> None:
    relay = Relay(echo, "here")
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(relay.path)
        caller.settimeout(10)
        sent, got = os.urandom(1 << 18), b""
        thread = threading.Thread(target=caller.sendall, args=(sent,))
        thread.start()
        while len(got) < len(sent):
            got += caller.recv(1 << 16)
        thread.join()
        assert got == sent
        for _ in range(2):
            relay.sever()
        assert caller.recv(1) == b""
    assert not Path(relay.path).parent.exists()


def test_nobody_behind_the_socket_is_unreachable(tmp_path: Path) -> None:
    with pytest.raises(UnreachableError) as caught:
        Relay(str(tmp_path / "none"), "here")
    assert "No such file" in caught.value.cause


def test_a_thread_with_an_event_loop_is_refused() -> None:
    async def inside() -> None:
        refuse_event_loops("starting domain one-1")

    refuse_event_loops("starting domain one-1")
    with pytest.raises(NebulaError, match="event loop"):
        asyncio.run(inside())


def test_the_library_can_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "libvirt", None)
    with pytest.raises(MissingLibraryError) as caught:
        load_library()
    assert "install" in caught.value.hint
    (finding,) = Preflight(HERE, Link(HERE, "test")).findings()
    assert (finding.check, finding.level) == ("library", "error")
    assert finding.fix


def test_the_event_loop_comes_and_goes_with_its_holders() -> None:
    loop = LOOP
    before = loop.running()
    for _ in range(2):
        loop.acquire(libvirt)
    assert loop.running()
    for _ in range(2):
        loop.release(libvirt)
    assert loop.running() == before


class Said(Exception):
    """As libvirt's errors are asked."""

    def __init__(self, code: int, words: str = "its own words") -> None:
        super().__init__(code)
        self.code, self.words = code, words

    def get_error_code(self) -> int:
        return self.code

    def get_error_message(self) -> str:
        return self.words


@pytest.mark.parametrize(
    ("code", "cls"),
    [
        (libvirt.VIR_ERR_NO_DOMAIN, NotFoundError),
        (libvirt.VIR_ERR_OPERATION_INVALID, ConflictError),
        (libvirt.VIR_ERR_MIGRATE_UNSAFE, ConflictError),
        (libvirt.VIR_ERR_NO_CONNECT, UnreachableError),
        (libvirt.VIR_ERR_OPERATION_TIMEOUT, TimedOutError),
        (libvirt.VIR_ERR_INTERNAL_ERROR, NebulaError),
    ],
)
def test_libvirts_errors_become_ours(code: int, cls: type[NebulaError]) -> None:
    error = translate(libvirt, Said(code), "starting domain one-1", "h1", alive=True)
    assert type(error) is cls
    assert str(error) == "starting domain one-1 failed on host h1: its own words"
    assert type(translate(libvirt, Said(code), "x", "h1", alive=False)) is UnreachableError


@pytest.mark.parametrize("program", ["tc", "/usr/sbin/tc"])
def test_a_kernel_that_limits_no_bandwidth_is_told_how_it_would(program: str) -> None:
    words = f"internal error: Child process ({program} filter add dev one-1-0 parent ffff: police rate 5kbps) unexpected exit"
    error = translate(libvirt, Said(libvirt.VIR_ERR_INTERNAL_ERROR, words), "changing a card", "h1", alive=True)
    assert "the kernel of h1" in error.hint
    assert "act_police" in error.hint


def daemon_pid(hosts: LibvirtHosts) -> int:
    """The first host's libvirtd as the host numbers it."""
    return int(hosts.handles[0].transport.run(["pidof", "libvirtd"]).text)


@pytest.mark.lab
def test_a_daemon_that_hangs_meets_the_deadline_and_is_back_afterwards(hosts: LibvirtHosts) -> None:
    link = Link(hosts.handles[0], "test")
    transport = hosts.handles[0].transport
    assert link.call("asking", lambda session: session.conn.getHostname()) == "h1"
    pid = str(daemon_pid(hosts))
    transport.run(["kill", f"-{signal.SIGSTOP.name[3:]}", pid])
    try:
        with pytest.raises(TimedOutError):
            link.call("asking", lambda session: session.conn.getLibVersion(), timeout=1)
    finally:
        transport.run(["kill", f"-{signal.SIGCONT.name[3:]}", pid])
    assert not link.alive()
    assert link.call("asking", lambda session: session.conn.getHostname()) == "h1"
    link.close()
    with pytest.raises(UnreachableError):
        link.call("asking", lambda session: session.conn.getHostname())


@pytest.mark.lab
def test_a_daemon_that_was_restarted_is_found_again_with_its_guests(hosts: LibvirtHosts) -> None:
    driver = hosts.drivers[0]
    spec = bare_spec(1)
    driver.start(spec)
    subscription = driver.subscribe(lambda _event: None)
    hosts.lab.damage("h1", "libvirtd")
    wait_for(lambda: not subscription.alive(), "the end of the events")
    with pytest.raises(UnreachableError):
        driver.lookup(spec.uuid)
    assert "libvirt" in [finding.check for finding in driver.preflight() if finding.level == "error"]
    hosts.lab.mend("h1", "libvirtd")
    found = driver.lookup(spec.uuid)
    assert found is not None
    assert found.state == "running"
    subscription.close()


@pytest.mark.lab
def test_threads_that_share_a_connection_survive_its_end(hosts: LibvirtHosts) -> None:
    """The library would die of several calls on one connection that breaks, and of one that is freed under a call."""
    link, ended = Link(hosts.handles[0], "test"), list[str]()
    transport, pid = hosts.handles[0].transport, str(daemon_pid(hosts))
    link.call("asking", lambda session: session.conn.getHostname())

    def ask() -> None:
        try:
            ended.append(link.call("asking", lambda session: session.conn.getHostname(), timeout=1))
        except NebulaError as error:
            ended.append(error.code)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    transport.run(["kill", "-STOP", pid])
    try:
        for thread in threads:
            thread.start()
        wait_for(lambda: bool(ended), "the first deadline")
    finally:
        transport.run(["kill", "-CONT", pid])
    for thread in threads:
        thread.join()
    assert (ended[0], len(ended)) == (TimedOutError.code, 6)
    assert link.call("asking", lambda session: session.conn.getHostname()) == "h1"
    link.close()


@pytest.mark.lab
def test_long_calls_go_side_by_side_each_on_a_connection_of_its_own(hosts: LibvirtHosts) -> None:
    lanes, together = Lanes(hosts.handles[0], "test", 2), threading.Barrier(2, timeout=30)
    connections: list[object] = []

    def work(session: Session) -> None:
        connections.append(session.conn)
        together.wait()

    threads = [threading.Thread(target=lanes.call, args=("asking", work)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(connections) == 2
    assert connections[0] is not connections[1]
    lanes.close()


@pytest.mark.lab
def test_work_that_fails_keeps_the_connection(hosts: LibvirtHosts) -> None:
    link = Link(hosts.handles[0], "test")

    def look(session: Session) -> object:
        return session.conn.lookupByName("nobody")

    with pytest.raises(NotFoundError):
        link.call("looking", look)
    assert link.alive()
    link.close()


@pytest.mark.lab
def test_a_host_whose_sockets_are_elsewhere_is_unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SOCKETS", (str(tmp_path / "none"),))
    link = Link(msgspec.structs.replace(HERE, name="elsewhere"), "test")
    with pytest.raises(UnreachableError):
        link.call("asking", lambda session: session.conn.getHostname())
