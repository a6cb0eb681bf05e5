"""vm.resize: a running VM gets more or less of CPUs and memory.

The transaction that asked for it booked the larger of both sizes; the one that ends the job books what the VM has.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations import common
from nebula.engine.store.rows import VmRow

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


def _resize(context: JobContext) -> None:
    _to(context, context.job.args["after"])


def _back(context: JobContext) -> None:
    _to(context, context.job.args["before"])


def _to(context: JobContext, size: Mapping[str, Any]) -> None:
    hypervisor = context.hypervisor(context.job.args["host"])
    hypervisor.resize(context.vm().uuid, vcpus=int(size["vcpus"]), memory_mib=int(size["memory"]), cpu_share=int(size["cpu"]))


class Resize:
    """See the module."""

    kind = "vm.resize"
    steps = (Step("resize", _resize, _back, "resize"),)

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The VM."""
        return (common.vm_lock(job),)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """It has what was asked for."""
        sized(transaction, transaction.get(VmRow, job.target_id), job.args["after"])

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """It has what it had; where that is not sure, the larger of both stays booked."""
        if clean:
            sized(transaction, transaction.get(VmRow, job.target_id), job.args["before"])
        transaction.event("vm.refused", "vm", job.target_id, actor=job.actor, kind=job.kind, message=message)


def sized(tx: Transaction, vm: VmRow, size: Mapping[str, Any]) -> None:
    """The row and the template say that size: `cpu` in hundredths of a core, `vcpus`, `memory` in MiB."""
    cpu, vcpus, memory = int(size["cpu"]), int(size["vcpus"]), int(size["memory"])
    template = {**vm.body.get("template", {}), "CPU": f"{cpu / 100:g}", "VCPU": str(vcpus), "MEMORY": str(memory)}
    tx.swap(vm, cpu=cpu, vcpus=vcpus, memory=memory, body={**vm.body, "template": template})


RESIZE = Resize()
