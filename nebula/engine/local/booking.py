"""Whether a host can take a VM right now, and taking its capacity: the last word before a job is filed."""

from __future__ import annotations

import msgspec

from nebula.engine.jobs.operations.common import begin_stay
from nebula.engine.lifecycle.states import HostState
from nebula.engine.local.reserving import reserve
from nebula.engine.machines.machine import Machine, machine_of, template_of
from nebula.engine.machines.migration import copies_crash, stays, threaded
from nebula.engine.scheduler.board import Board
from nebula.engine.scheduler.cluster_rules import reserves
from nebula.engine.scheduler.criteria import RULES, first_refusal
from nebula.engine.scheduler.membership import membership_of
from nebula.engine.scheduler.place import place
from nebula.engine.scheduler.reserve import CPU, MEMORY
from nebula.engine.scheduler.snapshot import Reach, load, placed_vms
from nebula.engine.scheduler.values import ClusterSnapshot, VmView
from nebula.engine.scheduler.wishes import REQUIREMENTS, as_required, names_company
from nebula.engine.services import Services
from nebula.engine.store.rows import ClusterRow, DatastoreRow, HostRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.errors import CapacityError, ConflictError


def require_room(tx: Transaction, vm: VmRow, host: HostRow) -> None:
    """ConflictError or CapacityError unless the host may take the VM; VMs on their way to it count."""
    if host.state not in {HostState.MONITORED, HostState.DISABLED}:
        raise ConflictError(
            f"host {host.name} is {HostState(host.state).name}", cause=host.error, hint=f"nebula host show {host.id}"
        )
    _require_reach(tx, vm, host)
    cpu, memory = promised(tx, host.id, but=vm.id)
    if memory + vm.memory > host.memory_max:
        raise CapacityError(
            f"host {host.name} has no room for VM {vm.name}",
            cause=f"memory: {host.memory_max - memory} MiB free, {vm.memory} MiB needed",
            hint="nebula host list, or overcommit with: nebula host update HOST --reserved-memory -20%",
        )
    if cpu + vm.cpu > host.cpu_max:
        raise CapacityError(
            f"host {host.name} has no room for VM {vm.name}",
            cause=f"CPU: {(host.cpu_max - cpu) / 100:g} cores free, {vm.cpu / 100:g} needed",
            hint="nebula host list, or overcommit with: nebula host update HOST --reserved-cpu -50%",
        )


def require_way(tx: Transaction, vm: VmRow, target: HostRow, *, live: bool) -> None:
    """ConflictError where the VM's hardware cannot travel that way."""
    require_no_snapshots(vm, "be migrated")
    machine = machine_of(vm)
    template = machine.template
    why = _no_way(tx, machine, target) if live else ""
    if why:
        raise ConflictError(f"VM {vm.name} cannot be migrated live", cause=why, hint=f"nebula vm migrate {vm.id}")
    if not live and template.get("TPM"):
        raise ConflictError(
            f"VM {vm.name} can only be migrated live",
            cause="what its TPM keeps lies in libvirt's own directory on its host, and goes along with a live migration only",
            hint=f"nebula vm migrate {vm.id} --live   (while it runs)",
        )


def require_no_snapshots(vm: VmRow, done: str) -> None:
    """ConflictError for a VM with snapshots of its memory and disks: they would be lost, or stand in the way."""
    kept = machine_of(vm).snapshots
    if kept:
        raise ConflictError(
            f"VM {vm.name} ({vm.id}) cannot {done}: it has snapshots",
            cause="its host's libvirt keeps them: " + ", ".join(one.name for one in kept),
            hint=f"nebula vm snapshot-delete {vm.id} {kept[-1].snapshot_id}",
        )


def _no_way(tx: Transaction, machine: Machine, target: HostRow) -> str:
    """Why it cannot go to the target while it runs."""

    def shared(datastore: int) -> bool:
        return bool(tx.get(DatastoreRow, datastore).body.get("shared"))

    version = str((target.body.get("facts") or {}).get("hypervisor_version", ""))
    disk = threaded(machine, shared) if copies_crash(version) else None
    if disk is not None:
        return f"disk {disk.disk_id} has an I/O thread: QEMU {version} of {target.name} dies when such a disk is copied to it"
    return stays(machine, shared)


