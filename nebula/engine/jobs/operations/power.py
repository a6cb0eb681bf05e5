"""vm.start, vm.poweroff, vm.reboot: power of a VM that has its host already."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations import common
from nebula.engine.lifecycle.states import LcmState, VmState
from nebula.engine.store.rows import VmRow
from nebula.errors import ConflictError, TimedOutError
from nebula.model.domain import DomainState

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction

_OFF = {DomainState.SHUTOFF, DomainState.CRASHED}
_POLL = 0.25
"""Seconds between looks at a guest that shuts down."""


def shut_down(context: JobContext, host_id: int, *, hard: bool) -> None:
    """The domain is off after it. Soft: the guest is asked, TimedOutError if it does not follow in time."""
    uuid = context.vm().uuid
    hypervisor = context.hypervisor(host_id)
    if hard:
        hypervisor.destroy(uuid)
        return
    reality = hypervisor.lookup(uuid)
    if reality is None or reality.state in _OFF:
        return
    if reality.state is DomainState.PAUSED:
        raise ConflictError(f"the guest is paused ({reality.reason}): it cannot follow a shutdown", hint="use --hard")
    hypervisor.shutdown(uuid)
    deadline = context.services.clock.monotonic() + context.services.settings.guest_shutdown
    while (reality := hypervisor.lookup(uuid)) is not None and reality.state not in _OFF:
        if context.services.clock.monotonic() > deadline:
            raise TimedOutError(
                f"the guest did not shut down within {context.services.settings.guest_shutdown:.0f} s",
                cause="it ignores the ACPI power button",
                hint=f"nebula vm poweroff {context.job.target_id} --hard",
            )
        context.cancel.wait(_POLL)
        context.cancel.raise_if_set()


def _ask_hosts(context: JobContext) -> None:
    vm = context.vm()
    lost = context.job.args["source"] == [int(VmState.ACTIVE), int(LcmState.UNKNOWN)]
    common.runs_elsewhere(context, vm, vm.host_id, everywhere=lost)


def _networks(context: JobContext) -> None:
    common.prepare_networks(common.site(context), context.vm().host_id)


def _unplug(context: JobContext) -> None:
    vm = context.vm()
    reality = context.hypervisor(vm.host_id).lookup(vm.uuid)
    if reality is None or reality.state in _OFF:
        common.unplug(common.site(context), vm.host_id)


def _boot(context: JobContext) -> None:
    vm = context.vm()
    hypervisor = context.hypervisor(vm.host_id)
    reality = hypervisor.lookup(vm.uuid)
    if "found_alive" not in context.facts:
        context.save(found_alive=reality is not None and reality.state not in _OFF)
    if reality is not None and reality.state is DomainState.PAUSED and not reality.incoming:
        hypervisor.unpause(vm.uuid)
        return
    site = common.site(context)
    common.start_domain(site, vm.host_id, common.write_context(site, vm.host_id))


def _unboot(context: JobContext) -> None:
    vm = context.vm()
    if context.facts.get("found_alive") is False:  # what this job did not start, it does not stop
        context.hypervisor(vm.host_id).destroy(vm.uuid)


def _plug(context: JobContext) -> None:
    common.plug(common.site(context), context.vm().host_id)


def _poweroff(context: JobContext) -> None:
    shut_down(context, context.vm().host_id, hard=bool(context.job.args.get("hard")))


def _reboot(context: JobContext) -> None:
    vm = context.vm()
    hypervisor = context.hypervisor(vm.host_id)
    if context.job.args.get("hard"):
        hypervisor.reset(vm.uuid)
    else:
        hypervisor.reboot(vm.uuid)


class Power:
    """An operation whose end needs nothing beyond the table."""

    def __init__(self, kind: str, steps: tuple[Step, ...]) -> None:
        self.kind = kind
        self.steps = steps

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The VM; starts count on its host."""
        return (common.vm_lock(job), common.start_lock(job, settings)) if self.kind == "vm.start" else (common.vm_lock(job),)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """A VM that was switched off by a person says so."""
        if self.kind == "vm.poweroff":
            job.facts = {**job.facts, "reason": "by " + (job.actor or "nebula")}
            vm = transaction.get(VmRow, job.target_id)
            transaction.swap(vm, cpu_used=0, memory_used=0)

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """Nothing beyond the table: the VM's last job says why."""
        transaction.event("vm.refused", "vm", job.target_id, actor=job.actor, kind=job.kind, message=message)


START = Power(
    "vm.start",
    (
        Step("ask all hosts", _ask_hosts, None, "boot"),
        Step("prepare networks", _networks, _unplug, "boot"),
        Step("start domain", _boot, _unboot, "boot"),
        Step("plug cards", _plug, None, "boot"),
    ),
)
POWEROFF = Power(
    "vm.poweroff", (Step("shut down", _poweroff, None, "shutdown"), Step("unplug cards", _unplug, None, "shutdown"))
)
REBOOT = Power("vm.reboot", (Step("reboot", _reboot),))
