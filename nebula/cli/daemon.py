"""The process that owns and serves an engine: the daemon, or the runner that ends what a command left."""

from __future__ import annotations

import logging
import os
import pwd
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from nebula.engine.home import SYSTEM_HOME, refuse_second
from nebula.engine.local.engine import LocalEngine, own

if TYPE_CHECKING:
    from nebula.engine.store.rows import EventRow
    from nebula.rpc.server import Server

_GROUP = "nebula"


def run(home: Path, role: str, *, url: str, until_idle: bool) -> int:
    """Own, serve, and let go cleanly: jobs stop at the end of a step and go on at the next start."""
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
    engine = own(home, role, url=url)
    if engine is None:
        if until_idle:
            return 0
        raise refuse_second(home)
    ended = threading.Event()
    _stop_on_signals(ended)
    engine.services.store.listen(lambda events: _stop_on_event(events, ended))
    server = make_server(engine)
    _notify("READY=1")
    try:
        if until_idle:
            while not ended.is_set() and not engine.wait_idle(0.5):
                continue
        else:
            ended.wait()
    finally:
        _notify("STOPPING=1")
        server.stop()
        engine.close()
    return 0


def make_server(engine: LocalEngine) -> Server:
    """Serve the engine on its home's socket: 0600, or 0660 for group nebula where the home is the system's."""
    from nebula.rpc.paths import socket_path
    from nebula.rpc.server import Server

    home = engine.services.home
    system = home == SYSTEM_HOME
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


def _stop_on_signals(ended: threading.Event) -> None:
    def stop(_number: int, _frame: object) -> None:
        ended.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)


def _stop_on_event(events: list[EventRow], ended: threading.Event) -> None:
    if any(event.kind == "engine.stop" for event in events):
        ended.set()


def _notify(message: str) -> None:
    """Tell systemd, where it started us."""
    if os.environ.get("NOTIFY_SOCKET"):
        import sdnotify

        sdnotify.SystemdNotifier().notify(message)