def require_company(tx: Transaction, vm: VmRow, host: HostRow) -> None:
    """ConflictError if the VM minds the VMs that are on the host by now; what else it requires does not change so fast."""
    if not names_company(str(template_of(vm).get(REQUIREMENTS) or "")):
        return
    snapshot = load(tx, only=vm, host=host.id)
    refusal = as_required(snapshot.pending[0], Board(snapshot, snapshot.pending).rooms[host.id])
    if refusal is not None:
        raise ConflictError(
            f"host {host.name} is not what VM {vm.name} requires by now",
            cause=refusal.told(),
            hint=f"nebula vm describe {vm.id}",
        )


def require_rules(tx: Transaction, vm: VmRow, host: HostRow) -> None:
    """ConflictError if the VM's group does not want it there, CapacityError if the cluster keeps the room for the loss of a
    host.
    """
    grouped = bool(membership_of(template_of(vm)).group_id)
    comes = vm.host_id < 0 or vm.cluster_id != host.cluster_id
    if not grouped and not (comes and reserves(tx.known(ClusterRow, host.cluster_id))):
        return
    snapshot = load(tx, only=vm)
    refusal = first_refusal(RULES, snapshot.pending[0], Board(snapshot, snapshot.pending).rooms[host.id])
    if refusal is not None:
        short = refusal.test in {MEMORY, CPU}
        raise (CapacityError if short else ConflictError)(
            f"VM {vm.name} may not be on host {host.name}",
            cause=refusal.told(),
            hint=f"nebula vm describe {vm.id}, or insist: --force",
        )


def _require_reach(tx: Transaction, vm: VmRow, host: HostRow) -> None:
    """The VM's datastores and networks are there; a VM that has a host stays in its cluster, whose CPU it was promised."""
    machine = machine_of(vm)
    reach = Reach(tx, machine)
    homes = reach.homes(machine)
    if vm.host_id < 0 > vm.kept_on and homes and host.id not in homes:
        raise ConflictError(
            f"host {host.name} does not have the persistent image of VM {vm.name}", hint=f"nebula vm describe {vm.id}"
        )
    clusters, limits, impossible = reach.of(machine, vm)
    if impossible or (clusters and host.cluster_id not in clusters):
        raise ConflictError(
            f"host {host.name} is in a cluster that VM {vm.name} cannot use",
            cause=impossible or f"it needs {', '.join(limits)}",
            hint=f"nebula vm describe {vm.id}",
        )
    former = tx.get(HostRow, vm.host_id).cluster_id if vm.host_id > 0 else vm.cluster_id if vm.kept_on >= 0 else host.cluster_id
    if former != host.cluster_id:
        raise ConflictError(
            f"host {host.name} is in another cluster than VM {vm.name}",
            cause="a VM moves within its cluster: CPUs, networks and storage are the same only there",
            hint="nebula host list cluster=NAME",
        )


def require_portable(vm: VmRow) -> None:
    """ConflictError where something of the VM would not leave its host with it."""
    _require_own_disks(vm)
    require_no_snapshots(vm, "leave its host")
    if machine_of(vm).template.get("TPM"):
        raise ConflictError(
            f"VM {vm.name} ({vm.id}) cannot leave its host",
            cause="what its TPM keeps lies in libvirt's own directory there",
            hint=f"nebula vm poweroff {vm.id}, or nebula vm suspend {vm.id}",
        )


def _require_own_disks(vm: VmRow) -> None:
    """ConflictError for a VM that was adopted."""
    adopted = machine_of(vm).adopted
    if adopted is not None:
        disks = ", ".join(disk.path for disk in adopted.disks if disk.path)
        raise ConflictError(
            f"VM {vm.name} ({vm.id}) cannot leave its host",
            cause=f"it was adopted, and its disks are in no datastore: {disks or 'it has none'}",
            hint=f"nebula vm disown {vm.id}, then make an image of its disk: nebula image create NAME --path FILE",
        )


