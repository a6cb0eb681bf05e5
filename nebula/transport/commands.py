"""What all transports share that run real commands: guarding them, asking for root, small files, uploads."""

from __future__ import annotations

import abc
import queue
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from nebula import timeouts
from nebula.cancel import CancelToken
from nebula.errors import CapacityError, CommandError, ConflictError, NotFoundError, UsageError
from nebula.transport.base import Completed
from nebula.transport.loop import Inbox
from nebula.transport.outcome import OUTPUT_LIMIT, SUDO, Ended, settle, sudo_refused
from nebula.transport.quoting import check_argv
from nebula.transport.scripts import PART_STATE, RECEIVE, WRITE, guarded, sh
from nebula.transport.source import Source

_MISSING = ("No such file or directory", "Not a directory")
_BUSY = 75
_SUDO_FAILURES = (1, 127)


class CommandTransport(abc.ABC):
    """The part of `Transport` that needs no more than a way to run an argv."""

    def __init__(self, name: str, user: str, *, is_root: bool) -> None:
        self._name, self._user, self._is_root = name, user, is_root

    @property
    def name(self) -> str:
        """See Transport.name."""
        return self._name

    @abc.abstractmethod
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
        """Run an argv whose stdin stays open until it ends, and ends early to end it."""

    @abc.abstractmethod
    def _pour(
        self, argv: Sequence[str], blocks: Iterator[bytes], *, title: str, inbox: Inbox, cancel: CancelToken | None
    ) -> Ended:
        """Run an argv that reads `blocks`, calling what comes into `inbox` meanwhile."""

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
        """See Transport.run."""
        words, data = check_argv(argv), stdin or b""
        if len(data) > OUTPUT_LIMIT:
            raise UsageError(f"{words[0]} cannot be given {len(data)} bytes", cause=f"the limit is {OUTPUT_LIMIT}; use upload")
        if cancel is not None:
            cancel.raise_if_set()
        guard = [*self._prefix(root), *guarded(words, len(data))]
        ended = self._execute(guard, title=words[0], stdin=data, timeout=timeout, cancel=cancel, on_line=on_line, bulk=bulk)
        self._check_sudo(root, ended)
        return settle(self._name, words, ended, check)

    def read_file(self, path: str, *, limit: int = 1 << 20, root: bool = False) -> bytes:
        """See Transport.read_file."""
        done = self.run(["head", "-c", str(limit + 1), "--", path], check=False, root=root)
        words = done.stderr.decode("utf-8", "replace").strip()
        if done.status != 0 and words.endswith(_MISSING):
            raise NotFoundError(f"host {self._name} has no file {path}", cause=words)
        if done.status != 0:
            raise CommandError(self._name, done.argv, done.status, words)
        if len(done.stdout) > limit:
            raise CommandError(self._name, done.argv, 1, f"{path} has more than {limit} bytes")
        return done.stdout

    def write_file(self, path: str, data: bytes, *, mode: int = 0o600, root: bool = False) -> None:
        """See Transport.write_file."""
        self.run(sh(WRITE, path, str(PurePosixPath(path).parent), f"{mode:o}"), stdin=data, root=root)

    def upload(
        self,
        local: Path,
        remote: str,
        *,
        progress: Callable[[int, int], None] | None = None,
        cancel: CancelToken | None = None,
        root: bool = False,
    ) -> None:
        """See Transport.upload. A part is continued only if it came from the same file (size, time of change, first
        bytes) and its end is the file's; two uploads to one place at once: ConflictError for the second.
        """
        source = Source.of(local)
        position = self._position(source, remote, root)
        inbox: Inbox = queue.SimpleQueue()

        def report(done: int) -> None:
            if progress is not None:
                inbox.put(partial(progress, done, source.size))

        argv = sh(RECEIVE, remote, source.token, str(position), str(source.size))
        blocks = source.blocks(position, report)
        ended = self._pour([*self._prefix(root), *argv], blocks, title="the upload", inbox=inbox, cancel=cancel)
        self._check_sudo(root, ended)
        self._check_upload(remote, ended)

    def _position(self, source: Source, remote: str, root: bool) -> int:
        """From which byte an upload goes on."""
        size, tail = source.size, source.TAIL
        lines = self.run(sh(PART_STATE, f"{remote}.part", source.token, str(tail)), root=root).text.splitlines()
        position = int(lines[0])
        if 0 < position <= size and lines[1].split()[0] == source.tail_hash(position):
            return position
        return 0

    def _check_upload(self, remote: str, ended: Ended) -> None:
        if ended.status == 0:
            return
        if ended.status == _BUSY:
            raise ConflictError(f"cannot upload to {remote} on host {self._name}", cause=ended.words.strip())
        if "No space left on device" in ended.words:
            raise CapacityError(f"no space for {remote} on host {self._name}", cause=ended.words.strip(), hint="df -h")
        raise CommandError(self._name, ["upload", remote], ended.status, ended.words)

    def _prefix(self, root: bool) -> tuple[str, ...]:
        return SUDO if root and not self._is_root else ()

    def _check_sudo(self, root: bool, ended: Ended) -> None:
        """Tell sudo's refusal from a command's own failure by asking it again with a command that cannot fail."""
        if not self._prefix(root) or ended.status not in _SUDO_FAILURES:
            return
        probe = self._execute([*SUDO, "true"], title="sudo")
        if probe.status != 0:
            raise sudo_refused(self._name, self._user, probe.words)
