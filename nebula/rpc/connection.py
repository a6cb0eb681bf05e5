"""One client of the server: hello, then a request and its answer at a time."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import msgspec

from nebula import __version__, typed
from nebula.engine.api.verbs import Engine, Served
from nebula.errors import NebulaError, OwnerError, UsageError, VersionError
from nebula.rpc import limits, plain, streams
from nebula.rpc.messages import BAD_PARAMS, FAILED, INTERNAL, INVALID, NO_METHOD, PARSE, Hello, Request, failure, parse, success
from nebula.rpc.methods import Method, arguments, find, with_call
from nebula.rpc.peer import PeerCredentials, credentials
from nebula.rpc.plain import Wire

_log = logging.getLogger(__name__)


class Connection:
    """Serves `wire` in the caller's thread. `stopping` says whether new requests are refused."""

    def __init__(
        self, wire: Wire, engine: Served, actor_of: Callable[[PeerCredentials], str], stopping: Callable[[], bool]
    ) -> None:
        self.wire = wire
        self._served, self._actor_of, self._stopping = engine, actor_of, stopping
        self._actor = ""
        self._engine: Engine = engine

    def serve(self) -> None:
        """Until the client leaves, misbehaves, or takes the connection for a stream that then ends."""
        try:
            if self._greet():
                while self._one():
                    pass
        except OSError as problem:
            _log.debug("a client left: %s", problem)
        except Exception:
            _log.exception("a client's connection met an unexpected fault")

    def _greet(self) -> bool:
        request = Request(method="")
        try:
            request = parse(self.wire.line(limits.HELLO))
            self._check_hello(request)
            self._actor = self._actor_of(credentials(self.wire.socket))
            self._engine = self._served.seen_by(self._actor)
        except NebulaError as error:
            _log.warning("a client was refused: %s", error)
            self._send(failure(request.id, error, INVALID if isinstance(error, UsageError) else FAILED))
            return False
        self._send(success(request.id, {"protocol": plain.PROTOCOL, "version": __version__}))
        return True

    def _check_hello(self, request: Request) -> None:
        if request.method != "hello":
            raise UsageError("say hello first", hint='{"method":"hello","params":{"protocol":1,"version":"…"}}')
        try:
            hello = typed.decode(request.params, Hello)
        except (msgspec.MsgspecError, UnicodeError, RecursionError) as problem:
            raise UsageError("hello: wrong parameters", cause=str(problem), hint="protocol: a number") from problem
        if hello.protocol != plain.PROTOCOL:
            raise VersionError(
                f"the client speaks protocol {hello.protocol}, this engine protocol {plain.PROTOCOL}",
                cause=f"client {hello.version[:40] or 'of unknown version'}, engine {__version__}",
                hint="use the same version of nebula for both, or stop the engine that runs: nebula daemon stop",
            )

    def _one(self) -> bool:
        """Serve one request; whether another may follow."""
        self.wire.wait()
        try:
            line = self.wire.line(limits.LINE)
        except UsageError as error:
            self._send(failure(None, error, INVALID))
            return False
        try:
            request = parse(line)
        except UsageError as error:
            self._send(failure(None, error, PARSE))
            return True
        return self._answer(request)

    def _answer(self, request: Request) -> bool:
        stage = NO_METHOD
        try:
            method = find(request.method)
            stage = BAD_PARAMS
            params = method.parse(request.params)
            stage = FAILED
            result = self._call(method, params)
            line = b"" if method.streams else success(request.id, result)
        except NebulaError as error:
            line = failure(request.id, error, stage)
        except Exception:
            line = failure(request.id, _fault(request.method), INTERNAL)
        if line:
            self._send(line)
            return True
        self._stream(request, result)
        return False

    def _call(self, method: Method, params: msgspec.Struct) -> Any:
        if self._stopping():
            raise OwnerError("this engine is stopping", hint="try again")
        given = with_call(params, actor=self._actor) if method.changes else params
        verb = getattr(getattr(self._engine, method.noun), method.verb)
        return verb(**arguments(given))

    def _stream(self, request: Request, result: Any) -> None:
        if request.method == "vm.console":
            streams.console(self.wire, request, result)
        elif request.method == "vm.graphics":
            streams.graphics(self.wire, request, result)
        else:
            streams.follow(self.wire, request, result)

    def _send(self, line: bytes) -> None:
        self.wire.send(line, limits.SEND)


def _fault(what: str) -> NebulaError:
    """Log what went wrong here; the client hears only that it did."""
    _log.exception("%s met an unexpected fault", what[:80])
    return NebulaError(f"the engine met an unexpected fault in {what[:80]}", hint="nebula support makes a bug report")