def require_memory(tx: Transaction, services: Services, vm: VmRow) -> None:
    """ConflictError unless the VM's host can keep a guest's memory in a file."""
    host = tx.get(HostRow, vm.host_id)
    if not services.pool.hypervisor(host).capabilities.saves_memory:
        raise ConflictError(
            f"VM {vm.name} ({vm.id}) cannot be suspended or stopped",
            cause=f"the hypervisor of host {host.name} ({host.driver}) cannot save a guest's memory",
            hint=f"nebula vm poweroff {vm.id}, or nebula vm undeploy {vm.id}",
        )
    if machine_of(vm).template.get("PCI"):
        raise ConflictError(
            f"VM {vm.name} ({vm.id}) cannot be suspended or stopped",
            cause="devices of its host have a state that cannot be saved",
            hint=f"nebula vm poweroff {vm.id}, or nebula vm undeploy {vm.id}",
        )


def require_home(vm: VmRow) -> None:
    """ConflictError for a VM without a datastore."""
    if vm.datastore_id < 0:
        raise ConflictError(
            f"VM {vm.name} ({vm.id}) cannot be stopped",
            cause="it has no datastore in which its memory could be kept",
            hint=f"nebula vm suspend {vm.id}, or nebula vm undeploy {vm.id}",
        )


def promised(tx: Transaction, host_id: int, *, but: int = 0) -> tuple[int, int]:
    """(hundredths of a core, MiB) promised on the host, migrations towards it included."""
    here = 'SELECT "cpu", "memory" FROM "vm" WHERE "{}"=? AND "state"<>6 AND "id"<>?'
    [(cpu, memory)] = tx.rows(
        f'SELECT COALESCE(SUM("cpu"),0), COALESCE(SUM("memory"),0) FROM '
        f'({here.format("host_id")} UNION ALL {here.format("target_host")}) AS "promised"',
        (host_id, but, host_id, but),
    )
    return int(cpu), int(memory)


def book(tx: Transaction, vm: VmRow, host: HostRow, actor: str, reason: str) -> dict[str, int]:
    """From this transaction on the host's capacity is taken, and what the VM needs of it for itself; returns what the move of
    the VM has to write into its row.
    """
    reserve(tx, vm, host)
    begin_stay(tx, vm, host, "deploy", actor, reason)
    return {"host_id": host.id, "cluster_id": host.cluster_id}


def choose_target(tx: Transaction, vm: VmRow) -> HostRow:
    """The scheduler's choice for a VM that must go somewhere else; CapacityError tells per host why not."""
    snapshot = load(tx, only=vm, away_from=vm.host_id)
    plan = place(snapshot, (*snapshot.pending, *_followers(tx, vm, snapshot)))
    target = next((action.host_id for action in plan.actions if action.vm_id == vm.id), 0)
    if not target:
        waiting = next(item for item in plan.unplaced if item.vm_id == vm.id)
        reasons = "; ".join(f"{name}: {why}" for name, why in sorted(waiting.hosts.items()))
        raise CapacityError(f"no other host can take VM {vm.name}", cause=reasons or waiting.summary, hint="nebula host list")
    return tx.get(HostRow, target)


def _followers(tx: Transaction, vm: VmRow, snapshot: ClusterSnapshot) -> tuple[VmView, ...]:
    """Those that must share its host and will have to leave this one, too: the target should have room for all."""
    view = snapshot.pending[0]
    sets = (group.together(view.role) for group in snapshot.groups if group.id == view.group_id)
    roles = frozenset(role for found in sets for names in found for role in names)
    if not roles or tx.get(HostRow, vm.host_id).state == HostState.MONITORED:
        return ()
    rows = tx.select(
        VmRow,
        '"host_id"=? AND "target_host"<=0 AND "state"<>6 AND "id"<>? AND "id" IN '
        '(SELECT "vm_id" FROM "vmgroup_member" WHERE "group_id"=?) ORDER BY "id"',
        (vm.host_id, vm.id, view.group_id),
    )
    left = frozenset({vm.host_id})
    return tuple(msgspec.structs.replace(one, not_on=left) for one in placed_vms(tx, rows) if one.role in roles)
