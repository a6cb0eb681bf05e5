"""The engine's home: one directory, on a local disk, owned by at most one process at a time (a held flock is the proof).

`owner.py` says which home is meant and who owns it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import stat
import time
from pathlib import Path
from typing import Any

from nebula.engine.owner import SYSTEM_HOME, owner
from nebula.errors import CapacityError, ConflictError, DeniedError, NebulaError, OwnerError

_TRIES, _PAUSE = 5, 0.01
"""How often, and after how many seconds, the lock is tried again: `owner` holds it for a moment to look."""
_REMOTE = {
    "nfs", "nfs4", "cifs", "smb3", "9p", "afs", "coda", "davfs", "ceph", "glusterfs", "lustre", "beegfs", "gfs2", "ocfs2",
    "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.ceph-fuse", "fuse.s3fs", "fuse.rclone", "fuse.curlftpfs",
}  # fmt: skip


def whereabouts(home: Path) -> str:
    """The home and its machine, for people who look for it from elsewhere."""
    return f"{home} on {os.uname().nodename}"


def prepare(home: Path) -> None:
    """Make the directory (0700; the system's 0711, as QEMU passes through it to its disks) and refuse one on a network
    file system, or that is not ours.
    """
    if home.exists() and not home.is_dir():
        raise ConflictError(f"the home {home} is no directory", hint="nebula --home DIRECTORY …")
    _refuse_remote(home)
    try:
        home.mkdir(mode=0o711 if str(home) == SYSTEM_HOME else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(home, "made", error) from error
    found = home.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise ConflictError(f"the home {home} is no directory", hint="nebula --home DIRECTORY …")
    if found.st_uid != os.geteuid() and os.geteuid() != 0:
        raise DeniedError(f"the home {home} belongs to another user", hint="nebula --home DIRECTORY …")


def _refuse_remote(home: Path) -> None:
    """Before anything is made there: by the directory that exists already."""
    there = home.absolute()
    while not there.exists() and there != there.parent:
        there = there.parent
    kind = file_system(there, Path("/proc/self/mounts").read_text())
    if kind in _REMOTE:
        raise ConflictError(
            f"the home {home} is on a network file system ({kind})",
            cause="locks and the database's log do not work across machines there",
            hint="nebula --home /a/local/directory …, or a database server: docs/engine.md",
        )


def _unusable(home: Path, what: str, error: OSError) -> NebulaError:
    """What the system's refusal to make or write the home means."""
    words = f"the home {home} cannot be {what}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CapacityError(words, cause=error.strerror or "", hint=f"free space there: df -h {home}")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return DeniedError(words, cause=error.strerror or "", hint="nebula --home DIRECTORY …")
    return NebulaError(words, cause=str(error), hint="nebula --home DIRECTORY …")


def file_system(path: Path, mounts: str) -> str:
    """The type of the file system that holds the path, from the text of /proc/mounts."""
    best, kind = "", ""
    target = str(path.resolve())
    for line in mounts.splitlines():
        parts = line.split(" ")
        if len(parts) < 3:
            continue
        point = parts[1].replace("\\040", " ")
        inside = target == point or target.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, parts[2]
    return kind


class Ownership:
    """The held lock of a home. The file says who holds it, for messages; only the lock itself counts."""

    def __init__(self, home: Path) -> None:
        self._path = home / "owner"
        self._file: int | None = None

    def take(self, role: str) -> bool:
        """Try to become the owner; False if another process is. CapacityError, DeniedError if the home cannot be written."""
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _unusable(self._path.parent, "written", error) from error
        for _ in range(_TRIES):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(_PAUSE)  # somebody may only be looking who owns it
        else:
            os.close(handle)
            return False
        self._file = handle
        self._write(handle, {"pid": os.getpid(), "role": role})
        return True

    def tell(self, **facts: str) -> None:
        """Add facts to what the file says of the owner: the socket's path."""
        if self._file is not None:
            self._write(self._file, {**json.loads(os.pread(self._file, 4096, 0)), **facts})

    def _write(self, handle: int, facts: dict[str, Any]) -> None:
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, json.dumps(facts).encode(), 0)
        except OSError as error:
            self.release()
            raise _unusable(self._path.parent, "written", error) from error

    def release(self) -> None:
        """Let go."""
        if self._file is not None:
            os.ftruncate(self._file, 0)
            os.close(self._file)
            self._file = None


def refuse_second(home: Path) -> OwnerError:
    """The error for a second daemon."""
    found = owner(home)
    return OwnerError(
        f"an engine already runs for the home {home}",
        cause=f"process {found.get('pid')} ({found.get('role')}) owns it",
        hint="nebula status; every other command becomes its client",
    )
