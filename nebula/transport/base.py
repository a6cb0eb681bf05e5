"""The contract of a transport. All methods are synchronous and may be called from any thread except the tunnel's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from nebula import timeouts
from nebula.cancel import CancelToken


class Completed(msgspec.Struct, frozen=True):
    """A command that ended: its exit status (negative: ended by that signal) and what it wrote."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def text(self) -> str:
        """Stdout as text; bytes that are not UTF-8 are replaced."""
        return self.stdout.decode("utf-8", "replace")


class Forward(Protocol):
    """A tunnel that is open until closed."""

    @property
    def local(self) -> str:
        """Where it listens here: a socket's path, or "127.0.0.1:PORT"."""
        ...

    def close(self) -> None:
        """Close it; doing so twice is fine."""
        ...


class Transport(Protocol):
    """One way to one host.

    Commands are argv lists; quoting, where a remote shell is unavoidable, happens in `transport/quoting.py` and nowhere
    else. `root=True` asks for root: nothing is added for a root login, `sudo -n --` is put before the command otherwise.
    Raises UnreachableError (no answer), DeniedError, HostKeyError, TimedOutError, InterruptedByUser (token set) and, with
    `check`, CommandError.
    """

    @property
    def name(self) -> str:
        """The host's name, for messages."""
        ...

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes | None = None,
        timeout: float = timeouts.COMMAND,
        check: bool = True,
        root: bool = False,
        cancel: CancelToken | None = None,
        on_line: Callable[[bytes], None] | None = None,
        bulk: bool = False,
    ) -> Completed:
        """Run a command and wait for it. `on_line` sees each line (ended by newline or carriage return) of stdout as
        it comes. When time runs out or the token is set, the command is ended on the host too. `bulk`: it may keep others
        waiting and is sent where it keeps no short command from its turn.
        """
        ...

    def read_file(self, path: str, *, limit: int = 1 << 20, root: bool = False) -> bytes:
        """A small file's content; NotFoundError if there is none, CommandError if larger than `limit` bytes."""
        ...

    def write_file(self, path: str, data: bytes, *, mode: int = 0o600, root: bool = False) -> None:
        """Write a small file whole: beside it, flushed to disk, renamed over it."""
        ...

    def upload(
        self,
        local: Path,
        remote: str,
        *,
        progress: Callable[[int, int], None] | None = None,
        cancel: CancelToken | None = None,
        root: bool = False,
    ) -> None:
        """Bring a large file from this machine, holes kept, to `remote` (through `remote.part`, renamed at the end;
        a part that is there is continued). `progress(done, total)` in bytes.
        """
        ...

    def forward_socket(self, remote_path: str) -> Forward:
        """A local Unix socket that leads to the host's socket at `remote_path`. On the local machine: that path itself."""
        ...

    def forward_tcp(self, remote_host: str, remote_port: int) -> Forward:
        """A loopback port here that leads to an address as the host sees it."""
        ...

    def anew(self) -> Transport | None:
        """The same host by a connection of its own, opened at its first call, to show that the host can be reached now; to be
        closed. None where nothing lies between.
        """
        ...

    def retry_now(self) -> None:
        """Let the next call connect at once, though the host did not answer a moment ago: somebody says that it is mended."""
        ...

    def alive(self) -> bool:
        """Whether the connection is up right now, as far as is known without asking."""
        ...

    def close(self) -> None:
        """Close the connection and its tunnels. The next call opens it again."""
        ...
