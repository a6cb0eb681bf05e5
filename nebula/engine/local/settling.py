"""`vm recover`: what becomes of a VM of which a person says how it is, written as its job would have written it."""

from __future__ import annotations

from nebula.engine.jobs.operations.deploy_kept import returned
from nebula.engine.jobs.operations.stop import left
from nebula.engine.lifecycle.moves import guard, place_of
from nebula.engine.lifecycle.states import ImageState
from nebula.engine.lifecycle.table import (
    BOOT_STOPPED_FAILURE,
    BOOT_UNDEPLOY_FAILURE,
    EPILOG_FAILURE,
    EPILOG_STOP_FAILURE,
    EPILOG_UNDEPLOY_FAILURE,
    Transition,
)
from nebula.engine.machines.machine import machine_of
from nebula.engine.services import Services
from nebula.engine.store.rows import ImageRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import ConflictError


def settle(tx: Transaction, services: Services, vm: VmRow) -> None:
    """It did work: the books say so. ConflictError for one that cannot run, as it is on no host."""
    place = place_of(vm)
    if place in {EPILOG_STOP_FAILURE, EPILOG_UNDEPLOY_FAILURE}:
        left(tx, vm, services, memory=place == EPILOG_STOP_FAILURE)
        return
    if vm.host_id < 0 and place != EPILOG_FAILURE:
        raise ConflictError(f"VM {vm.name} is on no host: it cannot be RUNNING", hint=f"nebula vm recover {vm.id} --retry")
    if place in {BOOT_STOPPED_FAILURE, BOOT_UNDEPLOY_FAILURE}:
        returned(tx, vm, left=True)


def require_images(tx: Transaction, vm: VmRow) -> Transition:
    """The way on for a VM whose images failed: ConflictError unless all can be used by now."""
    machine = machine_of(vm)
    for disk in machine.disks:
        image = tx.first(ImageRow, '"id"=?', (disk.image_id,)) if disk.image_id > 0 else None
        if disk.image_id > 0 and (image is None or image.state in {ImageState.ERROR, ImageState.LOCKED}):
            raise ConflictError(
                f"image {disk.image_name} of VM {vm.name} cannot be used",
                cause=image.error or "it is not there yet" if image else "it is gone",
                hint=f"nebula image show {disk.image_id}",
            )
    return guard(vm, "images-ready-hold" if machine.hold else "images-ready")
