"""Bring an image to a verified file on this machine, from a path or an http(s) URL."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import msgspec

from nebula.cancel import ENGINE_STOPPING, CancelToken
from nebula.errors import ImageError, InterruptedByUser, NotFoundError, UsageError
from nebula.images.checksum import Checksum, find_checksum
from nebula.images.unpack import unpack

LIMIT = 1 << 44
"""16 TiB: what an image may take, packed or not, unless the caller says otherwise."""
_SUMS_LIMIT = 4 << 20


class Fetched(msgspec.Struct, frozen=True):
    """A file that was brought: where it is, its bytes, and whether it is ours to delete after use."""

    path: Path
    size: int
    temporary: bool


def fetch(
    source: str,
    target: Path,
    *,
    checksum: str = "",
    checksum_url: str = "",
    limit: int = LIMIT,
    packed: bool = False,
    progress: Callable[[int, int], None] | None = None,
    cancel: CancelToken | None = None,
    backoff: float = 0.5,
) -> Fetched:
    """The image at `source`, verified and unpacked.

    A URL is downloaded to `target` (its directory exists; the same `target` resumes an earlier try). A path is used where
    it is, unless it is packed. `checksum` is `sha256:HEX`, `sha512:HEX` or HEX; `checksum_url` a SHA256SUMS-like file that
    names the image; both are of the file as it comes, before it is unpacked. `packed`: it stays as it comes.
    `progress(done, total)` counts downloaded bytes, total 0 if not known. Raises NotFoundError, DeniedError,
    UnreachableError, UsageError, CapacityError, InterruptedByUser, and ImageError where the content is not what was
    promised or larger than `limit` bytes.
    """
    expected = Checksum.parse(checksum) if checksum else None
    if "://" not in source:
        expected = expected or _listed(checksum_url, source, cancel)
        return _from_path(Path(source), target, expected, limit, cancel, packed=packed)
    return _from_url(source, target, expected, checksum_url, limit, progress, cancel, backoff, packed=packed)


def _from_path(
    path: Path, target: Path, expected: Checksum | None, limit: int, cancel: CancelToken | None, *, packed: bool
) -> Fetched:
    try:
        seen = path.stat()
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path} on this machine", hint=f"ls -l {path.parent}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read", cause=error.strerror or str(error), hint=f"ls -l {path}") from error
    if not stat.S_ISREG(seen.st_mode):
        raise ImageError(f"{path} is no regular file", cause="an image is brought from a file or a URL", hint=f"ls -l {path}")
    if seen.st_size == 0 or seen.st_size > limit:
        raise ImageError(
            f"{path} has {seen.st_size} bytes", cause=f"an image has more than none and at most {limit}", hint=f"ls -l {path}"
        )
    if expected:
        expected.verify(path, str(path), cancel)
    if not packed and unpack(path, target, limit, cancel):
        return Fetched(target, target.stat().st_size, temporary=True)
    return Fetched(path, seen.st_size, temporary=False)


def _from_url(
    url: str,
    target: Path,
    expected: Checksum | None,
    checksum_url: str,
    limit: int,
    progress: Callable[[int, int], None] | None,
    cancel: CancelToken | None,
    backoff: float,
    *,
    packed: bool,
) -> Fetched:
    from nebula.images.download import Download
    from nebula.images.web import new_client, shown

    arrived = target.with_name(f"{target.name}.fetched")
    download = Download(url, arrived, limit=limit, progress=progress, cancel=cancel, backoff=backoff)
    try:
        expected = expected or _listed(checksum_url, url, cancel)
        with new_client() as client:
            download.run(client)
        if expected:
            expected.verify(arrived, shown(url), cancel)
        if packed or not unpack(arrived, target, limit, cancel):
            arrived.rename(target)
    except InterruptedByUser as stopped:
        if not stopped.message.startswith(ENGINE_STOPPING):
            download.forget()
        raise
    finally:
        arrived.unlink(missing_ok=True)
    return Fetched(target, target.stat().st_size, temporary=True)


def _listed(checksum_url: str, source: str, cancel: CancelToken | None) -> Checksum | None:
    if not checksum_url:
        return None
    from nebula.images.web import read_small, shown

    name = shown(source).rpartition("/")[2] if "://" in source else Path(source).name
    return find_checksum(read_small(checksum_url, _SUMS_LIMIT, cancel), name, shown(checksum_url))
