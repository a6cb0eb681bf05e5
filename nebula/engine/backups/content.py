"""What a backup is of, and what a backup's row keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from nebula import typed
from nebula.engine.machines.disks import Disk, size_of
from nebula.engine.machines.hardware.group import one
from nebula.engine.machines.machine import Machine
from nebula.engine.store.rows import BackupRow
from nebula.errors import ConflictError, UsageError
from nebula.model.backup import BackupFile, Keep


class BackupDisk(msgspec.Struct, kw_only=True):
    """A disk in a backup. `files`: from the one that holds all of it on; the last one shows the disk as it was."""

    disk_id: int
    target: str
    format: str
    size: int
    files: list[str] = msgspec.field(default_factory=list)

    @property
    def top(self) -> str:
        """The file through which the disk is seen."""
        return self.files[-1]


class Content(msgspec.Struct, kw_only=True):
    """The body of a backup's row. `machine`: the VM's, as its row had it; `quiet`: its file systems were at rest."""

    machine: dict[str, Any] = msgspec.field(default_factory=dict)
    disks: list[BackupDisk] = msgspec.field(default_factory=list)
    files: list[BackupFile] = msgspec.field(default_factory=list)
    quiet: bool = False
    cpu: int = 100
    vcpus: int = 1
    memory: int = 0


def content_of(row: BackupRow) -> Content:
    """The typed body."""
    return typed.convert(row.body, Content)


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the VM's BACKUP_CONFIG asks for."""

    freeze: bool
    full: bool
    keep_last: int
    volatile: bool
    disk_ids: tuple[int, ...]


def wishes_of(template: Mapping[str, Any]) -> Wishes:
    """Read from the template; UsageError for what makes no sense."""
    asked = one(template, "BACKUP_CONFIG")
    asked.check()
    ids = asked.word("DISK_IDS").replace(" ", "")
    if ids and not all(word.isdecimal() and word.isascii() for word in ids.split(",")):
        raise asked.refuse("DISK_IDS", "ids of disks, separated by commas", "DISK_IDS: 0,1")
    return Wishes(
        freeze=asked.word("FS_FREEZE", "agent") == "agent",
        full=asked.word("MODE", "increment") == "full",
        keep_last=asked.number("KEEP_LAST"),
        volatile=asked.flag("BACKUP_VOLATILE"),
        disk_ids=tuple(int(word) for word in ids.split(",")) if ids else (),
    )


def chosen_disks(machine: Machine, name: str) -> list[Disk]:
    """The disks that a backup is of: those of images, and where BACKUP_VOLATILE says so the others, too. ConflictError if
    there is none.
    """
    wishes = wishes_of(machine.template)
    kinds = {"clone", "persistent"} | ({"volatile"} if wishes.volatile else set())
    found = [disk for disk in machine.disks if disk.kind in kinds and not disk.readonly]
    if wishes.disk_ids:
        found = [disk for disk in machine.disks if disk.disk_id in wishes.disk_ids and disk.kind != "cdrom"]
    if not found:
        raise ConflictError(
            f"VM {name} has no disk that a backup could be of",
            cause="disks of images are, and others where BACKUP_CONFIG/BACKUP_VOLATILE says so",
            hint="BACKUP_CONFIG: {BACKUP_VOLATILE: YES}",
        )
    shared = next((disk for disk in found if disk.shareable), None)
    if shared is not None:
        raise ConflictError(
            f"disk {shared.disk_id} of VM {name} is shared with other VMs", cause="it is of no one moment while they write",
            hint="BACKUP_CONFIG: {DISK_IDS: …} without it",
        )  # fmt: skip
    return found


def shape(disks: list[Disk]) -> list[tuple[int, int, int]]:
    """What must be the same for a backup to build on the one before."""
    return [(disk.disk_id, disk.layer, size_of(disk)) for disk in disks]


def keep_of(settings: Mapping[str, Any], machine: Machine | None) -> Keep:
    """How many backups of a VM are kept: as it says itself, or as its datastore says. Keep() keeps all."""
    own = wishes_of(machine.template).keep_last if machine is not None else 0
    if own:
        return Keep(last=own)
    return keep_in(settings)


def keep_in(settings: Mapping[str, Any]) -> Keep:
    """What a datastore's settings say; UsageError for what is no number."""
    found: dict[str, int] = {}
    for name in ("last", "daily", "weekly", "monthly"):
        text = str(settings.get(f"keep_{name}", "") or "0")
        if not (text.isascii() and text.isdecimal() and int(text[:9]) < 100_000):
            raise UsageError(f"keep_{name} is a number of backups", cause=f"got {text[:40]!r}", hint=f"--keep-{name} 7")
        found[name] = int(text)
    return Keep(**found)
