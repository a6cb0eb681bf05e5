"""Hosts of the façade."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nebula.engine.api.values import Accepted, Call, Detail, Finding, HostKeyOffer
from nebula.engine.capacity import check_reserved, usable
from nebula.engine.jobs.operations.common import end_stay
from nebula.engine.lifecycle.moves import guard, move, place_of
from nebula.engine.lifecycle.states import HostState, ImageState
from nebula.engine.local import adoption
from nebula.engine.local.attributes import with_attributes
from nebula.engine.local.base import Noun, free_name, resolve
from nebula.engine.local.host_views import describe
from nebula.engine.local.pinning import pinned_lines, shown_keys
from nebula.engine.machines.machine import machine_of
from nebula.engine.secrets import hide
from nebula.engine.store.rows import ClusterRow, DatastoreRow, HostRow, ImageCopyRow, ImageRow, VmRow
from nebula.engine.store.transaction import Transaction
from nebula.engine.tunnels import hosts_changed
from nebula.errors import ConflictError, UsageError
from nebula.names import check_name

_CHANGEABLE = frozenset(
    {"cluster", "address", "user", "port", "virt", "reserved_cpu", "reserved_memory", "host_keys", "attributes", "take_over"}
)
_VIRT = ("auto", "kvm", "qemu")


class LocalHosts(Noun):
    """See nebula.engine.api.verbs.Hosts."""

    noun = "host"

    def show(self, ref: str, refresh: bool = False) -> Detail:
        """One host, whole; `refresh` looks at it first."""
        row = resolve(self._store.read(), HostRow, ref)
        if refresh:
            from nebula.engine.monitor.sampling import sample_host

            sample_host(self._services, row)
            row = self._store.read().get(HostRow, row.id)
        return Detail(kind="host", id=row.id, name=row.name, body=self._body(row))

    def describe(self, ref: str) -> Detail:
        """See Hosts.describe."""
        queries = self._store.read()
        return describe(queries, resolve(queries, HostRow, ref))

    def scan(self, address: str, port: int = 22) -> list[HostKeyOffer]:
        """See Hosts.scan."""
        return shown_keys(self._services, address, port)

    def put_key(self, address: str, port: int, user: str, password: str, host_key: str) -> None:
        """See Hosts.put_key."""
        from nebula.transport.keys import put_key

        put_key(
            address, port, user, password, self.engine_key(), host_key, loop=self._services.transports.loop()
        )  # fmt: skip

    def engine_key(self) -> str:
        """See Hosts.engine_key."""
        from nebula.transport.keys import ensure_engine_key

        return ensure_engine_key(self._services.home).public_line

    def add(self, spec: Mapping[str, Any], call: Call) -> Accepted:
        """See Hosts.add."""
        if spec.get("fingerprint") and spec.get("address"):
            spec = self._pinned(str(spec["address"]), _port(spec.get("port") or 22), spec)
        row = _new_row(spec)
        row.body["peer_tag"] = self._services.new_uuid()

        def work(tx: Transaction) -> Accepted:
            row.name = free_name(tx, HostRow, str(spec.get("name", "")))
            if row.transport == "sim":
                row.address = row.name
            row.cluster_id = resolve(tx, ClusterRow, str(spec.get("cluster") or "default")).id
            self._unique_address(tx, row)
            tx.insert(row)
            tx.event("host.added", "host", row.id, actor=call.actor, name=row.name)
            job = self._file(tx, "host.setup", row.id, call, {"take_over": bool(spec.get("take_over"))})
            return Accepted(kind="host", id=row.id, name=row.name, job_id=job.id)

        return self._change(call, work)

    def check(self, ref: str) -> list[Finding]:
        """See Hosts.check."""
        from nebula.engine.doctor import check_host

        return check_host(self._services, resolve(self._store.read(), HostRow, ref))

    def domains(self, ref: str) -> list[Detail]:
        """See Hosts.domains."""
        return adoption.foreign(self._services, resolve(self._store.read(), HostRow, ref))

    def enable(self, ref: str, call: Call) -> Accepted:
        """Back to MONITORED; a host in ERROR or OFFLINE is looked at again first."""
        return self._wish(ref, HostState.MONITORED, call)

    def disable(self, ref: str, call: Call) -> Accepted:
        """Still watched, no new VMs."""
        return self._wish(ref, HostState.DISABLED, call)

    def offline(self, ref: str, call: Call) -> Accepted:
        """Not watched; refused while VMs run there."""
        return self._wish(ref, HostState.OFFLINE, call)

    def rename(self, ref: str, name: str, call: Call) -> Accepted:
        """The name, also in what was found on the host; addresses and keys stay."""
        return self._rename(HostRow, ref, name, call, along=_told_anew)

    def update(self, ref: str, changes: Mapping[str, Any], call: Call) -> Accepted:
        """See Hosts.update."""
        changes = self._with_pinned_key(ref, changes)
        unknown = set(changes) - _CHANGEABLE
        if unknown:
            raise UsageError(f"a host has no {min(unknown)!r} to change", hint=f"one of: {', '.join(sorted(_CHANGEABLE))}")

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, HostRow, ref)
            fields = self._changed(tx, row, changes)
            left = {"left": row.cluster_id} if fields.get("cluster_id", row.cluster_id) != row.cluster_id else {}
            tx.swap(row, **fields)
            tx.event("host.updated", "host", row.id, actor=call.actor, name=row.name, changed=sorted(changes))
            again = {"cluster", "address", "user", "port", "virt", "host_keys", "take_over"} & set(changes)
            arguments = {"take_over": bool(changes.get("take_over")), **left}
            job = self._file(tx, "host.setup", row.id, call, arguments) if again else None
            return Accepted(kind="host", id=row.id, name=row.name, job_id=job.id if job else 0)

        return self._change(call, work)

    def remove(self, ref: str, call: Call, force: bool = False) -> Accepted:
        """See Hosts.remove."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, HostRow, ref)
            if force and row.state in {HostState.ERROR, HostState.OFFLINE}:
                _lose_vms(tx, row, call)
            _refuse_vms(tx, row, "removed")
            if not force:
                _refuse_repositories(tx, row)
            _give_up_images(tx, row, force=force)
            tx.swap(row, state=int(HostState.OFFLINE), wanted=int(HostState.OFFLINE))
            hosts_changed(tx, self._services, call.actor)
            job = self._file(tx, "host.remove", row.id, call, {"force": force, "left": row.cluster_id})
            return Accepted(kind="host", id=row.id, name=row.name, job_id=job.id)

        return self._change(call, work)

    def clean(self, ref: str, call: Call) -> Accepted:
        """See Hosts.clean."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, HostRow, ref)
            if row.state == HostState.OFFLINE:
                raise ConflictError(f"host {row.name} is OFFLINE: it is left alone", hint=f"nebula host enable {row.id}")
            job = self._file(tx, "host.clean", row.id, call, {})
            would = (f"take away what VMs and networks that are gone left on {row.name}",) if call.dry_run else ()
            return Accepted(kind="host", id=row.id, name=row.name, job_id=job.id, would=would)

        return self._change(call, work)

    def evacuate(self, ref: str, call: Call) -> Accepted:
        """See Hosts.evacuate."""

        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, HostRow, ref)
            if row.state not in {HostState.MONITORED, HostState.DISABLED}:
                raise ConflictError(
                    f"host {row.name} is {HostState(row.state).name}: its VMs cannot be migrated live",
                    cause=row.error,
                    hint=f"nebula host describe {row.id}",
                )
            tx.swap(row, state=int(HostState.DISABLED), wanted=int(HostState.DISABLED))
            tx.event("host.state", "host", row.id, actor=call.actor, name=row.name, after="DISABLED")
            job = self._file(tx, "host.evacuate", row.id, call, {})
            vms = tx.count(VmRow, '"host_id"=? AND "state"<>6', (row.id,))
            would = (f"disable host {row.name} and migrate {vms} VMs away",) if call.dry_run else ()
            return Accepted(kind="host", id=row.id, name=row.name, job_id=job.id, would=would)

        return self._change(call, work)

    # --- parts

    def _with_pinned_key(self, ref: str, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        """A fingerprint becomes the key that the host shows now, if that key has it; HostKeyError otherwise."""
        if not changes.get("fingerprint"):
            return changes
        row = resolve(self._store.read(), HostRow, ref)
        return self._pinned(str(changes.get("address") or row.address), _port(changes.get("port") or row.port), changes)

    def _pinned(self, address: str, port: int, changes: Mapping[str, Any]) -> Mapping[str, Any]:
        lines = pinned_lines(self._services, address, port, str(changes["fingerprint"]))
        return {**{name: value for name, value in changes.items() if name != "fingerprint"}, "host_keys": lines}

    def _wish(self, ref: str, state: HostState, call: Call) -> Accepted:
        def work(tx: Transaction) -> Accepted:
            row = resolve(tx, HostRow, ref)
            if state is HostState.OFFLINE:
                _refuse_vms(tx, row, "taken offline")
            answers = row.state in {HostState.MONITORED, HostState.DISABLED}
            now = state if answers or state is HostState.OFFLINE else HostState(row.state)
            went_or_came = HostState.OFFLINE in {state, row.wanted}
            tx.swap(row, wanted=int(state), state=int(now))
            if went_or_came:
                hosts_changed(tx, self._services, call.actor)
            tx.event("host.state", "host", row.id, actor=call.actor, name=row.name, after=HostState(now).name)
            job = None if answers or state is HostState.OFFLINE else self._file(tx, "host.setup", row.id, call, {})
            return Accepted(kind="host", id=row.id, name=row.name, job_id=job.id if job else 0)

        return self._change(call, work)

    def _unique_address(self, tx: Transaction, row: HostRow) -> None:
        if row.transport == "sim":
            return
        where = (row.address, row.port, row.transport)
        taken = tx.first(HostRow, '"address"=? AND "port"=? AND "transport"=?', where)
        if taken is not None:
            what = f"{row.address} port {row.port}" if row.address else "this machine"
            raise ConflictError(f"{what} is host {taken.name} already", hint=f"nebula host show {taken.id}")

    def _changed(self, tx: Transaction, row: HostRow, changes: Mapping[str, Any]) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        body = dict(row.body)
        for name, value in changes.items():
            if name == "cluster":
                _refuse_vms(tx, row, "moved to another cluster")
                fields["cluster_id"] = resolve(tx, ClusterRow, str(value)).id
            elif name == "virt":
                fields["virt_asked"] = _virt(str(value))
            elif name == "port":
                fields["port"] = _port(value)
            elif name == "attributes":
                body = with_attributes(body, value)
            elif name == "host_keys":
                body[name] = value
            elif name == "take_over":
                continue
            elif name in {"address", "user"}:
                fields[name] = check_name(name, str(value)) if value or name == "user" else ""
            else:
                fields[name] = str(value)
        if "reserved_cpu" in fields:
            check_reserved(row.name, row.cpu_total, fields["reserved_cpu"], "cores")
            fields["cpu_max"] = usable(row.cpu_total, fields["reserved_cpu"], "cores")
        if "reserved_memory" in fields:
            check_reserved(row.name, row.memory_total, fields["reserved_memory"], "memory")
            fields["memory_max"] = usable(row.memory_total, fields["reserved_memory"], "memory")
        return {**fields, "body": body}

    def _body(self, row: HostRow) -> dict[str, Any]:
        queries = self._store.read()
        from nebula.engine.scheduler.snapshot import usage

        cpu, memory, vms = usage(queries, row.id).get(row.id, (0, 0, 0))
        facts = {key: value for key, value in row.body.get("facts", {}).items() if key != "cpu_xml"}
        cluster = queries.first(ClusterRow, '"id"=?', (row.cluster_id,))
        return {
            "id": row.id,
            "name": row.name,
            "state": HostState(row.state).name,
            "error": row.error,
            "cluster": cluster.name if cluster else None,
            "address": row.address or "this machine",
            "user": row.user,
            "port": row.port,
            "driver": row.driver,
            "virt": row.virt or row.virt_asked,
            "cpu": {
                "total": row.cpu_total / 100,
                "max": row.cpu_max / 100,
                "promised": cpu / 100,
                "used": _used(row.cpu_used, 100),
            },
            "memory_mib": {
                "total": row.memory_total,
                "max": row.memory_max,
                "promised": memory,
                "used": _used(row.memory_used, 1),
            },
            "vms": vms,
            "reserved": {"cpu": row.reserved_cpu, "memory": row.reserved_memory},
            "monitored": row.monitored,
            "facts": facts,
            "findings": row.body.get("findings", []),
            "attributes": hide(row.body.get("attributes", {})),
            "host_keys": row.body.get("host_keys", []),
        }


def _told_anew(row: HostRow, name: str) -> dict[str, Any]:
    """What is kept of looks at the host, with its new name where the old one is meant."""
    meant = re.compile(rf"\b(host|nebula host [a-z-]+) {re.escape(row.name)}(?![\w@+-]|\.\w)")

    def anew(value: Any) -> Any:
        return meant.sub(lambda found: f"{found[1]} {name}", value) if isinstance(value, str) else value

    findings = [{key: anew(value) for key, value in finding.items()} for finding in row.body.get("findings", [])]
    return {"error": anew(row.error), "body": {**row.body, "findings": findings}}


def _used(value: int, scale: int) -> float | None:
    return value / scale if value >= 0 else None


def _give_up_images(tx: Transaction, row: HostRow, *, force: bool) -> None:
    """Images of which this host has the only copy: a reason not to remove it; by force they are lost and say so."""
    only = [
        tx.get(ImageRow, copy.image_id)
        for copy in tx.select(ImageCopyRow, '"host_id"=?', (row.id,))
        if tx.count(ImageCopyRow, '"image_id"=?', (copy.image_id,)) == 1
    ]
    if only and not force:
        raise ConflictError(
            f"host {row.name} has the only copy of {len(only)} images",
            cause=", ".join(image.name for image in only[:10]),
            hint=f"nebula image remove NAME, or nebula host remove {row.name} --force to lose them",
        )
    for image in only:
        tx.swap(image, state=int(ImageState.ERROR), error=f"its only copy was on host {row.name}, which was removed")


def _lose_vms(tx: Transaction, row: HostRow, call: Call) -> None:
    """A host that is gone for good takes its disks along: its VMs wait, on hold, for a person to start them anew."""
    for vm in tx.select(VmRow, '("host_id"=? OR "kept_on"=?) AND "state"<>6', (row.id, row.id)):
        adopted = machine_of(vm).adopted is not None  # there is nothing to start it of anew
        found = guard(vm, "recover-delete-db" if adopted else "host-lost")
        if found.success is not None:
            end_stay(tx, vm)
            reason = f"host {row.name} was removed by force"
            body = {**vm.body, "memory": False}
            move(tx, vm, found.success, reason=reason, actor=call.actor, host_id=-1, kept_on=-1, body=body)


def _refuse_repositories(tx: Transaction, row: HostRow) -> None:
    """ConflictError for a host that has backups of VMs."""
    for datastore in tx.select(DatastoreRow, '"type"=?', ("backup",)):
        if str(datastore.body.get("settings", {}).get("host", "")) == str(row.id):
            raise ConflictError(
                f"host {row.name} cannot be removed", cause=f"the backups of datastore {datastore.name} are on it",
                hint=f"nebula backup list datastore={datastore.name}",
            )  # fmt: skip


def _refuse_vms(tx: Transaction, row: HostRow, what: str) -> None:
    here = '("host_id"=? OR "target_host"=? OR "kept_on"=?) AND "state"<>6 ORDER BY "id" LIMIT 5'
    vms = tx.select(VmRow, here, (row.id, row.id, row.id))
    if vms:
        names = ", ".join(f"{vm.name} ({vm.id}, {place_of(vm).name})" for vm in vms)
        kept = next((vm for vm in vms if vm.kept_on == row.id), None)
        hint = (
            f"nebula vm deploy {kept.id} --host HOST brings its disks elsewhere" if kept else f"nebula host evacuate {row.name}"
        )
        raise ConflictError(f"host {row.name} has VMs: it cannot be {what}", cause=names, hint=hint)


def _virt(text: str) -> str:
    if text not in _VIRT:
        raise UsageError(f"{text[:40]!r} is no virtualisation type", hint=f"one of: {', '.join(_VIRT)}")
    return text


def _port(value: Any) -> int:
    text = str(value)
    if not (text.isascii() and text.isdecimal() and len(text) < 9) or not 1 <= int(text) <= 65535:
        raise UsageError(f"{text[:40]!r} is no port", hint="1 to 65535; ssh's is 22")
    return int(text)


def _new_row(spec: Mapping[str, Any]) -> HostRow:
    address, driver = str(spec.get("address") or ""), str(spec.get("driver") or "libvirt")
    if driver not in {"libvirt", "sim"}:
        raise UsageError(f"no hypervisor driver is called {driver[:40]!r}", hint="libvirt, or sim for a simulated host")
    if address:
        check_name("address", address)
    keys = [str(line) for line in spec.get("host_keys") or ()]
    transport = "sim" if driver == "sim" else "ssh" if address else "local"
    if transport == "ssh" and not keys:
        raise UsageError(
            "a remote host needs its key pinned", hint=f"ssh-keyscan {address}, compare, then --fingerprint SHA256:…"
        )
    name = str(spec.get("name", ""))[:60]
    check_reserved(name, 0, str(spec.get("reserved_cpu") or ""), "cores")
    check_reserved(name, 0, str(spec.get("reserved_memory") or ""), "memory")
    return HostRow(
        name="",
        cluster_id=0,
        state=int(HostState.INIT),
        wanted=int(HostState.MONITORED),
        driver=driver,
        transport=transport,
        address=address,
        user=check_name("user", str(spec.get("user") or "root")),
        port=_port(spec.get("port") or 22),
        virt_asked=_virt(str(spec.get("virt") or "auto")),
        reserved_cpu=str(spec.get("reserved_cpu") or ""),
        reserved_memory=str(spec.get("reserved_memory") or ""),
        body=with_attributes({"host_keys": keys}, spec.get("attributes") or {}),
    )
