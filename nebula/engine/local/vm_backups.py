"""Backups of VMs: the verbs that make one, and put one in the place of a VM's disks."""

from __future__ import annotations

from nebula.engine.api.values import Accepted, Call
from nebula.engine.backups.content import chosen_disks, content_of
from nebula.engine.lifecycle.moves import place_of
from nebula.engine.lifecycle.table import RUNNING
from nebula.engine.local.adoption import guard_ours
from nebula.engine.local.base import resolve, usable
from nebula.engine.local.booking import require_no_snapshots
from nebula.engine.local.repositories import care_host, require_ready
from nebula.engine.local.vm_noun import VmNoun
from nebula.engine.machines.disks import Disk
from nebula.engine.machines.machine import Machine, machine_of
from nebula.engine.store.rows import BackupRow, DatastoreRow, HostRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import ConflictError, UsageError


class BackupVerbs(VmNoun):
    """See nebula.engine.api.verbs.Vms."""

    def backup(self, ref: str, call: Call, datastore: str = "", full: bool = False) -> Accepted:
        """See Vms.backup."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            row, machine = guard_ours(vm, "backup"), machine_of(vm)
            target, host = self._target(tx, machine, datastore), tx.get(HostRow, vm.host_id)
            require_ready(target, host)
            self._require_copying(tx, vm, host, chosen_disks(machine, vm.name))
            args = {"datastore": target.id, "full": full, "mark": self._services.new_uuid()}
            return self._start(tx, vm, row, call, args)

        return self._change(call, work)

    @staticmethod
    def _target(tx: Transaction, machine: Machine, datastore: str) -> DatastoreRow:
        """The datastore that was named, or the one of the last backup, or the only one."""
        if datastore:
            row = resolve(tx, DatastoreRow, datastore)
            if row.type != "backup":
                raise UsageError(f"datastore {row.name} is of type {row.type}", hint="nebula datastore list type=backup")
            return row
        found = tx.select(DatastoreRow, '"type"=? AND "state"=0 ORDER BY "id"', ("backup",))
        last = machine.chain.datastore_id if machine.chain is not None else 0
        chosen = [row for row in found if row.id == last] or (found if len(found) == 1 else [])
        if chosen:
            return chosen[0]
        if not found:
            raise ConflictError(
                "there is no datastore for backups",
                hint="nebula datastore create NAME --type backup --path DIR --host HOST --password-file FILE",
            )
        names = ", ".join(row.name for row in found[:10])
        raise UsageError(f"there are {len(found)} datastores for backups", cause=names, hint=f"--datastore {found[0].name}")

    def _require_copying(self, tx: Transaction, vm: VmRow, host: HostRow, disks: list[Disk]) -> None:
        """ConflictError where disks cannot be copied."""
        why = ""
        if place_of(vm) == RUNNING and not self._services.pool.hypervisor(host).capabilities.backups:
            why = f"the hypervisor of host {host.name} copies no disks of running guests"
        for store in {disk.datastore_id: tx.get(DatastoreRow, disk.datastore_id) for disk in disks}.values():
            if not self._services.pool.datastore(store).capabilities.backups:
                why = f"datastore {store.name} (driver {store.driver}) copies no disks for backups"
        if why:
            raise ConflictError(f"VM {vm.name} ({vm.id}) cannot be backed up", cause=why, hint=f"nebula vm show {vm.id}")

    def restore(self, ref: str, backup: str, call: Call) -> Accepted:
        """See Vms.restore."""

        def work(tx: Transaction) -> Accepted:
            vm = self._find(tx, ref)
            if place_of(vm) == RUNNING:
                raise ConflictError(
                    f"VM {vm.name} ({vm.id}) runs: its disks cannot be replaced under it",
                    hint=f"nebula vm poweroff {vm.id}, or: nebula backup restore {backup}, which makes another VM",
                )
            row, kept = guard_ours(vm, "restore"), usable(tx, BackupRow, backup, self.person)
            require_no_snapshots(vm, "have its disks replaced")
            disks = _fitting(vm, kept)
            host, datastore = tx.get(HostRow, vm.host_id), tx.get(DatastoreRow, kept.datastore_id)
            require_ready(datastore, host)
            self._require_copying(tx, vm, host, disks)
            args = {"backup": kept.id, "datastore": kept.datastore_id, "disks": [disk.disk_id for disk in disks]}
            return self._start(tx, vm, row, call, args)

        return self._change(call, work)

    def keep_in(self, tx: Transaction, datastore_id: int, uuid: str, call: Call) -> Accepted:
        """See nebula.engine.jobs.base.Verbs."""
        datastore = tx.get(DatastoreRow, datastore_id)
        args = {"host": care_host(tx, datastore).id, "backups": [], "vms": [uuid]}
        job = self._file(tx, "backup.forget", datastore_id, call, args, target_kind="datastore")
        return Accepted(kind="datastore", id=datastore.id, name=datastore.name, job_id=job.id)


def _fitting(vm: VmRow, kept: BackupRow) -> list[Disk]:
    """The VM's disks that the backup has; ConflictError unless it has the backup's disks as they were."""
    if vm.uuid != kept.uuid:
        raise ConflictError(
            f"backup {kept.id} is of another VM than {vm.name} ({vm.id})", cause=f"of {kept.name} ({kept.vm_id})",
            hint=f"nebula backup restore {kept.id}   (makes a VM of it)",
        )  # fmt: skip
    here = {disk.disk_id: disk for disk in machine_of(vm).disks}
    found = []
    for wanted in content_of(kept).disks:
        disk = here.get(wanted.disk_id)
        why = "it is gone" if disk is None else "it has snapshots" if disk.snapshots else ""
        if disk is not None and not why and disk.format != wanted.format:
            why = f"it was {wanted.format} and is {disk.format}"
        if disk is not None and not why and disk.kind == "persistent" and disk.image and disk.image.size != wanted.size:
            why = "its image has another size"
        if disk is None or why:
            raise ConflictError(
                f"disk {wanted.disk_id} of VM {vm.name} ({vm.id}) cannot be replaced", cause=why,
                hint=f"nebula backup restore {kept.id}   (makes another VM)",
            )  # fmt: skip
        found.append(disk)
    return found
