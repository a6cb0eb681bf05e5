"""The size, disks and cards of VMs that exist: the verbs that change them, on running VMs and on those that are off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nebula.engine.api.values import Accepted, Call
from nebula.engine.firewall.groups import ATTRIBUTE, named
from nebula.engine.jobs.operations.cards import drop, regroup
from nebula.engine.jobs.operations.common import use_image
from nebula.engine.jobs.operations.resize import sized
from nebula.engine.lifecycle.moves import place_of
from nebula.engine.lifecycle.states import ImageState
from nebula.engine.lifecycle.table import RUNNING, Transition
from nebula.engine.local.adoption import guard_ours
from nebula.engine.local.base import usable
from nebula.engine.local.booking import require_no_snapshots, require_room
from nebula.engine.local.creation import MAX_NICS, Creation
from nebula.engine.local.vm_noun import VmNoun
from nebula.engine.machines import cards
from nebula.engine.machines.aliases import alias_called, card_called
from nebula.engine.machines.disks import MAX_DISK_MIB, Disk, further, image_spec, rounded, size_of, suit
from nebula.engine.machines.hardware.check import check_hardware
from nebula.engine.machines.hardware.declared import MAX_VCPUS
from nebula.engine.machines.hardware.group import one
from nebula.engine.machines.hardware.needs import needs_of
from nebula.engine.machines.hardware.processor import size
from nebula.engine.machines.machine import Alias, Machine, Nic, addresses_of, body_of, machine_of
from nebula.engine.machines.template import hundredths, mebibytes, regular, whole
from nebula.engine.store.rows import DatastoreRow, HostRow, ImageCopyRow, ImageRow, NetworkRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import ConflictError, DeniedError, NotFoundError, UsageError

_SIZES = frozenset({"CPU", "VCPU", "MEMORY"})


class VmHardware(VmNoun):
    """See nebula.engine.api.verbs.Vms."""

    def resize(self, ref: str, changes: Mapping[str, Any], call: Call, enforce: bool = True) -> Accepted:
        """See Vms.resize."""
        given = regular(changes)
        if not given or set(given) - _SIZES:
            raise UsageError(
                "a VM is resized by CPU, VCPU and MEMORY", cause=f"got {', '.join(sorted(given)) or 'nothing'}",
                hint=f"nebula vm resize {ref[:60]} --memory 4G",
            )  # fmt: skip

        if not enforce and not self.person.admin:
            raise DeniedError("only administrators give a VM more than its host has", hint="leave out --no-enforce")

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row = guard_ours(vm, "resize")
            before = {"cpu": vm.cpu, "vcpus": vm.vcpus, "memory": vm.memory}
            after = {
                "cpu": hundredths(given, "CPU", vm.cpu / 100),
                "vcpus": whole(given, "VCPU", vm.vcpus, 1, MAX_VCPUS),
                "memory": mebibytes(given, "MEMORY", vm.memory),
            }
            self._check_size(tx, vm, after)
            larger = {name: max(before[name], after[name]) for name in ("cpu", "memory")}
            if enforce and vm.host_id > 0 and larger != {name: before[name] for name in larger}:
                require_room(tx, msgspec.structs.replace(vm, **larger), tx.get(HostRow, vm.host_id))
            if row.job:
                tx.swap(vm, **larger)
                return self._start(tx, vm, row, call, {"before": before, "after": after})
            sized(tx, vm, after)
            tx.event("vm.resized", "vm", vm.id, actor=call.actor, name=vm.name, **after)
            return Accepted(kind="vm", id=vm.id, name=vm.name)

        return self._change(call, work)

    def _check_size(self, tx: Transaction, vm: VmRow, after: Mapping[str, int]) -> None:
        """Off, a VM may outgrow its maxima, which follow; running, it may not."""
        machine = machine_of(vm)
        template = dict(machine.template)
        needs = needs_of(template, vm.vcpus, vm.memory)
        if vm.host_id > 0 and needs is not None and needs.parts:
            raise ConflictError(
                f"VM {vm.name} ({vm.id}) cannot be resized", cause="it has CPUs or memory of its host for itself (TOPOLOGY)",
                hint=f"nebula vm undeploy {vm.id}, then resize it",
            )  # fmt: skip
        if place_of(vm) == RUNNING:
            self._require(tx, vm, "be resized while it runs", able="hot_resize")
            most = size(template, vm.vcpus, vm.memory)
            for name, asked, limit in (
                ("VCPU", after["vcpus"], most.vcpus_max),
                ("MEMORY", after["memory"], most.memory_max),
            ):
                if asked > limit:
                    raise ConflictError(
                        f"VM {vm.name} ({vm.id}) cannot have {name} {asked} while it runs",
                        cause=f"{name}_MAX is {limit}",
                        hint=f"nebula vm poweroff {vm.id}, then resize it",
                    )
            return
        for name, asked in (("VCPU_MAX", after["vcpus"]), ("MEMORY_MAX", after["memory"])):
            if name in template and one(template, "").number(name, asked) < asked:
                template[name] = str(asked)
        check_hardware(template, vcpus=after["vcpus"], memory=after["memory"], disks=machine.disk_ids, nics=machine.nic_ids)
        if template != machine.template:
            machine.template = template
            tx.swap(vm, body=body_of(machine))

    # --- disks

    def disk_attach(self, ref: str, disk: Mapping[str, Any], call: Call) -> Accepted:
        """See Vms.disk_attach."""
        item = regular({"DISK": [disk]})["DISK"][0]

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row, machine = guard_ours(vm, "disk-attach"), machine_of(vm)
            system = one(machine.template, "OS").word("SD_DISK_BUS")
            new, image = further(
                item,
                machine.disks,
                lambda name: usable(tx, ImageRow, name, self.person),
                lambda: self._home(tx, vm, machine),
                system,
            )
            suit(new, item, Creation(tx, self._services, self._leases, vm.owner).able)
            if place_of(vm) == RUNNING:
                self._require_hot_bus(tx, vm, new)
            self._require_here(tx, vm, new, image)
            if image is not None:
                use_image(tx, image)
            machine.disks.append(new)
            home = vm.datastore_id if vm.datastore_id > 0 else new.datastore_id
            tx.swap(vm, body=body_of(machine), disk=vm.disk + size_of(new), datastore_id=home)
            return self._start(tx, vm, row, call, {"disk": new.disk_id})

        return self._change(call, work)

    def disk_detach(self, ref: str, disk: str, call: Call) -> Accepted:
        """See Vms.disk_detach."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row, found = guard_ours(vm, "disk-detach"), disk_named(vm, disk)
            require_unlayered(vm, found, "detached")
            if place_of(vm) == RUNNING:
                self._require_hot_bus(tx, vm, found)
            return self._start(tx, vm, row, call, {"disk": found.disk_id})

        return self._change(call, work)

    def disk_resize(self, ref: str, disk: str, size_mib: int, call: Call) -> Accepted:
        """See Vms.disk_resize."""
        if not 1 <= size_mib <= MAX_DISK_MIB:
            raise UsageError(f"a disk has 1 to {MAX_DISK_MIB} MiB", cause=f"got {size_mib}", hint="write it like 10G")

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row, found = guard_ours(vm, "disk-resize"), disk_named(vm, disk)
            require_unlayered(vm, found, "resized")
            able = Creation(tx, self._services, self._leases, vm.owner).able(found.datastore_id)
            asked, have = rounded(size_mib << 20, able.unit), size_of(found)
            if found.kind == "cdrom" or found.readonly:
                raise ConflictError(
                    f"disk {found.disk_id} of VM {vm.name} is read-only: it does not grow", hint=f"nebula vm show {vm.id}"
                )
            if asked < have:
                raise ConflictError(
                    f"disk {found.disk_id} of VM {vm.name} cannot shrink",
                    cause=f"it has {have >> 20} MiB, {size_mib} MiB were asked for; what is in it would be cut off",
                    hint=f"nebula vm disk-resize {vm.id} {found.disk_id} {(have >> 20) + 1024}M",
                )
            host = vm.host_id if vm.host_id > 0 else self._any_host(tx, vm)
            return self._start(tx, vm, row, call, {"disk": found.disk_id, "size": asked, "host": host})

        return self._change(call, work)

    def cd_change(self, ref: str, image: str, call: Call, disk: str = "") -> Accepted:
        """See Vms.cd_change."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row, before = guard_ours(vm, "cd-change"), msgspec.to_builtins(machine_of(vm).disks)
            machine = machine_of(vm)
            drive = _drive(vm, machine, disk)
            former, new = drive.image_id, usable(tx, ImageRow, image, self.person) if image else None
            if new is not None and new.type != "cdrom":
                raise ConflictError(
                    f"image {new.name} is no CD", cause=f"its type is {new.type}", hint="nebula image list type=cdrom"
                )
            said = machine.said_of_disk(drive)
            drive.asked = {key: item for key, item in said.items() if key != "TYPE" and not key.startswith("IMAGE")}
            drive.asked |= {"TYPE": "cdrom"} if new is None else {"IMAGE_ID": str(new.id)}
            drive.image_id, drive.image, drive.image_name = -1, None, ""
            if new is not None:
                drive.image_id, drive.image, drive.image_name = new.id, image_spec(new), new.name
                drive.datastore_id, drive.format = new.datastore_id, new.format
                self._require_here(tx, vm, drive, new)
                use_image(tx, new)
            tx.swap(vm, body=body_of(machine))
            args = {"disk": drive.disk_id, "image": drive.image_id, "former": former, "before": before}
            return self._start(tx, vm, row, call, args)

        return self._change(call, work)

    # --- cards

    def nic_attach(self, ref: str, nic: Mapping[str, Any], call: Call) -> Accepted:
        """See Vms.nic_attach."""
        item = regular({"NIC": [nic]})["NIC"][0]
        if item.get("PARENT") not in (None, ""):
            return self._alias_attach(ref, item, call)

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row, machine = guard_ours(vm, "nic-attach"), machine_of(vm)
            if len(machine.nics) >= MAX_NICS:
                raise UsageError(f"a VM takes at most {MAX_NICS} cards", hint="detach one first")
            if row.job:
                self._require(tx, vm, "get a card while it runs", able="hot_cards")
            new = Creation(tx, self._services, self._leases, call.actor, self.person).further_nic(vm, item, machine)
            _require_cluster(tx, vm, new)
            machine.nics.append(new)
            tx.swap(vm, body=body_of(machine), ips=addresses_of(machine))
            return self._card_job(tx, vm, row, call, new)

        return self._change(call, work)

    def _alias_attach(self, ref: str, item: Mapping[str, Any], call: Call) -> Accepted:
        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row, machine = guard_ours(vm, "nic-attach"), machine_of(vm)
            creation = Creation(tx, self._services, self._leases, call.actor, self.person)
            new = creation.add_alias(vm, item, machine)
            _require_cluster(tx, vm, new)
            tx.swap(vm, body=body_of(machine), ips=addresses_of(machine))
            return self._card_job(tx, vm, _of_aliases(row), call, new)

        return self._change(call, work)

    def nic_detach(self, ref: str, nic: str, call: Call) -> Accepted:
        """See Vms.nic_detach."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row, found = guard_ours(vm, "nic-detach"), card_or_alias(vm, nic)
            if isinstance(found, Alias):
                row = _of_aliases(row)
            elif row.job:
                self._require(tx, vm, "lose a card while it runs", able="hot_cards")
            if not row.job:
                free = drop(tx, self._services, vm, found.nic_id)
                tx.after_commit(lambda: self._leases.came_free(free))
            return self._card_job(tx, vm, row, call, found)

        return self._change(call, work)

    def nic_update(self, ref: str, nic: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """See Vms.nic_update."""
        given = regular({"NIC": [changes]})["NIC"][0]
        fixed = set(given) - {*cards.INHERITED, ATTRIBUTE}
        if fixed or not given:
            raise UsageError(
                f"{min(fixed)} of a card cannot be changed" if fixed else "nothing is to be changed",
                cause=f"a card that is there changes in {', '.join((*cards.INHERITED, ATTRIBUTE))}",
                hint="nebula vm nic-detach, then nebula vm nic-attach",
            )

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row, before = guard_ours(vm, "nic-update"), msgspec.to_builtins(machine_of(vm).nics)
            machine, found = machine_of(vm), nic_named(vm, nic)
            rates = {key: value for key, value in given.items() if key != ATTRIBUTE}
            fields = cards.settings_of(found.nic_id, {**cards.bandwidth_of(found), **rates}, {})
            for card in machine.nics:
                if card.nic_id == found.nic_id:
                    card.inbound, card.outbound = fields["inbound"], fields["outbound"]
                    said = {**machine.said_of(card), **given}
                    card.asked = {key: value for key, value in said.items() if value != ""}
            if row.job:
                self._require(tx, vm, "change a card while it runs", able="hot_cards")
            args: dict[str, Any] = {"before": before}
            if ATTRIBUTE in given:
                groups = named(tx, given[ATTRIBUTE], self.person)
                for card in machine.nics:
                    card.grouped = bool(groups) if card.nic_id == found.nic_id else card.grouped
                args["groups_before"] = regroup(tx, self._services, vm, found.nic_id, groups)
            tx.swap(vm, body=body_of(machine))
            return self._card_job(tx, vm, row, call, found, **args)

        return self._change(call, work)

    def _card_job(self, tx: Transaction, vm: VmRow, row: Transition, call: Call, nic: Nic | Alias, **args: Any) -> Accepted:
        """The job of a running VM; what the next start of one that is off brings needs none."""
        if row.job:
            return self._start(tx, vm, row, call, {"nic": nic.nic_id, **args})
        tx.event(f"vm.{row.verb}", "vm", vm.id, actor=call.actor, name=vm.name, nic=nic.nic_id, network=nic.network)
        return Accepted(kind="vm", id=vm.id, name=vm.name)

    # --- what is possible

    def _require(self, tx: Transaction, vm: VmRow, what: str, *, able: str) -> None:
        host = tx.get(HostRow, vm.host_id)
        if not getattr(self._services.pool.hypervisor(host).capabilities, able):
            raise ConflictError(
                f"VM {vm.name} ({vm.id}) cannot {what}",
                cause=f"the hypervisor of host {host.name} ({host.driver}) does not do that",
                hint=f"nebula vm poweroff {vm.id}, and then the same",
            )

    def _require_hot_bus(self, tx: Transaction, vm: VmRow, disk: Disk) -> None:
        host = tx.get(HostRow, vm.host_id)
        buses = self._services.pool.hypervisor(host).capabilities.hot_buses
        if disk.bus not in buses or disk.kind == "cdrom":
            what = "a CD drive" if disk.kind == "cdrom" else f"a disk on the bus {disk.bus}"
            hint = f"nebula vm poweroff {vm.id}, and then the same"
            if disk.kind == "cdrom":
                hint += f"; nebula vm cd-insert {vm.id} IMAGE uses a drive that is there"
            raise ConflictError(
                f"{what} neither comes nor goes while VM {vm.name} ({vm.id}) runs",
                cause=f"host {host.name} can do that on {', '.join(buses) or 'no bus'}",
                hint=hint,
            )

    def _require_here(self, tx: Transaction, vm: VmRow, disk: Disk, image: ImageRow | None) -> None:
        """The disk's datastore is in the VM's cluster, and its image is whole and, persistent, where the VM is."""
        row, host = tx.get(DatastoreRow, disk.datastore_id), tx.get(HostRow, vm.host_id)
        if row.cluster_id > 0 and row.cluster_id != host.cluster_id:
            raise ConflictError(
                f"datastore {row.name} is in another cluster than VM {vm.name}", hint="nebula datastore list"
            )  # fmt: skip
        if image is None:
            return
        if image.state == ImageState.LOCKED:
            raise ConflictError(f"image {image.name} is not there yet", hint=f"nebula image show {image.id}")
        copies = tx.select(ImageCopyRow, '"image_id"=?', (image.id,))
        if disk.kind == "persistent" and not any(copy.host_id in {host.id, -1} for copy in copies):
            raise ConflictError(
                f"image {image.name} is on another host than VM {vm.name}",
                cause="a persistent image is the disk itself, and stays where it is until its VM moves",
                hint=f"nebula image show {image.id}",
            )

    def _home(self, tx: Transaction, vm: VmRow, machine: Machine) -> int:
        """Where an empty disk goes: beside the others."""
        creation = Creation(tx, self._services, self._leases, vm.owner)
        if vm.datastore_id > 0 and creation.makes_disks(vm.datastore_id):
            return vm.datastore_id
        return creation.system_datastore(machine.template)

    def _any_host(self, tx: Transaction, vm: VmRow) -> int:
        """The host that has the disks of a VM that is on none; for shared storage any that answers."""
        if vm.kept_on > 0:
            return vm.kept_on
        host = tx.first(HostRow, '"cluster_id"=? AND "state" IN (2,4) ORDER BY "id"', (vm.cluster_id,))
        if host is None:
            raise ConflictError(f"no host of the cluster of VM {vm.name} answers", hint="nebula host list")
        return host.id


def require_unlayered(vm: VmRow, disk: Disk, done: str) -> None:
    """ConflictError for a disk with snapshots, or one of a VM with snapshots of its memory."""
    require_no_snapshots(vm, f"have its disk {disk.disk_id} {done}")
    if disk.snapshots:
        raise ConflictError(
            f"disk {disk.disk_id} ({disk.target}) of VM {vm.name} ({vm.id}) cannot be {done}",
            cause=f"it has {len(disk.snapshots)} snapshots",
            hint=f"nebula vm disk-snapshot-delete {vm.id} {disk.disk_id} {disk.snapshots[-1].snapshot_id}",
        )


def disk_named(vm: VmRow, ref: str) -> Disk:
    """The VM's disk of that id or guest name; NotFoundError."""
    disks = machine_of(vm).disks
    found = next((disk for disk in disks if ref in {str(disk.disk_id), disk.target}), None)
    if found is None:
        have = ", ".join(f"{disk.disk_id} ({disk.target})" for disk in disks) or "none"
        raise NotFoundError(
            f"VM {vm.name} ({vm.id}) has no disk {ref[:40]!r}", cause=f"it has {have}", hint=f"nebula vm show {vm.id}"
        )
    return found


def nic_named(vm: VmRow, ref: str) -> Nic:
    """The VM's card of that name, id or MAC address; NotFoundError, ConflictError for an alias."""
    found = card_or_alias(vm, ref)
    if isinstance(found, Alias):
        raise ConflictError(
            f"{found.name} of VM {vm.name} ({vm.id}) is an alias, no card", cause="an alias has no more than addresses",
            hint=f"nebula vm show {vm.id} names its card",
        )  # fmt: skip
    return found


def card_or_alias(vm: VmRow, ref: str) -> Nic | Alias:
    """The VM's card or alias of that name, id or MAC address; NotFoundError."""
    machine = machine_of(vm)
    found = card_called(machine.nics, ref) or alias_called(machine, ref)
    function = next((nic for nic in machine.passthrough if ref in {nic.name, str(nic.nic_id)} or ref.lower() == nic.mac), None)
    if found is None and function is not None:
        raise ConflictError(
            f"card {function.name} of VM {vm.name} ({vm.id}) is a device of its host, and stays as it is",
            cause="devices are booked with the VM's place",
            hint=f"nebula vm nic-attach {vm.id} {function.network} adds another card",
        )
    if found is None:
        cards = [f"{nic.nic_id} ({nic.network})" for nic in machine.nics]
        have = ", ".join([*cards, *(f"{alias.nic_id} ({alias.name})" for alias in machine.aliases)]) or "none"
        raise NotFoundError(
            f"VM {vm.name} ({vm.id}) has no card {ref[:40]!r}", cause=f"it has {have}", hint=f"nebula vm show {vm.id}"
        )
    return found


def _of_aliases(row: Transition) -> Transition:
    """The same way through the table, with the work that aliases take."""
    return row._replace(job=row.job.replace("nic-", "alias-"))


def _require_cluster(tx: Transaction, vm: VmRow, new: Nic | Alias) -> None:
    cluster = tx.get(NetworkRow, new.network_id).cluster_id
    if cluster > 0 and cluster != tx.get(HostRow, vm.host_id).cluster_id:
        raise ConflictError(f"network {new.network} is in another cluster than VM {vm.name}", hint="nebula network list")


def _drive(vm: VmRow, machine: Machine, ref: str) -> Disk:
    """The VM's CD drive: the one of that id or name, else the only one."""
    drives = [disk for disk in machine.disks if disk.kind == "cdrom" and ref in {"", str(disk.disk_id), disk.target}]
    if len(drives) == 1:
        return drives[0]
    if not drives:
        raise NotFoundError(
            f"VM {vm.name} ({vm.id}) has no such CD drive",
            cause="it gets one with a CD: when it is created, or while it is off",
            hint=f"nebula vm poweroff {vm.id}, then: nebula vm disk-attach {vm.id} image=CD",
        )
    names = ", ".join(f"{disk.disk_id} ({disk.target})" for disk in drives)
    raise UsageError(f"VM {vm.name} ({vm.id}) has {len(drives)} CD drives", cause=names, hint="add --disk DISK")
