"""vm.backup, vm.backup-off: a VM's disks at one moment, brought to a repository."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from nebula import typed
from nebula.engine.api.values import Call
from nebula.engine.backups.building import base_of, content_of_base, next_names
from nebula.engine.backups.content import BackupDisk, Content, chosen_disks, content_of, keep_of, shape, wishes_of
from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations import common
from nebula.engine.jobs.operations.repository import repository, tag, use_lock, work
from nebula.engine.machines.disks import Disk, size_of
from nebula.engine.machines.machine import Chain, body_of, machine_of
from nebula.engine.store.rows import BackupRow, DatastoreRow, VmRow
from nebula.errors import InterruptedByUser, NebulaError, OwnerError, TimedOutError, UnreachableError
from nebula.model.backup import BackupFile, BackupRequest, Stored, StoreRequest

if TYPE_CHECKING:
    from nebula.drivers.base import Datastore
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction

_PASSING = (InterruptedByUser, OwnerError, UnreachableError, TimedOutError)
"""Errors that say nothing of whether a backup can build on the one before."""


class _Part:
    """The job's VM, and where its files are for a while: in the datastore of its first disk."""

    def __init__(self, context: JobContext) -> None:
        self.context, self.site = context, common.site(context)
        self.vm, self.machine = self.site.vm, self.site.machine
        self.host = context.handle(self.vm.host_id)
        self.disks: list[Disk] = chosen_disks(self.machine, self.vm.name)
        self.store: Datastore = self.site.store_of(self.disks[0])
        self.scratch = f"vm-{self.vm.id}"
        self.datastore_id = int(context.job.args["datastore"])
        self.repository = repository(context, self.datastore_id)

    @property
    def directory(self) -> str:
        """Where the files are made."""
        return self.store.scratch_path(self.host, self.scratch)

    @property
    def checkpoint(self) -> str:
        """What QEMU calls the moment; "" where it does not remember what is written after it."""
        return f"nebula-{self.context.job.id}" if all(disk.format == "qcow2" for disk in self.disks) else ""

    def base(self) -> BackupRow | None:
        """The backup on which this one builds."""
        number = int(self.context.facts["base"])
        return self.context.services.store.read().get(BackupRow, number) if number else None

    def names(self) -> dict[int, tuple[str, str]]:
        """Disk id -> the file that is made of it, and the one of an earlier backup below it."""
        return next_names(content_of_base(self.base()), [disk.disk_id for disk in self.disks])


def _prepare(context: JobContext) -> None:
    part = _Part(context)
    part.repository.prepare(part.host, job=work(context), cancel=context.cancel)
    part.store.make_scratch(part.host, part.scratch)
    read = context.services.store.read()
    datastore = read.get(DatastoreRow, part.datastore_id)
    base, why = base_of(
        read, part.vm, part.machine, datastore, full=bool(context.job.args["full"]) or context.job.kind == BACKUP_OFF.kind,
        most=context.services.settings.backup_increments,
    )  # fmt: skip
    if context.job.kind == BACKUP_OFF.kind:
        why = "the VM is off: its disks are copied as they are"
    context.save(base=base.id if base else 0, why=why, at=int(context.services.clock.now()))


def _unprepare(context: JobContext) -> None:
    part = _Part(context)
    part.repository.abandon(part.host, work(context))
    part.store.remove_scratch(part.host, part.scratch)


def _begin(context: JobContext) -> None:
    """One that builds on the one before, if it can: QEMU may have lost what it remembered."""
    part = _Part(context)
    hypervisor = context.hypervisor(part.vm.host_id)
    if not part.checkpoint:  # nothing tells whether it was begun: so it begins anew
        hypervisor.end_backup(part.vm.uuid, "")
        part.store.make_scratch(part.host, part.scratch)
    chain = part.machine.chain
    if chain is not None and chain.checkpoint and (chain.broken or chain.host_id != part.vm.host_id):
        hypervisor.forget_checkpoint(part.vm.uuid, chain.checkpoint)
    try:
        quiet = hypervisor.begin_backup(_request(part))
    except NebulaError as error:
        if isinstance(error, _PASSING) or not context.facts["base"]:
            raise
        context.log(f"everything is copied: {error}", "warning")
        hypervisor.end_backup(part.vm.uuid, part.checkpoint)
        part.store.make_scratch(part.host, part.scratch)
        context.save(base=0, why="its host's QEMU does not know any more what was written since the last one")
        quiet = hypervisor.begin_backup(_request(part))
    if quiet:
        context.log("the guest's agent froze its file systems, and let them go on once copying had begun")
    context.save(quiet=quiet or bool(context.facts.get("quiet")))


