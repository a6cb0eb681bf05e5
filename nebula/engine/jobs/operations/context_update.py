"""vm.context: a running guest is given another context CD."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Step
from nebula.engine.jobs.operations import common
from nebula.engine.jobs.operations.power import Power

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext


def renew_context(context: JobContext) -> None:
    """The VM's CD says what its row says, and the guest sees that its medium was changed."""
    vm = context.vm()
    path = common.write_context(common.site(context), vm.host_id)
    if not path or not context.hypervisor(vm.host_id).renew_medium(vm.uuid, path):
        context.log("the guest has no context CD now: it reads the new context at its next start", "warning")


CONTEXT = Power("vm.context", (Step("change context CD", renew_context, None, "hotplug"),))
