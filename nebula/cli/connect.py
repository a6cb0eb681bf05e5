"""The way to an engine: the one place in the fronts that knows whether it is this process or the other end of a socket.

Whoever owns the home serves it: a command that changes something and finds an owner is its client; one that finds none
becomes the owner and stays until no job is runnable.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from nebula import timeouts
from nebula.cli.options import GlobalOptions
from nebula.engine.home import choose, owner

if TYPE_CHECKING:
    from nebula.engine.api.tables import Listing, Query
    from nebula.engine.api.verbs import Engine
    from nebula.engine.local.engine import LocalEngine

RUNNER = "__runner"
"""The argument with which this program runs what is left of a home's jobs and ends."""


def home_of(options: GlobalOptions) -> Path:
    """The home that the options and the environment mean."""
    return choose(options.home, os.environ, uid=os.geteuid())


def reader(options: GlobalOptions) -> Engine:
    """An engine to read from: the owner's, else the file alone. A home that does not exist yet is made."""
    home = home_of(options)
    if owner(home):
        remote = _client(home, timeouts.SOCKET_ANSWER)
        if remote is not None:
            return remote
    from nebula.engine.local.engine import own, read_only

    url = database_url()
    if not url and not (home / "nebula.db").exists():
        fresh = own(home, "command")
        if fresh is not None:
            fresh.close()
    return read_only(home, url=url)


class Lister(Protocol):
    """Whoever can list: the owner through its socket, or the file."""

    def list(self, noun: str, query: Query) -> Listing:
        """Rows of a noun."""
        ...

    def close(self) -> None:
        """Let go."""
        ...


def lister(options: GlobalOptions) -> tuple[Lister, bool]:
    """The quickest way to a list, and whether an engine runs: its socket, else the file alone."""
    home = home_of(options)
    running = bool(owner(home))
    if running:
        path = _socket(home)
        if path is not None:
            from nebula.cli.remote_lists import RemoteLists

            return RemoteLists(path, lambda: _file_lists(home)), True
    path = home / "nebula.db"
    if path.exists() and not database_url():
        return _file_lists(home), running
    from nebula.cli.remote_lists import EngineLists

    return EngineLists(reader(options)), running


def _file_lists(home: Path) -> Lister:
    from nebula.engine.quick import FileLists

    return FileLists(home / "nebula.db")


@contextmanager
def changer(options: GlobalOptions) -> Iterator[Engine]:
    """An engine to change things with; see the module."""
    from nebula.engine.local.engine import own

    home = home_of(options)
    deadline = time.monotonic() + timeouts.OWNER_HANDOVER
    while True:
        mine = own(home, "command", url=database_url())
        if mine is not None:
            with _serving(mine, options):
                yield mine
            return
        remote = _client(home, timeouts.SOCKET_ANSWER, take_over=True)
        if remote is not None:
            try:
                yield remote
            finally:
                remote.close()
            return
        if time.monotonic() > deadline:
            raise _silent_owner(home)
        time.sleep(0.05)


def serve(options: GlobalOptions) -> int:
    """Be the daemon until SIGTERM, SIGINT or `nebula daemon stop`; returns the exit status."""
    from nebula.cli.daemon import run

    return run(home_of(options), "daemon", url=database_url(), until_idle=False)


def finish_jobs(home: str) -> int:
    """Be the detached runner: own the home, end when no job is runnable."""
    from nebula.cli.daemon import run

    return run(Path(home), "runner", url=database_url(), until_idle=True)


def restore(options: GlobalOptions, path: str) -> str:
    """Put a copy in the database's place, as the home's owner; OwnerError while an engine runs."""
    from nebula.engine.home import Ownership, prepare, refuse_second
    from nebula.engine.store.backup import restore as put_back
    from nebula.engine.store.database import parse_url

    home = home_of(options)
    prepare(home)
    ownership = Ownership(home)
    if not ownership.take("restore"):
        raise refuse_second(home)
    try:
        aside = put_back(parse_url(database_url(), home), Path(path))
    finally:
        ownership.release()
    return str(aside) if aside else ""


def database_url() -> str:
    """NEBULA_DATABASE: another database than the home's own file. In the environment, so that no process list shows it."""
    return os.environ.get("NEBULA_DATABASE", "")


@contextmanager
def _serving(engine: LocalEngine, options: GlobalOptions) -> Iterator[None]:
    """Serve the home while the command works; then stay until no job is runnable, or leave them to a runner."""
    from nebula.cli.daemon import make_server

    server = make_server(engine)
    try:
        yield
        if not options.no_wait:
            engine.wait_idle(float("inf"))
    finally:
        server.stop()
        left = not engine.idle()
        engine.close()
        if left:
            start_runner(engine.services.home)


def start_runner(home: Path) -> None:
    """A process of its own that ends the jobs of the home."""
    import subprocess

    package = str(Path(__file__).resolve().parents[2])
    paths = os.pathsep.join(path for path in (package, os.environ.get("PYTHONPATH", "")) if path)
    with (home / "runner.log").open("ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "nebula", RUNNER, str(home)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": paths},
        )


def _client(home: Path, timeout: float, *, take_over: bool = False) -> Engine | None:
    path = _socket(home)
    if path is None:
        return None
    from nebula.rpc.client import try_connect

    return try_connect(path, timeout, take_over=(lambda: start_runner(home)) if take_over else None)


def _socket(home: Path) -> Path | None:
    """Where the home's owner says that it listens."""
    told = owner(home).get("socket")
    return Path(str(told)) if told else None


def _silent_owner(home: Path) -> Exception:
    from nebula.errors import UnreachableError

    found = owner(home)
    return UnreachableError(
        f"the engine of {home} does not answer on its socket",
        cause=f"process {found.get('pid')} ({found.get('role')}) owns it",
        hint="nebula status; if it hangs: kill that process, nothing is lost",
    )
