"""The machine on which the engine runs, as a host."""

from __future__ import annotations

import getpass
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from nebula import timeouts
from nebula.cancel import CancelToken
from nebula.transport.commands import CommandTransport
from nebula.transport.forward import DirectForward
from nebula.transport.lines import LineSplitter
from nebula.transport.local_process import Pump
from nebula.transport.loop import Inbox
from nebula.transport.outcome import Ended
from nebula.transport.quoting import check_argv
from nebula.transport.scripts import CLONE, sh


class LocalTransport(CommandTransport):
    """See nebula.transport.base.Transport. Commands run as whoever runs the engine; they end with it."""

    def __init__(self, name: str = "localhost") -> None:
        super().__init__(name, getpass.getuser(), is_root=os.geteuid() == 0)

    def for_monitoring(self) -> LocalTransport:
        """A handle whose commands never wait for others: this one, here."""
        return self

    def anew(self) -> None:
        """See Transport.anew. This machine is always there."""

    def retry_now(self) -> None:
        """See Transport.retry_now. Nothing is connected, so nothing waits."""

    def _execute(
        self,
        argv: Sequence[str],
        *,
        title: str,
        stdin: bytes = b"",
        timeout: float = timeouts.COMMAND,
        cancel: CancelToken | None = None,
        on_line: Callable[[bytes], None] | None = None,
        bulk: bool = False,  # noqa: ARG002 - nothing is shared here
    ) -> Ended:
        splitter = LineSplitter(on_line) if on_line else None
        on_chunk = splitter.feed if splitter else None
        blocks = iter([stdin] if stdin else [])
        ended = Pump(self._name, title, blocks, timeout=timeout, on_chunk=on_chunk).run(check_argv(argv), cancel)
        if splitter is not None:
            splitter.finish()
        return ended

    def _pour(
        self, argv: Sequence[str], blocks: Iterator[bytes], *, title: str, inbox: Inbox, cancel: CancelToken | None
    ) -> Ended:
        def work() -> None:
            while not inbox.empty():
                inbox.get()()

        pump = Pump(self._name, title, blocks, stall=timeouts.COPY_STALL, after_step=work)
        return pump.run(check_argv(argv), cancel)

    def upload(
        self,
        local: Path,
        remote: str,
        *,
        progress: Callable[[int, int], None] | None = None,
        cancel: CancelToken | None = None,
        root: bool = False,
    ) -> None:
        """See Transport.upload; where the file system can share the blocks (reflink), nothing is copied."""
        if (
            local.is_file()
            and self.run(sh(CLONE, str(local.absolute()), remote), check=False, root=root, cancel=cancel).status == 0
        ):
            if progress is not None:
                size = local.stat().st_size
                progress(size, size)
            return
        super().upload(local, remote, progress=progress, cancel=cancel, root=root)

    def forward_socket(self, remote_path: str) -> DirectForward:
        """See Transport.forward_socket."""
        return DirectForward(remote_path)

    def forward_tcp(self, remote_host: str, remote_port: int) -> DirectForward:
        """See Transport.forward_tcp: the address itself."""
        return DirectForward(f"{remote_host}:{remote_port}")

    def alive(self) -> bool:
        """See Transport.alive."""
        return True

    def close(self) -> None:
        """See Transport.close."""
