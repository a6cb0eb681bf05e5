"""securitygroup.apply: hosts are told what may pass the cards that have a group, or are on a network, be it of one VM alone.

What may pass is read when a host is told, not when the job was filed, and a host is told by one at a time: whoever comes last
has read the newest. So it does no harm to do it again, and nothing is undone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.firewall.groups import leases_with
from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations import filtering
from nebula.engine.jobs.operations.telling import Telling, tell_each, tell_late
from nebula.engine.lifecycle.states import HostState
from nebula.engine.store.rows import HostRow, LeaseRow, VmRow

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow


def _apply(context: JobContext) -> None:
    tell_each(context, _hosts(context), lambda host_id: _tell(context, host_id))


def _apply_late(context: JobContext) -> None:
    tell_late(context, lambda host_id: _tell(context, host_id))


def _tell(context: JobContext, host_id: int) -> None:
    filtering.refresh(context, host_id, _vms(context))
    if context.job.args.get("clean"):
        filtering.clear_leftovers(context, host_id)


def _vms(context: JobContext) -> set[int]:
    """VMs that have a card that this is about."""
    read, number = context.services.store.read(), context.job.target_id
    if "vm" in context.job.args:
        return {int(context.job.args["vm"])}
    if context.job.target_kind == "network":
        return {lease.vm_id for lease in read.select(LeaseRow, '"network_id"=? AND "vm_id">0', (number,))}
    return {lease.vm_id for lease in leases_with(read, number)}


def _hosts(context: JobContext) -> list[int]:
    """Where they are or are on their way to; to clear up, all that can be asked."""
    read = context.services.store.read()
    fit = [row.id for row in read.select(HostRow, '"state"<>? ORDER BY "id"', (int(HostState.OFFLINE),))]
    if context.job.args.get("clean"):
        return fit
    wanted = _vms(context)
    here = {
        host_id
        for vm in read.select(VmRow, '"state"<>6 AND ("host_id">0 OR "target_host">0)')
        if vm.id in wanted
        for host_id in (vm.host_id, vm.target_host)
    }
    return [host_id for host_id in fit if host_id in here]


class Apply(Telling):
    """See the module."""

    kind = "securitygroup.apply"
    steps = (Step("tell hosts", _apply), Step("tell hosts that did not answer", _apply_late, None, final=True))

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """One at a time for each object."""
        return (Lock(f"filters:{job.target_kind}:{job.target_id}", 1),)


APPLY = Apply()
"""The one kind."""
