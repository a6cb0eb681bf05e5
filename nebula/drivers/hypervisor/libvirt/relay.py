"""A Unix socket of our own in front of libvirtd's, so that a call which does not come back can be ended.

libvirt's library offers no way to end a call that waits for its daemon. Whoever owns the socket below it can: `sever`
closes it, and every call on it fails at once.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading

from nebula.errors import UnreachableError
from nebula.transport.forward import SocketPlace

_CHUNK = 1 << 18


class Relay:
    """One connection's way to the socket at `target`: listens at `path`, takes one caller, carries bytes both ways."""

    def __init__(self, target: str, host: str) -> None:
        self._place = SocketPlace()
        self.path = self._place.path
        self._lock = threading.Lock()
        self._severed = False
        self._outer = self._connected(target, host)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(1)
        self._inner: socket.socket | None = None
        threading.Thread(target=self._serve, name=f"libvirt-relay-{host}", daemon=True).start()

    def sever(self) -> None:
        """End it: every call that waits on it fails. Twice is fine."""
        with self._lock:
            if self._severed:
                return
            self._severed = True
            ends = [self._outer, self._listener, *([self._inner] if self._inner else [])]
        for end in ends:
            with contextlib.suppress(OSError):  # not connected (any more)
                end.shutdown(socket.SHUT_RDWR)
        self._place.remove()

    def _connected(self, target: str, host: str) -> socket.socket:
        outer = socket.socket(socket.AF_UNIX)
        try:
            outer.connect(target)
        except OSError as error:
            outer.close()
            self._place.remove()
            raise UnreachableError(
                f"libvirt's socket on host {host} does not answer",
                cause=f"{target}: {error.strerror}",
                hint="systemctl start libvirtd.socket",
            ) from error
        return outer

    def _serve(self) -> None:
        try:
            inner = self._listener.accept()[0]
        except OSError:
            inner = None
        with self._lock:
            self._inner = None if self._severed else inner
        if self._inner is not None:
            _carry(self._inner, self._outer)
        self.sever()
        for end in (inner, self._outer, self._listener):
            if end is not None:
                end.close()


def _carry(left: socket.socket, right: socket.socket) -> None:
    """Bytes both ways until either side ends. Sockets block while writing: that is the back-pressure."""
    with selectors.DefaultSelector() as selector:
        selector.register(left, selectors.EVENT_READ, right)
        selector.register(right, selectors.EVENT_READ, left)
        while True:
            for key, _ in selector.select():
                if not _pass_on(key.fileobj, key.data):  # type: ignore[arg-type]
                    return


def _pass_on(source: socket.socket, sink: socket.socket) -> bool:
    try:
        data = source.recv(_CHUNK)
        sink.sendall(data)
    except OSError:
        return False
    return bool(data)