def _request(part: _Part) -> BackupRequest:
    names, chain = part.names(), part.machine.chain
    return BackupRequest(
        uuid=part.vm.uuid,
        targets=tuple((disk.target, f"{part.directory}/{names[disk.disk_id][0]}") for disk in part.disks),
        checkpoint=part.checkpoint,
        since=chain.checkpoint if chain is not None and part.context.facts["base"] else "",
        freeze=wishes_of(part.machine.template).freeze,
    )


def _end(context: JobContext) -> None:
    part = _Part(context)
    context.hypervisor(part.vm.host_id).end_backup(part.vm.uuid, part.checkpoint)


def _follow(context: JobContext) -> None:
    part = _Part(context)
    context.hypervisor(part.vm.host_id).follow_backup(part.vm.uuid, progress=context.report, cancel=context.cancel)


def _copy_out(context: JobContext) -> None:
    part = _Part(context)
    names = part.names()
    for disk in part.disks:
        part.site.store_of(disk).copy_out(
            part.host, disk.spec(part.vm.id), f"{part.directory}/{names[disk.disk_id][0]}", job=context.work_name,
            progress=context.report, cancel=context.cancel,
        )  # fmt: skip


def _uncopy(context: JobContext) -> None:
    part = _Part(context)
    common.end_copies(part.site, part.vm.host_id)


def _store(context: JobContext) -> None:
    part = _Part(context)
    base, names = part.base(), part.names()
    request = StoreRequest(
        directory=part.directory,
        uuid=part.vm.uuid,
        tag=tag(context),
        at=int(context.facts["at"]),
        description=_description(part),
        new=tuple(BackupFile(name=name, below=below) for name, below in names.values()),
        old=tuple(content_of(base).files) if base else (),
        parent=base.snapshot if base else "",
    )
    stored = part.repository.store(
        part.host, request, job=work(context), progress=context.report, cancel=context.cancel
    )  # fmt: skip
    context.save(stored=msgspec.to_builtins(stored))


def _description(part: _Part) -> str:
    """For whoever restores with restic alone."""
    disks = {name: {"id": disk.disk_id, "target": disk.target, "format": disk.format} for disk, name in _named(part)}
    told = {"vm": part.vm.name, "id": part.vm.id, "uuid": part.vm.uuid, "disks": disks, "template": part.machine.template}
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode()


def _named(part: _Part) -> list[tuple[Disk, str]]:
    names = part.names()
    return [(disk, names[disk.disk_id][0]) for disk in part.disks]


def _unstore(context: JobContext) -> None:
    """It may be there although nobody heard of it."""
    part = _Part(context)
    part.repository.abandon(part.host, work(context))
    found = part.repository.find(part.host, tag(context), job=work(context), cancel=context.cancel)
    if found:
        part.repository.forget(part.host, [found], job=work(context), cancel=context.cancel)


def _clean(context: JobContext) -> None:
    """From now on the next backup builds on this one, not on the one before."""
    part = _Part(context)
    part.store.remove_scratch(part.host, part.scratch)
    chain = part.machine.chain
    if chain is not None and chain.checkpoint and chain.checkpoint != part.checkpoint and context.job.kind == BACKUP.kind:
        context.hypervisor(part.vm.host_id).forget_checkpoint(part.vm.uuid, chain.checkpoint)


def _keep(context: JobContext) -> None:
    """What need not be kept any more is forgotten by a job of its own, which has the repository for itself."""
    part = _Part(context)
    datastore = context.services.store.read().get(DatastoreRow, part.datastore_id)
    if keep_of(datastore.body.get("settings", {}), part.machine).everything or "keeping" in context.facts:
        return
    call = Call(actor=context.job.actor)

    def work(tx: Transaction) -> None:
        context.verbs.keep_in(tx, part.datastore_id, part.vm.uuid, call)
        context.facts["keeping"] = True
        tx.swap(context.job, facts=context.facts)

    context.services.store.write(work)


