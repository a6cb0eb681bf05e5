"""Unpacking .xz and .gz images, found by their magic bytes, with the size of what comes out bounded."""

from __future__ import annotations

import gzip
import lzma
import os
import zlib
from pathlib import Path
from typing import IO, cast

from nebula.cancel import CancelToken
from nebula.errors import ImageError

_BLOCK = 1 << 20


def unpack(path: Path, target: Path, limit: int, cancel: CancelToken | None = None) -> bool:
    """Unpack `path` into `target` (0600, holes where there are zeros) if it is xz or gzip; False if it is neither.

    ImageError if the content is damaged or larger than `limit` bytes; `target` is gone then.
    """
    with path.open("rb") as file:
        opened = _unpacker(file)
        if opened is None:
            return False
        try:
            with opened, private_file(target) as out:
                _pump(opened, out, path, limit, cancel)
        except (lzma.LZMAError, zlib.error, EOFError, gzip.BadGzipFile) as error:
            target.unlink(missing_ok=True)
            raise ImageError(
                f"{path.name} cannot be unpacked", cause=str(error), hint="fetch it again, with a checksum"
            ) from error
        except BaseException:
            target.unlink(missing_ok=True)
            raise
    return True


def private_file(path: Path) -> IO[bytes]:
    """The file opened for writing from its start, readable by nobody else."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600), "wb")


def _unpacker(file: IO[bytes]) -> IO[bytes] | None:
    magic = file.read(6)
    file.seek(0)
    if magic == b"\xfd7zXZ\0":
        return cast(IO[bytes], lzma.LZMAFile(file))
    return cast(IO[bytes], gzip.GzipFile(fileobj=file)) if magic.startswith(b"\x1f\x8b") else None


def _pump(opened: IO[bytes], out: IO[bytes], path: Path, limit: int, cancel: CancelToken | None) -> None:
    done = 0
    while block := opened.read(_BLOCK):
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
