"""A host over ssh: one connection for commands, one for bulk, both opened on first use."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Callable, Coroutine, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from nebula import timeouts
from nebula.cancel import CancelToken
from nebula.clock import Clock
from nebula.errors import NebulaError
from nebula.transport.backoff import Backoff
from nebula.transport.commands import CommandTransport
from nebula.transport.forward import SocketPlace, Tunnel
from nebula.transport.hostkeys import host_keys
from nebula.transport.lines import LineSplitter
from nebula.transport.login import Login
from nebula.transport.loop import Inbox, TunnelLoop
from nebula.transport.outcome import Ended
from nebula.transport.quoting import shell_string

if TYPE_CHECKING:
    from nebula.transport.link import Link


class _Listener(Protocol):
    """What asyncssh gives for an open tunnel."""

    def close(self) -> None: ...


class _Links:
    """The two connections of a host, shared by all its handles."""

    def __init__(self, login: Login, clock: Clock) -> None:
        self.clock = clock
        self._login, self._backoff = login, Backoff(clock)
        self._links: dict[str, Link] = {}

    def get(self, purpose: str) -> Link:
        """The connection for "commands" or "bulk"; called on the tunnels' loop only."""
        from nebula.transport.link import Link

        if purpose not in self._links:
            self._links[purpose] = Link(self._login, self._backoff)
        return self._links[purpose]

    def retry_now(self) -> None:
        """No attempt is refused for the last one's failure."""
        self._backoff.end_pause()

    def up(self) -> bool:
        """Whether the connection for commands is open."""
        link = self._links.get("commands")
        return link is not None and link.up

    async def close(self) -> None:
        """Close both."""
        for link in list(self._links.values()):
            await link.close()


class SshTransport(CommandTransport):
    """See nebula.transport.base.Transport.

    `known_host` holds the pinned host keys, a line "TYPE BASE64" each; `key_path` is the only key that is tried: neither the
    user's ssh configuration nor an agent plays a part. `loop` must be started.
    """

    def __init__(
        self,
        *,
        name: str,
        address: str,
        user: str,
        port: int,
        key_path: Path,
        known_host: str,
        loop: TunnelLoop,
        clock: Clock,
    ) -> None:
        login = Login(name=name, address=address, user=user, port=port, key_path=key_path, pinned=host_keys(known_host))
        self._begin(login, _Links(login, clock), loop, monitor=False)

    @classmethod
    def with_password(cls, login: Login, loop: TunnelLoop, clock: Clock) -> SshTransport:
        """A transport that logs in by the password in `login`, for bringing a key there."""
        return cls._of(login, _Links(login, clock), loop, monitor=False)

    @classmethod
    def _of(cls, login: Login, links: _Links, loop: TunnelLoop, *, monitor: bool) -> SshTransport:
        made = cls.__new__(cls)
        made._begin(login, links, loop, monitor=monitor)
        return made

    def _begin(self, login: Login, links: _Links, loop: TunnelLoop, *, monitor: bool) -> None:
        super().__init__(login.name, login.user, is_root=login.user == "root")
        self._login, self._links, self._loop, self._monitor = login, links, loop, monitor

    def for_monitoring(self) -> SshTransport:
        """A handle on the same connection whose commands use the session that is kept free for monitoring."""
        return self._of(self._login, self._links, self._loop, monitor=True)

    def _execute(
        self,
        argv: Sequence[str],
        *,
        title: str,
        stdin: bytes = b"",
        timeout: float = timeouts.COMMAND,
        cancel: CancelToken | None = None,
        on_line: Callable[[bytes], None] | None = None,
        bulk: bool = False,
    ) -> Ended:
        inbox: Inbox = queue.SimpleQueue()
        splitter = LineSplitter(on_line) if on_line else None
        ended = self._loop.call(
            self._job(
                "bulk" if bulk else "commands",
                title=title,
                command=shell_string(argv),
                stdin=stdin,
                timeout=timeout,
                monitor=self._monitor,
                on_chunk=(lambda chunk: inbox.put(partial(splitter.feed, chunk))) if splitter else None,
            ),
            cancel=cancel,
            inbox=inbox,
        )
        if splitter is not None:
            splitter.finish()
        return ended

    def _pour(
        self, argv: Sequence[str], blocks: Iterator[bytes], *, title: str, inbox: Inbox, cancel: CancelToken | None
    ) -> Ended:
        work = self._job("bulk", title=title, command=shell_string(argv), blocks=blocks, stall=timeouts.COPY_STALL)
        return self._loop.call(work, cancel=cancel, inbox=inbox)

    async def _job(self, purpose: str, **job: Any) -> Ended:
        from nebula.transport.session import Job, execute

        return await execute(self._links.get(purpose), Job(**job))

    def forward_socket(self, remote_path: str) -> Tunnel:
        """See Transport.forward_socket."""
        place = SocketPlace()
        try:
            listener = self._loop.call(self._listen_path(place.path, remote_path), timeout=timeouts.SSH_CONNECT + 5)
        except BaseException:
            place.remove()
            raise
        return Tunnel(place.path, lambda: self._take_down(listener, place))

    def forward_tcp(self, remote_host: str, remote_port: int) -> Tunnel:
        """See Transport.forward_tcp."""
        port, listener = self._loop.call(self._listen_port(remote_host, remote_port), timeout=timeouts.SSH_CONNECT + 5)
        return Tunnel(f"127.0.0.1:{port}", lambda: self._take_down(listener, None))

    async def _listen_path(self, path: str, remote_path: str) -> _Listener:
        connection = await self._links.get("commands").connection()
        return await connection.forward_local_path(path, remote_path)

    async def _listen_port(self, host: str, port: int) -> tuple[int, _Listener]:
        from nebula.transport.portforward import PortForward

        forward = PortForward(self._links.get("commands"), host, port)
        return await forward.listen(), forward

    def _take_down(self, listener: _Listener, place: SocketPlace | None) -> None:
        async def work() -> None:
            listener.close()

        self._quietly(work())
        if place is not None:
            place.remove()

    def anew(self) -> SshTransport:
        """See Transport.anew."""
        return self._of(self._login, _Links(self._login, self._links.clock), self._loop, monitor=False)

    def retry_now(self) -> None:
        """See Transport.retry_now."""
        self._links.retry_now()

    def alive(self) -> bool:
        """See Transport.alive."""
        return self._links.up()

    def close(self) -> None:
        """See Transport.close."""
        self._quietly(self._links.close())

    def _quietly(self, work: Coroutine[Any, Any, None]) -> None:
        """Closing what a stopped loop has closed already is no failure."""
        with contextlib.suppress(NebulaError):
            self._loop.call(work, timeout=timeouts.COMMAND)
