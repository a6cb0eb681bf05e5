"""vm.disk-snapshot-*: the tree of a disk's snapshots, each a file on which others lie, or something that the disk keeps within
itself. Such a disk goes back in place, so what it held is kept until it has: on the way back it can still be had.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from nebula.engine.jobs.base import Lock, Onward, Step
from nebula.engine.jobs.operations import common
from nebula.engine.machines import snapshots
from nebula.engine.machines.disks import Disk, DiskSnapshot
from nebula.engine.machines.machine import body_of, machine_of
from nebula.engine.store.rows import VmRow

if TYPE_CHECKING:
    from nebula.drivers.base import Datastore, HostHandle, KeepsSnapshots
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction
    from nebula.model.storage import DiskSpec

    Effect = Callable[[Disk, JobRow, float], None]

_SWITCH = "switch guest"


class _Part:
    """The disk of the job, and where it is."""

    def __init__(self, context: JobContext) -> None:
        site = common.site(context)
        self.host_id, self.uuid = site.vm.host_id, site.vm.uuid
        self.disk: Disk = next(one for one in site.machine.disks if one.disk_id == context.job.args["disk"])
        self.store: Datastore = site.store_of(self.disk)
        self.handle: HostHandle = context.handle(self.host_id)
        self.spec: DiskSpec = self.disk.spec(site.vm.id)

    @property
    def keeper(self) -> KeepsSnapshots | None:
        """The datastore, if the disk keeps its snapshots within itself."""
        return cast("KeepsSnapshots", self.store) if self.store.capabilities.inner_snapshots else None

    def path(self, layer: int) -> str:
        """A layer's file."""
        return self.store.layer_path(self.handle, self.spec, layer)


def _target(context: JobContext, disk: Disk) -> DiskSnapshot:
    return snapshots.snapshot_named(disk, str(context.job.args["snapshot"]))


def _new_layer(context: JobContext) -> None:
    part = _Part(context)
    if part.keeper:
        part.keeper.take_snapshot(part.handle, part.spec, context.job.args["layer"])
        return
    part.store.add_layer(part.handle, part.spec, context.job.args["layer"], part.disk.layer)


def _drop_layer(context: JobContext) -> None:
    _remove(_Part(context), context.job.args["layer"])


def _remove(part: _Part, layer: int) -> None:
    if part.keeper:
        part.keeper.remove_snapshot(part.handle, part.spec, layer)
    else:
        part.store.remove_layers(part.handle, part.spec, [layer])


def _switch(context: JobContext) -> None:
    part = _Part(context)
    if part.keeper:
        return
    path = part.path(context.job.args["layer"])
    context.hypervisor(part.host_id).switch_disk(part.uuid, part.disk.target, path)


def _unswitch(context: JobContext) -> None:
    """There is no way back: the guest may have written to its new file."""
    part = _Part(context)
    if part.keeper:
        return
    if context.hypervisor(part.host_id).disk_source(part.uuid, part.disk.target) == part.path(context.job.args["layer"]):
        raise Onward(_SWITCH)


def _name_layer(context: JobContext) -> None:
    """The definition of a guest that is off names its new file: it may be started by hand."""
    _define(context, context.job.args["layer"])


def _unname(context: JobContext) -> None:
    _define(context, _Part(context).disk.layer)


def _define(context: JobContext, layer: int) -> None:
    part = _Part(context)
    if part.keeper:
        return
    hypervisor = context.hypervisor(part.host_id)
    if hypervisor.lookup(part.uuid) is not None:
        hypervisor.switch_disk(part.uuid, part.disk.target, part.path(layer))


def _layer_of_old(context: JobContext) -> None:
    part = _Part(context)
    if part.keeper:
        part.keeper.take_snapshot(part.handle, part.spec, context.job.args["layer"])
        return
    part.store.add_layer(part.handle, part.spec, context.job.args["layer"], _target(context, part.disk).layer)


def _go_on_in_layer(context: JobContext) -> None:
    if not _go_back(context, _target(context, _Part(context).disk).layer):
        _name_layer(context)


def _go_on_as_before(context: JobContext) -> None:
    """What was under way is ended: it would go on under what is done now."""
    common.end_copies(common.site(context), _Part(context).host_id)
    if not _go_back(context, context.job.args["layer"]):
        _unname(context)


