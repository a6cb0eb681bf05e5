"""The way to an engine: the one place in the fronts that knows whether it is this process or the other end of a socket.

Whoever owns the home serves it: a command that changes something and finds an owner is its client; one that finds none
becomes the owner and stays until no job is runnable.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from nebula import timeouts
from nebula.cli.options import GlobalOptions
from nebula.engine.owner import SYSTEM_HOME, choose, in_change, owner
from nebula.errors import DeniedError, OwnerError

if TYPE_CHECKING:
    from pathlib import Path

    from nebula.cli.hosting import Hosting
    from nebula.engine.api.tables import Listing, Query
    from nebula.engine.api.verbs import Engine
    from nebula.rpc.link import Heir

_PAUSE, _RUNNER_AGAIN = 0.05, 3.0
"""Seconds between two looks for an owner, and until another runner is started: the one before may have come and gone."""
RUNNER = "__runner"
"""The argument with which this program runs what is left of a home's jobs and ends."""


def home_of(options: GlobalOptions) -> Path:
    """The home that the options and the environment mean."""
    from pathlib import Path

    return Path(_home(options))


def _home(options: GlobalOptions) -> str:
    """The same for lists, which do without `pathlib`."""
    return choose(options.home, os.environ, uid=os.geteuid())


def reader(options: GlobalOptions) -> Engine:
    """An engine to read from: the owner's, else the file alone. A home that does not exist yet is made, and an older
    program's brought up. Where the owner ends meanwhile, the next one is asked, or the file.
    """
    home = home_of(options)
    if is_guest(home):
        return _as_guest(home)
    _require_readable(home)
    asked = owner(home).get("pid")
    if asked:
        remote = _client(home, timeouts.SOCKET_ANSWER, otherwise=lambda: _next_reader(options, home, asked))
        if remote is not None:
            return remote
    from nebula.engine.local.engine import bring_up, own, read_only
    from nebula.engine.store.schema import behind

    url = database_url()
    until = time.monotonic() + timeouts.OWNER_HANDOVER
    while not url and not (home / "nebula.db").exists() and time.monotonic() < until:
        fresh = own(home, "command")
        if fresh is None:
            time.sleep(_PAUSE)  # somebody else is making it
        else:
            fresh.close()
    found = read_only(home, url=url)
    if behind(found.services.store.read()):
        found.close()
        bring_up(home, url=url)  # where another process owns it now, that one does
        found = read_only(home, url=url)
    return found


def _require_readable(home: Path) -> None:
    """DeniedError for a home that its user keeps to themselves."""
    if not os.access(home, os.F_OK) or os.access(home, os.R_OK | os.X_OK):
        return
    raise DeniedError(
        f"the home {home} belongs to another user",
        cause="it may not be read",
        hint="sudo nebula …, or a home of your own: nebula --home DIRECTORY …",
    )


def _next_reader(options: GlobalOptions, home: Path, former: object) -> Engine | None:
    """See `reader`; None while the owner whose process this is stays."""
    until = time.monotonic() + timeouts.OWNER_HANDOVER
    while (now := owner(home)).get("pid") == former:
        if not in_change(now) or time.monotonic() > until:
            return None
        time.sleep(_PAUSE)
    return reader(options)


def replay(files: Sequence[Mapping[str, Any]], changes: Mapping[str, str]) -> list[dict[str, Any]]:
    """Plans for snapshots from files; no engine is needed."""
    import msgspec

    from nebula.engine.drs.replay import replay as plan_all

    return [msgspec.to_builtins(plan) for plan in plan_all(files, changes)]


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
    home = _home(options)
    if is_guest(home):
        from nebula.cli.remote_lists import RemoteLists
        from nebula.rpc.plain import SYSTEM_SOCKET

        return RemoteLists(SYSTEM_SOCKET, lambda: _engine_lists(options)), True
    found = owner(home)
    if found.get("socket"):
        from nebula.cli.remote_lists import RemoteLists

        return RemoteLists(str(found["socket"]), lambda: _file_lists(home, options)), True
    if os.path.exists(f"{home}/nebula.db") and not database_url():  # noqa: PTH110 - see _home
        return _file_lists(home, options), bool(found)
    return _engine_lists(options), bool(found)


def _file_lists(home: str, options: GlobalOptions) -> Lister:
    from nebula.engine.quick import FileLists

    return FileLists(f"{home}/nebula.db", lambda: _engine_lists(options))


def _engine_lists(options: GlobalOptions) -> Lister:
    from nebula.cli.remote_lists import EngineLists

    return EngineLists(reader(options))


@contextmanager
def changer(options: GlobalOptions) -> Iterator[Engine]:
    """An engine to change things with; see the module."""
    from nebula.cli.hosting import as_interrupt

    with as_interrupt():
        home = home_of(options)
        engine, hosting = (_as_guest(home), None) if is_guest(home) else _changer(home, quiet=options.quiet)
        try:
            yield engine
            if hosting is not None and not options.no_wait:
                hosting.wait_idle()
        finally:
            engine.close()
            if hosting is not None:
                hosting.end()


