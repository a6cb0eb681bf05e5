"""vm.migrate and vm.migrate-off: a VM goes to another host while it is off; a running one is shut down and started again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nebula.engine.jobs.base import Lock, Step
from nebula.engine.jobs.operations import common
from nebula.engine.jobs.operations.migrate_live import left_behind, migration_locks, moved
from nebula.engine.jobs.operations.power import shut_down

if TYPE_CHECKING:
    from nebula.engine.jobs.context import JobContext
    from nebula.engine.services import Services
    from nebula.engine.settings import Settings
    from nebula.engine.store.rows import JobRow
    from nebula.engine.store.transaction import Transaction


def _shut_down(context: JobContext) -> None:
    shut_down(context, context.job.args["from"], hard=bool(context.job.args.get("hard")))


def _start_again(context: JobContext) -> None:
    site, source = common.site(context), context.job.args["from"]
    common.prepare_networks(site, source)
    common.start_domain(site, source, common.write_context(site, source))


def _copy(context: JobContext) -> None:
    site = common.site(context)
    source, target = context.handle(context.job.args["from"]), context.handle(context.job.args["host"])
    common.bring_images(site, target.host_id)
    for driver, disks in site.by_datastore():
        driver.move_vm(
            source, target, site.vm.id, disks, job=context.work_name, progress=context.report, cancel=context.cancel
        )  # fmt: skip
    common.prepare_networks(site, target.host_id)


def _uncopy(context: JobContext) -> None:
    site = common.site(context)
    target = context.handle(context.job.args["host"])
    common.unplug(site, target.host_id)
    common.end_copies(site, target.host_id)
    for driver, disks in site.by_datastore():
        if driver.capabilities.moves:
            driver.remove_vm(target, site.vm.id, disks, keep_persistent=False)
    common.drop_images(site, target.host_id)


def _boot(context: JobContext) -> None:
    site, target = common.site(context), context.job.args["host"]
    common.start_domain(site, target, common.write_context(site, target))
    common.plug(site, target)


def _unboot(context: JobContext) -> None:
    common.remove_domain(context, context.job.args["host"], context.vm().uuid)


def _leave(context: JobContext) -> None:
    source, site = context.job.args["from"], common.site(context)
    common.remove_domain(context, source, site.vm.uuid)
    common.unplug(site, source)
    handle = context.handle(source)
    for driver, disks in site.by_datastore():
        if driver.capabilities.moves:
            driver.remove_vm(handle, site.vm.id, disks, keep_persistent=False)


class MigrateCold:
    """Ends with the VM's row at the target and the source clean."""

    def __init__(self, kind: str, steps: tuple[Step, ...], action: str) -> None:
        self.kind = kind
        self.steps = steps
        self._action = action

    def locks(self, job: JobRow, settings: Settings) -> tuple[Lock, ...]:
        """See migration_locks."""
        return migration_locks(job, settings)

    def finish(self, transaction: Transaction, job: JobRow, services: Services) -> None:
        """The VM is on the target."""
        moved(transaction, job, self._action)

    def failed(self, transaction: Transaction, job: JobRow, services: Services, message: str, *, clean: bool) -> None:
        """Where the undo failed, the target stays suspect."""
        if not clean:
            left_behind(transaction, job)


MIGRATE = MigrateCold(
    "vm.migrate",
    (
        Step("shut down", _shut_down, _start_again, "save"),
        Step("copy disks", _copy, _uncopy, "prolog"),
        Step("start at target", _boot, _unboot, "boot"),
        Step("leave source", _leave, None, "boot", final=True),
    ),
    "poff-migrate",
)
MIGRATE_OFF = MigrateCold(
    "vm.migrate-off",
    (Step("copy disks", _copy, _uncopy, "prolog"), Step("leave source", _leave, None, "prolog", final=True)),
    "migrate",
)
