"""The socket's file: never open to others, not even for a moment, and never taken from under a living engine."""

from __future__ import annotations

import grp
import os
import socket
import tempfile
from pathlib import Path

from nebula.errors import DeniedError, OwnerError, UsageError
from nebula.rpc.paths import LONGEST

_BACKLOG = 1024
"""A full backlog looks to a client as if nobody listened."""


def listen(path: Path, *, mode: int, group: str | None, replace: bool) -> socket.socket:
    """A listening socket at `path` with that mode and group.

    `replace`: whether a file that lies there may be replaced; only who holds the home's lock knows that nobody serves it.
    Raises OwnerError (something lies there), DeniedError (the directory or the group is not ours to use), UsageError.
    """
    if len(os.fsencode(path)) > LONGEST:
        raise UsageError(f"the socket's path {path} is too long", cause=f"{LONGEST} bytes are allowed")
    gid = _group_id(group)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        _make_directory(path.parent, 0o755 if group else 0o700)
        with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as private:
            made = Path(private) / "s"
            listener.bind(str(made))
            os.chown(made, -1, gid)
            made.chmod(mode)
            listener.listen(_BACKLOG)
            _put_in_place(made, path, replace=replace)
    except OSError as problem:
        listener.close()
        raise DeniedError(f"cannot serve at {path}", cause=str(problem), hint=f"ls -la {path.parent}") from problem
    except OwnerError:
        listener.close()
        raise
    return listener


def _put_in_place(made: Path, path: Path, *, replace: bool) -> None:
    if replace:
        made.replace(path)
        return
    try:
        path.hardlink_to(made)
    except FileExistsError as problem:
        raise OwnerError(f"{path} is there already", cause="another engine may serve it", hint="nebula status") from problem


def _make_directory(directory: Path, mode: int) -> None:
    if not directory.is_dir():
        directory.mkdir(parents=True)
        directory.chmod(mode)


def _group_id(group: str | None) -> int:
    if group is None:
        return -1
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise UsageError(f"there is no group {group!r}", hint=f"groupadd --system {group}") from None
