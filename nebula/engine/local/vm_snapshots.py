"""Snapshots of VMs and of their disks: the verbs that make, name and delete them, and go back to them."""

from __future__ import annotations

from nebula.drivers.base import Datastore
from nebula.engine.api.values import Accepted, Call, Listing
from nebula.engine.lifecycle.moves import place_of
from nebula.engine.lifecycle.table import RUNNING
from nebula.engine.local.adoption import guard_ours
from nebula.engine.local.booking import require_no_snapshots
from nebula.engine.local.vm_hardware import disk_named
from nebula.engine.local.vm_noun import VmNoun
from nebula.engine.machines import snapshots
from nebula.engine.machines.disks import Disk
from nebula.engine.machines.hardware.system import system
from nebula.engine.machines.machine import Machine, Snapshot, body_of, machine_of
from nebula.engine.store.rows import DatastoreRow, HistoryRow, HostRow, JobRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import ConflictError, NotFoundError

_OF_OTHERS = {"persistent": "it is the image itself, which other VMs use after this one", "cdrom": "nobody writes to a CD"}
_COLUMNS = ("id", "name", "parent", "active", "created")


class SnapshotVerbs(VmNoun):
    """See nebula.engine.api.verbs.Vms."""

    # --- memory and disks together

    def snapshots(self, ref: str) -> Listing:
        """See Vms.snapshots."""
        kept = machine_of(self._find(self._store.read(), ref)).snapshots
        return Listing(columns=("id", "name", "created"), rows=[[one.snapshot_id, one.name, one.created] for one in kept])

    def snapshot_create(self, ref: str, name: str, call: Call) -> Accepted:
        """See Vms.snapshot_create."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row, machine = guard_ours(vm, "snapshot-create"), machine_of(vm)
            self._require_keeping(tx, vm, machine)
            number = machine.snapshots_made + 1
            given = name or f"snapshot-{number}"
            snapshots.check_name(given, {one.name for one in machine.snapshots}, f"VM {vm.name}")
            return self._start(tx, vm, row, call, {"snapshot": number, "name": given})

        return self._change(call, work)

    def snapshot_revert(self, ref: str, snapshot: str, call: Call) -> Accepted:
        """See Vms.snapshot_revert."""
        return self._to_snapshot(ref, "snapshot-revert", snapshot, call)

    def snapshot_delete(self, ref: str, snapshot: str, call: Call) -> Accepted:
        """See Vms.snapshot_delete."""
        return self._to_snapshot(ref, "snapshot-delete", snapshot, call)

    def snapshot_rename(self, ref: str, snapshot: str, name: str, call: Call) -> Accepted:
        """See Vms.snapshot_rename. Its host knows it by its number."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            _require_idle(vm)
            machine = machine_of(vm)
            wanted = _kept(vm, machine, snapshot)
            snapshots.check_name(name, {one.name for one in machine.snapshots}, f"VM {vm.name}")
            wanted.name = name
            tx.swap(vm, body=body_of(machine))
            tx.event("vm.updated", "vm", vm.id, actor=call.actor, name=vm.name, attributes=["SNAPSHOT"])
            return Accepted(kind="vm", id=vm.id, name=vm.name)

        return self._change(call, work)

    def _to_snapshot(self, ref: str, verb: str, snapshot: str, call: Call) -> Accepted:
        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row = guard_ours(vm, verb)
            return self._start(tx, vm, row, call, {"snapshot": _kept(vm, machine_of(vm), snapshot).snapshot_id})

        return self._change(call, work)

    def _require_keeping(self, tx: Transaction, vm: VmRow, machine: Machine) -> None:
        """ConflictError where the host cannot keep the VM's memory and disks together."""
        host = tx.get(HostRow, vm.host_id)
        why = ""
        if not self._services.pool.hypervisor(host).capabilities.snapshots:
            why = f"the hypervisor of host {host.name} keeps none"
        writable = [disk for disk in machine.disks if disk.kind != "cdrom" and not disk.readonly]
        for disk in writable:
            if disk.format != "qcow2":
                why = f"disk {disk.disk_id} ({disk.target}) is {disk.format}: memory and disks are kept within qcow2 disks"
            elif disk.snapshots:
                why = f"disk {disk.disk_id} ({disk.target}) has snapshots of its own"
        if not writable:
            why = "it has no disk that could keep its memory"
        if system(machine.template).uefi is not None:
            why = "libvirt keeps no UEFI variables in a snapshot"
        if why:
            raise ConflictError(
                f"VM {vm.name} ({vm.id}) cannot have snapshots of its memory", cause=why, hint=f"nebula vm show {vm.id}"
            )

    # --- disks

    def disk_snapshots(self, ref: str, disk: str) -> Listing:
        """See Vms.disk_snapshots."""
        vm = self._find(self._store.read(), ref)
        found = disk_named(vm, disk)
        rows = [
            [one.snapshot_id, one.name, one.parent if one.parent >= 0 else None, one.snapshot_id == found.active, one.created]
            for one in found.snapshots
        ]
        return Listing(columns=_COLUMNS, rows=rows)

    def disk_snapshot_create(self, ref: str, disk: str, name: str, call: Call) -> Accepted:
        """See Vms.disk_snapshot_create."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row, found = guard_ours(vm, "disk-snapshot-create"), self._layered(tx, vm, disk)
            number = found.made + 1
            given = name or f"snapshot-{number}"
            snapshots.check_new(found, given)
            inner = self._store_of(tx, found).capabilities.inner_snapshots
            return self._start(tx, vm, row, call, {"disk": found.disk_id, "name": given, "layer": number, "inner": inner})

        return self._change(call, work)

    def disk_snapshot_revert(self, ref: str, disk: str, snapshot: str, call: Call) -> Accepted:
        """See Vms.disk_snapshot_revert."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            if place_of(vm) == RUNNING:
                raise ConflictError(
                    f"VM {vm.name} ({vm.id}) runs: its disk cannot go back under it", hint=f"nebula vm poweroff {vm.id}"
                )
            row, found = guard_ours(vm, "disk-snapshot-revert"), self._layered(tx, vm, disk)
            wanted = snapshots.snapshot_named(found, snapshot).snapshot_id
            return self._start(
                tx, vm, row, call, {"disk": found.disk_id, "snapshot": wanted, "layer": found.made + 1}
            )  # fmt: skip

        return self._change(call, work)

    def disk_snapshot_delete(self, ref: str, disk: str, snapshot: str, call: Call) -> Accepted:
        """See Vms.disk_snapshot_delete."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row, found = guard_ours(vm, "disk-snapshot-delete"), self._layered(tx, vm, disk)
            wanted = snapshots.snapshot_named(found, snapshot)
            on_it = snapshots.dependents(found, wanted)
            if place_of(vm) == RUNNING and any(one.used and not one.own for one in on_it):
                raise ConflictError(
                    f"snapshot {wanted.name} of disk {found.disk_id} cannot be deleted while VM {vm.name} ({vm.id}) runs",
                    cause="its guest reads a later snapshot that lies on it",
                    hint=f"nebula vm poweroff {vm.id}, or delete the later snapshot first",
                )
            if place_of(vm) == RUNNING and not wanted.inner:
                _require_merging(tx, vm)
            return self._start(tx, vm, row, call, {"disk": found.disk_id, "snapshot": wanted.snapshot_id})

        return self._change(call, work)

    def disk_snapshot_rename(self, ref: str, disk: str, snapshot: str, name: str, call: Call) -> Accepted:
        """See Vms.disk_snapshot_rename."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            _require_idle(vm)
            machine = machine_of(vm)
            number = disk_named(vm, disk).disk_id
            found = next(one for one in machine.disks if one.disk_id == number)
            wanted = snapshots.snapshot_named(found, snapshot)
            snapshots.check_name_free(found, name)
            wanted.name = name
            tx.swap(vm, body=body_of(machine))
            tx.event("vm.updated", "vm", vm.id, actor=call.actor, name=vm.name, attributes=["DISK_SNAPSHOT"])
            return Accepted(kind="vm", id=vm.id, name=vm.name)

        return self._change(call, work)

    def _layered(self, tx: Transaction, vm: VmRow, ref: str) -> Disk:
        """The disk, if it can have snapshots where it is."""
        found = disk_named(vm, ref)
        require_no_snapshots(vm, "have its disks changed")
        if found.kind in _OF_OTHERS:
            raise self._refuse(vm, found, _OF_OTHERS[found.kind])
        can = self._store_of(tx, found).capabilities
        if can.inner_snapshots:
            return found
        if found.format != "qcow2":
            raise self._refuse(vm, found, f"its format is {found.format}; snapshots are layers of qcow2 files")
        if not can.snapshots:
            store = tx.get(DatastoreRow, found.datastore_id)
            raise self._refuse(vm, found, f"datastore {store.name} (driver {store.driver}) has none")
        host = tx.get(HostRow, vm.host_id)
        if not self._services.pool.hypervisor(host).capabilities.disk_layers:
            raise self._refuse(vm, found, f"the hypervisor of host {host.name} cannot change layers")
        return found

    def _store_of(self, tx: Transaction, disk: Disk) -> Datastore:
        return self._services.pool.datastore(tx.get(DatastoreRow, disk.datastore_id))

    @staticmethod
    def _refuse(vm: VmRow, disk: Disk, cause: str) -> ConflictError:
        return ConflictError(
            f"disk {disk.disk_id} ({disk.target}) of VM {vm.name} ({vm.id}) cannot have snapshots", cause=cause
        )


