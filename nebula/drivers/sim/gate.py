"""The one way into a simulated host: is it there, does a fault strike, how long does it take, what is done, who hears of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TypeVar

from nebula.cancel import CancelToken
from nebula.clock import Clock
from nebula.drivers.sim.clock import Sleep
from nebula.drivers.sim.database import Database
from nebula.drivers.sim.faults import Fault, Faults
from nebula.drivers.sim.operations import CHANGING
from nebula.errors import TimedOutError, UnreachableError

T = TypeVar("T")
Settle = Callable[[float], None]
POLL_SECONDS = 0.02
_LOOK = (
    "SELECT powered AND reachable, libvirtd, (SELECT value FROM settings WHERE key = 'offset'),"
    " EXISTS (SELECT 1 FROM faults), EXISTS (SELECT 1 FROM latencies), (SELECT min(at) FROM timers) FROM hosts WHERE name = ?"
)


class Call:
    """One call of an operation on a host. `closed` tells whether the driver was closed meanwhile."""

    __slots__ = ("cancel", "closed", "host", "operation", "subject")

    def __init__(
        self,
        host: str,
        operation: str,
        subject: str = "",
        cancel: CancelToken | None = None,
        closed: Callable[[], bool] | None = None,
    ) -> None:
        self.host, self.operation, self.subject = host, operation, subject
        self.cancel, self.closed = cancel, closed


class Gate:
    """Lets calls through to the hosts of one world."""

    def __init__(self, db: Database, faults: Faults, clock: Clock, sleep: Sleep, settle: Settle) -> None:
        self._db, self._faults, self._clock, self.sleep, self._settle = db, faults, clock, sleep, settle

    def perform(self, call: Call, effect: Callable[[float], T]) -> T:
        """Do the operation: `effect(now)` runs in one transaction. Raises UnreachableError, TimedOutError,
        InterruptedByUser and whatever was ordered.
        """
        faulty, slow, now = self._look(call)
        fault = self._faults.strike(call.host, call.operation, call.subject) if faulty else None
        if slow and (seconds := self._faults.latency(call.host, call.operation)):
            self.sleep(seconds, call.cancel)
            now = self._look(call)[2]
        if fault is not None:
            now = self._before(fault, call, now)
        result = self._effect(call, effect, now)
        if fault is not None:
            self._after(fault, call)
        return result

    def _look(self, call: Call) -> tuple[bool, bool, float]:
        """Whether faults and latencies are ordered, and the world's time; UnreachableError if the host is not there."""
        row = self._db.one(_LOOK, call.host)
        if row is None or not row[0]:
            raise UnreachableError(
                f"host {call.host} does not answer", cause="no route to host", hint=f"nebula host show {call.host}"
            )
        if not row[1] and call.operation.startswith("hypervisor."):
            raise UnreachableError(
                f"libvirtd on host {call.host} does not answer",
                cause="Failed to connect socket to '/run/libvirt/libvirt-sock': Connection refused",
                hint=f"nebula host check {call.host}",
            )
        now = self._clock.now() + row[2]
        if row[5] is not None and row[5] <= now:
            self._settle(now)
        return bool(row[3]), bool(row[4]), now

    def now(self) -> float:
        """The world's time."""
        row = self._db.one("SELECT value FROM settings WHERE key = 'offset'")
        return self._clock.now() + (row[0] if row else 0.0)

    def monotonic(self) -> float:
        """The process's own clock for deadlines."""
        return self._clock.monotonic()

    def _effect(self, call: Call, effect: Callable[[float], T], now: float) -> T:
        if call.operation not in CHANGING:
            return effect(now)
        with self._db.write():
            result = effect(now)
            self._db.run(
                "INSERT INTO journal(at, host, operation, subject) VALUES (?,?,?,?)",
                now,
                call.host,
                call.operation,
                call.subject,
            )
        return result

    def _before(self, fault: Fault, call: Call, now: float) -> float:
        if fault.kind == "error":
            raise fault.error(call.host, call.operation)
        if fault.kind == "kill_before":
            _die()
        if fault.kind == "hang_before":
            self._hang(fault, call)
            return self._look(call)[2]
        return now

    def _after(self, fault: Fault, call: Call) -> None:
        if fault.kind == "lost_answer":
            raise fault.error(call.host, call.operation)
        if fault.kind == "kill_after":
            _die()
        if fault.kind == "hang_after":
            self._hang(fault, call)

    def _hang(self, fault: Fault, call: Call) -> None:
        with self._noted(fault, call):
            until = self._clock.monotonic() + fault.seconds
            while self._db.one("SELECT 1 FROM faults WHERE id=?", fault.fault_id):
                if call.closed is not None and call.closed():
                    raise UnreachableError(
                        f"{call.operation} on host {call.host} was given up", cause="the connection was closed"
                    )
                if self._clock.monotonic() >= until:
                    raise TimedOutError(
                        f"{call.operation} on host {call.host} did not end",
                        cause=f"no answer for {fault.seconds:g} s",
                        hint=f"nebula host show {call.host}",
                    )
                self.sleep(POLL_SECONDS, call.cancel)

    @contextmanager
    def _noted(self, fault: Fault, call: Call) -> Iterator[None]:
        """While it hangs, the world says so."""
        with self._db.write():
            row_id = self._db.insert(
                "INSERT INTO hanging(fault, host, operation, subject) VALUES (?,?,?,?)",
                fault.fault_id, call.host, call.operation, call.subject,
            )  # fmt: skip
        try:
            yield
        finally:
            with self._db.write():
                self._db.run("DELETE FROM hanging WHERE id=?", row_id)
                self._db.run("DELETE FROM faults WHERE id=? AND times=0", fault.fault_id)


def _die() -> NoReturn:
    """End this process as the kernel would: no clean-up, no last words."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise SystemExit(137)
