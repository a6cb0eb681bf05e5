"""A small HTTP server on loopback that resumes, cuts the connection and changes its mind as told."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


class Site:
    """What the server has, and how it misbehaves."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.etag = '"one"'
        self.cuts: list[int] = []
        """Each answer in turn ends after so many bytes of its body; then answers are whole."""
        self.statuses: list[int] = []
        """Answers of these statuses come first."""
        self.redirects: dict[str, str] = {}
        self.stall = threading.Event()
        """Cleared by a test: every answer stops half way until it is set."""
        self.stall.set()
        self.ranges: list[str] = []
        self.url = ""


class Handler(BaseHTTPRequestHandler):
    site: Site
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        site, path = self.site, self.path.partition("?")[0]
        site.ranges.append(self.headers.get("Range", ""))
        if site.statuses:
            self.answer(site.statuses.pop(0), b"")
        elif path in site.redirects:
            self.answer(302, b"", Location=site.redirects[path])
        elif path not in site.files:
            self.answer(404, b"nothing")
        else:
            self.send(site.files[path])

    def send(self, body: bytes) -> None:
        start = 0
        wanted = self.headers.get("Range")
        if wanted and self.headers.get("If-Range") == self.site.etag:
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        if start >= len(body) > 0:
            self.answer(416, b"")
        elif start:
            self.answer(
                206, body[start:], ETag=self.site.etag, **{"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
            )
        else:
            self.answer(200, body, ETag=self.site.etag)

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        cut = self.site.cuts.pop(0) if self.site.cuts and body else len(body)
        half = min(cut, len(body) // 2)
        self.wfile.write(body[:half])
        self.wfile.flush()
        self.site.stall.wait(30)
        try:
            self.wfile.write(body[half:cut])
        except OSError:
            self.close_connection = True
        if cut < len(body):
            self.close_connection = True


@contextmanager
def serving(site: Site, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """The port at which the site answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("SiteHandler", (Handler,), {"site": site}))
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        site.stall.set()
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving_tls(site: Site, certificate: Path, key: Path) -> Iterator[str]:
    """The site's URL over TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with serving(site, context) as port:
        yield f"https://127.0.0.1:{port}"


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    with serving(site) as port:
        site.url = f"http://127.0.0.1:{port}"
        yield site
