"""The process that owns and serves an engine: the daemon, or the runner that ends what a command left."""

from __future__ import annotations

import logging
import os
import pwd
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nebula import timeouts
from nebula.engine.home import refuse_second
from nebula.engine.local.engine import LocalEngine, own
from nebula.engine.owner import SYSTEM_HOME, in_change, owner
from nebula.errors import NebulaError, OwnerError

if TYPE_CHECKING:
    from nebula.engine.store.rows import EventRow
    from nebula.onegate.server import Gate
    from nebula.rpc.server import Server

_GROUP = "nebula"
_PAUSE, _LOOK, _QUIET = 0.05, 0.2, 1.0
"""Seconds between two tries to own the home, between two looks of a runner at what is left, and of a wait not talked of."""
_log = logging.getLogger(__name__)


def run(home: Path, role: str, *, url: str, until_idle: bool) -> int:
    """Own, serve, and let go cleanly: jobs stop at the end of a step and go on at the next start."""
    log_to_stderr()
    ended = threading.Event()
    stop_on_signals(ended)
    engine = _own(home, role, url, ended)
    if engine is None:
        return 0
    engine.services.store.listen(lambda events: stop_asked(events, ended))
    lost = threading.Event()
    engine.services.store.when_lost(lambda: _lose(lost, ended))
    server: Server | None = None
    gate: _Gate | None = None
    try:
        server = make_server(engine)
        gate = None if until_idle else _Gate(engine)
        _notify("READY=1")
        if until_idle:
            _until_idle(engine, server, ended)
        else:
            _until_told(engine, ended)
    finally:
        _notify("STOPPING=1")
        if gate is not None:
            gate.stop()
        let_go(engine, server)
    if lost.is_set():
        _log.error("another process owns the engine of %s by now", home)
    return OwnerError.exit_status if lost.is_set() else 0


class _Gate:
    """OneGate of a daemon, not of a command that owns the home for a moment. Where nothing listens, nothing is loaded."""

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self._gate: Gate | None = None
        self._lock, self._ended = threading.Lock(), False
        engine.services.store.listen(self._look)
        self._open()

    def stop(self) -> None:
        """Hear no guest any more."""
        with self._lock:
            gate, self._ended = self._gate, True
        if gate is not None:
            gate.stop()

    def _look(self, events: list[EventRow]) -> None:
        if any(event.kind == "onegate.set" for event in events):
            self._open()

    def _open(self) -> None:
        with self._lock:
            if self._gate is not None:
                self._gate.changed()
            elif self._engine.onegate.show().listen and not self._ended:
                from nebula.onegate.server import Gate

                self._gate = Gate(self._engine, self._engine.onegate.heard)
                self._gate.start()


def _lose(lost: threading.Event, ended: threading.Event) -> None:
    lost.set()
    ended.set()


