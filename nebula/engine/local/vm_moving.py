"""Disks of VMs that come to another datastore."""

from __future__ import annotations

import msgspec

from nebula.engine.api.values import Accepted, Call
from nebula.engine.lifecycle.moves import place_of
from nebula.engine.lifecycle.table import RUNNING
from nebula.engine.local.access import Right, require
from nebula.engine.local.adoption import guard_ours
from nebula.engine.local.base import resolve
from nebula.engine.local.luns import require_making
from nebula.engine.local.vm_hardware import VmHardware, disk_named, require_unlayered
from nebula.engine.machines.disks import Disk, moved_to, size_of
from nebula.engine.machines.machine import machine_of
from nebula.engine.machines.moving import arriving
from nebula.engine.scheduler.choices import require_datastore
from nebula.engine.scheduler.space import Spaces, needed, space_views
from nebula.engine.store.rows import DatastoreRow, HostRow, ImageRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import CapacityError, ConflictError


class MovingVerbs(VmHardware):
    """See nebula.engine.api.verbs.Vms."""

    def disk_move(self, ref: str, disk: str, datastore: str, call: Call) -> Accepted:
        """See Vms.disk_move."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row, found, target = guard_ours(vm, "disk-move"), disk_named(vm, disk), resolve(tx, DatastoreRow, datastore)
            require_unlayered(vm, found, "moved")
            self._require_movable(tx, vm, found)
            self._require_target(tx, vm, found, target)
            moved = moved_to(found, target.id, self._services.pool.datastore(target).capabilities)
            self._require_two_places(tx, vm, found, moved, target)
            need = needed(moved)
            self._require_space(tx, vm, target, need)
            if place_of(vm) == RUNNING:
                self._require_mirroring(tx, vm, found)
            args = {
                "moved": msgspec.to_builtins(moved), "to": target.id, "need": need,
                "image": found.image_id if found.kind == "persistent" else 0,
            }  # fmt: skip
            return self._start(tx, vm, row, call, args)

        return self._change(call, work)

    def _require_movable(self, tx: Transaction, vm: VmRow, disk: Disk) -> None:
        why = hint = ""
        if disk.kind == "cdrom":
            why, hint = "it is a CD: its image stays where it is", f"nebula vm cd-insert {vm.id} IMAGE"
        elif disk.shareable:
            why = "other VMs may write to it meanwhile (SHAREABLE)"
        if why:
            raise _refusal(vm, disk, why, hint)
        if disk.kind == "persistent":
            image = tx.get(ImageRow, disk.image_id)
            require(self.person, image, Right.MANAGE, image.name)

    def _require_mirroring(self, tx: Transaction, vm: VmRow, disk: Disk) -> None:
        self._require(tx, vm, "have a disk moved while it runs", able="copies_disks")
        if disk.readonly:
            raise _refusal(
                vm, disk, "it is read-only: QEMU copies what a guest can write to", f"nebula vm poweroff {vm.id}, then the same"
            )  # fmt: skip

    def _require_target(self, tx: Transaction, vm: VmRow, disk: Disk, target: DatastoreRow) -> None:
        """The datastore takes such disks, is there for the VM's host, and is what the VM requires."""
        if target.id == disk.datastore_id:
            raise _refusal(vm, disk, f"it is in datastore {target.name} already", "nebula datastore list")
        kinds = ("image",) if disk.kind == "persistent" else ("image", "system")
        if target.type not in kinds or target.state != 0:
            what = "an image" if disk.kind == "persistent" else "a disk"
            why = f"datastore {target.name} is of type {target.type}" if target.state == 0 else f"{target.name} is disabled"
            raise _refusal(vm, disk, f"{why}: {what} goes to one of type {' or '.join(kinds)}", "nebula datastore list")
        require_making(self._services, target, "disk comes from another datastore")
        host = tx.get(HostRow, vm.host_id)
        if target.cluster_id > 0 and target.cluster_id != host.cluster_id:
            raise _refusal(vm, disk, f"datastore {target.name} is in another cluster than host {host.name}")
        if (target.driver == "sim") != (host.driver == "sim"):
            raise _refusal(vm, disk, f"host {host.name} cannot use datastore {target.name} (driver {target.driver})")
        if disk.kind != "persistent":
            shared = self._services.pool.datastore(target).capabilities.shared
            require_datastore(tx, {**machine_of(vm).template, "NAME": vm.name}, target, shared=shared)

    def _require_two_places(self, tx: Transaction, vm: VmRow, disk: Disk, moved: Disk, target: DatastoreRow) -> None:
        """Two datastores may have one path, or one pool: the disk would be copied onto itself."""
        pool = self._services.pool
        host, source = pool.handle(tx.get(HostRow, vm.host_id)), tx.get(DatastoreRow, disk.datastore_id)
        here = pool.datastore(source).disk_path(host, disk.spec(vm.id))
        if here == pool.datastore(target).disk_path(host, moved.spec(vm.id)):
            raise _refusal(vm, disk, f"datastores {source.name} and {target.name} are one place: {here}")

    def _require_space(self, tx: Transaction, vm: VmRow, target: DatastoreRow, need: int) -> None:
        """Room beside what is on its way there; from this transaction on it counts."""
        lack = Spaces(space_views([target], arriving(tx))).lack(target.id, vm.host_id, need)
        if lack is not None:
            raise CapacityError(
                f"datastore {target.name} has no room for a disk of VM {vm.name} ({vm.id})",
                cause=lack.told(),
                hint=f"nebula datastore show {target.id}",
            )


def _refusal(vm: VmRow, disk: Disk, cause: str, hint: str = "") -> ConflictError:
    return ConflictError(
        f"disk {disk.disk_id} ({disk.target}, {size_of(disk) >> 20} MiB) of VM {vm.name} ({vm.id}) cannot be moved",
        cause=cause,
        hint=hint,
    )
