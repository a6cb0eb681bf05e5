"""Whether a host can take a VM right now, and taking its capacity: the last word before a job is filed."""

from __future__ import annotations

from nebula.engine.jobs.operations.common import begin_stay
from nebula.engine.lifecycle.states import HostState
from nebula.engine.machines.machine import machine_of
from nebula.engine.scheduler.place import place
from nebula.engine.scheduler.snapshot import Reach, load
from nebula.engine.store.rows import HostRow, VmRow
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


def _require_reach(tx: Transaction, vm: VmRow, host: HostRow) -> None:
    """The VM's datastores and networks are there; a VM that has a host stays in its cluster, whose CPU it was promised."""
    machine = machine_of(vm)
    reach = Reach(tx)
    homes = reach.homes(machine)
    if vm.host_id < 0 and homes and host.id not in homes:
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
    if vm.host_id > 0 and vm.host_id != host.id and tx.get(HostRow, vm.host_id).cluster_id != host.cluster_id:
        raise ConflictError(
            f"host {host.name} is in another cluster than VM {vm.name}",
            cause="a VM moves within its cluster: CPUs, networks and storage are the same only there",
            hint="nebula host list cluster=NAME",
        )


def promised(tx: Transaction, host_id: int, *, but: int = 0) -> tuple[int, int]:
    """(hundredths of a core, MiB) promised on the host, migrations towards it included."""
    cpu = memory = 0
    for column in ("host_id", "target_host"):
        sums = tx.rows(
            f'SELECT COALESCE(SUM("cpu"),0), COALESCE(SUM("memory"),0) FROM "vm" WHERE "{column}"=? AND "state"<>6 AND "id"<>?',
            (host_id, but),
        )[0]
        cpu, memory = cpu + int(sums[0]), memory + int(sums[1])
    return cpu, memory


def book(tx: Transaction, vm: VmRow, host: HostRow, actor: str, reason: str) -> None:
    """From this transaction on the host's capacity is taken."""
    tx.swap(vm, host_id=host.id, cluster_id=host.cluster_id)
    begin_stay(tx, vm, host, "deploy", actor, reason)


def choose_target(tx: Transaction, vm: VmRow) -> HostRow:
    """The scheduler's choice for a VM that must go somewhere else; CapacityError tells per host why not."""
    snapshot = load(tx, only=vm, away_from=vm.host_id)
    plan = place(snapshot, snapshot.pending)
    if not plan.actions:
        waiting = plan.unplaced[0]
        reasons = "; ".join(f"{name}: {why}" for name, why in sorted(waiting.hosts.items()))
        raise CapacityError(f"no other host can take VM {vm.name}", cause=reasons or waiting.summary, hint="nebula host list")
    return tx.get(HostRow, plan.actions[0].host_id)
