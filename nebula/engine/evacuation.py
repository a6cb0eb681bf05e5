"""The migrations of an evacuation: one for each VM of the host, by the same verb that a person would type."""

from __future__ import annotations

from nebula.engine.api.values import Call
from nebula.engine.jobs.base import Verbs
from nebula.engine.lifecycle.moves import place_of
from nebula.engine.lifecycle.table import POWEROFF, RUNNING
from nebula.engine.services import Services
from nebula.engine.store.rows import JobRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import NebulaError


def file_moves(services: Services, job: JobRow, verbs: Verbs) -> dict[str, str]:
    """File them; returns the VMs that cannot go, by name, and why. Called again, it files only what is missing."""
    left: dict[str, str] = {}
    vms = services.store.read().select(VmRow, '"host_id"=? AND "state"<>6 ORDER BY "id"', (job.target_id,))
    for vm in services.store.read().select(VmRow, '"kept_on"=? AND "state"<>6 ORDER BY "id"', (job.target_id,)):
        left[vm.name] = f"it is {place_of(vm).name}, and the host has its disks: nebula vm deploy {vm.id} --host HOST"
    planned = verbs.targets(job.target_id, "evacuation") if any(place_of(vm) == RUNNING for vm in vms) else {}
    for vm in vms:
        if vm.job_id:
            continue
        if place_of(vm) not in {RUNNING, POWEROFF}:
            left[vm.name] = f"it is {place_of(vm).name}"
            continue
        live = place_of(vm) == RUNNING
        target = str(planned.get(vm.id, ""))

        def work(tx: Transaction, vm_id: int = vm.id, live: bool = live, target: str = target) -> None:
            call = Call(actor=job.actor)
            verbs.migrate_in(tx, tx.get(VmRow, vm_id), target, call, live=live, parent=job.id, reason="evacuation")

        try:
            services.store.write(work)
        except NebulaError as error:
            left[vm.name] = str(error)
    return left