def log_to_stderr() -> None:
    """For the journal: what we say. asyncssh would tell the whole text of each command on a host."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("asyncssh").setLevel(logging.WARNING)


def _until_idle(engine: LocalEngine, server: Server, ended: threading.Event) -> None:
    """Until no job is runnable and nobody has come or stayed for a while: whoever lost the last owner looks for this one
    every now and then, and would find none if it had only blinked.
    """
    quiet = 0.0
    while quiet < timeouts.RUNNER_LINGERS and not ended.is_set():
        if engine.wait_idle(_LOOK) and not server.clients:
            ended.wait(_LOOK)
            quiet += _LOOK
        else:
            ended.wait(_LOOK if server.clients else 0.0)
            quiet = 0.0


def _until_told(engine: LocalEngine, ended: threading.Event) -> None:
    """Until it is told to stop. A watching systemd hears of us for as long as writes are answered: it starts an engine
    anew whose writer hangs.
    """
    microseconds = int(os.environ.get("WATCHDOG_USEC", "0"))
    while not ended.wait(microseconds / 2e6 if microseconds else None):
        wait([engine.services.store.submit(lambda _: None)])
        _notify("WATCHDOG=1")


def _own(home: Path, role: str, url: str, ended: threading.Event) -> LocalEngine | None:
    """The engine; None when `ended` was set meanwhile, or for a runner that is not needed.

    An owner that is starting or stopping is waited for. A command or a runner lets go when the daemon asks it to; only
    another daemon is not asked: OwnerError.
    """
    told, quiet = "", time.monotonic() + _QUIET
    while not ended.is_set():
        engine = own(home, role, url=url)
        if engine is not None:
            return engine
        found = owner(home)
        settled = bool(found) and not in_change(found)
        if settled and role != "daemon":
            return None
        if settled and found["role"] == "daemon":
            raise refuse_second(home)
        if found and (settled or time.monotonic() > quiet):
            told = _wait_for(home, found, told, ask=settled)
        ended.wait(_PAUSE)
    return None


def _wait_for(home: Path, found: Mapping[str, Any], told: str, *, ask: bool) -> str:
    """Say whom we wait for, once, and ask it to let go; returns what was said."""
    doing = "asked to let go" if ask else "stopping" if "stopping" in found else "starting"
    text = f"waiting for process {found['pid']} ({found['role']}), which owns {home}: {doing}"
    if text == told:
        return told
    sys.stderr.write(f"{text}\n")
    _notify(f"STATUS={text}\nEXTEND_TIMEOUT_USEC={int(timeouts.OWNER_CHANGE * 1e6)}")
    if ask:
        _ask(str(found["socket"]))
    return text


def _ask(socket: str) -> None:
    from nebula.rpc import plain

    try:
        plain.call(socket, "system.stop", {"call": {}})
    except NebulaError as error:
        _log.info("the owner did not take the request (%s): waiting for its end", error)


def let_go(engine: LocalEngine, server: Server | None, leave: Callable[[], None] = lambda: None) -> None:
    """Tell it, serve nobody any more, `leave` what is left to somebody, and free the home at a safe point."""
    engine.leaving()
    try:
        if server is not None:
            server.stop()
        leave()
    finally:
        engine.close()


def make_server(engine: LocalEngine) -> Server:
    """Serve the engine on its home's socket: 0600, or 0660 for group nebula where the home is the system's."""
    from nebula.rpc.paths import socket_path
    from nebula.rpc.server import Server

    home = engine.services.home
    system = str(home) == SYSTEM_HOME
    server = Server(
        engine,
        socket_path(home, system),
        mode=0o660 if system else 0o600,
        group=_GROUP if system and _group_exists() else None,
        actor_of=lambda peer: user_name(peer.uid),
        replace=True,
    )
    server.start()
    engine.served_at(server.path)
    return server


def user_name(uid: int) -> str:
    """A user's name, or its number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group_exists() -> bool:
    import grp

    return any(entry.gr_name == _GROUP for entry in grp.getgrall())


def stop_on_signals(ended: threading.Event) -> None:
    """Set `ended` at SIGTERM and SIGINT.

    A thread hears of them by a pipe that is written when they come. A handler in Python would run in the main thread, when
    that comes to it: not where it is about to wait for `ended`, and not well where it holds that event's own lock.
    """
    pipe = socket.socketpair()
    pipe[1].setblocking(False)
    signal.set_wakeup_fd(pipe[1].fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_hear, args=(pipe, ended), name="nebula-signals", daemon=True).start()
    signal.signal(signal.SIGTERM, _heard)
    signal.signal(signal.SIGINT, _heard)


def _hear(pipe: tuple[socket.socket, socket.socket], ended: threading.Event) -> None:
    """As long as the process lives: its signals are written into this pipe."""
    while True:
        if {signal.SIGTERM, signal.SIGINT}.intersection(pipe[0].recv(64)):
            ended.set()


def _heard(_number: int, _frame: object) -> None:
    """Its thread does what there is to do."""


def stop_asked(events: list[EventRow], ended: threading.Event) -> None:
    """Set `ended` if one of the events says that somebody wants the owner to let go."""
    if any(event.kind == "engine.stop" for event in events):
        ended.set()


def _notify(message: str) -> None:
    """Tell systemd, where it started us."""
    if os.environ.get("NOTIFY_SOCKET"):
        import sdnotify

        sdnotify.SystemdNotifier().notify(message)
