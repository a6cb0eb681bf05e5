"""vm.suspend: a VM's memory is kept on its host, which keeps its place for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Step
from nebula.engine.jobs.operations import common
from nebula.engine.jobs.operations.power import OFF, Power, unplug
from nebula.model.domain import DomainState

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext


def _save(context: JobContext) -> None:
    vm = context.vm()
    context.hypervisor(vm.host_id).save(vm.uuid, progress=context.report, cancel=context.cancel)


def _unsave(context: JobContext) -> None:
    vm = context.vm()
    wake(context, vm.host_id)
    context.hypervisor(vm.host_id).unpause(vm.uuid)


def wake(context: JobContext, host_id: int, path: str = "") -> None:
    """A domain that was saved has its memory and its cards again, and waits for `unpause`: whatever fails on the way, it has
    not run. Where it runs, nothing.
    """
    hypervisor, uuid = context.hypervisor(host_id), context.vm().uuid
    reality = hypervisor.lookup(uuid)
    if reality is not None and reality.state not in {*OFF, DomainState.PAUSED}:
        return
    site = common.site(context)
    common.make_ready(site, host_id)
    common.prepare_networks(site, host_id)
    hypervisor.restore(common.domain_spec(site, host_id, common.write_context(site, host_id)), path, paused=True)
    common.plug(site, host_id)


SUSPEND = Power("vm.suspend", (Step("save memory", _save, _unsave, "save"), Step("unplug cards", unplug, None, "save")))
