"""Verbs after whose answer the connection is a stream: events, a console, a tunnel's life."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterator

from nebula.engine.api.values import Event
from nebula.engine.api.verbs import ByteStream, Tunnel
from nebula.errors import NebulaError
from nebula.rpc import limits
from nebula.rpc.messages import Request, last_words, notification, success
from nebula.rpc.plain import Wire

_log = logging.getLogger(__name__)
_CHUNK = 1 << 16


def follow(wire: Wire, request: Request, events: Iterator[Event | None]) -> None:
    """Push events until the client closes (or says anything more)."""
    try:
        wire.send(success(request.id, None), limits.SEND)
        for event in events:
            if event is not None:
                wire.send(notification("event", event), limits.SEND)
            if wire.readable(0):
                return
    except NebulaError as error:
        wire.send(last_words(error), limits.SEND)
    finally:
        if isinstance(events, Generator):
            events.close()


def console(wire: Wire, request: Request, stream: ByteStream) -> None:
    """Bytes both ways until either side ends."""
    gone = threading.Event()
    typing = threading.Thread(target=_pass_on, args=(wire, stream, gone), name="nebula-rpc-console", daemon=True)
    try:
        wire.send(success(request.id, None), limits.SEND)
        typing.start()
        while not gone.is_set():
            data = stream.read(limits.QUIET)
            if data:
                wire.send(data, limits.SEND)
    except EOFError:
        _log.debug("a console ended")
    finally:
        wire.end()
        if typing.ident is not None:
            typing.join()
        stream.close()


def _pass_on(wire: Wire, stream: ByteStream, gone: threading.Event) -> None:
    """What the client types. The socket's time-out belongs to the sender; so wait first, then read what is there."""
    try:
        data = wire.rest()
        while data or wire.readable(None):
            data = data or wire.socket.recv(_CHUNK)
            if not data:
                return
            stream.write(data)
            data = b""
    except (OSError, EOFError, NebulaError) as problem:
        _log.debug("a console's input ended: %s", problem)
    finally:
        gone.set()


def graphics(wire: Wire, request: Request, tunnel: Tunnel) -> None:
    """Answer where the tunnel listens, and keep it open as long as the connection is; its end ends the connection."""
    try:
        where = {"address": tunnel.address, "type": tunnel.type, "password": tunnel.password}
        wire.send(success(request.id, where), limits.SEND)
        while not wire.readable(limits.QUIET) and tunnel.wait(0):
            pass
    finally:
        tunnel.close()
