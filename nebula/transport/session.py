"""One command over an open connection: its bytes in and out, and its end, wanted or not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence

import asyncssh
import msgspec

from nebula.errors import NebulaError, TimedOutError
from nebula.transport.link import Link
from nebula.transport.outcome import Ended, bounded

_GRACE = 8.0
"""Seconds that the host gets to end a command (it is killed hard after 2)."""
_CHUNK = 1 << 18


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A command to run: a shell string made by `quoting`, what it reads, and how long it may take.

    `blocks` comes from a worker thread, one by one; `stall` is how many seconds the host may take for one of them.
    """

    title: str
    command: str
    stdin: bytes = b""
    blocks: Iterator[bytes] | None = None
    timeout: float | None = None
    stall: float | None = None
    monitor: bool = False
    on_chunk: Callable[[bytes], None] | None = None


async def execute(link: Link, job: Job) -> Ended:
    """Run it in one of the connection's sessions; time spent waiting for a free one does not count.

    Raises TimedOutError, UnreachableError (also when the connection breaks meanwhile), and CommandError for too much output.
    """
    async with link.sessions(job.monitor):
        connection = await link.connection()
        try:
            async with asyncio.timeout(job.timeout), _process(link, connection, job.command) as process:
                return await _converse(link, process, job)
        except TimeoutError:
            raise TimedOutError(f"{job.title} on host {link.login.name} took longer than {job.timeout:g} s") from None
        except (OSError, asyncssh.Error) as error:
            raise link.login.unreachable(f"while {job.title} was to run: {error}") from error


@contextlib.asynccontextmanager
async def _process(
    link: Link, connection: asyncssh.SSHClientConnection, command: str
) -> AsyncIterator[asyncssh.SSHClientProcess[bytes]]:
    opening = asyncio.ensure_future(_open(link, connection, command))
    try:
        process = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_end_later)
        raise
    try:
        yield process
    finally:
        await _end(process)


async def _open(link: Link, connection: asyncssh.SSHClientConnection, command: str) -> asyncssh.SSHClientProcess[bytes]:
    """The command in a session of its own. Where the connection turns out to have ended before there was a session, nothing was
    sent: another one is opened for it, once.
    """
    try:
        return await connection.create_process(command, encoding=None, stdin=asyncssh.PIPE)
    except asyncssh.ChannelOpenError:
        await asyncio.sleep(0)  # a connection that has just ended says so from its loop's next turn on
        if not connection.is_closed():
            raise
    connection = await link.connection()
    return await connection.create_process(command, encoding=None, stdin=asyncssh.PIPE)


def _end_later(opening: asyncio.Future[asyncssh.SSHClientProcess[bytes]]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


async def _end(process: asyncssh.SSHClientProcess[bytes]) -> None:
    """The end of stdin is what the guard takes for the order to kill; its exit status is the proof that it did."""
    with contextlib.suppress(OSError, TimeoutError, asyncssh.Error):
        if not process.is_closing():
            process.stdin.write_eof()
            async with asyncio.timeout(_GRACE):
                await asyncio.gather(_discard(process.stdout), _discard(process.stderr))
                await process.wait_closed()
    process.close()


async def _discard(reader: asyncssh.SSHReader[bytes]) -> None:
    while await reader.read(_CHUNK):
        pass


async def _converse(link: Link, process: asyncssh.SSHClientProcess[bytes], job: Job) -> Ended:
    tasks = [
        asyncio.ensure_future(_collect(link, process.stdout, job, job.on_chunk)),
        asyncio.ensure_future(_collect(link, process.stderr, job, None)),
    ]
    feeding = asyncio.ensure_future(_feed(link, process.stdin, job))
    try:
        stdout, stderr = await _all(tasks, feeding)
        await process.wait_closed()
    finally:
        for task in (*tasks, feeding):
            task.cancel()
        await asyncio.gather(*tasks, feeding, return_exceptions=True)
    if process.returncode is None:
        raise link.login.unreachable(f"the connection was lost while {job.title} ran")
    return Ended(_status(process.returncode), stdout, stderr)


async def _all(tasks: Sequence[asyncio.Future[bytes]], feeding: asyncio.Future[None]) -> list[bytes]:
    """The outputs, when both have ended; a failure of anything ends the wait."""
    waiting: set[asyncio.Future[bytes] | asyncio.Future[None]] = {*tasks, feeding}
    while not all(task.done() for task in tasks):
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    return [task.result() for task in tasks]


async def _collect(link: Link, reader: asyncssh.SSHReader[bytes], job: Job, on_chunk: Callable[[bytes], None] | None) -> bytes:
    parts, size = [], 0
    while chunk := await reader.read(_CHUNK):
        parts.append(chunk)
        size = bounded(link.login.name, job.title, size + len(chunk))
        if on_chunk is not None:
            on_chunk(chunk)
    return b"".join(parts)


async def _feed(link: Link, writer: asyncssh.SSHWriter[bytes], job: Job) -> None:
    """Give it its stdin. A command that ends before it read all says why with its status, so a broken pipe is no error."""
    with contextlib.suppress(BrokenPipeError, ConnectionError):
        if job.stdin:
            writer.write(job.stdin)
            await writer.drain()
        while job.blocks is not None and (block := await asyncio.to_thread(next, job.blocks, b"")):
            writer.write(block)
            await _drain(link, writer, job)


async def _drain(link: Link, writer: asyncssh.SSHWriter[bytes], job: Job) -> None:
    try:
        async with asyncio.timeout(job.stall):
            await writer.drain()
    except TimeoutError:
        raise _stalled(link.login.name, job) from None


def _stalled(name: str, job: Job) -> NebulaError:
    return TimedOutError(f"{job.title} to host {name} moved no byte for {job.stall:g} s")


def _status(code: int) -> int:
    """The guard's shell reports a command that a signal ended as 128 plus the signal."""
    return 128 - code if 128 < code < 192 else code
