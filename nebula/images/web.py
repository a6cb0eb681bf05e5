"""http(s) as images need it: bounded, cancellable, redirects followed but never from https to http."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from nebula import timeouts
from nebula.cancel import CancelToken
from nebula.errors import DeniedError, ImageError, NotFoundError, UnreachableError, UsageError

_REDIRECTS = 10
_TEMPORARY = {408, 425, 429, 500, 502, 503, 504}


class AgainError(Exception):
    """Something that may be better a moment later."""


def new_client() -> httpx.Client:
    """A client that verifies certificates and gives up on a silent server."""
    timeout = httpx.Timeout(timeouts.DOWNLOAD_STALL, connect=timeouts.SSH_CONNECT)
    return httpx.Client(
        timeout=timeout, headers={"Accept-Encoding": "identity", "User-Agent": "nebula"}, follow_redirects=False
    )


def shown(url: str) -> str:
    """The URL as it may be shown: without login and query, which may be secrets."""
    parsed = httpx.URL(url)
    return str(parsed.copy_with(userinfo=b"", query=None, fragment=None))


def read_small(url: str, limit: int, cancel: CancelToken | None) -> str:
    """The text at `url`, at most `limit` bytes of it; for lists of checksums."""
    token, text = cancel or CancelToken(), bytearray()
    try:
        with new_client() as client, stream(client, url, {}, token) as response:
            must_be_fine(response, url)
            for block in response.iter_raw():
                text += block
                if len(text) > limit:
                    raise ImageError(f"{shown(url)} is no list of checksums", cause=f"it has more than {limit} bytes")
    except (httpx.TransportError, AgainError) as error:
        token.raise_if_set()
        raise UnreachableError(f"{shown(url)} cannot be fetched", cause=str(error), hint=f"curl -I {shown(url)}") from error
    return text.decode("utf-8", "replace")


@contextmanager
def stream(client: httpx.Client, url: str, headers: dict[str, str], cancel: CancelToken) -> Iterator[httpx.Response]:
    """The answer to a GET, redirects followed, never from https to http; setting `cancel` breaks it off at once."""
    here = _checked(url)
    for _ in range(_REDIRECTS):
        with client.stream("GET", here, headers=headers) as response:
            if not response.has_redirect_location:
                forget = cancel.on_set(lambda: _hang_up(response))
                try:
                    yield response
                finally:
                    forget()
                return
            onward = here.join(response.headers["location"])
        if here.scheme == "https" and onward.scheme != "https":
            raise ImageError(
                f"{shown(url)} leads from https to {shown(str(onward))}", cause="that would give up its protection"
            )
        here = _checked(str(onward))
    raise ImageError(f"{shown(url)} leads in circles", cause=f"more than {_REDIRECTS} redirects")


def _checked(url: str) -> httpx.URL:
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise UsageError(f"{url!r} is no URL", cause=str(error)) from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise UsageError(
            f"{shown(url)!r} cannot be fetched", cause="http and https URLs can", hint="or give a path on this machine"
        )
    return parsed


def _hang_up(response: httpx.Response) -> None:
    peer = response.extensions["network_stream"].get_extra_info("socket")
    try:
        socket.socket.shutdown(peer, socket.SHUT_RDWR)
    except OSError as error:
        if error.errno not in (errno.ENOTCONN, errno.EBADF):
            raise


def must_be_fine(response: httpx.Response, url: str) -> None:
    """Raise what the answer's status means, AgainError where it may pass."""
    status, words = response.status_code, f"{response.status_code} {response.reason_phrase}"
    if status in (200, 206):
        return
    if status in _TEMPORARY:
        raise AgainError(words)
    hint = f"curl -I {shown(url)}"
    if status in (404, 410):
        raise NotFoundError(f"there is nothing at {shown(url)}", cause=words, hint=hint)
    if status in (401, 403, 407):
        raise DeniedError(f"{shown(url)} may not be fetched", cause=words, hint=hint)
    raise ImageError(f"{shown(url)} cannot be fetched", cause=words, hint=hint)