class Backup:
    """Ends with the backup's row; the VM is as it was."""

    def __init__(self, kind: str, copying: tuple[Step, ...]) -> None:
        self.kind = kind
        self.steps = (
            Step("prepare", _prepare, _unprepare, "backup"),
            *copying,
            Step("store", _store, _unstore, "backup", noted=True),
            Step("clean", _clean, None, "backup", final=True),
            Step("retention", _keep, None, "backup", final=True),
        )

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The VM; backups in all, per host and per repository."""
        host = Lock(f"host:{job.args['host']}:backup", settings.backups_per_host)
        return common.vm_lock(job), Lock("backups", settings.backups), host, use_lock(job.args["datastore"], settings)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """The row, and on what the next one can build."""
        vm = transaction.get(VmRow, job.target_id)
        machine = machine_of(vm)
        disks = chosen_disks(machine, vm.name)
        base = transaction.first(BackupRow, '"id"=?', (int(job.facts["base"]),))
        stored = typed.convert(job.facts["stored"], Stored)
        content = Content(
            machine={key: value for key, value in vm.body.items() if key not in {"chain", "waiting"}},
            disks=_described(content_of_base(base), disks),
            files=list(stored.files),
            quiet=bool(job.facts.get("quiet")),
            cpu=vm.cpu,
            vcpus=vm.vcpus,
            memory=vm.memory,
        )
        row = transaction.insert(
            BackupRow(
                name=vm.name, vm_id=vm.id, uuid=vm.uuid, datastore_id=int(job.args["datastore"]), snapshot=stored.snapshot,
                kind="increment" if base else "full", size=sum(size_of(disk) for disk in disks), stored=stored.added,
                created=float(job.facts["at"]), reason=str(job.facts["why"]), owner=vm.owner, group=vm.group, mode=vm.mode,
                body=msgspec.to_builtins(content),
            )
        )  # fmt: skip
        machine.chain = _chain(job, row, machine.chain, disks, base is not None)
        transaction.swap(vm, body=body_of(machine))
        transaction.event(
            "backup.created", "backup", row.id, actor=job.actor, name=row.name, vm=vm.id, kind=row.kind, at_rest=content.quiet
        )

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """No row. After what nobody asked for, nothing is taken for granted: the next one copies everything."""
        vm = transaction.get(VmRow, job.target_id)
        machine = machine_of(vm)
        if machine.chain is not None and job.error.get("code") != InterruptedByUser.code:
            machine.chain.broken = "the one before failed"
            transaction.swap(vm, body=body_of(machine))
        transaction.event("vm.refused", "vm", job.target_id, actor=job.actor, kind=job.kind, message=message)


def _described(base: Content | None, disks: list[Disk]) -> list[BackupDisk]:
    names = next_names(base, [disk.disk_id for disk in disks])
    before = {disk.disk_id: disk.files for disk in base.disks} if base else {}
    return [
        BackupDisk(
            disk_id=disk.disk_id, target=disk.target, format=disk.format, size=size_of(disk),
            files=[*before.get(disk.disk_id, ()), names[disk.disk_id][0]],
        )
        for disk in disks
    ]  # fmt: skip


def _chain(job: JobRow, row: BackupRow, before: Chain | None, disks: list[Disk], built: bool) -> Chain:
    changes: dict[str, Any] = {"checkpoint": f"nebula-{job.id}"}
    if job.kind == BACKUP_OFF.kind:  # what QEMU remembers is of the one before, and goes with the next one
        changes = {"checkpoint": before.checkpoint if before else "", "broken": "the last one was of the VM while it was off"}
    increments = before.increments + 1 if before is not None and built else 0
    return Chain(
        backup_id=row.id, datastore_id=row.datastore_id, host_id=int(job.args["host"]), disks=shape(disks),
        increments=increments, **changes,
    )  # fmt: skip


BACKUP = Backup(
    "vm.backup",
    (
        Step("begin copying", _begin, _end, "backup", noted=True),
        Step("copy disks", _follow, None, "backup", noted=True),
    ),
)
BACKUP_OFF = Backup("vm.backup-off", (Step("copy disks", _copy_out, _uncopy, "backup"),))
