"""A file from an http(s) URL: resumed where it broke off, tried again, bounded, cancellable.

While it comes it is called `<target>.part`; beside it `<target>.part.json` says of which version of what it is a part, so
that a later run can go on with it, and only with the same version.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import IO

import httpx
import msgspec
import tenacity

from nebula import typed
from nebula.cancel import CancelToken
from nebula.errors import CapacityError, DeniedError, ImageError, NotFoundError, UnreachableError, UsageError
from nebula.images.disk import disk_error, private_file
from nebula.images.web import AgainError, must_be_fine, shown, stream

_FRUITLESS, _ATTEMPTS = 6, 100
_LONGEST_PAUSE = 30.0
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


class _Part(msgspec.Struct):
    """What the part is a part of. `source` is a digest of the URL, which may hold a secret; `total` is 0 if not known."""

    source: str
    validator: str = ""
    total: int = 0


class Download:
    """One download of `url` to `target`, at most `limit` bytes; `backoff` is the first pause between attempts in seconds.

    It gives up (UnreachableError) after six attempts in a row that brought no byte.
    """

    def __init__(
        self,
        url: str,
        target: Path,
        *,
        limit: int,
        progress: Callable[[int, int], None] | None,
        cancel: CancelToken | None,
        backoff: float = 0.5,
    ) -> None:
        self._url, self._target, self._limit = url, target, limit
        self._progress, self._cancel, self._backoff = progress, cancel or CancelToken(), backoff
        self.part = target.with_name(f"{target.name}.part")
        self.state = target.with_name(f"{target.name}.part.json")
        self._fruitless = 0

    def run(self, client: httpx.Client) -> None:
        """Bring it. What can be resumed is left when this fails for a passing reason; else nothing is left."""
        try:
            self._retrying()(self._attempt, client)
        except AgainError as error:
            self._forget_unless_resumable()
            hint = f"curl -I {shown(self._url)}"
            raise UnreachableError(f"{shown(self._url)} cannot be fetched", cause=str(error), hint=hint) from error
        except (NotFoundError, DeniedError, ImageError, CapacityError, UsageError):
            self.forget()
            raise
        self.part.rename(self._target)
        self.forget()

    def forget(self) -> None:
        """Delete what has come so far."""
        self.part.unlink(missing_ok=True)
        self.state.unlink(missing_ok=True)

    def _retrying(self) -> tenacity.Retrying:
        return tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(AgainError),
            stop=lambda call: self._fruitless >= _FRUITLESS or call.attempt_number >= _ATTEMPTS,
            wait=tenacity.wait_exponential(self._backoff, max=_LONGEST_PAUSE),
            sleep=self._sleep,
            reraise=True,
        )

    def _sleep(self, seconds: float) -> None:
        self._cancel.wait(seconds)
        self._cancel.raise_if_set()

    def _attempt(self, client: httpx.Client) -> None:
        self._fruitless += 1
        try:
            with stream(client, self._url, self._resume_headers(), self._cancel) as response:
                self._receive(response)
        except (httpx.TransportError, httpx.StreamError) as error:
            self._cancel.raise_if_set()
            raise AgainError(str(error) or type(error).__name__) from error
        except OSError as error:
            raise disk_error(error, self.part) from error

    def _resume_headers(self) -> dict[str, str]:
        self._cancel.raise_if_set()
        part, size = self._load(), self._size()
        if size and part.validator and part.source == self._source():
            return {"Range": f"bytes={size}-", "If-Range": part.validator}
        self.forget()
        return {}

    def _receive(self, response: httpx.Response) -> None:
        if response.status_code == 416:
            self.forget()
            raise AgainError("the server has another version of it now")
        must_be_fine(response, self._url)
        start, total = self._span(response)
        if total > self._limit:
            raise self._too_large(total)
        self._save(_Part(self._source(), _validator(response), total))
        with self._open(start) as out:
            self._pump(response, out, start, total)
        if total and self._size() != total:
            raise AgainError(f"{self._size()} of {total} bytes came")

    def _span(self, response: httpx.Response) -> tuple[int, int]:
        """(where the answer's first byte belongs, size of the whole or 0)."""
        if response.status_code != 206:
            return 0, int(response.headers.get("content-length", 0))
        match = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
        if not match or int(match[1]) != self._size():
            self.forget()
            raise AgainError("the server answered with another part than was asked for")
        return int(match[1]), int(match[2])

    def _pump(self, response: httpx.Response, out: IO[bytes], done: int, total: int) -> None:
        for block in response.iter_raw():
            self._cancel.raise_if_set()
            done += len(block)
            if done > self._limit:
                raise self._too_large(done)
            out.write(block)
            self._fruitless = 0
            if self._progress:
                self._progress(done, total)
        out.flush()
        os.fsync(out.fileno())

    def _open(self, start: int) -> IO[bytes]:
        return self.part.open("ab") if start else private_file(self.part)

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _source(self) -> str:
        return hashlib.sha256(self._url.encode()).hexdigest()

    def _load(self) -> _Part:
        try:
            return typed.decode(self.state.read_bytes(), _Part)
        except (FileNotFoundError, msgspec.DecodeError):
            return _Part("")

    def _save(self, part: _Part) -> None:
        with private_file(self.state) as file:
            file.write(msgspec.json.encode(part))

    def _forget_unless_resumable(self) -> None:
        if not self._load().validator:
            self.forget()

    def _too_large(self, size: int) -> ImageError:
        cause = f"{size} bytes or more, the limit is {self._limit}"
        return ImageError(f"{shown(self._url)} is larger than an image may be", cause=cause, hint=f"curl -I {shown(self._url)}")


def _validator(response: httpx.Response) -> str:
    tag = str(response.headers.get("etag", ""))
    return tag if tag and not tag.startswith("W/") else str(response.headers.get("last-modified", ""))
