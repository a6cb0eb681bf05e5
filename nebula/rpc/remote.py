"""Streams as a client holds them: events, a console, a tunnel."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import msgspec

from nebula.engine.api.values import Event
from nebula.errors import OwnerError
from nebula.rpc import limits, plain
from nebula.rpc.link import Link, decode
from nebula.rpc.methods import Method, method
from nebula.rpc.plain import Wire

_CHUNK = 1 << 16


class RemoteConsole:
    """See nebula.engine.api.verbs.ByteStream. One thread may read while another writes or closes."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._first = wire.rest()
        self._reading = threading.Lock()

    def read(self, timeout: float) -> bytes:
        """See ByteStream.read."""
        with self._reading:
            first, self._first = self._first, b""
            if first:
                return first
            if self._wire.socket.fileno() < 0:
                raise EOFError("the console is closed")
            return self._receive() if self._wire.readable(timeout) else b""

    def write(self, data: bytes) -> None:
        """See ByteStream.write; EOFError when it ended."""
        try:
            self._wire.send(data, limits.SEND)
        except OSError as problem:
            raise EOFError(f"the console ended: {problem}") from problem

    def close(self) -> None:
        """See ByteStream.close."""
        self._wire.end()
        with self._reading:
            self._wire.close()

    def _receive(self) -> bytes:
        try:
            data = self._wire.socket.recv(_CHUNK)
        except OSError as problem:
            raise EOFError(f"the console ended: {problem}") from problem
        if not data:
            raise EOFError("the console ended")
        return data


class RemoteTunnel(msgspec.Struct, frozen=True):
    """See nebula.engine.api.verbs.Tunnel; the engine keeps it open as long as `wire` is."""

    wire: Wire
    address: str
    type: str
    password: str

    def wait(self, timeout: float) -> bool:
        """See Tunnel.wait. The engine says nothing more on this connection, but ends it with the tunnel."""
        return not self.wire.readable(timeout)

    def close(self) -> None:
        """See Tunnel.close."""
        self.wire.close()


class _Where(msgspec.Struct):
    address: str
    type: str
    password: str = ""


def open_console(link: Link, verb: Method, params: msgspec.Struct) -> RemoteConsole:
    """Attach."""
    wire, _ = _open(link, verb, params)
    return RemoteConsole(wire)


def open_graphics(link: Link, verb: Method, params: msgspec.Struct) -> RemoteTunnel:
    """Have the engine open a tunnel on this machine."""
    wire, answer = _open(link, verb, params)
    where: _Where = decode(answer, _Where)
    return RemoteTunnel(wire, where.address, where.type, where.password)


def _open(link: Link, verb: Method, params: msgspec.Struct) -> tuple[Wire, msgspec.Raw]:
    try:
        return link.open(verb, params)
    except OSError as problem:
        raise link.lost(problem) from problem


def follow(link: Link, verb: Method, params: msgspec.Struct) -> Iterator[Event | None]:
    """See Events.follow. When the owner goes, the next one is asked for what came after the last event seen; None
    while waiting for it; UnreachableError when none came in the time for a handover.
    """
    seen: int = params.after  # type: ignore[attr-defined]
    if seen < 0:
        status = method("system", "status")
        seen = link.invoke(status, status.params()).last_event
    until = time.monotonic() + link.waits.handover
    while True:
        try:
            for event in _events(link, verb, verb.params(after=seen)):
                seen = event.seq if event else seen
                until = time.monotonic() + link.waits.handover
                yield event
        except (OSError, OwnerError) as problem:
            if time.monotonic() >= until:
                raise link.lost(problem) from problem
            time.sleep(limits.QUIET / 10)
            yield None


def _events(link: Link, verb: Method, params: msgspec.Struct) -> Iterator[Event | None]:
    wire, _ = link.open(verb, params)
    try:
        while True:
            try:
                yield _pushed(wire.line(limits.QUIET))
            except TimeoutError:
                yield None
    finally:
        wire.close()


class _Push(msgspec.Struct):
    method: str
    params: msgspec.Raw


def _pushed(line: bytes) -> Event | None:
    push: _Push = decode(line, _Push)
    if push.method == "error":
        raise plain.error_of({"data": decode(push.params, dict[str, str])})
    if push.method != "event":
        return None
    event: Event = decode(push.params, Event)
    return event
