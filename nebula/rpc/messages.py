"""JSON-RPC 2.0 as the server reads and writes it."""

from __future__ import annotations

from typing import Any

import msgspec

from nebula import typed
from nebula.errors import NebulaError, UsageError

PARSE, INVALID, NO_METHOD, BAD_PARAMS, INTERNAL, FAILED = -32700, -32600, -32601, -32602, -32603, -32000
"""JSON-RPC's error codes; FAILED is ours, for whatever a verb raised. Clients go by `data`, which is the error whole."""


class Request(msgspec.Struct, frozen=True):
    """One line of a client. A request without an id is answered too, with id null."""

    method: str
    id: int | str | None = None
    params: msgspec.Raw = msgspec.Raw(b"{}")
    jsonrpc: str = "2.0"


class Hello(msgspec.Struct, frozen=True):
    """The first request's parameters."""

    protocol: int
    version: str = ""


def parse(line: bytes) -> Request:
    """A client's line; UsageError if it is no request."""
    try:
        return typed.decode(line, Request)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as problem:
        raise UsageError("not a JSON-RPC request", cause=str(problem), hint="one JSON object a line") from problem


def success(number: int | str | None, result: Any) -> bytes:
    """An answer's line."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": number, "result": result}) + b"\n"


def failure(number: int | str | None, error: NebulaError, code: int = FAILED) -> bytes:
    """An error's line; what is no Unicode in its words is replaced."""
    body = {"code": code, "message": _clean(str(error)), "data": _data(error)}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": number, "error": body}) + b"\n"


def notification(method: str, params: Any) -> bytes:
    """A line that the server pushes."""
    return msgspec.json.encode({"jsonrpc": "2.0", "method": method, "params": params}) + b"\n"


def last_words(error: NebulaError) -> bytes:
    """The line that ends a stream which failed."""
    return notification("error", _data(error))


def _data(error: NebulaError) -> dict[str, str]:
    return {key: _clean(str(value)) for key, value in error.as_dict().items()}


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
