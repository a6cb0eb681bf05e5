"""Whether a backup can build on the one before, and why not."""

from __future__ import annotations

from nebula.engine.backups.content import Content, chosen_disks, content_of, shape, wishes_of
from nebula.engine.machines.machine import Machine
from nebula.engine.store.rows import BackupRow, DatastoreRow, VmRow
from nebula.engine.store.transaction import Queries


def base_of(
    queries: Queries, vm: VmRow, machine: Machine, datastore: DatastoreRow, *, full: bool, most: int
) -> tuple[BackupRow | None, str]:
    """The backup on which the next one can build, or None and the reason. `most`: increments in a row."""
    why = _why_full(vm, machine, datastore, full=full, most=most)
    if why or machine.chain is None:
        return None, why
    row = queries.first(BackupRow, '"id"=?', (machine.chain.backup_id,))
    if row is None:
        return None, "the last backup was deleted"
    return (None, "the last backup is damaged") if row.state != "ready" else (row, "")


def _why_full(vm: VmRow, machine: Machine, datastore: DatastoreRow, *, full: bool, most: int) -> str:
    chain, disks = machine.chain, chosen_disks(machine, vm.name)
    raw = next((disk for disk in disks if disk.format != "qcow2"), None)
    if full or wishes_of(machine.template).full:
        return "it was asked for"
    if raw is not None:
        return f"disk {raw.disk_id} is {raw.format}: QEMU remembers what is written in qcow2 disks alone"
    if chain is None:
        return "it is the first one"
    if chain.broken:
        return chain.broken
    if chain.datastore_id != datastore.id:
        return "the last backup is in another datastore"
    if chain.host_id != vm.host_id:
        return "the VM came to another host since"
    if [tuple(item) for item in chain.disks] != shape(disks):
        return "its disks were changed since"
    return f"there are {chain.increments} increments in a row" if chain.increments >= most else ""


def next_names(content: Content | None, disk_ids: list[int]) -> dict[int, tuple[str, str]]:
    """Disk id -> the name of its next file, and of the one below it."""
    if content is None:
        return {number: (f"disk.{number}.0", "") for number in disk_ids}
    known = {disk.disk_id: disk for disk in content.disks}
    return {number: (f"disk.{number}.{len(known[number].files)}", known[number].top) for number in disk_ids}


def content_of_base(row: BackupRow | None) -> Content | None:
    """What the backup has on which another one builds."""
    return content_of(row) if row is not None else None
