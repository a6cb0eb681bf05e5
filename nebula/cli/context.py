"""What a command works with: its options, the streams, the way to the engine, time and randomness."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from nebula.cli.options import GlobalOptions
from nebula.cli.output.text import printable

if TYPE_CHECKING:
    from nebula.cli.connect import Lister
    from nebula.engine.api.values import Accepted, Call
    from nebula.engine.api.verbs import Engine
    from nebula.errors import NebulaError


class Connect(Protocol):
    """The way to an engine; `nebula.cli.connect` is it."""

    def reader(self, options: GlobalOptions) -> Engine:
        """For commands that only read."""
        ...

    def changer(self, options: GlobalOptions) -> AbstractContextManager[Engine]:
        """For commands that change something; stays until the jobs are done unless `no_wait`. An exception (Ctrl-C) that
        leaves it means: let go, the jobs go on without us.
        """
        ...

    def lister(self, options: GlobalOptions) -> tuple[Lister, bool]:
        """The quickest way to a list, and whether an engine runs."""
        ...

    def serve(self, options: GlobalOptions) -> int:
        """Be the daemon; returns the exit status."""
        ...

    def terminate_owner(self, options: GlobalOptions) -> int:
        """Send SIGTERM to the process that owns the home; its id."""
        ...

    def restore(self, options: GlobalOptions, path: str, *, dry_run: bool = False) -> str:
        """Put a copy of the database in its place; where the one that was there is now, "" if there was none."""
        ...

    def replay(self, files: Sequence[Mapping[str, Any]], changes: Mapping[str, str]) -> list[dict[str, Any]]:
        """Plans for snapshots from files; no engine is needed."""
        ...

    def finish_jobs(self, home: str) -> int:
        """Be the runner that a command left behind; ends when no job is runnable."""
        ...


class Results(Protocol):
    """Somebody who wants to know, object by object, what came of a command that changes something."""

    def accepted(self, ref: str, answer: Accepted) -> None:
        """The engine took it."""
        ...

    def failed(self, name: str, error: NebulaError) -> None:
        """It was refused, or failed."""
        ...


class Context:
    """One run of the program. `new_key` makes idempotency keys; `results` hears of each object."""

    def __init__(
        self,
        options: GlobalOptions,
        connect: Connect,
        *,
        out: TextIO | None = None,
        err: TextIO | None = None,
        environ: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
        new_key: Callable[[], str] = lambda: os.urandom(16).hex(),
        results: Results | None = None,
    ) -> None:
        self.options, self.connect = options, connect
        self.out: TextIO = out or sys.stdout
        self.err: TextIO = err or sys.stderr
        self.environ: Mapping[str, str] = os.environ if environ is None else environ
        self.now, self.monotonic, self.pause, self.new_key = now, monotonic, pause, new_key
        self.results = results

    @contextmanager
    def reader(self) -> Iterator[Engine]:
        """An engine to read from."""
        engine = self.connect.reader(self.options)
        try:
            yield engine
        finally:
            engine.close()

    def changer(self) -> AbstractContextManager[Engine]:
        """An engine to change things with."""
        return self.connect.changer(self.options)

    def write(self, text: str) -> None:
        """A line of data."""
        print(text, file=self.out)

    def call(self, *, dry_run: bool = False) -> Call:
        """How a changing verb is called: in whose name, under which key. An engine behind a socket asks the kernel who
        it is instead.
        """
        import pwd

        from nebula.engine.api.values import Call

        uid = os.geteuid()
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            name = str(uid)
        return Call(actor=name, key=self.new_key(), dry_run=dry_run)

    def say(self, text: str) -> None:
        """A line of talk, on stderr, after the data that was written before it; nothing with --quiet. It may hold a
        host's words, so nothing in it moves the cursor. Work does not end because nobody listens.
        """
        self.out.flush()
        if not self.options.quiet:
            with suppress(OSError):
                print("\n".join(printable(line) for line in text.split("\n")), file=self.err, flush=True)

    def become(self, program: str, argv: Sequence[str]) -> int:
        """Be another program from here on; its exit status, where this one goes on behind it."""
        self.out.flush()
        os.execv(program, list(argv))  # noqa: S606 - no shell is what we want

    def width(self) -> int:
        """Columns of the terminal that stdout is; 0 if it is none."""
        if not self.out.isatty():
            return 0
        try:
            return os.get_terminal_size(self.out.fileno()).columns
        except OSError:
            return 80

    def height(self) -> int:
        """Lines of that terminal."""
        try:
            return os.get_terminal_size(self.out.fileno()).lines
        except OSError:
            return 24

    def colours(self, stream: TextIO) -> bool:
        """Whether to colour what goes to the stream: --color, then NO_COLOR, then FORCE_COLOR, then whether it is a
        terminal.
        """
        if self.options.color != "auto":
            return self.options.color == "always"
        if self.environ.get("NO_COLOR"):
            return False
        return bool(self.environ.get("FORCE_COLOR")) or (stream.isatty() and self.environ.get("TERM") != "dumb")
