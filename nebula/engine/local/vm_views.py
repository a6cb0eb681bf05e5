"""A VM as people look at it."""

from __future__ import annotations

from typing import Any

import msgspec

from nebula.engine.api.values import Detail, LogLine
from nebula.engine.lifecycle.moves import place_of
from nebula.engine.lifecycle.states import HostState, LcmState, VmState
from nebula.engine.lifecycle.table import legal_verbs
from nebula.engine.machines.machine import machine_of
from nebula.engine.services import Services
from nebula.engine.store.rows import EventRow, HistoryRow, HostRow, JobLogRow, JobRow, VmRow
from nebula.engine.store.transaction import Queries
from nebula.model.domain import DomainReality

_SECRET = ("PASSWORD", "PASSWD", "PASSPHRASE", "TOKEN", "SECRET", "CREDENTIAL", "PRIVATE_KEY", "API_KEY", "ACCESS_KEY")


def hide(value: Any, key: str = "") -> Any:
    """A value without its secrets: attributes whose name says that they are one."""
    if isinstance(value, dict):
        return {name: hide(item, str(name)) for name, item in value.items()}
    if isinstance(value, list):
        return [hide(item) for item in value]
    if key and any(word in key.upper() for word in _SECRET) and value not in ("", None):
        return "(hidden)"
    return value


def look(services: Services, vm: VmRow) -> DomainReality | None:
    """What the VM's host says of it now, taken up at once; UnreachableError if it does not answer."""
    from nebula.engine.monitor.reconcile import take_up

    if vm.host_id < 0 or vm.state == VmState.DONE:
        return None
    host = services.store.read().get(HostRow, vm.host_id)
    asked = services.clock.now()
    reality = services.pool.hypervisor(host).lookup(vm.uuid)
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
        "owner": vm.owner,
        "state": place_of(vm).name,
        "reason": vm.reason,
        "alarm": vm.alarm,
        "since": vm.since,
        "created": vm.created,
        "host": host.name if host else None,
        "cpu": vm.cpu / 100,
        "vcpus": vm.vcpus,
        "memory_mib": vm.memory,
        "cpu_used": vm.cpu_used / 100 if vm.cpu_used >= 0 else None,
        "memory_used_mib": vm.memory_used if vm.memory_used >= 0 else None,
        "autostart": bool(vm.autostart),
        "addresses": [address for address in vm.ips.split(",") if address],
        "job": vm.job_id or None,
        "disks": [_disk(disk) for disk in machine.disks],
        "nics": [msgspec.to_builtins(nic) for nic in machine.nics],
        "template": hide(machine.template),
    }
    if reality is not None:
        body["domain"] = {"state": str(reality.state), "reason": reality.reason, "name": reality.name}
    return Detail(kind="vm", id=vm.id, name=vm.name, body=body)


def _disk(disk: Any) -> dict[str, Any]:
    size = disk.size or (disk.image.size if disk.image else 0)
    return {
        "disk_id": disk.disk_id, "kind": disk.kind, "image": disk.image_name or None, "format": disk.format,
        "size": size, "target": disk.target, "datastore_id": disk.datastore_id,
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
        "last_job": _job(jobs[0]) if jobs else None,
        "allowed": legal_verbs(place),
    }
    if place.state in {VmState.PENDING, VmState.HOLD, VmState.CLONING}:
        body["waiting"] = _waiting(machine, place.state)
    if place.state is VmState.ACTIVE and place.lcm is LcmState.UNKNOWN and host is not None and host.error:
        body["host_error"] = host.error
    return Detail(kind="vm", id=vm.id, name=vm.name, body=body)


def _job(job: JobRow) -> dict[str, Any]:
    return {"id": job.id, "kind": job.kind, "state": job.state, "actor": job.actor, "ended": job.ended, "error": job.error}


def _waiting(machine: Any, state: VmState) -> dict[str, Any]:
    if state is VmState.HOLD:
        return {"summary": "on hold until it is released", "hosts": {}}
    if state is VmState.CLONING:
        return {"summary": "waits for its images", "hosts": {}}
    if machine.waiting is None:
        return {"summary": "not looked at yet: the scheduler runs while an engine runs", "hosts": {}}
    found: dict[str, Any] = msgspec.to_builtins(machine.waiting)
    return found


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
