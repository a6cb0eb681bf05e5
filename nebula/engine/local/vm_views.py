"""A VM as people look at it."""

from __future__ import annotations

from typing import Any

import msgspec

from nebula import typed
from nebula.engine.api.values import Detail, LogLine
from nebula.engine.firewall.groups import of_card
from nebula.engine.lifecycle.moves import place_of
from nebula.engine.lifecycle.states import HostState, LcmState, VmState
from nebula.engine.lifecycle.table import legal_verbs
from nebula.engine.local.access import belongs
from nebula.engine.machines.held import Held
from nebula.engine.machines.machine import Alias, Machine, machine_of
from nebula.engine.onegate import gate_settings, is_ready
from nebula.engine.scheduler.hardware import held_by_host
from nebula.engine.secrets import hide, hide_template
from nebula.engine.services import Services
from nebula.engine.store.rows import (
    EventRow,
    HistoryRow,
    HostRow,
    JobLogRow,
    JobRow,
    LeaseRow,
    NetworkRow,
    ReservationRow,
    SecurityGroupRow,
    VmRow,
)
from nebula.engine.store.transaction import Queries
from nebula.model.domain import DomainReality


def look(services: Services, vm: VmRow) -> DomainReality | None:
    """What the VM's host says of it now, taken up at once; UnreachableError if it does not answer."""
    from nebula.engine.monitor.reconcile import news, take_up

    if vm.host_id < 0 or vm.state == VmState.DONE:
        return None
    host = services.store.read().get(HostRow, vm.host_id)
    asked = services.clock.now()
    reality = services.pool.hypervisor(host).lookup(vm.uuid)
    if news(vm, reality, asked=asked) is not None:
        services.store.write(lambda tx: take_up(tx, tx.get(VmRow, vm.id), reality, asked=asked))
    return reality


def show(queries: Queries, vm: VmRow, reality: DomainReality | None) -> Detail:
    """Everything about the VM, secrets hidden."""
    machine = machine_of(vm)
    host = _host(queries, vm.host_id)
    body: dict[str, Any] = {
        "id": vm.id,
        "name": vm.name,
        "uuid": vm.uuid,
        **belongs(vm),
        "template_id": vm.template_id if vm.template_id > 0 else None,
        "state": place_of(vm).name,
        "reason": vm.reason,
        "alarm": vm.alarm,
        "since": vm.since,
        "created": vm.created,
        "host": host.name if host else None,
        "disks_on": _keeper(queries, vm),
        "resched": bool(vm.resched),
        "cpu": vm.cpu / 100,
        "vcpus": vm.vcpus,
        "memory_mib": vm.memory,
        "cpu_used": vm.cpu_used / 100 if vm.cpu_used >= 0 else None,
        "memory_used_mib": vm.memory_used if vm.memory_used >= 0 else None,
        "autostart": bool(vm.autostart),
        "addresses": [address for address in vm.ips.split(",") if address],
        "job": vm.job_id or None,
        "disks": [_disk(disk) for disk in machine.disks],
        **({"adopted": msgspec.to_builtins(machine.adopted)} if machine.adopted else {}),
        "nics": _cards(queries, vm, machine),
        **({"passthrough": _functions(queries, vm, machine)} if machine.passthrough else {}),
        "template": hide_template(machine.template),
        **_reports(queries, machine),
    }
    if held := held_by_host(queries, host=vm.host_id).get(vm.host_id, {}).get(vm.id):
        body["held"] = msgspec.to_builtins(held)
    if reality is not None:
        body["domain"] = {"state": str(reality.state), "reason": reality.reason, "name": reality.name}
    return Detail(kind="vm", id=vm.id, name=vm.name, body=body)


def _reports(queries: Queries, machine: Machine) -> dict[str, Any]:
    """What the guest said of itself; `ready`: whether it said that it is, where it could."""
    found: dict[str, Any] = {"reported": hide(machine.reported)} if machine.reported else {}
    if machine.token and (machine.context.get("ONEGATE_ENDPOINT") or gate_settings(queries).endpoint):
        found["ready"] = is_ready(machine.reported)
    return found


