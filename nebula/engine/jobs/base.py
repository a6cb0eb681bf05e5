"""What an operation declares: its locks, its steps with their undo, and what the last transaction writes.

A step is idempotent: run again from its start after a crash it ends in the same place. Facts that later steps need are
saved with `context.save` before the step returns. The undo stands beside the step; it must also work when the step was
only half done, or not begun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from nebula.engine.api.values import Accepted, Call
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow, VmRow
    from nebula.engine.store.transaction import Transaction

Act = Callable[["JobContext"], None]


class Lock(NamedTuple):
    """Something that at most `limit` jobs hold at once (1: exclusive), e.g. Lock("vm:7", 1)."""

    name: str
    limit: int


@dataclass(frozen=True, slots=True)
class Step:
    """`phase` is the transition table's phase in which the step runs ("" for objects without one).

    `noted`: that it was begun is durable before it runs, so that the steps before it are not run again after a crash.
    `final`: past the point of no return. From here on nobody turns the job back: a host that does not answer is waited
    for, and whatever else goes wrong leaves something behind (fact `left`) while the job ends well.
    `argument`: only jobs with this argument have the step; others neither do it nor tell of it. Such a step has no undo.
    """

    name: str
    run: Act
    undo: Act | None = None
    phase: str = ""
    noted: bool = False
    final: bool = False
    argument: str = ""

    def of(self, arguments: Mapping[str, Any]) -> bool:
        """Whether a job with these arguments has it."""
        return not self.argument or bool(arguments.get(self.argument))


class NotYet(Exception):
    """A step's or an undo's word that it waits for others: run it again after `seconds`, without holding a thread
    meanwhile.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"again in {seconds} s")
        self.seconds = seconds


class Onward(Exception):
    """An undo's word that there is nothing to undo: the job goes on from the step of that name."""

    def __init__(self, step: str) -> None:
        super().__init__(step)
        self.step = step


class Operation(Protocol):
    """One kind of job."""

    kind: str
    steps: tuple[Step, ...]

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """What it must hold while it runs, from its arguments alone."""
        ...

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """Further writes of the transaction that ends it well."""
        ...

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """Further writes of the transaction that ends it badly; `clean`: the undo worked."""
        ...


class Verbs(Protocol):
    """The façade's verbs that a job may file: the same that a person types."""

    def migrate_in(
        self, tx: Transaction, vm: VmRow, host: str, call: Call, *, live: bool, parent: int = 0, reason: str = ""
    ) -> Accepted:
        """File a migration in a transaction that is open already; `host` "" lets the scheduler choose."""
        ...

    def targets(self, host_id: int, reason: str) -> dict[int, int]:
        """Where the running VMs of a host that must be left do best, by the planner: VM id -> host id. What has no place by
        its plan is left out.
        """
        ...

    def keep_in(self, tx: Transaction, datastore_id: int, uuid: str, call: Call) -> Accepted:
        """File the forgetting of what need not be kept of a VM's backups, in a transaction that is open already."""
        ...

    def cancel_in(self, tx: Transaction, job: JobRow, call: Call, reason: str) -> None:
        """Ask an open job, in a transaction that is open already, to stop and to undo what it did."""
        ...
