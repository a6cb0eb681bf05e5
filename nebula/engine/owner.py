"""Which home is meant, and which process owns it. Every list asks this first, so it is told with strings: `pathlib` takes
milliseconds.
"""

from __future__ import annotations

import fcntl
import json
import os

from nebula.errors import ConflictError

TYPE_CHECKING = False  # typing itself takes milliseconds
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

SYSTEM_HOME = "/var/lib/nebula"


def choose(given: str, environ: Mapping[str, str], *, uid: int, system: str | os.PathLike[str] = SYSTEM_HOME) -> str:
    """The home: `--home`, NEBULA_HOME, else the system home if it holds a database or we are root, else
    `$XDG_DATA_HOME/nebula`.

    Raises ConflictError where sudo leaves it open which of two homes is meant.
    """
    named = given or environ.get("NEBULA_HOME", "")
    if named:
        home = os.path.join(os.getcwd(), named)
        if os.path.exists(home) and not os.path.isdir(home):
            raise ConflictError(f"the home {home} is no directory", hint="nebula --home DIRECTORY …")
        return home
    if uid == 0:
        _refuse_ambiguous(environ, os.fspath(system))
        return os.fspath(system)
    if _holds_database(system):
        return os.fspath(system)
    base = environ.get("XDG_DATA_HOME") or f"{environ.get('HOME', '/nonexistent')}/.local/share"
    return f"{base}/nebula"


def owner(home: str | os.PathLike[str]) -> dict[str, Any]:
    """{"pid", "role"} of the process that holds the home's lock; empty if nobody does."""
    try:
        handle = os.open(f"{os.fspath(home)}/owner", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return {}
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(handle, 4096, 0).decode("utf-8", "replace")
        try:
            found: dict[str, Any] = json.loads(text) if text else {}
        except ValueError:
            found = {}
        return found or {"pid": 0, "role": "unknown"}
    finally:
        os.close(handle)
    return {}


def in_change(found: Mapping[str, Any]) -> bool:
    """Whether the owner (see `owner`) starts or stops: soon it answers, or another process can be the owner."""
    return bool(found) and ("stopping" in found or "socket" not in found)


def _holds_database(home: str | os.PathLike[str]) -> bool:
    """Whether there is one that we can see: a directory that somebody made 0700 is one that nobody else shall use."""
    return os.path.exists(f"{os.fspath(home)}/nebula.db")


def _refuse_ambiguous(environ: Mapping[str, str], system: str) -> None:
    user = environ.get("SUDO_USER", "")
    if not user or user == "root" or _holds_database(system):
        return
    import pwd

    try:
        private = f"{pwd.getpwnam(user).pw_dir}/.local/share/nebula"
    except KeyError:
        return
    if _holds_database(private):
        raise ConflictError(
            f"which home is meant: {private} of {user}, or {system}?",
            cause="sudo was used beside a private home",
            hint=f"nebula --home {private} …, or nebula --home {system} …",
        )
