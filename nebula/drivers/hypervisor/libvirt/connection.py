"""One connection to a host's libvirtd, and the gate that every call goes through.

The only place that imports libvirt's library. A Link opens on first use and again when it died; it refuses to work where
a call would deadlock (on a thread that runs an event loop, as that may be the one which serves the tunnel), ends a call
at its deadline by cutting the socket below it, and speaks only errors of the one tree.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

from nebula import timeouts
from nebula.drivers.base import HostHandle
from nebula.drivers.hypervisor.libvirt.eventloop import LOOP
from nebula.drivers.hypervisor.libvirt.failures import translate
from nebula.drivers.hypervisor.libvirt.relay import Relay
from nebula.errors import DeniedError, MissingLibraryError, NebulaError, TimedOutError, UnreachableError
from nebula.transport.base import Forward
from nebula.transport.peers import LIBVIRT_SOCKETS as SOCKETS

T = TypeVar("T")
_SOCKETS_SEEN = 'for path; do [ ! -S "$path" ] || echo "$path $([ -r "$path" ] && [ -w "$path" ] && echo yes || echo no)"; done'
"""Prints each of the sockets that is there, and whether this login may use it."""
KEEPALIVE = (5, 3)
"""Seconds between probes; probes without an answer until the connection counts as dead."""


class Session(NamedTuple):
    """An open connection: libvirt's module and its virConnect."""

    lib: Any
    conn: Any

    def alive(self) -> bool:
        """Whether it is open, as far as libvirt has noticed; asks nobody."""
        try:
            return bool(self.conn.isAlive())
        except self.lib.libvirtError:  # closed by us
            return False


Work = Callable[[Session], T]


def load_library() -> Any:
    """Libvirt's Python binding; MissingLibraryError with what to install."""
    try:
        import libvirt
    except ImportError as error:
        raise MissingLibraryError(
            "libvirt's client library cannot be loaded here",
            cause=str(error),
            hint="apt install libvirt0 python3-libvirt   (or: dnf install libvirt-libs python3-libvirt)",
        ) from error
    libvirt.registerErrorHandler(_silent, None)
    return libvirt


def load_agent_library() -> Any:
    """The part of libvirt's Python binding that speaks with guests' agents."""
    import libvirt_qemu

    return libvirt_qemu


def _silent(_context: object, _error: object) -> None:
    """Libvirt would write every error to stderr by itself; we raise it instead."""


class Link:
    """A connection to one host for one purpose (`purpose` names it in messages).

    One call at a time: where several threads wait on one connection, libvirt up to 9.x reads a stack that is gone when the
    connection breaks, and the process dies.
    """

    def __init__(self, handle: HostHandle, purpose: str) -> None:
        self._handle, self._purpose = handle, purpose
        self._turn = threading.Lock()
        self._lock = threading.Lock()
        self._open: _Open | None = None
        self._closed = False

    def call(self, what: str, work: Work[T], *, timeout: float = timeouts.LIBVIRT_CALL, again: bool = True) -> T:
        """Do `work` with the connection. `what` says in words what is done ("starting domain one-7").

        Where a connection that was open before turns out to be dead, the work is done `again`, once, on a new one.
        """
        refuse_event_loops(what)
        with self._turn:
            reused, opened = self._connected()
            try:
                return opened.run(what, work, timeout)
            except UnreachableError:
                self._drop(opened)
                if not (reused and again):
                    raise
            return self._connected()[1].run(what, work, timeout)

    def alive(self) -> bool:
        """Whether a connection is open and not known to be dead; asks nobody."""
        opened = self._open
        return opened is not None and opened.alive()

    def socket(self) -> str:
        """The path on the host of the socket that answers; opens the connection if there is none."""
        return self._connected()[1].path

    def holds(self, session: Session) -> bool:
        """Whether that session is the open one and not known to be dead; asks nobody."""
        opened = self._open
        return opened is not None and opened.is_on(session) and opened.alive()

    def close(self) -> None:
        """Let go for good; calls that wait fail with UnreachableError."""
        with self._lock:
            self._closed = True
            opened, self._open = self._open, None
        if opened is not None:
            opened.close()

    def _connected(self) -> tuple[bool, _Open]:
        with self._lock:
            if self._closed:
                raise UnreachableError(f"the {self._purpose} connection to host {self._handle.name} was closed")
            if self._open is not None and self._open.alive():
                return True, self._open
            if self._open is not None:
                self._open.close()
            self._open = None
            self._open = connect(self._handle)
            return False, self._open

    def _drop(self, opened: _Open) -> None:
        with self._lock:
            if self._open is opened:
                self._open = None
        opened.close()


class Lanes:
    """Several connections to one host for calls that take long: as many go at once as there are lanes, the others wait."""

    def __init__(self, handle: HostHandle, purpose: str, count: int) -> None:
        self._links = [Link(handle, purpose) for _ in range(count)]
        self._free = queue.LifoQueue[Link]()
        for link in reversed(self._links):
            self._free.put(link)

    def call(self, what: str, work: Work[T], *, timeout: float = timeouts.LIBVIRT_CALL) -> T:
        """See Link.call; by the lane that was used last."""
        refuse_event_loops(what)
        link = self._free.get()
        try:
            return link.call(what, work, timeout=timeout)
        finally:
            self._free.put(link)

    def close(self) -> None:
        """See Link.close."""
        for link in self._links:
            link.close()


