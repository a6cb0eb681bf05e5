"""Unpacking the archive, once per build and interpreter, and clearing away copies that nobody uses any more.

A copy is made under a name of its own and renamed when it is whole: several first starts at once each make one, one of
them wins, and a start that is killed half-way leaves nothing that another would use.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

UNUSED_SECONDS = 30 * 86_400
"""Another build's copy goes when it was not started for so long."""
ABANDONED_SECONDS = 86_400
"""A half-made copy older than this belongs to a process that died."""
COPY = re.compile(r"[0-9a-f]{16}\.cp3\d+")
PARTIAL = "partial-"


class UnusableError(Exception):
    """A directory that cannot hold copies, with the reason."""


def main(archive: str, build: str, roots: Sequence[str]) -> int:
    """Print the directory of the copy, made under the first of `roots` that can hold it; 1 with reasons if none can."""
    abi = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    refused = []
    for root in roots:
        try:
            print(copy_under(Path(root), Path(archive), f"{build}.{abi}", abi))
            return 0
        except (UnusableError, OSError) as error:
            refused.append(f"  {root}: {error}")
    print("nebula: no directory can hold its unpacked copy (60 MB, not mounted noexec):", *refused, sep="\n", file=sys.stderr)
    print("try: NEBULA_CACHE=/some/directory nebula", file=sys.stderr)
    return 1


def copy_under(root: Path, archive: Path, name: str, abi: str) -> Path:
    """The copy `name` under `root`, made if it is not there."""
    secure(root)
    copy = root / name
    if not copy.exists():
        make(root, archive, copy, abi)
        clear(root, keep=name, now=time.time())
    elif (copy / "bin" / "python").resolve() != interpreter():
        link(copy)
    return copy


def secure(root: Path) -> None:
    """Make `root` a directory that only we can write to; raises `UnusableError` or `OSError` if it cannot be."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = root.lstat()
    if root.is_symlink() or status.st_uid != os.geteuid():
        raise UnusableError("belongs to somebody else")
    if status.st_mode & 0o022:
        raise UnusableError("others may write to it")
    if os.statvfs(root).f_flag & os.ST_NOEXEC:
        raise UnusableError("is mounted noexec")


def make(root: Path, archive: Path, copy: Path, abi: str) -> None:
    """Unpack into a directory of our own, then give it its name; whoever comes second uses the first one's."""
    partial = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=root))
    try:
        extract(archive, partial, abi)
        (partial / "used").touch()
        link(partial)
        partial.rename(copy)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def interpreter() -> Path:
    """Who runs this, without a virtual environment around it."""
    return Path(sys.executable).resolve()


def link(copy: Path) -> None:
    """Make the copy a virtual environment of this interpreter, so that the program can start itself by `sys.executable`.

    Also for a copy whose interpreter was uninstalled or is not the one wanted now.
    """
    (copy / "pyvenv.cfg").write_text(f"home = {interpreter().parent}\ninclude-system-site-packages = false\n")
    new = copy / "bin" / f"python-{os.getpid()}"
    new.parent.mkdir(exist_ok=True)
    new.symlink_to(interpreter())
    new.rename(copy / "bin" / "python")


def extract(archive: Path, target: Path, abi: str) -> None:
    """Both parts of the archive into the environment's libraries: what all interpreters share, and what is this one's own."""
    site = target / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    with zipfile.ZipFile(archive) as outer:
        outer.extract("start.py", target)
        for part in ("common.zip", f"{abi}.zip"):
            with outer.open(part) as stored, zipfile.ZipFile(stored) as inner:
                inner.extractall(site)


def clear(root: Path, keep: str, now: float) -> None:
    """Remove other builds' copies that were not started for 30 days, and what killed starts left."""
    for path in sorted(root.iterdir()):
        if path.name.startswith(PARTIAL) and older(path, now - ABANDONED_SECONDS):
            shutil.rmtree(path, ignore_errors=True)
        elif COPY.fullmatch(path.name) and path.name != keep and older(path / "used", now - UNUSED_SECONDS):
            discard(path, root)


def discard(copy: Path, root: Path) -> None:
    """Remove a copy unless a program still runs from it."""
    with unused(copy) as free:
        if free:
            grave = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=root))
            copy.rename(grave / "copy")
            shutil.rmtree(grave, ignore_errors=True)


@contextlib.contextmanager
def unused(copy: Path) -> Iterator[bool]:
    """Hold the copy's lock while it is taken away; false if a running program holds it."""
    with (copy / "used").open("rb") as used:
        try:
            fcntl.flock(used, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def older(path: Path, limit: float) -> bool:
    """Whether the file was last touched before `limit`."""
    try:
        return path.stat().st_mtime < limit
    except FileNotFoundError:
        return False
