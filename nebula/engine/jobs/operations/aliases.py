"""vm.alias-attach, vm.alias-detach: aliases of a running VM's cards.

Neither host nor hypervisor has anything of an alias but the filters of its card. It may be sent from before the guest is told,
and no more once it is out of the VM's row: the transaction that takes it out files the job that tells the host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from nebula.engine.jobs.base import Step
from nebula.engine.jobs.operations import common, filtering
from nebula.engine.jobs.operations.cards import Attach, Detach, show, tell
from nebula.engine.machines.machine import Nic, body_of

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext


def _open(context: JobContext) -> None:
    filtering.refresh(context, context.job.args["host"], {context.job.target_id})


def _untell(context: JobContext) -> None:
    """The context CD without the alias, for the guest, too."""
    site, gone = common.site(context), context.job.args["nic"]
    machine = msgspec.structs.replace(site.machine, nics=[_without(nic, gone) for nic in site.machine.nics])
    common.write_context(site, context.job.args["host"], msgspec.structs.replace(site.vm, body=body_of(machine)))
    show(context)


def _without(nic: Nic, gone: int) -> Nic:
    return msgspec.structs.replace(nic, aliases=[alias for alias in nic.aliases if alias.nic_id != gone])


def _tell_again(context: JobContext) -> None:
    tell(context)
    show(context)


ATTACH = Attach(
    "vm.alias-attach",
    Step("set filters", _open, None, "card"),
    Step("write context", tell, _untell, "card"),
    Step("change context CD", show, None, "card", final=True),
)
DETACH = Detach("vm.alias-detach", Step("write context", _untell, _tell_again, "card"))
