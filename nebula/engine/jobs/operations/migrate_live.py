"""vm.migrate-live: a running VM goes to another host, its disks with it where they are not shared.

The migration itself is libvirt's, peer to peer: it goes on when the engine dies. Reality decides afterwards, by asking
both hosts for the UUID.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.drivers.base import MigrationRequest
from nebula.engine.jobs.base import Lock, Onward, Step
from nebula.engine.jobs.operations import common
from nebula.engine.jobs.operations.boot_files import boot_paths
from nebula.engine.machines.held import Held, host_nodes, pins
from nebula.engine.machines.migration import manner, travel
from nebula.engine.store.rows import ClusterRow, HostRow, VmRow
from nebula.errors import ConflictError
from nebula.model.domain import DomainReality, DomainState

if TYPE_CHECKING:
    from nebula.drivers.base import Datastore
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction
    from nebula.model.storage import DiskSpec

_ALIVE = {DomainState.RUNNING, DomainState.PAUSED, DomainState.SHUTDOWN}


def migration_locks(job: JobRow, settings: Settings) -> tuple[Lock, ...]:
    """The VM, one place out of the source, one into the target."""
    out, into = job.args["from"], job.args["host"]
    return (
        common.vm_lock(job),
        Lock(f"host:{out}:migrate-out", settings.migrations_per_host),
        Lock(f"host:{into}:migrate-in", settings.migrations_per_host),
    )


def _ends(context: JobContext) -> tuple[int, int]:
    return context.job.args["from"], context.job.args["host"]


def arrived(context: JobContext) -> bool:
    """Whether the domain is the target's now, whatever its guest did since; asks both hosts.

    A migration that ends well takes the definition away at the source: a domain that only the target has is there to
    stay, even if its guest has powered off meanwhile.
    """
    source, target = _ends(context)
    uuid = context.vm().uuid
    there = context.hypervisor(target).lookup(uuid)
    if there is None or there.incoming:
        return False
    here = context.hypervisor(source).lookup(uuid)
    return here is None or (not _runs(here) and (_runs(there) or here.reason == "migrated"))


def _under_way(context: JobContext) -> bool:
    """Whether libvirt is at it: an engine died in the middle."""
    source, _ = _ends(context)
    return context.hypervisor(source).migration_progress(context.vm().uuid) is not None


def _runs(reality: DomainReality | None) -> bool:
    return reality is not None and reality.state in _ALIVE and not reality.incoming


def _prepare(context: JobContext) -> None:
    if arrived(context) or _under_way(context):
        return
    _, target = _ends(context)
    site = common.site(context)
    common.bring_images(site, target)
    handle = context.handle(target)
    iso = common.context_cd(site, target)
    for driver, disks in site.by_datastore():
        if driver.capabilities.moves or driver.capabilities.attached:
            _copy_layers(context, driver, disks)
            driver.prepare_incoming(handle, disks, iso if driver is site.home else None)
            if driver is site.home and not disks:  # they are all somewhere else, and the CD stays
                driver.write_context(handle, site.vm.id, iso)
    common.prepare_networks(site, target)


def _copy_layers(context: JobContext, driver: Datastore, disks: list[DiskSpec]) -> None:
    """The snapshots of disks that are copied: a migration copies no more than what the guest sees now."""
    if any(disk.frozen for disk in disks):
        source, target = (context.handle(number) for number in _ends(context))
        driver.copy_layers(
            source, target, disks, job=context.work_name, progress=context.report, cancel=context.cancel
        )  # fmt: skip


def _unprepare(context: JobContext) -> None:
    _abort(context)
    _, target = _ends(context)
    site = common.site(context)
    if any(disk.snapshots for disk in site.machine.disks):
        common.end_copies(site, target)
    common.unplug(site, target)
    handle = context.handle(target)
    for driver, disks in site.by_datastore():
        if driver.capabilities.moves:
            driver.remove_vm(handle, site.vm.id, disks, keep_persistent=False)
    common.drop_images(site, target)


def _migrate(context: JobContext) -> None:
    source, target = _ends(context)
    site = common.site(context)
    handle = context.handle(target)
    copied = [disk for disk in site.machine.disks if not site.store_of(disk).capabilities.shared and disk.kind != "cdrom"]
    present = [disk for disk in site.machine.disks if not disk.empty]
    paths = [(disk.target, common.medium(site, disk, target)) for disk in present]
    way = travel(context.services.store.read().get(ClusterRow, context.host_row(target).cluster_id))
    held = common.held_on(site, target) or Held()
    converge, compressed = manner(site.machine.template)
    booted = boot_paths(context, site.machine, target)
    context.hypervisor(source).migrate(
        MigrationRequest(
            uuid=site.vm.uuid,
            target=handle,
            copy_targets=tuple(disk.target for disk in copied),
            shared_unsafe=len(copied) < len(present) or site.machine.adopted is not None,
            tunnel=way.tunnel,
            bandwidth_mib=way.bandwidth_mib,
            disk_paths=tuple(paths),
            kernel=booted.get("kernel", ""),
            initrd=booted.get("ramdisk", ""),
            converge=converge,
            compressed=compressed,
            pins=pins(held),
            host_nodes=host_nodes(held),
        ),
        progress=context.report,
        cancel=context.cancel,
    )


def _abort(context: JobContext) -> None:
    source, target = _ends(context)
    uuid = context.vm().uuid
    if arrived(context):
        raise Onward("settle")
    context.hypervisor(source).abort_migration(uuid)
    if arrived(context):
        raise Onward("settle")
    if context.hypervisor(source).lookup(uuid) is None:
        raise ConflictError(
            f"no host is known to have VM {context.job.target_id}: its files are left where they are",
            hint=f"nebula vm show {context.job.target_id} --refresh",
        )
    there = context.hypervisor(target).lookup(uuid)
    if there is not None and not _runs(there):
        common.remove_domain(context, target, uuid)


def _settle(context: JobContext) -> None:
    source, _ = _ends(context)
    context.hypervisor(source).undefine(context.vm().uuid)
    site = common.site(context)
    common.plug(site, context.job.args["host"])
    _leave(site, source)


def _leave(site: common.Site, source: int) -> None:
    handle = site.context.handle(source)
    for driver, disks in site.by_datastore():
        if driver.capabilities.moves:
            driver.remove_vm(handle, site.vm.id, disks, keep_persistent=False)
    common.unplug(site, source)


class MigrateLive:
    """Prepare the target, migrate, settle: the source is clean after it."""

    kind = "vm.migrate-live"
    steps = (
        Step("prepare target", _prepare, _unprepare, "migrate"),
        Step("migrate", _migrate, _abort, "migrate", noted=True),
        Step("settle", _settle, None, "migrate", final=True),
    )

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """See migration_locks."""
        return migration_locks(job, settings)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """The VM is on the target."""
        moved(transaction, job, "live-migrate")

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """Where both ends could not be asked, both stay suspect."""
        if not clean:
            left_behind(transaction, job)


def moved(tx: Transaction, job: JobRow, action: str) -> None:
    """The VM's row says the target from now on; persistent images have their copy there."""
    vm = tx.get(VmRow, job.target_id)
    host = tx.get(HostRow, job.args["host"])
    tx.swap(vm, host_id=host.id, cluster_id=host.cluster_id, resched=0)
    common.begin_stay(tx, vm, host, action, job.actor, str(job.args.get("reason", "")))
    common.move_persistent(tx, vm, job.args["from"], host.id)
    if job.facts.get("left"):
        common.left_on(tx, vm, int(job.args["from"]))


def left_behind(tx: Transaction, job: JobRow) -> None:
    """Remember that something may be left at the target."""
    common.left_on(tx, tx.get(VmRow, job.target_id), int(job.args["host"]))


MIGRATE_LIVE = MigrateLive()