def _cards(queries: Queries, vm: VmRow, machine: Machine) -> list[dict[str, Any]]:
    """With their aliases, and the security groups of each, its own and its network's."""
    leases = {lease.nic_id: lease for lease in queries.select(LeaseRow, '"vm_id"=?', (vm.id,))}
    found = []
    for nic in machine.nics:
        card: dict[str, Any] = {**msgspec.to_builtins(nic), "name": nic.title}
        del card["aliases"], card["asked"]
        if nic.aliases:
            card["aliases"] = [_alias(alias) for alias in nic.aliases]
        lease = leases.get(nic.nic_id)
        groups = of_card(lease, queries.get(NetworkRow, lease.network_id)) if lease is not None else ()
        if groups:
            card["security_groups"] = [queries.get(SecurityGroupRow, number).name for number in groups]
        found.append(card)
    return found


def _functions(queries: Queries, vm: VmRow, machine: Machine) -> list[dict[str, Any]]:
    """Cards that are virtual functions, with what the VM's host gave for each."""
    row = queries.first(ReservationRow, '"vm_id"=? AND "host_id"=?', (vm.id, vm.host_id))
    held = typed.convert(row.body, Held).pci if row is not None else ()
    shown = [{key: value for key, value in msgspec.to_builtins(nic).items() if key != "asked"} for nic in machine.passthrough]
    return [{**card, "device": held[card["pci"]] if card["pci"] < len(held) else None} for card in shown]


def _alias(alias: Alias) -> dict[str, Any]:
    shown: dict[str, Any] = {**msgspec.to_builtins(alias)}
    return {key: value for key, value in shown.items() if key != "asked"}


def _keeper(queries: Queries, vm: VmRow) -> str | None:
    """Where the disks of a VM are that is on no host."""
    if vm.host_id > 0 or vm.kept_on < 0:
        return None
    host = _host(queries, vm.kept_on)
    return host.name if host else "shared storage"


def _disk(disk: Any) -> dict[str, Any]:
    size = disk.size or (disk.image.size if disk.image else 0)
    return {
        "disk_id": disk.disk_id, "kind": disk.kind, "image": disk.image_name or None, "format": disk.format,
        "size": size, "target": disk.target, "datastore_id": disk.datastore_id,
        **({"snapshots": len(disk.snapshots)} if disk.snapshots else {}), **({"whole": True} if disk.whole else {}),
    }  # fmt: skip


def describe(queries: Queries, vm: VmRow) -> Detail:
    """State and why, the last job, what may be typed now."""
    machine = machine_of(vm)
    place = place_of(vm)
    host = _host(queries, vm.host_id)
    jobs = queries.select(JobRow, '"target_kind"=\'vm\' AND "target_id"=? ORDER BY "id" DESC LIMIT 1', (vm.id,))
    body: dict[str, Any] = {
        "state": place.name,
        "reason": vm.reason,
        "alarm": vm.alarm,
        "since": vm.since,
        "host": host.name if host else None,
        "host_state": HostState(host.state).name if host else None,
        "disks_on": _keeper(queries, vm),
        "memory_kept": machine.memory,
        "resched": bool(vm.resched),
        "lock": belongs(vm).get("lock"),
        "last_job": _job(jobs[0]) if jobs else None,
        "allowed": [verb for verb in legal_verbs(place) if verb != "disown" or machine.adopted],
    }
    if place.state in {VmState.PENDING, VmState.HOLD, VmState.CLONING}:
        body["waiting"] = _waiting(queries, vm, machine)
    if place.state is VmState.ACTIVE and place.lcm is LcmState.UNKNOWN and host is not None and host.error:
        body["host_error"] = host.error
    return Detail(kind="vm", id=vm.id, name=vm.name, body=body)