class _Open:
    """An open connection, through the host's socket at `path`, and what it stands on.

    The library frees a connection when it is closed, whoever waits in a call on it. So the one that ends last closes it.
    """

    def __init__(self, handle: HostHandle, path: str, session: Session, relay: Relay, forward: Forward) -> None:
        self.path = path
        self._host, self._session, self._relay, self._forward = handle.name, session, relay, forward
        self._lock = threading.Lock()
        self._cut = False
        self._closed = False
        self._users = 0

    def alive(self) -> bool:
        """Not closed, not cut, and libvirt has not noticed its death."""
        with self._use() as usable:
            return usable and not self._cut and self._session.alive()

    def is_on(self, session: Session) -> bool:
        """Whether it is that session's."""
        return self._session.conn is session.conn

    def run(self, what: str, work: Work[T], timeout: float) -> T:
        """Do the work under its deadline; errors come translated."""
        lib = self._session.lib
        with self._use() as usable, self._deadline(timeout) as late:
            if not usable:
                raise UnreachableError(f"{what}: the connection to host {self._host} was lost")
            try:
                return work(self._session)
            except lib.libvirtError as error:
                if late.is_set():
                    raise TimedOutError(
                        f"{what} on host {self._host} did not end within {timeout:.0f} s",
                        cause="the connection to its libvirtd was cut",
                        hint=f"nebula host check {self._host}",
                    ) from error
                raise translate(lib, error, what, self._host, alive=self.alive()) from error

    @contextlib.contextmanager
    def _use(self) -> Iterator[bool]:
        """Whether it may be used, which keeps it from being freed meanwhile."""
        with self._lock:
            usable = not self._closed
            self._users += usable
        try:
            yield usable
        finally:
            if usable:
                self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            last = self._closed and not self._users
        if last:
            self._free()

    @contextlib.contextmanager
    def _deadline(self, timeout: float) -> Iterator[threading.Event]:
        late = threading.Event()

        def expire() -> None:
            late.set()
            self.cut()

        timer = threading.Timer(timeout, expire)
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def cut(self) -> None:
        """End whatever waits on it."""
        self._cut = True
        self._relay.sever()

    def close(self) -> None:
        """Cut it, and let go of everything as soon as nobody is in a call; twice is fine."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            unused = not self._users
        self.cut()
        if unused:
            self._free()

    def _free(self) -> None:
        with contextlib.suppress(self._session.lib.libvirtError):  # it is cut: there is nobody to say goodbye to
            self._session.conn.close()
        self._forward.close()
        LOOP.release(self._session.lib)


def refuse_event_loops(what: str) -> None:
    """Raise if this thread runs an event loop: the call would wait for what only this thread can do."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        if not LOOP.is_current_thread():
            return
    raise NebulaError(f"{what}: a libvirt call was made on a thread that runs an event loop, where it would never end")


def connect(handle: HostHandle) -> _Open:
    """Open a connection to the host's libvirtd through its transport, by the first of its sockets that answers."""
    lib = load_library()
    failure: NebulaError | None = None
    for path in SOCKETS:
        try:
            return _connect_to(handle, lib, path)
        except UnreachableError as error:
            failure = error
    raise _refused(handle) or failure or UnreachableError(f"host {handle.name} has no libvirt socket")


def _refused(handle: HostHandle) -> NebulaError | None:
    """Why no socket let us in, as far as the host itself can tell: it has none, or our login may not use it."""
    told = handle.transport.run(["sh", "-c", _SOCKETS_SEEN, "nebula-sockets", *SOCKETS], check=False).text.split()
    found = dict(zip(told[::2], told[1::2], strict=True))
    if "yes" in found.values():
        return None
    if not found:
        return UnreachableError(
            f"host {handle.name} runs no libvirt",
            cause=f"it has neither {' nor '.join(SOCKETS)}",
            hint=f"nebula host check {handle.name}",
        )
    return DeniedError(
        f"{handle.user} may not use libvirt on host {handle.name}",
        cause=f"no access to {', '.join(found)}",
        hint=f"on the host, as root: usermod -aG libvirt {handle.user}",
    )


def _connect_to(handle: HostHandle, lib: Any, path: str) -> _Open:
    with contextlib.ExitStack() as undo:
        forward = handle.transport.forward_socket(path)
        undo.callback(forward.close)
        relay = Relay(forward.local, handle.name)
        undo.callback(relay.sever)
        LOOP.acquire(lib)
        undo.callback(LOOP.release, lib)
        opened = _Open(handle, path, Session(lib, _open(lib, relay, handle.name)), relay, forward)
        undo.pop_all()
        return opened


def _open(lib: Any, relay: Relay, host: str) -> Any:
    timer = threading.Timer(timeouts.LIBVIRT_OPEN, relay.sever)
    timer.daemon = True
    timer.start()
    try:
        conn = lib.open(f"qemu+unix:///system?socket={quote(relay.path)}")
        conn.setKeepAlive(*KEEPALIVE)
    except lib.libvirtError as error:
        raise _no_connection(lib, error, host) from error
    finally:
        timer.cancel()
    return conn


def _no_connection(lib: Any, error: Any, host: str) -> NebulaError:
    failure = translate(lib, error, "connecting to libvirtd", host, alive=True)
    if isinstance(failure, DeniedError):
        return failure
    return UnreachableError(failure.message, cause=failure.cause, hint=f"nebula host check {host}")