def _go_back(context: JobContext, number: int) -> bool:
    """Whether the disk goes back within itself."""
    part = _Part(context)
    if part.keeper:
        part.keeper.go_back(
            part.handle, part.spec, number, job=f"{context.work_name}-{number}", progress=context.report, cancel=context.cancel
        )  # fmt: skip
    return part.keeper is not None


def _drop_own(context: JobContext) -> None:
    """What the guest wrote since, and may be lost now."""
    part = _Part(context)
    _remove(part, context.job.args["layer"] if part.keeper else part.disk.layer)


def _merge(context: JobContext) -> None:
    """What lies on the snapshot's file does not need it any more."""
    part = _Part(context)
    if part.keeper:
        return
    gone = _target(context, part.disk)
    below = snapshots.below(part.disk, gone)
    for one in snapshots.dependents(part.disk, gone):
        if one.own and context.job.kind == DELETE.kind:
            base = part.path(below) if below >= 0 else _bottom(part)
            context.hypervisor(part.host_id).pull_disk(
                part.uuid, part.disk.target, part.path(gone.layer), base, progress=context.report, cancel=context.cancel
            )
        else:
            work = f"{context.work_name}-layer{one.layer}"
            part.store.rebase_layer(
                part.handle, part.spec, one.layer, below, job=work, progress=context.report, cancel=context.cancel
            )


def _bottom(part: _Part) -> str:
    """The image on which a clone lies; "" for a disk of nothing else."""
    return part.store.image_path(part.handle, part.spec.image) if part.spec.image is not None else ""


def _unmerge(context: JobContext) -> None:
    """What was merged shows the same; only what still works on it must end."""
    common.end_copies(common.site(context), _Part(context).host_id)


def _drop_snapshot(context: JobContext) -> None:
    part = _Part(context)
    _remove(part, _target(context, part.disk).layer)


class DiskSnapshots:
    """Ends with the tree as `effect` makes it."""

    def __init__(self, kind: str, steps: tuple[Step, ...], effect: Effect) -> None:
        self.kind = kind
        self.steps = steps
        self._effect = effect

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """The VM."""
        return (common.vm_lock(job),)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """The VM's row says so."""
        vm = transaction.get(VmRow, job.target_id)
        machine = machine_of(vm)
        disk = next(one for one in machine.disks if one.disk_id == job.args["disk"])
        self._effect(disk, job, transaction.now)
        transaction.swap(vm, body=body_of(machine))

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """The tree is as it was."""
        transaction.event("vm.refused", "vm", job.target_id, actor=job.actor, kind=job.kind, message=message)


def _created(disk: Disk, job: JobRow, now: float) -> None:
    snapshots.created(disk, str(job.args["name"]), int(job.args["layer"]), now, inner=bool(job.args.get("inner")))


def _reverted(disk: Disk, job: JobRow, _now: float) -> None:
    inner = snapshots.snapshot_named(disk, str(job.args["snapshot"])).inner
    snapshots.reverted(disk, int(job.args["snapshot"]), int(job.args["layer"]), inner=inner)


def _deleted(disk: Disk, job: JobRow, _now: float) -> None:
    snapshots.deleted(disk, snapshots.snapshot_named(disk, str(job.args["snapshot"])))


def _delete_steps() -> tuple[Step, ...]:
    return (
        Step("merge", _merge, _unmerge, "delete"),
        Step("remove snapshot", _drop_snapshot, None, "delete", final=True),
    )


CREATE = DiskSnapshots(
    "vm.disk-snapshot-create",
    (Step("make layer", _new_layer, _drop_layer, "snapshot"), Step(_SWITCH, _switch, _unswitch, "snapshot")),
    _created,
)
CREATE_OFF = DiskSnapshots(
    "vm.disk-snapshot-create-off",
    (Step("make layer", _new_layer, _drop_layer, "snapshot"), Step("name layer", _name_layer, _unname, "snapshot")),
    _created,
)
REVERT = DiskSnapshots(
    "vm.disk-snapshot-revert",
    (
        Step("make layer", _layer_of_old, _drop_layer, "revert"),
        Step("name layer", _go_on_in_layer, _go_on_as_before, "revert"),
        Step("remove old layer", _drop_own, None, "revert", final=True),
    ),
    _reverted,
)
DELETE = DiskSnapshots("vm.disk-snapshot-delete", _delete_steps(), _deleted)
DELETE_OFF = DiskSnapshots("vm.disk-snapshot-delete-off", _delete_steps(), _deleted)
