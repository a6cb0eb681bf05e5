"""The server: a thread of its own, which listens where the engine's settings say, and again when they change."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from nebula.errors import NebulaError
from nebula.onegate.door import Door, failed
from nebula.onegate.exchange import Answer, Asked, Exchange

if TYPE_CHECKING:
    from nebula.engine.api.verbs import Engine

SECONDS = 10.0
"""Of a connection, whatever happens over it: guests give up after as long."""
CONNECTIONS, PER_ADDRESS = 256, 16
_AGAIN = 10.0
"""Seconds between two tries to listen: a bridge may come later than the engine."""
_log = logging.getLogger(__name__)


class Gate:
    """Serves `engine` to guests. `heard` is told "" when it listens, else why it does not."""

    def __init__(self, engine: Engine, heard: Callable[[str], None], seconds: float = SECONDS) -> None:
        self._engine, self._heard, self._seconds = engine, heard, seconds
        self._door = Door(engine)
        self._turns = ThreadPoolExecutor(1, thread_name_prefix="nebula-onegate-answers")
        self._peers: Counter[str] = Counter()
        self._loop = asyncio.new_event_loop()
        self._changed = asyncio.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._main, name="nebula-onegate", daemon=True)

    def start(self) -> None:
        """Listen, if the settings say so."""
        self._thread.start()

    def changed(self) -> None:
        """The settings may be others now."""
        with suppress(RuntimeError):  # it has stopped
            self._loop.call_soon_threadsafe(self._changed.set)

    def stop(self) -> None:
        """Hear nobody any more; what was answered is durable."""
        self._stopping = True
        self.changed()
        self._thread.join()
        self._turns.shutdown()

    def _main(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._run())

    async def _run(self) -> None:
        told = ""
        while not self._stopping:
            self._changed.clear()
            listen, server = self._wanted(), None
            if listen:
                server, problem = await self._listen(listen)
                self._heard(problem)
                words = f"guests cannot report to {listen}: {problem}" if problem else f"guests report to {listen}"
                if words != told:
                    _log.log(logging.WARNING if problem else logging.INFO, "%s", words)
                told = words
            with suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), None if server is not None or listen == "" else _AGAIN)
            if server is not None:
                server.close()

    def _wanted(self) -> str | None:
        """Where to listen, "" for nowhere; None where the database does not say."""
        try:
            return self._engine.onegate.show().listen
        except NebulaError as error:
            _log.warning("where guests report to cannot be read: %s", error)
            return None

    async def _listen(self, listen: str) -> tuple[asyncio.Server | None, str]:
        address, _, port = listen.rpartition(":")
        try:
            return await asyncio.start_server(self._connected, address.strip("[]"), int(port), backlog=64), ""
        except OSError as error:
            return None, error.strerror or str(error)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = str((writer.get_extra_info("peername") or ("",))[0])
        if self._peers.total() >= CONNECTIONS or self._peers[peer] >= PER_ADDRESS:
            writer.transport.abort()
            return
        self._peers[peer] += 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._exchange(Exchange(reader, writer), peer)
        except (TimeoutError, OSError):
            pass  # it is gone, or too slow
        finally:
            writer.transport.abort()
            self._peers[peer] -= 1
            self._peers += Counter()  # without those of nobody

    async def _exchange(self, exchange: Exchange, peer: str) -> None:
        asked = await exchange.read()
        if asked is None:
            return
        answer = asked if isinstance(asked, Answer) else await self._answered(asked, peer)
        await exchange.answer(answer)

    async def _answered(self, asked: Asked, peer: str) -> Answer:
        try:
            return await self._loop.run_in_executor(self._turns, self._door.answer, asked, peer)
        except Exception as error:  # whatever it is, the next guest is answered
            return failed(error)
