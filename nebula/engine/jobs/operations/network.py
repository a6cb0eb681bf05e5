"""network.remove: bridges of ours are taken away on every host, then the network is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from nebula.drivers.base import MovesAddresses
from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations.common import bridge_used
from nebula.engine.machines.networks import network_spec, on_bridge
from nebula.engine.store.rows import HostRow, NetworkRow
from nebula.errors import NotFoundError, UnreachableError

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


def _release(context: JobContext) -> None:
    read = context.services.store.read()
    network = network_spec(read.get(NetworkRow, context.job.target_id))
    driver = context.services.pool.network(network.driver)
    for host in read.select(HostRow, '"state" IN (2,4) ORDER BY "id"'):
        try:
            with context.hold(on_bridge(network, host.id)):
                if not bridge_used(context.services.store.read(), network.bridge, host.id):
                    if network.move_addresses and driver.capabilities.moves_addresses:
                        cast(MovesAddresses, driver).move_back(context.handle(host.id), network.at(host.id))
                    driver.release(context.handle(host.id), network.at(host.id))
        except UnreachableError as error:
            if network.move_addresses:  # it may live on that bridge
                raise
            context.log(f"host {host.name} does not answer, its bridge goes with its next restart: {error}", "warning")


class Remove:
    """See the module."""

    kind = "network.remove"
    steps = (Step("release on hosts", _release),)

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The network."""
        return (Lock(f"network:{job.target_id}", 1),)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """Its ranges and held addresses go with it."""
        try:
            row = transaction.get(NetworkRow, job.target_id)
        except NotFoundError:
            return
        transaction.execute('DELETE FROM "lease" WHERE "network_id"=?', (row.id,))
        transaction.execute('DELETE FROM "address_range" WHERE "network_id"=?', (row.id,))
        transaction.delete(row)
        transaction.event("network.removed", "network", row.id, actor=job.actor, name=row.name)

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """It stays."""
        row = transaction.first(NetworkRow, '"id"=?', (job.target_id,))
        if row is None:
            return
        transaction.swap(row, state=5)


REMOVE = Remove()
