"""Unpacking the archive, once per build and interpreter, and clearing away copies that nobody uses any more.

A copy is made under a name of its own and renamed when it is whole: several first starts at once each make one, one of
them wins, and a start that is killed half-way leaves nothing that another would use.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import marshal
import os
import re
import shutil
import sys
import tempfile
import time
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

UNUSED_SECONDS = 30 * 86_400
"""Another build's copy goes when it was not started for so long."""
ABANDONED_SECONDS = 86_400
"""A half-made copy older than this belongs to a process that died."""
COPY = re.compile(r"[0-9a-f]{16}\.cp3\d+")
PARTIAL = "partial-"
DAMAGED = 3
"""The status of `check` for a copy that was damaged."""


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
    print("nebula: no directory can hold its unpacked copy (90 MB, not mounted noexec):", *refused, sep="\n", file=sys.stderr)
    print("try: NEBULA_CACHE=/some/directory nebula", file=sys.stderr)
    return 1


def copy_under(root: Path, archive: Path, name: str, abi: str) -> Path:
    """The copy `name` under `root`, made if it is not there, or has lost its beginning."""
    secure(root)
    copy = root / name
    with alone(root):
        if copy.exists() and not (copy / "start.py").stat().st_size:
            throw_away(copy, root)
        if not copy.exists():
            make(root, archive, copy, abi)
            clear(root, keep=name, now=time.time())
        elif (copy / "bin" / "python").resolve() != interpreter():
            link(copy)
    return copy


@contextlib.contextmanager
def alone(root: Path) -> Iterator[None]:
    """Of several first starts at once one unpacks, the others wait and use its copy. Without locks each makes its own."""
    handle = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def check(archive: str, place: str) -> int:
    """Throw a copy away that is not what the archive holds; 3 if so, 0 for one that is whole."""
    copy = Path(place)
    if copy.parent.is_dir() and COPY.fullmatch(copy.name) and damaged(Path(archive), copy):
        with alone(copy.parent):
            throw_away(copy, copy.parent)
        return DAMAGED
    return 0


def damaged(archive: Path, copy: Path) -> bool:
    """Whether a file is missing or another one than was unpacked, or what Python made of one cannot be read."""
    site = libraries(copy)
    with zipfile.ZipFile(archive) as outer:
        if differs(outer, copy, ["start.py"]):
            return True
        for part in parts(copy.name.rpartition(".")[2]):
            with outer.open(part) as stored, zipfile.ZipFile(stored) as inner:
                if differs(inner, site, inner.namelist()):
                    return True
    return any(unreadable(path) for path in site.rglob("*.pyc"))


def differs(source: zipfile.ZipFile, place: Path, names: Sequence[str]) -> bool:
    """Whether a member's file is not there as it was."""
    for name in names:
        try:
            if zlib.crc32((place / name).read_bytes()) != source.getinfo(name).CRC:
                return True
        except OSError:
            return True
    return False


def unreadable(compiled: Path) -> bool:
    """Whether importing would fail for what was compiled: Python looks at its first 16 bytes only."""
    try:
        marshal.loads(compiled.read_bytes()[16:])  # noqa: S302 - what Python itself does with it
    except (EOFError, ValueError, TypeError):
        return True
    return False


def throw_away(copy: Path, root: Path) -> None:
    """Out of the way at once, then removed; programs that run from it keep what they have loaded."""
    grave = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=root))
    copy.rename(grave / "copy")
    shutil.rmtree(grave, ignore_errors=True)


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
    with zipfile.ZipFile(archive) as outer:
        outer.extract("start.py", target)
        for part in parts(abi):
            with outer.open(part) as stored, zipfile.ZipFile(stored) as inner:
                inner.extractall(libraries(target))


def parts(abi: str) -> tuple[str, str]:
    """The archive's parts for an interpreter."""
    return "common.zip", f"{abi}.zip"


def libraries(copy: Path) -> Path:
    """Where a copy's libraries lie."""
    return copy / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"


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
            throw_away(copy, root)


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
