"""host.clean: what VMs and networks that are gone left on a host is taken away: filters, cards, disks, bridges.

Each step looks at the host and at the database as they are then, and takes away only what nobody can want any more; so each may
be done again, and nothing is undone. What a process holds stays, with a line in the log.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations import filtering
from nebula.engine.jobs.operations.common import bridge_used
from nebula.engine.jobs.operations.telling import Telling
from nebula.engine.leftovers import gone_in, named
from nebula.engine.machines.networks import all_networks, on_bridge
from nebula.engine.store.rows import DatastoreRow, HostRow
from nebula.errors import NotFoundError, UnreachableError

if TYPE_CHECKING:
    from nebula.drivers.base import Datastore
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


def _filters(context: JobContext) -> None:
    filtering.clear_leftovers(context, context.job.target_id)


def _cards(context: JobContext) -> None:
    """Cards of VMs that are not there, and not on their way."""
    host_id, store = context.job.target_id, context.services.store
    handle = context.handle(host_id)
    for driver, _ in filtering.network_drivers(context.services, context.host_row(host_id)):
        gone = filtering.leftovers(store.read(), host_id, driver.taps(handle))
        for tap in gone:
            driver.unplugged(handle, filtering.nobodys(tap))
        stay = sorted(set(gone) & set(driver.taps(handle)))
        if stay:
            context.log(f"cards that a process still holds: {', '.join(stay)}", "warning")
        if len(stay) < len(gone):
            context.log(f"cards taken away: {', '.join(sorted(set(gone) - set(stay)))}")


def _disks(context: JobContext) -> None:
    """What datastores have of VMs that are gone, unless a domain has that VM's number."""
    host = context.host_row(context.job.target_id)
    rows = context.services.store.read().select(
        DatastoreRow, '"state"=0 AND "type"<>\'backup\' AND "cluster_id" IN (-1,?) ORDER BY "id"', (host.cluster_id,)
    )
    for row in rows:
        if (row.driver == "sim") == (host.driver == "sim"):
            _clear(context, row, context.services.pool.datastore(row))


def _clear(context: JobContext, row: DatastoreRow, driver: Datastore) -> None:
    handle = context.handle(context.job.target_id)
    gone = gone_in(context.services.store.read(), driver, handle)
    if not gone:
        return
    alive = _alive(context, shared=driver.capabilities.shared)
    if alive is None:
        return
    kept = [number for number in gone if number in alive]
    if kept:
        context.log(f"disks in {row.name} of VMs that are gone and still have a domain: {named(kept)}", "warning")
    for number in gone:
        if number not in alive:
            driver.forget_vm(handle, number)
    if len(kept) < len(gone):
        context.log(f"taken away from {row.name}: VMs {named([number for number in gone if number not in alive])}")


def _alive(context: JobContext, *, shared: bool) -> set[int] | None:
    """Numbers of VMs that have a domain where the disks can be used; None where a host that could use them does not answer."""
    hosts = [context.host_row(context.job.target_id)]
    if shared:
        hosts = context.services.store.read().select(HostRow, '"state"<>0 ORDER BY "id"')
    found: set[int] = set()
    for host in hosts:
        try:
            domains = context.hypervisor(host.id).domains()
        except UnreachableError as error:
            if host.id == context.job.target_id:
                raise
            context.log(f"what is shared stays: {host.name} may use it, and does not answer: {error}", "warning")
            return None
        found |= {domain.vm_id for domain in domains if domain.vm_id is not None}
    return found


def _bridges(context: JobContext) -> None:
    """Bridges, and what leads out of them, of networks that are gone. One that is the host's, too, stays."""
    host_id, store = context.job.target_id, context.services.store
    handle = context.handle(host_id)
    for driver, _ in filtering.network_drivers(context.services, context.host_row(host_id)):
        for stray in driver.strays(handle, all_networks(store.read())):
            if stray.held:
                context.log(f"network devices that stay: {stray.name}: {stray.held}", "warning")
                continue
            with context.hold(on_bridge(stray, host_id)):  # a network that has this bridge may have come meanwhile
                read = store.read()
                if stray in driver.strays(handle, all_networks(read)) and not bridge_used(read, stray.bridge, host_id):
                    driver.clear_stray(handle, stray)
                    context.log(f"network devices taken away: {stray.name}")


class Clean(Telling):
    """See the module."""

    kind = "host.clean"
    steps = (Step("filters", _filters), Step("cards", _cards), Step("disks", _disks), Step("bridges", _bridges))

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """One at a time for each host."""
        return (Lock(f"host:{job.target_id}:clean", 1),)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """It is told; the job's log says what was taken away."""
        try:
            row = transaction.get(HostRow, job.target_id)
        except NotFoundError:
            return
        transaction.event("host.cleaned", "host", row.id, actor=job.actor, name=row.name)


CLEAN = Clean()
"""The one kind."""
