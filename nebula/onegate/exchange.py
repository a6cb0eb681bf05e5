"""One request and its answer over one connection, with a limit for everything that a stranger decides."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import NamedTuple

import h11

MAX_HEAD = 16 << 10
"""Bytes of a request's line and headers."""
MAX_BODY = 64 << 10
_PIECE = 4 << 10
_LINGER = 1 << 20
"""Bytes that are read and dropped behind an answer that came before its request was whole: else it would not arrive."""


class Asked(NamedTuple):
    """`headers`: by lower-case name; of those that came twice, none."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class Answer(NamedTuple):
    """`body` is JSON, or words for people. `later`: seconds after which to come again."""

    status: int
    body: bytes = b""
    kind: str = "application/json"
    later: float = 0.0


def words(status: int, text: str = "", later: float = 0.0) -> Answer:
    """An answer in words."""
    return Answer(status, f"{text or HTTPStatus(status).phrase}\n".encode(), "text/plain; charset=utf-8", later)


class Exchange:
    """The connection of a client. It ends with the first answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)

    async def read(self) -> Asked | Answer | None:
        """The request; or how one is answered that is none, or too large; None where there was nothing."""
        try:
            head = await self._event()
            if not isinstance(head, h11.Request):
                return None
            return await self._whole(head)
        except h11.RemoteProtocolError as error:
            return words(error.error_status_hint)

    async def answer(self, answer: Answer) -> None:
        """Send it, and say that nothing more comes."""
        headers = [
            ("Content-Type", answer.kind),
            ("Content-Length", str(len(answer.body))),
            ("Cache-Control", "no-store"),
            ("Connection", "close"),
        ]
        if answer.later:
            headers.append(("Retry-After", f"{answer.later:.0f}"))
        if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self._write(h11.Response(status_code=answer.status, headers=headers, reason=HTTPStatus(answer.status).phrase))
            self._write(h11.Data(data=answer.body))
            self._write(h11.EndOfMessage())
        await self._writer.drain()
        if self._writer.can_write_eof():
            self._writer.write_eof()
        left = _LINGER
        while left > 0 and (piece := await self._reader.read(_PIECE)):
            left -= len(piece)

    async def _whole(self, head: h11.Request) -> Asked | Answer:
        headers = _headers(head)
        body = bytearray()
        while not isinstance(event := await self._event(), h11.EndOfMessage):
            if isinstance(event, h11.Data):
                body += event.data
            if len(body) > MAX_BODY or not isinstance(event, h11.Data):
                return words(413 if isinstance(event, h11.Data) else 400)
        return Asked(head.method.decode("ascii"), head.target.decode("ascii", "replace"), headers, bytes(body))

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                self._write(h11.InformationalResponse(status_code=100, headers=[]))
            self._http.receive_data(await self._reader.read(_PIECE))
        return event

    def _write(self, event: h11.Event) -> None:
        self._writer.write(self._http.send(event) or b"")


def _headers(head: h11.Request) -> dict[str, str]:
    found: dict[str, str] = {}
    twice: set[str] = set()
    for name, value in head.headers:
        key = name.decode("ascii").lower()
        twice |= {key} & found.keys()
        found[key] = value.decode("latin-1")
    return {name: value for name, value in found.items() if name not in twice}
