"""The owner's end of the socket: whoever owns the engine serves it, a thread a client; some threads stay for the next one."""

from __future__ import annotations

import logging
import queue
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from nebula.engine.api.verbs import Served
from nebula.errors import CapacityError
from nebula.rpc import limits
from nebula.rpc.connection import Connection
from nebula.rpc.listen import listen
from nebula.rpc.messages import failure
from nebula.rpc.peer import PeerCredentials, user_name
from nebula.rpc.plain import Wire

_log = logging.getLogger(__name__)
_PAUSE = 0.1
_WHILE = 0.5
_KEPT = 4
"""Threads that wait for the next client: a new one would open a connection to the database of its own first."""


def _nothing() -> None:
    """Nobody wants to know."""


class Server:
    """Serves `engine` at `path`, from `start` to `stop`.

    `mode` and `group` are the socket's from its first moment. `actor_of` names the acting user of a peer, or raises
    DeniedError. `replace` says that the caller holds the home's lock, so that a file left there may go. `most` bounds the
    clients. `on_stop` is called once, when nobody is served any more.
    """

    def __init__(
        self,
        engine: Served,
        path: Path,
        *,
        mode: int = 0o600,
        group: str | None = None,
        actor_of: Callable[[PeerCredentials], str] = user_name,
        replace: bool = False,
        most: int = limits.CLIENTS,
        on_stop: Callable[[], None] = _nothing,
    ) -> None:
        self.path = path
        self._engine, self._mode, self._group, self._actor_of = engine, mode, group, actor_of
        self._replace, self._most, self._on_stop = replace, most, on_stop
        self._lock = threading.Lock()
        self._clients: dict[Connection, threading.Event] = {}
        """Who is served, and what is set when that ends."""
        self._threads: list[threading.Thread] = []
        self._here = threading.local()
        self._idle = 0
        self._next: queue.SimpleQueue[Connection | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._acceptor = threading.Thread(target=self._accept, name="nebula-rpc", daemon=True)

    def start(self) -> None:
        """Listen. Raises OwnerError, DeniedError, UsageError; see `nebula.rpc.listen`."""
        self._listener = listen(self.path, mode=self._mode, group=self._group, replace=self._replace)
        self._inode = self.path.lstat().st_ino
        self._acceptor.start()

    @property
    def clients(self) -> int:
        """Connections that are open."""
        with self._lock:
            return len(self._clients)

    def stop(self, grace: float = limits.GRACE) -> None:
        """Accept nobody more, end the streams, let running requests finish within `grace` seconds, close. Twice is fine."""
        with self._lock:
            if self._stopping.is_set() or self._acceptor.ident is None:
                return
            self._stopping.set()
        self._unlink()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        with self._lock:
            idle, self._idle = self._idle, 0
        for _ in range(idle):
            self._next.put(None)
        self._end(socket.SHUT_RD, grace)
        self._end(socket.SHUT_RDWR, 1.0)
        self._leave(_WHILE)
        self._on_stop()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _unlink(self) -> None:
        """Only our own file: the next owner may have put its own there."""
        try:
            if self.path.lstat().st_ino == self._inode:
                self.path.unlink()
        except FileNotFoundError:
            _log.debug("%s was gone already", self.path)

    def _end(self, how: int, seconds: float) -> None:
        """Nothing more to read ends a connection after the request that it is at; then wait for it."""
        until = time.monotonic() + seconds
        with self._lock:
            clients = dict(self._clients)
        for client in clients:
            client.wire.end(how)
        for client, ended in clients.items():
            if client is not getattr(self._here, "client", None):
                ended.wait(max(0.0, until - time.monotonic()))

    def _leave(self, seconds: float) -> None:
        """Threads that serve nobody any more end; one in a call that does not is left behind."""
        until = time.monotonic() + seconds
        for thread in self._threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as problem:
                if self._stopping.wait(_PAUSE):
                    return
                _log.warning("cannot take a client: %s", problem)
                continue
            self._take(connection)

    def _take(self, connection: socket.socket) -> None:
        wire = Wire(connection, limits.LONGEST_REQUEST)
        with self._lock:
            full = len(self._clients) >= self._most
            if not full:
                client = Connection(wire, self._engine, self._actor_of, self._stopping.is_set)
                self._clients[client] = threading.Event()
                awaited = self._idle > 0
                self._idle -= awaited
        if full:
            self._refuse(wire, f"{self._most} clients are served already")
            return
        if awaited:
            self._next.put(client)
            return
        thread = threading.Thread(target=self._serve, args=(client,), name="nebula-rpc-client", daemon=True)
        try:
            thread.start()
            self._threads = [*(one for one in self._threads if one.is_alive()), thread]
        except RuntimeError as problem:
            self._forget(client)
            self._refuse(wire, str(problem))

    def _serve(self, first: Connection) -> None:
        """A client, and then whoever comes."""
        client: Connection | None = first
        while client is not None:
            self._serve_one(client)
            client = self._another()

    def _serve_one(self, client: Connection) -> None:
        self._here.client = client
        try:
            client.serve()
        finally:
            ended = self._forget(client)
            client.wire.close()
            self._here.client = None
            ended.set()

    def _another(self) -> Connection | None:
        """The next client; None if this thread is not needed any more."""
        with self._lock:
            if self._stopping.is_set() or self._idle >= _KEPT:
                return None
            self._idle += 1
        return self._next.get()

    def _forget(self, client: Connection) -> threading.Event:
        with self._lock:
            return self._clients.pop(client)

    def _refuse(self, wire: Wire, why: str) -> None:
        error = CapacityError("the engine cannot take another client", cause=why, hint=f"ss -xp | grep {self.path}")
        _log.warning("a client was refused: %s", error)
        try:
            wire.send(failure(0, error), _PAUSE)
        except OSError as problem:
            _log.debug("it was gone already: %s", problem)
        wire.close()
