"""vm.nic-attach, vm.nic-detach, vm.nic-update: cards of a running VM.

A card and its lease are the VM's from the transaction that asks for it; they leave it when the card is out of the guest, or
when its attaching was undone. The context CD is written anew, so that the guest learns its addresses. It is changed under
the guest's eyes only once the card is there: one-context reads it at that moment, passes over a card that it does not see,
and never comes back to a context that it has read.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from nebula import typed
from nebula.engine.firewall.groups import of_lease, packed
from nebula.engine.firewall.refresh import apply_card, groups_changed, members_changed
from nebula.engine.jobs.base import Step
from nebula.engine.jobs.operations import common, filtering
from nebula.engine.jobs.operations.disks import pull
from nebula.engine.jobs.operations.plugging import PlugJob
from nebula.engine.machines.machine import Machine, Nic, addresses_of, body_of, machine_of
from nebula.engine.machines.networks import nic_spec
from nebula.engine.serving import leases_changed
from nebula.engine.store.rows import LeaseRow, NetworkRow, VmRow

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


def _nic(context: JobContext) -> Nic:
    wanted = context.job.args["nic"]
    return next(nic for nic in common.site(context).machine.nics if nic.nic_id == wanted)


def _prepare(context: JobContext) -> None:
    common.prepare_networks(common.site(context), context.job.args["host"])


def _unplugged(context: JobContext) -> None:
    """The card's tap and filters are gone, and its bridge if it was ours and nobody else is on it."""
    site, nic, host = common.site(context), _nic(context), context.job.args["host"]
    common.unplug_card(site, nic, host)


def _plug(context: JobContext) -> None:
    site, nic, host = common.site(context), _nic(context), context.job.args["host"]
    context.hypervisor(host).attach_card(common.domain_spec(site, host, common.context_path(site, host)), nic.nic_id)
    network = site.networks[nic.network_id]
    context.services.pool.network(network.driver).plugged(context.handle(host), nic_spec(site.vm.id, nic, network))
    common.set_filters(site, host)


def _unplug(context: JobContext) -> None:
    uuid, nic = context.vm().uuid, _nic(context)
    hypervisor = context.hypervisor(context.job.args["host"])
    pull(context, f"card {nic.nic_id} ({nic.mac})", lambda: hypervisor.detach_card(uuid, nic.mac))


def tell(context: JobContext) -> None:
    """The context CD with the card; the guest has the former one in its drive."""
    site = common.site(context)
    common.write_context(site, context.job.args["host"])


def show(context: JobContext) -> None:
    """The guest gets to see what was written."""
    site, host = common.site(context), context.job.args["host"]
    if site.home is not None:
        context.hypervisor(host).renew_medium(site.vm.uuid, common.context_path(site, host))


def _untell(context: JobContext) -> None:
    """The context CD without the card, for the guest, too."""
    site, host = common.site(context), context.job.args["host"]
    common.write_context(site, host, msgspec.structs.replace(site.vm, body=body_of(_without(context))))
    show(context)


def _without(context: JobContext) -> Machine:
    machine, gone = common.site(context).machine, _nic(context)
    return msgspec.structs.replace(machine, nics=[nic for nic in machine.nics if nic.nic_id != gone.nic_id])


def _update(context: JobContext) -> None:
    _set(context, common.site(context).machine)


def _update_back(context: JobContext) -> None:
    nics = typed.convert(context.job.args["before"], list[Nic])
    _set(context, msgspec.structs.replace(common.site(context).machine, nics=nics))


def _set(context: JobContext, machine: Machine) -> None:
    site, host = common.site(context), context.job.args["host"]
    vm = msgspec.structs.replace(site.vm, body=body_of(machine))
    spec = common.domain_spec(site, host, common.context_path(site, host), vm)
    context.hypervisor(host).update_card(spec, context.job.args["nic"])


def _filter(context: JobContext) -> None:
    filtering.refresh(context, context.job.args["host"], {context.job.target_id})