def _job(job: JobRow) -> dict[str, Any]:
    return {"id": job.id, "kind": job.kind, "state": job.state, "actor": job.actor, "ended": job.ended, "error": job.error}


def _waiting(queries: Queries, vm: VmRow, machine: Machine) -> dict[str, Any]:
    """Why it waits, as a plan made now would tell it."""
    if vm.state == VmState.HOLD:
        return {"summary": "on hold until it is released", "hosts": {}}
    if vm.state == VmState.CLONING:
        return {"summary": "waits for its images", "hosts": {}}
    if machine.prefer_host > 0 and _host(queries, machine.prefer_host) is None:
        return {"summary": "the host that was asked for is gone", "hosts": {}, "hint": f"nebula vm deploy {vm.id} --host HOST"}
    from nebula.engine.scheduler.explain import explain as explained
    from nebula.engine.scheduler.place import place
    from nebula.engine.scheduler.snapshot import load

    snapshot = load(queries, only=vm)
    for item in place(snapshot, snapshot.pending).unplaced:
        mend = explained(snapshot, snapshot.pending[0]).mend
        return {"summary": item.summary, "hosts": dict(item.hosts), "mend": list(mend)}
    failed = f"; {machine.failures} deploys in a row failed, so that it waits a while" if machine.failures else ""
    return {"summary": f"a host can take it: it is placed while an engine runs{failed}", "hosts": {}}


def explain(queries: Queries, vm: VmRow) -> Detail:
    """See Vms.explain."""
    from nebula.engine.scheduler.explain import explain as explained
    from nebula.engine.scheduler.snapshot import around

    snapshot = around(queries, vm)
    host, place = _host(queries, vm.host_id), place_of(vm)
    found = explained(snapshot, snapshot.pending[0], here=max(0, vm.host_id))
    stay = queries.first(HistoryRow, '"vm_id"=? ORDER BY "seq" DESC', (vm.id,)) if host else None
    body: dict[str, Any] = {
        "state": place.name,
        "host": host.name if host else None,
        "reason": stay.reason if stay else "",
        "needs": {"cpu": vm.cpu / 100, "memory_mib": vm.memory},
        "hosts": [msgspec.to_builtins(verdict) for verdict in found.hosts],
        "mend": list(found.mend),
    }
    return Detail(kind="vm", id=vm.id, name=vm.name, body=body)


def _host(queries: Queries, host_id: int) -> HostRow | None:
    return queries.first(HostRow, '"id"=?', (host_id,)) if host_id > 0 else None


def log(queries: Queries, vm: VmRow) -> list[LogLine]:
    """Events, stays and job logs of the VM in one order."""
    lines = [
        LogLine(at=event.at, level="info", text=_event_words(event), source="event")
        for event in queries.select(EventRow, '"object_kind"=\'vm\' AND "object_id"=? ORDER BY "id"', (vm.id,))
    ]
    jobs = queries.select(JobRow, '"target_kind"=\'vm\' AND "target_id"=?', (vm.id,))
    for job in jobs:
        lines.extend(
            LogLine(at=line.at, level=line.level, text=line.text, source=f"job {job.id} {job.kind}")
            for line in queries.select(JobLogRow, '"job_id"=? ORDER BY "id"', (job.id,))
        )
    for stay in queries.select(HistoryRow, '"vm_id"=? ORDER BY "seq"', (vm.id,)):
        text = f"{stay.action} on {stay.host}" + (f" ({stay.reason})" if stay.reason else "")
        lines.append(LogLine(at=stay.started, level="info", text=text, source="history"))
    return sorted(lines, key=lambda line: line.at)


def _event_words(event: EventRow) -> str:
    body = event.body
    if event.kind == "vm.state":
        reason = f" ({body['reason']})" if body.get("reason") else ""
        return f"{body.get('before')} → {body.get('after')}{reason}" + (f" by {event.actor}" if event.actor else "")
    return event.kind + (f" by {event.actor}" if event.actor else "")
