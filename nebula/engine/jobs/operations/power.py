"""vm.start, vm.poweroff, vm.reboot: power of a VM that has its host already."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations import common
from nebula.engine.lifecycle.states import LcmState, VmState
from nebula.engine.machines.machine import machine_of
from nebula.engine.store.rows import VmRow
from nebula.errors import ConflictError, TimedOutError
from nebula.model.domain import DomainState

if TYPE_CHECKING:
    from nebula.drivers.base import Hypervisor
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction

OFF = {DomainState.SHUTOFF, DomainState.CRASHED}


def shut_down(context: JobContext, host_id: int, *, hard: bool) -> None:
    """The domain is off after it. Soft: the guest is asked, TimedOutError if it does not follow in time."""
    uuid = context.vm().uuid
    hypervisor = context.hypervisor(host_id)
    if hard:
        hypervisor.destroy(uuid)
        return
    reality = hypervisor.lookup(uuid)
    if reality is None or reality.state in OFF:
        return
    if reality.state is DomainState.PAUSED:
        raise ConflictError(f"the guest is paused ({reality.reason}): it cannot follow a shutdown", hint="use --hard")
    _ask_until_off(context, hypervisor, uuid)


def _ask_until_off(context: JobContext, hypervisor: Hypervisor, uuid: str) -> None:
    """Press the button, and again while nothing follows: a guest that is still booting does not hear it."""
    clock, settings = context.services.clock, context.services.settings
    deadline, ask_at = clock.monotonic() + settings.guest_shutdown, 0.0
    while (reality := hypervisor.lookup(uuid)) is not None and reality.state not in OFF:
        now = clock.monotonic()
        if now > deadline:
            raise TimedOutError(
                f"the guest did not shut down within {settings.guest_shutdown:.0f} s",
                cause="it ignores the ACPI power button",
                hint=f"nebula vm poweroff {context.job.target_id} --hard",
            )
        if now >= ask_at:
            with contextlib.suppress(ConflictError):  # it went off meanwhile; the next look says so
                hypervisor.shutdown(uuid)
            ask_at = now + settings.guest_asked_again
        context.cancel.wait(settings.guest_look)
        context.cancel.raise_if_set()


def _ask_hosts(context: JobContext) -> None:
    vm = context.vm()
    lost = context.job.args["source"] == [int(VmState.ACTIVE), int(LcmState.UNKNOWN)]
    common.runs_elsewhere(context, vm, vm.host_id, everywhere=lost)


def _networks(context: JobContext) -> None:
    common.prepare_networks(common.site(context), context.vm().host_id)


def unplug(context: JobContext) -> None:
    """Its cards are gone from its host, if it is off."""
    vm = context.vm()
    reality = context.hypervisor(vm.host_id).lookup(vm.uuid)
    if reality is None or reality.state in OFF:
        common.unplug(common.site(context), vm.host_id)


def _boot(context: JobContext) -> None:
    vm = context.vm()
    hypervisor = context.hypervisor(vm.host_id)
    reality = hypervisor.lookup(vm.uuid)
    if "found_alive" not in context.facts:
        alive = reality is not None and reality.state not in OFF
        context.save(found_alive=alive or machine_of(vm).adopted is not None)
    if reality is not None and reality.state is DomainState.PAUSED and not reality.incoming:
        hypervisor.unpause(vm.uuid)
        return
    if machine_of(vm).adopted is not None:
        hypervisor.start_defined(vm.uuid)
        return
    site = common.site(context)
    common.make_ready(site, vm.host_id)
    spec = common.domain_spec(site, vm.host_id, common.write_context(site, vm.host_id))
    if reality is not None and reality.saved:
        context.save(restored=True)
        hypervisor.restore(spec, paused=True)
    else:
        hypervisor.start(spec)


def _unboot(context: JobContext) -> None:
    """What this job did not start, it does not stop, nor what was adopted; what it took from a saved guest is saved again."""
    vm = context.vm()
    if context.facts.get("restored"):
        context.hypervisor(vm.host_id).save(vm.uuid, progress=None, cancel=None)
    elif context.facts.get("found_alive") is False:
        context.hypervisor(vm.host_id).destroy(vm.uuid)


def _plug(context: JobContext) -> None:
    common.plug(common.site(context), context.vm().host_id)


def _go_on(context: JobContext) -> None:
    vm = context.vm()
    if context.facts.get("restored"):
        context.hypervisor(vm.host_id).unpause(vm.uuid)


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
        """A VM that was switched off or suspended by a person says so."""
        if self.kind in {"vm.poweroff", "vm.suspend"}:
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
        Step("prepare networks", _networks, unplug, "boot"),
        Step("start domain", _boot, _unboot, "boot"),
        Step("plug cards", _plug, None, "boot"),
        Step("go on", _go_on, None, "boot"),
    ),
)
POWEROFF = Power(
    "vm.poweroff", (Step("shut down", _poweroff, None, "shutdown"), Step("unplug cards", unplug, None, "shutdown"))
)
REBOOT = Power("vm.reboot", (Step("reboot", _reboot),))
