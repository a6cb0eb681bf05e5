"""Where an engine's socket lies: short enough for `sun_path`, in a directory that belongs to nobody else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from nebula.errors import DeniedError, UsageError
from nebula.rpc import plain

SYSTEM_SOCKET = Path(plain.SYSTEM_SOCKET)
LONGEST = 107
"""Bytes that a socket's path may take."""
_PRIME = (1 << 64) - 59


def socket_path(
    home: Path,
    system: bool,
    *,
    environ: Mapping[str, str] = os.environ,
    uid: int | None = None,
    run: Path = Path("/run/user"),
    temporary: Path = Path("/tmp"),  # noqa: S108 - a directory of our own in it, which is checked
) -> Path:
    """The socket of the engine of `home`; the same for every process of the user, however the home is spelled.

    Its directory is made (mode 0700) if it is missing. DeniedError if it is a link, somebody else's, or open to others;
    UsageError if every candidate is too long. `system`: the system home, whose directory the service makes.
    """
    if system:
        return SYSTEM_SOCKET
    user = os.geteuid() if uid is None else uid
    name = f"{_mark(home)}.sock"
    for parent, folder in _candidates(environ, user, run, temporary):
        path = parent / folder / name
        if len(os.fsencode(path)) <= LONGEST:
            make_private(path.parent, user)
            return path
    raise UsageError("no short directory for the engine's socket", hint="export XDG_RUNTIME_DIR=/run/user/$(id -u)")


def _candidates(environ: Mapping[str, str], uid: int, run: Path, temporary: Path) -> Iterator[tuple[Path, str]]:
    given = environ.get("XDG_RUNTIME_DIR", "")
    if given.startswith("/") and _owned(Path(given), uid):
        yield Path(given), "nebula"
    if _owned(run / str(uid), uid):
        yield run / str(uid), "nebula"
    yield temporary, f"nebula-{uid}"


def _owned(directory: Path, uid: int) -> bool:
    """Whether it is there and the user's own: `sudo` may pass on somebody else's."""
    try:
        found = directory.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == uid and not found.st_mode & 0o022


def make_private(directory: Path, uid: int) -> None:
    """Make it, or see that what is there is a directory of the user's own which nobody else can enter."""
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        pass
    except OSError as problem:
        raise DeniedError(
            f"the engine's socket directory {directory} cannot be made", cause=str(problem), hint=f"ls -ld {directory.parent}"
        ) from problem
    found = directory.lstat()
    wrong = _fault(found, uid)
    if wrong:
        raise DeniedError(
            f"the engine's socket directory {directory} cannot be trusted", cause=wrong, hint=f"ls -ld {directory}; remove it"
        )


def _fault(found: os.stat_result, uid: int) -> str:
    if not stat.S_ISDIR(found.st_mode):
        return "it is a link or a file"
    if found.st_uid != uid:
        return f"it belongs to user {found.st_uid}, not {uid}"
    if found.st_mode & 0o077:
        return f"its mode is {stat.S_IMODE(found.st_mode):04o}: others can enter it"
    return ""


def _mark(home: Path) -> str:
    """16 digits for a path. Against accidents only (the directory is private), so no cryptography is loaded for it."""
    return f"{int.from_bytes(os.fsencode(home.resolve()), 'big') % _PRIME:016x}"
