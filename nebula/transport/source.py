"""A large local file as a stream of its data without its holes."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, ClassVar

from nebula.errors import ConflictError, NotFoundError, UsageError

_CHUNK = 1 << 18
_HEAD = 1 << 20
_SMALLEST_HOLE = 1 << 16
"""Smaller holes are sent as zeros: a piece of its own would cost more."""


class Source:
    """A local file to upload. `token` tells it from any other: size, time of change, hash of its first MiB."""

    TAIL: ClassVar[int] = 4 << 20
    """Bytes before the position of a resumed upload that must be the same on both sides."""

    def __init__(self, path: Path, status: os.stat_result) -> None:
        self._path, self._status = path, status
        self.size = status.st_size
        self.token = f"{self.size} {status.st_mtime_ns} {_hash(path, 0, _HEAD)}"

    @classmethod
    def of(cls, path: Path) -> Source:
        """The file at `path`; NotFoundError, UsageError if it is no plain file or cannot be read."""
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise UsageError(f"cannot upload {path}", cause="it is not a plain file")
            return cls(path, status)
        except FileNotFoundError as error:
            raise NotFoundError(f"there is no file {path}", cause=str(error.strerror)) from error
        except OSError as error:
            raise UsageError(f"cannot read {path}", cause=str(error.strerror)) from error

    def tail_hash(self, position: int) -> str:
        """The hash of the up to `TAIL` bytes before `position`."""
        start = max(0, position - self.TAIL)
        return _hash(self._path, start, position - start)

    def blocks(self, position: int, report: Callable[[int], None]) -> Iterator[bytes]:
        """The stream from `position` on, as `scripts.RECEIVE` takes it; `report(done)` in bytes, holes counted as done.

        ConflictError if the file changed meanwhile.
        """
        with self._path.open("rb", buffering=0) as file:
            report(position)
            for start, end in _pieces(file.fileno(), position, self.size):
                yield f"{start} {end - start}\n".encode()
                yield from self._piece(file, start, end, report)
        self._check_unchanged()
        yield b"end 0\n"
        report(self.size)

    def _piece(self, file: BinaryIO, start: int, end: int, report: Callable[[int], None]) -> Iterator[bytes]:
        file.seek(start)
        while start < end:
            chunk = file.read(min(_CHUNK, end - start))
            if not chunk:
                raise self._changed()
            yield chunk
            start += len(chunk)
            report(start)

    def _check_unchanged(self) -> None:
        now = self._path.stat()
        if (now.st_size, now.st_mtime_ns) != (self._status.st_size, self._status.st_mtime_ns):
            raise self._changed()

    def _changed(self) -> ConflictError:
        return ConflictError(f"{self._path} changed while it was uploaded", hint="upload it again")


def _pieces(descriptor: int, position: int, size: int) -> Iterator[tuple[int, int]]:
    """(start, end) of the data after `position`; pieces with only a small hole between them are one."""
    pending: tuple[int, int] | None = None
    for start, end in _extents(descriptor, position, size):
        if pending is not None and start - pending[1] >= _SMALLEST_HOLE:
            yield pending
            pending = None
        pending = (pending[0] if pending else start, end)
    if pending is not None:
        yield pending


def _extents(descriptor: int, position: int, size: int) -> Iterator[tuple[int, int]]:
    while position < size:
        try:
            start = os.lseek(descriptor, position, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        end = min(size, os.lseek(descriptor, start, os.SEEK_HOLE))
        if start < end:
            yield start, end
        position = end


def _hash(path: Path, start: int, length: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(start)
        while length > 0 and (chunk := file.read(min(_CHUNK, length))):
            digest.update(chunk)
            length -= len(chunk)
    return digest.hexdigest()
