"""network.serve: the hosts that carry a network are told which addresses and names their guests get there.

They are read when a host is told, while nobody else of ours prepares, serves or releases the network there; so whoever comes
last has read the newest, and doing it again does no harm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations.telling import Telling, tell_each, tell_late
from nebula.engine.lifecycle.states import HostState
from nebula.engine.machines.networks import network_spec, on_bridge
from nebula.engine.serving import KIND, carriers, given
from nebula.engine.store.rows import HostRow, NetworkRow

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow


def serve(context: JobContext, host_id: int, network_id: int) -> None:
    """The host gives what the network's leases say by now; its caller holds the bridge there."""
    read = context.services.store.read()
    row = read.first(NetworkRow, '"id"=?', (network_id,))
    if row is not None:
        driver = context.services.pool.network(row.driver)
        driver.serve(context.handle(host_id), network_spec(row).at(host_id), given(read, row))


def _tell(context: JobContext, host_id: int) -> None:
    row = context.services.store.read().first(NetworkRow, '"id"=?', (context.job.target_id,))
    if row is not None:
        with context.hold(on_bridge(network_spec(row), host_id)):
            serve(context, host_id, row.id)


def _serve(context: JobContext) -> None:
    read = context.services.store.read()
    row = read.first(NetworkRow, '"id"=?', (context.job.target_id,))
    wanted = carriers(read, row) if row is not None else set()
    fit = [host.id for host in read.select(HostRow, '"state"<>? ORDER BY "id"', (int(HostState.OFFLINE),)) if host.id in wanted]
    tell_each(context, fit, lambda host_id: _tell(context, host_id))


def _serve_late(context: JobContext) -> None:
    tell_late(context, lambda host_id: _tell(context, host_id))


class Serve(Telling):
    """See the module."""

    kind = KIND
    steps = (Step("tell hosts", _serve), Step("tell hosts that did not answer", _serve_late, None, final=True))

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """One at a time for each network."""
        return (Lock(f"served:{job.target_id}", 1),)


SERVE = Serve()
"""The one kind."""
