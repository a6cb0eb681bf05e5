"""One multiplexed ssh connection: opened on first use, shared by all callers, opened again after it was lost."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Any

import asyncssh

from nebula import timeouts
from nebula.errors import NebulaError
from nebula.transport.backoff import Backoff
from nebula.transport.hostkeys import HOST_KEY_ALGORITHMS, HostKey, host_key, in_words, public_line
from nebula.transport.login import Login

GENERAL_SESSIONS = 7
MONITORING_SESSIONS = 1
"""Together 8 of the 10 sessions that sshd allows on a connection (MaxSessions)."""
_CIPHERS = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com", "aes256-ctr", "aes128-ctr")


class _Client(asyncssh.SSHClient):
    """Remembers the key that a host showed instead of the pinned one."""

    def __init__(self) -> None:
        self.shown: HostKey | None = None

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:  # noqa: ARG002
        self.shown = host_key(public_line(key))
        return False


class Link:
    """A connection to a host. Its methods run on the tunnels' loop; `up` may be asked from anywhere."""

    def __init__(self, login: Login, backoff: Backoff) -> None:
        self.login = login
        self._backoff = backoff
        self._connection: asyncssh.SSHClientConnection | None = None
        self._opening: asyncio.Task[asyncssh.SSHClientConnection] | None = None
        self._general = asyncio.Semaphore(GENERAL_SESSIONS)
        self._monitoring = asyncio.Semaphore(MONITORING_SESSIONS)

    @property
    def up(self) -> bool:
        """Whether the connection is open as far as is known."""
        return self._connection is not None and not self._connection.is_closed()

    def sessions(self, monitor: bool) -> asyncio.Semaphore:
        """The slots from which a command takes one."""
        return self._monitoring if monitor else self._general

    async def connection(self) -> asyncssh.SSHClientConnection:
        """The open connection; callers that come while it is being opened wait for the same attempt.

        Raises UnreachableError (at once within the pause after a failed attempt), HostKeyError, DeniedError.
        """
        if self._connection is not None and self.up:
            return self._connection
        if self._opening is None:
            self._backoff.check()
            self._opening = asyncio.create_task(self._open())
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    async def close(self) -> None:
        """Close the connection with all that runs over it; the next call opens it again."""
        if self._opening is not None:
            self._opening.cancel()
        connection, self._connection = self._connection, None
        if connection is None:
            return
        connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await connection.wait_closed()
        connection.abort()

    def _opened(self, task: asyncio.Task[asyncssh.SSHClientConnection]) -> None:
        self._opening = None
        if not task.cancelled() and task.exception() is None:
            self._connection = task.result()

    async def _open(self) -> asyncssh.SSHClientConnection:
        client = _Client()
        try:
            connection = await self._connect(client)
        except (OSError, asyncssh.Error) as error:
            failure = self._failure(error, client.shown)
            raise failure from error
        self._backoff.succeeded()
        return connection

    async def _connect(self, client: _Client) -> asyncssh.SSHClientConnection:
        login = self.login
        if not login.pinned:
            raise login.wrong_key(None)
        trusted = [asyncssh.import_public_key(key.line) for key in login.pinned]
        async with asyncio.timeout(timeouts.SSH_CONNECT):
            return await asyncssh.connect(
                login.address,
                login.port,
                username=login.user,
                known_hosts=(trusted, [], []),
                server_host_key_algs=_algorithms(login.pinned),
                client_factory=lambda: client,
                config=None,
                agent_path=None,
                x509_trusted_certs=None,
                connect_timeout=timeouts.SSH_CONNECT,
                login_timeout=timeouts.SSH_CONNECT,
                keepalive_interval=timeouts.SSH_KEEPALIVE,
                keepalive_count_max=3,
                compression_algs=["none"],
                encryption_algs=list(_CIPHERS),
                **self._credentials(),
            )

    def _credentials(self) -> dict[str, Any]:
        login = self.login
        if login.password is not None:
            return {"password": login.password, "client_keys": None, "preferred_auth": "password,keyboard-interactive"}
        return {"password": None, "client_keys": [str(login.key_path)], "preferred_auth": "publickey"}

    def _failure(self, error: Exception, shown: HostKey | None) -> NebulaError:
        if isinstance(error, asyncssh.HostKeyNotVerifiable) or shown is not None:
            return self._answered(self.login.wrong_key(shown))
        if isinstance(error, asyncssh.PermissionDenied):
            return self._answered(self.login.refused(str(error)))
        failure = self.login.unreachable(in_words(error))
        self._backoff.failed(failure)
        return failure

    def _answered(self, error: NebulaError) -> NebulaError:
        self._backoff.succeeded()
        return error


def _algorithms(pinned: Sequence[HostKey]) -> list[str]:
    """The pinned keys' algorithms, then the others: a host that lost its pinned key shows us what it has instead."""
    first = [algorithm for algorithm in HOST_KEY_ALGORITHMS if any(_fits(key, algorithm) for key in pinned)]
    return list(dict.fromkeys((*first, *HOST_KEY_ALGORITHMS)))


def _fits(key: HostKey, algorithm: str) -> bool:
    return key.type == algorithm or (key.type == "ssh-rsa" and algorithm.startswith("rsa-"))