def _changer(home: Path, *, quiet: bool) -> tuple[Engine, Hosting | None]:
    """A client of whoever owns the home, which may be this process. UnreachableError when the owner does not answer."""
    from nebula.cli.hosting import Hosting
    from nebula.engine.local.engine import own

    began = time.monotonic()
    until = began + timeouts.OWNER_HANDOVER
    while True:
        mine = own(home, "command", url=database_url())
        hosting = Hosting(mine, start_runner, quiet=quiet) if mine is not None else None
        try:
            remote = _client(home, timeouts.SOCKET_ANSWER, take_over=True)
        except BaseException:
            if hosting is not None:
                hosting.end()
            raise
        if remote is not None:
            return remote, hosting
        if hosting is not None:
            hosting.end()
        if in_change(owner(home)):
            until = min(time.monotonic() + timeouts.OWNER_HANDOVER, began + timeouts.OWNER_CHANGE)
        if time.monotonic() > until:
            raise _silent_owner(home)
        time.sleep(_PAUSE)


def is_guest(home: Path | str) -> bool:
    """Whether the home is the system's and not ours to open: then its engine is asked, or nobody."""
    return str(home) == SYSTEM_HOME and os.geteuid() != 0 and not os.access(home, os.W_OK)


def _as_guest(home: Path) -> Engine:
    """A client of the system's engine. UnreachableError where none runs, DeniedError where we may not ask it."""
    from nebula.errors import UnreachableError
    from nebula.rpc.client import try_connect
    from nebula.rpc.paths import SYSTEM_SOCKET

    remote = try_connect(SYSTEM_SOCKET, timeouts.SOCKET_ANSWER)
    if remote is None:
        raise UnreachableError(
            f"no engine runs for {home}, and only administrators may be one",
            cause=f"nobody answers at {SYSTEM_SOCKET}",
            hint="sudo systemctl start nebula; or a home of your own: nebula --home DIRECTORY …",
        )
    return remote


def serve(options: GlobalOptions) -> int:
    """Be the daemon until SIGTERM, SIGINT or `nebula daemon stop`; returns the exit status."""
    from nebula.cli.daemon import run

    return run(home_of(options), "daemon", url=database_url(), until_idle=False)


def finish_jobs(home: str) -> int:
    """Be the detached runner: own the home, end when no job is runnable."""
    from pathlib import Path

    from nebula.cli.daemon import run

    return run(Path(home), "runner", url=database_url(), until_idle=True)


def terminate_owner(options: GlobalOptions) -> int:
    """Send SIGTERM to whoever owns the home, and return its process id. OwnerError if nobody does, DeniedError if it is
    not ours to end.
    """
    import signal

    home = home_of(options)
    number = int(owner(home).get("pid", 0))
    if not number:
        raise OwnerError(f"no engine runs in {home}", hint="nebula status")
    try:
        os.kill(number, signal.SIGTERM)
    except PermissionError as error:
        raise DeniedError(f"process {number} cannot be stopped", cause=str(error), hint="sudo nebula daemon stop") from error
    return number


def restore(options: GlobalOptions, path: str, *, dry_run: bool = False) -> str:
    """Put a copy in the database's place, as the home's owner; OwnerError while an engine runs. A dry run only looks whether
    that is possible.
    """
    from pathlib import Path

    from nebula.engine.home import Ownership, prepare, refuse_second
    from nebula.engine.store.backup import restore as put_back
    from nebula.engine.store.database import parse_url

    home = home_of(options)
    prepare(home)
    ownership = Ownership(home)
    if not ownership.take("restore"):
        raise refuse_second(home)
    try:
        aside = put_back(parse_url(database_url(), home), Path(path), dry_run=dry_run)
    finally:
        ownership.release()
    return str(aside) if aside else ""


def database_url() -> str:
    """NEBULA_DATABASE: another database than the home's own file. In the environment, so that no process list shows it."""
    return os.environ.get("NEBULA_DATABASE", "")


def start_runner(home: Path) -> None:
    """A process of its own that ends the jobs of the home."""
    import subprocess
    from pathlib import Path

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


def _client(
    home: Path, timeout: float, *, take_over: bool = False, otherwise: Callable[[], Engine | None] = lambda: None
) -> Engine | None:
    path = _socket(home)
    if path is None:
        return None
    from nebula.rpc.client import try_connect

    return try_connect(path, timeout, take_over=_Succession(home) if take_over else None, otherwise=otherwise)


class _Succession:
    """The next owner of the home, for a client that lost the one before: a runner is started when there is none."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._again = 0.0

    def __call__(self) -> Heir:
        from pathlib import Path

        from nebula.rpc.link import Heir

        found = owner(self._home)
        told = found.get("socket")
        if not found and time.monotonic() >= self._again:
            self._again = time.monotonic() + _RUNNER_AGAIN
            start_runner(self._home)
        return Heir(Path(str(told)) if told else None, in_change(found))


def _socket(home: Path) -> Path | None:
    """Where the home's owner says that it listens."""
    from pathlib import Path

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
