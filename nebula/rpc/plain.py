"""The client's side of the socket with nothing but `_socket` and `json`: what a listing needs, and no more.

`_socket` is what CPython makes `socket` of, and `socket.socket` is a kind of its class; the enumerations that `socket` adds
take milliseconds to make.
"""

from __future__ import annotations

import json
import select
import time
from _socket import AF_UNIX, SHUT_RDWR, SOCK_STREAM, socket
from contextlib import suppress

from nebula import __version__, timeouts
from nebula.errors import DeniedError, NebulaError, UnreachableError, UsageError, VersionError, from_dict

TYPE_CHECKING = False  # typing itself takes milliseconds
if TYPE_CHECKING:
    from os import PathLike
    from typing import Any

SYSTEM_SOCKET = "/run/nebula/engine.sock"
"""Where the system's engine listens."""
PROTOCOL = 1
"""The version of the protocol that this program speaks."""
LONGEST_ANSWER = 1 << 29
"""Bytes of the longest line that a client takes."""
ANSWER = 600.0
"""Seconds that a verb's answer may take (a doctor asks every host)."""
_CHUNK = 1 << 16


class Wire:
    """Lines over a connected socket. `longest` bounds a line, in bytes."""

    def __init__(self, connection: socket, longest: int) -> None:
        self.socket = connection
        self._longest = longest
        self._buffer = bytearray()

    def send(self, data: bytes, timeout: float) -> None:
        """All of `data`; TimeoutError if the peer has not taken it in `timeout` seconds, OSError if it is gone."""
        self.socket.settimeout(timeout)
        self.socket.sendall(data)

    def line(self, timeout: float | None) -> bytes:
        """The next line, whole. TimeoutError (what came so far is kept), ConnectionError when the peer ended before
        the line did, UsageError when the line is too long.
        """
        until = None if timeout is None else time.monotonic() + timeout
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > self._longest:
                raise UsageError(f"a line is longer than {self._longest >> 20} MiB", hint="send less at once")
            self._receive(until)
        found = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return found

    def wait(self) -> None:
        """Until something comes, however long it takes; ConnectionError when the peer ended."""
        if not self._buffer:
            self._receive(None)

    def rest(self) -> bytes:
        """What came after the last line, taken out: the beginning of a raw stream."""
        found = bytes(self._buffer)
        self._buffer.clear()
        return found

    def readable(self, timeout: float | None) -> bool:
        """Whether bytes, or the connection's end, are there to be read within `timeout` seconds."""
        watched = select.poll()
        watched.register(self.socket, select.POLLIN)
        return bool(watched.poll(None if timeout is None else timeout * 1000))

    def end(self, how: int = SHUT_RDWR) -> None:
        """End one direction or both, from any thread: whoever waits on the connection wakes up."""
        with suppress(OSError):  # the peer was faster
            self.socket.shutdown(how)

    def close(self) -> None:
        """End it and give the descriptor back; only when no other thread uses it."""
        self.end()
        self.socket.close()

    def _receive(self, until: float | None) -> None:
        left = None if until is None else until - time.monotonic()
        if left is not None and left <= 0:
            raise TimeoutError("no whole line in time")
        self.socket.settimeout(left)
        data = self.socket.recv(_CHUNK)
        if not data:
            raise ConnectionError("the connection ended")
        self._buffer += data


def encode(method: str, params: Any, number: int = 1) -> bytes:
    """A request's line."""
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n"


HELLO = encode("hello", {"protocol": PROTOCOL, "version": __version__}, 0)


def connect(path: str | PathLike[str], timeout: float) -> Wire:
    """A connection that has said hello. OSError (TimeoutError among them) when nobody listens or answers in time,
    VersionError when the peer speaks another protocol.
    """
    connection = socket(AF_UNIX, SOCK_STREAM)
    wire = Wire(connection, LONGEST_ANSWER)
    try:
        connection.settimeout(timeout)
        connection.connect(str(path))
        _greet(wire, timeout)
        check_hello(decode(wire.line(timeout)))
    except BaseException:
        wire.close()
        raise
    return wire


def _greet(wire: Wire, timeout: float) -> None:
    with suppress(BrokenPipeError):  # it closed at once; what it said before is still to be read
        wire.send(HELLO, timeout)


def decode(line: bytes) -> Any:
    """An answer's result; the error that it carries is raised. VersionError when it is no answer at all."""
    try:
        answer = json.loads(line)
    except ValueError as problem:
        raise not_understood(str(problem)) from problem
    if not isinstance(answer, dict) or ("result" not in answer and "error" not in answer):
        raise not_understood("it is no JSON-RPC answer")
    if answer.get("error") is not None:
        raise error_of(answer["error"])
    return answer.get("result")


def check_hello(result: Any) -> None:
    """VersionError unless the peer speaks our protocol."""
    protocol = result.get("protocol") if isinstance(result, dict) else None
    if protocol != PROTOCOL:
        theirs = f"protocol {protocol}" if protocol is not None else "something else"
        raise VersionError(
            f"the engine speaks {theirs}, this program protocol {PROTOCOL}",
            cause=f"this program is version {__version__}",
            hint="use the same version of nebula for both, or stop the engine that runs: nebula daemon stop",
        )


def error_of(error: Any) -> NebulaError:
    """The error in an answer, as it was raised there."""
    data = error.get("data") if isinstance(error, dict) else None
    if isinstance(data, dict):
        return from_dict({str(key): str(value) for key, value in data.items()})
    words = str(error.get("message", "")) if isinstance(error, dict) else ""
    return NebulaError("the engine refused the request", cause=words, hint="nebula status")


def not_understood(cause: str) -> VersionError:
    """For answers that make no sense."""
    return VersionError(
        "the engine's answer cannot be understood",
        cause=cause,
        hint="use the same version of nebula for the command and the engine",
    )


def call(
    path: str | PathLike[str],
    method: str,
    params: Any,
    *,
    hello: float = timeouts.SOCKET_ANSWER,
    timeout: float = ANSWER,
) -> Any:
    """One verb ("vm.list"), its parameters by name as plain values; its result as plain values.

    DeniedError when the socket is not for this user; UnreachableError when nobody says hello within `hello` seconds or
    the answer does not come within `timeout`; VersionError; whatever the verb itself raised.
    """
    try:
        wire = connect(path, hello)
        try:
            wire.send(encode(method, params), timeout)
            return decode(wire.line(timeout))
        finally:
            wire.close()
    except OSError as problem:
        raise unreachable(path, problem) from problem


def unreachable(path: str | PathLike[str], problem: OSError) -> NebulaError:
    """Nobody is there, or not for us: UnreachableError or DeniedError."""
    if isinstance(problem, PermissionError):
        return DeniedError(
            f"this user may not use the engine's socket {path}",
            cause=str(problem),
            hint="sudo usermod -aG nebula $USER, then log in again",
        )
    return UnreachableError(f"no engine answers at {path}", cause=str(problem), hint="nebula status")
