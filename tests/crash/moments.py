"""What SIGKILL would leave at many moments of one engine's life: its home is copied while all of its threads stand still.

What a process has written is in the file system's memory, which the copy sees as the next owner would. So one engine gives
as many homes to recover as it has such moments; that engines which are really killed leave the same is for the other tests.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from nebula.drivers.sim.gate import Call, Gate
from nebula.engine.store.transaction import Transaction
from tests.crash.world import PATIENCE, Deed, do
from tests.support.forks import FORKS
from tests.support.sim import until

T = TypeVar("T")
Pause = Callable[[str], None]
"""(name of the moment) -> when its home was copied."""
Stops = Callable[[Pause], None]
"""Called in the process that is to stop: from now on it pauses."""


@dataclass(frozen=True)
class AtCommits:
    """Before and after every commit, which have numbers."""

    def __call__(self, pause: Pause) -> None:
        """From now on."""
        plain, numbers = Transaction.execute, itertools.count(1)

        def execute(transaction: Transaction, sql: str, parameters: Sequence[Any] = ()) -> Any:
            if not sql.startswith("COMMIT"):
                return plain(transaction, sql, parameters)
            number = next(numbers)
            pause(f"before commit {number}")
            result = plain(transaction, sql, parameters)
            pause(f"after commit {number}")
            return result

        Transaction.execute = execute  # type: ignore[method-assign,assignment]


@dataclass(frozen=True)
class AtOperations:
    """Before and after each of these operations on hosts is done for the first time."""

    operations: tuple[str, ...]

    def __call__(self, pause: Pause) -> None:
        """From now on."""
        plain, left = Gate.perform, {f"{when} {operation}" for operation in self.operations for when in ("before", "after")}

        def once(moment: str) -> None:
            if moment in left:
                left.discard(moment)
                pause(moment)

        def perform(gate: Gate, call: Call, effect: Callable[[float], T]) -> T:
            def begun(now: float) -> T:
                once(f"before {call.operation}")
                return effect(now)

            result = plain(gate, call, begun)
            once(f"after {call.operation}")
            return result

        Gate.perform = perform  # type: ignore[method-assign,assignment]


def moments(home: Path, deed: Deed, stops: Sequence[Stops], place: Path) -> dict[str, Path]:
    """Do it in a process of its own, to its end; name of each moment -> the home as a kill would have left it then, the same
    one for moments between which nothing was written.
    """
    (home / "answered").unlink(missing_ok=True)
    ours, theirs = FORKS.Pipe()
    child = FORKS.Process(target=_do, args=(home, deed, stops, theirs))
    child.start()
    theirs.close()
    found: dict[str, Path] = {}
    copies: dict[bytes, Path] = {}
    try:
        while (moment := _next(ours)) is not None:
            with _standing_still(child.pid or 0):
                written = _written(home)
                if written not in copies:
                    copies[written] = Path(shutil.copytree(home, place / str(len(copies))))
                found[moment] = copies[written]
            ours.send("go on")
        child.join(PATIENCE)
        assert child.exitcode == 0, "the engine did not end"
        return found
    finally:
        child.kill()
        child.join()
        ours.close()


def _written(home: Path) -> bytes:
    """A digest of all its files but the index of the log, which SQLite makes anew for the first who opens a database."""
    digest = hashlib.sha256()
    for path in sorted(path for path in home.rglob("*") if path.is_file() and not path.name.endswith("-shm")):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(home)} {len(content)} ".encode() + content)
    return digest.digest()


def _next(talk: Connection) -> str | None:
    """The next moment, None at the end."""
    assert talk.poll(PATIENCE * 2), "the engine did not end"
    try:
        return str(talk.recv())
    except EOFError:
        return None


def _do(home: Path, deed: Deed, stops: Sequence[Stops], talk: Connection) -> None:
    one_at_a_time = threading.Lock()

    def pause(moment: str) -> None:
        with one_at_a_time:
            talk.send(moment)
            talk.recv()

    def ordered() -> None:
        for stop in stops:
            stop(pause)

    do(home, deed, ordered)


@contextmanager
def _standing_still(process: int) -> Iterator[None]:
    """No thread of it runs meanwhile."""
    os.kill(process, signal.SIGSTOP)
    until(lambda: set(_states(process)) == {"T"}, "a process that stands still", PATIENCE)
    yield
    os.kill(process, signal.SIGCONT)


def _states(process: int) -> Iterator[str]:
    """The state of each of its threads, as proc(5) has them."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # one that ended meanwhile does nothing any more
            yield (thread / "stat").read_text().rpartition(") ")[2][0]