def _filter_back(context: JobContext) -> None:
    """With the groups that the card had before."""
    args = context.job.args
    if "groups_before" in args:
        vm = context.vm()
        context.services.store.write(lambda tx: regroup(tx, context.services, vm, int(args["nic"]), args["groups_before"]))
        _filter(context)


class Attach(PlugJob):
    """A card that could not be attached is dropped; one that could not be taken back stays the VM's."""

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """See the class."""
        super().failed(transaction, job, services, message, clean=clean)
        if clean:
            drop(transaction, services, transaction.get(VmRow, job.target_id), int(job.args["nic"]))


class Detach(PlugJob):
    """The card is no more the VM's."""

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """See the class."""
        drop(transaction, services, transaction.get(VmRow, job.target_id), int(job.args["nic"]))


class Update(PlugJob):
    """If it could not be done, the row says what was."""

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """See the class."""
        super().failed(transaction, job, services, message, clean=clean)
        vm = transaction.get(VmRow, job.target_id)
        transaction.swap(vm, body={**vm.body, "nics": job.args["before"]})


def regroup(tx: Transaction, services: Services, vm: VmRow, nic_id: int, groups: Sequence[int]) -> tuple[int, ...]:
    """The card names these groups from now on; returns those that it named."""
    lease = tx.first(LeaseRow, '"vm_id"=? AND "nic_id"=?', (vm.id, nic_id))
    if lease is None:
        return ()
    before = of_lease(lease)
    tx.execute('UPDATE "lease" SET "groups"=? WHERE "id"=?', (packed(groups), lease.id))
    groups_changed(tx, services, sorted({*before} ^ {*groups}), vm.owner)
    return before


def alias_changed(tx: Transaction, services: Services, vm: VmRow, leases: Sequence[LeaseRow]) -> None:
    """An alias came or went: its card has other addresses, and so has whoever has the card's groups."""
    for lease in leases:
        card = tx.first(LeaseRow, '"vm_id"=? AND "nic_id"=?', (vm.id, lease.parent_id)) if lease.parent_id >= 0 else None
        if card is not None:
            members_changed(tx, services, [card], vm.owner)
            if vm.host_id > 0:
                apply_card(tx, services, card, vm.owner)


def drop(tx: Transaction, services: Services, vm: VmRow, nic_id: int) -> list[tuple[int, int]]:
    """The card, with its aliases, or the alias, or the virtual function leaves the VM's row and gives its lease back; returns
    the (range, position) that came free.
    """
    machine = machine_of(vm)
    for nic in machine.nics:
        nic.aliases = [alias for alias in nic.aliases if alias.nic_id != nic_id]
    machine.nics = [nic for nic in machine.nics if nic.nic_id != nic_id]
    machine.passthrough = [nic for nic in machine.passthrough if nic.nic_id != nic_id]
    machine.boots_without(f"nic{nic_id}")
    leases = tx.select(LeaseRow, '"vm_id"=? AND ("nic_id"=? OR "parent_id"=?)', (vm.id, nic_id, nic_id))
    for lease in leases:
        network = tx.get(NetworkRow, lease.network_id)
        tx.delete(lease)
        tx.swap(network, used_leases=network.used_leases - 1)
    tx.swap(vm, body=body_of(machine), ips=addresses_of(machine))
    cards = [lease for lease in leases if lease.parent_id < 0]
    members_changed(tx, services, cards, vm.owner)
    leases_changed(tx, services, cards, vm.owner)
    alias_changed(tx, services, vm, leases)
    return [(lease.range_id, lease.position) for lease in leases]


ATTACH = Attach(
    "vm.nic-attach",
    Step("prepare network", _prepare, _unplugged, "card"),
    Step("write context", tell, _untell, "card"),
    Step("plug card", _plug, _unplug, "card"),
    Step("change context CD", show, None, "card", final=True),
)
DETACH = Detach(
    "vm.nic-detach",
    Step("unplug card", _unplug, _plug, "card"),
    Step("clear away", _unplugged, None, "card", final=True),
    Step("write context", _untell, None, "card", final=True),
)
UPDATE = Update(
    "vm.nic-update", Step("set filters", _filter, _filter_back, "card"), Step("update card", _update, _update_back, "card")
)
