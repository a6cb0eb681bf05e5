"""network.tunnel: the hosts that carry a VXLAN with peers that we know are told who they are.

They are read when a host is told, while nobody else of ours prepares or releases the network there; so whoever comes last has
read the newest, and doing it again does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations.telling import Telling, tell_each, tell_late
from nebula.engine.lifecycle.states import HostState
from nebula.engine.machines.networks import network_spec, on_bridge
from nebula.engine.serving import carriers
from nebula.engine.store.rows import HostRow, NetworkRow
from nebula.engine.tunnels import KIND, peers

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow


def tunnel(context: JobContext, host_id: int, network_id: int) -> None:
    """The host sends to those who are there by now; its caller holds the bridge there."""
    read = context.services.store.read()
    row = read.first(NetworkRow, '"id"=?', (network_id,))
    if row is not None:
        driver = context.services.pool.network(row.driver)
        driver.tunnel_to(context.handle(host_id), network_spec(row).at(host_id), peers(read, row, host_id))


def _tell(context: JobContext, host_id: int) -> None:
    row = context.services.store.read().first(NetworkRow, '"id"=?', (context.job.target_id,))
    if row is not None:
        with context.hold(on_bridge(network_spec(row), host_id)):
            tunnel(context, host_id, row.id)


def _tunnel(context: JobContext) -> None:
    read = context.services.store.read()
    row = read.first(NetworkRow, '"id"=?', (context.job.target_id,))
    wanted = carriers(read, row) if row is not None else set()
    fit = [host.id for host in read.select(HostRow, '"state"<>? ORDER BY "id"', (int(HostState.OFFLINE),)) if host.id in wanted]
    tell_each(context, fit, lambda host_id: _tell(context, host_id))


def _tunnel_late(context: JobContext) -> None:
    tell_late(context, lambda host_id: _tell(context, host_id))


class Tunnel(Telling):
    """See the module."""

    kind = KIND
    steps = (Step("tell hosts", _tunnel), Step("tell hosts that did not answer", _tunnel_late, None, final=True))

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """One at a time for each network."""
        return (Lock(f"tunnelled:{job.target_id}", 1),)


TUNNEL = Tunnel()
"""The one kind."""
