"""The dashboard in a browser on this machine: textual-serve on loopback, behind an address that works once."""

from __future__ import annotations

import hmac
import secrets
import shlex
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web
from textual_serve.server import Server

if TYPE_CHECKING:
    from aiohttp.typedefs import Middleware

_COOKIE = "nebula"
_LOOPBACK = "127.0.0.1"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Door:
    """Who may come in: the first who knows the token gets a cookie, and nobody else does. `address`: host and port."""

    def __init__(self, address: str, new_secret: Callable[[], str] = secrets.token_urlsafe) -> None:
        self.address = address
        self.token, self._cookie = new_secret(), new_secret()
        self._used = False

    def knows(self, cookie: str) -> bool:
        """Whether it is the cookie that was given."""
        return self._used and hmac.compare_digest(cookie.encode(), self._cookie.encode())

    def admit(self, token: str) -> str:
        """The cookie for the token, once; "" for any other, and at any other time."""
        if self._used or not hmac.compare_digest(token.encode(), self.token.encode()):
            return ""
        self._used = True
        return self._cookie

    def same_site(self, host: str, origin: str) -> bool:
        """Whether a browser asks for our own address, and no other page makes it do so."""
        return host == self.address and origin in {"", f"http://{self.address}"}


def guard(door: Door) -> Middleware:
    """What stands before every request."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not door.same_site(request.headers.get("Host", ""), request.headers.get("Origin", "")):
            raise web.HTTPForbidden(text="this is not the dashboard's address")
        if door.knows(request.cookies.get(_COOKIE, "")):
            return await handler(request)
        cookie = door.admit(request.query.get("token", ""))
        if not cookie:
            raise web.HTTPForbidden(text="the address was used already, or is not whole; start nebula tui --web again")
        answer = web.HTTPSeeOther("/")
        answer.set_cookie(_COOKIE, cookie, httponly=True, samesite="Strict")
        raise answer

    return check


class _Guarded(Server):
    def __init__(self, command: str, port: int, door: Door) -> None:
        super().__init__(command, host=_LOOPBACK, port=port, title="nebula")
        self._door = door

    async def _make_app(self) -> web.Application:
        app = await super()._make_app()
        app.middlewares.append(guard(self._door))
        return app

    async def on_startup(self, app: web.Application) -> None:  # noqa: ARG002 - Server's own
        """See Server: the address is all that is said."""
        print(f"http://{self._door.address}/?token={self._door.token}", flush=True)  # noqa: T201 - it is what was asked for
        sys.stderr.write("the address works once; Ctrl-C ends it\n")


def serve(words: Sequence[str]) -> None:
    """Until Ctrl-C; `words`: the line behind `nebula` that is the dashboard."""
    with socket.socket() as found:
        found.bind((_LOOPBACK, 0))
        port = found.getsockname()[1]
    argv = [sys.executable, "-m", "nebula"] if sys.argv[0].endswith("__main__.py") else [str(Path(sys.argv[0]).resolve())]
    _Guarded(shlex.join([*argv, *words]), port, Door(f"{_LOOPBACK}:{port}")).serve()
