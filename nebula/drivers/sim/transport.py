"""A transport to a simulated host: files come and go, commands do not run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn, TypeVar

from nebula import timeouts
from nebula.cancel import CancelToken
from nebula.drivers.base import HostHandle
from nebula.drivers.sim.gate import Call
from nebula.drivers.sim.world import SimWorld
from nebula.errors import CommandError, NotFoundError, UsageError
from nebula.transport.base import Completed, Forward

T = TypeVar("T")
HEAD = 1 << 16
"""Bytes that the world keeps of an uploaded file."""


class SimTransport:
    """See nebula.transport.base.Transport. `name` is the host's name in `world`."""

    def __init__(self, name: str, world: SimWorld) -> None:
        self._name, self.world = name, world

    @property
    def name(self) -> str:
        """See Transport.name."""
        return self._name

    def perform(
        self, operation: str, effect: Callable[[float], T], *, subject: str = "", cancel: CancelToken | None = None
    ) -> T:
        """An operation of a driver on this host; see Gate.perform."""
        return self.world.gate.perform(Call(self._name, operation, subject, cancel), effect)

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,  # noqa: ARG002
        timeout: float = timeouts.COMMAND,  # noqa: ARG002
        check: bool = True,
        root: bool = False,  # noqa: ARG002
        cancel: CancelToken | None = None,
        on_line: Callable[[bytes], None] | None = None,  # noqa: ARG002
        bulk: bool = False,  # noqa: ARG002
    ) -> Completed:
        """`true` and `rm -f PATH…` work, everything else is a command that is not found."""
        words = tuple(argv)
        status = self.perform("transport.run", lambda _now: self._command(words), subject=words[0], cancel=cancel)
        done = Completed(words, status, b"", b"" if status == 0 else b"simulated host runs no commands")
        if check and status != 0:
            raise CommandError(self._name, words, status, done.stderr.decode(), hint="nebula host add --driver libvirt")
        return done

    def _command(self, words: tuple[str, ...]) -> int:
        if words[:2] == ("rm", "-f"):
            with self.world.db.write():
                for path in words[2:]:
                    self.world.storage.remove(self._name, path)
            return 0
        return 0 if words == ("true",) else 127

    def read_file(self, path: str, *, limit: int = 1 << 20, root: bool = False) -> bytes:  # noqa: ARG002
        """See Transport.read_file."""
        found = self.perform("transport.read_file", lambda _now: self.world.storage.get(self._name, path), subject=path)
        if found is None:
            raise NotFoundError(f"host {self._name} has no file {path}", cause="No such file or directory")
        if found.size > limit or len(found.head) < found.size:
            raise CommandError(self._name, ["cat", path], 1, f"{path} has {found.size} bytes, more than {limit}")
        return found.head

    def write_file(self, path: str, data: bytes, *, mode: int = 0o600, root: bool = False) -> None:  # noqa: ARG002
        """See Transport.write_file."""
        self.perform(
            "transport.write_file",
            lambda _now: self.world.storage.upload(self._name, path, len(data), data, mode=mode),
            subject=path,
        )

    def upload(
        self,
        local: Path,
        remote: str,
        *,
        progress: Callable[[int, int], None] | None = None,
        cancel: CancelToken | None = None,
        root: bool = False,  # noqa: ARG002
    ) -> None:
        """See Transport.upload; only the file's size and its first bytes are kept."""
        size = local.stat().st_size
        with local.open("rb") as file:
            head = file.read(HEAD)
        if cancel is not None:
            cancel.raise_if_set()
        self.perform(
            "transport.upload",
            lambda _now: self.world.storage.upload(self._name, remote, size, head),
            subject=remote,
            cancel=cancel,
        )
        if progress is not None:
            progress(size, size)

    def forward_socket(self, remote_path: str) -> Forward:
        """A simulated host has no sockets: CommandError."""
        self._refuse(remote_path)

    def forward_tcp(self, remote_host: str, remote_port: int) -> Forward:
        """A simulated host has no ports: CommandError."""
        self._refuse(f"{remote_host}:{remote_port}")

    def _refuse(self, where: str) -> NoReturn:
        self.perform("transport.forward", lambda _now: None, subject=where)
        raise CommandError(self._name, ["forward", where], 1, "a simulated host has nothing to connect to")

    def anew(self) -> None:
        """See Transport.anew. Nothing lies between."""

    def retry_now(self) -> None:
        """See Transport.retry_now. A simulated host is asked every time."""

    def alive(self) -> bool:
        """See Transport.alive."""
        row = self.world.db.one("SELECT powered AND reachable FROM hosts WHERE name=?", self._name)
        return bool(row and row[0])

    def close(self) -> None:
        """See Transport.close; there is nothing to close."""


def sim(handle: HostHandle) -> SimTransport:
    """The handle's simulated transport; UsageError if the host is a real one."""
    if not isinstance(handle.transport, SimTransport):
        raise UsageError(f"host {handle.name} is not simulated", hint="use a driver other than sim for it")
    return handle.transport
