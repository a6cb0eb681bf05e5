"""A loopback port whose connections go on over ssh. Its methods run on the tunnels' loop."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import asyncssh

if TYPE_CHECKING:
    from nebula.transport.link import Link

_CHUNK = 1 << 16


class PortForward:
    """Unlike ssh's own forwarding it ends the connections that run through it when it is closed."""

    def __init__(self, link: Link, host: str, port: int) -> None:
        self._link, self._host, self._port = link, host, port
        self._server: asyncio.Server | None = None
        self._visits: set[asyncio.Task[None]] = set()

    async def listen(self) -> int:
        """Begin; the port. The connection to the host is open when this returns."""
        await self._link.connection()
        self._server = await asyncio.start_server(self._visit, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        """No new connections, and the end of those that are open."""
        if self._server is not None:
            self._server.close()
        for visit in list(self._visits):
            visit.cancel()

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._visits.add(task)
            task.add_done_callback(self._visits.discard)
        try:
            with contextlib.suppress(OSError, asyncssh.Error):  # either side may go at any time
                await self._join(reader, writer)
        finally:
            writer.close()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = await self._link.connection()
        far_reader, far_writer = await connection.open_connection(self._host, self._port, encoding=None)
        ways = [asyncio.ensure_future(_carry(reader, far_writer)), asyncio.ensure_future(_carry(far_reader, writer))]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            far_writer.close()


async def _carry(
    reader: asyncio.StreamReader | asyncssh.SSHReader[bytes], writer: asyncio.StreamWriter | asyncssh.SSHWriter[bytes]
) -> None:
    while data := await reader.read(_CHUNK):
        writer.write(data)
        await writer.drain()
