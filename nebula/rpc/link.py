"""A client's connections to whoever serves the socket now: kept, replaced, and what was lost asked again."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from nebula import timeouts, typed
from nebula.errors import NebulaError, OwnerError, TimedOutError, UnreachableError, UsageError
from nebula.rpc import limits, plain
from nebula.rpc.methods import ONCE, Method, with_call
from nebula.rpc.plain import Wire

SEND = 30.0
"""Seconds that the engine may take to take a request in."""
_IDLE = 4
"""Connections kept for the next request."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5


def _key() -> str:
    return str(uuid.uuid4())


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """How long a client waits, in seconds: for hello, for a verb's answer, for the next owner of the home."""

    hello: float = timeouts.SOCKET_ANSWER * 10
    answer: float = plain.ANSWER
    handover: float = timeouts.OWNER_HANDOVER


class Heir(msgspec.Struct, frozen=True):
    """Who follows a lost owner. `path`: where it listens, None while that is not known. `coming`: it starts or the one
    before it stops, so that waiting is no waste.
    """

    path: Path | None = None
    coming: bool = False


class Link:
    """Requests from any thread. `new_key` makes idempotency keys.

    `take_over`, asked while nobody answers, sees to it that somebody owns the home again and says who; without it a
    reading verb is asked twice and no more.
    """

    def __init__(
        self,
        path: Path,
        waits: Waits,
        new_key: Callable[[], str] = _key,
        take_over: Callable[[], Heir] | None = None,
    ) -> None:
        self.path, self.waits = path, waits
        self._new_key = new_key
        self._take_over = take_over
        self._lock = threading.Lock()
        self._idle: list[Wire] = []

    def invoke(self, method: Method, params: msgspec.Struct) -> Any:
        """The verb's result. A changing verb whose answer got lost is sent again with the same key, to whoever serves
        the socket by then; a reading one once more; verbs in ONCE never. Then UnreachableError.
        """
        if method.changes and not params.call.key:  # type: ignore[attr-defined]
            params = with_call(params, key=self._new_key())
        line = _encode(method, params)
        if method.wire not in ONCE and (method.changes or self._take_over is not None):
            return decode(self.patiently(lambda: self._exchange(line)), method.result)
        return decode(self._twice(method, line), method.result)

    def open(self, method: Method, params: msgspec.Struct) -> tuple[Wire, msgspec.Raw]:
        """A connection of its own for a stream, after its answer. OSError when nobody serves."""
        wire = plain.connect(self.path, self.waits.hello)
        try:
            return wire, _decode(self._ask(wire, _encode(method, params)))
        except BaseException:
            wire.close()
            raise

    def patiently(self, work: Callable[[], msgspec.Raw]) -> msgspec.Raw:
        """Until an owner has answered, or the time for a handover is over."""
        began = time.monotonic()
        until, pause = began + self.waits.handover, _FIRST_PAUSE
        while True:
            try:
                return work()
            except (OSError, OwnerError) as problem:
                if isinstance(problem, PermissionError):
                    raise self.lost(problem) from problem
                if self._succeeded():
                    until = min(time.monotonic() + self.waits.handover, began + timeouts.OWNER_CHANGE)
                if time.monotonic() + pause > until:
                    raise self.lost(problem) from problem
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _succeeded(self) -> bool:
        """Look for the next owner; whether one is coming."""
        if self._take_over is None:
            return False
        heir = self._take_over()
        self.path = heir.path or self.path
        return heir.coming

    def lost(self, problem: OSError | OwnerError) -> NebulaError:
        """What the caller hears when nobody answered."""
        return problem if isinstance(problem, OwnerError) else plain.unreachable(self.path, problem)

    def adopt(self, wire: Wire) -> None:
        """Keep a connection for the next request."""
        with self._lock:
            if len(self._idle) < _IDLE:
                self._idle.append(wire)
                return
        wire.close()

    def close(self) -> None:
        """Close what is kept."""
        with self._lock:
            idle, self._idle = self._idle, []
        for wire in idle:
            wire.close()

    def _twice(self, method: Method, line: bytes) -> msgspec.Raw:
        try:
            return self._exchange(line)
        except (OSError, OwnerError) as problem:
            if method.wire in ONCE:
                raise _uncertain(method, problem) from problem
        try:
            return self._exchange(line)
        except OSError as problem:
            raise self.lost(problem) from problem

    def _exchange(self, line: bytes) -> msgspec.Raw:
        wire = self._take()
        try:
            answer = self._ask(wire, line)
        except BaseException:
            wire.close()
            raise
        self.adopt(wire)
        return _decode(answer)

    def _take(self) -> Wire:
        """One that is kept and still good, else a new one."""
        while True:
            with self._lock:
                wire = self._idle.pop() if self._idle else None
            if wire is None:
                return plain.connect(self.path, self.waits.hello)
            if not wire.readable(0):
                return wire
            wire.close()

    def _ask(self, wire: Wire, line: bytes) -> bytes:
        wire.send(line, SEND)
        try:
            return wire.line(self.waits.answer)
        except TimeoutError as problem:
            raise TimedOutError(
                f"the engine has not answered within {self.waits.answer:g} seconds",
                cause="whether it did what was asked is not known",
                hint="nebula status",
            ) from problem


class _Answer(msgspec.Struct):
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None


def _decode(line: bytes) -> msgspec.Raw:
    try:
        answer = typed.decode(line, _Answer)
    except (msgspec.MsgspecError, UnicodeError) as problem:
        raise plain.not_understood(str(problem)) from problem
    if answer.error is not None:
        raise plain.error_of(answer.error)
    return answer.result


def decode(raw: msgspec.Raw | bytes, kind: Any) -> Any:
    """A value off the wire; VersionError if it is not of that type."""
    try:
        return typed.decode(raw, kind)
    except (msgspec.MsgspecError, UnicodeError) as problem:
        raise plain.not_understood(str(problem)) from problem


def _encode(method: Method, params: msgspec.Struct) -> bytes:
    request = {"jsonrpc": "2.0", "id": 1, "method": method.wire, "params": params}
    line = msgspec.json.encode(request, enc_hook=_plain) + b"\n"
    if len(line) > limits.LONGEST_REQUEST:
        raise UsageError(
            f"{method.wire}: the request takes {len(line) >> 20} MiB, {limits.LONGEST_REQUEST >> 20} are allowed",
            hint="give large data as a file's path",
        )
    return line


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be sent to an engine")


def _uncertain(method: Method, problem: Exception) -> UnreachableError:
    return UnreachableError(
        f"the engine was lost before it answered {method.wire}",
        cause=f"{problem}; whether it was done is not known",
        hint="nebula status",
    )
