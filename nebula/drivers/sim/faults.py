"""Faults and latencies to order. They live in the world's file, so a test may order them for an engine in another process."""

from __future__ import annotations

from typing import Literal, NamedTuple

from nebula.drivers.sim.database import Database
from nebula.drivers.sim.operations import HALFWAY, PATTERNS, deadline, known
from nebula.errors import CommandError, NebulaError, UsageError, all_errors

FOREVER = -1
Kind = Literal["error", "hang", "lost_answer", "kill"]
_ANY = "*"


class Fault(NamedTuple):
    """A fault that strikes now."""

    fault_id: int
    kind: str
    code: str
    words: str
    seconds: float

    def error(self, host: str, operation: str) -> NebulaError:
        """The error it raises."""
        return make_error(self.code, f"{operation} failed on host {host}", self.words)


def make_error(code: str, message: str, words: str) -> NebulaError:
    """An error of the tree by its code (`command` has other arguments, so every class is filled through the base)."""
    cls = all_errors()[code]
    error = cls.__new__(cls)
    NebulaError.__init__(error, message, cause=words, hint="nebula host show HOST")
    if isinstance(error, CommandError):
        error.host, error.argv, error.status, error.stderr = "", ["simulated"], 1, words
    return error


class Faults:
    """What has been ordered to go wrong. `host` and `operation` may be "*"; `operation` may be "hypervisor.*".

    `subject` narrows an order to one domain's UUID, VM id ("vm-7"), image UUID, network or file; empty: any.
    `times` calls are struck (FOREVER: all), after `after` calls that go well.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    def error(
        self,
        host: str,
        operation: str,
        code: str,
        times: int = 1,
        *,
        after: int = 0,
        subject: str = "",
        words: str = "ordered fault",
    ) -> int:
        """The operation fails with the error class of that code, and changes nothing. Returns the order's id."""
        if code not in all_errors():
            raise UsageError(f"no error class has the code {code!r}", hint=f"use one of: {', '.join(sorted(all_errors()))}")
        return self._order(host, operation, "error", times, after, subject, code=code, words=words)

    def lost_answer(self, host: str, operation: str, times: int = 1, *, after: int = 0, subject: str = "") -> int:
        """The operation is done, and the caller gets UnreachableError."""
        return self._order(
            host, operation, "lost_answer", times, after, subject, code="unreachable", words="the answer was lost"
        )

    def kill(
        self, host: str, operation: str, when: Literal["before", "after"] = "after", *, after: int = 0, subject: str = ""
    ) -> int:
        """The process that calls the operation dies by SIGKILL, just before or just after the operation is done."""
        return self._order(host, operation, f"kill_{when}", 1, after, subject)

    def hang(
        self,
        host: str,
        operation: str,
        when: Literal["before", "after"] = "before",
        *,
        times: int = 1,
        after: int = 0,
        subject: str = "",
        seconds: float | None = None,
    ) -> int:
        """The operation hangs before or after it is done, until `release`, a set token, the driver's `close`, or until
        `seconds` passed (None: what a real driver waits), which is TimedOutError.
        """
        limit = deadline(operation) if seconds is None else seconds
        return self._order(host, operation, f"hang_{when}", times, after, subject, seconds=limit)

    def _order(
        self,
        host: str,
        operation: str,
        kind: str,
        times: int,
        after: int,
        subject: str,
        *,
        code: str = "",
        words: str = "",
        seconds: float = 0.0,
    ) -> int:
        if operation in HALFWAY and kind != "error":
            raise UsageError(f"{operation} can only fail", hint="order an error, or name the operation itself")
        with self._db.write():
            return self._db.insert(
                "INSERT INTO faults(host, operation, subject, kind, code, words, times, after, seconds)"
                " VALUES (?,?,?,?,?,?,?,?,?)",
                host, known(operation), subject, kind, code, words, times, after, seconds,
            )  # fmt: skip

    def release(self, fault_id: int | None = None) -> None:
        """Forget an order (None: all of them); whoever hangs by it goes on."""
        with self._db.write():
            if fault_id is None:
                self._db.run("DELETE FROM faults")
                self._db.run("DELETE FROM hanging")
            else:
                self._db.run("DELETE FROM faults WHERE id=?", fault_id)
                self._db.run("DELETE FROM hanging WHERE fault=?", fault_id)

    def hanging(self) -> list[tuple[str, str, str]]:
        """(host, operation, subject) of every call that hangs now; how a test knows that it got there."""
        return [
            (str(h), str(o), str(s)) for h, o, s in self._db.all("SELECT host, operation, subject FROM hanging ORDER BY id")
        ]

    def pending(self) -> int:
        """Orders that have not struck yet (those to strike forever included)."""
        row = self._db.one("SELECT count(*) FROM faults WHERE times != 0")
        return int(row[0]) if row else 0

    def strike(self, host: str, operation: str, subject: str) -> Fault | None:
        """The order that this call meets, counted down; the oldest one first. Halfway only errors strike."""
        with self._db.write():
            for fault_id, kind, code, words, times, after, seconds in self._db.all(
                "SELECT id, kind, code, words, times, after, seconds FROM faults WHERE host IN (?, ?)"
                " AND operation IN (?, ?, ?) AND subject IN ('', ?) AND times != 0 ORDER BY id",
                host, _ANY, *PATTERNS[operation], subject,
            ):  # fmt: skip
                if kind != "error" and operation in HALFWAY:
                    continue
                if after:
                    self._db.run("UPDATE faults SET after = after - 1 WHERE id=?", fault_id)
                    continue
                if times > 0:
                    self._count_down(fault_id, times, hangs=kind.startswith("hang"))
                return Fault(fault_id, kind, code, words, seconds)
        return None

    def _count_down(self, fault_id: int, times: int, *, hangs: bool) -> None:
        if times > 1 or hangs:
            self._db.run("UPDATE faults SET times = times - 1 WHERE id=?", fault_id)
        else:
            self._db.run("DELETE FROM faults WHERE id=?", fault_id)

    def set_latency(self, host: str, operation: str, seconds: float) -> None:
        """Every call of the operation takes that long (0: at once again); the most exact order counts."""
        with self._db.write():
            self._db.run("DELETE FROM latencies WHERE host=? AND operation=?", host, known(operation))
            if seconds > 0:
                self._db.run("INSERT INTO latencies(host, operation, seconds) VALUES (?,?,?)", host, operation, seconds)

    def latency(self, host: str, operation: str) -> float:
        """Seconds that a call takes."""
        row = self._db.one(
            "SELECT seconds FROM latencies WHERE host IN (?, ?) AND operation IN (?, ?, ?)"
            " ORDER BY host = '*', operation = '*', operation LIKE '%.*' LIMIT 1",
            host, _ANY, *PATTERNS[operation],
        )  # fmt: skip
        return float(row[0]) if row else 0.0
