"""Unpacking .xz, .gz, .bz2 and .zst images, found by their magic bytes, with the size of what comes out bounded."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, cast

from nebula.cancel import CancelToken
from nebula.errors import ImageError
from nebula.images.disk import disk_error, private_file

_BLOCK = 1 << 20


class DamagedError(Exception):
    """What was packed cannot be read to its end."""


class _Packed(NamedTuple):
    """What comes out of a packed file, and the errors by which its reader says that it is damaged."""

    content: IO[bytes]
    damages: tuple[type[Exception], ...]


def unpack(path: Path, target: Path, limit: int, cancel: CancelToken | None = None) -> bool:
    """Unpack `path` into `target` (0600, holes where there are zeros) if it is packed; False if it is not.

    ImageError if the content is damaged or larger than `limit` bytes, CapacityError if the disk is full; `target` is gone then.
    """
    with path.open("rb") as file:
        opened = _unpacker(file)
        if opened is None:
            return False
        try:
            with opened.content, private_file(target) as out:
                _pump(opened, out, path, limit, cancel)
        except DamagedError as error:
            target.unlink(missing_ok=True)
            raise ImageError(
                f"{path.name} cannot be unpacked", cause=str(error), hint="fetch it again, with a checksum"
            ) from error
        except OSError as error:
            target.unlink(missing_ok=True)
            raise disk_error(error, target) from error
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    return True


def _unpacker(file: IO[bytes]) -> _Packed | None:
    magic = file.read(6)
    file.seek(0)
    for start, opener in _OPENERS:
        if magic.startswith(start):
            return opener(file)
    return None


def _xz(file: IO[bytes]) -> _Packed:
    return _Packed(cast(IO[bytes], lzma.LZMAFile(file)), (lzma.LZMAError,))


def _gzip(file: IO[bytes]) -> _Packed:
    return _Packed(cast(IO[bytes], gzip.GzipFile(fileobj=file)), (gzip.BadGzipFile, zlib.error))


def _bzip2(file: IO[bytes]) -> _Packed:
    return _Packed(cast(IO[bytes], bz2.BZ2File(file)), ())


def _zstd(file: IO[bytes]) -> _Packed:
    from backports.zstd import ZstdError, ZstdFile

    return _Packed(cast(IO[bytes], ZstdFile(file)), (ZstdError,))


_OPENERS: tuple[tuple[bytes, Callable[[IO[bytes]], _Packed]], ...] = (
    (b"\xfd7zXZ\0", _xz),
    (b"\x1f\x8b", _gzip),
    (b"BZh", _bzip2),
    (b"\x28\xb5\x2f\xfd", _zstd),
)
"""How a packed file begins, and what reads it."""


def _blocks(packed: _Packed) -> Iterator[bytes]:
    """What comes out, block by block; DamagedError where nothing more can."""
    damages: tuple[type[Exception], ...] = (EOFError, *packed.damages)
    while True:
        try:
            block = packed.content.read(_BLOCK)
        except damages as error:
            raise DamagedError(str(error)) from error
        except OSError as error:
            if error.errno is not None:
                raise
            raise DamagedError(str(error)) from error  # bz2's own word for damage; the system's errors have numbers
        if not block:
            return
        yield block


def _pump(opened: _Packed, out: IO[bytes], path: Path, limit: int, cancel: CancelToken | None) -> None:
    done = 0
    for block in _blocks(opened):
        if cancel:
            cancel.raise_if_set()
        done += len(block)
        if done > limit:
            raise ImageError(f"{path.name} unpacks to more than {limit} bytes", cause="the limit for an image was passed")
        if block.count(0) == len(block):
            out.seek(len(block), os.SEEK_CUR)
        else:
            out.write(block)
    out.truncate(done)
    out.flush()
    os.fsync(out.fileno())