def _require_merging(tx: Transaction, vm: VmRow) -> None:
    """QEMU 7.2 dies when it merges layers after a live migration brought the guest: ConflictError until it was started anew."""
    stay = tx.first(HistoryRow, '"vm_id"=? AND "ended"=0 ORDER BY "seq" DESC', (vm.id,))
    if stay is None or stay.action != "live-migrate":
        return
    since = '"target_kind"=\'vm\' AND "target_id"=? AND "kind"=\'vm.start\' AND "state"=\'done\' AND "created">=?'
    if tx.first(JobRow, since, (vm.id, stay.started)) is None:
        raise ConflictError(
            f"snapshots of VM {vm.name} ({vm.id}) cannot be deleted while it runs",
            cause="a live migration brought it, after which QEMU does not merge layers safely",
            hint=f"nebula vm poweroff {vm.id}; deleting works then, and again after the next start",
        )


def _require_idle(vm: VmRow) -> None:
    if vm.job_id:
        raise ConflictError(f"VM {vm.name} ({vm.id}) is busy with job {vm.job_id}", hint=f"nebula job wait {vm.job_id}")


def _kept(vm: VmRow, machine: Machine, ref: str) -> Snapshot:
    """The snapshot of memory and disks of that number or name; NotFoundError."""
    found = next((one for one in machine.snapshots if ref in (str(one.snapshot_id), one.name)), None)
    if found is None:
        have = ", ".join(f"{one.snapshot_id} ({one.name})" for one in machine.snapshots) or "none"
        raise NotFoundError(
            f"VM {vm.name} ({vm.id}) has no snapshot {ref[:60]!r}", cause=f"it has {have}", hint=f"nebula vm show {vm.id}"
        )
    return found
