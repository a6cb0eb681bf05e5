"""A command that owns the home: it serves it like a daemon, is a client of itself, and lets go when it is asked to.

So a command waits for its job in one way, whoever runs the job: when a daemon wants the home, the command lets go and
goes on as that daemon's client.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nebula.cli.daemon import let_go, make_server, stop_asked

if TYPE_CHECKING:
    from nebula.engine.local.engine import LocalEngine

_LOOK, _WHILE = 0.5, 1.0
"""Seconds between two looks at what is left, and of a stop that needs no words."""


class Hosting:
    """Serves `engine` until `end`, or until somebody asks the owner to let go.

    `leave_to` starts a process that ends the jobs of a home; it is called before the home is free, and waits for that.
    A stop that takes a while is talked of where work is left, unless it is to be `quiet`.
    """

    def __init__(self, engine: LocalEngine, leave_to: Callable[[Path], None], *, quiet: bool = False) -> None:
        self._engine, self._leave_to, self._quiet = engine, leave_to, quiet
        self._asked = threading.Event()
        self._once = threading.Lock()
        self._rest = True
        self._ending = False
        engine.services.store.listen(lambda events: stop_asked(events, self._asked))
        try:
            self._server = make_server(engine)
        except BaseException:
            engine.close()
            raise
        self._thread = threading.Thread(target=self._let_go_when_asked, name="nebula-hosting", daemon=True)
        self._thread.start()

    @property
    def socket(self) -> Path:
        """Where it is served."""
        return self._server.path

    def wait_idle(self) -> None:
        """Until no job is runnable, or the home is somebody else's concern."""
        while not self._asked.is_set() and not self._engine.wait_idle(_LOOK):
            continue

    def end(self) -> None:
        """Let go. Whoever presses Ctrl-C again does not wait for a safe point: what is left goes on as after a crash."""
        self._ending = True
        busy = not self._engine.idle()
        self._asked.set()
        try:
            self._thread.join(_WHILE)
            if busy and self._thread.is_alive() and not self._quiet:
                sys.stderr.write("stopping at the next safe point; Ctrl-C leaves at once, the work goes on\n")
            self._thread.join()
        except KeyboardInterrupt:
            self._leave()
            os._exit(130)
        self._leave()

    def _let_go_when_asked(self) -> None:
        self._asked.wait()
        let_go(self._engine, self._server, self._note)

    def _note(self) -> None:
        """Before the home is free. While the command waits, its own client sees to the next owner."""
        self._rest = not self._engine.idle()
        if self._ending:
            self._leave()

    def _leave(self) -> None:
        with self._once:
            rest, self._rest = self._rest, False
        if rest:
            self._leave_to(self._engine.services.home)


@contextmanager
def as_interrupt() -> Iterator[None]:
    """A closed terminal and a polite kill are what Ctrl-C is: let go, and the work goes on without us."""
    before = {}
    with suppress(ValueError):  # not the main thread: no signal comes here
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
