"""datastore.setup and datastore.remove: what leads to a datastore is made on its hosts, and taken away before it is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.attachments import attached, export, hosts_of, is_exported, leaving, take_back
from nebula.engine.jobs.base import Lock, Step
from nebula.engine.lifecycle.states import HostState
from nebula.engine.machines.moving import vm_in
from nebula.engine.store.rows import DatastoreRow, ImageRow
from nebula.errors import NebulaError, UnreachableError

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import HostRow, JobRow
    from nebula.engine.store.transaction import Transaction


def _row(context: JobContext) -> DatastoreRow:
    return context.services.store.read().get(DatastoreRow, context.job.target_id)


def _fit(context: JobContext, row: DatastoreRow, *others: HostState) -> list[HostRow]:
    states = (HostState.MONITORED, HostState.DISABLED, *others)
    return [host for host in hosts_of(context.services.store.read(), row) if host.state in states]


def _export(context: JobContext) -> None:
    row = _row(context)
    if is_exported(row):
        export(context, row)


def _take_back(context: JobContext) -> None:
    row = _row(context)
    if is_exported(row):
        take_back(context, row)


def _attach(context: JobContext) -> None:
    """A host that does not answer is told when it needs it; a server that does not, is nothing to go on with."""
    row = _row(context)
    driver = attached(context.services, row)
    if driver is None:
        return
    for host in _fit(context, row):
        handle = context.handle(host.id)
        try:
            handle.transport.run(["true"])
        except UnreachableError as error:
            context.log(f"host {host.name} does not answer and will be told later: {error}", "warning")
            continue
        driver.attach(handle)


def _detach(context: JobContext) -> None:
    """A host in ERROR may only have missed a look; one that is broken keeps no datastore from going."""
    row = _row(context)
    driver = leaving(context.services, row)
    if driver is None:
        return
    for host in _fit(context, row, HostState.ERROR):
        try:
            driver.detach(context.handle(host.id))
        except UnreachableError as error:
            context.log(
                f"host {host.name} does not answer: a mount goes with its next restart, keys stay there: {error}", "warning"
            )
        except NebulaError as error:
            if host.state != HostState.ERROR:
                raise
            context.log(f"host {host.name} is in ERROR, and what it has of the datastore stays: {error}", "warning")


class Setup:
    """A datastore that no host reaches is none: its row goes again."""

    kind = "datastore.setup"
    steps = (Step("export it", _export, _take_back), Step("reach it from hosts", _attach, _detach))

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The datastore."""
        return (Lock(f"datastore:{job.target_id}", 1),)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """It can be used."""
        row = transaction.first(DatastoreRow, '"id"=?', (job.target_id,))
        if row is not None and row.state:
            transaction.swap(row, state=0)
            transaction.event("datastore.ready", "datastore", row.id, actor=job.actor, name=row.name)

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """Gone, unless something is in it or is left on a host."""
        row = transaction.first(DatastoreRow, '"id"=?', (job.target_id,))
        if row is None or not clean or _used(transaction, row):
            return
        transaction.delete(row)
        transaction.event("datastore.removed", "datastore", row.id, actor=job.actor, name=row.name, error=message[:500])


class Remove:
    """See the module."""

    kind = "datastore.remove"
    steps = (Step("leave it on hosts", _detach), Step("take the export back", _take_back))

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The datastore."""
        return (Lock(f"datastore:{job.target_id}", 1),)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """Gone."""
        row = transaction.first(DatastoreRow, '"id"=?', (job.target_id,))
        if row is not None:
            transaction.delete(row)
            transaction.event("datastore.removed", "datastore", row.id, actor=job.actor, name=row.name)

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """It stays, and can be used."""
        row = transaction.first(DatastoreRow, '"id"=?', (job.target_id,))
        if row is not None:
            transaction.swap(row, state=0)


def _used(transaction: Transaction, row: DatastoreRow) -> bool:
    image = transaction.count(ImageRow, '"datastore_id"=?', (row.id,))
    return bool(image) or vm_in(transaction, row.id) is not None


SETUP = Setup()
REMOVE = Remove()
