"""Telling several hosts the same: those that answer at once, the others when they answer again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from nebula.engine.store.rows import HostRow
from nebula.errors import NebulaError, UnreachableError

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


def tell_each(context: JobContext, host_ids: Iterable[int], tell: Callable[[int], None]) -> None:
    """Hosts that do not answer are left for `tell_late`; whatever else goes wrong is raised when all were tried."""
    silent, wrong = [], None
    for host_id in host_ids:
        try:
            tell(host_id)
        except UnreachableError as error:
            context.log(f"{error}; it is told when it answers again", "warning")
            silent.append(host_id)
        except NebulaError as error:
            context.log(str(error), "error")
            wrong = wrong or error
    context.save(silent=silent)
    if wrong is not None:
        raise wrong


def tell_late(context: JobContext, tell: Callable[[int], None]) -> None:
    """Waits for hosts without end, unless they are removed: what a host never heard of would be worse than a job that waits."""
    there = {row.id for row in context.services.store.read().select(HostRow)}
    for host_id in context.facts.get("silent", ()):
        if host_id in there:
            tell(host_id)


class Telling:
    """What jobs have in common that tell hosts what was written before: nothing is left to write, however they end."""

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """Nothing: it was written before."""

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """The job says on which host, and why; the next change, start or look tries it again."""
