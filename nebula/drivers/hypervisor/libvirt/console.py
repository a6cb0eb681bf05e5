"""A domain's serial console, on a connection of its own so that letting go of it always works."""

from __future__ import annotations

import queue
import threading
from typing import Any

from nebula.drivers.base import HostHandle
from nebula.drivers.hypervisor.libvirt.connection import Link, Session
from nebula.drivers.hypervisor.libvirt.domains import require
from nebula.errors import ConflictError

_CHUNK = 1 << 15
_AHEAD = 64
"""Chunks that are read ahead of a slow reader; then the guest waits."""
_WAKE = 0.2
"""Seconds between looks whether a full queue's reader let go."""


class LibvirtConsole:
    """See ConsoleStream. A thread reads; the connection is cut at the end, which ends the thread."""

    def __init__(self, handle: HostHandle, uuid: str) -> None:
        self._host, self._uuid = handle.name, uuid
        self._link = Link(handle, "console")
        self._incoming: queue.Queue[bytes | None] = queue.Queue(_AHEAD)
        self._ended = threading.Event()
        try:
            self._stream, self._errors = self._link.call("opening the console", self._attach)
        except BaseException:
            self._link.close()
            raise
        threading.Thread(target=self._read_on, name=f"console-{uuid}", daemon=True).start()

    def _attach(self, session: Session) -> tuple[Any, Any]:
        domain = require(session, self._uuid, self._host)
        if not domain.isActive():
            raise ConflictError(f"domain {domain.name()} on host {self._host} is off: it has no console now")
        stream = session.conn.newStream(0)
        domain.openConsole(None, stream, session.lib.VIR_DOMAIN_CONSOLE_FORCE)
        return stream, session.lib.libvirtError

    def _read_on(self) -> None:
        while data := self._receive():
            if not self._offer(data):
                break
        self._offer(None)

    def _receive(self) -> bytes:
        try:
            data = self._stream.recv(_CHUNK)
        except self._errors:
            return b""
        return data if isinstance(data, bytes) else b""

    def _offer(self, data: bytes | None) -> bool:
        while not self._ended.is_set():
            try:
                self._incoming.put(data, timeout=_WAKE)
            except queue.Full:
                continue
            return True
        return False

    def read(self, timeout: float) -> bytes:
        """See ConsoleStream.read."""
        if self._ended.is_set():
            raise EOFError("the console was closed")
        try:
            data = self._incoming.get(timeout=timeout)
        except queue.Empty:
            return b""
        if data is None:
            self._ended.set()
            raise EOFError("the console ended")
        return data

    def write(self, data: bytes) -> None:
        """See ConsoleStream.write."""
        self._link.call("typing", lambda _session: self._send(data), again=False)

    def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[max(self._stream.send(bytes(rest[:_CHUNK])), 0) :]

    def close(self) -> None:
        """See ConsoleStream.close."""
        self._ended.set()
        self._link.close()
